"""The studio in a real browser: begin, watch, choose; the server is killed midway and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")

from fake_run import Landscapes, fake_run
from test_gallery_browser import CHROMIUM, CONTRAST, browser, until  # noqa: F401
from test_pages_browser import (  # noqa: F401
    TROUBLE,
    come_back_after,
    duplicate,
    elsewhere,
    open_page,
    out_of_reach,
)

from steer.record.folder import Record, list_runs
from steer.record.picks import Pick, Picks

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
SCRIPT = Path(__file__).parents[1] / "support" / "serve_studio.py"


class Served:
    """`steer studio` as a process: started, killed, started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self.out, self.profiles = folder / "runs", folder / "profiles"
        self.profiles.mkdir()
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(self.out), str(self.profiles)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        )  # fmt: skip
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), "the server did not start"

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    @property
    def folder(self):
        return list_runs(self.out)[-1].folder


@pytest.fixture
def served(tmp_path):
    server = Served(tmp_path)
    yield server
    if server.process.poll() is None:
        server.kill()


def status(text):
    return f"document.querySelector('#status')?.textContent === '{text}'"


def cards(count):
    return f"document.querySelectorAll('.card').length >= {count}"


def pressed(id, kind):
    return f"document.querySelector('#card-{id} [data-pick={kind}]')?.getAttribute('aria-pressed') === 'true'"


@pytest.mark.slow
def test_a_stranger_edits_and_chooses_while_the_server_is_killed_and_nothing_is_lost(open_page, served):  # noqa: F811
    page = open_page(served.url)
    until(page, "document.querySelector('#plan')?.textContent.includes('9 pictures')")
    assert page.is_visible("text=A finished example")
    page.click("a[href='#begin']")
    until(page, "document.activeElement.id === 'prompt'")
    page.keyboard.type("a quiet harbour")
    page.select_option("#kind", "participant")
    page.click("summary")
    page.check("#asks")
    page.click("#form button[type=submit]")

    until(page, f"location.pathname.startsWith('/studio/runs/') && {cards(1)}")
    until(page, "!document.querySelector('#review').hidden")
    page.click("#rewrites li:nth-child(1) button:text('Strike')")
    until(page, "document.querySelectorAll('#rewrites li').length === 3")
    page.click("#rewrites li:nth-child(1) button:text('Change')")
    page.keyboard.press("Control+a")
    page.keyboard.type("a quiet harbour, as I see it")
    page.keyboard.press("Enter")
    page.fill("#own", "a quiet harbour, in blue chalk")
    page.press("#own", "Enter")
    until(page, "document.querySelector('#rewrites').textContent.includes('blue chalk')")
    page.click("#render")
    until(page, f"{cards(5)} && !document.querySelector('#review').hidden")

    other = page.context.new_page()
    other.set_viewport_size({"width": 390, "height": 844})
    other.goto(page.url)
    until(other, cards(5))
    other.click("#card-r01c00 .picture")
    other.click("#large [data-pick=heart]")
    until(page, pressed("r01c00", "heart"))
    assert other.get_attribute("#large [data-pick=heart]", "aria-pressed") == "true"
    if folder := os.environ.get("SCREENSHOTS"):
        other.screenshot(path=f"{folder}/studio-large-phone.png")
    other.close()

    served.kill()  # the run waits on; what is chosen meanwhile waits on the page
    page.focus("#card-r01c01 .picture")
    page.keyboard.press("b")
    until(page, TROUBLE)
    assert "steer studio" in page.inner_text("#trouble")
    served.start()
    until(page, f"!({TROUBLE})")
    page.click("#render")
    until(page, status("Done"))
    assert page.evaluate(pressed("r01c01", "bury")) and page.evaluate(pressed("r01c00", "heart"))
    given = [(pick.pick, pick.picture) for pick in Picks(served.folder).read() if pick.picture]
    assert given == [("heart", "r01c00"), ("bury", "r01c01")]

    record = Record.read(served.folder)
    prompts = [candidate.prompt for candidate in record.candidates if candidate.own]
    assert prompts == ["a quiet harbour, as I see it", "a quiet harbour, in blue chalk"]
    assert record.result["best"]["id"] != "r01c01"
    assert not page.is_visible("[data-pick]"), "in a finished run for a participant they would do nothing"
    assert "♥" in page.inner_text("#card-r01c00 .facts")
    assert page.evaluate("document.querySelectorAll('.card').length") == len(record.candidates)


def test_a_run_is_paused_gone_on_with_and_the_page_is_fit_for_a_phone(open_page, served):  # noqa: F811
    page = open_page(served.url, color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    until(page, "document.querySelector('#plan')?.textContent.includes('9 pictures')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.fill("#prompt", "a lighthouse")
    page.click("summary")
    page.fill("#pictures", "40")
    page.click("#form button[type=submit]")
    until(page, f"location.pathname.startsWith('/studio/runs/') && {cards(2)}")
    page.click("#pause")
    until(page, status("At rest"))
    assert Record.read(served.folder).status == "interrupted"
    page.click("#go-on")
    until(page, f"{status('At work')} && {cards(12)}")
    page.click("#stop")
    until(page, status("Done"))
    result = Record.read(served.folder).result
    assert result["stop_reason"] == "person" and result["iterations"] == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(CONTRAST) == []


# --- pages that are older than what the server has by now


@pytest.fixture
def waiting(open_page, served):  # noqa: F811
    """The page of a run that waits, before its first round, for what the person says."""
    page = open_page(served.url)
    until(page, "document.querySelector('#plan')?.textContent.includes('9 pictures')")
    page.fill("#prompt", "a quiet harbour")
    page.select_option("#kind", "participant")
    page.click("summary")
    page.check("#asks")
    page.click("#form button[type=submit]")
    until(page, f"location.pathname.startsWith('/studio/runs/') && {cards(1)}")
    until(page, "!document.querySelector('#review').hidden")
    yield page
    page.click("#stop")
    until(page, status("Done"))


HEART = {"key": "heart-of-another-tab", "pick": "heart", "picture": "r00c00"}


def test_a_studio_page_from_the_browsers_cache_shows_what_was_chosen_elsewhere(waiting, served):
    body, picks = {**HEART, "key": "a" * 24}, f"{waiting.url}picks"
    come_back_after(waiting, "/studio/", lambda: elsewhere(waiting, picks, body))
    until(waiting, pressed("r00c00", "heart"))
    until(waiting, "!document.querySelector('#review').hidden")
    assert len(Picks(served.folder).read()) == 2  # the wish to be asked, and the heart


def test_after_a_lost_connection_the_page_has_every_change_once(waiting, served):
    waiting.context.set_offline(True)
    until(waiting, TROUBLE)
    Picks(served.folder).give(Pick(**HEART))
    Picks(served.folder).give(Pick(key="words-of-another-tab", pick="add", to="a quiet harbour, in chalk"))
    waiting.context.set_offline(False)
    until(waiting, f"!({TROUBLE}) && {pressed('r00c00', 'heart')}")
    until(waiting, "document.querySelector('#rewrites').textContent.includes('in chalk')")
    assert waiting.evaluate("document.querySelectorAll('#rewrites li').length") == 5


def test_a_choice_that_waits_in_two_tabs_is_given_once_and_both_show_it(waiting, served):
    with out_of_reach(waiting, "/picks?*"):
        waiting.focus("#card-r00c00 .picture")
        waiting.keyboard.press("h")
        until(waiting, TROUBLE)
        twin = duplicate(waiting)
        until(twin, TROUBLE)
        assert len(Picks(served.folder).read()) == 1, "nothing was acknowledged, and nothing is there"
    for page in (waiting, twin):
        until(page, f"!({TROUBLE}) && {pressed('r00c00', 'heart')}")
    twin.close()
    assert [pick.pick for pick in Picks(served.folder).read()] == ["review", "heart"]


# --- the first page


def test_what_was_typed_outlives_rating_and_a_taste_of_ones_own_is_offered_before_there_is_one(
    open_page,  # noqa: F811
    served,
):
    page = open_page(served.url)
    until(page, "document.querySelector('#plan')?.textContent.includes('9 pictures')")
    page.fill("#prompt", "a quiet harbour")
    page.select_option("#kind", "new")
    assert page.inner_text("#form button[type=submit]") == "Rate pictures"
    page.goto(page.url)
    until(page, "document.querySelector('#prompt').value === 'a quiet harbour'")


def test_two_finished_runs_are_compared_by_a_click(open_page, served):  # noqa: F811
    for _ in range(2):
        fake_run(served.out, renderer=Landscapes(64))
    page = open_page(served.url)
    until(page, "document.querySelectorAll('.choose').length === 2")
    first = page.query_selector(".choose")
    first.check()
    assert page.is_disabled("#compare")
    page.click(".runs a")
    until(page, "location.pathname.startsWith('/studio/runs/')")
    page.go_back()  # what was ticked is still ticked, so what can be done with it is still offered
    until(page, "document.querySelector('.choose:checked') && !document.querySelector('#chosen').hidden")
    page.query_selector(".choose:not(:checked)").check()
    page.click("#compare")
    until(page, "location.pathname.endsWith('/versus.html')")
    assert page.evaluate("getComputedStyle(document.querySelector('a')).color") == "rgb(0, 128, 128)"

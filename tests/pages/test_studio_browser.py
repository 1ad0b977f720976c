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

from test_gallery_browser import CHROMIUM, CONTRAST, browser, until  # noqa: F401
from test_pages_browser import TROUBLE, open_page  # noqa: F401

from steer.record.folder import Record, list_runs
from steer.record.picks import Picks

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
    other.goto(page.url)
    until(other, cards(5))
    page.focus("#card-r01c00 .picture")
    page.keyboard.press("h")
    until(other, pressed("r01c00", "heart"))
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

"""The study in a real browser: by keyboard, two raters, the server killed midway, and nothing that tells."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from study_runs import PEOPLE, make_runs

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")

from test_gallery_browser import CHROMIUM, browser, until  # noqa: F401
from test_pages_browser import (
    TROUBLE,
    UNSAVED,
    accessible,
    come_back_after,
    duplicate,
    elsewhere,
    enter,
    open_page,  # noqa: F401
    out_of_reach,
    press_until,
    reload_before,
)

from steer.pages.study_report import write_report
from steer.study.answers import key_of, read_raters
from steer.study.design import BASE, OTHERS, OWN, make_design
from steer.study.report import make_report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
SCRIPT = Path(__file__).parents[1] / "support" / "serve_study.py"
LIKED = {OWN: 3, OTHERS: 2, "population": 2, BASE: 0}
KEYS = {"left": "ArrowLeft", "right": "ArrowRight", "tie": "Space"}
READY = "document.querySelector('#left') !== null && !document.querySelector('#left').disabled"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    people = (*PEOPLE[:2], "sandbox:population")
    return make_runs(tmp_path_factory.mktemp("runs"), people, ("floating mossy rocks",), size=256)


class Served:
    """A study as a process: started, killed, started again at the same address."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(self.folder)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), "the server did not start"

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def study(runs, tmp_path):
    return make_design(runs, tmp_path / "studies")


@pytest.fixture
def served(study):
    server = Served(study.folder)
    yield server
    if server.process.poll() is None:
        server.kill()


def begin(page, name, who=None):
    """Through the first page by keyboard."""
    until(page, "document.querySelector('#begin button:not(:disabled)') !== null")
    page.focus("#name")
    page.keyboard.type(name)
    if who is not None:
        page.select_option("#person", who)
        page.focus("#name")
    page.keyboard.press("Enter")
    until(page, READY)


def number_of(page):
    return int(page.inner_text("#count").split()[0])


def give(page, answer):
    """One answer by keyboard; waits for the next pair, or the end."""
    before = number_of(page)
    page.keyboard.press(KEYS[answer])
    until(page, f"document.querySelector('#count').textContent.startsWith('{before + 1} of')")
    until(page, f"{READY} || !document.querySelector('#over').hidden")


def preferred(study, name, who, number):
    pair = study.pairs(name, who)[number]
    left, right = (LIKED[picture.condition(who)] for picture in (pair.left, pair.right))
    return "tie" if left == right else "left" if left > right else "right"


def test_a_study_by_keyboard_with_the_server_killed_midway_and_nothing_is_lost(open_page, served, study):  # noqa: F811
    page = open_page(served.url)
    begin(page, "Me", "profile:me")
    count = len(study.pairs("Me", "profile:me"))
    assert count == 6
    for number in range(3):
        give(page, preferred(study, "Me", "profile:me", number))

    served.kill()
    page.keyboard.press(KEYS[preferred(study, "Me", "profile:me", 3)])
    until(page, UNSAVED)
    assert "steer study open" in page.inner_text("#trouble")
    assert len(read_raters(study)[key_of("Me")].given) == 3
    served.start()
    until(page, "document.querySelector('#count').textContent.startsWith('4 of')")
    until(page, f"{READY} && document.querySelector('#trouble').hidden")
    assert len(read_raters(study)[key_of("Me")].given) == 4

    page.keyboard.press("u")
    until(page, f"document.querySelector('#count').textContent.startsWith('3 of') && {READY}")
    page.reload()
    until(page, READY)
    for number in range(3, count):
        give(page, preferred(study, "Me", "profile:me", number))
    until(page, "!document.querySelector('#over').hidden")
    assert "steer study report" in page.inner_text("#over")

    ranking = make_report(study, 20).ranking
    assert ranking.comparisons == count and ranking.conditions[0] == OWN and ranking.conditions[-1] == BASE
    assert ranking.win_rate(OWN, BASE) == 1 and ranking.win_rate(OTHERS, "population") == 0.5


def test_two_raters_at_once_and_one_comes_back(open_page, served, study):  # noqa: F811
    first, second = open_page(served.url), open_page(served.url)
    begin(first, "Me", "profile:me")
    begin(second, "Guest")
    give(first, "left")
    give(second, "right")
    give(first, "tie")
    enter(first, served.url)
    begin(first, "Me")
    assert number_of(first) == 2
    raters = read_raters(study)
    assert [g.answer for g in raters[key_of("Me")].given.values()] == ["left", "tie"]
    assert [g.answer for g in raters[key_of("Guest")].given.values()] == ["right"]
    assert raters[key_of("Me")].person == "profile:me"


def test_two_tabs_of_one_rater_never_answer_a_pair_twice(open_page, served, study):  # noqa: F811
    page = open_page(served.url)
    begin(page, "Me")
    other = page.context.new_page()
    other.goto(page.url)
    until(other, READY)
    give(page, "left")
    other.keyboard.press("ArrowRight")
    until(other, TROUBLE)
    assert "another tab" in other.inner_text("#trouble").lower() and number_of(other) == 1
    assert [g.answer for g in read_raters(study)[key_of("Me")].given.values()] == ["left"]


@pytest.mark.parametrize("way", ["reload", "history"])
def test_a_study_page_older_than_an_answer_shows_the_next_pair(open_page, served, study, way):  # noqa: F811
    page = open_page(served.url)
    begin(page, "Me")

    def answer():
        elsewhere(page, f"/study/{key_of('Me')}/answers", {"number": 0, "answer": "left", "seconds": 1})

    if way == "reload":
        reload_before(page, answer)
    else:
        come_back_after(page, "/study", answer)
    until(page, f"document.querySelector('#count')?.textContent.startsWith('1 of') && {READY}")
    assert "/pictures/1/left" in page.get_attribute("#left img", "src")
    give(page, "right")
    assert [g.answer for g in read_raters(study)[key_of("Me")].given.values()] == ["left", "right"]


def test_an_answer_that_waits_outlives_a_reload_and_a_duplicated_tab_and_is_given_once(
    open_page,  # noqa: F811
    served,
    study,
):
    page = open_page(served.url)
    begin(page, "Me")
    page.on("dialog", lambda dialog: dialog.accept())
    with out_of_reach(page, "/answers"):
        press_until(page, READY, ("ArrowLeft",), UNSAVED)
        page.reload()
        until(page, UNSAVED)
        other = duplicate(page)
        until(other, UNSAVED)
        assert read_raters(study)[key_of("Me")].given == {}
    for tab in (page, other):
        until(tab, f"document.querySelector('#count').textContent.startsWith('1 of') && {READY}")
        assert "/pictures/1/left" in tab.get_attribute("#left img", "src")
    assert [g.answer for g in read_raters(study)[key_of("Me")].given.values()] == ["left"]


def test_a_study_page_that_comes_back_while_the_server_is_down_shows_no_pair(open_page, served, study):  # noqa: F811
    page = open_page(served.url)
    begin(page, "Me")
    with out_of_reach(page, "/state"):
        for event in ("pagehide", "pageshow"):
            page.evaluate(f"void dispatchEvent(new PageTransitionEvent('{event}', {{ persisted: true }}))")
        until(page, TROUBLE)
        assert page.get_attribute("#left img", "src") is None and page.is_disabled("#left")
        page.keyboard.press("ArrowLeft")
    until(page, f"{READY} && !({TROUBLE})")
    assert number_of(page) == 0 and read_raters(study)[key_of("Me")].given == {}


def test_nothing_in_the_page_or_in_what_it_loads_tells(open_page, served, study):  # noqa: F811
    page = open_page(served.url)
    loaded = []
    page.on("request", lambda request: loaded.append(request.url))
    begin(page, "Me", "profile:me")
    give(page, "left")
    seen = page.content() + json.dumps(loaded)
    for picture in study.pictures:
        for secret in (picture.id, picture.pixels, picture.run, picture.prompt):
            assert secret not in seen
    assert "population" not in seen and "anna" not in seen
    sides = page.evaluate("[...document.images].map((i) => new URL(i.src).pathname.split('/').slice(-2))")
    assert sides == [["1", "left"], ["1", "right"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_a_study_is_accessible_on_a_phone_and_a_desktop(open_page, served, study, scheme):  # noqa: F811
    page = open_page(served.url, color_scheme=scheme)
    until(page, "document.querySelector('#begin') !== null")
    sizes = ({"width": 1280, "height": 860}, {"width": 375, "height": 740})

    def look(name):
        for size in sizes:
            page.set_viewport_size(size)
            accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            if folder := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=f"{folder}/{name}-{scheme}-{size['width']}.png", full_page=True)

    look("start")
    begin(page, "Me", "profile:me")
    look("pair")
    for number in range(6):
        give(page, preferred(study, "Me", "profile:me", number))
    look("over")
    report = write_report(make_report(study, 50))
    page.goto(report.as_uri())
    look("report")

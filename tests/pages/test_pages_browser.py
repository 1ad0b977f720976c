"""The pages in a real browser: by keyboard, with the server killed midway, without a word on the console."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")

import uvicorn
from fake_run import Landscapes, fake_run
from panel import Panel
from rate_app import make_pictures, rating_app
from test_gallery_browser import CHROMIUM, CONTRAST, LOADED, browser, until  # noqa: F401
from web_client import TOKEN

from steer.pages.served_gallery import Book, gallery_pages
from steer.pages.server import create_app, listen
from steer.profiles import Profiles
from steer.record.folder import list_runs

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
SCRIPT = Path(__file__).parents[1] / "support" / "serve_rating.py"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("pictures"), 24, 256)


@contextmanager
def running(app):
    """The app on a port of this machine, in a thread; gives the address to open."""
    address = listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [address.socket]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{address.port}/?token={TOKEN}"
    finally:
        server.should_exit = True
        thread.join()


class Rating:
    """The rating page in this process."""

    def __init__(self, url, profile, session):
        self.url, self.profile, self.session = url, profile, session

    @property
    def ratings(self):
        return [rating.rating for rating in self.profile.ratings]


@pytest.fixture
def rating(tmp_path, pictures):
    with rating_app(tmp_path / "profiles", Panel(), pictures) as (app, profile, session), running(app) as url:
        yield Rating(url, profile, session)


class Served:
    """`steer rate` as a process: started, killed, started again at the same address."""

    def __init__(self, profiles, pictures):
        self.profiles, self.words = profiles, [str(profiles), str(pictures)]
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *self.words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},  # this checkout, installed or not
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), "the server did not start"

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    @property
    def ratings(self):
        log = self.profiles / "me" / "ratings.jsonl"
        lines = map(json.loads, log.read_text().splitlines())
        return [line["rating"] for line in lines if line["event"] == "rating"]


@pytest.fixture
def served(tmp_path, pictures):
    server = Served(tmp_path / "profiles", pictures)
    yield server
    if server.process.poll() is None:
        server.kill()


def enter(page, url):
    """Open the address with the token, and wait: the page that lets in goes on to the one that was meant."""
    page.goto(url)
    until(page, "!location.search.includes('token=')")


@pytest.fixture
def open_page(browser):  # noqa: F811
    contexts, noise = [], []

    def opened(url, **settings):
        context = browser.new_context(viewport={"width": 1280, "height": 860}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(180_000)  # a busy machine is slow, not wrong
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        enter(page, url)
        return page

    yield opened
    for context in contexts:
        context.close()
    # Chromium itself reports every request that a killed server, one that is started anew or a full disk did
    # not answer well.
    known = re.compile("net::ERR_|status of (403|507)")
    said = [text for text in noise if not known.search(text)]
    assert said == [], "the page said something on the console"


SHOWN = "document.querySelector('#picture').getAttribute('src')"
READY = "((p) => !p.hidden && p.complete && p.naturalWidth > 0)(document.querySelector('#picture'))"
TROUBLE = "document.querySelector('#trouble')?.hidden === false"
UNSAVED = "document.querySelector('#trouble')?.textContent.includes('not saved yet')"


def begin(page):
    """Through the first page by keyboard, and the practice pictures."""
    until(page, "location.pathname === '/start' && !document.querySelector('#about button').disabled")
    page.focus("#about button")
    page.keyboard.press("Enter")
    until(page, f"location.pathname === '/rate' && {READY}")
    for left in (3, 2, 1):
        until(page, f"document.querySelector('#count').textContent === 'practice, {left} to go'")
        give(page, "3")
    until(page, "document.querySelector('#count').textContent.startsWith('0 of')")


def give(page, *keys):
    """One rating by keyboard; waits for the next picture."""
    until(page, READY)
    before = page.evaluate(SHOWN)
    for key in (*keys, "Enter"):
        page.keyboard.press(key)
    until(page, f"location.pathname === '/learnt' || ({READY} && {SHOWN} !== '{before}')")


@pytest.mark.slow
def test_fifteen_pictures_by_keyboard_with_the_server_killed_midway_and_nothing_is_lost(open_page, served):
    page = open_page(served.url)
    begin(page)
    assert served.ratings == []
    wanted = []
    for i in range(7):
        wanted.append(float(1 + i % 5))
        give(page, str(1 + i % 5))
    assert served.ratings == wanted

    served.kill()
    page.keyboard.press("4")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    until(page, UNSAVED)
    assert "steer rate me" in page.inner_text("#trouble")
    assert served.ratings == wanted
    before = page.evaluate(SHOWN)
    served.start()
    until(page, f"{SHOWN} !== '{before}' && {READY} && !({TROUBLE})")
    wanted.append(4.1)
    assert served.ratings == wanted

    # The tab is closed on a rating that waits: it is sent when the page is opened again.
    served.kill()
    page.keyboard.press("5")
    page.keyboard.press("Enter")
    until(page, UNSAVED)
    assert json.loads(page.evaluate("sessionStorage.getItem('unsaved /rate')"))["value"] == 5
    page.on("dialog", lambda dialog: dialog.accept())
    served.start()
    enter(page, served.url)
    until(page, "sessionStorage.getItem('unsaved /rate') === 'null'")
    wanted.append(5.0)
    assert served.ratings == wanted

    until(page, "document.querySelector('#count').textContent.startsWith('9 of 15')")
    for i in range(6):
        wanted.append(round(3 + 0.1 * (i + 1), 2))
        give(page, *["ArrowRight"] * (i + 1))
    until(page, "location.pathname === '/learnt'")
    assert served.ratings == wanted
    assert "What 15 ratings say" in page.inner_text("h1")
    assert "steer run --user me" in page.inner_text("#command")


def test_undo_pause_skip_and_help_by_keyboard(open_page, rating):
    page = open_page(rating.url)
    begin(page)
    first = page.evaluate(SHOWN)
    give(page, "4", "ArrowLeft")
    page.keyboard.press("u")
    until(page, f"{SHOWN} === '{first}'")
    assert page.input_value("#range") == "3.9" and page.inner_text("#value") == "3.9"
    page.keyboard.press("s")
    until(page, f"{SHOWN} !== '{first}'")
    page.keyboard.press("p")
    assert page.evaluate("document.querySelector('#rest').open")
    assert page.inner_text("#back") == "steer rate me"
    page.keyboard.press("Enter")
    until(page, "!document.querySelector('#rest').open && document.activeElement.id === 'range'")
    page.keyboard.press("?")
    assert page.evaluate("document.querySelector('#help').open")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('#help').open")
    page.keyboard.press("Enter")  # nothing was chosen yet
    assert page.is_disabled("#next") and rating.ratings == []


def test_two_tabs_stay_together(open_page, rating):
    page = open_page(rating.url)
    begin(page)
    other = page.context.new_page()
    other.goto(page.url)
    until(other, READY)
    assert other.evaluate(SHOWN) == page.evaluate(SHOWN)
    give(page, "2")
    until(other, f"{SHOWN} === '{page.evaluate(SHOWN)}'")
    give(other, "4")
    until(page, f"{SHOWN} === '{other.evaluate(SHOWN)}'")
    assert rating.ratings == [2.0, 4.0]


def test_the_slider_can_be_used_with_the_mouse_and_says_what_it_stands_for(open_page, rating):
    page = open_page(rating.url)
    begin(page)
    box = page.locator("#range").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.62, box["y"] + box["height"] / 2)
    value = float(page.input_value("#range"))
    assert 3.3 < value < 3.7
    assert "between fair and good" in page.get_attribute("#range", "aria-valuetext")
    page.click('.anchors [data-value="5"]')
    assert page.get_attribute("#range", "aria-valuetext") == "excellent"
    page.click("#next")
    until(page, "document.querySelector('#count').textContent.startsWith('1 of')")
    assert rating.ratings == [5.0]


# --- pages that are older than what the server has by now


def elsewhere(page, path, body):
    """What another tab sends to the server; this one does not hear of it."""
    answer = page.context.request.post(
        urljoin(page.url, path), data=body, headers={"origin": urljoin(page.url, "/").rstrip("/")}
    )
    assert answer.ok, answer.text()


def reload_before(page, change):
    """Load the page again: made before the change, it arrives after it."""

    def late(route):
        if route.request.is_navigation_request():
            made = route.fetch()
            change()
            route.fulfill(response=made)
        else:
            route.fallback()

    page.route("**/*", late)
    page.reload()
    page.unroute("**/*", late)


def come_back_after(page, place, change):
    """Go to another page and, after the change, back by the history.

    Pages say that they are not to be kept. Here the browser keeps them all the same, as some do.
    """

    def keep(route):
        made = route.fetch()
        route.fulfill(response=made, headers={**made.headers, "cache-control": "no-cache"})

    own = page.url
    page.route(own, keep)
    page.reload()
    until(page, LOADED)
    page.goto(urljoin(own, place))
    change()
    page.go_back(wait_until="commit")
    until(page, f"location.href === '{own}'")


@contextmanager
def out_of_reach(page, path):
    """The server does not answer this address."""
    page.context.route(f"**{path}", lambda route: route.abort())
    yield
    page.context.unroute(f"**{path}")


def press_until(page, ready, keys, condition):
    """Press keys, and again where they were lost: a page that renews what it shows takes none."""
    pressed = -math.inf

    def met():
        nonlocal pressed
        if page.evaluate(condition):
            return True
        if time.monotonic() - pressed > 5 and page.evaluate(ready):
            pressed = time.monotonic()
            for key in keys:
                page.keyboard.press(key)
        return False

    until(page, met)


def duplicate(page):
    """The same page in another tab, with what this one has stored, as browsers duplicate tabs."""
    with page.context.expect_page() as opened:
        page.evaluate("void open(location.href)")
    return opened.value


COUNTED = "document.querySelector('#count')?.textContent.startsWith"


def rate_elsewhere(page, rating):
    shown = rating.session.next()
    elsewhere(page, "/rate/ratings", {"id": shown.id, "value": 2})
    assert rating.ratings == [2.0]


def shows_what_comes_next(page, rating):
    until(page, f"{COUNTED}('1 of') && {READY}")
    assert page.evaluate(SHOWN) == f"/pictures/{rating.session.next().id}"


def test_a_rating_page_made_before_another_tab_rated_shows_what_comes_next(open_page, rating):
    page = open_page(rating.url)
    begin(page)
    reload_before(page, lambda: rate_elsewhere(page, rating))
    shows_what_comes_next(page, rating)
    give(page, "5")
    assert rating.ratings == [2.0, 5.0]


def test_a_rating_page_made_just_before_its_own_waiting_rating_was_saved_shows_what_comes_next(
    open_page, rating
):
    page = open_page(rating.url)
    begin(page)
    page.on("dialog", lambda dialog: dialog.accept())
    saved = []
    with ExitStack() as down:
        down.enter_context(out_of_reach(page, "/rate/ratings"))
        press_until(page, READY, ("5", "Enter"), UNSAVED)
        page.on("requestfinished", lambda request: request.method == "POST" and saved.append(request))

        def next_try():
            down.close()
            until(page, lambda: saved)

        reload_before(page, next_try)
    shows_what_comes_next(page, rating)
    assert rating.ratings == [5.0]


def test_a_rating_page_from_the_browsers_cache_shows_what_comes_next(open_page, rating):
    page = open_page(rating.url)
    begin(page)
    come_back_after(page, "/learnt", lambda: rate_elsewhere(page, rating))
    shows_what_comes_next(page, rating)


def test_a_duplicated_rating_page_sends_a_waiting_rating_once_and_both_go_on(open_page, rating):
    page = open_page(rating.url)
    begin(page)
    with out_of_reach(page, "/rate/ratings"):
        press_until(page, READY, ("5", "Enter"), UNSAVED)
        other = duplicate(page)
        until(other, UNSAVED)
        assert rating.ratings == []
    for tab in (page, other):
        shows_what_comes_next(tab, rating)
    assert rating.ratings == [5.0]


def test_a_rating_page_that_comes_back_while_the_server_is_down_shows_no_picture_and_keeps_what_was_chosen(
    open_page, rating
):
    page = open_page(rating.url)
    begin(page)
    until(page, READY)
    page.keyboard.press("4")
    with out_of_reach(page, "/rate/state"):
        for event in ("pagehide", "pageshow"):
            page.evaluate(f"void dispatchEvent(new PageTransitionEvent('{event}', {{ persisted: true }}))")
        until(page, TROUBLE)
        assert "steer rate me" in page.inner_text("#trouble") and not page.is_visible("#picture")
        page.keyboard.press("Enter")  # there is nothing to rate
    until(page, f"{READY} && !({TROUBLE})")
    assert page.inner_text("#value") == "4.0" and rating.ratings == []
    give(page)
    assert rating.ratings == [4.0]


UNNAMED = """() => [...document.querySelectorAll('button, a, input, select, [role], img, dialog, svg[role]')]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.getAttribute('alt')
    || e.labels?.length || e.textContent.trim() || e.tagName === 'IMG' && e.hasAttribute('alt')
    || e.querySelector('img[alt]')
    || e.getAttribute('role') === 'status' || e.getAttribute('role') === 'alert'))
  .map((e) => e.outerHTML.slice(0, 80))"""
SMALL = """() => [...document.querySelectorAll('main button, main select, main input')]
  .filter((e) => e.checkVisibility())
  .map((e) => [e.outerHTML.slice(0, 60), e.getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24).map(([html]) => html)"""


def accessible(page):
    """Names, contrast, size of targets, one main heading, language, references that lead somewhere."""
    width = page.viewport_size["width"]  # sizes and colours come with the style sheets
    until(page, f"innerWidth === {width}")
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(SMALL) == []
    assert page.locator("h1").count() == 1 and page.get_attribute("html", "lang") == "en"
    dangling = """() => [...document.querySelectorAll('[aria-labelledby], [aria-describedby], label[for]')]
      .flatMap((e) => ['aria-labelledby', 'aria-describedby', 'for'].map((n) => e.getAttribute(n) || ''))
      .flatMap((ids) => ids.split(' '))
      .filter((id) => id && !document.getElementById(id))"""
    assert page.evaluate(dangling) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_on_a_phone_and_a_desktop(open_page, rating, scheme):
    page = open_page(rating.url, color_scheme=scheme)
    until(page, "location.pathname === '/start'")
    accessible(page)
    begin(page)
    for i in range(6):
        give(page, str(1 + i % 5))
    sizes = ({"width": 1280, "height": 860}, {"width": 375, "height": 740})
    for path in ("/start", "/rate", "/learnt"):
        page.goto(urljoin(page.url, path))
        if path == "/rate":
            until(page, READY)
        for size in sizes:
            page.set_viewport_size(size)
            accessible(page)


# --- the served gallery


@pytest.fixture
def gallery(tmp_path):
    out = tmp_path / "runs"
    fake_run(out, renderer=Landscapes(128))
    profiles = Profiles(tmp_path / "profiles")
    book = Book(profiles, "me")
    pages = gallery_pages(
        lambda: {record.folder.name: record.folder for record in list_runs(out)}, book, "steer runs gallery"
    )
    with running(create_app([pages], TOKEN, "/runs/")) as url:
        yield url, profiles


def test_pictures_of_a_gallery_are_rated_by_mouse_and_keyboard_and_the_profile_has_it(open_page, gallery):
    url, profiles = gallery
    page = open_page(url)
    until(page, "document.querySelector('.runs a') !== null")
    page.click(".runs a")
    until(page, "document.querySelectorAll('.card .rate').length === 11")
    page.click('.card:nth-of-type(2) .rate [data-rate="5"]')
    pressed = "document.querySelectorAll('.card .rate [aria-pressed=true]').length"
    until(page, f"{pressed} === 1")
    page.focus('.card > a[data-id="r00c00"]')
    page.keyboard.press("2")
    until(page, f"{pressed} === 2")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#light').open")
    page.keyboard.press("3")
    until(page, "document.querySelector('#light .rate [aria-pressed=true]')?.dataset.rate === '3'")
    ratings = sorted(r.rating for r in profiles.open("me").ratings)
    assert ratings == [3.0, 5.0]
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('#light').open")
    assert "2 of this run rated" in page.inner_text("header")
    page.click("#blind")
    assert page.evaluate("getComputedStyle(document.querySelector('.card .score')).visibility") == "hidden"
    page.click("#blind")
    page.reload()
    until(page, f"{pressed} === 2")
    for size in ({"width": 1280, "height": 860}, {"width": 375, "height": 740}):
        page.set_viewport_size(size)
        accessible(page)


def test_on_a_full_disk_the_gallery_says_so_and_saves_once_there_is_room(open_page, gallery, monkeypatch):
    url, profiles = gallery
    page = open_page(url)
    until(page, "document.querySelector('.runs a') !== null")
    page.click(".runs a")
    until(page, "document.querySelectorAll('.card .rate').length === 11")
    full = threading.Event()
    full.set()
    real = os.fsync

    def fsync(file):
        if full.is_set():
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    page.click('.card:nth-of-type(1) .rate [data-rate="4"]')
    until(page, TROUBLE)
    assert "No space left" in page.inner_text("#trouble")
    assert page.locator(".rate .pending").count() == 1
    full.clear()
    until(page, "document.querySelector('#trouble').hidden && !document.querySelector('.pending')")
    assert [r.rating for r in profiles.open("me").ratings] == [4.0]


PRESSED = "document.querySelectorAll('.card .rate [aria-pressed=true]').length"


@pytest.fixture
def shown_gallery(open_page, gallery):
    """The gallery of the run, and what its profile has."""
    url, profiles = gallery
    page = open_page(url)
    until(page, "document.querySelector('.runs a') !== null")
    page.click(".runs a")
    until(page, "document.querySelectorAll('.card .rate').length === 11")
    return page, lambda: [r.rating for r in profiles.open("me").ratings]


def test_a_gallery_made_before_another_tab_rated_shows_the_rating(shown_gallery):
    page, ratings = shown_gallery
    reload_before(page, lambda: elsewhere(page, "ratings", {"id": "r00c00", "value": 2}))
    until(page, f"{PRESSED} === 1")
    assert "1 of this run rated" in page.inner_text("header") and ratings() == [2.0]


def test_a_gallery_from_the_browsers_cache_shows_the_rating(shown_gallery):
    page, ratings = shown_gallery
    address = urljoin(page.url, "ratings")
    come_back_after(page, "/runs/", lambda: elsewhere(page, address, {"id": "r00c00", "value": 2}))
    until(page, f"{PRESSED} === 1")
    assert ratings() == [2.0]


def test_a_duplicated_gallery_saves_what_waits_and_both_show_it(shown_gallery):
    page, ratings = shown_gallery
    with out_of_reach(page, "/ratings"):
        page.click('.card:nth-of-type(2) .rate [data-rate="4"]')
        until(page, UNSAVED)
        other = duplicate(page)
        until(other, UNSAVED)
        assert other.locator(".card .rate .pending").count() == 1
    for tab in (page, other):
        until(tab, f"{PRESSED} === 1 && !document.querySelector('.pending') && !({TROUBLE})")
    assert ratings() == [4.0]
    elsewhere(page, "ratings", {"id": "r00c00", "value": 2})
    page.evaluate("void document.dispatchEvent(new Event('visibilitychange'))")  # turned to again
    until(page, f"{PRESSED} === 2")

"""The gallery in a real browser, opened as a file without network."""

import os
import shutil
import time
from pathlib import Path

import pytest
from fake_run import Hostile, Landscapes, fake_run

from steer import Record
from steer.pages.gallery import write_gallery

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'"
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


LOADED = "document.readyState === 'complete'"


def until(page, condition, seconds=180.0):
    """Wait for a condition, a function or one on the page, which may go on to another page meanwhile.

    Playwright's own waiting evaluates strings inside the page, where the page's security policy forbids it
    as soon as the first look is not yet true. A page that is not loaded whole is not looked at: its scripts
    have not run, and what a test does next would find nobody listening.
    """
    end = time.monotonic() + seconds
    while True:
        problem = ""
        try:
            if condition() if callable(condition) else page.evaluate(f"{LOADED} && ({condition})"):
                return
        except sync_api.Error as error:
            problem = str(error)
        assert time.monotonic() < end, f"never became true: {condition} {problem}"
        page.wait_for_timeout(20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = fake_run(tmp_path_factory.mktemp("runs"), renderer=Landscapes(128))
    write_gallery(folder)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    # Chromium writes to its home; the one of the tests is not made yet at this scope.
    os.environ.setdefault("HOME", str(tmp_path_factory.mktemp("home")))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, folder):
    contexts, noise = [], []

    def opened(path=folder, fragment="", **settings):
        context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(180_000)  # a busy machine is slow, not wrong
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.goto((Path(path) / "gallery.html").as_uri() + fragment)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert noise == [], "the page said something on the console"


def current(page):
    return page.evaluate("document.activeElement.dataset.id")


def fragment(page):
    """As the page knows it: Playwright hears of a new address later."""
    return page.evaluate("location.hash")


def test_the_page_opens_without_a_word_on_the_console(open_page):
    page = open_page()
    until(page, "[...document.images].every((i) => i.complete && i.naturalWidth)")
    assert page.locator(".card").count() == 11


def test_the_grid_is_one_stop_of_the_tab_key_and_arrows_move_in_it(open_page):
    page = open_page()
    assert page.locator('.card > a[tabindex="0"]').count() == 1
    page.focus('.card > a[tabindex="0"]')
    assert current(page) == "r00c00"
    ids = page.evaluate("[...document.querySelectorAll('.card > a')].map((a) => a.dataset.id)")
    page.keyboard.press("ArrowRight")
    assert current(page) == ids[1]
    page.keyboard.press("ArrowDown")
    below = current(page)
    assert below not in ids[:2]
    page.keyboard.press("ArrowUp")
    assert current(page) == ids[1]
    page.keyboard.press("End")
    assert current(page) == ids[-1]
    page.keyboard.press("Home")
    assert current(page) == ids[0]
    page.keyboard.press("ArrowLeft")
    assert current(page) == ids[0]


def test_enter_opens_the_picture_escape_closes_it_and_gives_the_focus_back(open_page):
    page = open_page()
    page.focus('.card > a[tabindex="0"]')
    page.keyboard.press("ArrowRight")
    chosen = current(page)
    page.keyboard.press("Enter")
    assert page.evaluate("document.getElementById('light').open")
    assert fragment(page) == f"#{chosen}"
    until(page, "document.querySelector('#light img').naturalWidth === 128")
    page.keyboard.press("ArrowRight")
    moved = fragment(page).removeprefix("#")
    assert moved != chosen
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('light').open")
    until(page, f"document.activeElement.dataset.id === '{moved}'")


def test_two_pictures_can_be_compared(open_page):
    page = open_page()
    page.focus('.card > a[tabindex="0"]')
    page.keyboard.press("c")
    assert "pinned" in page.inner_text("#live") or page.locator("#light img").count() == 1
    page.keyboard.press("ArrowRight")
    assert page.locator("#light img").count() == 2
    assert fragment(page).endswith("=r00c00")
    page.keyboard.press("c")
    assert page.locator("#light img").count() == 1


def test_an_address_with_a_picture_opens_it(open_page, folder):
    best = Record(folder).result["best"]["id"]
    page = open_page(fragment=f"#{best}=r00c00")
    assert page.evaluate("document.getElementById('light').open")
    assert page.locator("#light img").count() == 2


def test_question_mark_shows_the_keys_and_m_the_metadata(open_page):
    page = open_page()
    page.keyboard.press("?")
    assert page.evaluate("document.getElementById('help').open")
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('help').open")
    page.focus('.card > a[tabindex="0"]')
    page.keyboard.press("m")
    assert '"adherence"' in page.inner_text('[data-part="meta"]')


def test_prompt_and_command_can_be_copied(open_page, folder):
    page = open_page()
    button = 'main .actions [data-copy="prompt"]'
    page.evaluate(  # the label goes back after a moment
        """(button) => {
          window.labels = [];
          const look = () => window.labels.push(document.querySelector(button).textContent);
          new MutationObserver(look).observe(document.querySelector(button), { childList: true });
        }""",
        button,
    )
    page.click(button)
    until(page, "document.querySelector('#live').textContent === 'Copied'")
    until(page, "window.labels[0] === 'Copied'")


def test_without_javascript_everything_can_be_read_and_links_open_the_originals(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator(".card .prompt").first.is_visible()
    assert not page.locator("button").first.is_visible()
    assert page.get_attribute(".card > a", "href") == "images/r00c00.png"


def test_nothing_overflows_on_a_phone(open_page):
    page = open_page(is_mobile=True, device_scale_factor=2)
    page.set_viewport_size({"width": 375, "height": 740})
    until(page, "document.documentElement.scrollWidth <= 375")


def test_a_hostile_prompt_runs_nothing(open_page, tmp_path):
    folder = fake_run(tmp_path, prompt='<img src=x onerror="window.hacked=1">rocks', proposer=Hostile())
    write_gallery(folder)
    page = open_page(folder)
    page.focus('.card > a[tabindex="0"]')
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("window.hacked") is None
    assert "<img src=x" in page.inner_text('#light [data-part="prompt"]')


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(open_page, scheme):
    page = open_page(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    faint = page.evaluate(CONTRAST)
    assert faint == []


# Relative luminance and contrast as WCAG 2.2 defines them; 4.5 for text, 3 for large text.
CONTRAST = """() => {
  const parse = (color) => {
    const [red, green, blue, alpha = 1] = color.match(/[\\d.]+/g).map(Number);
    return { channels: [red, green, blue], alpha };
  };
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = ({ channels }) => {
    const [r, g, b] = channels.map((v) => v / 255).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let node = element; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color.alpha === 1) return color;
    }
    return parse("rgb(255, 255, 255)");
  };
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || element.closest("svg, script, style") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const [dark, bright] = [luminance(parse(style.color)), luminance(ground(element))].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < needed) faint.add(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
  }
  return [...faint];
}"""

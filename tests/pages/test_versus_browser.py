"""The comparison page in a real browser, opened as a file without network."""

import pytest
from test_gallery_browser import CHROMIUM, CONTRAST, browser, until  # noqa: F401
from versus_runs import compared

from steer.pages.versus import write_versus

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def page_path(tmp_path_factory):
    (left, right), found = compared(tmp_path_factory.mktemp("runs"))
    return write_versus(left.parent, left, right, found)


@pytest.fixture
def open_page(browser, page_path):  # noqa: F811
    contexts, noise = [], []

    def opened(**settings):
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(180_000)  # a busy machine is slow, not wrong
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.goto(page_path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert noise == [], "the page said something on the console"


def test_all_pictures_of_the_comparison_load_from_the_file_alone(open_page):
    page = open_page()
    until(page, "[...document.images].every((i) => i.complete && i.naturalWidth)")
    assert page.locator(".trio figure").count() == 3 and page.locator(".tile").count() == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_the_comparison_has_the_contrast_that_wcag_asks_for(open_page, scheme):
    assert open_page(color_scheme=scheme).evaluate(CONTRAST) == []


def test_the_comparison_does_not_overflow_a_phone(open_page):
    page = open_page(viewport={"width": 375, "height": 740}, is_mobile=True, device_scale_factor=2)
    until(page, "document.documentElement.scrollWidth <= 375")

"""The page of a taste in a real browser: by keyboard, on a phone's width, without a word on the console."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")

from panel import Panel
from rate_app import make_pictures, rating_app
from test_gallery_browser import CHROMIUM, CONTRAST, browser, until  # noqa: F401
from test_pages_browser import running

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_taste_is_corrected_and_taken_back_by_keyboard_on_a_phone(tmp_path, browser, scheme):  # noqa: F811
    pictures = make_pictures(tmp_path / "pictures", 16, 64)
    with rating_app(tmp_path / "profiles", Panel(), pictures) as (app, profile, _), running(app) as url:
        for number, path in enumerate(sorted(pictures.iterdir())[:12]):
            profile.rate(path, 1 + 4 * (number * 7 % 12) / 11, prompt="hills", source="test")
        said = profile.corrections
        context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(180_000)
        noise: list[str] = []
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.goto(url)
        page.wait_for_url("**/rate")  # the page of the token goes there by itself, and would cut in
        page.goto(url.partition("/?")[0] + "/taste")
        wrong = page.get_by_role("button", name="Wrong: ").first
        wrong.focus()
        page.keyboard.press("Enter")
        until(page, lambda: page.locator("#struck li").count() == 1)
        [struck] = said.in_force
        assert struck.verb == "strike"
        until(page, lambda: page.evaluate("document.activeElement.dataset.phrase") == struck.phrase)
        page.fill("#phrase", "neon")
        page.select_option("#verb", "never")
        page.press("#phrase", "Enter")
        until(page, lambda: [str(one) for one in said.in_force][1:] == ["never neon"])
        until(page, lambda: page.locator(".said.never").count() == 1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(CONTRAST) == []
        undo = page.locator("#taste-undo")
        undo.press("Enter")
        until(page, lambda: undo.inner_text() == f"Undo: strike {struck.phrase}")
        assert len(said.in_force) == 1
        undo.press("Enter")
        until(page, lambda: not undo.is_visible())
        assert said.in_force == ()
        assert noise == []
        context.close()

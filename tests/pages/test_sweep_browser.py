"""The contact sheet of a sweep in a real browser, opened as a file without network."""

import shutil

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")

from sweep_parts import make_plan, sweep_parts, words
from test_gallery_browser import CHROMIUM, browser, until  # noqa: F401

from steer.pages.sweep import write_sheet
from steer.sweep.work import work

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1> "quoted" & 🪨'


@pytest.fixture
def sheet(tmp_path):
    plan = make_plan(tmp_path / "s", prompts=("a deer", HOSTILE, "a boat"))
    list(work(plan, list(plan.cells)[:-1], sweep_parts(), words))
    return write_sheet(plan)


def test_the_sheet_opens_from_the_disk_and_sorts_people_and_prompts(sheet, browser):  # noqa: F811
    context = browser.new_context(offline=True)
    page, noise = context.new_page(), []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.goto(sheet.as_uri())
    assert page.locator("h1").inner_text() == "3 people × 3 prompts"
    assert "8 of 9 runs complete" in page.locator(".lede").inner_text()
    until(page, "[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.locator("a.cell").count() == 8 and page.locator(".cell .blank").inner_text() == "waiting"
    gains = "[...document.querySelectorAll('#rows .row')].map(row => parseFloat(row.dataset.gain))"
    page.get_by_role("button", name="by gain").first.click()
    assert page.evaluate(gains) == sorted(page.evaluate(gains), reverse=True)
    page.get_by_role("button", name="by name").last.click()
    heads = [(head.bounding_box()["x"], head.inner_text()) for head in page.locator(".prompt-head").all()]
    names = [text for _, text in sorted(heads)]
    assert "a boat" in names[1] and "a deer" in names[2]
    cells = page.locator("#rows .row").first.locator(".cell")
    assert cells.first.bounding_box()["x"] == {text: x for x, text in heads}[names[2]]
    assert page.evaluate("window.hacked") is None and noise == []
    context.close()


def test_a_lost_picture_is_a_grey_square_and_a_sheet_can_be_made_of_what_is_there(sheet):
    folder = sheet.parent
    shutil.rmtree(folder / "thumbs")
    for path in (folder / "runs").glob("*/images/r00c00.png"):
        path.unlink()
    from steer.sweep.plan import read_plan

    assert write_sheet(read_plan(folder)) == sheet
    assert len(list((folder / "thumbs").glob("*.webp"))) == 3 + 8


def test_the_page_asks_nobody_for_anything(sheet):
    text = sheet.read_text(encoding="utf-8")
    assert "http:" not in text.replace("http://www.w3.org", "") and "https:" not in text
    assert "<script>window.hacked" not in text

"""The gallery shows a run whole and safely; what it looks like in a browser is in test_gallery_browser."""

import json
import re
from html.parser import HTMLParser

import pytest
from fake_run import Devoted, Hostile, Landscapes, Strict, fake_run, fake_search
from hypothesis import given
from hypothesis import strategies as st

from steer import Record, Settings
from steer.compare.prompt_diff import prompt_diff
from steer.errors import RecordError
from steer.pages.gallery import write_gallery

PROMPT = "floating mossy rocks"


class Page(HTMLParser):
    """Elements, text and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self._stack = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._stack.append(tag)

    def handle_endtag(self, tag):
        if tag in self._stack:
            while self._stack.pop() != tag:
                pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._stack):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def page_of(folder):
    return Page(write_gallery(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fake_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(run):
    return page_of(run)


def test_every_picture_of_the_search_is_on_the_page_and_links_to_its_original(run, page):
    shown = [a["href"] for a in page.all("a") if "data-id" in a]
    assert sorted(shown) == sorted(c.image for c in Record(run).candidates if c.image)
    assert all((run / name).is_file() for name in shown)


def test_the_base_prompt_comes_first(page):
    assert next(a for a in page.all("a") if "data-id" in a)["data-id"] == "r00c00"


def test_the_best_is_marked_in_words_and_not_by_colour_alone(run, page):
    best = Record(run).result["best"]["id"]
    card = next(attrs for attrs in page.all("li") if attrs.get("id") == f"card-{best}")
    assert "best" in card["class"].split() and "★ Best" in page.text


def test_every_image_has_its_prompt_as_alternative_text(run, page):
    prompts = {c.prompt for c in Record(run).candidates}
    assert prompts <= {image["alt"] for image in page.all("img")}


def test_the_page_asks_for_nothing_outside_its_folder(run, page):
    text = (run / "gallery.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://", re.sub(r'"[^"]*github[^"]*"', "", text))
    sources = [image["src"] for image in page.all("img")]
    assert sources and all(source.startswith("data:image/webp;base64,") for source in sources)


def test_confirmation_and_specificity_and_seconds_are_told(run, page):
    result = Record(run).result
    assert f"{len(result['confirm']['seeds'])} seeds that the search never saw" in page.text
    assert "known people" in page.text and "Where the time went" in page.text
    for seed in result["confirm"]["seeds"]:
        assert str(seed) in page.text


def test_the_page_never_promises_that_somebody_will_like_it(page):
    assert "predicted" in page.text and "you will like" not in page.text.lower()


def test_a_simulated_person_is_called_simulated_with_the_command_for_more(page):
    assert "Simulated person" in page.text and "steer doctor" in page.text


def test_a_real_person_is_not_called_simulated(tmp_path):
    assert "Simulated" not in page_of(fake_run(tmp_path, simulated=False)).text


def test_rejected_ones_are_shown_with_the_reason(tmp_path):
    folder = fake_run(tmp_path, scorer=Strict())
    reasons = [c.reason for c in Record(folder).candidates if c.reason]
    text = page_of(folder).text
    assert reasons and all(reason in text for reason in reasons) and "Rejected" in text


def test_the_command_that_makes_the_run_again_is_on_the_page(page):
    assert "steer run --user 17 --prompt 'floating mossy rocks'" in page.text


def test_a_winning_base_prompt_is_said_and_shown_once(tmp_path):
    page = page_of(fake_run(tmp_path, scorer=Devoted()))
    assert "No rewrite was rated higher than the base prompt" in page.text
    assert not (tmp_path / "base-and-best.png").exists()


@pytest.mark.parametrize("events", [1, 2, 9, 30])
def test_an_interrupted_run_has_a_page_that_says_how_to_go_on(tmp_path, events):
    folder = fake_run(tmp_path, stop_after=events)
    text = page_of(folder).text
    assert "interrupted" in text and f"steer runs resume {folder.name}" in text


def test_prompts_cannot_break_out_of_the_page(tmp_path):
    folder = fake_run(tmp_path, prompt='<b onclick="x">rocks</b> & {{ 7*7 }}', proposer=Hostile())
    page = page_of(folder)
    assert "49" not in re.findall(r"\{\{.*?\}\}|\b49\b", page.words[0])
    assert len(page.all("script")) == 2  # the facts and the page's own
    assert not page.all("b") and not [i for i in page.all("img") if "onerror" in i]
    assert any("</script><script>window.hacked=1</script>" in word for word in page.words)
    policy = next(
        meta["content"] for meta in page.all("meta") if "content" in meta and "default-src" in meta["content"]
    )
    assert re.search(r"script-src 'sha256-[^']+';", policy)


def test_the_facts_for_the_script_are_whole_json(run):
    text = (run / "gallery.html").read_text(encoding="utf-8")
    facts = json.loads(re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.S)[1])
    assert set(facts["candidates"]) == {c.id for c in Record(run).candidates if c.image}


def test_remaking_the_page_changes_nothing(run):
    first = write_gallery(run).read_bytes()
    assert write_gallery(run).read_bytes() == first


def test_a_page_without_its_pictures_still_opens(tmp_path):
    folder = fake_run(tmp_path)
    for image in (folder / "images").iterdir():
        image.unlink()
    assert page_of(folder).all("img")


def test_the_largest_run_stays_below_four_megabytes(tmp_path):
    class Noise(Landscapes):
        def image(self, prompt, seed):
            import numpy as np
            from PIL import Image

            rng = np.random.default_rng(seed + len(prompt))
            return Image.fromarray(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8))

    # Noise is the worst that a renderer can do to a compressor.
    folder = fake_search(
        tmp_path, PROMPT, Settings(iterations=5, proposals=20, patience=0, search="paper"), renderer=Noise()
    )
    assert len(list((folder / "images").iterdir())) == 113
    assert write_gallery(folder).stat().st_size <= 4_000_000


def test_base_and_best_are_saved_side_by_side(run, page):
    from PIL import Image

    with Image.open(run / "base-and-best.png") as image:
        assert image.width > 2 * image.height


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path):
    with pytest.raises(RecordError, match="steer runs list"):
        write_gallery(tmp_path)


def test_a_log_that_lost_the_base_pictures_line_still_has_a_page(tmp_path):
    folder = fake_run(tmp_path)
    log = folder / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(line for line in lines if b'"rendered", "id": "r00c00",' not in line))
    assert "the best" in write_gallery(folder).read_text()


def test_half_a_character_in_a_record_does_not_stop_its_page(tmp_path):
    folder = fake_run(tmp_path)
    config = folder / "config.json"
    config.write_text(config.read_text().replace("no GPU was found", "no \\ud800 was found"))
    assert "no ? was found" in write_gallery(folder).read_text()


def test_a_folder_that_cannot_be_written_is_told_with_the_next_command(tmp_path, monkeypatch):
    folder = fake_run(tmp_path)

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steer.pages.gallery.write_whole", full)
    with pytest.raises(RecordError, match=r"No space left.*steer runs gallery"):
        write_gallery(folder)


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_difference_rebuilds_the_prompt_exactly(base, prompt):
    segments = prompt_diff(base, prompt)
    assert "".join(s.text for s in segments if s.kind != "removed") == prompt


def test_words_that_stay_are_not_marked():
    segments = prompt_diff("floating mossy rocks", "Floating mossy rocks, golden hour")
    assert segments[0] == ("same", "Floating mossy rocks") and segments[1] == ("added", ", golden hour")

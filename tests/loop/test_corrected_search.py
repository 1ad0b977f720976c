"""A correction changes what is told and rendered as it says, is named in the record, and touches no score."""

from __future__ import annotations

from typing import Any

from fakes import PROMPT, FakePerson, FakeRenderer, fake_parts
from test_forecast import hashed
from test_guided import Guidable, Taster

from steer.gates.text import says
from steer.loop.run import Run
from steer.pages.gallery import write_gallery
from steer.record.events import TasteRead
from steer.record.folder import Record
from steer.settings import Settings


def run(out: Any, *said: dict[str, Any], **settings: Any) -> tuple[Record, Any]:
    renderer = FakeRenderer(size=8)
    parts = fake_parts(renderer=renderer, scorer=Taster(renderer), proposer=Guidable(), embed=hashed)
    asked = Settings(**{"iterations": 2, "proposals": 6, "confirm": 0, "patience": 0, **settings})
    recipe = {"corrections": [{"t": 1.0, **one} for one in said]} if said else {}
    running = Run.start(PROMPT, FakePerson(), parts, asked, out, recipe=recipe)
    list(running)
    return Record.read(running.folder), parts


def added(record: Record) -> list[str]:
    return [c.prompt.removeprefix(PROMPT) for c in record.candidates if c.iteration]


def test_nothing_that_says_what_is_never_wanted_is_rendered_and_the_reason_is_kept(tmp_path):
    unwanted = (
        "storm",
        "lens",
        "colour",
        "light",
        "shadow",
        "mist",
        "focus",
    )  # most of what the fake proposes
    said = [{"verb": "never", "phrase": phrase} for phrase in unwanted]
    for search in ("guided", "paper"):
        record, _ = run(tmp_path / search, *said, search=search)
        assert added(record) and not any(says(text, one) for text in added(record) for one in unwanted)
        reasons = {event.reason for event in record.events if event.event == "rejected"}
        assert any(reason.endswith("which this person never wants") for reason in reasons)


def test_what_is_always_wanted_is_told_and_in_nearly_every_rewrite(tmp_path):
    record, parts = run(tmp_path, {"verb": "always", "phrase": "chalk dust"})
    assert sum("chalk dust" in text for text in added(record)) >= 10
    guide = parts.proposer.guides[0]
    assert guide.taste[0] == "always wants chalk dust" and guide.strengths["chalk dust"] == 0.5


def test_what_is_struck_is_not_told_and_what_is_pinned_is_sought(tmp_path):
    pin = {"verb": "pin", "phrase": "moonlight", "likes": True}
    record, parts = run(tmp_path, {"verb": "strike", "phrase": "golden hour"}, pin, iterations=1)
    told = " ".join(parts.proposer.guides[0].taste)
    assert "golden hour" not in told and "moonlight" in told
    plain, _ = run(tmp_path, iterations=1)
    for phrase, more in (("moonlight", True), ("golden hour", False)):
        now, before = (sum(phrase in text for text in added(one)) for one in (record, plain))
        assert now > before if more else now < before, phrase


def test_scores_stay_the_predictors(tmp_path):
    record, _ = run(tmp_path, {"verb": "always", "phrase": "sepia"}, {"verb": "never", "phrase": "neon"})
    taste = next(e for e in record.events if isinstance(e, TasteRead))
    sepia = next(row for row in taste.likings if row["phrase"] == "sepia")
    assert sepia["own"] == -0.5, "the reading is kept as it was"
    best = max(c.score for c in record.candidates)
    assert record.result["best"]["score"] == best


def test_corrections_are_named_in_the_record_and_its_page(tmp_path):
    record, _ = run(tmp_path, {"verb": "never", "phrase": "neon"}, {"verb": "always", "phrase": "chalk dust"})
    taste = next(e for e in record.events if isinstance(e, TasteRead))
    assert [row["phrase"] for row in taste.corrections] == ["neon", "chalk dust"]
    page = write_gallery(record.folder).read_text()
    assert "never neon, always chalk dust" in page


def test_without_corrections_the_record_says_nothing_of_any(tmp_path):
    record, _ = run(tmp_path, iterations=1)
    assert "corrections" not in (record.folder / "config.json").read_text()
    assert "corrections" not in (record.folder / "events.jsonl").read_text()

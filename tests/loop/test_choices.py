"""A person inside the search: what hearts, buries and wordings of their own do, also after a kill."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import PROMPT, FakePerson, FakeScorer, fake_parts

from steer.loop.run import Run
from steer.parts import BASE_ID
from steer.record.events import (
    Confirmed,
    Forecasted,
    IterationDone,
    Picked,
    Proposed,
    Rated,
    Rendered,
    Review,
)
from steer.record.folder import Record
from steer.record.picks import HEART, Pick, Picks
from steer.settings import Settings

GUIDED = Settings(iterations=3, proposals=4, confirm=2, patience=0)
PAPER = Settings(iterations=3, proposals=4, confirm=2, patience=0, search="paper")
SEARCHES = pytest.mark.parametrize("settings", [GUIDED, PAPER], ids=["guided", "paper"])


class Person:
    """Gives choices to a run, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.picks, self.count = Picks(folder), 0

    def __call__(self, pick: Any, **values: Any) -> None:
        self.count += 1
        self.picks.give(Pick(key=f"key-{pick}-{self.count:04}", pick=pick, **values))


def start(out: Path, settings: Settings = GUIDED, recipe: Any = None, **more: Any) -> Run:
    parts = fake_parts(scorer=FakeScorer(), **more)
    return Run.start(PROMPT, FakePerson(), parts, settings, out, recipe=recipe)


def resume(folder: Path) -> Run:
    return Run.resume(folder, FakePerson(), fake_parts(scorer=FakeScorer()))


def told(folder: Path) -> list[dict[str, Any]]:
    """The log without times and without how often it was started."""
    lines = [event.to_json() for event in Record.read(folder).events]
    kept = [line for line in lines if line["event"] not in ("started", "stopped") or line.get("best")]
    return [{k: v for k, v in line.items() if k not in ("t", "seconds", "given", "sha256")} for line in kept]


def scores(folder: Path) -> dict[str, float]:
    return {e.id: e.score for e in Record.read(folder).events if isinstance(e, Rated)}


def choose_in_every_way(event: Any, person: Person) -> None:
    """What somebody does who uses all there is: rejects the best, likes the worst, edits the third round."""
    if isinstance(event, IterationDone) and event.iteration == 1:
        person("bury", picture=event.best)
        person("heart", picture="r01c01")
        person("more", picture="r01c02")
        person("review", on=True)
    if isinstance(event, Review) and event.iteration == 2:
        person("strike", iteration=2, prompt=event.prompts[0])
        person("change", iteration=2, prompt=event.prompts[1], to=f"{PROMPT}, as I would have it")
        person("add", to=f"{PROMPT}, in blue chalk")
        person("go", iteration=2)
    if isinstance(event, IterationDone) and event.iteration == 2:
        person("stop")


@SEARCHES
def test_a_buried_picture_never_wins_though_it_is_predicted_to_be_the_best(tmp_path, settings):
    free = start(tmp_path / "free", settings)
    for _ in free:
        pass
    favourite = free.result.best["id"]
    run = start(tmp_path / "chosen", settings)
    person = Person(run.folder)
    for event in run:
        if isinstance(event, Rated) and event.id == favourite:
            person("bury", picture=favourite)
    assert run.result.best["id"] != favourite
    assert run.result.data["picks"]["buried"] == [favourite]
    found = {c.id: c for c in Record.read(run.folder).candidates}
    assert (found[favourite].fate, found[favourite].rank) == ("buried", None)


@SEARCHES
def test_a_picture_that_is_buried_while_it_is_confirmed_does_not_win_either(tmp_path, settings):
    run = start(tmp_path, settings)
    person, buried = Person(run.folder), None
    for event in run:
        checks = isinstance(event, Rendered) and event.role == "confirm"
        if checks and not event.id.startswith(BASE_ID) and not buried:
            buried = event.id.partition("-")[0]
            person("bury", picture=buried)
    best = run.result.best["id"]
    assert buried and best != buried
    confirmed = [e for e in Record.read(run.folder).events if isinstance(e, Confirmed)]
    assert [e.confirm["best_images"][0] for e in confirmed] == [f"images/{best}-confirm1.png"]


def test_where_all_is_buried_the_base_prompt_is_what_is_left(tmp_path):
    run = start(tmp_path)
    person = Person(run.folder)
    for event in run:
        if isinstance(event, Rated):
            person("bury", picture=event.id)
    assert run.result.best["id"] == BASE_ID and run.result.data["winner_is_base"]


def test_a_heart_counts_half_a_point_in_the_memory_and_for_the_winner(tmp_path):
    run = start(tmp_path, Settings(iterations=1, proposals=6, confirm=0, search="paper"))
    person, best, liked = Person(run.folder), "", ""
    for event in run:
        if isinstance(event, IterationDone):
            ranked = sorted(scores(run.folder).items(), key=lambda one: -one[1])
            best = ranked[0][0]
            liked = [id for id, score in ranked if ranked[0][1] - score < HEART][-1]
            person("heart", picture=liked)
    assert run.result.best["id"] == liked
    assert run.result.best["score"] == scores(run.folder)[liked], "what is predicted stays what is told"
    assert Record.read(run.folder).candidates[int(liked[-2:]) + 1].hearted
    assert liked != best or len({*scores(run.folder).values()}) == 1


@SEARCHES
def test_more_like_this_makes_the_wording_a_parent_of_the_next_round(tmp_path, settings):
    run = start(tmp_path, settings)
    person = Person(run.folder)
    for event in run:
        if isinstance(event, IterationDone) and event.iteration == 1:
            worst = min(scores(run.folder).items(), key=lambda one: one[1])[0]
            person("more", picture=worst)
    parents = {e.iteration: e.parents for e in Record.read(run.folder).events if isinstance(e, Rendered)}
    assert parents[2][0] == worst and parents[3][:1] != (worst,)


@SEARCHES
def test_rewrites_are_struck_changed_and_added_before_they_are_rendered(tmp_path, settings):
    run = start(tmp_path, settings)
    person, proposed = Person(run.folder), ()
    for event in run:
        choose_in_every_way(event, person)
        if isinstance(event, Review):
            proposed = event.prompts
    record = Record.read(run.folder)
    rendered = [e.prompt for e in record.events if isinstance(e, Rendered) and e.iteration == 2]
    mine = [f"{PROMPT}, as I would have it", f"{PROMPT}, in blue chalk"]
    assert rendered == [mine[0], *proposed[2:], mine[1]]
    assert [c.prompt for c in record.candidates if c.own] == mine
    assert record.result["stop_reason"] == "person" and record.result["iterations"] == 2
    assert {e.pick for e in record.events if isinstance(e, Picked)} == {
        *("bury", "heart", "more", "review", "strike", "change", "add", "go", "stop"),
    }


def test_words_of_ones_own_that_say_what_is_never_wanted_are_not_rendered(tmp_path):
    never = {"corrections": [{"verb": "never", "phrase": "neon", "t": 1.0}]}
    run = start(tmp_path, PAPER, recipe=never)
    person = Person(run.folder)
    person("review", on=True)
    for event in run:
        if isinstance(event, Review):
            person(
                "change", iteration=event.iteration, prompt=event.prompts[0], to=f"{PROMPT}, neon-lit street"
            )
            person("add", to=f"{PROMPT}, pink neon glow")
            person("add", to=f"{PROMPT}, round {event.iteration} in chalk")
            person("go", iteration=event.iteration)
    record = Record.read(run.folder)
    assert [c.prompt for c in record.candidates if c.own] == [
        f"{PROMPT}, round {n} in chalk" for n in (1, 2, 3)
    ]
    assert not [c.prompt for c in record.candidates if "neon" in c.prompt]
    refused = [event for event in record.events if isinstance(event, Picked) and event.late]
    assert {event.pick for event in refused} == {"change", "add"} and len(refused) == 6


def test_killed_after_any_event_and_resumed_the_choices_are_taken_up_exactly_as_they_were(tmp_path):
    whole = start(tmp_path / "whole")
    person = Person(whole.folder)
    for event in whole:
        choose_in_every_way(event, person)
    wanted, lines = told(whole.folder), (whole.folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    given = (whole.folder / "picks.jsonl").read_bytes().splitlines(keepends=True)
    for end in range(1, len(lines), 2):
        torn = tmp_path / f"torn-{end}"
        shutil.copytree(whole.folder, torn)
        (torn / "result.json").unlink()
        (torn / "events.jsonl").write_bytes(b"".join(lines[:end]) + lines[end][:20])
        now = json.loads(lines[end - 1])["t"]
        (torn / "picks.jsonl").write_bytes(b"".join(one for one in given if json.loads(one)["t"] < now))
        person = Person(torn)  # clicks again what was not acknowledged, and what was
        for event in resume(torn):
            choose_in_every_way(event, person)
        assert told(torn) == wanted, f"killed after {end} events"


def test_a_pause_ends_the_run_as_ctrl_c_does_and_it_can_be_gone_on_with(tmp_path):
    free = start(tmp_path / "free")
    for _ in free:
        pass
    run = start(tmp_path / "paused")
    person = Person(run.folder)
    for event in run:
        if isinstance(event, Rendered) and event.id == "r02c01":
            person("pause")
    assert run.result.status == "interrupted" and len(scores(run.folder)) < len(scores(free.folder))
    again = resume(run.folder)
    for _ in again:
        pass
    assert again.result.status == "complete" and told(run.folder) == told(free.folder)


def test_stopping_ends_with_the_round_at_work_and_still_confirms(tmp_path):
    run = start(tmp_path)
    person = Person(run.folder)
    for event in run:
        if isinstance(event, Rendered) and event.id == "r01c01":
            person("stop")
    assert run.result.data["iterations"] == 1
    assert run.result.confirm is not None and run.result.stop_reason == "person"


def test_choices_of_another_moment_are_kept_and_said_to_be_too_late(tmp_path):
    run = start(tmp_path)
    person, first = Person(run.folder), ""
    for event in run:
        if isinstance(event, Forecasted) and event.iteration == 1:
            first = event.chosen[0]["prompt"]
        if isinstance(event, IterationDone) and event.iteration == 2:
            person("strike", iteration=1, prompt=first)
        if isinstance(event, Proposed) and event.iteration == 3:
            person("add", to=f"{PROMPT}, in blue chalk")
        if isinstance(event, Confirmed):
            person("heart", picture="r01c00")
    events = Record.read(run.folder).events
    taken = {e.pick: (e.at, e.late) for e in events if isinstance(e, Picked)}
    assert taken == {"strike": ("round 3", True), "add": ("review 3", None)}
    assert first in [e.prompt for e in events if isinstance(e, Rendered)]


def test_with_nobody_choosing_there_is_no_file_and_no_word_of_it_in_the_record(tmp_path):
    run = start(tmp_path)
    for _ in run:
        pass
    assert not (run.folder / "picks.jsonl").exists()
    assert "picks" not in run.result.data and b"pick" not in (run.folder / "events.jsonl").read_bytes()

"""Hearts and buries of a run for one's own profile are ratings of that profile, each of them once."""

from __future__ import annotations

import json

import pytest
from fakes import PROMPT, FakePerson, FakeScorer, fake_parts

from steer.loop.run import Run
from steer.profiles import Profiles
from steer.profiles.picks import rate_picks
from steer.record.folder import Record
from steer.record.picks import Pick, Picks
from steer.settings import Settings


@pytest.fixture
def profiles(tmp_path):
    return Profiles(tmp_path / "profiles")


def make_run(out, world="profile"):
    settings = Settings(iterations=1, proposals=3, confirm=0, search="paper")
    run = Run.start(
        PROMPT, FakePerson("me", "new", world=world), fake_parts(scorer=FakeScorer()), settings, out
    )
    for _ in run:
        pass
    return Record.read(run.folder)


def give(record, number, pick, picture):
    Picks(record.folder).give(Pick(key=f"click-{number:04}", pick=pick, picture=picture))


def ratings(profiles):
    return [rating.rating for rating in profiles.open("me").ratings]


def test_a_heart_is_a_five_and_a_bury_a_one_however_often_they_are_counted(tmp_path, profiles):
    profiles.create("me")
    record = make_run(tmp_path / "runs")
    give(record, 1, "heart", "r01c00")
    give(record, 2, "bury", "r01c01")
    assert rate_picks(record, profiles) == 2
    assert rate_picks(Record.read(record.folder), Profiles(profiles.folder)) == 0
    assert sorted(ratings(profiles)) == [1.0, 5.0]
    assert profiles.open("me").ratings[0].prompt == PROMPT


def test_a_kill_between_the_choice_and_its_rating_loses_and_repeats_nothing(tmp_path, profiles):
    profiles.create("me")
    record = make_run(tmp_path / "runs")
    give(record, 1, "heart", "r01c00")
    rate_picks(record, profiles)
    give(record, 2, "heart", "r01c01")  # killed before it was counted
    rate_picks(record, profiles)
    log = (profiles.folder / "me" / "ratings.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in log] == ["pick:click-0001", "pick:click-0002"]


def test_what_is_taken_back_is_no_rating_any_more_and_what_is_rated_later_counts(tmp_path, profiles):
    me = profiles.create("me")
    record = make_run(tmp_path / "runs")
    give(record, 1, "heart", "r01c00")
    give(record, 2, "bury", "r01c01")
    rate_picks(record, profiles)
    me.refresh()
    me.rate(record.folder / "images" / "r01c01.png", 3.5, source="by hand")
    give(record, 3, "clear", "r01c00")
    rate_picks(record, profiles)
    assert ratings(profiles) == [3.5]
    give(record, 4, "heart", "r01c00")
    rate_picks(record, profiles)
    assert ratings(profiles) == [3.5, 5.0]


def test_choices_for_somebody_else_rate_nothing_and_a_profile_that_is_gone_is_not_made_again(
    tmp_path, profiles
):
    other = make_run(tmp_path / "runs", world="sandbox")
    give(other, 1, "heart", "r01c00")
    mine = make_run(tmp_path / "runs")
    give(mine, 2, "heart", "r01c00")
    assert rate_picks(other, profiles) == rate_picks(mine, profiles) == 0
    assert profiles.list() == []

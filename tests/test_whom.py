"""A name becomes a person, and a run whose person and parts have names can be taken up again by them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_run import Crowd, crowd_parts
from fakes import PROMPT, FakePerson, FakeRenderer, PlainScorer, fake_parts
from PIL import Image
from tiny import tiny_predictor

from reward.errors import EmptyGroup, UnknownPerson
from reward.predictor.predictor import Predictor
from steer import Parts, Record, Run, Settings, load, steer
from steer.cli.app import run_command
from steer.errors import ProfileError, UsageError
from steer.profiles import Profile, Profiles
from steer.whom import Who

SMALL = Settings(iterations=1, proposals=3, confirm=2, gate_sd=None)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return tiny_predictor(tmp_path_factory.mktemp("predictor"))


@pytest.fixture
def me() -> Profile:
    profile = Profiles().create("me")
    for number in range(4):
        rate(profile, number)
    return profile


def rate(profile: Profile, number: int) -> None:
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(f"{number}.png")
    profile.rate(Path(f"{number}.png"), 1 + number % 5, source="test")


def known(user: str) -> Who:
    return Who("known", user=user).resolved(Crowd.people)


# --- names


def test_an_exact_id_goes_before_a_profile_and_a_profile_before_a_position():
    Profiles().create("p7")
    state = Profiles().create("p99").state
    assert known("p7").find(Crowd()).id == "p7"
    assert known(" p99 ") == Who("profile", user=f"p99@{state.hash}")
    assert known("7").find(Crowd()).id == "p7", "of the seventh person"


def test_a_profile_is_named_in_its_present_state_or_by_hash_in_an_earlier_one(me):
    first = me.state
    rate(me, 5)
    assert known("me").state == me.state
    assert known(f"me@{first.hash}").state == first
    assert known("me").resolved(Crowd.people) == known("me")
    with pytest.raises(ProfileError, match="never was in the state"):
        known("me@000000000000")


def test_a_name_that_nobody_has_is_told_with_the_profiles_that_there_are(me):
    with pytest.raises(UnknownPerson, match=r"'mee': 20 people are known.*; profiles are me"):
        known("mee").find(Crowd())


def test_groups_and_the_population_are_people_too():
    group = Who("group", age=(19, 25), gender="male")
    assert group.find(Crowd()).label == "sandbox:age 19-25, male (2 people)"
    assert group.members(Crowd.people) == [0, 2]
    assert Who("population").find(Crowd()).id == "population"
    assert Who("population").members(Crowd.people) is None
    with pytest.raises(EmptyGroup):
        Who("group", age=(90, 99)).find(Crowd())


def test_a_reward_that_knows_no_people_says_so():
    with pytest.raises(UsageError, match="plain scorer knows no people"):
        Who("known", user="17").find(PlainScorer(None))


@pytest.mark.parametrize(
    "who", [Who("group", age=(18, 25)), Who("profile", user="me@1f3a"), Who("population")]
)
def test_who_was_asked_for_survives_config_json(who):
    assert Who.from_json(json.loads(json.dumps(who.to_json()))) == who


def test_a_persons_label_follows_from_id_and_world(predictor, me):
    some = predictor.people[0].id
    for person, id, world, label in (
        (predictor.person("1"), some, "sandbox", f"sandbox:{some}"),
        (predictor.population(), "population", "sandbox", "sandbox:population"),
        (me.person(predictor), "me", "profile", f"profile:me@{me.hash}"),
    ):
        assert (person.id, person.world, person.label) == (id, world, label)


def test_an_id_that_names_its_data_set_is_its_own_label(predictor):
    joined = replace(predictor.person("1"), id="lapis:17", world="lapis")
    assert joined.label == "lapis:17"


# --- from Python


def test_steer_takes_a_name(tmp_path, predictor, me):
    parts = crowd_parts(scorer=predictor, judge=predictor)
    result = steer(PROMPT, "me", parts, settings=SMALL, out=tmp_path)
    config = Record(result.folder).config
    assert config["person"]["label"] == f"profile:me@{me.hash}"
    assert config["recipe"]["who"] == Who("profile", user=f"me@{me.hash}").to_json()
    assert result.confirm["held_out"] is not None, "the judge was asked about the same profile"
    group = Who("group", gender="female")
    result = steer(PROMPT, group, parts, settings=SMALL, out=tmp_path)
    assert Record(result.folder).config["recipe"]["who"] == group.to_json()


def test_a_judge_that_does_not_know_the_person_holds_nothing_out(tmp_path):
    class Stranger(Crowd):
        people = Crowd.people[5:]

    run = Run.start(PROMPT, "p1", crowd_parts(judge=Stranger()), SMALL, tmp_path)
    assert run.person.id == "p1" and run.judge_person is None
    run.close()
    run = Run.start(PROMPT, "2", crowd_parts(judge=Stranger()), SMALL, tmp_path)
    assert run.judge_person is None, "the second whom the judge knows is another one"
    run.close()


def interrupted(run: Run) -> Path:
    for event in run:
        if event.event == "proposed":
            break
    assert Record(run.folder).status == "interrupted"
    return run.folder


@pytest.fixture(scope="module")
def sandbox() -> Parts:
    return load("sandbox", threads=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["17", "me"])
def test_a_run_started_from_python_is_resumed_from_the_command_line(sandbox, isolated, me, name, capsys):
    before = me.hash
    folder = interrupted(Run.start(PROMPT, name, sandbox, SMALL))
    rate(me, 7)  # what is rated later is another taste
    assert run_command(["runs", "resume", str(folder)]) == 0, capsys.readouterr().err
    record = Record(folder)
    assert record.complete and record.config["recipe"]["threads"] == 1
    assert record.result["person"]["label"] == {"17": "sandbox:17", "me": f"profile:me@{before}"}[name]


def test_a_person_in_hand_is_found_again_if_the_scorer_knows_them(isolated, monkeypatch):
    parts = crowd_parts()
    monkeypatch.setattr("steer.machine.loading.load", lambda *args, **options: crowd_parts())
    for person in (parts.scorer.person("p3"), parts.scorer.population()):
        folder = interrupted(Run.start(PROMPT, person, parts, SMALL))
        assert run_command(["runs", "resume", str(folder)]) == 0
        assert Record(folder).complete


def test_what_has_no_name_is_told_in_one_line_with_the_way_to_go_on(isolated, capsys):
    parts = replace(crowd_parts(), renderer=FakeRenderer(size=24))
    folder = interrupted(Run.start(PROMPT, "p3", parts, SMALL))
    assert run_command(["runs", "resume", str(folder)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "its renderer (fake renderer) cannot be found by name" in line
    assert line.endswith(f"resume it there: steer.resume({str(folder)!r}, person, parts)")
    newcomer = FakePerson("anna", kind="new", world="profile")
    folder = interrupted(Run.start(PROMPT, newcomer, fake_parts(), SMALL))
    assert run_command(["runs", "resume", str(folder)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "its person (profile:anna), proposer (fake language model), renderer (fake renderer)" in line
    assert run_command(["runs", "compare", str(folder), str(folder)]) == 2
    assert "compare it there" in capsys.readouterr().err


def test_parts_know_which_of_them_were_replaced():
    parts = crowd_parts()
    assert parts.loaded.replaced(parts) == []
    assert parts.loaded.replaced(replace(parts, preset="mine")) == []
    assert parts.loaded.replaced(replace(parts, scorer=Crowd(), judge=None)) == ["scorer", "judge"]
    assert parts.loaded.replaced(replace(crowd_parts(judge=None), judge=Crowd())) != []

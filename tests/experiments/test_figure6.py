"""Figure 6 and consistency: what is measured of every run, and when a statement counts as confirmed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeProposer
from hypothesis import given
from hypothesis import strategies as st

from reward.evaluation.metrics import Interval
from steer.cli.app import run_command
from steer.experiments import figure8 as figure8_module
from steer.experiments import lab as lab_module
from steer.experiments.claims import ROCKS, claims, verdict
from steer.experiments.consistency import consistency, scene_similarity, term_similarity
from steer.experiments.courses import KINDS, MEASURES, OLD, OWN, YOUNG, Figure6, Steered, figure6, over
from steer.experiments.lab import Lab
from steer.machine.loading import load
from steer.sandbox.scene import draw
from steer.settings import Settings

SHORT = Settings(iterations=1, proposals=2, confirm=0, search="paper")
PROMPTS = (ROCKS, "a deer", "a vase of flowers")


@pytest.fixture(scope="module")
def sandbox():
    return replace(load("sandbox"), proposer=FakeProposer())


@pytest.fixture(scope="module")
def lab(sandbox, tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("lab"), sandbox, size=128)


@pytest.fixture(scope="module")
def found(lab):
    return figure6(lab, lab.users[:2], [ROCKS], SHORT)


def test_every_reward_runs_once_for_a_prompt_and_personal_ones_once_for_each_person(lab, found):
    kinds = [run.kind for run in found.runs]
    assert kinds == [OWN, OWN, *KINDS[1:]]
    assert [run.user for run in found.runs[:2]] == list(lab.users[:2])


def test_a_course_begins_with_the_base_and_own_ratings_are_the_owners(lab, found):
    rating = MEASURES.index("true rating")
    base = lab.truth([(ROCKS, 0)])
    for run in found.runs:
        assert run.course.shape == (2, len(MEASURES)) and run.fresh.shape == (2, len(MEASURES))
        judges = [run.user] if run.user else list(lab.users[:2])
        rows = [lab.raters.ids.index(judge) for judge in judges]
        assert run.course[0, rating] == pytest.approx(base[rows].mean(), abs=1e-4)
        assert run.course[0, MEASURES.index("subject kept")] == 1
    own = [run for run in found.runs if run.kind == OWN]
    assert all(np.isfinite(run.others) for run in own)


def test_asked_again_nothing_is_painted_and_the_figures_are_the_same(lab, found):
    painted = lab.renderer.painted
    again = figure6(lab, lab.users[:2], [ROCKS], SHORT)
    assert lab.renderer.painted == painted
    assert np.array_equal(again.runs[0].course, found.runs[0].course)


# --- statements


def steered(kind, prompt, user="", **changes):
    """A run whose winner differs from the base by `changes` on every measure named."""
    row = np.zeros(len(MEASURES))
    for name, value in changes.items():
        row[MEASURES.index(name.replace("_", " "))] = value
    table = np.stack([np.zeros(len(MEASURES)), row])
    return Steered(kind, user, prompt, f"{prompt}, better", table, table, True, 0.5, others=0.1)


def figure(runs):
    return Figure6(["1"], list(PROMPTS), 1, 2, runs, [], Interval(0.2, 0.1, 0.3))


def said(runs):
    return {claim.statement.partition(",")[0]: claim for claim in claims(figure(runs))}


def paperlike(sign=1.0):
    """What the paper describes, with some noise over prompts; or, with sign -1, its opposite."""
    runs = []
    for i, prompt in enumerate(PROMPTS):
        wobble = 0.02 * i
        runs.append(
            steered(
                OWN,
                prompt,
                "1",
                saturation=sign * -1,
                realism=sign * (0.2 + wobble),
                true_rating=sign * 1 + wobble,
            )
        )
        for kind in KINDS[1:]:
            runs.append(
                steered(
                    kind,
                    prompt,
                    saturation=sign * (20 + wobble) * (1 if kind != OLD else 0.2),
                    realism=sign * (-0.3 + wobble),
                    adherence=sign * (-0.1 + wobble / 9),
                    true_rating=sign * 0.1,
                )
            )
    return runs


def test_a_world_as_the_paper_describes_confirms_its_statements():
    found = said(paperlike())
    for start in (
        "consensus-driven models collapse", "PAMELA does not", "over-optimizing", "and loses adherence",
        "PAMELA maintains", "personal steering", "images steered for younger", "the generation follows",
    ):  # fmt: skip
        claim = next(claim for key, claim in found.items() if key.startswith(start))
        assert claim.verdict == "confirmed", claim


def test_the_opposite_world_confirms_none_of_them():
    found = said(paperlike(-1))
    for start in (
        "consensus-driven models collapse",
        "over-optimizing",
        "PAMELA maintains",
        "personal steering",
    ):
        claim = next(claim for key, claim in found.items() if key.startswith(start))
        assert claim.verdict == "the opposite", claim


def test_one_prompt_confirms_nothing():
    runs = [run for run in paperlike() if run.prompt == "a deer"]
    result = replace(figure(runs), prompts=["a deer"], realism_slope=over([0.4]))
    assert {claim.verdict for claim in claims(result)} == {"not confirmed"}


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(0, 5))
def test_a_statement_is_confirmed_only_where_the_whole_interval_is_on_its_side(value, below, above):
    found = verdict(Interval(value, value - below, value + above))
    assert (found == "confirmed") == (value - below > 0)
    assert (found == "the opposite") == (value + above < 0)


def test_younger_and_older_quarters_are_those_of_the_known_people(lab, found):
    ages = [p.demographics["age"] for p in lab.predictor.people]
    rewards = {kind: reward for kind, _, reward in figure6_rewards(lab)}
    low, high = (int(a) for a in rewards[OLD].name.removeprefix("age ").split("-"))
    share = np.mean([low <= age <= high for age in ages])
    assert high == max(ages) and 0.2 <= share <= 0.35
    assert rewards[YOUNG].name.startswith(f"age {min(ages)}-")


def figure6_rewards(lab):
    from steer.experiments.courses import rewards

    return rewards(lab, lab.users[:1])


# --- consistency


def test_terms_are_compared_by_what_they_add_to_the_base():
    assert term_similarity("a deer in fog at dusk", "a deer, fog", "a deer") == pytest.approx(1 / 2)
    assert term_similarity("a deer", "a deer", "a deer") == 1
    assert term_similarity("a deer, fog", "a deer, neon", "a deer") == 0


def test_a_scene_is_most_like_itself():
    rng = np.random.default_rng(0)
    scenes = [draw(rng) for _ in range(8)]
    for one in scenes:
        assert scene_similarity(one, one) == 1
        assert all(0 <= scene_similarity(one, other) < 1 for other in scenes if other is not one)


def test_both_runs_differ_in_the_language_models_seed_alone_and_four_measures_compare_them(lab):
    found = consistency(lab, lab.users[:2], [ROCKS], SHORT)
    assert [each.name for each in found.measures] == [
        "text terms", "image features", "attributes", "pixel figures",
    ]  # fmt: skip
    configs = [json.loads(path.read_text()) for path in lab.folder.glob(f"runs/{lab.users[0]}/*/config.json")]
    assert sorted(c["settings"]["llm_seed"] for c in configs) == [0, 1]
    assert {c["settings"]["seed"] for c in configs} == {0}
    assert not found.confirmed  # two people can be dealt out in two ways only
    assert [pair.user for pair in found.pairs] == list(lab.users[:2])


# --- commands


@pytest.mark.parametrize(
    ("name", "words"), [("figure6", "statements confirmed"), ("consistency", "different people")]
)
def test_the_commands_write_table_picture_and_json(name, words, lab, monkeypatch, capsys):
    monkeypatch.setattr(lab_module, "open_lab", lambda to, threads: lab)
    monkeypatch.setattr(figure8_module, "SHORT", SHORT)
    assert run_command(["reproduce", name, "--prompts", "1", "--users", "2", "--out", "out"]) == 0
    shown = capsys.readouterr()
    assert words in shown.out and "simulated" in shown.err
    data = json.loads(Path(f"out/{name}.json").read_text())
    assert data["simulated"] and data["figure"] == name
    assert Path(f"out/{name}.png").stat().st_size > 10_000
    assert run_command(["reproduce", name, "--users", "999"]) == 2
    assert "lower --users" in capsys.readouterr().err

"""The simulated people: what they are made of, apart from any data set."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import steer.sandbox
from steer.sandbox.scene import draw
from steer.sandbox.truth.measure import NAMES, UNNAMED
from steer.sandbox.truth.raters import (
    AGES,
    GENDERS,
    KINDS,
    NATIONALITIES,
    Constants,
    Raters,
    semantics_of,
    semantics_of_words,
)

PLAIN = Constants(mean=(0.0,) * len(NAMES), sd=(1.0,) * len(NAMES))
SOURCES = Path(steer.sandbox.__file__).parents[2]


def look(**values: float) -> np.ndarray:
    """Measurements [1, M] that are average but for some, in sd."""
    return np.array([[values.get(name, 0.0) for name in NAMES]], np.float32)


NOTHING = np.zeros((1, UNNAMED), np.float32)
NEUTRAL = np.zeros((1, len(KINDS)), np.float32)


@pytest.fixture(scope="module")
def people() -> Raters:
    return Raters.sample(400, 3, PLAIN)


def test_the_same_seed_gives_the_same_people(people: Raters) -> None:
    again = Raters.sample(400, 3, PLAIN)
    assert again.demographics == people.demographics
    assert np.array_equal(again.slope, people.slope)
    assert not np.array_equal(Raters.sample(400, 4, PLAIN).slope, people.slope)


def test_ratings_are_on_the_slider_and_expected_ratings_are_not_clipped(people: Raters) -> None:
    t = people.expected(look(realism=3, saturation=3, warmth=3), NOTHING, NEUTRAL)
    wild = replace(people, bias=people.bias + 4).expected(look(), NOTHING, NEUTRAL)
    assert wild.max() > 5
    y = people.rate(np.concatenate([t, wild]), np.random.default_rng(0))
    assert (y.min() >= 1) and (y.max() == 5)
    assert np.allclose(y, np.round(y, 2), atol=1e-12)


def test_trial_noise_has_the_worlds_spread(people: Raters) -> None:
    y = people.rate(np.full(20_000, 3.0), np.random.default_rng(0))
    assert y.std() == pytest.approx(PLAIN.noise, rel=0.03)


def test_demographics_are_pamelas_kind(people: Raters) -> None:
    ages = [d["age"] for d in people.demographics]
    assert AGES[0] <= min(ages) and max(ages) <= AGES[1]
    assert len(NATIONALITIES) == 23 and sum(NATIONALITIES.values()) == pytest.approx(1)
    assert {d["gender"] for d in people.demographics} <= set(GENDERS)
    for d in people.demographics:
        low, high = map(int, d["age_binned"].split("-"))
        assert low <= d["age"] <= high


def test_younger_people_want_more_saturation(people: Raters) -> None:
    ages = np.array([d["age"] for d in people.demographics])
    gain = people.expected(look(saturation=1.0, colourfulness=1.0), NOTHING, NEUTRAL)
    gain = (gain - people.expected(look(saturation=-1.0, colourfulness=-1.0), NOTHING, NEUTRAL))[:, 0]
    assert gain[ages <= 25].mean() > gain[ages >= 46].mean() + 0.1


def test_taste_is_made_of_independent_continuous_weights(people: Raters) -> None:
    assert len(NAMES) >= 12
    men = np.array([d["gender"] == "male" for d in people.demographics])
    correlation = np.corrcoef(people.slope[men].T)
    assert np.abs(correlation - np.eye(len(NAMES))).max() < 0.35
    assert (people.slope.std(0) > 0.3).all()
    assert all(len(np.unique(column)) == len(people) for column in people.slope.T)


def test_curves_saturate_and_bend(people: Raters) -> None:
    at = np.concatenate(
        [people.expected(look(brightness=x), NOTHING, NEUTRAL) for x in np.linspace(-3, 3, 13)], 1
    )
    steps = np.abs(np.diff(at, axis=1))
    assert steps[:, [0, -1]].mean() < 0.7 * steps[:, [5, 6]].mean()
    inside = (at[:, 1:-1].max(1) > np.maximum(at[:, 0], at[:, -1]) + 0.05).mean()
    assert 0.15 < inside < 0.85


def test_some_measurements_interact(people: Raters) -> None:
    def t(**values: float) -> np.ndarray:
        return people.expected(look(**values), NOTHING, NEUTRAL)

    surplus = t(brightness=1.0, warmth=1.0) - t(brightness=1.0) - t(warmth=1.0) + t()
    assert surplus.std() > 0.02
    additive = t(brightness=1.0, place=1.0) - t(brightness=1.0) - t(place=1.0) + t()
    assert np.abs(additive).max() < 1e-4


def test_what_a_scene_does_not_say_is_neutral() -> None:
    scene = draw(np.random.default_rng(0), subject="boat", style="oil", ground="water")
    row = semantics_of(scene)
    assert row[KINDS.index("subject:boat")] > 0.9
    assert row.sum() == pytest.approx(0, abs=1e-5)
    assert not semantics_of_words("zygomorphic qwerty").any()


def test_a_prompts_words_name_content() -> None:
    row = semantics_of_words("An oil painting of two wooden boats in the fog")
    named = {kind for kind, value in zip(KINDS, row, strict=True) if value > 0}
    assert named == {"subject:boat", "style:oil", "material:wood", "weather:fog"}


def test_the_raters_use_nothing_of_the_predictor() -> None:
    code = "import sys, steer.sandbox.truth.world; print(sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCES
    )
    names = set(ast.literal_eval(loaded.stdout)) - {
        "reward",
        "reward.files",
    }  # the one that writes files whole
    assert not {"reward", "torch", "transformers"} & {name.partition(".")[0] for name in names}


def test_a_predictor_and_a_loop_load_without_the_raters() -> None:
    code = (
        "import sys, reward.predictor.predictor, steer.loop.search; "
        "print([m for m in sys.modules if m.startswith('steer.sandbox.') and "
        "m.split('.')[-1] in ('raters', 'world', 'measure')])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCES
    )
    assert ast.literal_eval(loaded.stdout.strip().splitlines()[-1]) == []

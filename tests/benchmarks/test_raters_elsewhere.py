"""People of other kinds: what their features see, and that a taste is in standard deviations."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steer.sandbox.scene import draw

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import raters_elsewhere as elsewhere

RNG = np.random.default_rng(0)
SCENES = [draw(np.random.default_rng(i)) for i in range(60)]
PICTURES = [RNG.integers(0, 256, (64, 64, 3), np.uint8) // (1 + i % 5) for i in range(60)]
FEATURES = [elsewhere.features_of(picture) for picture in PICTURES]


def test_forty_raters_of_four_families_fall_into_two_equal_halves_and_are_always_the_same():
    everyone = elsewhere.raters()
    assert len(everyone) == 40 and everyone == elsewhere.raters()
    halves = {half: elsewhere.raters(half) for half in elsewhere.HALVES}
    assert [len(half) for half in halves.values()] == [20, 20]
    assert {r.name for half in halves.values() for r in half} == {r.name for r in everyone}
    for half, members in halves.items():
        assert {r.half for r in members} == {half}
        assert {
            family: sum(r.family == family for r in members) for family in elsewhere.FAMILIES
        } == dict.fromkeys(elsewhere.FAMILIES, 5)
    assert len({r.likings for r in everyone}) == 40


def test_tastes_are_in_standard_deviations_over_the_reference_pictures():
    tastes = elsewhere.Tastes(elsewhere.raters(), FEATURES, SCENES)
    found = tastes.of(FEATURES, SCENES)
    assert found.shape == (40, 60)
    assert found.mean(1) == pytest.approx(0, abs=1e-9)
    assert found.std(1) == pytest.approx(1)


def test_a_liking_of_scenes_looks_at_nothing_but_its_feature():
    liking = elsewhere.Liking("weather", 1.0, values=(0.0, 1.0, 2.0, 3.0, 4.0))
    tastes = elsewhere.Tastes([elsewhere.Rater("r", "scene", "choose", (liking,))], FEATURES, SCENES)
    rain, clear = (replace(SCENES[0], weather=weather) for weather in ("rain", "clear"))
    other = replace(rain, style="ink", distance=0.9)
    one, two, three = tastes.of(FEATURES[:1] * 3, [rain, clear, other])[0]
    assert one == three > two


def test_an_ideal_is_liked_more_than_less_and_more_of_it():
    liking = elsewhere.Liking("edges", 1.0, ideal=0.5)
    below, at, above = liking.of(np.array([-1.0, 0.5, 2.0]))
    assert at > below and at > above


def test_ratings_are_halves_from_1_to_5_and_as_reliable_as_stated():
    taste = np.random.default_rng(1).standard_normal(20_000)
    ratings = elsewhere.rated(taste, np.random.default_rng(2))
    assert set(ratings) <= set(np.arange(1, 5.5, 0.5))
    assert np.corrcoef(taste, ratings)[0, 1] ** 2 == pytest.approx(elsewhere.RELIABILITY, abs=0.03)


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, 2)


def test_features_see_what_they_are_named_after():
    see = elsewhere.features_of
    across = np.tile(np.linspace(0, 255, 64), (64, 1))
    noise = np.random.default_rng(3).integers(0, 256, (64, 64))
    flat = np.full((64, 64), 128)
    stripes = np.tile(np.where(np.arange(64) // 4 % 2, 255, 0), (64, 1))
    assert see(_grey(noise))["edges"] > see(_grey(across))["edges"] > see(_grey(flat))["edges"] == 0
    assert see(_grey(noise))["fineness"] > see(_grey(across))["fineness"]
    assert see(_grey(noise))["entropy"] > see(_grey(flat))["entropy"] == 0
    assert see(_grey(stripes))["upright"] > 0.9 > -0.9 > see(_grey(stripes.T))["upright"]
    assert see(_grey(across.T))["sky"] < 0 < see(_grey(across.T[::-1]))["sky"]
    assert see(_grey(across + across[:, ::-1]))["symmetry"] >= 0 > see(_grey(across))["symmetry"]
    assert see(_grey(flat))["empty"] == 1 and see(_grey(noise))["empty"] == 0
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    assert see(red)["chroma"] > see(_grey(noise))["chroma"] == pytest.approx(0, abs=1e-9)
    half = np.where(np.arange(64)[:, None] < 32, 0, noise)
    assert see(_grey(half.T))["lopsided"] > 0.5

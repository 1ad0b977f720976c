"""The forecast learns from words what a rewrite will score, and says how sure it is."""

from __future__ import annotations

import random

import numpy as np
import pytest
from fakes import PROMPT
from hypothesis import given, settings
from hypothesis import strategies as st

from steer.gates.looks import draw_looks, looks, with_look
from steer.loop.forecast import Forecast, most_promising
from steer.loop.recombine import MOST, Library, recombine
from steer.parts import Scored


def hashed(texts):
    """Unit vectors [n, 64] in which texts that share words are alike."""
    rows = np.zeros((len(texts), 64))
    for row, text in zip(rows, texts, strict=True):
        for word in text.split():
            row += np.random.default_rng(sum(word.encode()) * 7 + len(word)).normal(size=64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def world(seed, n):
    """Rewrites whose scores are a base, an effect of each phrase and a little luck."""
    rng, bank = random.Random(seed), looks()
    effects = {phrase: rng.gauss(0, 0.2) for phrases in bank.values() for phrase in phrases}
    found = [Scored(PROMPT, 3.0, "r00c00")]
    for i, look in enumerate(draw_looks(bank, n, rng)):
        score = 3.0 + sum(effects[phrase] for phrase in look) + rng.gauss(0, 0.05)
        found.append(Scored(with_look(PROMPT, look), score, f"r01c{i:02}"))
    return bank, effects, found


def test_what_was_scored_foretells_what_was_not():
    _, _, found = world(1, 160)
    forecast = Forecast(PROMPT, hashed, {})
    forecast.learn(found[:120])
    expected, _ = forecast([entry.prompt for entry in found[120:]])
    scored = [entry.score for entry in found[120:]]
    assert np.corrcoef(expected, scored)[0, 1] > 0.5


def test_before_anything_is_scored_it_says_what_taste_says():
    _, effects, found = world(2, 60)
    forecast = Forecast(PROMPT, hashed, effects)
    forecast.learn(found[:1])
    expected, _ = forecast([entry.prompt for entry in found[1:]])
    assert np.corrcoef(expected, [entry.score for entry in found[1:]])[0, 1] > 0.9
    plain = Forecast(PROMPT, hashed, {})
    plain.learn(found[:1])
    assert np.ptp(plain([entry.prompt for entry in found[1:]])[0]) == pytest.approx(0.0)


def test_a_taste_that_this_run_contradicts_is_no_longer_believed():
    _, effects, found = world(3, 100)
    forecast = Forecast(PROMPT, hashed, {phrase: -value for phrase, value in effects.items()})
    forecast.learn(found[:1])
    at_first = forecast.scales.belief
    forecast.learn(found)
    assert forecast.scales.belief < at_first


def test_it_is_surer_of_what_resembles_what_was_scored():
    _, _, found = world(4, 60)
    forecast = Forecast(PROMPT, hashed, {})
    forecast.learn(found)
    known = found[5].prompt
    _, covariance = forecast([known, with_look(PROMPT, ["an entirely unheard thing"])])
    assert covariance[0, 0] < covariance[1, 1]


def test_a_prompt_that_says_nothing_new_is_forecast_as_the_base():
    _, _, found = world(5, 40)
    forecast = Forecast(PROMPT, None, {})
    forecast.learn(found)
    expected, _ = forecast([PROMPT, PROMPT.upper()])
    assert expected[0] == expected[1]


def test_what_tells_the_same_is_chosen_once_before_what_tells_something_else():
    mean = np.array([1.0, 1.0, 0.9])
    covariance = np.array([[1.0, 0.999, 0.0], [0.999, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert most_promising(mean, covariance, 2, curiosity=1.0, noise=0.1) == [0, 2]
    assert most_promising(mean, covariance, 2, curiosity=0.0, noise=0.1) == [0, 1]


@given(n=st.integers(0, 12), seed=st.integers(0, 99))
def test_every_choice_is_another_rewrite_and_no_more_than_there_are(n, seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(8, 8))
    chosen = most_promising(rng.normal(size=8), root @ root.T, n, 0.7, 0.1)
    assert len(chosen) == len(set(chosen)) == min(n, 8)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    parents=st.lists(st.lists(st.sampled_from(["a", "dusk", "sepia"]), unique=True), max_size=3),
)
def test_recombined_looks_are_different_short_and_have_one_phrase_a_section(seed, parents):
    library = Library(looks(), hashed)
    library.add(["golden hour glow", "zzz"])
    effects = dict.fromkeys(library.phrases, 0.0)
    found = recombine(library, effects, parents, 60, 0.1, np.random.default_rng(seed))
    assert found and len({frozenset(look) for look in found}) == len(found)
    for look in found:
        sections = [library.about(phrase) for phrase in look if phrase in effects]
        new = [s for s in sections if s in library.sections]
        assert len(look) <= MOST and len(set(new)) == len(new)


def test_better_phrases_are_drawn_more_often():
    library = Library({"light": ["dusk", "noon"], "view": ["near", "far"]}, None)
    effects = {"dusk": 0.3, "noon": 0.0, "near": 0.0, "far": 0.0}
    drawn = [
        phrase
        for seed in range(60)
        for look in recombine(library, effects, [], 1, 0.1, np.random.default_rng(seed))
        for phrase in look
    ]
    assert drawn.count("dusk") > 3 * drawn.count("noon") and drawn.count("near") > 5


def test_a_phrase_of_the_language_model_joins_the_section_that_it_is_about():
    library = Library({"light": ["golden hour", "noon sun"], "view": ["low angle", "from above"]}, hashed)
    library.add(["golden hour glow", "qqq www", "golden hour"])
    assert library.about("golden hour glow") == "light" and "golden hour glow" in library.sections["light"]
    assert library.about("qqq www") == "qqq www" and len(library.phrases) == 5

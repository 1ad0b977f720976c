"""Captions and prompts say what a scene shows, and nothing else."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.sandbox import scene
from steer.sandbox.read import captions, lexicon, synonyms
from steer.sandbox.scene import Scene, draw


def random_scene(seed: int, **fixed: object) -> Scene:
    return draw(np.random.default_rng(seed), **fixed)


seeds = st.integers(0, 2**32 - 1)


def test_every_value_of_the_look_axes_has_at_least_six_phrases() -> None:
    assert set(lexicon.SUBJECT_NOUNS) == set(synonyms.SUBJECT_WORDS) == set(scene.SUBJECTS)
    looks = {
        **{"ground": scene.GROUNDS, "backdrop": scene.BACKDROPS, "lighting": scene.LIGHTINGS},
        **{
            "weather": scene.WEATHERS,
            "angle": scene.ANGLES,
            "palette": scene.PALETTES,
            "style": scene.STYLES,
        },
    }
    for axis, values in looks.items():
        assert set(lexicon.VALUES[axis]) == set(values)
        assert all(len(phrases) >= 6 for phrases in lexicon.VALUES[axis].values()), axis
    assert set(lexicon.VALUES["material"]) == set(lexicon.MATERIAL_ADJECTIVES) == set(scene.MATERIALS)
    assert set(lexicon.STYLE_OPENERS) == set(scene.STYLES)


def test_no_phrase_names_two_values() -> None:
    named = [p for values in lexicon.VALUES.values() for phrases in values.values() for p in phrases]
    named += [p for levels in lexicon.LEVELS.values() for _, phrases in levels for p in phrases]
    named += [p for phrases, _ in synonyms.BLENDS for p in phrases]
    assert sorted(p for p in set(named) if named.count(p) > 1) == []


def test_five_rising_levels_name_each_numeric_setting() -> None:
    numeric = {name for name in scene.FIELDS if isinstance(getattr(random_scene(0), name), float)}
    assert set(lexicon.LEVELS) == numeric
    for levels in lexicon.LEVELS.values():
        values = [value for value, _ in levels]
        assert len(values) == 5 and values == sorted(values)


@given(seeds)
def test_a_caption_names_the_subject_and_five_to_nine_settings_truly(seed: int) -> None:
    picture = random_scene(seed)
    named = captions.phrases(picture, np.random.default_rng(seed))
    assert 5 <= len(named) - 1 <= 9
    assert len({axis for axis, _, _ in named}) == len(named)
    for axis, value, _ in named:
        actual = getattr(picture, axis)
        assert value == (captions.level(axis, actual) if axis in lexicon.LEVELS else actual)


@given(seeds)
def test_a_caption_holds_the_phrases_it_was_made_of(seed: int) -> None:
    picture = random_scene(seed)
    named = captions.phrases(picture, np.random.default_rng(seed))
    text = captions.caption(picture, np.random.default_rng(seed), named)
    assert len(text.split()) <= captions.MAX_WORDS
    opened = any(opener in text for opener in lexicon.STYLE_OPENERS[picture.style])
    for axis, _, phrase in named:
        assert phrase.lower() in text.lower() or (axis == "style" and opened)


@given(seeds)
def test_texts_depend_on_the_scene_and_the_generator_alone(seed: int) -> None:
    picture = random_scene(seed)
    for write in (captions.caption, captions.prompt):
        assert write(picture, np.random.default_rng(seed)) == write(picture, np.random.default_rng(seed))


def test_captions_of_one_scene_vary() -> None:
    rng = np.random.default_rng(0)
    assert len({captions.caption(random_scene(3), rng) for _ in range(50)}) >= 48


@given(seeds)
def test_a_prompt_starts_with_the_base_prompt_and_names_no_numbers(seed: int) -> None:
    picture = random_scene(seed)
    text = captions.prompt(picture, np.random.default_rng(seed))
    assert text.startswith(captions.subject_phrase(picture))
    assert 2 <= text.count(",") <= 8
    assert not re.search(r"0\.\d", text)


@pytest.mark.parametrize(
    ("settings", "phrase"),
    [
        ({"subject": "rocks", "material": "moss", "floating": True, "count": 3}, "floating mossy rocks"),
        ({"subject": "boat", "material": "wood", "floating": False, "count": 1}, "a wooden boat"),
        ({"subject": "animal", "material": "plain", "floating": False, "count": 1}, "an animal"),
    ],
)
def test_the_base_prompt_is_the_bare_subject(settings: dict[str, object], phrase: str) -> None:
    assert captions.subject_phrase(random_scene(0, **settings)) == phrase


def test_a_studio_shows_no_backdrop_and_black_and_white_no_saturation() -> None:
    picture = random_scene(0, ground="studio", palette="mono")
    rng = np.random.default_rng(0)
    axes = {axis for _ in range(100) for axis, _, _ in captions.phrases(picture, rng)}
    assert axes.isdisjoint({"backdrop", "saturation", "warmth"})


def test_the_description_is_one_sentence_for_people() -> None:
    text = captions.describe(random_scene(5))
    assert text[0].isupper() and text.endswith(".") and text.count(". ") == 0

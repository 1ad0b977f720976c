"""Claims about the painter and the renderer of the sandbox."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from steer.sandbox.paint.painter import paint
from steer.sandbox.paint.shapes import ARCHETYPES
from steer.sandbox.renderer import SandboxRenderer
from steer.sandbox.scene import (
    ANGLES,
    GROUNDS,
    LIGHTINGS,
    MATERIALS,
    PALETTES,
    STYLES,
    SUBJECTS,
    WEATHERS,
    Scene,
    draw,
)

SIZE = 64


def scene(seed: int = 3, **fixed: object) -> Scene:
    return draw(np.random.default_rng(seed), **fixed)


def test_the_same_scene_is_the_same_picture_to_the_last_bit() -> None:
    assert np.array_equal(paint(scene(), SIZE), paint(scene(), SIZE))


def test_another_seed_is_another_picture_of_the_same_settings() -> None:
    assert not np.array_equal(paint(scene(), SIZE), paint(replace(scene(), seed=99), SIZE))


def test_every_subject_has_a_shape() -> None:
    assert set(ARCHETYPES) == set(SUBJECTS)


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("subject", tuple(SUBJECTS)),
        ("material", MATERIALS),
        ("ground", GROUNDS),
        ("lighting", LIGHTINGS),
        ("weather", WEATHERS),
        ("angle", ANGLES),
        ("palette", PALETTES),
        ("style", tuple(STYLES)),
    ],
)
def test_every_value_of_a_setting_paints_and_no_two_paint_alike(
    setting: str, values: tuple[str, ...]
) -> None:
    open_air = {} if setting in ("ground", "subject") else {"ground": "grass", "subject": "rocks"}
    pictures = [paint(replace(scene(**open_air), **{setting: value}), SIZE) for value in values]  # type: ignore[arg-type]
    assert all(p.shape == (SIZE, SIZE, 3) and p.dtype == np.uint8 for p in pictures)
    assert len({p.tobytes() for p in pictures}) == len(values)


def luma(picture: np.ndarray) -> np.ndarray:
    return picture @ np.array([0.299, 0.587, 0.114])


def chroma(picture: np.ndarray) -> float:
    p = picture.astype(float)
    return float((p.max(2) - p.min(2)).mean())


@pytest.mark.parametrize("style", tuple(STYLES))
def test_a_brighter_scene_is_a_brighter_picture_in_every_medium(style: str) -> None:
    dark, bright = (paint(replace(scene(style=style), brightness=b), SIZE) for b in (0.2, 0.8))
    assert luma(bright).mean() > luma(dark).mean() + 25


def test_saturation_contrast_and_warmth_reach_the_pixels() -> None:
    base = scene(style="photo", palette="natural", lighting="midday")
    low, high = (paint(replace(base, saturation=v), SIZE) for v in (0.1, 0.9))
    assert chroma(high) > 2 * chroma(low)
    low, high = (paint(replace(base, contrast=v), SIZE) for v in (0.1, 0.9))
    assert luma(high).std() > 1.4 * luma(low).std()
    low, high = (paint(replace(base, warmth=v), SIZE).astype(float) for v in (-0.9, 0.9))
    assert (high[..., 0] - high[..., 2]).mean() > (low[..., 0] - low[..., 2]).mean() + 15


def test_a_setting_that_is_fixed_does_not_redraw_the_others() -> None:
    free = scene(7)
    held = scene(7, angle="overhead" if free.angle != "overhead" else "low")
    differing = {f for f in free.__dataclass_fields__ if getattr(free, f) != getattr(held, f)}
    assert differing == {"angle"}


def test_a_misspelt_setting_is_named() -> None:
    with pytest.raises(TypeError, match="ligthing"):
        scene(ligthing="golden")


def test_pictures_do_not_depend_on_their_batch_or_on_the_number_of_threads() -> None:
    prompts, seeds = ["floating mossy rocks", "a red boat at dusk", "a cottage in the snow"], [1, 2, 3]
    alone = [
        next(iter(SandboxRenderer(threads=1, size=SIZE).render([p], [s])))
        for p, s in zip(prompts, seeds, strict=True)
    ]
    together = list(SandboxRenderer(threads=2, size=SIZE).render(prompts, seeds))
    assert [a.tobytes() for a in alone] == [b.tobytes() for b in together]

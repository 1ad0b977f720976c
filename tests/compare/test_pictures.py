"""Figures of a picture: known colours have known figures, and words come only with a visible change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from steer.compare.pixels import NAMES, STATISTICS, look, looks


def flat(*colour, size=32):
    return Image.new("RGB", (size, size), colour)


def figure(image, name):
    return look(image)[NAMES.index(name)]


# CIELAB of sRGB primaries under D50, as colour tables give them: L*, a*, b*
@pytest.mark.parametrize(
    ("colour", "lab"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (54.3, 80.8, 69.9)),
        ((0, 255, 0), (87.8, -79.3, 81.0)),
        ((0, 0, 255), (29.6, 68.3, -112.0)),
    ],
)
def test_flat_colours_have_the_figures_of_colour_tables(colour, lab):
    image = flat(*colour)
    assert figure(image, "brightness") == pytest.approx(lab[0], abs=0.6)
    assert figure(image, "saturation") == pytest.approx(np.hypot(*lab[1:]), abs=1)
    assert figure(image, "warmth") == pytest.approx(lab[2], abs=1)
    assert figure(image, "contrast") == pytest.approx(0, abs=1e-9) and figure(image, "sharpness") == 0


def test_a_chessboard_has_more_contrast_and_is_sharper_than_its_blurred_self():
    from PIL import ImageFilter

    board = Image.fromarray((np.indices((64, 64)).sum(0) // 8 % 2 * 255).astype(np.uint8)).convert("RGB")
    soft = board.filter(ImageFilter.GaussianBlur(3))
    assert figure(board, "sharpness") > figure(soft, "sharpness")
    assert figure(board, "contrast") == pytest.approx(50, abs=1) and figure(soft, "contrast") < 50
    assert figure(board, "shadows") == pytest.approx(0.5)


@given(arrays(np.uint8, (9, 7, 3)))
def test_every_figure_is_finite_and_in_its_range(pixels):
    values = dict(zip(NAMES, look(Image.fromarray(pixels)), strict=True))
    assert all(np.isfinite(value) for value in values.values())
    assert 0 <= values["brightness"] <= 100 and 0 <= values["shadows"] <= 1
    assert values["saturation"] >= 0 and values["contrast"] >= 0 and -128 <= values["warmth"] <= 127


@given(st.integers(40, 200), st.integers(0, 40))
def test_a_brighter_grey_is_brighter_and_no_more_saturated(grey, more):
    dark, light = flat(grey, grey, grey), flat(*[min(255, grey + more)] * 3)
    assert figure(light, "brightness") >= figure(dark, "brightness")
    assert figure(light, "saturation") <= 1.5


def test_large_and_small_copies_of_a_picture_have_like_figures():
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8))
    large = small.resize((1024, 1024), Image.Resampling.NEAREST)
    assert look(large) == pytest.approx(look(small), rel=1e-3, abs=1e-3)


def test_several_pictures_are_rows_and_none_is_no_row():
    assert looks([flat(1, 2, 3), flat(4, 5, 6)]).shape == (2, len(STATISTICS))
    assert looks([]).shape == (0, len(STATISTICS))

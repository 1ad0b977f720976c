"""What a picture looks like, in a few figures from its pixels: Pillow's CIELAB and NumPy, no model.

They are for telling pictures apart in words, not for judging them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

SIDE = 256  # pixels of the longer side: pictures of any size are measured alike
SHADOW = 20.0  # L*; darker pixels count as shadow


@dataclass(frozen=True)
class Statistic:
    """One figure of a picture, and the words for more and less of it."""

    name: str
    what: str  # how it is computed, with its unit
    more: str
    less: str
    visible: float  # a smaller difference is not worth a word


STATISTICS = (
    Statistic("saturation", "mean CIELAB chroma, 0 grey to about 100", "more saturated", "less saturated", 3),
    Statistic("brightness", "mean L*, 0 black to 100 white", "brighter", "darker", 3),
    Statistic("shadows", "share of pixels with L* below 20", "more shadow", "less shadow", 0.05),
    Statistic("contrast", "standard deviation of L*", "more contrast", "less contrast", 2),
    Statistic("warmth", "mean b*, blue below 0, yellow above", "warmer", "cooler", 3),
    Statistic("sharpness", "mean step of L* from pixel to pixel, at 256 pixels", "sharper", "softer", 0.5),
)  # fmt: skip
NAMES = tuple(statistic.name for statistic in STATISTICS)


def look(image: Image.Image) -> np.ndarray:
    """The figures of one picture, [len(NAMES)] in the order of `NAMES`."""
    from PIL import Image, ImageCms

    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    lab = ImageCms.applyTransform(small, _to_lab())
    if lab is None:
        raise ValueError("the picture could not be converted to CIELAB")
    values = np.asarray(lab)
    light = values[..., 0] * (100 / 255)
    a, b = (values[..., i].view(np.int8).astype(np.float64) for i in (1, 2))
    steps = [np.abs(np.diff(light, axis=axis)).mean() for axis in (0, 1) if light.shape[axis] > 1]
    found = {
        "saturation": np.hypot(a, b).mean(),
        "brightness": light.mean(),
        "shadows": (light < SHADOW).mean(),
        "contrast": light.std(),
        "warmth": b.mean(),
        "sharpness": np.mean(steps) if steps else 0.0,
    }
    return np.array([found[name] for name in NAMES])


def looks(images: Sequence[Image.Image]) -> np.ndarray:
    """The figures of several pictures [n, len(NAMES)]."""
    return np.array([look(image) for image in images]).reshape(len(images), len(NAMES))


@cache
def _to_lab() -> Any:
    from PIL import ImageCms

    return ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )

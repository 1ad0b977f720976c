"""People of other kinds than the sandbox's: 40 raters from four families, drawn by a committed seed.

Three families are plain functions of pixels (texture, colour, composition), one is of scene records. Nothing
here knows how the sandbox's people judge, or what any predictor can see. A rater likes one to three features
of their family: each either more or less of it, or a certain amount best. What comes out is standardized over
the reference pictures, so a taste is in standard deviations of that rater; a rating is the taste plus noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from steer.sandbox.scene import (
    ANGLES,
    BACKDROPS,
    GROUNDS,
    LIGHTINGS,
    MATERIALS,
    PALETTES,
    STYLES,
    WEATHERS,
    Scene,
)

SEED = 900_012
HALVES = ("choose", "report")  # one to choose by, one to report
PER_FAMILY = 10
RELIABILITY = 0.6  # share of a rating's variance that is taste, before it is cut and rounded
STEP, MIDDLE, SPREAD = 0.5, 3.0, 0.9  # of the ratings, 1 to 5
HUES = 24  # sectors of the hue circle

PIXELS: dict[str, tuple[str, ...]] = {
    "texture": ("edges", "fineness", "entropy", "order", "upright", "grain"),
    "colour": (
        *("lightness", "contrast", "chroma", "variety", "harmony", "shadows"),
        *(f"hue {sector * 60}" for sector in range(6)),
    ),
    "composition": ("symmetry", "empty", "centred", "off centre", "sky", "lopsided", "uneven sharpness"),
}
CHOICES = {
    "material": MATERIALS,
    "ground": GROUNDS,
    "backdrop": BACKDROPS,
    "lighting": LIGHTINGS,
    "weather": WEATHERS,
    "angle": ANGLES,
    "palette": PALETTES,
    "style": tuple(STYLES),
}
AMOUNTS = ("count", "distance", "place", "detail", "dof", "haze", "brightness", "saturation", "warmth")
FAMILIES = (*PIXELS, "scene")


@dataclass(frozen=True)
class Liking:
    """What someone makes of one feature."""

    feature: str
    weight: float
    ideal: float | None = None  # in standard deviations of the feature; None: the more the better
    values: tuple[float, ...] = ()  # of a scene's choice: how much each value is liked

    def of(self, standard: np.ndarray) -> np.ndarray:
        """From the feature in standard deviations [n]."""
        return self.weight * (standard if self.ideal is None else -np.abs(standard - self.ideal))


@dataclass(frozen=True)
class Rater:
    """One of the 40."""

    name: str  # "texture-3"
    family: str
    half: str  # in HALVES
    likings: tuple[Liking, ...]


def raters(half: str | None = None) -> list[Rater]:
    """All of them, or one half: every second one of each family."""
    found = []
    for place, family in enumerate(FAMILIES):
        for number in range(PER_FAMILY):
            rng = np.random.default_rng((SEED, place, number))
            own = HALVES[number % 2]
            found.append(Rater(f"{family}-{number}", family, own, tuple(_likings(family, rng))))
    return [rater for rater in found if half is None or rater.half == half]


def _likings(family: str, rng: np.random.Generator) -> list[Liking]:
    names = PIXELS.get(family) or (*CHOICES, *AMOUNTS)
    chosen = rng.choice(len(names), int(rng.integers(1, 4)), replace=False)
    likings = []
    for name in (names[i] for i in chosen):
        weight = float(rng.choice((-1, 1)) * rng.uniform(0.5, 1.5))
        if name in CHOICES:
            likings.append(Liking(name, abs(weight), values=tuple(rng.standard_normal(len(CHOICES[name])))))
        elif rng.random() < 0.4:
            likings.append(Liking(name, abs(weight), ideal=float(rng.normal(0, 0.8))))
        else:
            likings.append(Liking(name, weight))
    return likings


class Tastes:
    """What raters think of pictures, in their own standard deviations over the reference pictures."""

    def __init__(
        self, people: Sequence[Rater], features: Sequence[dict[str, float]], scenes: Sequence[Scene]
    ) -> None:
        """`features` (see `features_of`) and `scenes` are of the reference pictures."""
        self.people = list(people)
        names = [name for family in PIXELS.values() for name in family]
        pixels = np.array([[one[name] for name in names] for one in features])
        amounts = np.array([[float(getattr(scene, name)) for name in AMOUNTS] for scene in scenes])
        self._unit = {
            name: (float(column.mean()), float(column.std()) or 1.0)
            for name, column in zip((*names, *AMOUNTS), (*pixels.T, *amounts.T), strict=True)
        }
        raw = np.array([self._raw(rater, features, scenes) for rater in self.people])
        self._mean, self._sd = raw.mean(1), raw.std(1)

    def of(self, features: Sequence[dict[str, float]], scenes: Sequence[Scene]) -> np.ndarray:
        """Tastes [raters, pictures]."""
        raw = np.array([self._raw(rater, features, scenes) for rater in self.people])
        return (raw - self._mean[:, None]) / self._sd[:, None]

    def _raw(self, rater: Rater, features: Sequence[dict[str, float]], scenes: Sequence[Scene]) -> np.ndarray:
        total = np.zeros(len(scenes))
        for liking in rater.likings:
            if liking.values:
                values = CHOICES[liking.feature]
                total += liking.weight * np.array(
                    [liking.values[values.index(getattr(scene, liking.feature))] for scene in scenes]
                )
                continue
            mean, sd = self._unit[liking.feature]
            amounts = liking.feature in AMOUNTS
            given = [
                float(getattr(scene, liking.feature)) if amounts else one[liking.feature]
                for one, scene in zip(features, scenes, strict=True)
            ]
            total += liking.of((np.array(given) - mean) / sd)
        return total


def rated(taste: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noisy ratings, 1 to 5 in halves, from tastes in standard deviations [n]."""
    noise = np.sqrt(1 / RELIABILITY - 1) * rng.standard_normal(len(taste))
    ratings = MIDDLE + SPREAD * (taste + noise) * np.sqrt(RELIABILITY)
    return np.clip(np.round(ratings / STEP) * STEP, 1.0, 5.0)


# ---- features of pixels ----


def features_of(pixels: np.ndarray) -> dict[str, float]:
    """All features of one picture, uint8 [H, W, 3]; sides that 32 divides."""
    rgb = pixels.astype(float) / 255
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    return {**_texture(luma), **_colour(rgb, luma), **_composition(luma)}


def _gradient(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    down, right = np.gradient(luma)
    return np.hypot(down, right), np.arctan2(down, right)


def _blocks(values: np.ndarray, count: int = 16) -> np.ndarray:
    """values [H, W] cut into count x count blocks [count, count, pixels]."""
    height, width = values.shape[0] // count, values.shape[1] // count
    cut = values[: height * count, : width * count].reshape(count, height, count, width)
    return cut.transpose(0, 2, 1, 3).reshape(count, count, -1)


def _texture(luma: np.ndarray) -> dict[str, float]:
    size, angle = _gradient(luma)
    total = size.sum() + 1e-9
    twice = (size * np.exp(2j * angle)).sum() / total  # an edge and its opposite are one orientation
    power, radius = np.abs(np.fft.fft2(luma - luma.mean())) ** 2, _radius(luma.shape)
    high, low = power[radius > 0.12].sum(), power[(radius > 0) & (radius < 0.04)].sum()
    levels = _blocks(np.minimum((luma * 16).astype(int), 15))
    counts = np.stack([(levels == level).mean(2) for level in range(16)])
    entropy = -(counts * np.log2(np.maximum(counts, 1e-12))).sum(0).mean()
    smooth = (luma[:-2] + luma[2:] + 2 * luma[1:-1])[:, 1:-1] / 4
    return {
        "edges": float(size.mean()),
        "fineness": float(np.log((high + 1e-9) / (low + 1e-9))),
        "entropy": float(entropy),
        "order": float(abs(twice)),
        "upright": float(twice.real),  # gradients to the side: upright edges
        "grain": float(np.abs(luma[1:-1, 1:-1] - smooth).mean()),
    }


@cache
def _radius(shape: tuple[int, int]) -> np.ndarray:
    """Spatial frequency of each coefficient of the Fourier transform, cycles a pixel."""
    down, right = (np.fft.fftfreq(length) for length in shape)
    return np.hypot(down[:, None], right[None])


def _colour(rgb: np.ndarray, luma: np.ndarray) -> dict[str, float]:
    red, green, blue = np.moveaxis(rgb, 2, 0)
    first, second = red - green, (red + green) / 2 - blue  # opponent colours
    chroma, hue = np.hypot(first, second), np.arctan2(second, first) % (2 * np.pi)
    sector = np.minimum((hue / (2 * np.pi) * HUES).astype(int), HUES - 1)
    histogram = np.bincount(sector.ravel(), chroma.ravel(), HUES)
    share = histogram / (histogram.sum() + 1e-9)
    pairs = share + np.roll(share, HUES // 2)  # a hue and its opposite
    near = pairs + np.roll(pairs, 1) + np.roll(pairs, -1)
    dark, light = np.quantile(luma, (0.05, 0.95))
    found = {
        "lightness": float(luma.mean()),
        "contrast": float(light - dark),
        "chroma": float(chroma.mean()),
        "variety": float(-(share * np.log(np.maximum(share, 1e-12))).sum()),
        "harmony": float(near.max()),
        "shadows": float((luma < 0.2).mean()),
    }
    weight = chroma / chroma.size
    for middle in range(6):
        close = np.exp(4 * (np.cos(hue - np.radians(60 * middle)) - 1))
        found[f"hue {middle * 60}"] = float((weight * close).sum())
    return found


def _composition(luma: np.ndarray) -> dict[str, float]:
    size, _ = _gradient(luma)
    small = _blocks(luma, 32).mean(2)
    busy = _blocks(size, 32).mean(2)
    weight = busy / (busy.sum() + 1e-9)
    across = np.linspace(-1, 1, 32)
    x, y = (weight.sum(0) * across).sum(), (weight.sum(1) * across).sum()
    inner = np.hypot(across[:, None], across[None]) < 0.5
    centred = small - small.mean()
    mirrored = (centred * centred[:, ::-1]).sum() / ((centred**2).sum() + 1e-9)
    third = len(small) // 3
    sides = weight[:, :16].sum(), weight[:, 16:].sum()
    return {
        "symmetry": float(mirrored),
        "empty": float((_blocks(luma, 32).std(2) < 0.02).mean()),
        "centred": float(weight[inner].sum()),
        "off centre": float(np.hypot(x, y)),
        "sky": float(small[:third].mean() - small[-third:].mean()),
        "lopsided": float(sides[1] - sides[0]),
        "uneven sharpness": float(np.log(busy + 1e-4).std()),
    }

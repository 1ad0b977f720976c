"""What the simulated raters see: named measurements of an image, from its pixels alone.

Colourfulness, saturation, brightness and warmth are explicit formulas. The others (`FITTED`) are fixed linear
read-outs of a bank of low-level pixel statistics: grids of luminance, chroma and gradients, band energies at
five scales, orientation, colour and local-variance histograms, extents, mirror symmetry, palette size. Their
coefficients were fitted once, by ridge regression on paintings that are in no data set, against the painter's
settings, and are constants of the world in `data/measure.safetensors`.

A third part, `unnamed`, is a few directions of the bank that no measurement names; a small share of taste
lives there. Nothing here uses an encoder, a feature or a weight of any predictor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from steer.sandbox.scene import Scene

Array = NDArray[np.floating[Any]]
DATA = Path(__file__).parents[1] / "data" / "measure.safetensors"

EXPLICIT = ("colourfulness", "saturation", "brightness", "warmth")
FITTED = (
    "contrast",
    "horizon",
    "size",
    "place",
    "realism",
    "brushwork",
    "outline",
    "night",
    "texture",
    "sharpness",
)
NAMES = EXPLICIT + FITTED
SIDE = 256  # pixels; paintings of 512 and of 256 pixels measure nearly the same
UNNAMED = 6  # directions of the bank that no measurement names

_HORIZON = {"low": 0.3, "eye": 0.5, "tilted": 0.55, "high": 0.75, "overhead": 1.0}
_NIGHT = {"midday": 0.0, "overcast": 0.2, "golden": 0.4, "neon": 0.7, "dramatic": 0.8, "moonlight": 1.0}
# style -> (how visible its marks are, how much it draws contours)
_MARKS = {
    "photo": (0.0, 0.0),
    "digital": (0.2, 0.1),
    "poster": (0.35, 1.0),
    "cubism": (0.5, 0.8),
    "ink": (0.5, 0.9),
    "watercolor": (0.7, 0.5),
    "oil": (0.9, 0.1),
    "pointillism": (1.0, 0.0),
}


def _closeness(scene: Scene) -> float:
    """Minus the logarithm of the painter's camera distance, which is what sets how large a subject looks."""
    return -float(np.log((2.5 + 4.8 * scene.distance**1.3) * (0.8 if scene.angle == "low" else 1.0)))


# measurement -> the painter's setting that it follows
SETTINGS: dict[str, Callable[[Scene], float]] = {
    "colourfulness": lambda s: s.saturation,
    "saturation": lambda s: s.saturation,
    "brightness": lambda s: s.brightness,
    "warmth": lambda s: s.warmth,
    "contrast": lambda s: s.contrast,
    "horizon": lambda s: _HORIZON[s.angle],
    "size": _closeness,
    "place": lambda s: s.place,
    "realism": lambda s: s.realism,
    "brushwork": lambda s: _MARKS[s.style][0] * (0.5 + 0.5 * s.strength),
    "outline": lambda s: _MARKS[s.style][1] * (0.5 + 0.5 * s.strength),
    "night": lambda s: _NIGHT[s.lighting],
    "texture": lambda s: s.detail,
    "sharpness": lambda s: s.detail - 0.5 * s.dof,
}


class Measured(NamedTuple):
    """One image as the raters see it."""

    values: Array  # [len(NAMES)] in the order of NAMES, raw units
    unnamed: Array  # [UNNAMED], about zero mean and unit variance over the data set


@dataclass(frozen=True)
class Readouts:
    """Fixed linear read-outs of the bank; B = number of statistics in it."""

    mean: Array  # [B]
    sd: Array  # [B]
    weights: Array  # [B, len(FITTED)]
    bias: Array  # [len(FITTED)]
    unnamed_weights: Array  # [B, UNNAMED], applied to the standardised bank
    unnamed_named: Array  # [len(NAMES), UNNAMED], takes the measurements' part out again
    unnamed_bias: Array  # [UNNAMED]

    def save(self, path: Path) -> None:
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(value) for name, value in vars(self).items()}, path)

    @classmethod
    def load(cls, path: Path = DATA) -> Readouts:
        from safetensors.numpy import load_file

        return cls(**load_file(path))


@lru_cache(maxsize=1)
def frozen_readouts() -> Readouts:
    """The world's committed read-outs."""
    return Readouts.load()


def measure(rgb: NDArray[np.uint8], readouts: Readouts | None = None) -> Measured:
    """Measure an image.

    Args:
        rgb: uint8 [H, W, 3], any size; it is brought to 256x256 first.
        readouts: the fitted part; the world's own by default.
    """
    fixed = readouts or frozen_readouts()
    bank, explicit = statistics(rgb)
    z = np.clip((bank - fixed.mean) / fixed.sd, -5, 5)
    fitted = z @ fixed.weights + fixed.bias
    values = np.concatenate([np.array([explicit[name] for name in EXPLICIT]), fitted])
    unnamed = z @ fixed.unnamed_weights + values @ fixed.unnamed_named + fixed.unnamed_bias
    return Measured(values.astype(np.float32), unnamed.astype(np.float32))


def statistics(rgb: NDArray[np.uint8]) -> tuple[Array, Mapping[str, float]]:
    """The bank of low-level statistics [B] and the explicit measurements of an image, uint8 [H, W, 3]."""
    image: Image.Image = Image.fromarray(rgb)
    if image.size != (SIDE, SIDE):
        image = image.resize(
            (SIDE, SIDE), Image.Resampling.BOX if min(image.size) > SIDE else Image.Resampling.BICUBIC
        )
    small = np.asarray(image.reduce(2), np.float32) / 255  # [128, 128, 3]
    fine = np.asarray(image.convert("L"), np.float32) / 255  # [256, 256]
    red, green, blue = np.ascontiguousarray(small.transpose(2, 0, 1))
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    red_green, yellow_blue = red - green, 0.5 * (red + green) - blue
    high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    chroma = high - low
    gx, gy = np.diff(light, axis=1)[:-1], np.diff(light, axis=0)[:, :-1]
    slope = np.hypot(gx, gy)  # [127, 127]

    # detail in 32x32 blocks at three scales: where the picture is sharp, and how sharp for its contrast
    half, finest, fine_bands = _haar(fine, 32)
    quarter, finer, half_bands = _haar(half, 32)
    eighth, coarse, quarter_bands = _haar(quarter, 32)
    sixteenth, _, eighth_bands = _haar(eighth, 16)
    _, _, coarse_bands = _haar(sixteenth, 8)
    blur = finest - coarse
    blocks = _grid(light**2, 16) - _grid(light, 16) ** 2

    # what stands out from its row: backgrounds change little along a row, subjects do
    apart = [np.abs(plane - np.median(plane[:, ::2], 1, keepdims=True)) for plane in (red, green, blue)]
    outstanding: Array = np.mean(apart, axis=0)
    columns = outstanding.mean(0)
    mass = columns**2 / max(float((columns**2).sum()), 1e-9)
    x = np.linspace(-1, 1, 128, dtype=np.float32)
    centre = float(mass @ x)
    spread = float(np.sqrt(mass @ (x - centre) ** 2))
    heights = outstanding.mean(1)
    heights = heights / max(float(heights.sum()), 1e-9)

    palette = np.bincount(_codes(small, 16), minlength=16**3) / light.size
    colours = np.sort(palette)[::-1]
    hue = np.arctan2(yellow_blue, red_green)
    orientation = np.arctan2(gy, gx) % np.pi

    bank = np.concatenate(
        [
            _grid(light, 8).ravel(),
            _grid(red_green, 4).ravel(),
            _grid(yellow_blue, 4).ravel(),
            _grid(chroma, 4).ravel(),
            _log(_grid(slope, 8)).ravel(),
            _log(np.abs(gy).reshape(127, -1).mean(1)[:124].reshape(31, 4).max(1)),
            light.mean(1).reshape(32, 4).mean(1),
            chroma.mean(1).reshape(16, 8).mean(1),
            _log(np.abs(gx).mean(0)[:120].reshape(15, 8).mean(1)),
            light.mean(0).reshape(16, 8).mean(1),
            _grid(finest, 4).ravel(),
            _grid(finer, 4).ravel(),
            _grid(blur, 4).ravel(),
            np.quantile(finest, _DECILES),
            np.quantile(finer, _DECILES),
            np.quantile(blur, _DECILES),
            np.quantile(finest - finer, _DECILES),
            fine_bands + half_bands + quarter_bands + eighth_bands + coarse_bands,
            np.quantile(_log(blocks), _DECILES),
            _log(np.quantile(slope, (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99))),
            _histogram(orientation, slope, 8, (0, np.pi)),
            _histogram(light, None, 16, (0, 1)),
            _histogram(chroma, None, 8, (0, 1)),
            _histogram(hue, chroma, 12, (-np.pi, np.pi)),
            [np.log(np.count_nonzero(palette)), -float((palette * np.log(palette + 1e-9)).sum())],
            np.cumsum(colours)[[0, 1, 3, 7, 15, 31]],
            _grid(low, 4).ravel(),
            np.quantile(low, _DECILES),
            _grid(outstanding, 8).ravel(),
            columns.reshape(16, 8).mean(1),
            _mirrored(light, red_green, yellow_blue),
            _extent(outstanding),
            _extent(slope),
            _extent(np.abs(light - light[:8].mean())),
            [
                float(light.std()),
                centre,
                spread,
                float(heights @ x),
                float(np.sqrt(heights @ x**2)),
                abs(centre),
            ],
        ],
    ).astype(np.float32)

    saturation = chroma / (high + 0.05)
    explicit = {
        # Hasler & Suesstrunk 2003, equation for the metric M3, with channels in 0-1
        "colourfulness": float(
            np.hypot(red_green.std(), yellow_blue.std())
            + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean())
        ),
        "saturation": float(saturation.mean()),
        "brightness": float(light.mean()),
        "warmth": float((red - blue).mean()),
    }
    return bank, explicit


def _mirrored(*planes: Array) -> list[float]:
    """Mean difference of each plane from its mirror image, for its contrast, at two scales."""
    values = []
    for plane in planes:
        for n in (8, 32):
            g = _grid(plane, n)
            values.append(float(np.abs(g - g[:, ::-1]).mean() / (g.std() + 0.02)))
    return values


def _extent(x: Array) -> list[float]:
    """How far what x [H, W] marks reaches: quantiles of its mass across and down, shares above levels."""
    reach: list[float] = []
    for axis in (0, 1):
        mass = x.sum(axis) ** 2
        total = np.cumsum(mass) / max(float(mass.sum()), 1e-9)
        edges = np.searchsorted(total, (0.05, 0.25, 0.5, 0.75, 0.95)) / len(total)
        reach += [*edges.tolist(), edges[3] - edges[1], edges[4] - edges[0]]
    levels = np.quantile(x[::2, ::2], 0.98) * np.array([0.2, 0.4, 0.7])
    return reach + [float((x > level).mean()) for level in levels]


_DECILES = tuple(np.linspace(0.1, 0.9, 9))


def _grid(x: Array, n: int) -> Array:
    """Means of x [H, W] over an n x n grid; edges that do not divide are cut."""
    size = x.shape[0] // n
    rows = x[: size * n, : size * n].reshape(n, size, size * n).sum(1)
    return rows.reshape(n, n, size).sum(2) / np.float32(size * size)


def _log(x: Array) -> Array:
    return np.log(np.maximum(x, 0) + 1e-3)


def _haar(x: Array, blocks: int) -> tuple[Array, Array, list[float]]:
    """One Haar step of x [H, W].

    Returns the halved picture, log detail in blocks x blocks, and log mean absolute horizontal, vertical and
    diagonal detail.
    """
    top, bottom = x[::2], x[1::2]
    total, change = top + bottom, top - bottom
    sides = total[:, ::2] - total[:, 1::2], change[:, ::2] + change[:, 1::2], change[:, ::2] - change[:, 1::2]
    horizontal, vertical, diagonal = (np.abs(side, out=side) for side in sides)
    bands = [float(np.log(side.mean() / 2 + 1e-4)) for side in (horizontal, vertical, diagonal)]
    return 0.25 * (total[:, ::2] + total[:, 1::2]), _log(_grid(horizontal + vertical, blocks)), bands


def _histogram(x: Array, weights: Array | None, bins: int, span: tuple[float, float]) -> Array:
    counts, _ = np.histogram(x, bins, span, weights=weights)
    return np.sqrt(counts / max(float(counts.sum()), 1e-9))


def _codes(rgb: Array, levels: int) -> NDArray[np.int64]:
    q = np.minimum((rgb * levels).astype(np.int64), levels - 1)
    return (q[..., 0] * levels * levels + q[..., 1] * levels + q[..., 2]).ravel()


def settings_of(scene: Scene) -> Array:
    """The painter's settings that the measurements follow, [len(NAMES)] in the order of NAMES."""
    return np.array([SETTINGS[name](scene) for name in NAMES], np.float32)


def fit_readouts(banks: Array, explicit: Array, settings: Array, ridge: float = 400.0) -> Readouts:
    """Fit the read-outs on paintings made for this alone.

    Args:
        banks: [n, B] from `statistics`.
        explicit: [n, len(EXPLICIT)] explicit measurements of the same paintings.
        settings: [n, len(NAMES)] from `settings_of`.
        ridge: L2 penalty in units of the standardised bank.
    """
    mean, sd = banks.mean(0), banks.std(0) + 1e-4
    z = np.clip((banks - mean) / sd, -5, 5).astype(np.float64)
    target = settings[:, len(EXPLICIT) :].astype(np.float64)
    centre, spread = target.mean(0), target.std(0)
    gram = z.T @ z + ridge * np.eye(z.shape[1])
    weights = np.linalg.solve(gram, z.T @ ((target - centre) / spread))

    # the leading directions of what the measurements leave unexplained in the bank
    named = np.column_stack([explicit, z @ weights]).astype(np.float64)
    offset, unit = named.mean(0), named.std(0)
    design = (named - offset) / unit
    explain = np.linalg.solve(design.T @ design + 1e-3 * len(z) * np.eye(design.shape[1]), design.T @ z)
    rest = z - design @ explain
    _, _, directions = np.linalg.svd(rest, full_matrices=False)
    turn = directions[:UNNAMED].T / (rest @ directions[:UNNAMED].T).std(0)
    back = -(explain @ turn) / unit[:, None]
    return Readouts(
        mean=mean.astype(np.float32),
        sd=sd.astype(np.float32),
        weights=weights.astype(np.float32),
        bias=np.zeros(len(FITTED), np.float32),
        unnamed_weights=turn.astype(np.float32),
        unnamed_named=back.astype(np.float32),
        unnamed_bias=(-(offset @ back) - (z @ turn).mean(0)).astype(np.float32),
    )

"""Generic statistics of a picture's pixels, as work on aesthetics measures them: no weights, no training.

Brightness, contrast and colour (Hasler and Süsstrunk 2003 for colourfulness), where in the picture they are,
edges and their directions, detail at several scales, the slope of the spectrum, symmetry and balance. They
are measured in CIELAB on a small square of the picture, so that its size and aspect hardly matter. A
predictor that was trained with them (`--image-statistics`) reads them beside the image embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image

from reward.pictures import read_image

VERSION = 1  # of what is measured: part of the store's file names, and of a checkpoint
SIZE = 128  # pixels a side, at which everything is measured
DIRECTIONS, HUES, LEVELS, GRID, SCALES = 8, 12, 8, 3, 4
_PLACES = [f"{row}{column}" for row in range(1, GRID + 1) for column in range(1, GRID + 1)]
NAMES = (
    *("brightness", "contrast", "brightness skew", "brightness entropy"),
    *(f"brightness level {i}" for i in range(1, LEVELS + 1)),
    *("green-red mean", "green-red spread", "blue-yellow mean", "blue-yellow spread"),
    *("chroma mean", "chroma spread", "saturation mean", "saturation spread", "colourfulness"),
    *("hue spread", "hue entropy"),
    *(f"hue {i}" for i in range(1, HUES + 1)),
    *("edge density", "edge strength", "edge direction entropy"),
    *(f"edge direction {i}" for i in range(1, DIRECTIONS + 1)),
    *("sharpness", "spectral slope"),
    *(f"detail at scale {i}" for i in range(1, SCALES + 1)),
    *("left-right symmetry", "up-down symmetry", "colour symmetry"),
    *("balance across", "balance down", "detail at the centre"),
    *(f"brightness at {place}" for place in _PLACES),
    *(f"chroma at {place}" for place in _PLACES),
    *(f"detail at {place}" for place in _PLACES),
)


def image_statistics(images: Sequence[Image.Image]) -> np.ndarray:
    """PIL images of any size and mode -> [n, len(NAMES)], float32, finite. Raises ImageError."""
    rows = [_measured(image) for image in images]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, len(NAMES)), np.float32)


def _measured(image: Image.Image) -> np.ndarray:
    small = read_image(image).resize((SIZE, SIZE), Image.Resampling.BOX)
    rgb = np.asarray(small, np.float32) / 255
    light, red, yellow = _lab(rgb)
    chroma, hue = np.hypot(red, yellow), np.arctan2(yellow, red)
    high, low = rgb.max(2), rgb.min(2)
    saturation = (high - low) / np.maximum(high, 1e-3)
    down, across = np.gradient(light)
    strength = np.hypot(across, down)
    found = [
        *(light.mean(), light.std(), _skew(light), _entropy(_shares(light, 32))),
        *_shares(light, LEVELS),
        *(red.mean(), red.std(), yellow.mean(), yellow.std()),
        *(chroma.mean(), chroma.std(), saturation.mean(), saturation.std(), _colourfulness(rgb)),
        *_hues(hue, chroma),
        *_edges(across, down, strength),
        *_detail(light),
        *(_alike(light, light[:, ::-1]), _alike(light, light[::-1]), _alike(chroma, chroma[:, ::-1])),
        *_balance(strength),
        *_grid(light),
        *_grid(chroma),
        *np.log(_grid(strength) + 1e-3),
    ]
    return np.array(found, np.float64)


def _lab(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CIELAB under D65 in units of 100: lightness 0 to 1, green-red and blue-yellow about -1 to 1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return 1.16 * y - 0.16, 5 * (x - y), 2 * (y - z)


def _shares(values: np.ndarray, bins: int) -> np.ndarray:
    """Of values between 0 and 1, in bins of equal width."""
    return np.histogram(values, bins, (0, 1))[0] / values.size


def _entropy(shares: np.ndarray) -> float:
    """As a share of the largest: 0 for one bin, 1 for all alike."""
    known = shares[shares > 0]
    return float(-(known * np.log(known)).sum() / np.log(len(shares)))


def _skew(values: np.ndarray) -> float:
    away = values - values.mean()
    return float((away**3).mean() / max(float(values.std()), 1e-2) ** 3)


def _colourfulness(rgb: np.ndarray) -> float:
    """Hasler and Süsstrunk 2003, for values of 0 to 1."""
    first = rgb[..., 0] - rgb[..., 1]
    second = (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]
    return float(np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean()))


def _hues(hue: np.ndarray, chroma: np.ndarray) -> list[float]:
    """Circular spread, entropy, and how much colour each hue has: grey counts nowhere."""
    total = max(float(chroma.sum()), 1e-6)
    together = np.abs((chroma * np.exp(1j * hue)).sum()) / total
    amounts = np.histogram(hue, HUES, (-np.pi, np.pi), weights=chroma)[0]
    return [float(1 - together), _entropy(amounts / total), *(amounts / hue.size)]


def _edges(across: np.ndarray, down: np.ndarray, strength: np.ndarray) -> list[float]:
    """Density, strength, entropy of directions (0 to 180 degrees), and the share of each direction."""
    direction = np.mod(np.arctan2(down, across), np.pi)
    amounts = np.histogram(direction, DIRECTIONS, (0, np.pi), weights=strength)[0]
    shares = amounts / max(float(amounts.sum()), 1e-6)
    return [float((strength > 0.05).mean()), float(np.log(strength.mean() + 1e-3)), _entropy(shares), *shares]


def _detail(light: np.ndarray) -> list[float]:
    """Sharpness (spread of the Laplacian), slope of the log power spectrum, and spread between scales."""
    centre = light[1:-1, 1:-1]
    laplacian = light[:-2, 1:-1] + light[2:, 1:-1] + light[1:-1, :-2] + light[1:-1, 2:] - 4 * centre
    window = np.hanning(SIZE)
    power = np.abs(np.fft.rfft2((light - light.mean()) * window[:, None] * window)) ** 2
    rows, columns = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]
    ring = np.round(np.hypot(rows, columns) * SIZE).astype(int).ravel()
    kept = (ring >= 2) & (ring < SIZE // 2)
    mean = np.bincount(ring[kept], power.ravel()[kept]) / np.maximum(np.bincount(ring[kept]), 1)
    rings = np.arange(2, SIZE // 2)
    slope = np.polyfit(np.log(rings), np.log(mean[rings] + 1e-6), 1)[0]
    between, finer = [], light
    for _ in range(SCALES):
        coarser = finer.reshape(len(finer) // 2, 2, -1, 2).mean((1, 3))
        between.append(float(np.log((finer - coarser.repeat(2, 0).repeat(2, 1)).std() + 1e-3)))
        finer = coarser
    return [float(np.log(laplacian.std() + 1e-3)), float(slope), *between]


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two planes; 1 where both are flat."""
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size > 1e-6 else 1.0


def _balance(strength: np.ndarray) -> list[float]:
    """Where the edges' centre of mass lies, -1 to 1 each way, and how much of them the centre has."""
    weight = strength + 1e-4
    place = np.linspace(-1, 1, SIZE)
    quarter = SIZE // 4
    centre = weight[quarter:-quarter, quarter:-quarter].sum()
    return [float(s / weight.sum()) for s in (weight.sum(0) @ place, weight.sum(1) @ place, centre)]


def _grid(plane: np.ndarray) -> np.ndarray:
    """Means of 3 by 3 fields, row by row."""
    edges = np.linspace(0, SIZE, GRID + 1).round().astype(int)
    return np.array(
        [
            plane[top:bottom, left:right].mean()
            for top, bottom in pairwise(edges)
            for left, right in pairwise(edges)
        ]
    )

"""Repeatable noise for the painter: fixed lattices, made once per process from fixed seeds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

Array = np.ndarray
_TILE = 512  # width of the tileable 2-D texture
_CELLS = 32  # width of the 3-D lattice


@lru_cache(maxsize=1)
def _lattice() -> Array:
    """[_CELLS + 1] ** 3 in one row; the last of each axis repeats the first, so that no corner wraps."""
    cells = np.random.default_rng(20261).random((_CELLS, _CELLS, _CELLS), dtype=np.float32)
    return np.pad(cells, (0, 1), mode="wrap").ravel()


@lru_cache(maxsize=1)
def _texture() -> Array:
    """Fractal value noise, mean 0, standard deviation 1, tileable.

    [_TILE + 1] ** 2 in one row; the last row and column repeat the first, so that no corner wraps.
    """
    rng = np.random.default_rng(20262)
    total = np.zeros((_TILE, _TILE), np.float64)
    for octave in range(1, 8):
        n = 2 << octave
        grid = rng.standard_normal((n, n))
        at = np.arange(_TILE) * n / _TILE
        i, f = at.astype(int), at % 1
        f = f * f * (3 - 2 * f)
        rows = grid[i] * (1 - f[:, None]) + grid[(i + 1) % n] * f[:, None]
        total += (rows[:, i] * (1 - f) + rows[:, (i + 1) % n] * f) * 0.64**octave
    total = (total - total.mean()) / total.std()
    return np.pad(total.astype(np.float32), (0, 1), mode="wrap").ravel()


def _cell(p: Array, period: int) -> tuple[Array, Array]:
    """The cell that p lies in, repeating after `period` (a power of two), and how far into it, 0-1."""
    whole = np.floor(p)
    return whole.astype(np.int32) & (period - 1), p - whole


def _between(a: Array, b: Array, t: Array) -> Array:
    """a + (b - a) * t, written over b."""
    b -= a
    b *= t
    b += a
    return b


def noise2(u: Array, v: Array) -> Array:
    """Fractal noise at (u, v), one tile per unit; about standard normal."""
    i, fx = _cell(u * _TILE, _TILE)
    j, fy = _cell(v * _TILE, _TILE)
    t, row = _texture(), _TILE + 1
    at = np.add(j * row, i, dtype=np.intp)
    top = _between(t.take(at), t[1:].take(at), fx)
    low = _between(t[row:].take(at), t[row + 1 :].take(at), fx)
    return _between(top, low, fy)


def noise3(x: Array, y: Array, z: Array) -> Array:
    """Smooth value noise in 0-1, one lattice cell per unit."""
    (i, fx), (j, fy), (k, fz) = (_cell(p, _CELLS) for p in (x, y, z))
    wx, wy, wz = (f * f * (3 - 2 * f) for f in (fx, fy, fz))
    t, row = _lattice(), _CELLS + 1
    at = np.add((k * row + j) * row, i, dtype=np.intp)
    planes = []
    for plane in (0, row * row):
        rows = [
            _between(t[corner:].take(at), t[corner + 1 :].take(at), wx) for corner in (plane, plane + row)
        ]
        planes.append(_between(rows[0], rows[1], wy))
    return _between(planes[0], planes[1], wz)


def ripples(x: Array, y: Array, z: Array) -> Array:
    """Cheap lumps for displacing a surface, about -1 to 1: sines bent by sines."""
    a = np.sin(3.1 * x + 1.7 * z + 0.9 * y + 0.5)
    b = np.sin(5.9 * y + 4.1 * x - 2.0 * z + 1.6 * a)
    return 0.55 * a + 0.38 * b + 0.2 * np.sin(11.3 * z - 9.3 * x + 6.0 * y + 1.2 * b)

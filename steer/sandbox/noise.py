"""Repeatable noise for the painter: fixed lattices, made once per process from fixed seeds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

Array = np.ndarray
_TILE = 512  # width of the tileable 2-D texture


@lru_cache(maxsize=1)
def _lattice() -> Array:
    return np.random.default_rng(20261).random((32 * 32 * 32,), dtype=np.float32)


@lru_cache(maxsize=1)
def _texture() -> Array:
    """Fractal value noise, [_TILE * _TILE], mean 0, standard deviation 1, tileable."""
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
    return total.astype(np.float32).ravel()


def noise2(u: Array, v: Array) -> Array:
    """Fractal noise at (u, v), one tile per unit; about standard normal."""
    x, y = u * _TILE, v * _TILE
    ix, iy = np.floor(x), np.floor(y)
    fx, fy = x - ix, y - iy
    i = ix.astype(np.int32) & (_TILE - 1)
    j = (iy.astype(np.int32) & (_TILE - 1)) * _TILE
    i1, j1 = (i + 1) & (_TILE - 1), (j + _TILE) & (_TILE * _TILE - 1)
    t = _texture()
    top, low = t.take(j + i), t.take(j1 + i)
    top += (t.take(j + i1) - top) * fx
    low += (t.take(j1 + i1) - low) * fx
    return top + (low - top) * fy


def noise3(x: Array, y: Array, z: Array) -> Array:
    """Smooth value noise in 0-1, one lattice cell per unit."""
    lattice = _lattice()
    corner, weight = [], []
    for p in (x, y, z):
        i = np.floor(p)
        f = p - i
        weight.append(f * f * (3 - 2 * f))
        i = i.astype(np.int32)
        corner.append((i & 31, (i + 1) & 31))
    wx, wy, wz = weight
    planes = []
    for k in corner[2]:
        rows = []
        for j in corner[1]:
            base = k * 1024 + j * 32
            a = lattice.take(base + corner[0][0])
            rows.append(a + (lattice.take(base + corner[0][1]) - a) * wx)
        planes.append(rows[0] + (rows[1] - rows[0]) * wy)
    return planes[0] + (planes[1] - planes[0]) * wz


def ripples(x: Array, y: Array, z: Array) -> Array:
    """Cheap lumps for displacing a surface, about -1 to 1: sines bent by sines."""
    a = np.sin(3.1 * x + 1.7 * z + 0.9 * y + 0.5)
    b = np.sin(5.9 * y + 4.1 * x - 2.0 * z + 1.6 * a)
    return 0.55 * a + 0.38 * b + 0.2 * np.sin(11.3 * z - 9.3 * x + 6.0 * y + 1.2 * b)

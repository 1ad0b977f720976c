"""The subjects of the sandbox as signed distance functions.

Every archetype is a list of `Part`s in its own space: it stands on y = 0, about 1.6 high, front towards -z.
A distance function takes float32 arrays x, y, z of one shape and returns the distance to the surface (or a
lower bound of it), in world units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Distance = Callable[[Array, Array, Array], Array]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    distance: Distance
    colour: Colour
    bumps: float = 0.0  # amplitude of surface displacement, world units
    glow: float = 0.0  # emitted light
    gloss: float = 0.0  # 0 matt - 1 mirror-like
    windows: bool = False  # lit windows, for buildings


@dataclass(frozen=True)
class Subject:
    parts: tuple[Part, ...]
    height: float  # world units
    radius: float  # of the bounding sphere around (0, height / 2, 0)


def _plain(*values: float) -> tuple[float, ...]:
    """Python floats: a NumPy float64 among them would turn every array that it meets into float64."""
    return tuple(float(v) for v in values)


def _share(h: Array) -> Array:
    """h held within 0-1; np.clip takes longer to start than to do this for a few thousand points."""
    return np.minimum(np.maximum(h, 0.0), 1.0)


def ellipsoid(cx: float, cy: float, cz: float, rx: float, ry: float, rz: float) -> Distance:
    cx, cy, cz, rx, ry, rz = _plain(cx, cy, cz, rx, ry, rz)
    least = min(rx, ry, rz)

    def distance(x: Array, y: Array, z: Array) -> Array:
        q = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2
        return (np.sqrt(q) - 1.0) * least

    return distance


def capsule(a: tuple[float, float, float], b: tuple[float, float, float], r0: float, r1: float) -> Distance:
    """A limb from a (radius r0) to b (radius r1)."""
    ax, ay, az = _plain(*a)
    bx, by, bz = _plain(b[0] - a[0], b[1] - a[1], b[2] - a[2])
    length2 = bx * bx + by * by + bz * bz

    def distance(x: Array, y: Array, z: Array) -> Array:
        px, py, pz = x - ax, y - ay, z - az
        h = _share((px * bx + py * by + pz * bz) / length2)
        return np.sqrt((px - h * bx) ** 2 + (py - h * by) ** 2 + (pz - h * bz) ** 2) - (r0 + (r1 - r0) * h)

    return distance


def frustum(cx: float, y0: float, cz: float, height: float, r0: float, r1: float) -> Distance:
    """An upright cone or cylinder from radius r0 at y0 to r1 at y0 + height."""
    cx, y0, cz, height, r0, r1 = _plain(cx, y0, cz, height, r0, r1)
    cosine = height / float(np.hypot(height, r0 - r1))

    def distance(x: Array, y: Array, z: Array) -> Array:
        h = _share((y - y0) / height)
        side = (np.sqrt((x - cx) ** 2 + (z - cz) ** 2) - (r0 + (r1 - r0) * h)) * cosine
        return np.maximum(side, np.abs(y - y0 - height / 2) - height / 2)

    return distance


def box(
    cx: float, cy: float, cz: float, hx: float, hy: float, hz: float, edge: float = 0.02, turn: float = 0.0
) -> Distance:
    """A box of half sizes hx, hy, hz with rounded edges, turned about the upright axis (radians)."""
    cx, cy, cz, hx, hy, hz = _plain(cx, cy, cz, hx, hy, hz)
    cos, sin = float(np.cos(turn)), float(np.sin(turn))

    def distance(x: Array, y: Array, z: Array) -> Array:
        px, pz = x - cx, z - cz
        if turn:
            px, pz = cos * px + sin * pz, cos * pz - sin * px
        qx, qy, qz = np.abs(px) - (hx - edge), np.abs(y - cy) - (hy - edge), np.abs(pz) - (hz - edge)
        outside = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2 + np.maximum(qz, 0) ** 2)
        return outside + np.minimum(np.maximum(qx, np.maximum(qy, qz)), 0) - edge

    return distance


def torus(cx: float, cy: float, cz: float, major: float, minor: float, axis: str = "z") -> Distance:
    def distance(x: Array, y: Array, z: Array) -> Array:
        p = {"x": x - cx, "y": y - cy, "z": z - cz}
        along = p.pop(axis)
        u, v = p.values()
        return np.sqrt((np.sqrt(u * u + v * v) - major) ** 2 + along * along) - minor

    return distance


def gable(y0: float, height: float, half_width: float, half_depth: float) -> Distance:
    """A roof: a triangular prism along z with its ridge at y0 + height."""
    norm = float(np.hypot(height, half_width))

    def distance(x: Array, y: Array, z: Array) -> Array:
        slope = (np.abs(x) * height + (y - y0 - height) * half_width) / norm
        return np.maximum(np.maximum(slope, y0 - y), np.abs(z) - half_depth)

    return distance


def spike(base: tuple[float, float, float], tip: tuple[float, float, float], r: float) -> Distance:
    """A six-sided crystal from base to tip."""
    axis = np.array(tip) - np.array(base)
    length = float(np.linalg.norm(axis))
    axis /= length
    across = np.cross(axis, (0.31, 0.12, 0.94))
    across /= np.linalg.norm(across)
    v, side, other, foot = _plain(*axis), _plain(*across), _plain(*np.cross(axis, across)), _plain(*base)
    r = float(r)

    def distance(x: Array, y: Array, z: Array) -> Array:
        px, py, pz = x - foot[0], y - foot[1], z - foot[2]
        h = px * v[0] + py * v[1] + pz * v[2]
        p = np.abs(px * side[0] + py * side[1] + pz * side[2])
        q = np.abs(px * other[0] + py * other[1] + pz * other[2])
        ring = np.maximum(p * 0.866 + q * 0.5, q)
        return np.maximum(ring - r, np.maximum(ring * 0.5 + (h - length) * 0.5, -h))

    return distance


def cut(shape: Distance, top: float | None = None, bottom: float | None = None) -> Distance:
    def distance(x: Array, y: Array, z: Array) -> Array:
        d = shape(x, y, z)
        if top is not None:
            d = np.maximum(d, y - top)
        return d if bottom is None else np.maximum(d, bottom - y)

    return distance


def blend(shapes: list[Distance], k: float) -> Distance:
    """Smooth union: neighbours melt into one another over about k."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        d = shapes[0](x, y, z)
        for shape in shapes[1:]:
            e = shape(x, y, z)
            h = np.maximum(k - np.abs(d - e), 0.0) / k
            d = np.minimum(d, e) - h * h * (k * 0.25)
        return d

    return distance


Draw = np.random.Generator


def _jitter(rng: Draw, colour: Colour, amount: float = 0.06) -> Colour:
    r, g, b = np.clip(np.array(colour) + rng.uniform(-amount, amount, 3), 0.02, 1.0)
    return float(r), float(g), float(b)


def _one_of(rng: Draw, *colours: Colour) -> Colour:
    return _jitter(rng, colours[int(rng.integers(len(colours)))], 0.03)


def rocks(rng: Draw) -> Subject:
    stones = [ellipsoid(0, 0.62, 0, 0.85, 0.72, 0.7)]
    for _ in range(3):
        a, s = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.5)
        stones.append(ellipsoid(0.75 * np.cos(a), rng.uniform(0.25, 0.7), 0.6 * np.sin(a), s * 1.2, s, s))
    grey = _one_of(rng, (0.42, 0.41, 0.39), (0.5, 0.44, 0.37), (0.36, 0.38, 0.42))
    return Subject((Part(blend(stones, 0.18), grey, bumps=0.13),), 1.5, 1.5)


def tree(rng: Draw) -> Subject:
    leaf = _one_of(
        rng, (0.22, 0.42, 0.13), (0.3, 0.5, 0.16), (0.16, 0.34, 0.16), (0.72, 0.4, 0.1), (0.85, 0.55, 0.62)
    )
    crowns = [ellipsoid(0, 1.38, 0, 0.55, 0.45, 0.55)]
    for i in range(5):
        a = i * 1.257 + rng.uniform(-0.3, 0.3)
        s = rng.uniform(0.28, 0.4)
        crowns.append(
            ellipsoid(0.48 * np.cos(a), 1.15 + rng.uniform(-0.12, 0.3), 0.48 * np.sin(a), s, s * 0.85, s)
        )
    trunk = blend(
        [
            capsule((0, -0.05, 0), (0.06, 0.9, 0), 0.15, 0.09),
            capsule((0.03, 0.7, 0), (0.35, 1.1, 0.1), 0.07, 0.04),
        ],
        0.1,
    )
    return Subject(
        (Part(blend(crowns, 0.12), leaf, bumps=0.16), Part(trunk, (0.3, 0.2, 0.13), bumps=0.03)), 1.9, 1.25
    )


def mountain(rng: Draw) -> Subject:
    peaks = [frustum(0, -0.1, 0.2, 1.75, 1.5, 0.03)]
    for side in (-1, 1):
        peaks.append(
            frustum(side * rng.uniform(0.7, 1.0), -0.1, rng.uniform(0, 0.5), rng.uniform(0.8, 1.2), 1.0, 0.03)
        )
    rock = _one_of(rng, (0.38, 0.36, 0.38), (0.44, 0.37, 0.32))
    return Subject((Part(blend(peaks, 0.15), rock, bumps=0.26),), 1.8, 2.2)


def cottage(rng: Draw) -> Subject:
    wall = _one_of(rng, (0.82, 0.76, 0.66), (0.7, 0.45, 0.34), (0.86, 0.84, 0.8), (0.55, 0.62, 0.66))
    roof = _one_of(rng, (0.45, 0.2, 0.15), (0.28, 0.28, 0.32), (0.5, 0.36, 0.2))
    lit = (1.0, 0.78, 0.4)
    return Subject(
        (
            Part(box(0, 0.4, 0, 0.75, 0.4, 0.55), wall),
            Part(gable(0.76, 0.55, 0.92, 0.68), roof, bumps=0.015),
            Part(box(0.42, 1.2, 0.1, 0.1, 0.3, 0.1), (0.5, 0.3, 0.25)),
            Part(box(0, 0.26, -0.55, 0.13, 0.26, 0.02), (0.3, 0.18, 0.1)),
            Part(box(-0.42, 0.45, -0.55, 0.13, 0.13, 0.02), lit, glow=0.7),
            Part(box(0.42, 0.45, -0.55, 0.13, 0.13, 0.02), lit, glow=0.7),
        ),
        1.5,
        1.25,
    )


def tower(rng: Draw) -> Subject:
    wall = _one_of(rng, (0.88, 0.86, 0.82), (0.56, 0.52, 0.48), (0.7, 0.58, 0.45))
    roof = _one_of(rng, (0.7, 0.16, 0.13), (0.2, 0.28, 0.42), (0.25, 0.25, 0.28))
    return Subject(
        (
            Part(frustum(0, 0, 0, 1.35, 0.4, 0.26), wall, bumps=0.01),
            Part(frustum(0, 0.55, 0, 0.2, 0.345, 0.325), roof),
            Part(frustum(0, 1.35, 0, 0.07, 0.38, 0.38), (0.25, 0.25, 0.27)),
            Part(frustum(0, 1.42, 0, 0.24, 0.2, 0.2), (1.0, 0.85, 0.5), glow=0.9),
            Part(frustum(0, 1.66, 0, 0.3, 0.33, 0.02), roof),
            Part(box(0, 0.2, -0.38, 0.09, 0.2, 0.05), (0.2, 0.13, 0.1)),
        ),
        2.0,
        1.2,
    )


def city(rng: Draw) -> Subject:
    parts = []
    for i in range(9):
        x, z = (i % 3 - 1) * 0.62 + rng.uniform(-0.12, 0.12), (i // 3 - 1) * 0.6 + rng.uniform(-0.1, 0.1)
        h = float(rng.uniform(0.45, 1.0) + (0.9 if i == 4 else 0.35 * (i // 3 == 2)))
        tint = _one_of(rng, (0.5, 0.55, 0.62), (0.62, 0.58, 0.52), (0.36, 0.4, 0.47), (0.7, 0.7, 0.72))
        parts.append(Part(box(x, h / 2, z, 0.22, h / 2, 0.22, 0.01), tint, gloss=0.25, windows=True))
    return Subject(tuple(parts), 1.9, 1.5)


def arch(rng: Draw) -> Subject:
    stone = _one_of(rng, (0.6, 0.5, 0.4), (0.5, 0.48, 0.46), (0.68, 0.42, 0.3))
    bow = blend([torus(0, 0.35, 0, 0.95, 0.24), ellipsoid(-1, 0.15, 0, 0.42, 0.45, 0.4)], 0.2)
    return Subject(
        (Part(bow, stone, bumps=0.1), Part(ellipsoid(1, 0.12, 0, 0.45, 0.4, 0.4), stone, bumps=0.1)), 1.5, 1.6
    )


def boat(rng: Draw) -> Subject:
    hull = _one_of(rng, (0.5, 0.28, 0.15), (0.75, 0.16, 0.12), (0.16, 0.28, 0.45), (0.85, 0.82, 0.76))
    sail = _one_of(rng, (0.93, 0.9, 0.82), (0.85, 0.45, 0.25), (0.9, 0.86, 0.6))

    def canvas(
        x: Array, y: Array, z: Array
    ) -> Array:  # a triangle between mast and boom, bellied by the wind
        belly = z - 0.12 * np.sin(np.clip((x - 0.03) / 0.65, 0, 1) * np.pi)
        edge = (x - 0.68) * 0.87 + (y - 0.5) * 0.49
        return np.maximum(np.maximum(0.03 - x, 0.48 - y), np.maximum(edge, np.abs(belly) - 0.012)) * 0.7

    return Subject(
        (
            Part(cut(ellipsoid(0, 0.36, 0, 1.0, 0.42, 0.34), top=0.32), hull, gloss=0.1),
            Part(cut(ellipsoid(0, 0.36, 0, 0.9, 0.36, 0.27), top=0.34), (0.55, 0.4, 0.25)),
            Part(capsule((0, 0.2, 0), (0, 1.75, 0), 0.035, 0.022), (0.4, 0.28, 0.16)),
            Part(canvas, sail),
        ),
        1.8,
        1.35,
    )


def car(rng: Draw) -> Subject:
    paint = _one_of(
        rng, (0.75, 0.1, 0.08), (0.1, 0.3, 0.55), (0.85, 0.7, 0.2), (0.2, 0.45, 0.35), (0.85, 0.85, 0.86)
    )
    parts = [
        Part(box(0, 0.42, 0, 1.0, 0.2, 0.45, 0.14), paint, gloss=0.5),
        Part(box(-0.08, 0.72, 0, 0.56, 0.2, 0.38, 0.15), (0.1, 0.13, 0.17), gloss=0.6),
        Part(box(-0.08, 0.86, 0, 0.46, 0.06, 0.36, 0.05), paint, gloss=0.5),
        Part(box(0.98, 0.45, -0.28, 0.03, 0.06, 0.1), (1.0, 0.95, 0.75), glow=0.7),
        Part(box(0.98, 0.45, 0.28, 0.03, 0.06, 0.1), (1.0, 0.95, 0.75), glow=0.7),
    ]
    parts += [
        Part(torus(x, 0.22, z, 0.15, 0.085), (0.06, 0.06, 0.07)) for x in (-0.62, 0.62) for z in (-0.42, 0.42)
    ]
    return Subject(tuple(parts), 0.95, 1.2)


def flower(rng: Draw) -> Subject:
    petal = _one_of(
        rng, (0.85, 0.15, 0.2), (0.95, 0.75, 0.15), (0.6, 0.3, 0.75), (0.95, 0.93, 0.9), (0.95, 0.5, 0.6)
    )
    n = int(rng.integers(6, 10))
    petals = []
    for i in range(n):
        a = 2 * np.pi * i / n
        petals.append(ellipsoid(0.4 * np.cos(a), 1.2 + 0.4 * np.sin(a), -0.1, 0.25, 0.25, 0.09))
    return Subject(
        (
            Part(blend(petals, 0.03), petal, bumps=0.02),
            Part(ellipsoid(0, 1.2, -0.16, 0.2, 0.2, 0.12), (0.75, 0.5, 0.1), bumps=0.03),
            Part(capsule((0.1, -0.05, 0.05), (0, 1.15, 0), 0.05, 0.04), (0.2, 0.42, 0.15)),
            Part(ellipsoid(0.3, 0.45, 0.02, 0.3, 0.09, 0.13), (0.22, 0.48, 0.18)),
            Part(ellipsoid(-0.22, 0.62, 0.02, 0.26, 0.08, 0.12), (0.22, 0.48, 0.18)),
        ),
        1.85,
        1.2,
    )


def mushroom(rng: Draw) -> Subject:
    cap = _one_of(rng, (0.75, 0.12, 0.1), (0.6, 0.38, 0.22), (0.85, 0.6, 0.3))
    spots = []
    for i in range(7):
        a, h = i * 0.9 + rng.uniform(0, 0.3), (0.35 if i % 2 else 0.72)
        spots.append(
            ellipsoid(
                0.72 * h * np.cos(a), 0.85 + 0.5 * np.sqrt(1 - h * h), 0.72 * h * np.sin(a), 0.1, 0.07, 0.1
            )
        )
    return Subject(
        (
            Part(cut(ellipsoid(0, 0.82, 0, 0.75, 0.55, 0.75), bottom=0.8), cap, bumps=0.015, gloss=0.15),
            Part(blend(spots, 0.02), (0.93, 0.9, 0.82)),
            Part(frustum(0, 0, 0, 0.85, 0.26, 0.18), (0.9, 0.86, 0.76), bumps=0.03),
        ),
        1.4,
        1.05,
    )


def vase(rng: Draw) -> Subject:
    clay = _one_of(rng, (0.2, 0.35, 0.55), (0.72, 0.42, 0.28), (0.85, 0.83, 0.78), (0.3, 0.45, 0.38))
    bloom = _one_of(rng, (0.85, 0.25, 0.3), (0.95, 0.8, 0.3), (0.95, 0.9, 0.92), (0.65, 0.45, 0.8))
    body = blend([ellipsoid(0, 0.42, 0, 0.46, 0.42, 0.46), frustum(0, 0.7, 0, 0.3, 0.2, 0.24)], 0.12)
    buds, stems = [], []
    for i in range(5):
        x, y, z = 0.34 * np.cos(i * 1.3), 1.35 + 0.22 * ((i * 2) % 3) / 2, 0.3 * np.sin(i * 1.3)
        buds.append(ellipsoid(x, y, z, 0.17, 0.15, 0.17))
        stems.append(capsule((0, 0.8, 0), (x, y, z), 0.02, 0.02))
    return Subject(
        (
            Part(body, clay, gloss=0.35),
            Part(blend(buds, 0.03), bloom, bumps=0.08),
            Part(blend(stems, 0.02), (0.2, 0.4, 0.15)),
        ),
        1.75,
        1.1,
    )


def fruit(rng: Draw) -> Subject:
    bowl = _one_of(rng, (0.35, 0.42, 0.55), (0.55, 0.38, 0.22), (0.8, 0.78, 0.72))
    skins = ((0.8, 0.13, 0.1), (0.95, 0.55, 0.1), (0.55, 0.68, 0.15), (0.93, 0.8, 0.2), (0.45, 0.12, 0.3))
    parts = [Part(cut(ellipsoid(0, 0.5, 0, 0.82, 0.5, 0.82), top=0.46), bowl, gloss=0.35)]
    spots = [(-0.38, 0.6, -0.18), (0.1, 0.62, -0.4), (0.45, 0.6, 0.02), (0, 0.62, 0.35), (0.05, 0.95, -0.02)]
    for (x, y, z), skin in zip(spots, rng.permutation(np.array(skins)), strict=True):
        parts.append(
            Part(ellipsoid(x, y, z, 0.3, 0.28, 0.3), _jitter(rng, tuple(skin), 0.04), bumps=0.008, gloss=0.3)
        )
    return Subject(tuple(parts), 1.25, 1.1)


def crystal(rng: Draw) -> Subject:
    tint = _one_of(rng, (0.55, 0.35, 0.85), (0.3, 0.7, 0.85), (0.85, 0.4, 0.6), (0.4, 0.8, 0.6))
    parts = [Part(spike((0, 0, 0), (0.05, 1.75, 0), 0.3), tint, gloss=0.6, glow=0.12)]
    for i in range(5):
        a = i * 1.257 + rng.uniform(-0.3, 0.3)
        reach, h = rng.uniform(0.35, 0.7), rng.uniform(0.6, 1.15)
        foot, tip = (0.22 * np.cos(a), 0.0, 0.22 * np.sin(a)), (reach * np.cos(a), h, reach * np.sin(a))
        parts.append(Part(spike(foot, tip, rng.uniform(0.13, 0.2)), _jitter(rng, tint), gloss=0.6, glow=0.12))
    return Subject(tuple(parts), 1.75, 1.1)


def lantern(rng: Draw) -> Subject:
    metal = _one_of(rng, (0.15, 0.14, 0.14), (0.4, 0.27, 0.12), (0.3, 0.1, 0.08))
    posts = blend(
        [box(x, 0.65, z, 0.035, 0.45, 0.035, 0.01) for x in (-0.36, 0.36) for z in (-0.36, 0.36)], 0.01
    )
    return Subject(
        (
            Part(box(0, 0.1, 0, 0.46, 0.1, 0.46, 0.03), metal, gloss=0.3),
            Part(posts, metal, gloss=0.3),
            Part(ellipsoid(0, 0.6, 0, 0.2, 0.32, 0.2), (1.0, 0.72, 0.32), glow=1.6),
            Part(frustum(0, 1.08, 0, 0.35, 0.58, 0.12), metal, gloss=0.3),
            Part(torus(0, 1.56, 0, 0.14, 0.03), metal, gloss=0.3),
        ),
        1.7,
        1.1,
    )


def figure(rng: Draw) -> Subject:
    coat = _one_of(rng, (0.6, 0.13, 0.12), (0.13, 0.2, 0.35), (0.72, 0.58, 0.25), (0.25, 0.3, 0.25))
    skin = _one_of(rng, (0.85, 0.65, 0.52), (0.6, 0.42, 0.3), (0.4, 0.27, 0.2))
    return Subject(
        (
            Part(ellipsoid(0, 1.62, 0, 0.155, 0.19, 0.17), skin),
            Part(
                cut(ellipsoid(0, 1.66, 0.03, 0.185, 0.19, 0.19), bottom=1.64), (0.15, 0.1, 0.07), bumps=0.02
            ),
            Part(
                blend(
                    [
                        frustum(0, 0.6, 0, 0.85, 0.34, 0.2),
                        capsule((-0.2, 1.35, 0), (0.2, 1.35, 0), 0.11, 0.11),
                    ],
                    0.1,
                ),
                coat,
            ),
            Part(capsule((-0.27, 1.36, 0), (-0.38, 0.78, -0.06), 0.09, 0.07), coat),
            Part(capsule((0.27, 1.36, 0), (0.36, 0.78, -0.08), 0.09, 0.07), coat),
            Part(capsule((-0.13, 0.65, 0), (-0.15, 0.05, 0), 0.11, 0.09), (0.14, 0.14, 0.18)),
            Part(capsule((0.13, 0.65, 0), (0.15, 0.05, 0), 0.11, 0.09), (0.14, 0.14, 0.18)),
        ),
        1.85,
        1.1,
    )


def animal(rng: Draw) -> Subject:
    coat = _one_of(rng, (0.62, 0.4, 0.2), (0.75, 0.38, 0.12), (0.45, 0.42, 0.4), (0.85, 0.8, 0.72))
    body = blend(
        [
            ellipsoid(-0.05, 0.78, 0, 0.62, 0.3, 0.27),
            capsule((0.42, 0.88, 0), (0.68, 1.28, 0), 0.19, 0.13),
            ellipsoid(0.8, 1.32, 0, 0.25, 0.15, 0.14),
        ],
        0.12,
    )
    legs = [
        capsule((x, 0.7, z), (x + 0.03, 0.04, z), 0.11, 0.06) for x in (-0.45, 0.36) for z in (-0.14, 0.14)
    ]
    ears = [capsule((0.68, 1.4, z), (0.62, 1.6, z * 1.6), 0.055, 0.015) for z in (-0.08, 0.08)]
    return Subject(
        (
            Part(body, coat, bumps=0.025),
            Part(blend(legs, 0.05), _jitter(rng, coat, 0.08)),
            Part(blend([*ears, capsule((-0.6, 0.85, 0), (-0.95, 1.1, 0.05), 0.07, 0.1)], 0.05), coat),
            Part(ellipsoid(1.03, 1.3, 0, 0.045, 0.045, 0.06), (0.08, 0.06, 0.06)),
        ),
        1.6,
        1.25,
    )


def sculpture(rng: Draw) -> Subject:
    first = _one_of(rng, (0.8, 0.3, 0.2), (0.2, 0.45, 0.6), (0.85, 0.82, 0.78))
    second = _one_of(rng, (0.95, 0.75, 0.25), (0.25, 0.25, 0.28), (0.5, 0.3, 0.6))
    return Subject(
        (
            Part(torus(-0.15, 0.85, 0, 0.6, 0.16), first, gloss=0.4),
            Part(torus(0.3, 0.85, 0, 0.52, 0.14, axis="x"), second, gloss=0.4),
            Part(ellipsoid(0.1, 1.55, -0.05, 0.22, 0.22, 0.22), first, gloss=0.5),
            Part(box(0, 0.1, 0, 0.6, 0.12, 0.4, 0.03), (0.45, 0.43, 0.42)),
        ),
        1.75,
        1.2,
    )


_BUILDERS = (rocks, tree, mountain, cottage, tower, city, arch, boat, car, flower, mushroom, vase, fruit)
ARCHETYPES: dict[str, Callable[[Draw], Subject]] = {
    build.__name__: build for build in (*_BUILDERS, crystal, lantern, figure, animal, sculpture)
}

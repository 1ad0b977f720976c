"""Paint a scene: cast a ray per pixel into a small world, light what it meets, apply the style, grade.

One scene, one seed, one picture: nothing here depends on anything but its arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from steer.sandbox.paint.light import Light, ground_albedo, light, mix, rgb, shine, sky, waves
from steer.sandbox.paint.noise import noise2, noise3, ripples
from steer.sandbox.paint.shapes import ARCHETYPES, Subject
from steer.sandbox.paint.styles import enlarge, finish
from steer.sandbox.scene import Scene

Array = np.ndarray
_FOV = 0.5  # tangent of half the angle of view: 53 degrees
_BAND = 384 * 96  # rays at a time: what they need stays in the cache of one core
_LIFT = 0.75  # how high a floating subject hovers


@dataclass(frozen=True)
class Placed:
    """A subject in the world: turned by `turn` radians, scaled, standing at (x, y, z)."""

    subject: Subject
    x: float
    y: float
    z: float
    scale: float
    turn: float

    @property
    def centre(self) -> tuple[float, float, float]:
        return self.x, self.y + self.subject.height * self.scale / 2, self.z

    @property
    def radius(self) -> float:
        return self.subject.radius * self.scale

    def local(self, p: Array) -> tuple[Array, Array, Array]:
        x, y, z = p[0] - self.x, p[1] - self.y, p[2] - self.z
        if self.scale != 1:
            x, y, z = x / self.scale, y / self.scale, z / self.scale
        c, s = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        return c * x + s * z, y, c * z - s * x

    def parts(self, p: Array) -> list[Array]:
        x, y, z = self.local(p)
        bumps = ripples(x, y, z) if any(part.bumps for part in self.subject.parts) else None
        distances = []
        for part in self.subject.parts:
            d = part.distance(x, y, z)
            if part.bumps and bumps is not None:
                d -= part.bumps * bumps
            if self.scale != 1:
                d *= self.scale
            distances.append(d)
        return distances

    def distance(self, p: Array) -> Array:
        return reduce(np.minimum, self.parts(p))

    def sphere(self, origin: Array, d: Array) -> tuple[Array, Array, Array]:
        """Rays that meet the bounding sphere: their indices, where they enter and leave."""
        cx, cy, cz = self.centre
        ox, oy, oz = origin[0] - cx, origin[1] - cy, origin[2] - cz
        b = ox * d[0] + oy * d[1] + oz * d[2]
        root = b * b - (ox * ox + oy * oy + oz * oz - self.radius**2)
        hit = np.flatnonzero((root > 0) & (np.sqrt(np.maximum(root, 0)) > b))
        half, b = np.sqrt(root[hit]), b[hit]
        return hit, np.maximum(-b - half, 0.02), -b + half


def _at(origin: Array, d: Array, t: Array) -> Array:
    return origin + d * t


def march(
    placed: Placed, origin: Array, d: Array, steps: int = 44, within: Array | None = None
) -> tuple[Array, Array]:
    """First meeting of rays with a subject: (indices of the rays that hit, distances).

    A ray goes no further than `within` [n].
    """
    rays, t, leave = placed.sphere(origin, d)
    if within is not None:
        leave = np.minimum(leave, within[rays])
        rays, t, leave = _only(t < leave, rays, t, leave)
    moving = origin.shape[1] > 1
    start, way = origin.take(rays, 1) if moving else origin, d.take(rays, 1)
    found, at = [], []
    for _ in range(steps):
        if not len(rays):
            break
        gap = placed.distance(_at(start, way, t))
        hit = gap < 0.0018 * t
        if hit.any():
            found.append(rays[hit])
            at.append(t[hit])
        gap *= 0.85
        t += gap
        go = ~hit & (t < leave)
        if not go.all():
            rays, t, leave, way = _only(go, rays, t, leave, way)
            start = _only(go, start)[0] if moving else start
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    return np.concatenate(found), np.concatenate(at)


def _only(go: Array, *of_rays: Array) -> list[Array]:
    """Each array without the rays (its last axis) that do not go on."""
    keep = np.flatnonzero(go)
    return [a.take(keep, -1) for a in of_rays]


def shadow(things: list[Placed], p: Array, toward: Array, softness: float = 10.0) -> Array:
    """How much of the first lamp reaches points p [3, n]: 0 none - 1 all."""
    lit = np.ones(p.shape[1], np.float32)
    for placed in things:
        rays, t, leave = placed.sphere(p, toward)
        rays, t, leave = _only(lit[rays] > 0, rays, np.maximum(t, 0.04), leave)
        start, reach = p.take(rays, 1), lit[rays]
        for _ in range(14):
            if not len(rays):
                break
            gap = placed.distance(_at(start, toward, t))
            reach = np.minimum(reach, np.clip(softness * gap / t, 0, 1))
            lit[rays] = reach
            t += np.clip(gap, 0.04, 0.5)
            go = (t < leave) & (reach > 0.02)
            if not go.all():
                rays, t, leave, reach, start = _only(go, rays, t, leave, reach, start)
    return lit


def normals(placed: Placed, p: Array, e: float) -> Array:
    n = np.zeros_like(p)
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        k = rgb(*corner)
        n += k * placed.distance(p + k * e)
    return n / (np.sqrt((n * n).sum(0)) + 1e-9)


def arrange(scene: Scene, rng: np.random.Generator) -> list[Placed]:
    """The subject and its companions."""
    make = ARCHETYPES[scene.subject]
    lift = _LIFT if scene.floating else 0.0
    things = [Placed(make(rng), 0.0, lift, 0.0, 1.0, float(rng.uniform(-0.6, 0.6)))]
    gap = things[0].radius * 1.25
    for i in range(1, scene.count):
        side = 1 if i % 2 else -1
        x = side * gap * (0.75 + 0.35 * ((i - 1) // 2)) + float(rng.uniform(-0.25, 0.25))
        z = gap * (0.45 + 0.5 * ((i - 1) // 2)) + float(rng.uniform(-0.3, 0.5))
        size = float(rng.uniform(0.55, 0.9))
        height = lift * float(rng.uniform(0.5, 1.8)) if scene.floating else 0.0
        things.append(Placed(make(rng), x, height, z, size, float(rng.uniform(-1.2, 1.2))))
    return things


def camera(scene: Scene, size: int, rng: np.random.Generator, height: float) -> tuple[Array, Array]:
    """Eye [3, 1] and unit ray directions [3, size * size]; x to the right, y up, z away."""
    r = 2.5 + 4.8 * scene.distance**1.3
    lift = _LIFT if scene.floating else 0.0
    middle = lift + height * 0.5
    roll = 0.0
    if scene.angle == "low":
        r *= 0.8  # close under it, so that it towers
        pitch = max(float(np.deg2rad(17.0)), float(np.arctan2(middle - 0.1, r)))
        eye = rgb(0, 0.1, -r)
    elif scene.angle in ("high", "overhead"):
        pitch = -np.deg2rad(32.0 if scene.angle == "high" else 70.0)
        eye = rgb(0, middle - r * float(np.sin(pitch)), -r * float(np.cos(pitch)))
    else:
        pitch = float(np.arctan2(middle - 1.05, r)) * 0.6 - np.deg2rad(2.0)
        eye = rgb(0, 1.05, -r)
        if scene.angle == "tilted":
            roll = float(np.deg2rad(17.0)) * (1 if rng.random() < 0.5 else -1)
    eye[0] -= np.float32(scene.place * 0.55 * _FOV * r)
    s = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    columns, rows = np.meshgrid(s * _FOV, -s * _FOV)
    u, v = columns.ravel(), rows.ravel()
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    u, v = np.float32(cr) * u - np.float32(sr) * v, np.float32(sr) * u + np.float32(cr) * v
    d = np.stack([u, np.float32(cp) * v + np.float32(sp), np.float32(cp) - np.float32(sp) * v])
    return eye, d / np.sqrt((d * d).sum(0))


def _surface(scene: Scene, placed: Placed, p: Array, n: Array) -> tuple[Array, Array, Array]:
    """Albedo [3, n], glow [n] and gloss [n] of a subject at points p."""
    distances = np.stack(placed.parts(p))
    part = distances.argmin(0)
    parts = placed.subject.parts
    colour = np.array([q.colour for q in parts], np.float32).T.take(part, 1)
    glow = np.array([q.glow for q in parts], np.float32)[part]
    gloss = np.array([q.gloss for q in parts], np.float32)[part]
    x, y, z = placed.local(p)
    grain = noise3(x * 5, y * 5, z * 5)
    fine = noise3(x * 21 + 3, y * 21, z * 21)
    colour = colour * (0.72 + 0.36 * grain + (0.1 + 0.45 * scene.detail) * (fine - 0.5))
    if scene.subject == "mountain":
        snow = np.clip((y - 0.85 - 0.5 * (grain - 0.5)) * 5, 0, 1) * np.clip(n[1] * 3 - 0.6, 0, 1)
        colour = mix(colour, rgb(0.92, 0.94, 0.98), snow)
    windows = np.array([q.windows for q in parts])[part]
    if windows.any():
        across = np.where(np.abs(n[0]) > np.abs(n[2]), z, x)
        pane = windows & (np.abs(n[1]) < 0.5) & ((across * 11) % 1 < 0.6) & ((y * 11) % 1 < 0.62)
        on = pane & (
            (np.sin(np.floor(across * 11) * 12.99 + np.floor(y * 11) * 78.2 + part) * 43758.5) % 1 > 0.45
        )
        colour = np.where(pane, rgb(0.12, 0.16, 0.22), colour)
        night = scene.lighting in ("moonlight", "neon", "dramatic")
        colour = np.where(on & night, rgb(1.0, 0.72, 0.35), colour)
        glow = np.where(on & night, 0.9, glow)
    material, shade = scene.material, 0.55 + 0.6 * grain
    if material == "moss":
        patch = np.clip((n[1] * 0.75 + 0.9 * grain - 0.42) * 4, 0, 1)
        moss = mix(rgb(0.1, 0.2, 0.04), rgb(0.38, 0.55, 0.12), np.clip(fine * 1.2, 0, 1))
        colour, glow, gloss = mix(colour, moss, patch), glow * (1 - patch), gloss * (1 - patch)
    elif material == "stone":
        colour, glow, gloss = rgb(0.5, 0.485, 0.46) * shade * (0.7 + 0.6 * fine), glow * 0.3, gloss * 0.1
    elif material == "wood":
        ring = np.sin((x * 0.6 + z + 0.8 * grain) * 26 + y * 2)
        colour, glow, gloss = (
            rgb(0.47, 0.28, 0.13) * (0.8 + 0.22 * ring + 0.3 * fine),
            glow * 0.3,
            gloss * 0.3 + 0.08,
        )
    elif material == "gold":
        colour, glow, gloss = rgb(1.0, 0.7, 0.26) * (0.85 + 0.2 * grain), glow * 0.3, gloss * 0 + 0.75
    elif material == "glass":
        colour, glow, gloss = rgb(0.45, 0.72, 0.75) * (0.8 + 0.2 * grain), glow * 0.5, gloss * 0 + 0.9
    elif material == "snow":
        cap = np.clip((n[1] + 0.7 * grain - 0.45) * 5, 0, 1)
        colour, glow = mix(colour, rgb(0.92, 0.95, 1.0), cap), glow * (1 - cap)
    return np.maximum(colour, 0.01), glow, gloss


def paint(scene: Scene, size: int = 512) -> Array:
    """The painting of a scene as uint8 [size, size, 3]; size a multiple of 64."""
    rng = np.random.default_rng(scene.seed)
    lamp = light(scene, rng)
    things = arrange(scene, rng)
    traced = size * 3 // 4  # enlarging smooths the edges of one ray per pixel and almost halves the work
    eye, d = camera(scene, traced, rng, things[0].subject.height)
    offset = float(rng.uniform(0, 1))
    bands = [
        _world(scene, lamp, things, eye, d[:, i : i + _BAND], offset)
        for i in range(0, traced * traced, _BAND)
    ]
    layers = enlarge(np.concatenate(bands, 1).reshape(4, traced, traced), size)
    focus = float(np.linalg.norm(eye.ravel() - np.array(things[0].centre)))
    return finish(scene, layers, focus, rng)


def _world(scene: Scene, lamp: Light, things: list[Placed], eye: Array, d: Array, offset: float) -> Array:
    """Linear red, green, blue and depth [4, n] along the rays."""
    n_rays = d.shape[1]
    depth = np.full(n_rays, 60.0, np.float32)
    colour = np.empty((3, n_rays), np.float32)
    below = d[1] < -0.004
    t = np.where(below, -eye[1] / np.where(below, d[1], np.float32(-1)), np.float32(1e9))
    on_ground = t < 60
    owner = np.full(n_rays, -1)
    nearest = np.where(on_ground, t, np.float32(1e9))
    for i, placed in enumerate(things):
        rays, at = march(placed, eye, d, within=nearest)
        nearest[rays] = at
        owner[rays] = i
    air = np.flatnonzero((owner < 0) & ~on_ground)
    _put(colour, air, sky(scene, lamp, d.take(air, 1), offset))
    floor = np.flatnonzero((owner < 0) & on_ground)
    if len(floor):
        _put(colour, floor, _floor(scene, lamp, things, eye, d.take(floor, 1), t[floor], offset))
        depth[floor] = t[floor]
    for i, placed in enumerate(things):
        rays = np.flatnonzero(owner == i)
        if len(rays):
            way, depth[rays] = d.take(rays, 1), nearest[rays]
            p = _at(eye, way, nearest[rays])
            _put(colour, rays, _body(scene, lamp, things, placed, p, way, offset))
    mist = (
        0.01
        + scene.haze**1.5 * 0.34
        + (0.16 if scene.weather == "fog" else 0.05 if scene.weather in ("rain", "snowfall") else 0.0)
    )
    if scene.ground != "studio":
        veil = lamp.horizon * 0.85 + lamp.ambient * 0.1
        amount = 1 - np.exp(-np.maximum(depth - 1.5, 0) * mist)
        amount[depth >= 59] = 0
        if scene.weather == "fog":
            amount[air] = 0.9 * np.exp(-np.maximum(d[1][air], 0) * 3.0)
        colour = mix(colour, veil, amount)
    return np.concatenate([colour, depth[None]])


def _put(planes: Array, at: Array, values: Array) -> None:
    """planes[:, at] = values, plane by plane, which NumPy does faster."""
    for plane, value in zip(planes, values, strict=True):
        plane[at] = value


def _pool(lamp: Light, things: list[Placed], p: Array) -> Array:
    if not lamp.pool:
        return np.ones(p.shape[1], np.float32)
    return np.exp(-(((p[0] - things[0].x) ** 2 + (p[2] - things[0].z) ** 2) / lamp.pool**2))


def _floor(
    scene: Scene, lamp: Light, things: list[Placed], eye: Array, d: Array, t: Array, offset: float
) -> Array:
    p = _at(eye, d, t)
    p[1] = 0.0
    if scene.ground == "water":
        return _water(scene, lamp, things, p, d, waves(p[0], p[2], t, offset), offset, t)
    albedo, height = ground_albedo(scene, p[0], p[2], t, offset)
    albedo = albedo * (
        1 + (0.9 * scene.detail - 0.3) * (noise2(p[0] * 0.9, p[2] * 0.9) * 0.22) / (1 + 0.05 * t * t)
    )
    lit = shadow(things, p, lamp.lamps[0][0], 7.0)
    near = np.ones(p.shape[1], np.float32)
    for placed in things:  # contact shade under what stands or hovers here
        away = np.hypot(p[0] - placed.x, p[2] - placed.z) / placed.radius
        near = np.minimum(near, 1 - 0.5 * np.exp(-away * away * 2.2) / (1 + 1.5 * placed.y))
    e = 0.16 * (0.4 + scene.detail)
    slope = np.roll(height, 1) - height  # along the scan line
    n = np.stack([-slope * e, np.ones_like(slope), slope * e])
    n /= np.sqrt((n * n).sum(0))
    wet = 0.35 if scene.weather == "rain" or (scene.ground == "street" and scene.lighting == "neon") else 0.0
    total, spark = shine(lamp, n, d, np.full(p.shape[1], 0.03 + wet, np.float32), lit, _pool(lamp, things, p))
    result = albedo * total * near + spark * 0.5
    if wet or scene.ground == "studio":
        mirror = np.stack([d[0], -d[1], d[2]])
        gleam = (0.1 if scene.ground == "studio" else wet) * (1 - np.abs(d[1])) ** 2
        result = mix(result, _reflection(scene, lamp, things, p, mirror, offset), gleam)
    if scene.ground == "studio":  # the paper sweeps up into the wall
        wall = sky(scene, lamp, d, offset)
        result = mix(result, wall * (0.4 + 0.6 * near), np.clip((t - 5.5) / 9.0, 0, 1))
    return result


def _reflection(scene: Scene, lamp: Light, things: list[Placed], p: Array, d: Array, offset: float) -> Array:
    seen = sky(scene, lamp, d, offset)
    for placed in things:
        rays, at = march(placed, p, d, steps=20)
        if len(rays):
            way = d.take(rays, 1)
            where = _at(p.take(rays, 1), way, at)
            _put(seen, rays, _body(scene, lamp, things, placed, where, way, offset, plain=True))
    return seen


def _water(
    scene: Scene, lamp: Light, things: list[Placed], p: Array, d: Array, wave: Array, offset: float, t: Array
) -> Array:
    e = (0.035 + 0.05 * scene.detail) / (1 + 0.05 * t)
    n = np.stack([noise2(p[0] * 0.11 + offset, p[2] * 0.31) * e, np.ones_like(wave), wave * e])
    n /= np.sqrt((n * n).sum(0))
    along = (d * n).sum(0)
    mirror = d - 2 * along * n
    mirror[1] = np.abs(mirror[1]) + 0.01
    mirror /= np.sqrt((mirror * mirror).sum(0))
    fresnel = 0.06 + 0.94 * (1 - np.clip(-along, 0, 1)) ** 4
    deep, shallow = rgb(0.02, 0.09, 0.13), rgb(0.08, 0.3, 0.33)
    body = mix(deep, shallow, np.clip(0.4 + 0.3 * wave, 0, 1)) * (lamp.ambient + lamp.lamps[0][1] * 0.25)
    result = mix(body, _reflection(scene, lamp, things, p, mirror, offset), np.clip(fresnel, 0, 0.92))
    toward, tint = lamp.lamps[0]
    glint = np.clip((mirror * toward).sum(0), 0, 1) ** 120
    return result + tint * glint * 0.6


def _body(
    scene: Scene,
    lamp: Light,
    things: list[Placed],
    placed: Placed,
    p: Array,
    d: Array,
    offset: float,
    plain: bool = False,
) -> Array:
    """Light leaving a subject at points p [3, n]; `plain` skips what a reflection does not show."""
    n = normals(placed, p, 0.006 * placed.scale)
    albedo, glow, gloss = _surface(scene, placed, p, n)
    if not plain:
        x, y, z = placed.local(p)
        k, e = 13.0, 0.25 * (0.25 + scene.detail) * (1 - 0.8 * gloss)
        rough = noise3(x * k, y * k, z * k)
        bump = np.stack(
            [
                noise3(x * k + 0.4, y * k, z * k),
                noise3(x * k, y * k + 0.4, z * k),
                noise3(x * k, y * k, z * k + 0.4),
            ]
        )
        n = n - (bump - rough) * e * 2.0
        n /= np.sqrt((n * n).sum(0)) + 1e-6
    lit = np.ones(p.shape[1], np.float32) if plain else shadow(things, p + n * 0.03, lamp.lamps[0][0], 8.0)
    dark = (
        np.clip(0.35 + 0.65 * p[1] / 0.5, 0.35, 1) if placed.y == 0 else 1.0
    )  # less sky is seen near the ground
    if not plain:
        dark = dark * np.clip(0.3 + 0.7 * placed.distance(p + n * 0.16) / 0.16, 0.3, 1)
    total, spark = shine(lamp, n, d, gloss + 0.03, lit, _pool(lamp, things, p))
    result = albedo * total * dark + spark
    if gloss.max() > 0.2 and not plain:
        shiny = np.flatnonzero(gloss > 0.2)
        v, m, own = d.take(shiny, 1), n.take(shiny, 1), result.take(shiny, 1)
        along = (v * m).sum(0)
        mirror = v - 2 * along * m
        mirror[1] = np.maximum(mirror[1], -0.2)
        view = sky(scene, lamp, mirror, offset) * np.where(mirror[1] > 0, 1.0, 0.45)
        g = gloss[shiny]
        strength = g * (0.25 + 0.75 * (1 - np.clip(-along, 0, 1)) ** 3)
        tint = albedo.take(shiny, 1) if scene.material == "gold" else rgb(1.0, 1.0, 1.0)
        if scene.material == "gold":
            strength = g * 0.8
        elif scene.material == "glass":  # see the backdrop through it, bent
            through = v - 0.35 * m
            through[1] = np.abs(through[1]) * 0.8
            through /= np.sqrt((through * through).sum(0))
            behind = sky(scene, lamp, through, offset) * rgb(0.75, 0.95, 0.95)
            own = mix(own, behind, 0.6).astype(np.float32)
        _put(result, shiny, mix(own, view * tint, np.clip(strength, 0, 0.95)))
    rim = (1 - np.clip(-(d * n).sum(0), 0, 1)) ** 3
    back = np.clip(lamp.lamps[0][0][2], 0, 1) * 0.35  # a lamp ahead of the camera draws an edge of light
    result = result + lamp.lamps[0][1] * rim * back * lit
    return result + albedo * glow * 1.6

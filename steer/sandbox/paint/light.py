"""Light, sky, distant backdrop and ground of a painting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steer.sandbox.paint.noise import noise2
from steer.sandbox.scene import Scene

Array = np.ndarray


def rgb(*values: float) -> Array:
    return np.array(values, np.float32).reshape(3, 1)


def mix(a: Array, b: Array, t: Array | float) -> Array:
    return a + (b - a) * t


@dataclass(frozen=True)
class Light:
    """Colours are [3, 1] and linear; directions are unit vectors towards the light."""

    lamps: tuple[tuple[Array, Array], ...]  # (direction, colour); only the first casts shadows
    ambient: Array
    zenith: Array
    horizon: Array
    glow: Array  # around the sun or moon
    disc: float  # angular radius of the sun or moon in radians; 0 shows none
    shadow: float  # 0 none - 1 black
    pool: float  # radius of a pool of light around the subject; 0 lights everything
    stars: bool = False


def _direction(azimuth: float, elevation: float) -> Array:
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    return rgb(
        np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)
    )  # azimuth 0 is straight ahead of the camera


def light(scene: Scene, rng: np.random.Generator) -> Light:
    side = 1.0 if rng.random() < 0.5 else -1.0
    wobble = float(rng.uniform(-1, 1))
    if scene.lighting == "midday":
        sun = _direction(side * (130 + 20 * wobble), 52)
        return Light(
            ((sun, rgb(2.5, 2.4, 2.2)),), rgb(0.5, 0.6, 0.75), rgb(0.16, 0.38, 0.82), rgb(0.66, 0.8, 0.95),
            rgb(0.4, 0.4, 0.3), 0.0, 0.85, 0.0,
        )  # fmt: skip
    if scene.lighting == "golden":
        sun = _direction(side * (26 + 14 * wobble), 9)
        return Light(
            ((sun, rgb(3.4, 1.7, 0.6)), (_direction(-side * 155, 30), rgb(1.3, 0.95, 0.85))),
            rgb(0.55, 0.44, 0.47), rgb(0.3, 0.36, 0.6), rgb(1.25, 0.66, 0.3), rgb(1.7, 0.85, 0.3),
            0.045, 0.8, 0.0,
        )  # fmt: skip
    if scene.lighting == "overcast":
        return Light(
            ((_direction(side * 110, 65), rgb(0.55, 0.56, 0.58)),),
            rgb(0.85, 0.88, 0.92), rgb(0.62, 0.66, 0.71), rgb(0.84, 0.86, 0.88), rgb(0.0, 0.0, 0.0),
            0.0, 0.35, 0.0,
        )  # fmt: skip
    if scene.lighting == "moonlight":
        moon = _direction(side * (20 + 12 * wobble), 17)
        return Light(
            ((moon, rgb(0.55, 0.75, 1.15)), (_direction(-side * 120, 35), rgb(0.22, 0.3, 0.48))),
            rgb(0.1, 0.14, 0.26), rgb(0.012, 0.025, 0.085), rgb(0.07, 0.13, 0.28), rgb(0.25, 0.35, 0.5),
            0.05, 0.75, 0.0,
            stars=True,
        )  # fmt: skip
    if scene.lighting == "dramatic":
        return Light(
            ((_direction(side * (105 + 15 * wobble), 38), rgb(4.2, 3.3, 2.3)),), rgb(0.06, 0.06, 0.075),
            rgb(0.02, 0.022, 0.03), rgb(0.075, 0.07, 0.07), rgb(0.0, 0.0, 0.0), 0.0, 0.95, 2.3,
        )  # fmt: skip
    pink, cyan = rgb(2.6, 0.25, 1.5), rgb(0.1, 1.5, 2.4)  # neon
    return Light(
        ((_direction(side * 80, 24), pink), (_direction(-side * 80, 20), cyan)), rgb(0.1, 0.06, 0.18),
        rgb(0.03, 0.015, 0.09), rgb(0.32, 0.07, 0.36), rgb(0.0, 0.0, 0.0), 0.0, 0.6, 4.5,
    )  # fmt: skip


def shine(lamp: Light, n: Array, view: Array, gloss: Array, lit: Array, pool: Array) -> tuple[Array, Array]:
    """Light falling on a surface [3, n] and the highlights on it [3, n]."""
    total = lamp.ambient * (0.62 + 0.38 * n[1])
    spark = np.zeros_like(n)
    for i, (toward, colour) in enumerate(lamp.lamps):
        facing = (toward * n).sum(0)
        reach = pool * (1 - lamp.shadow * (1 - lit) if i == 0 else 1.0)
        total = total + colour * (np.clip(facing, 0, None) * reach)
        half = toward - view
        half = half / (np.sqrt((half * half).sum(0)) + 1e-6)
        spark = spark + colour * (np.clip((half * n).sum(0), 0, 1) ** 40 * gloss * reach * (facing > 0))
    return total, spark


def skyline(scene: Scene, offset: float) -> list[tuple[Array, float]]:
    """Backdrop layers from far to near: (height as tangent of elevation, all around [4096], nearness 0-1)."""
    a = np.linspace(0, 1, 4096, dtype=np.float32) + offset
    zero = np.zeros_like(a)
    if scene.backdrop == "mountains":
        far = 0.17 + 0.055 * noise2(a * 1.3, zero + 0.1) + 0.018 * noise2(a * 4.0, zero + 0.5)
        return [(far, 0.15), (0.09 + 0.035 * noise2(a * 2.3, zero + 0.3), 0.45)]
    if scene.backdrop == "hills":
        return [
            (0.08 + 0.022 * noise2(a * 0.35, zero + 0.6), 0.3),
            (0.045 + 0.016 * noise2(a * 0.55, zero + 0.2), 0.6),
        ]
    if scene.backdrop == "woods":
        comb = np.abs((a * 150 + 0.6 * noise2(a * 2, zero)) % 1 - 0.5)
        far = 0.12 + 0.016 * noise2(a * 5, zero + 0.4) + 0.03 * comb
        comb = np.abs((a * 90 + 0.8 * noise2(a * 2, zero + 0.7)) % 1 - 0.5)
        return [(far, 0.4), (0.085 + 0.022 * noise2(a * 6, zero + 0.8) + 0.055 * comb, 0.85)]
    if scene.backdrop == "skyline":
        block = np.floor(a * 120)
        roof = (np.sin(block * 12.9898) * 43758.5453) % 1
        block2 = np.floor(a * 70 + 0.37)
        roof2 = (np.sin(block2 * 78.233) * 12543.123) % 1
        return [(0.07 + 0.17 * roof * roof, 0.35), (0.03 + 0.12 * roof2**3, 0.7)]
    return []


def sky(scene: Scene, lamp: Light, d: Array, offset: float) -> Array:
    """Colour [3, n] seen along unit directions d [3, n], above the horizon or reflected."""
    up = np.maximum(d[1], 0.0)
    if scene.ground == "studio":  # a seamless paper wall, lit from above the subject
        fall = np.exp(-((d[0] * 1.1) ** 2 + (d[1] - 0.12) ** 2 * 1.6))
        return mix(lamp.zenith * 0.35 + lamp.ambient * 0.25, lamp.horizon * 0.6 + lamp.ambient * 0.5, fall)
    colour = mix(lamp.horizon, lamp.zenith, 1 - np.exp(-up * 3.2))
    sun, tint = lamp.lamps[0]
    toward = np.clip(sun[0] * d[0] + sun[1] * d[1] + sun[2] * d[2], -1, 1)
    colour = colour + lamp.glow * (np.exp((toward - 1) * 9) * 0.55 + np.exp((toward - 1) * 90) * 0.7)
    if lamp.disc:
        edge = np.clip((toward - float(np.cos(lamp.disc))) * 900, 0, 1)
        colour = mix(colour, rgb(1.6, 1.6, 1.5) if lamp.stars else tint, edge)
    if lamp.stars:
        spark = noise2(d[0] / (up + 0.4) * 3.1, d[2] / (up + 0.4) * 3.1)
        colour = colour + np.clip(spark - 2.35, 0, 0.5) * 2.2 * np.clip(up * 4, 0, 1)
    cover = {"clear": 1.7, "clouds": 0.15, "fog": 1.2, "rain": -0.7, "snowfall": -0.4}[scene.weather]
    u, v = d[0] / (up + 0.12), d[2] / (up + 0.12)
    cloud = noise2(u * 0.055 + offset, v * 0.055) + 0.35 * noise2(u * 0.21, v * 0.21 + offset)
    amount = np.clip((cloud - cover) * 0.8, 0, 0.92) * np.clip(up * 7, 0, 1)
    lit = 0.75 + 0.25 * np.clip(cloud - cover, 0, 2) + 0.7 * np.exp((toward - 1) * 5) * float(lamp.disc > 0)
    white = lamp.horizon * 0.75 + lamp.ambient * 0.35 + tint * 0.07
    if scene.weather == "rain":
        white = white * 0.62
    colour = mix(colour, white * lit, amount)
    distant = mix(lamp.horizon, lamp.ambient + lamp.zenith * 0.2, 0.4)
    tangent = d[1] / np.sqrt(d[0] ** 2 + d[2] ** 2 + 1e-6)
    azimuth = np.arctan2(d[0], d[2])
    own = {"mountains": rgb(0.3, 0.33, 0.42), "hills": rgb(0.2, 0.29, 0.13), "woods": rgb(0.07, 0.14, 0.08)}
    base = own.get(scene.backdrop, rgb(0.2, 0.21, 0.25)) * (lamp.ambient * 0.8 + lamp.lamps[0][1] * 0.22)
    turn = azimuth * (4095 / (2 * np.pi)) + 2047.5
    cell = turn.astype(np.int32)
    part = turn - cell
    for heights, near in skyline(scene, offset):
        height = heights.take(cell)
        if scene.backdrop != "skyline":
            height = height + (heights.take(np.minimum(cell + 1, 4095)) - height) * part
        cover_here = np.clip((height - tangent) * 260, 0, 1) * (d[1] > -0.02)
        shade = mix(base, distant, min((1 - near) * 0.4 + 0.75 * scene.haze, 0.97))
        if scene.backdrop == "mountains":
            snow = np.clip((tangent - 0.12 - 0.02 * noise2(azimuth * 2, tangent * 4)) * 25, 0, 1)
            shade = mix(
                shade,
                distant * 0.5 + lamp.lamps[0][1] * 0.18 + lamp.ambient * 0.4,
                snow * 0.75 * (near < 0.3),
            )
        if scene.backdrop == "skyline" and scene.lighting in ("moonlight", "neon", "dramatic"):
            pane = ((azimuth * 130) % 1 < 0.5) & ((tangent * 150) % 1 < 0.5)
            lamp_on = (
                (np.sin(np.floor(azimuth * 130) * 91.7 + np.floor(tangent * 150) * 37.3) * 4375.5) % 1
            ) > 0.62
            shade = shade + rgb(0.95, 0.7, 0.35) * (pane & lamp_on & (near > 0.3)) * 0.8
        colour = mix(colour, shade, cover_here)
    return colour


GROUND_COLOURS = {
    "grass": (rgb(0.2, 0.33, 0.09), rgb(0.36, 0.47, 0.16)),
    "sand": (rgb(0.66, 0.5, 0.32), rgb(0.83, 0.69, 0.48)),
    "snow": (rgb(0.78, 0.83, 0.9), rgb(0.95, 0.96, 0.98)),
    "rock": (rgb(0.25, 0.24, 0.235), rgb(0.47, 0.45, 0.43)),
    "forest": (rgb(0.16, 0.12, 0.06), rgb(0.22, 0.31, 0.09)),
    "street": (rgb(0.13, 0.135, 0.145), rgb(0.28, 0.28, 0.29)),
    "studio": (rgb(0.55, 0.54, 0.52), rgb(0.62, 0.61, 0.59)),
}


def ground_albedo(scene: Scene, x: Array, z: Array, t: Array, offset: float) -> tuple[Array, Array]:
    """Colour [3, n] and height [n] (about -1 to 1, for bumps) of dry ground at world (x, z), t away."""
    dark, bright = GROUND_COLOURS[scene.ground]
    broad = noise2(x * 0.021 + offset, z * 0.021)
    fade = 1 / (1 + t * t * 0.012)  # far texture is finer than a pixel
    if scene.ground == "studio":
        return mix(dark, bright, 0.5 + 0.1 * broad), broad * 0.0
    if scene.ground == "grass":
        fine = noise2(x * 0.9, z * 0.5 + offset) * fade
        flowers = np.clip(noise2(x * 0.6 + 0.3, z * 0.6) * fade - 1.9, 0, 1) * 2
        colour = mix(dark, bright, np.clip(0.45 + 0.22 * broad + 0.3 * fine, 0, 1))
        return mix(colour, rgb(0.85, 0.75, 0.5), np.clip(flowers, 0, 0.8)), fine * 0.7
    if scene.ground == "sand":
        wave = np.sin(z * 5.5 + x * 1.3 + 2.2 * broad + 1.4 * noise2(x * 0.06, z * 0.06)) * fade
        fine = noise2(x * 1.1, z * 1.1 + offset) * fade
        return mix(
            dark, bright, np.clip(0.55 + 0.2 * broad + 0.07 * fine + 0.1 * wave, 0, 1)
        ), wave * 0.5 + fine * 0.08
    if scene.ground == "snow":
        fine = noise2(x * 0.45, z * 0.45 + offset) * fade
        return mix(dark, bright, np.clip(0.6 + 0.3 * broad + 0.1 * fine, 0, 1)), broad * 0.5 + fine * 0.12
    if scene.ground == "forest":
        fine = noise2(x * 0.8, z * 0.8 + offset) * fade
        leaves = np.clip(noise2(x * 0.5 + 0.7, z * 0.5) * fade - 0.6, 0, 1)
        colour = mix(dark, bright, np.clip(0.5 + 0.5 * broad + 0.3 * fine, 0, 1))
        return mix(colour, rgb(0.5, 0.25, 0.07), leaves * 0.8), fine * 0.8
    if scene.ground == "street":
        joint = np.minimum(np.abs((x * 0.9) % 1 - 0.5), np.abs((z * 0.9) % 1 - 0.5))
        joint = np.clip(1 - joint * 28, 0, 1) * fade
        fine = noise2(x * 1.1, z * 1.1 + offset) * fade
        return mix(dark, bright, np.clip(0.5 + 0.22 * broad + 0.2 * fine, 0, 1)) * (
            1 - 0.5 * joint
        ), fine * 0.15 - joint
    crack = np.clip(1 - np.abs(noise2(x * 0.07, z * 0.07 + offset)) * 9, 0, 1) * fade  # rock
    fine = noise2(x * 0.6, z * 0.6) * fade
    return mix(dark, bright, np.clip(0.5 + 0.3 * broad + 0.25 * fine, 0, 1)) * (
        1 - 0.55 * crack
    ), fine - crack


def waves(x: Array, z: Array, t: Array, offset: float) -> Array:
    """Height [n] (about -1 to 1, for bumps) of water at world (x, z), t away."""
    wave = noise2(x * 0.05 + 0.4 * offset, z * 0.16) * 0.8 + noise2(x * 0.17, z * 0.5 + offset) * 0.35
    return wave * (1 / (1 + t * t * 0.012))  # far waves are finer than a pixel

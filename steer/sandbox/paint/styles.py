"""From light to picture: focus, weather, medium, and the final grade that meets the scene's settings.

Pictures are float32 planes [3, size, size]: what belongs to every colour is one [size, size] next to them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from steer.sandbox.paint.noise import noise2
from steer.sandbox.scene import Scene

Array = np.ndarray
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def colour(*values: float) -> Array:
    return np.array(values, np.float32).reshape(3, 1, 1)


def luma(picture: Array) -> Array:
    return np.moveaxis(picture, 0, -1) @ _LUMA


def _luma_of_four(planes: Array) -> Array:
    """`luma` of the first three of four planes, as BLAS rounds it for pixels four floats apart.

    Where it is called, every painting that exists was made with this rounding.
    """
    return _pixels(planes)[..., :3] @ _LUMA


def _pixels(planes: Array) -> Array:
    """[c, n, n] as [n, n, c], plane by plane, which NumPy does faster."""
    out = np.empty((*planes.shape[1:], len(planes)), planes.dtype)
    for c, plane in enumerate(planes):
        out[..., c] = plane
    return out


def enlarge(a: Array, size: int) -> Array:
    """Bilinear resize of [n, n] or [c, n, n] to [(c, )size, size], in float32."""
    bands = np.ascontiguousarray(a, np.float32).reshape(-1, *a.shape[-2:])
    out = np.empty((len(bands), size, size), np.float32)
    for small, large in zip(bands, out, strict=True):
        large[:] = np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BILINEAR))
    return out.reshape(*a.shape[:-2], size, size)


def shrink(a: Array, factor: int) -> Array:
    """Mean over factor x factor blocks of [n, n] or [c, n, n]."""
    if a.ndim == 2:
        n = len(a) // factor
        return a.reshape(n, factor, n, factor).mean((1, 3))
    total = a[:, ::factor, ::factor].copy()
    for k in range(1, factor * factor):  # a place in all blocks at a time: NumPy's mean is slow here
        total += a[:, k // factor :: factor, k % factor :: factor]
    total /= factor * factor
    return total


def blur(a: Array, sigma: float) -> Array:
    """Gaussian blur of the last two axes; sigma in pixels. Wide ones are made small and enlarged again."""
    if sigma < 0.3:
        return a
    factor = 8 if sigma >= 12 else 4 if sigma >= 5 else 2 if sigma >= 2 else 1
    small = shrink(a, factor) if factor > 1 else a
    for axis in (-2, -1):
        small = gaussian_filter1d(small, sigma / factor, axis, mode="nearest", truncate=2.5)
    return enlarge(small, a.shape[-1]) if factor > 1 else small


def smooth(edge0: float, edge1: float, x: Array) -> Array:
    t = np.clip((x - edge0) / (edge1 - edge0), 0, 1)
    return t * t * (3 - 2 * t)


def grid(size: int) -> tuple[Array, Array]:
    """u to the right [1, size] and v down [size, 1], -1 to 1."""
    s = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    return s[None, :], s[:, None]


@lru_cache(maxsize=4)
def vignette(size: int) -> Array:
    u, v = grid(size)
    shade = 1 - 0.16 * smooth(0.55, 1.5, np.hypot(u, v))
    shade.flags.writeable = False
    return shade


def focus_blur(picture: Array, depth: Array, focus: float, scene: Scene, size: int) -> Array:
    """Depth of field: the further from the plane of focus, the wider the circle of confusion."""
    away = np.abs(1 / depth - 1 / focus) * focus
    away = np.where(depth > focus, np.clip((depth - focus) / (focus * 0.9), 0, 1), np.clip(away * 1.1, 0, 1))
    away = np.where(np.abs(depth - focus) < 1.0, away * 0.15, away)
    if scene.angle in ("high", "overhead"):  # all is equally far: a tilted plane of focus instead
        away = np.maximum(away, np.clip(np.abs(grid(size)[1]) * 1.5 - 0.55, 0, 1))
    away = away.astype(np.float32)
    behind = smooth(0.02, 0.3, away)
    wide = scene.dof * 24 * size / 512
    # blur only what is out of focus, so that the subject does not bleed
    stack = np.concatenate([picture * behind, behind[None]])
    near, far = blur(stack, wide * 0.35), blur(stack, wide)
    near, far = near[:3] / (near[3] + 1e-3), far[:3] / (far[3] + 1e-3)
    close = away < 0.5  # between the picture and the narrow blur, or between the narrow and the wide one
    first, second = np.where(close, picture, near), np.where(close, near, far)
    out = first + (second - first) * np.where(close, np.minimum(away * 2, 1), away * 2 - 1)
    mask = blur(behind, 0.8 * size / 512)
    return picture + (out - picture) * mask


def weather(picture: Array, scene: Scene, rng: np.random.Generator, size: int) -> Array:
    u, v = grid(size)
    if scene.weather == "rain" and scene.ground != "studio":
        du, dv = rng.uniform(0, 1, 2).tolist()
        streak = noise2((u + v * 0.12) * 1.6 + du, v * 0.035 + dv)
        streak += 0.6 * noise2((u + v * 0.12) * 0.7 + dv, v * 0.02)
        brightness = _pixels(picture).mean()  # NumPy's sum rounds by order
        picture = picture * 0.92 + smooth(1.1, 2.6, streak) * 0.28 * (0.25 + brightness)
    if scene.weather == "snowfall" and scene.ground != "studio":
        flakes = np.zeros((size, size), np.float32)
        for n, radius, glow in ((220, 0.9, 0.6), (70, 1.7, 0.5), (16, 4.2, 0.22)):
            x, y = rng.integers(0, size, n), rng.integers(0, size, n)
            layer = np.zeros((size, size), np.float32)
            layer[y, x] = 1.0
            sigma = max(radius * size / 512, 0.5)
            spots = blur(layer, sigma) * 2 * np.pi * sigma**2 * 1.3
            flakes = np.maximum(flakes, np.minimum(spots, 1) * glow)
        picture = picture + (1.05 - picture) * flakes
    return picture


def kuwahara(picture: Array, radius: int) -> Array:
    """Flatten each pixel to the calmest of its four neighbouring windows: brush-like patches, kept edges."""
    size = picture.shape[-1]
    if radius >= 4:  # patches this wide survive at half the resolution, at a quarter of the cost
        return enlarge(kuwahara(shrink(picture, 2), radius // 2), size)
    width = max(3, radius | 1)
    reach = 2 * (width // 2)
    stack = np.concatenate([picture, luma(picture)[None] ** 2])
    mean = uniform_filter1d(uniform_filter1d(stack, width, -2, mode="nearest"), width, -1, mode="nearest")
    mean[3] -= _luma_of_four(mean) ** 2  # the spread within the window
    side = (reach // 2, reach // 2)
    padded = np.pad(mean, ((0, 0), side, side), mode="edge")
    out = padded[:, :size, :size].copy()
    for dy, dx in ((0, reach), (reach, 0), (reach, reach)):
        window = padded[:, dy : dy + size, dx : dx + size]
        np.copyto(out, window, where=window[3] < out[3])
    return out[:3]


def cells(size: int, pitch: float, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """A jittered grid of sites: each pixel's nearest one [size, size], its distance, and the sites (y, x)."""
    n = int(np.ceil(size / pitch)) + 2
    corner = (np.arange(n, dtype=np.float32) - 0.5) * pitch
    centre = np.stack(np.meshgrid(corner, corner, indexing="ij"), -1).astype(np.float32)
    centre += rng.uniform(-0.42, 0.42, centre.shape).astype(np.float32) * np.float32(pitch)
    at = np.arange(size, dtype=np.float32)
    cell = (at / pitch + 0.5).astype(np.int32)
    label = np.zeros((size, size), np.int32)
    first = np.full((size, size), 1e9, np.float32)
    ys, xs = centre[..., 0], centre[..., 1]
    around = [np.clip(cell + step, 0, n - 1) for step in (-1, 0, 1)]
    for rows in around:
        down = (at[:, None] - ys.take(rows, 0)) ** 2
        for columns in around:
            across = (at - xs.take(columns, 1)) ** 2
            d = down.take(columns, 1) + across.take(rows, 0)
            nearer = d < first
            np.copyto(label, rows[:, None] * n + columns, where=nearer)
            np.copyto(first, d, where=nearer)
    return label, np.sqrt(first), centre.reshape(-1, 2)


def digital(picture: Array, scene: Scene, rng: np.random.Generator, size: int) -> Array:
    """The glossy look of concept art: smooth planes, pushed local contrast, bloom, teal shadows."""
    k, s = scene.strength, size / 512
    plane = kuwahara(picture, round((3 + 4 * k) * s))
    plane = blur(plane, 0.8 * s)
    crisp = plane + (plane - blur(plane, 9 * s)) * (0.35 + 0.5 * k)
    bright = np.clip(crisp - 0.62, 0, None)
    glow = blur(bright, 14 * s) * (0.8 + 1.2 * k)
    y = luma(crisp)
    tint = colour(-0.03, 0.025, 0.05) * (1 - y) + colour(0.045, 0.015, -0.03) * y
    return crisp + glow + tint * (0.5 + k)


def oil(picture: Array, scene: Scene, rng: np.random.Generator, size: int) -> Array:
    """Thick strokes along the forms, with the relief of paint."""
    k, s = scene.strength, size / 512
    base = kuwahara(kuwahara(picture, round((7 + 8 * k) * s)), round((4 + 4 * k) * s))
    y = blur(luma(base), 3 * s)
    gy, gx = np.gradient(y)
    u, v = grid(size)
    du, dv = rng.uniform(0, 1, 2).tolist()
    wander = noise2(u * 0.06 + du, v * 0.06 + dv)
    angle = np.arctan2(gx, -gy) + 1.2 * wander  # along the edges, wandering elsewhere
    c, w = np.cos(angle), np.sin(angle)
    # strokes: noise dragged along the local direction
    relief = np.zeros_like(y)
    for i in range(-3, 4):
        relief += noise2(u * 0.7 + c * (i * 0.0095) + du, v * 0.7 + w * (i * 0.0095) + dv)
    relief = relief / 7
    relief -= blur(relief, 12 * s)  # strokes only: no clouds of light and dark
    hue = colour(1.0, 0.2, -0.9) * relief + colour(-0.3, 0.5, -0.3) * np.roll(relief, int(19 * s), 1)
    painted = base * (1 + 0.1 * (0.5 + k) * hue) * (1 + 0.26 * (0.4 + k) * relief)
    shade = relief - np.roll(np.roll(relief, 2, 0), 2, 1)
    return painted + shade * 0.06 * (0.5 + k)


def watercolor(picture: Array, scene: Scene, rng: np.random.Generator, size: int) -> Array:
    """Washes on paper: soft patches, pooled pigment at their edges, white margins."""
    k, s = scene.strength, size / 512
    u, v = grid(size)
    du, dv = rng.uniform(0, 1, 2).tolist()
    wobble = noise2(u * 0.09 + du, v * 0.09 + dv)
    wash = kuwahara(blur(picture, 1.5 * s), round((9 + 8 * k) * s))
    wash = blur(wash, 1.2 * s)
    y = luma(wash)
    edge = np.clip(np.abs(y - blur(y, 3.5 * s)) * 5, 0, 0.35)
    pigment = 1 + 0.09 * wobble + 0.06 * noise2(u * 0.9 + dv, v * 0.9 + du)
    wash = 1 - (1 - np.clip(wash, 0, 1)) * (pigment * (0.9 - 0.18 * k))
    wash = wash - edge * 0.5
    reach = np.maximum(np.abs(u), np.abs(v)) + 0.045 * wobble + 0.02 * noise2(u * 0.5, v * 0.5 + du)
    paper = colour(0.975, 0.965, 0.935) - 0.012 * noise2(u * 1.3, v * 1.3)
    cover = 1 - smooth(0.84, 0.95, reach)
    return paper + (wash - paper) * cover


def pointillism(picture: Array, scene: Scene, rng: np.random.Generator, size: int) -> Array:
    """Dots of nearly pure colour on a pale canvas, two layers."""
    k, s = scene.strength, size / 512
    canvas = colour(0.93, 0.9, 0.82) * 0.4 + blur(picture, 8 * s) * 0.6
    for pitch, radius in (((6.5 + 3.5 * k) * s, 0.56), ((5 + 2.5 * k) * s, 0.45)):
        label, near, centre = cells(size, pitch, rng)
        at = np.clip(centre.astype(int), 0, size - 1)
        tint = np.ascontiguousarray(picture[:, at[:, 0], at[:, 1]].T)
        grey = (tint @ _LUMA)[:, None]
        spread = rng.normal(0, 0.03 + 0.05 * k, tint.shape).astype(np.float32)
        tint = np.clip(grey + (tint - grey) * (1.15 + 0.4 * k) + spread, 0, 1.1).astype(np.float32)
        cover = smooth(radius * pitch + 0.7, radius * pitch - 0.7, near)
        canvas = canvas + (tint.T.take(label, 1) - canvas) * cover
    return canvas


def ink(picture: Array, scene: Scene, rng: np.random.Generator, size: int) -> Array:
    """Brush and wash: grey tones in a few steps, black contours, rice paper."""
    k, s = scene.strength, size / 512
    u, v = grid(size)
    du, dv = rng.uniform(0, 1, 2).tolist()
    y = luma(np.clip(picture, 0, 1))
    y = (y - y.mean()) / (y.std() + 1e-3) * 0.22 + 0.62
    soft = blur(y, 2.2 * s)
    tone = np.clip(soft + 0.035 * noise2(u * 0.12 + du, v * 0.12 + dv), 0, 1)
    wash = tone * (1 - k * 0.7) + (np.floor(tone * 4.2) / 4.2 + 0.1) * k * 0.7
    wash = blur(wash.astype(np.float32), 1.4 * s)
    line = blur(y, 1.0 * s) - blur(y, 2.6 * s)
    dry = 0.75 + 0.25 * np.clip(noise2(u * 0.5 + dv, v * 0.5) + 0.6, 0, 1)
    stroke = smooth(0.012, 0.05, -line) * dry
    sheet = np.clip(0.3 + 0.78 * wash, 0, 1) * (1 - 0.88 * stroke)
    paper = sheet * colour(0.97, 0.945, 0.885) * (1 + 0.008 * noise2(u * 1.4, v * 1.4))
    return paper + (picture - luma(picture)) * 0.12


def poster(picture: Array, scene: Scene, rng: np.random.Generator, size: int) -> Array:
    """Screen print: a few flat tones per hue, a dark contour, dots in the shadows."""
    k, s = scene.strength, size / 512
    flat = kuwahara(kuwahara(picture, round(11 * s)), round(9 * s))
    flat = np.clip(flat, 0, 1)
    y = luma(flat)
    lo, hi = np.quantile(y[::4, ::4], (0.03, 0.97))
    y = np.clip((y - lo) / (hi - lo + 1e-3), 0, 1)
    levels = 5 - 2 * k
    step = y * levels
    step = np.floor(step) + smooth(0.44, 0.56, step % 1)
    tone = 0.1 + 0.86 * step / levels
    chroma = blur(flat - luma(flat), 2.5 * s)
    chroma = np.round(chroma * (9 - 3 * k)) / (9 - 3 * k)
    chroma = blur(chroma.astype(np.float32), 0.8 * s) * 1.5
    out = tone + chroma
    gy, gx = np.gradient(blur(y, 1.2 * s))
    line = smooth(0.035 / s, 0.075 / s, np.hypot(gx, gy))
    out = out * (1 - line * (0.55 + 0.35 * k))
    u, v = grid(size)
    p, q = (u + v) * 42, (u - v) * 42
    dot = np.sin(p * np.pi) * np.sin(q * np.pi)
    shade = smooth(0.5, 0.1, y) * smooth(0.05, 0.35, dot) * 0.22
    return out * (1 - shade)


def cubism(picture: Array, scene: Scene, rng: np.random.Generator, size: int) -> Array:
    """Cut by straight lines into shards, each seen from a little elsewhere, flatly shaded, its edge drawn."""
    k = scene.strength
    lines = round(7 + 4 * k)
    u, v = grid(size)
    label = np.zeros((size, size), np.int32)
    edge = np.full((size, size), 9.0, np.float32)
    for i in range(lines):
        a = float(rng.uniform(0, np.pi))
        side = u * float(np.cos(a)) + v * float(np.sin(a)) - float(rng.uniform(-0.75, 0.75))
        label += (side > 0).astype(np.int32) << i
        edge = np.minimum(edge, np.abs(side))
    n = 1 << lines
    shift = rng.normal(0, 0.035 + 0.05 * k, (2, n)).astype(np.float32)
    turn = rng.normal(0, 0.08 + 0.14 * k, n).astype(np.float32)[label]
    x, y = u - turn * v + shift[0][label], v + turn * u + shift[1][label]
    plane = kuwahara(picture, round(9 * size / 512))
    at = [np.clip((q * 0.5 + 0.5) * size, 0, size - 1).astype(np.int32) for q in (y, x)]
    facet = plane.reshape(3, -1).take(at[0] * size + at[1], 1)
    tilt = rng.uniform(0, 2 * np.pi, n).astype(np.float32)
    slope = np.cos(tilt)[label] * u + np.sin(tilt)[label] * v
    wave = (slope * 2.1 + rng.random(n, dtype=np.float32)[label]) % 1  # planes that darken towards one edge
    facet = facet * (1 + (0.25 + 0.3 * k) * (wave - 0.5))
    tone = rng.normal(0, 0.03 + 0.035 * k, (n, 3)).astype(np.float32).T.take(label, 1)
    line = smooth(0.009, 0.002, edge) * 0.55
    return (facet + tone) * (1 - line)


def photo(picture: Array, scene: Scene, rng: np.random.Generator, size: int) -> Array:
    """A lens: a hint of bloom and of sharpening; grain comes last, in `finish`."""
    s = size / 512
    bright = np.clip(picture - 0.8, 0, None)
    sharp = picture + (picture - blur(picture, 1.2 * s)) * 0.45
    return sharp + blur(bright, 8 * s) * 0.35


_STYLES = {f.__name__: f for f in (photo, digital, oil, watercolor, pointillism, ink, poster, cubism)}
_CHROMA = 0.25  # mean chroma of a picture whose saturation is 1


def grade(picture: Array, scene: Scene, hold: float) -> Array:
    """Bring brightness, contrast, warmth and saturation to the scene's settings.

    `hold` (0-1) keeps that much of the medium's own.
    """
    picture = np.clip(picture, 1e-4, 1.4)
    y = luma(picture)
    chroma = picture - y
    toned = np.maximum(y, 1e-3)
    target = 0.13 + 0.56 * scene.brightness
    for _ in range(2):  # a gamma that meets the mean, in two steps
        mean = float(np.clip(toned.mean(), 0.02, 0.97))
        gamma = float(np.clip(np.log(target) / np.log(mean), 0.45, 2.4))
        toned = toned ** (1 + (gamma - 1) * (1 - hold))
    gain = float(np.clip((0.07 + 0.22 * scene.contrast) / (float(toned.std()) + 1e-4), 0.45, 2.1))
    mean = float(toned.mean())
    toned = mean + (toned - mean) * (1 + (gain - 1) * 0.85 * (1 - 0.5 * hold))
    low, high = toned < 0.06, toned > 0.9  # a soft toe and shoulder
    toned[low] = 0.06 * np.exp(toned[low] / 0.06 - 1)
    toned[high] = 0.9 + 0.1 * np.tanh((toned[high] - 0.9) / 0.1)
    if scene.palette == "mono":
        return toned + colour(0.035, 0.004, -0.04) * np.float32(scene.warmth)
    chroma *= np.clip(toned / (y + 1e-3), 0.2, 2.5)
    cast = {"warm": (0.27, 0.02, -0.23), "cool": (-0.2, 0.02, 0.22)}.get(scene.palette)
    if cast:  # one family of hues: what differs from it fades, and all of it leans
        chroma = chroma * 0.5 + colour(*cast) * (0.25 + 0.6 * np.clip(toned, 0, 0.8))
    lean = colour(0.1, 0.01, -0.12) * np.float32(scene.warmth)
    has = float((chroma[0] - chroma[2]).mean())
    lean = lean * np.float32(np.clip(1.0 - has / (2 * (lean[0, 0, 0] - lean[2, 0, 0]) + 1e-6), 0.2, 1.6))
    chroma += lean * (0.45 + 0.55 * np.clip(toned, 0, 1))
    if scene.palette == "pastel":
        toned = 0.3 + toned * 0.68
        chroma *= 0.8
    size = np.sqrt(np.einsum("cij,cij->ij", chroma, chroma)) + 1e-4
    if scene.palette == "vivid":  # lift the pale colours most
        lift = (size + 0.16) / (size + 0.05)
        chroma *= lift
        size *= lift
    gain = float(np.clip(_CHROMA * (0.06 + scene.saturation) / float(size.mean()), 0.1, 3.0))
    return toned + chroma * (min(gain, 1.0) if scene.style == "ink" else gain)


def finish(scene: Scene, layers: Array, focus: float, rng: np.random.Generator) -> Array:
    """Linear light and depth [4, size, size] to the finished picture, uint8 [size, size, 3]."""
    size = layers.shape[-1]
    if scene.dof < 0.04:
        light, y = layers[:3], _luma_of_four(layers[:, ::4, ::4])
    else:
        light = focus_blur(layers[:3], layers[3], focus, scene, size)
        y = luma(light)[::4, ::4]
    exposure = 0.4 / (float(np.quantile(y, 0.7)) + 0.08)
    picture = 1 - np.exp(-light * float(np.clip(exposure, 0.5, 3.0)) * 1.6)
    picture = weather(picture, scene, rng, size)
    if scene.style != "photo":  # a medium is applied to a graded picture, and what it changed graded again
        picture = grade(picture, scene, 0.0)
    picture = _STYLES[scene.style](picture, scene, rng, size)
    fine = picture - blur(picture, 2.2 * size / 512)
    picture = picture + fine * (2.2 * scene.detail - 0.8)
    picture = grade(picture, scene, 0.5 if scene.style in ("ink", "watercolor", "poster") else 0.15)
    if scene.style in ("photo", "digital", "oil"):
        picture = picture * vignette(size)
    if scene.style == "photo":
        picture = picture + rng.normal(0, 0.006 + 0.012 * scene.detail, (size, size)).astype(np.float32)
    return _pixels((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))

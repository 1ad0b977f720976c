"""Simulated participants of the sandbox: the truth that predictors are judged against.

A person's expected rating of an image is `3 + bias + scale * (consensus + personal)`. Consensus is what
everyone shares; personal is the person's own weights on the named measurements (saturating and inverted-U
curves, some interactions) and on kinds of content, plus a smooth random function of pixel statistics that no
measurement or caption names. Weights are independent and continuous: there are no types of people. A recorded
rating adds trial noise and is clipped to the slider. This is a simulation, never evidence about real people.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steer.sandbox.scene import GROUNDS, MATERIALS, STYLES, SUBJECTS, WEATHERS, Scene
from steer.sandbox.truth.measure import NAMES, UNNAMED

Array = NDArray[np.floating[Any]]

FACTORS: dict[str, tuple[str, ...]] = {
    "subject": tuple(SUBJECTS),
    "style": tuple(STYLES),
    "material": MATERIALS,
    "ground": GROUNDS,
    "weather": WEATHERS,
}
KINDS = tuple(f"{factor}:{value}" for factor, values in FACTORS.items() for value in values)

# measurement -> how much people differ in the slope of their taste for it (relative)
_IMPORTANCE = {
    "colourfulness": 0.45,
    "saturation": 1.5,
    "brightness": 1.5,
    "warmth": 1.6,
    "contrast": 0.9,
    "horizon": 0.75,
    "size": 0.5,
    "place": 0.35,
    "realism": 1.5,
    "brushwork": 0.5,
    "outline": 0.35,
    "night": 0.5,
    "texture": 0.45,
    "sharpness": 0.3,
}
_BUMP = 0.35  # height of an inverted-U against a slope
_PAIRS = (
    ("brightness", "warmth"),
    ("brightness", "contrast"),
    ("saturation", "realism"),
    ("size", "sharpness"),
    ("horizon", "night"),
    ("warmth", "saturation"),
)
_PAIR_WEIGHT = 0.2
_KIND_WEIGHT = {"subject": 0.55, "style": 1.0, "material": 0.3, "ground": 0.35, "weather": 0.3}
# share of personal variance that is looks, kinds of content, and the unnamed function
_SHARES = (0.73, 0.09, 0.18)
_WAVES = 48  # random Fourier features of the unnamed function
_WAVE_NUMBER = 0.15  # radians per unit of an unnamed statistic: smooth

# what everyone shares: slopes and inverted-U's over measurements, offsets over kinds
_SHARED_SLOPE = {"realism": 0.15, "warmth": 0.1, "night": -0.05, "texture": 0.12}
_SHARED_BUMP = {"saturation": 0.3, "brightness": 0.3, "contrast": 0.25, "size": 0.2}
_SHARED_KINDS = {
    "subject:mountain": 0.5,
    "subject:rocks": 0.3,
    "subject:tree": 0.4,
    "subject:animal": 0.55,
    "subject:boat": 0.3,
    "subject:arch": 0.2,
    "subject:flower": 0.25,
    "subject:cottage": 0.15,
    "subject:fruit": 0.05,
    "subject:figure": -0.1,
    "subject:vase": -0.3,
    "subject:crystal": -0.35,
    "subject:lantern": -0.25,
    "subject:car": -0.2,
    "subject:sculpture": -0.8,
    "subject:mushroom": -0.1,
    "style:photo": 0.15,
    "style:oil": 0.3,
    "style:watercolor": 0.2,
    "style:pointillism": 0.1,
    "style:poster": -0.3,
    "style:cubism": -0.3,
    "weather:rain": -0.1,
    "weather:fog": -0.05,
}

AGES = (19, 60)
AGE_BINS = ((18, 25), (26, 35), (36, 45), (46, 60))
GENDERS = {"male": 0.58, "female": 0.415, "prefer not to say": 0.005}
NATIONALITIES = {
    "United Kingdom": 0.195,
    "South Africa": 0.14,
    "United States": 0.11,
    "Poland": 0.09,
    "Portugal": 0.08,
    "Italy": 0.06,
    "Germany": 0.05,
    "Spain": 0.04,
    "Mexico": 0.04,
    "Greece": 0.03,
    "Kenya": 0.025,
    "Hungary": 0.02,
    "Nigeria": 0.02,
    "France": 0.02,
    "India": 0.015,
    "Canada": 0.015,
    "Netherlands": 0.01,
    "Chile": 0.01,
    "Australia": 0.01,
    "Brazil": 0.005,
    "Czech Republic": 0.005,
    "Japan": 0.005,
    "Vietnam": 0.005,
}
# demographic trait -> mean shift of the slope for a measurement; age runs from -1 (19) to 1 (60)
_AGE_SLOPE = {
    "saturation": -1.0,
    "colourfulness": -0.5,
    "contrast": -0.4,
    "brightness": 0.35,
    "realism": 0.35,
    "night": -0.2,
}
_FEMALE_SLOPE = {"warmth": 0.3, "brightness": 0.25, "sharpness": -0.2, "contrast": -0.2, "size": 0.15}
_NATION_SLOPE = 0.25  # sd over nationalities of the mean slope, each measurement


@dataclass(frozen=True)
class Constants:
    """The calibrated scalars of the world. Rating units are points on the 1-5 slider."""

    mean: tuple[float, ...]  # per measurement, over the data set
    sd: tuple[float, ...]
    level: float = 0.15  # rating of an average image above 3
    consensus: float = 0.45  # rating units: sd over images of what everyone shares
    personal: float = 0.55  # rating units: mean sd over images of a person's own part
    noise: float = 0.65  # rating units: sd of a trial
    demographic: float = 1.15  # strength of the demographic shifts
    ai_look: float = 0.06  # how much the digital style costs, before scaling to `consensus`
    units: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # sd of consensus, looks, kinds, unnamed
    centres: tuple[float, float, float, float] = (
        0.0,
        0.0,
        0.0,
        0.0,
    )  # means over people and images of the same

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Constants:
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**values)


@dataclass(frozen=True)
class Raters:
    """A group of simulated people; U = how many."""

    constants: Constants
    demographics: tuple[dict[str, Any], ...]  # age, age_binned, gender, nationality
    bias: Array  # [U] rating units
    scale: Array  # [U]
    slope: Array  # [U, M]
    knee: Array  # [U, M] where a slope saturates, in sd of the measurement
    bump: Array  # [U, M] height of the inverted-U
    peak: Array  # [U, M] the person's ideal, in sd of the measurement
    pairs: Array  # [U, len(_PAIRS)]
    kinds: Array  # [U, len(KINDS)]
    waves: Array  # [U, _WAVES]

    @classmethod
    def sample(cls, n: int, seed: int, constants: Constants) -> Raters:
        """Draw n people; the same seed gives the same people whatever n is not (n is part of the draw)."""
        rng = np.random.default_rng((seed, n, 0x7A57E))
        demographics = tuple(_draw_demographics(rng) for _ in range(n))
        size = np.array([_IMPORTANCE[name] for name in NAMES])
        m = len(NAMES)
        slope = size * rng.standard_normal((n, m)) + constants.demographic * np.array(
            [_mean_slope(d) for d in demographics]
        )
        kind_size = np.array([_KIND_WEIGHT[kind.split(":")[0]] for kind in KINDS])
        return cls(
            constants=constants,
            demographics=demographics,
            bias=_f32(0.3 * rng.standard_normal(n)),
            scale=_f32(np.exp(0.2 * rng.standard_normal(n) - 0.02)),
            slope=_f32(slope),
            knee=_f32(rng.uniform(0.8, 2.5, (n, m))),
            bump=_f32(_BUMP * size * np.abs(rng.standard_normal((n, m)))),
            peak=_f32(0.8 * rng.standard_normal((n, m))),
            pairs=_f32(_PAIR_WEIGHT * rng.standard_normal((n, len(_PAIRS)))),
            kinds=_f32(kind_size * rng.standard_normal((n, len(KINDS)))),
            waves=_f32(rng.standard_normal((n, _WAVES)) * np.sqrt(2 / _WAVES)),
        )

    def __len__(self) -> int:
        return len(self.bias)

    def expected(self, measurements: Array, unnamed: Array, semantics: Array) -> Array:
        """Expected ratings t, never clipped, [people, images].

        Args:
            measurements: [n, len(NAMES)] raw `Measured.values`.
            unnamed: [n, UNNAMED] `Measured.unnamed`.
            semantics: [n, len(KINDS)] from `semantics_of` or `semantics_of_words`.
        """
        c = self.constants
        shared = c.consensus * (consensus(measurements, semantics, c) - c.centres[0]) / c.units[0]
        parts = self.parts(measurements, unnamed, semantics)
        own = sum(
            np.float32(np.sqrt(share) / unit) * (part - np.float32(centre))
            for share, unit, centre, part in zip(_SHARES, c.units[1:], c.centres[1:], parts, strict=True)
        )
        return _f32(
            3 + c.level + self.bias[:, None] + self.scale[:, None] * (shared[None] + c.personal * own)
        )

    def parts(self, measurements: Array, unnamed: Array, semantics: Array) -> tuple[Array, Array, Array]:
        """Raw personal parts: looks, kinds of content, the unnamed function; each [people, images]."""
        z = standardise(measurements, self.constants)
        looks = np.zeros((len(self), len(z)), np.float32)
        for k in range(z.shape[1]):
            x = z[None, :, k]
            knee, peak = self.knee[:, k, None], self.peak[:, k, None]
            looks += self.slope[:, k, None] * knee * np.tanh(x / knee)
            looks += self.bump[:, k, None] * np.exp(-0.5 * ((x - peak) / 1.1) ** 2)
        for j, (a, b) in enumerate(_PAIRS):
            product = np.tanh(z[:, NAMES.index(a)]) * np.tanh(z[:, NAMES.index(b)])
            looks += self.pairs[:, j, None] * product[None]
        return looks, self.kinds @ semantics.T, self.waves @ _waves(unnamed).T

    def rate(self, t: Array, rng: np.random.Generator) -> Array:
        """Recorded ratings of expected ratings t (any shape): trial noise, clipped to 1-5, to 0.01."""
        return np.round(np.clip(t + self.constants.noise * rng.standard_normal(np.shape(t)), 1, 5), 2)


def standardise(measurements: Array, constants: Constants) -> Array:
    """Raw measurements [n, M] in units of the data set's spread, limited to 3.5 sd."""
    z = (measurements - np.array(constants.mean)) / np.array(constants.sd)
    return _f32(np.clip(z, -3.5, 3.5))


def consensus(measurements: Array, semantics: Array, constants: Constants) -> Array:
    """What everyone shares in judging the images, [n], before it is scaled to rating units."""
    z = standardise(measurements, constants)
    value = np.zeros(len(z))
    for name, weight in _SHARED_SLOPE.items():
        value += weight * 1.5 * np.tanh(z[:, NAMES.index(name)] / 1.5)
    for name, weight in _SHARED_BUMP.items():
        value += weight * np.exp(-0.5 * (z[:, NAMES.index(name)] / 1.2) ** 2)
    offsets = np.array([_SHARED_KINDS.get(kind, 0.0) for kind in KINDS])
    offsets[KINDS.index("style:digital")] = -constants.ai_look
    return _f32(value + semantics @ offsets)


def semantics_of(scene: Scene) -> Array:
    """Content of a painting, [len(KINDS)]: one-hot in each factor, less the factor's average."""
    return _semantics({factor: getattr(scene, factor) for factor in FACTORS})


_WORDS: dict[str, str] = {
    "rock": "subject:rocks",
    "stone": "subject:rocks",
    "boulder": "subject:rocks",
    "oak": "subject:tree",
    "pine": "subject:tree",
    "peak": "subject:mountain",
    "volcano": "subject:mountain",
    "house": "subject:cottage",
    "cabin": "subject:cottage",
    "hut": "subject:cottage",
    "castle": "subject:tower",
    "lighthouse": "subject:tower",
    "town": "subject:city",
    "skyline": "subject:city",
    "bridge": "subject:arch",
    "gate": "subject:arch",
    "ship": "subject:boat",
    "rose": "subject:flower",
    "tulip": "subject:flower",
    "bottle": "subject:vase",
    "apple": "subject:fruit",
    "pear": "subject:fruit",
    "gem": "subject:crystal",
    "lamp": "subject:lantern",
    "woman": "subject:figure",
    "man": "subject:figure",
    "portrait": "subject:figure",
    "person": "subject:figure",
    "cat": "subject:animal",
    "dog": "subject:animal",
    "fox": "subject:animal",
    "deer": "subject:animal",
    "bird": "subject:animal",
    "statue": "subject:sculpture",
    "mossy": "material:moss",
    "moss": "material:moss",
    "wooden": "material:wood",
    "golden": "material:gold",
    "glass": "material:glass",
    "snowy": "material:snow",
    "meadow": "ground:grass",
    "beach": "ground:sand",
    "desert": "ground:sand",
    "sea": "ground:water",
    "lake": "ground:water",
    "forest": "ground:forest",
    "street": "ground:street",
    "studio": "ground:studio",
    "fog": "weather:fog",
    "foggy": "weather:fog",
    "rain": "weather:rain",
    "rainy": "weather:rain",
    "cloudy": "weather:clouds",
    "photo": "style:photo",
    "photograph": "style:photo",
    "photorealistic": "style:photo",
    "digital": "style:digital",
    "watercolour": "style:watercolor",
    "pointillist": "style:pointillism",
    "poster": "style:poster",
    "cubist": "style:cubism",
    "ink": "style:ink",
}


def semantics_of_words(prompt: str) -> Array:
    """Content of any other image, [len(KINDS)], from its prompt's words; what none names stays neutral."""
    known = {value: f"{factor}:{value}" for factor, values in FACTORS.items() for value in values} | _WORDS
    found: dict[str, str] = {}
    for word in re.findall(r"[a-z]+", prompt.lower()):
        kind = known.get(word) or known.get(word.removesuffix("s")) or known.get(word.removesuffix("es"))
        if kind:
            factor, value = kind.split(":")
            found.setdefault(factor, value)
    return _semantics(found)


def semantics_of_all(sources: Sequence[Scene | str]) -> Array:
    """[n, len(KINDS)] of scenes and prompts."""
    return np.stack([semantics_of_words(s) if isinstance(s, str) else semantics_of(s) for s in sources])


def _semantics(values: dict[str, str]) -> Array:
    row: list[float] = []
    for factor, options in FACTORS.items():
        chosen = values.get(factor)
        row += [0.0 if chosen is None else float(option == chosen) - 1 / len(options) for option in options]
    return np.array(row, np.float32)


def _waves(unnamed: Array) -> Array:
    """Fixed random Fourier features [n, _WAVES] of the unnamed statistics: smooth, shared by all people."""
    rng = np.random.default_rng(0x5EA)
    directions = _WAVE_NUMBER * rng.standard_normal((UNNAMED, _WAVES))
    phases = rng.uniform(0, 2 * np.pi, _WAVES)
    limited = 3 * np.tanh(unnamed / 3)
    # less its value at the centre, so that a wave has no constant part
    return _f32(np.cos(limited @ directions + phases) - np.cos(phases))


def age_bin(age: int) -> str:
    return next(f"{low}-{high}" for low, high in AGE_BINS if low <= age <= high)


def _draw_demographics(rng: np.random.Generator) -> dict[str, Any]:
    # participants of online studies: most in their twenties and thirties, a tail to 60
    age = int(np.clip(np.round(19 + 41 * rng.beta(1.15, 2.0)), *AGES))
    gender = str(rng.choice(list(GENDERS), p=np.array(list(GENDERS.values())) / sum(GENDERS.values())))
    shares = np.array(list(NATIONALITIES.values()))
    nationality = str(rng.choice(list(NATIONALITIES), p=shares / shares.sum()))
    return {"age": age, "age_binned": age_bin(age), "gender": gender, "nationality": nationality}


def _mean_slope(demographics: dict[str, Any]) -> Array:
    age = (demographics["age"] - 39.5) / 20.5
    female = {"female": 1.0, "male": -1.0}.get(demographics["gender"], 0.0)
    nation = np.random.default_rng((0xA710, list(NATIONALITIES).index(demographics["nationality"])))
    return np.array(
        [age * _AGE_SLOPE.get(name, 0.0) + female * _FEMALE_SLOPE.get(name, 0.0) for name in NAMES]
    ) + _NATION_SLOPE * nation.standard_normal(len(NAMES))


def _f32(x: Any) -> Array:
    return np.asarray(x, np.float32)

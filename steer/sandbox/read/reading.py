"""What a prompt says about a scene: evidence, and the distribution over scenes that follows from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from steer.sandbox.read import lexicon, synonyms
from steer.sandbox.scene import FIELDS, Scene, draw

MILD_MASS = 0.7  # how often a mood alone decides a setting

Distribution = Mapping[lexicon.Value | float, float]


@dataclass(frozen=True)
class Evidence:
    """What one stretch of the prompt says about one axis."""

    axis: str
    words: str  # of the prompt
    phrase: str  # of the lexicon
    similarity: float  # 1.0: the same words
    values: tuple[tuple[lexicon.Value | float, float], ...]  # (value, probability)
    mild: bool = False  # a mood or a lens: counts only where nothing names the setting itself


@dataclass(frozen=True)
class Explanation:
    value: lexicon.Value | float  # the likeliest value, or the mean level
    words: str
    phrase: str
    similarity: float


@dataclass(frozen=True)
class Reading:
    """A distribution over scenes: what the prompt fixes; the rest is open."""

    prompt: str
    evidence: tuple[Evidence, ...]
    choices: Mapping[str, Distribution] = field(default_factory=dict)  # sums below 1 leave the rest open
    levels: Mapping[str, float] = field(default_factory=dict)

    def scene(self, seed: int) -> Scene:
        """The scene of this prompt and seed. Every setting has its own random numbers, so that a phrase about
        one of them never draws another one again."""
        fixed: dict[str, lexicon.Value | float] = {}
        for axis, distribution in self.choices.items():
            ticket = _generator(seed, axis).random()
            for value, probability in distribution.items():
                ticket -= probability
                if ticket < 0:
                    fixed[axis] = value
                    break
        for axis, mean in self.levels.items():
            low = -1.0 if axis in {"place", "warmth"} else 0.0
            jitter = 0.02 * _generator(seed, axis).standard_normal()
            fixed[axis] = round(float(np.clip(mean + jitter, low, 1.0)), 3)
        return draw(_generator(seed, "seed"), house_style=True, **fixed)

    def explain(self) -> dict[str, Explanation]:
        """axis -> its value and the words behind it, for people; open axes are left out."""
        found: dict[str, Explanation] = {}
        for axis in [*self.choices, *self.levels]:
            best = max(
                (e for e in self.evidence if e.axis == axis),
                key=lambda e: (not e.mild, e.similarity),
                default=None,
            )
            if best is not None:
                values = self.choices.get(axis)
                value = max(values, key=values.__getitem__) if values else round(self.levels[axis], 3)
                found[axis] = Explanation(value, best.words, best.phrase, round(best.similarity, 3))
        return found


def combine(prompt: str, evidence: Sequence[Evidence]) -> Reading:
    """The reading of a prompt, from what its parts say about each axis."""
    choices: dict[str, Distribution] = {}
    levels: dict[str, float] = {}
    for axis in FIELDS:
        found = [e for e in evidence if e.axis == axis]
        plain = [e for e in found if not e.mild]
        masses: defaultdict[lexicon.Value | float, float] = defaultdict(float)
        for e in plain or found:
            for value, probability in e.values:
                masses[value] += (
                    max(2 * e.similarity - 1, 0.01) * probability
                )  # a guess counts less than a quote
        for value, stronger in synonyms.YIELDS.get(axis, {}).items():
            if any(masses.get(other, 0) >= masses.get(value, 0) / 2 for other in stronger if other in masses):
                masses.pop(value, None)
        total = sum(masses.values())
        if axis in lexicon.LEVELS and found:
            levels[axis] = sum(float(value) * mass for value, mass in masses.items()) / total
        elif found:
            mass = 1.0 if plain or axis == "count" else MILD_MASS
            choices[axis] = {value: mass * m / total for value, m in masses.items()}
    return Reading(prompt, tuple(evidence), choices, levels)


def _generator(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, *purpose.encode()])

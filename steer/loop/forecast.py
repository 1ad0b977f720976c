"""A cheap forecast of what a rewrite will score, from its words, before anything is rendered.

A rewrite is the base prompt and look phrases. Its score is taken to be the base's, plus an effect of each
phrase, plus something of the combination; effects of phrases that mean the same are alike. This is a Gaussian
process whose mean is what the person's taste says of the phrases (`steer.taste`) and whose scales are chosen,
at each fit, by the likelihood of what this run has scored (Rasmussen & Williams 2006, chapters 2 and 5). It
takes milliseconds, decides what is rendered, and never who wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from steer.gates.looks import look_phrases
from steer.gates.text import normalize
from steer.parts import Scored

Embed = Callable[[Sequence[str]], np.ndarray]

SHARPNESS = (
    4  # power of the cosine of two phrases: how soon "low angle" stops saying anything of "seen from above"
)
FEW = 8  # scored rewrites from which the scales are fitted; before, they are the first of each below
# In units of the scores' spread: what a phrase does beyond what taste says, and the luck of one render; then
# how far taste is believed, in standard deviations of likeness that a phrase moves a picture.
EFFECT, NOISE, BELIEF = (0.5, 0.25, 1.0), (0.4, 0.2, 0.8), (0.6, 0.0, 0.3, 1.2)
UNLIKE = 0.5  # weight of "nothing is known" beside the phrases that one is like
COMBINATION = 0.5  # effect of the combination, beside that of one phrase


@dataclass(frozen=True)
class Scales:
    """Standard deviations, in rating points, and the belief in taste."""

    effect: float
    noise: float
    belief: float


class Forecast:
    """What one run knows of its phrases. `learn` from what was scored, then ask."""

    def __init__(self, base: str, embed: Embed | None, strengths: Mapping[str, float]) -> None:
        self.base = base
        self._strengths = {normalize(phrase): value for phrase, value in strengths.items()}
        self._embed = embed
        self._vectors: dict[str, np.ndarray] = {}
        self._told: dict[str, float] = dict(self._strengths)
        self._spread = 4 * float(np.sqrt(np.mean(np.square([*strengths.values()])))) if strengths else 1.0
        self._looks: list[tuple[str, ...]] = []
        self._scores = np.zeros(0)
        self.scales = Scales(EFFECT[0], NOISE[0], BELIEF[0])

    def look(self, prompt: str) -> tuple[str, ...]:
        """The phrases that a rewrite adds, as the forecast tells them apart."""
        return tuple(dict.fromkeys(normalize(phrase) for phrase in look_phrases(self.base, prompt)))

    def learn(self, scored: Sequence[Scored]) -> None:
        """Take in all that was scored so far, the base first."""
        self._looks = [self.look(entry.prompt) for entry in scored]
        self._scores = np.array([entry.score for entry in scored])
        fitted = len(scored) >= FEW
        if fitted:
            self._spread = max(float(self._scores.std()), 1e-6)
        grid = [Scales(e * self._spread, n * self._spread, b) for e, n, b in product(EFFECT, NOISE, BELIEF)]
        self.scales = max(grid, key=self._likelihood) if fitted else grid[0]

    def __call__(self, prompts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores [n] and their covariance [n, n], the luck of a render left out."""
        return self._posterior([self.look(prompt) for prompt in prompts])

    def alike(self, prompts: Sequence[str]) -> np.ndarray:
        """[n, n], 0 to 1: how far what one prompt scored would say what the other will."""
        looks = [self.look(prompt) for prompt in prompts]
        shared = self._kernel(looks, looks)
        own = np.sqrt(np.diag(shared))
        return np.divide(shared, np.outer(own, own), out=np.eye(len(looks)), where=np.outer(own, own) > 0)

    @property
    def spread(self) -> float:
        """Standard deviation of the scores, in rating points; before there are any, what taste says of it."""
        return self._spread

    def effects(self, phrases: Sequence[str]) -> np.ndarray:
        """By how much each phrase alone is expected to raise the base's score, [n]."""
        mean, _ = self._posterior([(), *((normalize(phrase),) for phrase in phrases)])
        return np.asarray(mean[1:] - mean[0])

    # --- the Gaussian process

    def _posterior(self, looks: Sequence[tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray]:
        level = self._spread**2  # what all looks share is not known for sure
        known, new = self._kernel(self._looks, self._looks) + level, self._kernel(looks, self._looks) + level
        noise = self.scales.noise**2 * np.eye(len(known))
        missed = self._scores - self._expected(self._looks)
        solved = np.linalg.solve(known + noise, np.column_stack([missed - self._level(missed), new.T]))
        mean = self._expected(looks) + self._level(missed) + new @ solved[:, 0]
        return mean, self._kernel(looks, looks) + level - new @ solved[:, 1:]

    def _level(self, missed: np.ndarray) -> float:
        """What all scores share: the base's own, as the rest of them sees it too."""
        return float(missed.mean()) if len(missed) else 0.0

    def _likelihood(self, scales: Scales) -> float:
        self.scales = scales
        missed = self._scores - self._expected(self._looks)
        missed -= self._level(missed)
        covariance = self._kernel(self._looks, self._looks) + self._spread**2
        covariance += scales.noise**2 * np.eye(len(missed))
        root = np.linalg.cholesky(covariance)
        half = np.linalg.solve(root, missed)
        return float(-0.5 * half @ half - np.log(np.diag(root)).sum())

    def _expected(self, looks: Sequence[tuple[str, ...]]) -> np.ndarray:
        """What taste says, before any render [n]."""
        said = self._said(sorted({phrase for look in looks for phrase in look}))
        return self.scales.belief * np.array([sum(said[phrase] for phrase in look) for look in looks])

    def _said(self, phrases: Sequence[str]) -> dict[str, float]:
        """What taste says of each phrase; where it was not asked, what it says of those alike."""
        asked = list(self._strengths)
        new = [phrase for phrase in phrases if phrase not in self._told]
        if new and asked and self._embed is not None:
            alike = np.maximum(self._known(new) @ self._known(asked).T, 0.0) ** SHARPNESS
            values = alike @ np.array(list(self._strengths.values())) / (alike.sum(1) + UNLIKE)
            self._told |= zip(new, map(float, values), strict=True)
        return {phrase: self._told.get(phrase, 0.0) for phrase in phrases}

    def _kernel(self, rows: Sequence[tuple[str, ...]], columns: Sequence[tuple[str, ...]]) -> np.ndarray:
        phrases = sorted({phrase for look in (*rows, *columns) for phrase in look})
        if not phrases:
            return np.zeros((len(rows), len(columns)))
        vectors = self._known(phrases)
        alike = np.maximum(vectors @ vectors.T, 0.0) ** SHARPNESS
        first, second = (_indicator(looks, phrases) for looks in (rows, columns))
        together = (
            np.maximum(unit_vectors(first @ vectors) @ unit_vectors(second @ vectors).T, 0.0) ** SHARPNESS
        )
        effect = self.scales.effect**2
        shared = first @ alike @ second.T + COMBINATION**2 * together
        return np.asarray(effect * shared)

    def _known(self, phrases: Sequence[str]) -> np.ndarray:
        """Unit vectors [n, d] of phrases; without an encoder each is its own direction."""
        missing = [phrase for phrase in phrases if phrase not in self._vectors]
        if self._embed is None:
            return np.eye(len(phrases))
        if missing:
            self._vectors |= zip(missing, unit_vectors(np.asarray(self._embed(missing), float)), strict=True)
        return np.stack([self._vectors[phrase] for phrase in phrases])


def most_promising(
    mean: np.ndarray, covariance: np.ndarray, n: int, curiosity: float, noise: float
) -> list[int]:
    """Indices of `n` rewrites to render, in the order of choice.

    Each is the one whose forecast plus `curiosity` standard deviations is highest, given that those chosen
    before it will be known: what resembles them has nothing left to tell, so a choice is diverse by itself
    (Desautels et al. 2014, batches of an upper confidence bound).
    """
    covariance = covariance.copy()
    chosen: list[int] = []
    for _ in range(min(n, len(mean))):
        variance = np.maximum(np.diag(covariance), 0.0)
        worth = mean + curiosity * np.sqrt(variance)
        worth[chosen] = -np.inf
        best = int(worth.argmax())
        chosen.append(best)
        covariance -= np.outer(covariance[:, best], covariance[best]) / (variance[best] + noise**2)
    return chosen


def _indicator(looks: Sequence[tuple[str, ...]], phrases: Sequence[str]) -> np.ndarray:
    """[looks, phrases]: 1 where a look has the phrase."""
    column = {phrase: i for i, phrase in enumerate(phrases)}
    found = np.zeros((len(looks), len(phrases)))
    for row, look in enumerate(looks):
        found[row, [column[phrase] for phrase in look]] = 1.0
    return found


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Rows [n, d] brought to length one; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)

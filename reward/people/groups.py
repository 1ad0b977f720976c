"""How far the taste of some people is from that of others, as the predictor sees it (paper, section 5).

Two sets of people always differ a little in the mean, by the luck of who is in which. So the difference is
held against that of random sets of the same sizes, drawn from the same people: a permutation test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.05  # a group differs if fewer random groups than this are as far apart
SMALL = 10  # people; the mean of fewer is mostly their own tastes
ENOUGH = 3  # people; fewer say nothing about the spread within their group


@dataclass(frozen=True)
class Apart:
    """The mean predicted ratings of two sets of people over the same images, compared.

    Levels are set equal first: who rates everything higher does not steer anywhere else for that.
    """

    size: int
    others: int
    images: int
    correlation: float  # of the two means over the images; only the order of images steers
    ci95: tuple[float, float] | None  # bootstrap over the people of both sets; None if one has fewer than 3
    difference: float  # root mean square over the images, rating points
    difference_ci95: tuple[float, float] | None
    chance: float  # median correlation of random sets of the same sizes
    chance_limit: float  # random sets correlate less than this in 5% of cases
    p: float  # share of random sets that correlate as little as these, counting these
    differs: bool


def apart(ratings: np.ndarray, group: Sequence[int], others: Sequence[int], seed: int = 0) -> Apart:
    """Compare the people in rows `group` with those in rows `others`, who are other people.

    ratings [people, images]: predicted, on the 1-5 scale. Raises ValueError where a set is empty, where they
    overlap, or where there are fewer than 3 images.
    """
    n, m = len(group), len(others)
    if not n or not m or set(group) & set(others):
        raise ValueError("two sets of different people are needed")
    if ratings.shape[1] < 3:
        raise ValueError("at least 3 images are needed")
    pool = np.asarray(ratings, np.float64)[[*group, *others]]
    pool = pool - pool.mean(1, keepdims=True)
    first, second = pool[:n].mean(0), pool[n:].mean(0)
    correlation, difference = _agreement(first, second), _distance(first, second)
    rng = np.random.default_rng(seed)

    # [resamples, people]: which of them a random set of n holds; a random order of the pool decides.
    drawn = rng.permuted(np.tile(np.arange(n + m) < n, (RESAMPLES, 1)), axis=1).astype(float)
    random = _agreement(drawn @ pool / n, (1 - drawn) @ pool / m)
    p = float((1 + np.sum(random <= correlation + 1e-12)) / (1 + RESAMPLES))

    ci95 = difference_ci95 = None
    if min(n, m) >= ENOUGH:
        means = [rng.multinomial(k, np.full(k, 1 / k), RESAMPLES) / k for k in (n, m)]
        again = means[0] @ pool[:n], means[1] @ pool[n:]
        # Resampling adds noise to both means, so agreement drops; what it drops by is turned round
        # ("basic" bootstrap), on Fisher's scale, where an interval stays below 1.
        ci95 = tuple(np.tanh(_turned(_fisher(correlation), _fisher(_agreement(*again)))).tolist())
        low, high = _turned(difference**2, _distance(*again) ** 2)
        difference_ci95 = (float(np.sqrt(max(0.0, low))), float(np.sqrt(max(0.0, high))))
    return Apart(
        size=n,
        others=m,
        images=pool.shape[1],
        correlation=float(correlation),
        ci95=ci95,
        difference=float(difference),
        difference_ci95=difference_ci95,
        chance=float(np.median(random)),
        chance_limit=float(np.quantile(random, LEVEL)),
        p=p,
        differs=p < LEVEL,
    )


def _agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson correlation along the last axis; 0 where one side is constant."""
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    scale = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return np.where(scale > 1e-12, (a * b).sum(-1) / np.maximum(scale, 1e-12), 0.0)


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a - b) ** 2).mean(-1))


def _fisher(r: np.ndarray) -> np.ndarray:
    return np.arctanh(np.clip(r, -0.999999, 0.999999))


def _turned(value: np.ndarray | float, resampled: np.ndarray) -> np.ndarray:
    low, high = np.quantile(resampled, (0.025, 0.975))
    return np.array([2 * value - high, 2 * value - low])

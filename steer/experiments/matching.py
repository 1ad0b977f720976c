"""Is everyone's second picture more like their own first one than like anybody else's? A permutation test.

If who a run was made for did not matter, the people of the second runs could be dealt out anew without
changing anything: the null distribution of the mean similarity of pairs is its distribution over such deals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from reward.evaluation.metrics import Interval
from steer.loop.confirm import paired_interval

EXACT = 8  # people; up to so many every deal is counted, 40,320 of them
DRAWN = 20_000  # deals drawn at random for more people


@dataclass(frozen=True)
class Matched:
    """One kind of similarity: own pairs of pictures against those of different people."""

    name: str
    within: float  # mean over people: own first picture with own second one
    between: float  # mean over pairs of different people
    difference: Interval  # within less between, t interval over people
    null_ci95: tuple[float, float]  # of `within` where the people are dealt out at random
    p: float  # share of deals with at least the similarity that was found, one-sided
    deals: int
    exact: bool
    recognised: float  # share of first pictures whose most similar second one is their own; ties share
    chance: float  # the same for people dealt out at random
    null: np.ndarray = field(repr=False)  # [deals] for the plot


def matched(name: str, similarity: np.ndarray, seed: int = 0) -> Matched:
    """similarity [prompts, first runs, second runs], people in the same order on both sides.

    People are dealt out once for all prompts, because one person's runs hang together over prompts.
    Raises ValueError for fewer than 2 people, or where the table is not square or not finite.
    """
    table = np.asarray(similarity, np.float64)
    if table.ndim != 3 or table.shape[1] != table.shape[2] or table.shape[1] < 2 or not len(table):
        raise ValueError("similarities of at least one prompt and two people are needed, [prompts, n, n]")
    if not np.isfinite(table).all():
        raise ValueError("a similarity is not a number")
    n, mean = table.shape[1], table.mean(0)
    own = np.diagonal(mean)
    rows, columns = (mean.sum(1) - own) / (n - 1), (mean.sum(0) - own) / (n - 1)
    each = own - (rows + columns) / 2  # its mean is within less between, whatever the table
    ci = paired_interval(each.tolist()) or (float("nan"), float("nan"))
    null = _null(mean, seed)
    within = float(own.mean())
    # Deals that differ only in the last bits of their sum count as equal.
    p = float(np.mean(null >= within - 1e-12 * max(1.0, abs(within))))
    if n > EXACT:
        p = (p * len(null) + 1) / (len(null) + 1)  # the deal that was found is one of them
    low, high = np.quantile(null, (0.025, 0.975))
    return Matched(
        name=name,
        within=within,
        between=float((mean.sum() - own.sum()) / (n * (n - 1))),
        difference=Interval(float(each.mean()), *ci),
        null_ci95=(float(low), float(high)),
        p=p,
        deals=len(null),
        exact=n <= EXACT,
        recognised=_recognised(table),
        chance=1 / n,
        null=null,
    )


def _null(mean: np.ndarray, seed: int) -> np.ndarray:
    """Mean similarity of pairs for every deal of the people, or for random ones; mean [n, n]."""
    n = len(mean)
    if n <= EXACT:
        deals = np.array(list(permutations(range(n))))
        assert len(deals) == math.factorial(n)
    else:
        deals = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (DRAWN, 1)), axis=1)
    return mean[np.arange(n), deals].mean(1)


def _recognised(table: np.ndarray) -> float:
    """table [prompts, n, n]; one that shares the highest similarity with k others counts 1/(k + 1)."""
    highest = table >= table.max(2, keepdims=True) - 1e-12
    own = np.diagonal(highest, axis1=1, axis2=2)
    return float((own / highest.sum(2)).mean())

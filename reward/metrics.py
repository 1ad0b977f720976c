"""How good predictions are: SROCC, PLCC and pairwise accuracy per user and for the population (section 4).

Where the paper is silent: pairs tied in truth are excluded and tied predictions count half; users with
fewer than 10
rows or constant ratings are left out and counted; a constant prediction has correlation 0; population
truth is the mean
over at least 2 raters of an image; intervals are percentile bootstraps over users.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import bootstrap, rankdata

MIN_ROWS = 10  # of a user, to be evaluated
MIN_RATERS = 2  # of an image, to have a population truth
RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A mean or ratio with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class UserLevel:
    """Metrics within each user's rows; one entry per evaluated user, in the order of `users`."""

    users: np.ndarray  # [m] the evaluated users
    srocc: np.ndarray  # [m]
    plcc: np.ndarray  # [m]
    pairwise: np.ndarray  # [m] share of pairs in the right order
    left_out: int  # users with too few rows or constant ratings

    def summary(self, seed: int = 0) -> dict[str, Interval]:
        """Mean over users of each metric, with intervals."""
        return {name: interval(getattr(self, name), seed) for name in ("srocc", "plcc", "pairwise")}


@dataclass(frozen=True)
class PopulationLevel:
    """Metrics over images, against the mean rating of each."""

    srocc: float
    plcc: float
    pairwise: float
    images: int  # with enough raters


def plcc(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson correlation; 0 where either side is constant."""
    a, b = truth - np.mean(truth), predicted - np.mean(predicted)
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 1e-12 else 0.0


def srocc(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Spearman correlation, ties by average rank; 0 where either side is constant."""
    return plcc(rankdata(truth), rankdata(predicted))


def pairwise_accuracy(truth: np.ndarray, predicted: np.ndarray, margin: float = 0.0) -> float:
    """Share of pairs in the right order; nan if no pair counts.

    Pairs whose truth differs by no more than `margin` are left out, tied predictions count half.
    """
    first, second = np.triu_indices(len(truth), k=1)
    difference = np.asarray(truth, float)[first] - np.asarray(truth, float)[second]
    counted = np.abs(difference) > margin
    if not counted.any():
        return float("nan")
    order = np.sign(np.asarray(predicted, float)[first] - np.asarray(predicted, float)[second])
    return float(np.mean(0.5 + 0.5 * np.sign(difference[counted]) * order[counted]))


def user_level(users: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> UserLevel:
    """Metrics within each user's rows. All arrays [n]: who rated, the rating, the prediction."""
    kept, rows, left_out = [], [], 0
    for user in np.unique(users):
        mine = users == user
        y, p = np.asarray(truth)[mine], np.asarray(predicted)[mine]
        if len(y) < MIN_ROWS or np.ptp(y) == 0:
            left_out += 1
            continue
        kept.append(user)
        rows.append((srocc(y, p), plcc(y, p), pairwise_accuracy(y, p)))
    by_user = np.array(rows, float).reshape(-1, 3)
    return UserLevel(np.array(kept), by_user[:, 0], by_user[:, 1], by_user[:, 2], left_out)


def population_level(images: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> PopulationLevel:
    """Metrics over images.

    All arrays [n] with one row per rating; `predicted` is averaged over an image's rows.
    """
    _, row_image, raters = np.unique(images, return_inverse=True, return_counts=True)
    enough = raters >= MIN_RATERS
    mean_truth = (np.bincount(row_image, truth) / raters)[enough]
    mean_predicted = (np.bincount(row_image, predicted) / raters)[enough]
    return PopulationLevel(
        srocc(mean_truth, mean_predicted),
        plcc(mean_truth, mean_predicted),
        pairwise_accuracy(mean_truth, mean_predicted),
        int(enough.sum()),
    )


def interval(values: np.ndarray, seed: int = 0) -> Interval:
    """Mean over users with its bootstrap interval; values [m], one per user (or a paired difference)."""
    return _bootstrapped(lambda v, axis: np.mean(v, axis=axis), (values,), seed)


def gap_closed(model: np.ndarray, population: np.ndarray, personal: np.ndarray, seed: int = 0) -> Interval:
    """(model - population oracle) / (personal oracle - population oracle) of the means over the same users.

    Each array [m] holds one SROCC per user; users are resampled together.
    """

    def ratio(m: np.ndarray, pop: np.ndarray, own: np.ndarray, axis: int) -> np.ndarray:
        return (m - pop).mean(axis) / (own - pop).mean(axis)

    return _bootstrapped(ratio, (model, population, personal), seed)


def _bootstrapped(statistic: Callable[..., Any], samples: tuple[np.ndarray, ...], seed: int) -> Interval:
    value = float(statistic(*samples, axis=0))
    if len(samples[0]) < 2 or all(np.ptp(sample) == 0 for sample in samples):
        return Interval(value, value, value)  # nothing to resample
    limits = bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        paired=len(samples) > 1,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(value, float(limits.low), float(limits.high))

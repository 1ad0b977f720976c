"""How good predictions are: SROCC, PLCC and pairwise accuracy per user and for the population (section 4).

Where the paper is silent: pairs tied in truth are excluded and tied predictions count half; users with
fewer than 10 rows or constant ratings are left out and counted; a constant prediction has correlation 0;
population truth is the mean over at least 2 raters of an image; intervals are percentile bootstraps over
users.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import bootstrap, kendalltau, rankdata

MIN_ROWS = 10  # of a user, to be evaluated
MIN_RATERS = 2  # of an image, to have a population truth
RESAMPLES = 1000
METRICS = ("srocc", "plcc", "pairwise")


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
        return {name: interval(getattr(self, name), seed) for name in METRICS}


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

    Pairs tied in truth, or whose truth differs by less than `margin` (section 7.2), are left out; tied
    predictions count half.
    """
    truth, predicted = np.asarray(truth, float), np.asarray(predicted, float)
    if margin <= 0:
        return _share_from_tau(truth, predicted)
    first, second = np.triu_indices(len(truth), k=1)
    difference = truth[first] - truth[second]
    counted = np.abs(difference) >= margin - 1e-6  # 3.3 and 3.0 differ by 0.3, whatever their float32 says
    if not counted.any():
        return float("nan")
    order = np.sign(predicted[first] - predicted[second])
    return float(np.mean(0.5 + 0.5 * np.sign(difference[counted]) * order[counted]))


def _share_from_tau(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The same without a margin, from Kendall's tau-b, which needs no list of all pairs."""
    pairs = len(truth) * (len(truth) - 1) / 2
    counted, ordered = pairs - _tied_pairs(truth), pairs - _tied_pairs(predicted)
    if not counted:
        return float("nan")
    if not ordered:
        return 0.5
    tau = float(kendalltau(truth, predicted).statistic)
    return 0.5 + 0.5 * tau * float(np.sqrt(ordered / counted))


def _tied_pairs(values: np.ndarray) -> float:
    count = np.unique(values, return_counts=True)[1].astype(float)
    return float(np.sum(count * (count - 1) / 2))


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


def average_draws(levels: Sequence[UserLevel]) -> UserLevel:
    """Each user's mean over several draws, such as contexts of an unseen user: draws are not new people."""
    users = np.unique(np.concatenate([level.users for level in levels]))
    rows: dict[str, np.ndarray] = {}
    for name in METRICS:
        table = np.full((len(levels), len(users)), np.nan)
        for draw, level in enumerate(levels):
            table[draw, np.searchsorted(users, level.users)] = getattr(level, name)
        rows[name] = np.nanmean(table, axis=0)
    people = max(len(level.users) + level.left_out for level in levels)
    return UserLevel(users, **rows, left_out=people - len(users))


def population_intervals(
    users: np.ndarray, images: np.ndarray, truth: np.ndarray, predicted: np.ndarray, seed: int = 0
) -> dict[str, Interval]:
    """`population_level` with intervals: users are resampled and every image's mean is taken again.

    All arrays [n], one row per rating. An image counts in a resample if two different people of it rated it.
    """
    level = population_level(images, truth, predicted)
    _, row_image = np.unique(images, return_inverse=True)
    people, row_user = np.unique(users, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = np.full((RESAMPLES, len(METRICS)), np.nan)
    for resample in drawn:
        times = np.bincount(rng.integers(0, len(people), len(people)), minlength=len(people))
        weight = times[row_user].astype(float)
        enough = np.bincount(row_image, weight > 0) >= MIN_RATERS
        if enough.sum() < 2:
            continue
        total = np.bincount(row_image, weight)[enough]
        y = np.bincount(row_image, weight * truth)[enough] / total
        p = np.bincount(row_image, weight * predicted)[enough] / total
        resample[:] = srocc(y, p), plcc(y, p), pairwise_accuracy(y, p)
    if len(people) < 2 or np.isnan(drawn).all():
        return {name: Interval(*[float(getattr(level, name))] * 3) for name in METRICS}
    low, high = np.nanquantile(drawn, (0.025, 0.975), axis=0)
    return {
        name: Interval(float(getattr(level, name)), float(low[i]), float(high[i]))
        for i, name in enumerate(METRICS)
    }


def stratified_interval(values: np.ndarray, strata: np.ndarray, seed: int = 0) -> Interval:
    """Mean over strata (data sets) of the mean over users, users resampled within their stratum.

    values and strata [m], one per user. With one stratum it is `interval`.
    """
    parts = [values[strata == name] for name in np.unique(strata)]
    if len(parts) == 1:
        return interval(parts[0], seed)
    rng = np.random.default_rng(seed)
    means = np.mean([rng.choice(part, (RESAMPLES, len(part))).mean(1) for part in parts], axis=0)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(np.mean([part.mean() for part in parts])), float(low), float(high))


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

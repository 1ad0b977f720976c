"""How good predictions are: SROCC, PLCC and pairwise accuracy per user and for the population (section 4).

Where the paper is silent: pairs tied in truth are excluded and tied predictions count half; users with
fewer than 10 rows or constant ratings are left out and counted; a constant prediction has correlation 0;
population truth is the mean over at least 2 raters of an image. Intervals are 95% Student's t over users:
of their mean, or of a jackknife that leaves out one user at a time. A percentile bootstrap holds fewer than
95% where users are few: 92% of 16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, rankdata
from scipy.stats import t as student

MIN_ROWS = 10  # of a user, to be evaluated
MIN_RATERS = 2  # of an image, to have a population truth
METRICS = ("srocc", "plcc", "pairwise")


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval over users."""

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

    def summary(self) -> dict[str, Interval]:
        """Mean over users of each metric, with intervals."""
        return {name: interval(getattr(self, name)) for name in METRICS}


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
    users: np.ndarray, images: np.ndarray, truth: np.ndarray, predicted: np.ndarray
) -> dict[str, Interval]:
    """`population_level` with intervals: a jackknife over users, every image's mean taken again without one.

    All arrays [n], one row per rating.
    """

    def figures(rows: np.ndarray | slice) -> dict[str, float]:
        level = population_level(images[rows], truth[rows], predicted[rows])
        return {name: getattr(level, name) for name in METRICS}

    return jackknife(figures(slice(None)), [figures(users != user) for user in np.unique(users)])


def jackknife(values: Mapping[str, float], without: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    """Intervals of figures that are no means over users; `without` holds them without each user in turn."""
    made = {}
    for name, value in values.items():
        left = np.array([each[name] for each in without])
        left = left[np.isfinite(left)]
        n = len(left)
        spread = float(np.sqrt((n - 1) ** 2 / n * left.var(ddof=1))) if n > 1 else 0.0
        made[name] = _around(float(value), spread, n - 1)
    return made


def stratified_interval(values: np.ndarray, strata: np.ndarray) -> Interval:
    """Mean over strata (data sets) of the mean over users, with the degrees of freedom of Welch.

    values and strata [m], one per user. With one stratum it is `interval`.
    """
    parts = [values[strata == name] for name in np.unique(strata)]
    squares = np.array([part.var(ddof=1) / len(part) if len(part) > 1 else 0.0 for part in parts])
    free = sum(square**2 / (len(part) - 1) for square, part in zip(squares, parts, strict=True) if square)
    mean = float(np.mean([part.mean() for part in parts]))
    degrees = float(squares.sum() ** 2 / free) if free else 0.0
    return _around(mean, float(np.sqrt(squares.sum())) / len(parts), degrees)


def interval(values: np.ndarray) -> Interval:
    """Mean over users with its interval; values [m], one per user (or a paired difference)."""
    return stratified_interval(values, np.zeros(len(values)))


def gap_closed(model: np.ndarray, population: np.ndarray, personal: np.ndarray) -> Interval:
    """(model - population oracle) / (personal oracle - population oracle) of the means over the same users.

    Each array [m] holds one SROCC per user.
    """

    def ratio(rows: np.ndarray | slice) -> dict[str, float]:
        gained, open_ = model[rows] - population[rows], personal[rows] - population[rows]
        return {"gap": float(gained.mean() / open_.mean())}

    people = np.arange(len(model))
    return jackknife(ratio(slice(None)), [ratio(people != one) for one in people] if len(people) > 1 else [])[
        "gap"
    ]


def paired_p(differences: np.ndarray) -> float:
    """Chance of a mean at least as far from 0 if there were no difference (two-sided t test); 1 if nobody has
    any, or for fewer than 2 users."""
    spread = float(differences.std(ddof=1)) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    if not spread:
        return 1.0
    return float(2 * student.sf(abs(differences.mean()) / spread, len(differences) - 1))


def _around(value: float, spread: float, degrees: float) -> Interval:
    """A t interval; where there is nothing to tell a spread by, the value itself."""
    if not spread or degrees <= 0:
        return Interval(value, value, value)
    half = float(student.ppf(0.975, degrees)) * spread
    return Interval(value, value - half, value + half)

"""How well anyone could predict these ratings, as far as the ratings themselves can tell.

A person's own ceiling needs the same image rated twice by the same person, which none of the data sets has;
what they do have is several raters for an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reward.data import Dataset
from reward.evaluation.metrics import Interval, user_level


@dataclass(frozen=True)
class Ceilings:
    """What the raters of the same images say about each other."""

    consensus: dict[str, Interval]  # user-level metrics of the mean of an image's other raters
    others: float  # how many others an image has on average; more would predict better
    one_rating: float  # ICC(1): share of a rating's variance that the image explains
    mean_rating: float  # ICC(k): reliability of an image's mean rating in this split
    average_plcc: float  # its square root: about what a perfect prediction of the true mean gets


def ceilings(dataset: Dataset, split: str) -> Ceilings:
    """Ceilings of a split; the other raters are those of the same images in all splits of its stage."""
    rows = dataset.rows(split)
    pool = dataset.rows(*(f"{split.partition('_')[0]}_{who}" for who in ("seen", "unseen")))
    total = np.bincount(dataset.images[pool], dataset.scores[pool], len(dataset.image_ids))
    count = np.bincount(dataset.images[pool], minlength=len(dataset.image_ids))
    others = count[dataset.images[rows]] - 1
    rows, others = rows[others > 0], others[others > 0]
    # rounded, so that equal means are ties although one rating was taken away again
    predicted = np.round((total[dataset.images[rows]] - dataset.scores[rows].astype(float)) / others, 6)
    consensus = user_level(dataset.users[rows], dataset.scores[rows], predicted).summary()
    one, mean = reliability(dataset.images[dataset.rows(split)], dataset.scores[dataset.rows(split)])
    return Ceilings(
        consensus, float(others.mean()) if len(others) else 0.0, one, mean, float(np.sqrt(max(mean, 0.0)))
    )


def reliability(images: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """ICC(1) and ICC(k) of a one-way random-effects model; images [n], scores [n]; nan where undefined.

    k is the mean number of ratings of an image, weighted for unequal numbers as analysis of variance does.
    Images with one rating tell nothing about agreement and are left out.
    """
    _, place, count = np.unique(images, return_inverse=True, return_counts=True)
    kept = count[place] > 1
    _, place, count = np.unique(images[kept], return_inverse=True, return_counts=True)
    scores, groups, n = scores[kept].astype(float), len(count), int(kept.sum())
    if groups < 2:
        return float("nan"), float("nan")
    means = np.bincount(place, scores) / count
    between = np.sum(count * (means - scores.mean()) ** 2) / (groups - 1)
    within = np.sum((scores - means[place]) ** 2) / (n - groups)
    k = (n - np.sum(count**2) / n) / (groups - 1)
    one = (between - within) / (between + (k - 1) * within) if between + within > 0 else float("nan")
    return float(one), float(k * one / (1 + (k - 1) * one))

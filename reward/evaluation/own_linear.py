"""A linear model of each person's own: ridge regression of their ratings on the frozen features.

It knows one person and nobody else, so what a predictor has above it comes from other people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reward.data import Dataset
from reward.encoders.features import Features

PENALTIES = tuple(10.0**power for power in range(-3, 4))  # of slopes; each person's by leaving out one rating


def ridge(features: np.ndarray, ratings: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Ratings [n] of other pictures from rated ones: features [k, dim], ratings [k], others [n, dim].

    The penalty is the one of PENALTIES whose errors on each rating, learnt from the rest, are least.
    """
    mean, level = features.mean(0), float(ratings.mean())
    centred, missed = features - mean, ratings - level
    values, vectors = np.linalg.eigh(centred @ centred.T)
    values, along = np.maximum(values, 0.0), vectors.T @ missed
    best, weights = np.inf, np.zeros(len(ratings))
    for penalty in PENALTIES:
        left = vectors @ (penalty / (values + penalty) * along)
        used = 1 / len(ratings) + (vectors**2) @ (values / (values + penalty))
        error = float(np.mean((left / np.maximum(1 - used, 1e-6)) ** 2))
        if error < best:
            best, weights = error, vectors @ (along / (values + penalty))
    return np.asarray(level + (others - mean) @ (centred.T @ weights))


def content(features: Features, trained: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Image, text and metadata of pictures [images, dim], each of unit length over the trained ones."""
    blocks = []
    for block in (features.image, features.text, features.metadata):
        own = block[trained]
        mean = own.mean(0)
        own -= mean
        scale = np.sqrt(np.mean(np.einsum("nd,nd->n", own, own)))
        if scale > 1e-9:
            blocks.append((block[images] - mean) / scale)
    return np.concatenate(blocks, axis=1).astype(np.float64)


def of_people(
    dataset: Dataset, features: Features, people: Sequence[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Ratings of all rows to be judged, one person after the other.

    `people`: for each, the rows to learn from and the rows to judge.
    """
    if not people:
        return np.zeros(0, np.float32)
    asked = np.unique(np.concatenate([dataset.images[rows] for both in people for rows in both]))
    described = content(features, np.unique(dataset.images[dataset.rows("train")]), asked)

    def of(rows: np.ndarray) -> np.ndarray:
        return np.asarray(described[np.searchsorted(asked, dataset.images[rows])])

    scores = [
        ridge(of(rated), dataset.scores[rated].astype(np.float64), of(judged)) for rated, judged in people
    ]
    return np.concatenate(scores).astype(np.float32)

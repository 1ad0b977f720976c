"""A new person from a few ratings, in three ways.

    mix    a mix of the known people's predicted ratings, fitted to the new person's: the default
    knn    a mix of the nearest known people's embeddings, equation 1 of the paper (`people.interpolate_user`)
    ridge  the population's rating, and a ridge regression of what it misses on the frozen image embedding

With few ratings `mix` and `ridge` fall back by themselves: to the known people's average, in which those of
like demographics weigh more, and to the population's rating. That is what they give for no ratings at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from reward.errors import BadContext

Method = Literal["mix", "knn", "ridge"]
METHODS: tuple[Method, ...] = get_args(Method)
RIDGE_PENALTY = 1.0  # chosen on simulated people, as the next, see benchmarks/people.py
START_TEMPERATURE = 0.4  # of the cosines between demographic sentences


@dataclass(frozen=True)
class TastePrior:
    """How far ratings of someone new lie from a mix of the known people's; variances in squared rating units.

    `reward.training.calibrate.estimate` finds it on people outside the user table. These are the sandbox's.
    """

    noise: float = 0.3  # of one rating: moods, slips, and taste that no mix explains
    bias: float = 0.15  # of how generous a person is in general


DEFAULT_PRIOR = TastePrior()


def mix_weights(
    known: np.ndarray,
    ratings: np.ndarray,
    prior: TastePrior = DEFAULT_PRIOR,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Weights of the known people for someone new, which sum to 1, and an offset: [people + 1].

    known [people, k]: what each known person would give the k images that the new person gave `ratings` [k].
    `start` [people] are the weights before any rating (`mix_start`), equal ones if None. A new person's
    expected ratings are taken to be spread around the mix that `start` gives as the known people's are around
    their average:

        y_i = t(image_i) + b + noise_i,    t ~ GP(start . known, covariance of known),    b ~ N(0, bias)

    The posterior mean of t is a mix of the known people's ratings, of any image, in closed form; so the new
    person is scored through people whom the network was trained with, never through an embedding that it has
    not seen. Weights can be negative: the opposite of someone's taste is a taste too.
    """
    people = len(known)
    start = np.full(people, 1 / people) if start is None else start
    tastes = known - known.mean(0)
    covariance = tastes.T @ tastes / people + prior.bias + prior.noise * np.eye(len(ratings))
    explained = np.linalg.solve(covariance, ratings - start @ known)
    weights = tastes @ explained / people
    return np.append(start + weights - weights.mean(), prior.bias * explained.sum())


def mix_start(
    known: np.ndarray, described: np.ndarray | None, temperature: float = START_TEMPERATURE
) -> np.ndarray:
    """Weights of the known people for someone of whom nothing but the demographics is known, [people].

    known [people, profile_dim] are the known people's demographic sentences and described [profile_dim] the
    new person's, embedded; zeros or None where nothing is known. Nearer sentences weigh more.
    """
    told = known.any(1)
    if described is None or not described.any() or not told.any():
        return np.full(len(known), 1 / len(known))
    mean = known[told].mean(0)
    others, own = known - mean, described - mean
    lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(own)
    cosines = np.where(told & (lengths > 0), others @ own / np.maximum(lengths, 1e-12), 0.0)
    weights = np.exp((cosines - cosines.max()) / temperature)
    return np.asarray(weights / weights.sum())


def ridge_residual(
    features: np.ndarray,
    missed: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    penalty: float = RIDGE_PENALTY,
) -> np.ndarray:
    """What to add to the population's rating: slopes along the features, and an offset, [dim + 1].

    features [k, dim]; missed [k] is rating less population's rating; mean and scale [dim] standardise the
    features over the training images. They are then brought to unit length on average, so that a penalty
    means the same for every encoder.
    """
    k, dim = features.shape
    standard = (features - mean) * scale / np.sqrt(dim)
    weights = np.linalg.solve(standard @ standard.T + 1 + penalty * np.eye(k), missed)
    slopes = standard.T @ weights * scale / np.sqrt(dim)
    return np.append(slopes, weights.sum() - slopes @ mean)


def check_method(method: str) -> None:
    """Raises BadContext for a name that is no method."""
    if method not in METHODS:
        raise BadContext(f"there is no method {method!r} for new people: choose {', '.join(METHODS)}")

"""A new person from a few ratings, in three ways.

    mix    a mix of the known people's predicted ratings, fitted to the new person's: the default. It holds
           for people like them, and gives way where the ratings fit people of another kind better
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
OTHER_KIND = 0.05  # share of people whose tastes are spread otherwise than the known people's
LIKE_THE_KNOWN, AVERAGE = 0.5, 0.3  # of such a person: shares of the known people's spread, of their average
FLATTENED = ((0.7, 0.5), (0.3, 1.0))  # powers of the spread's standard deviations, and the share of each


@dataclass(frozen=True, eq=False)
class OtherKinds:
    """How tastes of another kind are spread: along everything in which known people differ, more evenly.

    Such a taste is neither near the known people's average nor along the few directions in which they differ
    most. It still is a mix of their predicted ratings, since together these span what the predictor sees.
    """

    mixes: np.ndarray  # [people, directions] weights of the known people's ratings; a taste is their sum
    levels: np.ndarray  # [directions] what to add to each of these mixes
    mean: float  # rating of a picture of which nothing is known

    @classmethod
    def of(cls, sample: np.ndarray) -> OtherKinds:
        """sample [people, pictures]: what the known people would give pictures, 2 or more."""
        people, count = sample.shape
        average = sample.mean(0)
        vectors, deviations, _ = np.linalg.svd(
            (sample - average) / np.sqrt(people * count), full_matrices=False
        )
        variance = (deviations**2).sum()
        told = deviations > deviations[0] * 1e-3
        scales = np.full(len(deviations), LIKE_THE_KNOWN)
        for power, share in FLATTENED:
            flat = np.where(told, np.maximum(deviations, 1e-12) ** (2 * power), 0.0)
            part = flat / np.maximum(deviations, 1e-12) ** 2
            scales += share * part * variance / max(flat.sum(), 1e-12)
        centred = vectors - vectors.mean(0)  # of differences from the average
        along = centred * np.sqrt(scales / people)
        loud = np.sqrt(AVERAGE * variance) / max(float(average.std()), 1e-6)
        mixes = np.column_stack([np.full(people, loud / people), along])
        mean = float(average.mean())
        return cls(mixes, np.append(-loud * mean, np.zeros(len(deviations))), mean)


def others_of(sample: np.ndarray | None) -> OtherKinds | None:
    """People of other kinds than the known ones; nobody where there is no sample to tell by."""
    return None if sample is None or sample.shape[1] < 2 else OtherKinds.of(sample)


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
    return _like_known(known, ratings, prior, start)[0]


def own_weights(
    known: np.ndarray,
    ratings: np.ndarray,
    prior: TastePrior = DEFAULT_PRIOR,
    start: np.ndarray | None = None,
    others: OtherKinds | None = None,
) -> tuple[np.ndarray, float]:
    """Weights as of `mix_weights`, for someone who may be of another kind, and the probability of that.

    The mean of two posteriors, each by the evidence of the ratings for it: of people like the known ones, who
    are most to begin with, and of `others`. The weights need not sum to 1. Without `others`, or ratings, it
    is `mix_weights`.
    """
    like, evidence = _like_known(known, ratings, prior, start)
    if others is None or not len(ratings):
        return like, 0.0
    tastes = others.mixes.T @ known + others.levels[:, None]
    explained, other_evidence = _explained(tastes.T @ tastes, ratings - others.mean, prior)
    found = tastes @ explained
    offset = others.mean + others.levels @ found + prior.bias * explained.sum()
    odds = np.log(OTHER_KIND / (1 - OTHER_KIND)) + other_evidence - evidence
    share = float(1 / (1 + np.exp(-np.clip(odds, -50, 50))))
    return (1 - share) * like + share * np.append(others.mixes @ found, offset), share


def _like_known(
    known: np.ndarray, ratings: np.ndarray, prior: TastePrior, start: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """Weights and offset of `mix_weights`, and the logarithm of the ratings' likelihood."""
    people = len(known)
    start = np.full(people, 1 / people) if start is None else start
    tastes = known - known.mean(0)
    explained, evidence = _explained(tastes.T @ tastes / people, ratings - start @ known, prior)
    weights = tastes @ explained / people
    return np.append(start + weights - weights.mean(), prior.bias * explained.sum()), evidence


def _explained(covariance: np.ndarray, missed: np.ndarray, prior: TastePrior) -> tuple[np.ndarray, float]:
    """What the prior mean missed [k], over its covariance with noise and bias; and its log likelihood."""
    whole = covariance + prior.bias + prior.noise * np.eye(len(missed))
    explained = np.linalg.solve(whole, missed)
    return explained, float(-0.5 * (missed @ explained + np.linalg.slogdet(2 * np.pi * whole)[1]))


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

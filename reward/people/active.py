"""Which picture, once rated, teaches most about someone new: active choice for `newcomer.mix_weights`.

That prior is linear and Gaussian: expected ratings are spread around a mix as the known people's are around
their average. So what a rating of one picture will tell about all others is known before it is given:

    after ratings of S, the picture c lowers the variance of the target pictures T by
    sum over t in T of cov(t, c | S)^2 / (var(c | S) + noise)

Targets are centred first: how generous a person is ranks nothing. The choice depends on which pictures were
rated, not on how.
"""

from __future__ import annotations

import numpy as np

from reward.people.newcomer import DEFAULT_PRIOR, TastePrior


def most_telling(
    candidates: np.ndarray,
    rated: np.ndarray,
    targets: np.ndarray,
    count: int = 1,
    prior: TastePrior = DEFAULT_PRIOR,
) -> list[int]:
    """The pictures to rate next, the most telling first: up to `count` rows of the candidates, greedily.

    candidates [people, n], rated [people, k] and targets [people, m] are what each known person would give
    the pictures that can be shown, that were rated, and on which the predictions shall become good.
    """
    chosen: list[int] = []
    if not candidates.shape[1]:
        return chosen
    shared, variance = _posterior(candidates, rated, targets, prior)
    for _ in range(min(count, candidates.shape[1])):
        gain = (shared**2).sum(0) / (variance + prior.noise)
        gain[chosen] = -np.inf
        best = int(gain.argmax())
        chosen.append(best)
        if len(chosen) < count:  # condition on it, as if it were rated
            now = np.concatenate([rated, candidates[:, chosen]], 1)
            shared, variance = _posterior(candidates, now, targets, prior)
    return chosen


def known_share(rated: np.ndarray, targets: np.ndarray, prior: TastePrior = DEFAULT_PRIOR) -> float:
    """Share of a person's own taste that ratings of these pictures are expected to tell, 0 to 1.

    By the same prior, over the targets; arguments as in `most_telling`.
    """
    own = _centred(targets)
    before = float((own**2).sum() / len(own))
    if not rated.shape[1] or before <= 0:
        return 0.0
    given = _tastes(rated)
    cross = own.T @ given / len(own)  # [m, k]
    explained = float((cross * np.linalg.solve(_gram(given, prior), cross.T).T).sum())
    return explained / before


def _posterior(
    candidates: np.ndarray, rated: np.ndarray, targets: np.ndarray, prior: TastePrior
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance [m, n] of targets and candidates, and variance [n] of the candidates, given the rated."""
    people = len(candidates)
    own, shown = _centred(targets), _tastes(candidates)
    shared = own.T @ shown / people
    variance = (shown**2).sum(0) / people + prior.bias
    if rated.shape[1]:
        given = _tastes(rated)
        told = given.T @ shown / people + prior.bias  # [k, n]
        weights = np.linalg.solve(_gram(given, prior), told)
        shared = shared - (own.T @ given / people) @ weights
        variance = variance - (told * weights).sum(0)
    return shared, np.maximum(variance, 0.0)


def _gram(given: np.ndarray, prior: TastePrior) -> np.ndarray:
    """Covariance [k, k] of the ratings that were given, noise included."""
    return np.asarray(given.T @ given / len(given) + prior.bias + prior.noise * np.eye(given.shape[1]))


def _tastes(known: np.ndarray) -> np.ndarray:
    """How far each known person is from their average, of every picture."""
    return np.asarray(known - known.mean(0))


def _centred(targets: np.ndarray) -> np.ndarray:
    tastes = _tastes(targets)
    return np.asarray(tastes - tastes.mean(1, keepdims=True))

"""Active choice against the definitions: what a picture teaches, worked out the long way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward.people.active import known_share, most_telling
from reward.people.newcomer import TastePrior, mix_weights
from reward.predictor.domain import in_domain

PRIOR = TastePrior(noise=0.3, bias=0.15)


def crowd(seed: int = 0, people: int = 30, pictures: int = 40) -> np.ndarray:
    """Ratings [people, pictures] of people whose tastes have 4 directions."""
    rng = np.random.default_rng(seed)
    return (
        3
        + rng.normal(size=(people, 4)) @ rng.normal(size=(4, pictures)) * 0.4
        + rng.normal(size=(people, 1)) * 0.2
    )


def remaining(known: np.ndarray, rated: list[int], targets: np.ndarray) -> float:
    """Posterior variance of the centred targets after some ratings, by the joint covariance."""
    tastes, own = known - known.mean(0), targets - targets.mean(0)
    own = own - own.mean(1, keepdims=True)
    people = len(known)
    given_ = tastes[:, rated].T @ tastes[:, rated] / people + PRIOR.bias + PRIOR.noise * np.eye(len(rated))
    cross = own.T @ tastes[:, rated] / people
    return float(np.trace(own.T @ own / people - cross @ np.linalg.inv(given_) @ cross.T))


@pytest.mark.parametrize("rated", [[], [3], [3, 8, 21]])
def test_the_picture_chosen_leaves_the_least_uncertainty(rated):
    known, targets = crowd(), crowd(pictures=60)[:, 40:]
    left = [i for i in range(40) if i not in rated]
    chosen = left[most_telling(known[:, left], known[:, rated], targets, 1, PRIOR)[0]]
    after = [remaining(known, [*rated, i], targets) for i in left]
    assert chosen == left[int(np.argmin(after))]


def test_several_are_chosen_as_if_each_were_rated_before_the_next():
    known, targets = crowd(1), crowd(1, pictures=60)[:, 40:]
    batch = most_telling(known, known[:, :0], targets, 5, PRIOR)
    one_by_one: list[int] = []
    for _ in range(5):
        left = [i for i in range(40) if i not in one_by_one]
        one_by_one.append(left[most_telling(known[:, left], known[:, one_by_one], targets, 1, PRIOR)[0]])
    assert batch == one_by_one


@given(st.integers(0, 1000), st.integers(0, 8), st.integers(1, 50))
def test_no_picture_is_chosen_twice(seed, rated, count):
    known = crowd(seed, pictures=20)
    chosen = most_telling(known[:, rated:], known[:, :rated], known, count, PRIOR)
    assert len(chosen) == len(set(chosen)) == min(count, 20 - rated)


def test_nothing_can_be_chosen_from_nothing():
    assert most_telling(np.zeros((5, 0)), np.zeros((5, 0)), crowd(people=5), 3) == []


def test_the_known_share_is_what_the_variance_has_lost():
    known, targets = crowd(2), crowd(2, pictures=60)[:, 40:]
    rated = [1, 5, 9]
    share = known_share(known[:, rated], targets, PRIOR)
    assert share == pytest.approx(1 - remaining(known, rated, targets) / remaining(known, [], targets))
    assert known_share(known[:, :0], targets, PRIOR) == 0


@given(st.integers(0, 500))
def test_every_rating_tells_something_and_never_all(seed):
    known = crowd(seed, pictures=12)
    shares = [known_share(known[:, :k], known, PRIOR) for k in range(13)]
    assert shares[0] == 0 and shares[-1] < 1 and all(np.diff(shares) > -1e-9)


def test_ratings_of_pictures_chosen_actively_predict_better_than_of_random_ones():
    rng = np.random.default_rng(0)
    people, pictures = crowd(3, 400, 200)[:300], crowd(3, 400, 200)[300:]
    known, others = people, pictures  # 300 known people, 100 new ones of the same kind
    pool, targets = np.arange(100), np.arange(100, 200)
    chosen = most_telling(known[:, pool], known[:, :0], known[:, targets], 5, PRIOR)
    at_random = [rng.permutation(pool)[:5] for _ in others]
    errors = {"active": 0.0, "random": 0.0}
    for new, drawn in zip(others, at_random, strict=True):
        for name, rated in (("active", chosen), ("random", drawn)):
            given_ = new[rated] + rng.normal(0, PRIOR.noise**0.5, 5)
            weights = mix_weights(known[:, rated], given_, PRIOR)
            errors[name] += float(np.var(weights[:-1] @ known[:, targets] - new[targets]))
    assert errors["active"] < 0.9 * errors["random"]


def test_a_picture_like_those_of_training_is_in_the_domain_and_a_strange_one_is_not():
    rng = np.random.default_rng(0)
    centre = rng.normal(size=16)
    near = centre + 0.3 * rng.normal(size=(200, 16))
    unit = near / np.linalg.norm(near, axis=1, keepdims=True)
    strange = -centre[None] / np.linalg.norm(centre)
    inside = in_domain(unit[150:], unit[:150])
    assert inside.mean() > 0.9 and not in_domain(strange, unit[:150]).any()

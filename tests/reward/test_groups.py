"""How far groups differ: against what chance does to random groups, whatever people's levels are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward.people.groups import apart


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr("reward.people.groups.RESAMPLES", 400)


def tastes(people, images, seed=0, shift=0.0, group=()):
    """Ratings with a shared part, own tastes, own levels; the group leans a common way by `shift`."""
    rng = np.random.default_rng(seed)
    shared, lean = rng.normal(0, 0.6, images), rng.normal(0, 1, images)
    ratings = shared + rng.normal(0, 0.5, (people, images)) + rng.normal(0, 0.5, (people, 1)) + 3
    ratings[list(group)] += shift * lean
    return ratings


def test_a_group_with_a_taste_of_its_own_is_said_to_differ():
    group = range(20)
    found = apart(tastes(100, 40, shift=0.5, group=group), group, range(20, 100))
    assert found.differs and found.p < 0.01
    assert found.correlation < found.chance_limit < found.chance
    assert found.ci95[0] <= found.correlation <= found.ci95[1]


def test_of_random_groups_about_one_in_twenty_is_said_to_differ():
    ratings = tastes(60, 30, seed=1)
    rng = np.random.default_rng(2)
    said = 0
    for _ in range(60):
        order = rng.permutation(60)
        said += apart(ratings, order[:12].tolist(), order[12:].tolist(), seed=int(order[0])).differs
    assert said <= 9  # 3 expected; more than 9 have a chance of one in a thousand


def test_the_interval_holds_the_correlation_of_the_whole_groups_that_the_people_were_drawn_from():
    rng = np.random.default_rng(3)
    shared, lean = rng.normal(0, 0.6, 40), rng.normal(0, 0.4, 40)
    truth = float(np.corrcoef(shared, shared + lean)[0, 1])
    held = 0
    for _ in range(40):
        ratings = shared + rng.normal(0, 0.5, (60, 40))
        ratings[:30] += lean
        low, high = apart(ratings, range(30), range(30, 60)).ci95
        held += low <= truth <= high
    assert held >= 33  # of 40 at a nominal 95%


def test_the_chance_of_all_splits_is_found_by_drawing_them():
    """Against every split of 8 people into 3 and 5, counted."""
    from itertools import combinations

    ratings = tastes(8, 12, seed=4)
    centred = ratings - ratings.mean(1, keepdims=True)

    def agreement(first):
        rest = [i for i in range(8) if i not in first]
        return np.corrcoef(centred[list(first)].mean(0), centred[rest].mean(0))[0, 1]

    every = np.array([agreement(first) for first in combinations(range(8), 3)])
    found = apart(ratings, [0, 1, 2], [3, 4, 5, 6, 7])
    assert found.correlation == pytest.approx(agreement((0, 1, 2)))
    assert found.p == pytest.approx(np.mean(every <= found.correlation + 1e-12), abs=0.07)
    assert found.chance == pytest.approx(np.median(every), abs=0.05)


@given(st.integers(0, 50), st.integers(1, 6), st.integers(1, 6))
def test_levels_and_the_order_of_images_and_people_change_nothing(seed, n, m):
    ratings = tastes(n + m, 10, seed=seed)
    rng = np.random.default_rng(seed)
    levels = ratings + rng.normal(0, 2, (n + m, 1))
    first, second = list(range(n)), list(range(n, n + m))
    one, other = apart(ratings, first, second), apart(levels, first, second)
    assert other.correlation == pytest.approx(one.correlation)
    assert other.difference == pytest.approx(one.difference)
    turned = apart(ratings[:, rng.permutation(10)], first[::-1], second[::-1])
    assert turned.correlation == pytest.approx(one.correlation)
    assert -1 <= one.correlation <= 1 and 0 < one.p <= 1


def test_two_people_have_no_interval():
    found = apart(tastes(20, 10), [0, 1], range(2, 20))
    assert found.ci95 is None and found.difference_ci95 is None


@pytest.mark.parametrize(
    ("group", "others"), [([], [1, 2]), ([0], []), ([0, 1], [1, 2])], ids=["nobody", "no others", "overlap"]
)
def test_sets_that_are_empty_or_overlap_are_refused(group, others):
    with pytest.raises(ValueError, match="different people"):
        apart(tastes(3, 10), group, others)


def test_groups_of_equal_tastes_agree_fully():
    ratings = np.tile(np.linspace(1, 5, 9), (12, 1))
    found = apart(ratings, range(5), range(5, 12))
    assert found.correlation == pytest.approx(1) and not found.differs and found.difference == 0

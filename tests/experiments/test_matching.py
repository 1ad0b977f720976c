"""Own pairs against mismatched people: the null is what dealing the people out anew gives."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.experiments.matching import DRAWN, EXACT, matched


def table(prompts, n, seed=0, own=0.0):
    values = np.random.default_rng(seed).normal(0, 1, (prompts, n, n))
    return values + own * np.eye(n)


def test_the_exact_null_is_every_deal_counted():
    similarity = table(3, 5)
    found = matched("any", similarity)
    counted = [
        np.mean([similarity[p, u, deal[u]] for p in range(3) for u in range(5)])
        for deal in permutations(range(5))
    ]
    assert found.exact and found.deals == 120
    assert sorted(found.null) == pytest.approx(sorted(counted))
    assert found.p == pytest.approx(np.mean(np.array(counted) >= found.within - 1e-12))


@given(st.integers(0, 100), st.integers(2, 7), st.integers(1, 3))
def test_the_null_has_hoeffdings_mean_and_variance(seed, n, prompts):
    """A linear permutation statistic's moments are known (Hoeffding 1951)."""
    similarity = table(prompts, n, seed)
    found = matched("any", similarity)
    mean = similarity.mean(0)
    centred = mean - mean.mean(0) - mean.mean(1, keepdims=True) + mean.mean()
    variance = (centred**2).sum() / (n - 1) / n**2
    assert found.null.mean() == pytest.approx(mean.mean(), abs=1e-9)
    assert found.null.var() == pytest.approx(variance, abs=1e-9)


def test_random_deals_agree_with_the_known_moments_where_there_are_too_many_to_count():
    n = EXACT + 4
    similarity = table(2, n, 7)
    found = matched("any", similarity)
    mean = similarity.mean(0)
    centred = mean - mean.mean(0) - mean.mean(1, keepdims=True) + mean.mean()
    assert not found.exact and found.deals == DRAWN
    assert found.null.mean() == pytest.approx(mean.mean(), abs=0.01)
    assert found.null.var() == pytest.approx((centred**2).sum() / (n - 1) / n**2, rel=0.1)


def test_people_who_are_alike_over_runs_are_found_and_strangers_are_not():
    alike, strangers = matched("alike", table(3, 6, 1, own=3)), matched("none", table(3, 6, 1))
    assert alike.p == pytest.approx(1 / 720) and alike.recognised > 0.7
    assert alike.difference.low > 0
    assert strangers.p > 0.05
    assert alike.null_ci95[1] < alike.within


def test_without_any_effect_p_is_uniform():
    ps = [matched("none", table(1, 6, seed)).p for seed in range(80)]
    assert np.mean(np.array(ps) <= 0.05) <= 0.125
    assert np.mean(ps) == pytest.approx(0.5, abs=0.1)


@given(st.integers(0, 50), st.integers(2, 6))
def test_within_less_between_is_the_difference_and_the_order_of_people_does_not_matter(seed, n):
    similarity = table(2, n, seed)
    found = matched("any", similarity)
    assert found.difference.value == pytest.approx(found.within - found.between)
    order = np.random.default_rng(seed).permutation(n)
    turned = matched("any", similarity[:, order][:, :, order])
    assert turned.within == pytest.approx(found.within) and turned.p == pytest.approx(found.p)
    assert turned.recognised == pytest.approx(found.recognised)


def test_ties_share_the_recognition():
    assert matched("flat", np.ones((2, 4, 4))).recognised == pytest.approx(1 / 4)
    assert matched("flat", np.ones((2, 4, 4))).p == 1


@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 3, 4), (3, 3), (0, 3, 3)])
def test_tables_that_are_no_tables_of_people_are_refused(shape):
    with pytest.raises(ValueError, match="two people"):
        matched("any", np.zeros(shape))


def test_a_similarity_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        matched("any", np.full((1, 2, 2), np.nan))

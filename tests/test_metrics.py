"""Metrics against scipy, and the decisions where the paper is silent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, spearmanr

from reward import metrics

RATINGS = st.lists(st.integers(1, 9), min_size=5, max_size=30)


@given(RATINGS, st.randoms(use_true_random=False))
def test_correlations_equal_scipys(ratings, random):
    truth = np.array(ratings, float)
    predicted = np.array([random.choice([1.0, 2.0, 3.5]) for _ in ratings])
    if np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        assert metrics.srocc(truth, predicted) == metrics.plcc(truth, predicted) == 0
        return
    assert metrics.srocc(truth, predicted) == pytest.approx(spearmanr(truth, predicted).statistic)
    assert metrics.plcc(truth, predicted) == pytest.approx(pearsonr(truth, predicted).statistic)


def test_pairwise_accuracy_without_ties_is_kendalls_tau_rescaled():
    rng = np.random.default_rng(0)
    truth, predicted = rng.normal(size=60), rng.normal(size=60)
    tau = kendalltau(truth, predicted).statistic
    assert metrics.pairwise_accuracy(truth, predicted) == pytest.approx((tau + 1) / 2)


def test_pairs_tied_in_truth_are_excluded_and_tied_predictions_count_half():
    # pairs (0,1) tied in truth; (0,2) right; (1,2) tied in the prediction
    assert metrics.pairwise_accuracy(np.array([1, 1, 2]), np.array([0.0, 5.0, 5.0])) == pytest.approx(0.75)
    assert np.isnan(metrics.pairwise_accuracy(np.array([2, 2, 2]), np.array([1.0, 2.0, 3.0])))


def test_a_margin_leaves_out_near_ties():
    truth = np.array([1.0, 1.4, 3.0])
    wrong_on_the_near_tie = np.array([2.0, 1.0, 3.0])
    assert metrics.pairwise_accuracy(truth, wrong_on_the_near_tie) == pytest.approx(2 / 3)
    assert metrics.pairwise_accuracy(truth, wrong_on_the_near_tie, margin=0.5) == 1.0


def test_users_with_few_rows_or_constant_ratings_are_left_out_and_counted():
    rng = np.random.default_rng(0)
    users = np.repeat([1, 2, 3], [12, 9, 12])
    truth = rng.uniform(1, 5, len(users))
    truth[users == 3] = 4.0
    level = metrics.user_level(users, truth, truth)
    assert level.users.tolist() == [1]
    assert level.left_out == 2
    assert level.srocc == pytest.approx([1.0])


def test_user_level_metrics_never_mix_users():
    rng = np.random.default_rng(1)
    users = np.repeat([1, 2], 20)
    truth = rng.normal(size=40)
    predicted = truth + 10 * users  # perfect within each, shifted between them
    level = metrics.user_level(users, truth, predicted)
    assert level.pairwise == pytest.approx([1, 1])
    assert level.summary()["srocc"].value == pytest.approx(1)


def test_population_truth_is_the_mean_of_an_images_raters_and_needs_two():
    images = np.array([7, 7, 8, 8, 9, 9, 10])
    truth = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 1.0])
    predicted = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 99.0])
    level = metrics.population_level(images, truth, predicted)
    assert level.images == 3
    assert level.srocc == pytest.approx(1)
    assert level.plcc == pytest.approx(pearsonr([1.5, 3.5, 5], [1, 2, 3]).statistic)


def test_an_interval_holds_its_mean_and_shrinks_with_more_users():
    rng = np.random.default_rng(0)
    few, many = metrics.interval(rng.normal(size=20)), metrics.interval(rng.normal(size=2000))
    assert few.low < few.value < few.high
    assert many.high - many.low < few.high - few.low
    assert metrics.interval(np.array([0.3])) == metrics.Interval(0.3, 0.3, 0.3)


def test_gap_closed_is_none_at_the_population_oracle_and_all_at_the_personal_one():
    rng = np.random.default_rng(0)
    population = rng.uniform(0.4, 0.6, 50)
    personal = population + rng.uniform(0.2, 0.3, 50)
    assert metrics.gap_closed(population, population, personal).value == pytest.approx(0)
    assert metrics.gap_closed(personal, population, personal).value == pytest.approx(1)
    halfway = metrics.gap_closed((population + personal) / 2 + rng.normal(0, 0.02, 50), population, personal)
    assert halfway.low < halfway.value < halfway.high
    assert halfway.value == pytest.approx(0.5, abs=0.05)

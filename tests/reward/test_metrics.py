"""Metrics against scipy, and the decisions where the paper is silent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, spearmanr

from reward.evaluation import metrics

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


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4)), min_size=2, max_size=25))
def test_pairwise_accuracy_counts_as_two_loops_would(rows):
    truth, predicted = np.array(rows, float).T
    wins = [
        0.5 + 0.5 * np.sign(truth[i] - truth[j]) * np.sign(predicted[i] - predicted[j])
        for i in range(len(rows))
        for j in range(i)
        if truth[i] != truth[j]
    ]
    expected = np.mean(wins) if wins else np.nan
    assert metrics.pairwise_accuracy(truth, predicted) == pytest.approx(expected, nan_ok=True)
    tiny_margin = metrics.pairwise_accuracy(truth, predicted, margin=1e-3)  # the other way of counting
    assert tiny_margin == pytest.approx(expected, nan_ok=True)


def test_pairs_tied_in_truth_are_excluded_and_tied_predictions_count_half():
    # pairs (0,1) tied in truth; (0,2) right; (1,2) tied in the prediction
    assert metrics.pairwise_accuracy(np.array([1, 1, 2]), np.array([0.0, 5.0, 5.0])) == pytest.approx(0.75)
    assert np.isnan(metrics.pairwise_accuracy(np.array([2, 2, 2]), np.array([1.0, 2.0, 3.0])))


def test_a_margin_leaves_out_near_ties():
    truth = np.array([1.0, 1.4, 3.0])
    wrong_on_the_near_tie = np.array([2.0, 1.0, 3.0])
    assert metrics.pairwise_accuracy(truth, wrong_on_the_near_tie) == pytest.approx(2 / 3)
    assert metrics.pairwise_accuracy(truth, wrong_on_the_near_tie, margin=0.5) == 1.0
    half_steps = np.array([3.0, 3.5], np.float32)  # a difference that equals the margin is no near-tie
    assert metrics.pairwise_accuracy(half_steps, half_steps, margin=0.5) == 1.0


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


def test_draws_are_averaged_within_a_person_and_are_no_new_people():
    first = metrics.UserLevel(np.array([1, 2]), np.array([0.2, 0.4]), np.zeros(2), np.ones(2), left_out=1)
    second = metrics.UserLevel(np.array([2, 3]), np.array([0.6, 0.8]), np.zeros(2), np.ones(2), left_out=1)
    level = metrics.average_draws([first, second])
    assert level.users.tolist() == [1, 2, 3] and level.left_out == 0
    assert level.srocc == pytest.approx([0.2, 0.5, 0.8])


def test_population_intervals_leave_out_people_around_the_population_metrics():
    rng = np.random.default_rng(0)
    users, images = np.repeat(np.arange(20), 30), np.tile(np.arange(30), 20)
    truth = images / 10 + rng.normal(0, 1.5, 600)
    predicted = np.repeat(rng.normal(size=(1, 30)) * 0.3 + np.arange(30) / 10, 20, axis=0).ravel()
    level = metrics.population_level(images, truth, predicted)
    found = metrics.population_intervals(users, images, truth, predicted)
    for name in metrics.METRICS:
        assert found[name].value == pytest.approx(getattr(level, name))
        assert found[name].low <= found[name].value <= found[name].high
        assert found[name].low < found[name].high


def test_a_mean_over_data_sets_weighs_them_equally_whatever_their_size():
    values, strata = np.array([0.0] * 30 + [1.0] * 3), np.array(["large"] * 30 + ["small"] * 3)
    assert metrics.stratified_interval(values, strata).value == pytest.approx(0.5)
    one = np.random.default_rng(0).normal(size=12)
    assert metrics.stratified_interval(one, np.zeros(12)) == metrics.interval(one)


def test_gap_closed_is_none_at_the_population_oracle_and_all_at_the_personal_one():
    rng = np.random.default_rng(0)
    population = rng.uniform(0.4, 0.6, 50)
    personal = population + rng.uniform(0.2, 0.3, 50)
    assert metrics.gap_closed(population, population, personal).value == pytest.approx(0)
    assert metrics.gap_closed(personal, population, personal).value == pytest.approx(1)
    halfway = metrics.gap_closed((population + personal) / 2 + rng.normal(0, 0.02, 50), population, personal)
    assert halfway.low < halfway.value < halfway.high
    assert halfway.value == pytest.approx(0.5, abs=0.05)


# ---- intervals hold what they say ----


def share_held(make, truth, tries=600):
    """How many of the intervals that `make` makes of random data hold the truth."""
    rng = np.random.default_rng(0)
    found = [make(rng) for _ in range(tries)]
    return np.mean([each.low <= truth <= each.high for each in found])


def skewed(rng, users):
    """Values as SROCC is: bounded, with a tail to the left; their mean is 0.75."""
    return rng.beta(6, 2, users)


@pytest.mark.parametrize("users", [16, 27, 82])
def test_a_95_percent_interval_of_a_mean_holds_it_in_about_95_percent(users):
    held = share_held(lambda rng: metrics.interval(skewed(rng, users)), 0.75)
    assert 0.92 <= held <= 0.98


def test_the_interval_of_a_mean_over_data_sets_holds_it_in_about_95_percent():
    strata = np.repeat(["a", "b"], [16, 6])
    held = share_held(lambda rng: metrics.stratified_interval(skewed(rng, 22), strata), 0.75)
    assert 0.92 <= held <= 0.98


def test_the_interval_of_the_gap_closed_holds_it_in_about_95_percent_of_16_people():
    def make(rng):
        population, open_ = rng.normal(0.5, 0.1, 16), rng.normal(0.25, 0.05, 16)
        return metrics.gap_closed(
            population + 0.6 * open_ + rng.normal(0, 0.05, 16), population, population + open_
        )

    assert 0.92 <= share_held(make, 0.6) <= 0.98


def test_the_interval_of_the_populations_correlation_holds_it_in_about_95_percent_of_16_people():
    images, users = np.tile(np.arange(40), 16), np.repeat(np.arange(16), 40)
    shared = np.random.default_rng(1).normal(size=40)
    predicted = (shared + np.random.default_rng(2).normal(0, 0.7, 40))[images]

    def ratings(rng):
        own = rng.normal(0, 0.5, (16, 1)) * np.linspace(-1, 1, 40)
        return (shared + own + rng.normal(0, 1, (16, 40))).ravel()

    rng = np.random.default_rng(3)
    expected = np.mean([metrics.population_level(images, ratings(rng), predicted).plcc for _ in range(400)])
    held = share_held(
        lambda rng: metrics.population_intervals(users, images, ratings(rng), predicted)["plcc"],
        expected,
        tries=150,
    )
    assert 0.90 <= held <= 0.99


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
def test_the_test_of_a_difference_agrees_with_its_interval(values):
    differences = np.array(values)
    found, p = metrics.interval(differences), metrics.paired_p(differences)
    assert 0 <= p <= 1
    if found.low < found.high and abs(p - 0.05) > 1e-9:
        assert (p < 0.05) == (not found.low <= 0 <= found.high)

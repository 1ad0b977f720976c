"""Bradley-Terry on the Elo scale, against answers that are known, and its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_expit

from steer.errors import StudyError
from steer.study.bradley_terry import Comparisons, fit, rank

NAMES = ("own", "others", "base", "generic")


def simulate(scores: dict[str, float], raters: int, each: int, spread: float = 0.0, seed: int = 0):
    """Answers of raters who differ in how much they like each condition, sd `spread` in log-odds."""
    rng = np.random.default_rng(seed)
    names = tuple(scores)
    strength = np.array(list(scores.values()))
    rows = []
    for rater in range(raters):
        mine = strength + spread * rng.standard_normal(len(names))
        for _ in range(each):
            left, right = rng.choice(len(names), 2, replace=False)
            chance = 1 / (1 + np.exp(mine[right] - mine[left]))
            rows.append((rater, left, right, float(rng.random() < chance)))
    return Comparisons(names, *np.array(rows).T.astype(int)[:3], np.array(rows)[:, 3])


def test_two_conditions_differ_by_the_logarithm_of_the_odds():
    elo, limited = fit(np.array([[0, 30], [10, 0]]))
    assert elo[0] - elo[1] == pytest.approx(400 * np.log10(3)) and not limited
    assert elo.mean() == pytest.approx(1000)


def test_scores_are_recovered_from_the_shares_that_follow_from_them():
    wanted = np.array([1065.0, 1038, 1016, 959, 922])  # the paper's
    odds = 10 ** ((wanted[:, None] - wanted) / 400)
    shares = odds / (1 + odds) * ~np.eye(5, dtype=bool)
    assert fit(1000 * shares)[0] == pytest.approx(wanted, abs=1e-4)


@given(st.lists(st.integers(1, 40), min_size=12, max_size=12))
def test_the_fit_is_the_maximum_of_the_likelihood(counts: list[int]):
    wins = np.zeros((4, 4))
    wins[~np.eye(4, dtype=bool)] = counts

    def loss(free: np.ndarray) -> float:
        s = np.concatenate([[0], free])
        return -float((wins * log_expit(s[:, None] - s)).sum())

    best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-7}).x
    strengths = np.concatenate([[0], best]) * 400 / np.log(10)
    assert fit(wins)[0] == pytest.approx(1000 + strengths - strengths.mean(), abs=0.05)


def test_ties_count_half_for_both_and_pull_scores_together():
    tied = Comparisons(("a", "b"), np.zeros(4, int), np.zeros(4, int), np.ones(4, int), np.full(4, 0.5))
    assert rank(tied, 10).elo["a"].value == pytest.approx(1000)
    some = Comparisons(
        ("a", "b"), np.arange(8), np.zeros(8, int), np.ones(8, int), np.array([1.0] * 5 + [0.5, 0, 0])
    )
    ranking = rank(some, 10)
    assert ranking.ties == 1 and ranking.win_rate("a", "b") == pytest.approx(5.5 / 8)
    assert ranking.elo["a"].value - ranking.elo["b"].value == pytest.approx(400 * np.log10(5.5 / 2.5))


def test_which_side_a_condition_was_shown_on_does_not_matter():
    one = simulate({"own": 0.6, "others": 0.2, "base": 0.0}, 8, 40)
    other = Comparisons(one.conditions, one.raters, one.right, one.left, 1 - one.won)
    a, b = rank(one, 5), rank(other, 5)
    assert all(a.elo[name].value == pytest.approx(b.elo[name].value) for name in one.conditions)
    assert a.wins == b.wins


def test_who_never_lost_gets_a_finite_score_and_it_is_said():
    never = Comparisons(("a", "b"), np.arange(6), np.zeros(6, int), np.ones(6, int), np.ones(6))
    ranking = rank(never, 20)
    assert ranking.limited and ranking.conditions == ("a", "b")
    assert np.isfinite([score.value for score in ranking.elo.values()]).all()


def test_a_condition_that_nobody_saw_is_left_out():
    seen = Comparisons(NAMES, np.arange(4), np.zeros(4, int), np.full(4, 2), np.array([1, 0, 1, 0.5]))
    assert set(rank(seen, 5).conditions) == {"own", "base"}
    with pytest.raises(StudyError, match="nobody has compared"):
        rank(Comparisons(NAMES, *(np.zeros(0, int),) * 3, np.zeros(0)))


def test_intervals_over_raters_are_wider_where_people_differ():
    scores = {"own": 0.5, "others": 0.2, "base": 0.0}
    unlike = rank(simulate(scores, 12, 120, spread=0.6), 200)
    assert width(unlike, "by_rater") > 2 * width(unlike, "by_comparison")
    alike = rank(simulate(scores, 60, 30), 200)
    assert 0.6 < width(alike, "by_rater") / width(alike, "by_comparison") < 1.5


def width(ranking, kind: str) -> float:
    return float(np.mean([np.ptp(getattr(score, kind)) for score in ranking.differences.values()]))


@pytest.mark.slow
def test_intervals_over_raters_hold_the_truth_about_as_often_as_they_say():
    scores = {"own": 0.5, "base": 0.0}
    # what a crowd of such raters would answer, from many of them
    crowd = rank(simulate(scores, 1200, 20, spread=0.6, seed=99), 2).difference("own", "base").value
    held = 0
    for seed in range(40):
        ranking = rank(simulate(scores, 20, 20, spread=0.6, seed=seed), 100)
        low, high = ranking.difference("own", "base").by_rater
        held += low <= crowd <= high
    assert held >= 34  # 85%: of 20 raters the bootstrap is a little narrow


def test_a_difference_the_other_way_round_is_the_same_one():
    ranking = rank(simulate({"own": 0.9, "base": 0.0}, 10, 20), 50)
    there, back = ranking.difference("own", "base"), ranking.difference("base", "own")
    assert (there.value, *there.by_rater) == (-back.value, -back.by_rater[1], -back.by_rater[0])


def test_one_rater_alone_has_no_interval_over_raters():
    ranking = rank(simulate({"own": 0.5, "base": 0.0}, 1, 30), 20)
    assert ranking.elo["own"].by_rater is None and ranking.elo["own"].by_comparison is not None


def test_those_who_alone_have_pictures_of_their_own_are_in_every_resample():
    rng = np.random.default_rng(3)
    owners = [(0, 0, 1, rng.random() < 0.7) for _ in range(20)] + [
        (1, 0, 2, rng.random() < 0.7) for _ in range(20)
    ]
    others = [(rater, 1, 2, rng.random() < 0.6) for rater in range(2, 60) for _ in range(10)]
    rows = np.array(owners + others, float)
    comparisons = Comparisons(NAMES[:3], *rows.T[:3].astype(int), rows[:, 3])
    low, high = rank(comparisons, 100).difference("own", "base").by_rater
    assert np.isfinite([low, high]).all() and high - low < 400

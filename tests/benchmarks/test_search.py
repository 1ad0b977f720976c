"""What the benchmark of searches computes from its courses: renders, finalists, shares and differences."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeProposer

from steer.experiments.lab import Lab
from steer.machine.loading import load

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import arms
import search as benchmark

PROMPT = "a deer"


def test_a_longer_list_of_blind_prompts_starts_with_the_shorter_one_and_repeats_nothing():
    short, long = arms.blind_prompts(PROMPT, 15), arms.blind_prompts(PROMPT, 100)
    assert long[:15] == short and short[0] == PROMPT
    assert len(set(long)) == 100
    assert all(2 <= text.count(", ") <= 4 for text in long[1:])


def test_finalists_never_take_more_than_a_fifth_of_the_renders():
    for renders in range(1, 200):
        few = arms.finalists(renders)
        assert few != 1 and few * len(arms.FRESH) <= renders / 5
    assert arms.finalists(100) == arms.FINALISTS


def test_blind_renders_are_counted_with_the_base_and_the_finalists():
    pool = [f"p{i}" for i in range(40)]
    scores = np.linspace(3, 4, 40)
    plain = arms.blind_course(pool, scores, 20)
    assert plain.winner == "p19" and plain.renders == 20
    finals = arms.blind_course(pool, scores, 20, 2, lambda text: [5.0, 5.0] if text == "p14" else [0.0, 0.0])
    assert finals.candidates[-1] == "p15"  # two finalists on two seeds took four renders
    assert finals.winner == "p14" and finals.steps[-1] == (20, "p14")
    assert finals.claimed == pytest.approx((scores[14] + 10) / 3 - scores[0] / 3)


def test_a_course_steps_only_where_the_best_predicted_changes():
    course = arms.blind_course(["a", "b", "c", "d"], np.array([2.0, 1.0, 3.0, 2.5]), 4)
    assert course.steps == ((1, "a"), (3, "c")) and course.claimed == 1.0


def test_a_run_counts_its_gate_and_not_its_confirmation(tmp_path: Path):
    lab = Lab(tmp_path, replace(load("sandbox"), proposer=FakeProposer()))
    settings = replace(arms.loop_settings("paper 2x2"), patience=0, confirm=2)
    record = lab.run(lab.personal(lab.users[0]), PROMPT, settings)
    course = arms.loop_course(record, lambda seeds: [1.0] * len(seeds))
    assert course.claimed == pytest.approx(record.result["best"]["score"] - 1)
    assert course.renders == 1 + 4 + 4 and record.result["renders"] > course.renders
    assert course.steps[0] == (1, PROMPT) and course.steps[-1][1] == course.winner
    assert len(course.candidates) + len(course.gated) == 5

    two = list(lab.users[:2])
    by_person = dict.fromkeys([*two, arms.POPULATION], course)
    judged = benchmark.Judged(lab, PROMPT, {"arm": by_person})
    rows = judged.rows()
    true = arms.means(lab, [PROMPT, course.winner])
    row = lab.raters.ids.index(two[0])
    assert rows[0]["gain"] == pytest.approx(true[course.winner][row] - true[PROMPT][row], abs=1e-3)
    assert rows[0]["less_population"] == rows[0]["less_others"] == 0 and rows[0]["others_won"] == 0.5
    lines = judged.curves()["arm"]
    assert lines.shape == (2, course.renders) and lines[0, 0] == 0
    assert lines[0, -1] == pytest.approx(rows[0]["gain"], abs=1e-3)


def test_a_share_is_of_sums_and_its_interval_draws_clusters():
    found = benchmark.share([1.0, 1.0, 3.0], [2.0, 2.0, 4.0], ["a", "a", "b"])
    assert found == {"mean": 0.625, "low": 0.5, "high": 0.75}
    assert benchmark.share([1.0], [0.0], ["a"]) is None


def test_differences_pair_users_and_prompts_and_take_equally_dear_blind_phrases():
    def row(arm: str, user: str, gain: float) -> dict:
        return {"arm": arm, "prompt": PROMPT, "user": user, "gain": gain}

    guided, blind = "guided 5x20", "blind with finalists, as guided 5x20"
    rows = [row(benchmark.PAPER, "1", 1.0), row(benchmark.PAPER, "2", 0.5)]
    rows += [row(guided, "1", 2.0), row(guided, "2", 1.0), row(blind, "2", 0.5), row(blind, "1", 1.5)]
    found = benchmark.differences(rows)
    assert found[f"{guided} - {benchmark.PAPER}"]["low"] == 0.5
    assert found[f"{guided} - {blind}"]["mean"] == 0.5
    assert found[f"{guided} - {benchmark.PAPER}"]["ratio"]["mean"] == 2.0


def test_a_search_that_ended_keeps_its_gain_on_the_mean_curve():
    line = benchmark.curve([np.array([[0.0, 1.0]]), np.array([[0.0, 1.0, 3.0]])])
    assert line.tolist() == [0.0, 1.0, 2.0]
    curves = {
        benchmark.PAPER: np.array([0.0, 0.5, 1.0]),
        "other": np.array([0.0, 1.5, 1.5]),
        "none": line * 0,
    }
    assert benchmark.reached(curves) == {benchmark.PAPER: 3, "other": 2}

"""What the benchmark of choosing computes: winners after each round, and the share of renders it takes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from fake_run import fake_run

from steer.record.folder import Record
from steer.record.picks import Pick

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import picks as benchmark

RENDERS = np.array([21.0, 41.0, 61.0])


def test_without_choices_the_winner_after_each_round_is_the_runs_own(tmp_path):
    record = Record.read(fake_run(tmp_path))
    prompts = {one.id: one.prompt for one in record.candidates}
    rounds = [event for event in record.events if event.event == "iteration"]
    assert [text for _, text in benchmark.winners(record.events, ())] == [prompts[e.best] for e in rounds]


def test_a_heart_and_a_bury_count_from_the_round_that_they_were_given_after(tmp_path):
    record = Record.read(fake_run(tmp_path))
    first = benchmark.winners(record.events, ())[0][1]
    [best] = [one for one in record.candidates if one.prompt == first]
    bury = Pick(key="bury-best", pick="bury", picture=best.id)
    scored = [one for one in record.candidates if one.score is not None and one.fate != "rejected"]
    others = [one for one in scored if one.iteration <= 1 and one.id != best.id]
    assert benchmark.winners(record.events, [bury])[0][1] == max(others, key=lambda one: one.score).prompt
    loved = min(
        (one for one in scored if one.iteration == 2), key=lambda one: abs(one.score + 0.5 - best.score - 0.1)
    )
    heart = Pick(key="heart-late", pick="heart", picture=loved.id)
    assert benchmark.winners(record.events, [heart])[0][1] == first


@pytest.mark.parametrize(
    ("some", "share"),
    [
        ([0.3, 0.4, 0.6], 1.0),
        ([0.6, 0.7, 0.8], 21 / 61),
        ([0.3, 0.9, 0.9], 31 / 61),
        ([0.1, 0.2, 0.3], 1.0),  # never
        ([1.2, 1.2, 1.2], 11 / 61),
    ],
)
def test_the_share_is_of_renders_and_linear_between_rounds(some, share):
    free = np.array([0.2, 0.5, 0.6])
    assert benchmark.share(free, np.array(some), RENDERS) == pytest.approx(share)


def test_a_curve_that_gains_nothing_needs_the_base_alone():
    assert benchmark.share(np.zeros(3), np.ones(3), RENDERS) == pytest.approx(1 / 61)

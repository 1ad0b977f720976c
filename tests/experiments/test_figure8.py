"""The design of figure 8: who judges what, as what, and what comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import FakeProposer
from sweep_parts import make_plan, sweep_parts

from steer.cli.app import run_command
from steer.errors import ResumeError
from steer.experiments import figure8 as figure8_module
from steer.experiments import lab as lab_module
from steer.experiments.figure8 import (
    BASE,
    OTHERS,
    OWN,
    ComparedPicture,
    condition,
    judge,
    of_sweep,
    own_shares,
    true_differences,
    unseen_seed,
)
from steer.machine.loading import load
from steer.settings import Settings
from steer.study.bradley_terry import rank
from steer.sweep.plan import extend_plan, somebody
from steer.sweep.prompts import Line
from steer.sweep.work import work
from steer.whom import Who

USERS = ("p1", "p2")
PICTURES = {
    "a deer": [
        ComparedPicture(BASE, "a deer"),
        ComparedPicture("p1", "a deer, gold"),
        ComparedPicture("p2", "a deer, blue"),
        ComparedPicture("population", "a deer, soft"),
    ]
}


def bench_of(truth: dict[str, list[float]], noise: float = 0.0) -> SimpleNamespace:
    """Four people, of whom p1 and p2 are users; `truth` is what each gives each picture."""

    def rate(t, rng):
        return t + noise * rng.standard_normal(t.shape)

    return SimpleNamespace(
        predictor=SimpleNamespace(people=[SimpleNamespace(id=f"p{i}") for i in (1, 2, 3, 4)]),
        raters=SimpleNamespace(ids=["p4", "p3", "p2", "p1"], people=SimpleNamespace(rate=rate)),
        truth=lambda pairs: np.array([truth[prompt] for prompt, _ in pairs]).T[::-1],
    )


def test_a_picture_is_its_users_own_and_the_others_of_everybody_else():
    picture = ComparedPicture("p1", "a deer, gold")
    assert [condition(picture, who, USERS) for who in ("p1", "p2", "p3")] == [OWN, OTHERS, OTHERS]
    assert condition(ComparedPicture("population", "x"), "p1", USERS) == "population"


def test_all_pairs_of_unlike_conditions_are_judged_and_only_owners_judge_own():
    truth = {p.prompt: [3.0, 3.0, 3.0, 3.0] for p in PICTURES["a deer"]}
    found = judge(bench_of(truth), PICTURES, USERS, 0, 0)
    own = found.conditions.index(OWN)
    with_own = (found.left == own) | (found.right == own)
    assert set(found.raters[with_own]) == {0, 1}
    # owners: 6 pairs each; the others: the two users' pictures are both "others", which leaves 5
    assert len(found) == 2 * 6 + 2 * 5
    assert (found.won == 0.5).all()


def test_a_judge_chooses_the_picture_with_the_higher_rating_and_near_ties_are_ties():
    truth = {
        "a deer": [3.0, 3.0, 3.0, 3.0],
        "a deer, gold": [4.0, 3.04, 3.0, 3.0],
        "a deer, blue": [3.0, 4.0, 3.0, 3.0],
        "a deer, soft": [2.0, 2.0, 2.0, 2.0],
    }
    ranking = rank(judge(bench_of(truth), PICTURES, USERS, 0, 0), 20)
    assert ranking.win_rate(OWN, BASE) == 1 and ranking.win_rate(BASE, OTHERS) == 0.5
    assert ranking.win_rate(BASE, "population") == 1 and ranking.conditions[-1] == "population"


def test_one_and_the_same_picture_is_a_tie_whatever_the_noise():
    same = {
        "a deer": [
            ComparedPicture(BASE, "a deer"),
            ComparedPicture("p1", "a deer"),
            ComparedPicture("p2", "a deer"),
        ]
    }
    found = judge(bench_of({"a deer": [3.0, 2.0, 4.0, 1.0]}, noise=5.0), same, USERS, 0, 0)
    assert (found.won == 0.5).all()


def test_each_users_own_share_is_of_their_own_comparisons_with_others_pictures():
    truth = {
        "a deer": [3.0, 3.0, 3.0, 3.0],
        "a deer, gold": [4.0, 4.0, 3.0, 3.0],
        "a deer, blue": [3.0, 3.0, 3.0, 3.0],
        "a deer, soft": [2.0, 2.0, 2.0, 2.0],
    }
    found = judge(bench_of(truth), PICTURES, USERS, 0, 0)
    assert own_shares(found, ["p1", "p2", "p3", "p4"]) == {"p1": 1.0, "p2": 0.0}


def test_true_differences_are_means_over_prompts_of_the_users_own_ratings():
    truth = {
        "a deer": [3.0, 2.0, 9.0, 9.0],
        "a deer, gold": [4.0, 2.5, 9.0, 9.0],
        "a deer, blue": [3.5, 3.0, 9.0, 9.0],
        "a deer, soft": [3.0, 3.0, 9.0, 9.0],
    }
    found = true_differences(bench_of(truth), PICTURES, USERS, 0, 0)
    assert found["own - base"].value == pytest.approx(1.0)
    assert found["own - others"].value == pytest.approx(0.5)
    assert found["others - base"].value == pytest.approx(0.5)


def test_the_fresh_seed_was_in_no_search():
    settings = Settings(seed=5, confirm=0)
    assert unseen_seed(settings) not in (settings.seed, *settings.gate_seeds)


def swept(folder, lab, parts, users, **settings):
    small = Settings(iterations=1, proposals=2, confirm=0, search="paper", **settings)
    people = [somebody(Who("known", user=user), lab.predictor) for user in users]
    everyone = somebody(Who("population"), lab.predictor)
    return extend_plan(
        folder, parts, small, [*people, everyone], [Line("a deer", small), Line("a boat", small)]
    )


@pytest.mark.slow
def test_a_sweep_of_the_sandbox_is_judged_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
):
    parts = replace(load("sandbox"), proposer=FakeProposer(), judge=None)
    lab = lab_module.Lab(tmp_path / "lab", parts)
    monkeypatch.setattr(lab_module, "open_lab", lambda to, threads: lab)
    users = lab.users[:2]
    plan = swept(tmp_path / "sweep", lab, parts, users)
    deer = [cell for cell in plan.cells if cell.line.prompt == "a deer"]
    list(work(plan, deer[:2], parts, lambda _: ()))
    ask = ["reproduce", "figure8", "--sweep", str(plan.folder), "--out", str(tmp_path / "out"), "--json"]
    assert run_command(ask) == 1
    assert "is finished for everybody" in capsys.readouterr().err
    list(work(plan, deer[2:], parts, lambda _: ()))
    assert run_command(ask) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["users"] == list(users) and result["prompts"] == ["a deer"]
    winners = {one["made_by"]: one["prompt"] for one in result["pictures"]["a deer"]}
    expected = {cell.somebody.name: plan.record(cell).result["best"]["prompt"] for cell in deer}
    assert winners == {BASE: "a deer"} | expected


def test_a_sweep_whose_truth_is_not_known_is_refused(tmp_path: Path):
    everyone = SimpleNamespace(world="pamela")
    lab = SimpleNamespace(predictor=SimpleNamespace(world="pamela:1", population=lambda: everyone))
    with pytest.raises(ResumeError, match="is not known; figure 8 takes a sweep of the sandbox"):
        of_sweep(lab, make_plan(tmp_path / "s", parts=sweep_parts(simulated=False)))
    with pytest.raises(ResumeError, match="people of another world"):
        of_sweep(lab, make_plan(tmp_path / "t", parts=sweep_parts(simulated=True)))


@pytest.mark.slow
def test_the_command_writes_table_picture_and_json_and_says_what_is_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    sandbox = replace(load("sandbox"), proposer=FakeProposer())
    monkeypatch.setattr(lab_module, "open_lab", lambda to, threads: lab_module.Lab(to, sandbox))
    short = Settings(iterations=1, proposals=2, confirm=0, search="paper")
    monkeypatch.setattr(figure8_module, "SHORT", short)
    assert run_command(["reproduce", "figure8", "--prompts", "1", "--users", "2", "--out", "out"]) == 0
    shown = capsys.readouterr()
    assert "own - others" in shown.out and "1065" in shown.out and "simulated" in shown.err
    data = json.loads(Path("out/figure8.json").read_text())
    assert data["simulated"] and data["paper"]["elo"]["own"] == 1065
    assert set(data["result"]["ranking"]["elo"]) >= {OTHERS, BASE, "population"}
    assert Path("out/figure8.png").stat().st_size > 10_000

    assert run_command(["reproduce", "figure8", "--prompts", "1", "--users", "999"]) == 2
    assert "lower --users" in capsys.readouterr().err

"""The image gate: what calibrates it, what it lets through and what it catches."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import PROMPT, FakePerson, FakeProposer, FakeRenderer, PromptScorer, fake_parts

from steer.errors import SettingsError
from steer.gates.image import MISTAKEN, ImageGate
from steer.gates.looks import draw_looks, is_look, looks, with_look
from steer.loop.run import Run
from steer.machine.estimate import estimate
from steer.machine.loading import load
from steer.machine.presets import resolve
from steer.record.folder import Record
from steer.sandbox.renderer import SandboxRenderer
from steer.settings import Settings

BANK = looks()
BY_LOOKS = Settings(search="paper", gate_by="looks", iterations=1, proposals=9, confirm=0)
OWN = [with_look(PROMPT, [phrase]) for phrase in BANK["light"][:8]]
CHEAT = f"{PROMPT} behind a cheat"


def adherence(prompt: str) -> float:
    """Looks differ by 0.01; a cheat shows something else."""
    return 0.05 if "cheat" in prompt else 0.30 + 0.01 * (len(prompt) % 5)


def made(prompts: list[str], out: Path, settings: Settings = BY_LOOKS) -> Record:
    parts = parts_of(prompts)
    running = Run.start(PROMPT, FakePerson(), parts, settings, out)
    list(running)
    return Record.read(running.folder)


def parts_of(prompts: list[str]) -> Any:
    renderer = FakeRenderer()
    scorer = PromptScorer(renderer, lambda prompt: 3.0 + len(prompt) / 100, adherence)
    return fake_parts(renderer=renderer, scorer=scorer, proposer=FakeProposer([prompts]))


def rated(record: Record) -> list[Any]:
    return [event for event in record.events if event.event == "scored"]


# --- the rule


@pytest.mark.parametrize("n", [2, 4, 9, 21])
def test_of_pictures_like_those_of_the_calibration_one_in_a_hundred_are_rejected(n):
    rng = np.random.default_rng(n)
    runs = rng.normal(0.2, 0.06, (20_000, n + 1))
    rejected = [ImageGate.calibrate(list(run[:-1])).reject(run[-1]) is not None for run in runs[:4000]]
    assert np.mean(rejected) == pytest.approx(MISTAKEN, abs=0.006)


def test_a_subject_that_varies_more_in_its_looks_is_given_more_room():
    calm, wild = [0.20, 0.21, 0.19, 0.20, 0.22], [0.20, 0.30, 0.10, 0.20, 0.32]
    assert ImageGate.calibrate(calm).reject(0.12) is not None
    assert ImageGate.calibrate(wild).reject(0.12) is None
    few, many = ImageGate.calibrate(wild).threshold, ImageGate.calibrate(wild * 4).threshold
    assert few is not None and many is not None and few < many


def test_another_subject_is_caught_where_the_encoder_tells_it_from_all_looks():
    rng = np.random.default_rng(0)
    gate = ImageGate.calibrate(list(rng.normal(0.25, 0.04, 9)))
    assert np.mean([gate.reject(value) is not None for value in rng.normal(0.0, 0.05, 2000)]) > 0.9


def test_a_single_picture_tells_nothing_and_equal_ones_pass_themselves():
    assert ImageGate.calibrate([0.3]).reject(-1.0) is None
    assert ImageGate.calibrate([0.3, 0.3, 0.3]).reject(0.3) is None


def test_a_look_of_the_bank_is_told_from_what_a_language_model_writes():
    assert is_look(BANK, PROMPT, f"{PROMPT}, oil painting, moonlight")
    assert not is_look(BANK, PROMPT, PROMPT)
    assert not is_look(BANK, PROMPT, f"{PROMPT}, oil painting, a cat")
    assert not is_look(BANK, PROMPT, "a cat, oil painting")


# --- in the loop


def test_the_first_iterations_looks_calibrate_the_gate_and_nothing_is_rendered_for_it_alone(tmp_path):
    record = made([*OWN, CHEAT], tmp_path)
    base, first, *rest = rated(record)
    assert base.gate["threshold"] is None and all(event.gate is None for event in rest)
    expected = [adherence(prompt) for prompt in (PROMPT, *OWN)]  # without the cheat
    assert first.gate["adherence"] == pytest.approx(expected)
    assert first.gate["threshold"] == pytest.approx(ImageGate.calibrate(expected).threshold)
    assert {event.role for event in record.events if event.event == "rendered"} == {"candidate"}


def test_what_lost_the_subject_in_the_first_iteration_is_rejected_although_it_scores_best(tmp_path):
    record = made([*OWN, CHEAT], tmp_path)
    cheat = next(each for each in record.candidates if each.prompt == CHEAT)
    assert cheat.fate == "rejected" and "off the prompt" in str(cheat.reason)
    assert record.result["best"]["prompt"] in OWN
    assert sum(each.fate == "rejected" for each in record.candidates) == 1


def test_where_few_looks_are_the_banks_all_of_the_first_iteration_count(tmp_path):
    prompts = [*OWN[:3], *(f"{PROMPT}, a look of my own, number {i}" for i in range(6))]
    record = made(prompts, tmp_path)
    assert len(rated(record)[1].gate["adherence"]) == 10
    assert not [each for each in record.candidates if each.fate == "rejected"]


def test_a_run_that_was_killed_while_its_gate_was_calibrated_ends_as_it_would_have(tmp_path):
    whole = made([*OWN, CHEAT], tmp_path / "whole")
    parts = parts_of([*OWN, CHEAT])
    running = Run.start(PROMPT, FakePerson(), parts, BY_LOOKS, tmp_path / "killed")
    for event in running:
        if event.event == "scored" and event.id == "r01c03":
            break
    list(Run.resume(running.folder, FakePerson(), parts))
    resumed = Record.read(running.folder)
    assert [(e.id, e.adherence, e.gate) for e in rated(resumed)] == [
        (e.id, e.adherence, e.gate) for e in rated(whole)
    ]
    assert [c.fate for c in resumed.candidates] == [c.fate for c in whole.candidates]


def test_a_first_iteration_without_a_score_leaves_the_calibration_to_the_next(tmp_path):
    renderer = FakeRenderer()
    scorer = PromptScorer(renderer, lambda prompt: math.nan if "fog" in prompt else 3.0, adherence)
    replies = FakeProposer([[f"{PROMPT}, fog"], [f"{PROMPT}, sun"], [f"{PROMPT}, snow"]])
    parts = fake_parts(renderer=renderer, scorer=scorer, proposer=replies)
    settings = replace(BY_LOOKS, iterations=3, proposals=1, patience=0)
    running = Run.start(PROMPT, FakePerson(), parts, settings, tmp_path)
    list(running)
    gates = {event.id: event.gate for event in rated(Record.read(running.folder))}
    assert list(gates) == ["r00c00", "r02c00", "r03c00"]
    assert len(gates["r02c00"]["adherence"]) == 2 and gates["r03c00"] is None


def test_only_by_the_base_there_are_renders_for_the_gate_and_the_plan_counts_them():
    assert Settings().gate_renders == Settings(search="paper", gate_by="looks").gate_renders == 0
    assert Settings(search="paper").gate_renders == Settings(gate_by="base").gate_renders == 4
    assert Settings(gate_by="base", gate_sd=None).gate_renders == 0
    plan = {by: estimate(Settings(gate_by=by), resolve("sandbox")).images for by in ("looks", "base")}
    assert plan["base"] == plan["looks"] + 4
    with pytest.raises(SettingsError, match="choose looks or base"):
        Settings(gate_by="moon")  # type: ignore[arg-type]


# --- with the sandbox's own encoder and pictures


def test_in_the_sandbox_looks_pass_and_pictures_of_another_subject_are_caught():
    parts = load("sandbox", threads=2)
    painter = SandboxRenderer(parts.renderer.reader, 2, 128)  # type: ignore[attr-defined]
    drawn = draw_looks(BANK, 32, random.Random(5))
    prompts = ("an old lighthouse", "a red sports car", "a bowl of fruit")
    pictures = {
        prompt: list(painter.render([with_look(prompt, look) for look in drawn], [0] * len(drawn)))
        for prompt in prompts
    }
    mistaken, caught = [], []
    for prompt in prompts:
        similar = {of: parts.scorer.adherence(pictures[of], prompt) for of in prompts}  # type: ignore[attr-defined]
        gate = ImageGate.calibrate(similar[prompt][:20])
        rejected = {of: [gate.reject(value) is not None for value in similar[of]] for of in prompts}
        mistaken += rejected[prompt][20:]
        caught += [value for of in prompts if of != prompt for value in rejected[of]]
    assert np.mean(mistaken) <= 0.1
    assert np.mean(caught) >= 0.7

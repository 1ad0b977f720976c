"""The lab of the experiments: everything is made once, and the truth is the raters'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakePerson, FakeProposer, PlainScorer
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from steer.errors import RecordError
from steer.experiments.caches import CachedScorer, Store
from steer.experiments.lab import Lab, LabPlan
from steer.machine.loading import load
from steer.parts import Parts
from steer.sandbox.truth.world import Truth
from steer.settings import Settings

PROMPT = "a deer"
SHORT = Settings(iterations=2, proposals=2, patience=0, confirm=0, search="paper")


@pytest.fixture(scope="module")
def sandbox() -> Parts:
    """The sandbox, with proposals that take no time."""
    return replace(load("sandbox"), proposer=FakeProposer())


class Counting(PlainScorer):
    """Counts the images that it is asked for."""

    def __init__(self) -> None:
        super().__init__(lambda image, person: float(image.getpixel((0, 0))[0]))
        self.asked = 0

    def score(self, images, prompt, person):
        self.asked += len(images)
        return super().score(images, prompt, person)


def test_a_second_user_of_a_prompt_shares_the_base_and_the_first_iteration(sandbox: Parts, tmp_path: Path):
    lab = Lab(tmp_path, sandbox)
    first = lab.run(lab.personal(lab.users[0]), PROMPT, SHORT)
    painted = lab.renderer.painted
    second = lab.run(lab.personal(lab.users[1]), PROMPT, SHORT)

    assert first.folder != second.folder
    rounds = [[c.prompt for c in record.candidates if c.iteration <= 1] for record in (first, second)]
    assert rounds[0] == rounds[1] and len(rounds[0]) == 3
    assert painted == 5 + 2 + 2  # base and its calibration, two iterations
    assert lab.renderer.painted - painted <= 2


def test_what_was_made_is_found_again_by_the_next_process(sandbox: Parts, tmp_path: Path):
    lab = Lab(tmp_path, sandbox)
    reward = lab.personal(lab.users[0])
    record = lab.run(reward, PROMPT, SHORT)
    t = lab.truth([(PROMPT, 0)])

    again = Lab(tmp_path, replace(sandbox, proposer=FakeProposer([])))
    assert again.run(again.personal(lab.users[0]), PROMPT, SHORT).folder == record.folder
    assert np.array_equal(again.truth([(PROMPT, 0)]), t)
    assert again.renderer.painted == 0


def test_a_run_that_was_stopped_goes_on_in_its_folder(sandbox: Parts, tmp_path: Path):
    lab = Lab(tmp_path, sandbox)
    whole = lab.run(lab.population(), PROMPT, SHORT)
    best = whole.result["best"]
    log = whole.folder / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[: len(lines) // 2]))
    (whole.folder / "result.json").unlink()

    again = lab.run(lab.population(), PROMPT, SHORT)
    assert again.folder == whole.folder and again.result["best"] == best


def test_other_settings_or_another_reward_are_another_run(sandbox: Parts, tmp_path: Path):
    lab = Lab(tmp_path, sandbox)
    one = replace(SHORT, iterations=1)
    folders = {
        lab.run(reward, PROMPT, settings).folder
        for reward in (lab.population(), lab.youngest())
        for settings in (one, replace(one, llm_seed=1))
    }
    assert len(folders) == 4


def test_the_youngest_quarter_is_a_quarter_of_the_people_and_the_youngest(sandbox: Parts, tmp_path: Path):
    lab = Lab(tmp_path, sandbox)
    reward = lab.youngest()
    people = lab.predictor.people
    ages = sorted(p.demographics["age"] for p in people)
    assert reward.person.kind == "group" and reward.name.startswith(f"age {ages[0]}-")
    assert 0.2 * len(people) <= reward.person.size <= 0.35 * len(people)


def test_any_other_scorer_can_be_the_reward_and_keeps_the_gate_of_the_bench(sandbox: Parts, tmp_path: Path):
    lab = Lab(tmp_path, sandbox)
    scorer = Counting()
    reward = lab.other("first pixel", scorer, FakePerson("nobody", "population"), "1")
    record = lab.run(reward, PROMPT, replace(SHORT, iterations=1))
    base = next(event for event in record.events if event.event == "scored")
    assert base.gate["threshold"] is not None
    asked = scorer.asked
    images = lab.images([(PROMPT, 0)])
    assert reward.scorer.score(images, PROMPT, reward.person) == [base.score]
    assert scorer.asked == asked


def test_the_truth_is_what_the_raters_say_of_the_picture_and_its_scene(sandbox: Parts, tmp_path: Path):
    lab = Lab(tmp_path, sandbox)
    pairs = [(PROMPT, 0), ("a deer, vivid saturated colours", 0), (PROMPT, 0)]
    images = [np.asarray(image) for image in lab.images(pairs)]
    wanted = Truth().expected(images, [lab.renderer.scene(*pair) for pair in pairs])
    assert np.allclose(lab.truth(pairs), wanted, atol=1e-5)
    assert lab.measured(pairs).values.shape[0] == 3


def test_the_committed_people_are_a_fixed_draw_of_those_known():
    plan = LabPlan.load()
    known = [str(i) for i in range(1, 157)]
    assert len(plan.prompts) == 18 and plan.unknown < set(plan.prompts)
    assert sorted(plan.users(known), key=int) == known
    assert plan.users(known)[:3] == plan.users(known)[:3] != tuple(known[:3])


@given(st.lists(st.integers(0, 5), max_size=12), st.sets(st.integers(0, 5)))
def test_a_store_gives_every_row_in_order_and_computes_each_once(keys: list[int], before: set[int]):
    store = Store(Path(":memory:"))
    made: list[int] = []

    def make(of: list[int]):
        return lambda missing: [made.append(of[i]) or [of[i], -of[i]] for i in missing]  # type: ignore[func-returns-value]

    store.rows([str(key) for key in before], make(list(before)))
    rows = store.rows([str(key) for key in keys], make(keys))
    assert [tuple(row) for row in rows if keys] == [(key, -key) for key in keys]
    assert len(made) == len(set(made))


def test_a_score_is_kept_for_its_picture_its_prompt_and_its_person(tmp_path: Path):
    scorer = Counting()
    cached = CachedScorer(scorer, "1", Store(tmp_path / "numbers.sqlite"))
    image = Image.new("RGB", (8, 8), (7, 0, 0))
    for images, prompt, person in (
        ([image, image.copy()], "a", FakePerson("1")),  # one and the same picture
        ([image], "b", FakePerson("1")),
        ([image], "a", FakePerson("2")),
        ([Image.new("RGB", (8, 8))], "a", FakePerson("1")),
    ):
        for _ in range(2):
            cached.score(images, prompt, person)
    assert scorer.asked == 4


def test_a_folder_that_holds_something_else_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "numbers.sqlite").write_text("not a database, " * 100)
    with pytest.raises(RecordError, match="--out"):
        Store(tmp_path / "numbers.sqlite")

"""The guided search renders what promises most, remembers different ideas, and lets the best mean win."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import PROMPT, FakePerson, FakeProposer, FakeRenderer, PromptScorer, fake_parts
from test_forecast import hashed

from steer.loop.run import Run
from steer.parts import Guide
from steer.record.folder import Record
from steer.settings import Settings

LIKED = {"golden hour": 0.5, "low angle": 0.4, "oil painting": 0.3, "sepia": -0.5}


class Taster(PromptScorer):
    """Likes some phrases, and can say so beforehand if `tells`."""

    def __init__(self, renderer: Any, tells: bool = True, luck: float = 0.0) -> None:
        super().__init__(renderer, self.worth)
        self.luck = luck
        if tells:
            self.likings = self._likings

    def worth(self, prompt: str) -> float:
        return 3.0 + sum(value for phrase, value in LIKED.items() if phrase in prompt)

    def _likings(self, person: Any, phrases: Any) -> np.ndarray:
        rows = [[LIKED.get(phrase, 0.0), LIKED.get(phrase, 0.0), 0.05] for phrase in phrases]
        return np.array(rows)


class Guidable(FakeProposer):
    """Keeps what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.guides: list[Guide] = []

    def propose_by(self, prompt: Any, memory: Any, n: int, seed: int, guide: Guide) -> list[str]:
        self.guides.append(guide)
        return self.propose(prompt, memory, n, seed)


def run(out: Any, tells: bool = True, **settings: Any) -> tuple[Record, Any]:
    renderer = FakeRenderer(size=8)
    parts = fake_parts(renderer=renderer, scorer=Taster(renderer, tells), proposer=Guidable(), embed=hashed)
    asked = Settings(**{"iterations": 3, "proposals": 6, "confirm": 0, "patience": 0, **settings})
    running = Run.start(PROMPT, FakePerson(), parts, asked, out)
    list(running)
    return Record.read(running.folder), parts


def test_a_known_taste_is_met_in_the_first_round(tmp_path):
    record, _ = run(tmp_path, iterations=1)
    first = [c for c in record.candidates if c.iteration == 1]
    assert max(c.score for c in first) >= 3.9
    assert sum("sepia" in c.prompt for c in first) <= 1


def test_an_unknown_taste_is_learnt_from_what_was_scored(tmp_path):
    record, _ = run(tmp_path, tells=False, iterations=5)
    best = [max(c.score for c in record.candidates if c.iteration == i) for i in range(6)]
    assert best[0] == 3.0 and best[5] >= 3.8


def test_more_is_forecast_than_rendered_and_the_record_says_how_right_that_was(tmp_path):
    record, _ = run(tmp_path)
    found = record.result["forecast"]
    assert found["rendered"] == 18 and found["forecast"] > 5 * found["rendered"]
    assert found["pairs_right"] > 0.5
    assert record.result["search"] == "guided"


def test_the_language_model_is_told_taste_and_what_helped(tmp_path):
    _, parts = run(tmp_path)
    first, *_, last = parts.proposer.guides
    assert any(line.startswith("likes golden hour, low angle") for line in first.taste)
    assert any(line.startswith("avoids sepia") for line in first.taste)
    assert any("golden hour helps" in why for why in last.why.values())


def test_of_someone_about_whom_nothing_is_sure_no_taste_is_told(tmp_path):
    _, parts = run(tmp_path, tells=False)
    assert all(guide.taste == () and not guide.strengths for guide in parts.proposer.guides)


def test_the_memory_holds_different_ideas(tmp_path):
    _, parts = run(tmp_path)
    memory, _, _ = parts.proposer.asked[-1]
    assert 2 <= len(memory) <= 4 and len(set(memory)) == len(memory)


def test_the_finalist_with_the_best_mean_wins(tmp_path):
    record, _ = run(tmp_path)
    finals = record.result["finalists"]
    assert len(finals) >= 2 and record.result["best"]["id"] == finals[0]["id"]
    assert all(len(one["scores"]) == 3 for one in finals)
    means = [one["mean"] for one in finals]
    assert means == sorted(means, reverse=True)
    rendered = [e for e in record.events if e.event == "rendered" and e.role == "final"]
    seeds = record.settings.final_seeds
    assert {e.seed for e in rendered} == set(seeds)
    assert not set(seeds) & {record.settings.seed, *Settings(confirm=20).confirm_seeds}


def test_without_finalists_the_best_score_wins(tmp_path):
    record, _ = run(tmp_path, finalists=0)
    assert record.result["finalists"] == []
    assert record.result["best"]["score"] == max(c.score for c in record.candidates)


def test_the_papers_search_forecasts_nothing_and_renders_no_finals(tmp_path):
    record, parts = run(tmp_path, search="paper")
    kinds = {event.event for event in record.events}
    assert not kinds & {"taste", "forecast", "finals"} and not parts.proposer.guides
    assert record.result["search"] == "paper" and record.result["forecast"] is None


def test_a_record_without_a_search_is_the_papers(tmp_path):
    assert Settings.from_json({"iterations": 3}).search == "paper"
    assert Settings.from_json({"search": "guided"}).search == "guided"


@pytest.mark.parametrize(
    ("search", "keep", "memory"), [("paper", None, 1), ("guided", None, 4), ("guided", 2, 2)]
)
def test_how_many_prompts_the_language_model_sees_goes_by_the_search(search, keep, memory):
    assert Settings(search=search, keep=keep).memory == memory

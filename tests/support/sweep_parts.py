"""Parts for sweeps: nobody remembers what was asked before, so that a run is the same wherever it is made."""

from __future__ import annotations

from pathlib import Path

from fake_run import Crowd, crowd_parts
from fakes import FakeRenderer, FakeScorer

from steer.parts import Parts
from steer.settings import Settings
from steer.sweep.plan import Plan, Somebody, extend_plan, somebody
from steer.sweep.prompts import Line
from steer.whom import Who

SMALL = Settings(iterations=2, proposals=4, confirm=2, patience=0)
PEOPLE = ("p1", "p2", "p3")
PROMPTS = ("floating mossy rocks", "a deer")


class Town(Crowd):
    """People whose opinions depend on nothing but the picture."""

    score = FakeScorer.score


def sweep_parts(**parts: object) -> Parts:
    return crowd_parts(**{"renderer": FakeRenderer(), "scorer": Town(), "judge": None, **parts})


def people(names=PEOPLE, scorer=None) -> list[Somebody]:
    return [somebody(Who("known", user=name), scorer or Town()) for name in names]


def lines(prompts=PROMPTS, settings: Settings = SMALL) -> list[Line]:
    return [Line(prompt, settings) for prompt in prompts]


def make_plan(folder: Path, names=PEOPLE, prompts=PROMPTS, parts: Parts | None = None) -> Plan:
    return extend_plan(folder, parts or sweep_parts(), SMALL, people(names), lines(prompts))


def words(cell) -> list[str]:
    return ["run", "--user", str(cell.somebody.who.user), "--prompt", cell.line.prompt]

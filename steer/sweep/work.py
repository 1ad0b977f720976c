"""Doing what a plan says: one run after the other, each begun, gone on with, or left as it is.

A run that fails costs itself: the next one begins. A prompt whose runs fail one after the other is left for
another time, and where several prompts fail it is the parts, and the sweep stops. A run that another process
is working on is left to it.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from steer.errors import ResumeError, RunExists, RunLocked, ServerDown, SteerError
from steer.library import Run
from steer.parts import Parts
from steer.record.events import Event
from steer.record.folder import Record
from steer.sweep.plan import Cell, Plan, prompt_id
from steer.sweep.shared import forget_rewrites, sharing

FAILURES_IN_A_ROW = 3  # of runs of one prompt, and of prompts

Words = Callable[[Cell], Sequence[str]]  # the command line that makes the same run alone
Watch = Callable[[Cell, Event], None]
After = Callable[[Path], Any]  # what else is made of a complete run: its page


@dataclass(frozen=True)
class Done:
    """What became of one run: numbers and words only, for whoever waits at the other end of a network."""

    row: int  # place in the plan of the person
    column: int  # and of the prompt
    status: Literal["complete", "error", "elsewhere"]  # elsewhere: another process works on it
    error: str = ""
    fatal: bool = False  # no other run will do better: the language model's server is down
    seconds: float = 0.0
    made: int = 0  # pictures rendered
    found: int = 0  # pictures that another run had made
    baseline: float | None = None  # predicted ratings
    best: float | None = None


def missing(plan: Plan, cells: Iterable[Cell]) -> Iterator[Cell]:
    """The runs that are not complete."""
    for cell in cells:
        if not plan.record(cell).complete:
            yield cell


def work(
    plan: Plan,
    cells: Iterable[Cell],
    parts: Parts,
    words: Words,
    watch: Watch = lambda _cell, _event: None,
    after: After | None = None,
) -> Generator[Done, None, None]:
    """Make the runs of these cells, one after the other. The caller closes the parts.

    Raises SteerError once several prompts in a row have failed.
    """
    failures = Failures(plan)
    for cell in cells:
        if cell.column not in failures.left:
            done = make_run(plan, cell, parts, words(cell), watch, after)
            yield done
            failures.count(done)


class Failures:
    """Tells a run that fails from a prompt that does, and that from parts that are broken."""

    def __init__(self, plan: Plan) -> None:
        self.left: set[int] = set()  # prompts of which no more runs are tried
        self._again = f"what was done is kept, go on with: steer sweep resume {plan.folder}"
        self._runs: Counter[int] = Counter()  # failed in a row, by prompt
        self._prompts: set[int] = set()  # of the runs that failed since one was complete

    def count(self, done: Done) -> None:
        """Raises SteerError where no more is to be tried at all."""
        if done.status == "complete":
            self._runs[done.column] = 0
            self._prompts.clear()
        if done.status != "error":
            return
        self._runs[done.column] += 1
        self._prompts.add(done.column)
        if self._runs[done.column] == FAILURES_IN_A_ROW:
            self.left.add(done.column)
        if done.fatal or len(self._prompts) == FAILURES_IN_A_ROW:
            why = "" if done.fatal else f"runs of {FAILURES_IN_A_ROW} prompts failed in a row, the last: "
            raise SteerError(f"{why}{done.error}; {self._again}")


def make_run(
    plan: Plan,
    cell: Cell,
    parts: Parts,
    words: Sequence[str],
    watch: Watch = lambda _cell, _event: None,
    after: After | None = None,
) -> Done:
    """Begin the run of a cell, or go on with it, to its end. Whatever fails is in what is returned."""
    folder, begun = plan.run_folder(cell), time.perf_counter()
    shared = plan.folder / "shared" / prompt_id(cell.line)
    parts, renderer = sharing(parts, shared, cell.line.prompt)
    status: Literal["complete", "error", "elsewhere"]
    status, error, fatal = "complete", "", False
    try:
        run = _open(plan, cell, parts, words)
        run.closes_parts = False
        with closing(iter(run)) as events:
            for event in events:
                watch(cell, event)
        if not Record(folder).complete:  # a person paused it; whoever resumes the sweep goes on with it
            status = "elsewhere"
        elif after is not None and not (folder / "gallery.html").exists():
            after(folder)
    except RunLocked:
        status = "elsewhere"
    except Exception as failure:  # noqa: BLE001 - whatever a part raises costs this run and no other
        status, error, fatal = "error", str(failure) or type(failure).__name__, _is_fatal(failure)
    result: dict[str, Any] = {}
    with contextlib.suppress(SteerError):
        result = Record(folder).result if status == "complete" else {}
    return Done(
        cell.row,
        cell.column,
        status,
        error,
        fatal,
        round(time.perf_counter() - begun, 3),
        renderer.made,
        renderer.found,
        (result.get("baseline") or {}).get("score"),
        (result.get("best") or {}).get("score"),
    )


def tidy(plan: Plan) -> None:
    """Let go of the rewrites of prompts whose runs are all complete."""
    open_ = {prompt_id(cell.line) for cell in missing(plan, plan.cells)}
    for line in plan.lines:
        if (id := prompt_id(line)) not in open_:
            forget_rewrites(plan.folder / "shared" / id)


def _open(plan: Plan, cell: Cell, parts: Parts, words: Sequence[str]) -> Run:
    """Raises RunLocked, ResumeError, RecordError, and what `Who.find` raises."""
    folder, who = plan.run_folder(cell), cell.somebody.who
    if not (folder / "config.json").exists():
        person = who.find(parts.scorer)
        if person.hash != cell.somebody.person["hash"]:
            raise ResumeError(
                f"{person.label} is another taste by now than the one that the sweep was planned for; "
                "begin another with --sweep FOLDER"
            )
        recipe = {**plan.head["asked"], "who": who.to_json()}
        with contextlib.suppress(RunExists):  # another process was faster, and has let go of it again
            return Run.start(
                cell.line.prompt, who, parts, cell.line.settings, plan.runs, None, words, recipe, folder.name
            )
    return Run.resume(folder, who, parts)


def _is_fatal(failure: BaseException | None) -> bool:
    """Whether it comes of a server that gives no answer."""
    while failure is not None:
        if isinstance(failure, ServerDown):
            return True
        failure = failure.__cause__
    return False

"""Doing a sweep, for the command line: here or on a cluster, shown while it goes on, and its last words."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from steer.cli.console import hint, print_json, say
from steer.errors import SteerError

if TYPE_CHECKING:
    from steer.cli.sweep_progress import Board
    from steer.parts import Parts
    from steer.sweep.plan import Cell, Plan, Shard
    from steer.sweep.work import Done

STATES = ("complete", "running", "interrupted", "error", "waiting", "damaged")


@dataclass(frozen=True)
class How:
    """How this process works on a sweep."""

    shard: Shard | None
    galleries: bool
    as_json: bool
    quiet: bool


Runs = Callable[["Board", "Sequence[Cell]"], "Generator[Done, None, None]"]


def here(parts: Parts, plan: Plan, how: How) -> None:
    """Do it in this process, one run after the other."""
    from steer.cli.session import announce
    from steer.loop.run import close
    from steer.pages.gallery import write_gallery
    from steer.sweep.plan import check_parts
    from steer.sweep.work import work

    check_parts(plan, parts)
    announce(parts, plan.people[0].who)

    def runs(board: Board, todo: Sequence[Cell]) -> Generator[Done, None, None]:
        cells = _told(board, todo)
        return work(plan, cells, parts, words_of(plan), after=write_gallery if how.galleries else None)

    try:
        drive(plan, how, runs)
    finally:
        close(parts)


def drive(plan: Plan, how: How, runs: Runs, workers: int = 1) -> None:
    """Do what is missing of a plan, or of one part of it, and say what came of it."""
    from steer.cli.sweep_progress import Board, showing, tell
    from steer.machine.estimate import costs_of
    from steer.machine.presets import resolve
    from steer.sweep.work import missing, tidy

    cells = [cell for cell in plan.cells if how.shard is None or how.shard.holds(plan, cell)]
    todo = list(missing(plan, cells))
    part = "" if how.shard is None else f" in part {how.shard.number} of {how.shard.of}"
    hint(
        f"{len(plan.people):,} people × {len(plan.lines):,} prompts in {plan.folder}: "
        f"{len(cells):,} runs{part}, {len(todo):,} to do"
    )
    costs, settings = costs_of(resolve(plan.head["preset"])), plan.settings
    pictures = settings.iterations * settings.proposals
    board = Board(plan, todo, pictures * (costs.propose + costs.render + costs.score), workers)
    problem: SteerError | None = None
    try:
        with showing(board, how.quiet), closing(runs(board, todo)) as each:
            for done in each:
                board.ended(done)
                tell(board, done, how.quiet)
    except KeyboardInterrupt:
        hint(f"interrupted; nothing is lost, go on with: {again(plan)}")
        if how.as_json:
            print_json(_result(plan, board.done))
        raise typer.Exit(130) from None
    except SteerError as error:
        problem = error
    tidy(plan)
    _finish(plan, board.done, how, problem)


def _finish(plan: Plan, done: Sequence[Done], how: How, problem: SteerError | None) -> None:
    """Sheet and table, then the last words. A part of a sweep writes them only if it was the last one."""
    result = _result(plan, done)
    left = len(plan) - result["complete"]
    if how.shard is None or not left:
        from steer.pages.sweep import write_sheet
        from steer.sweep.table import has_parquet, write_csv, write_parquet

        hint("writing the sheet and the table")
        result["files"] = [str(write_sheet(plan)), str(write_csv(plan))]
        result["files"] += [str(write_parquet(plan))] if has_parquet() else []
    if how.as_json:
        print_json(result)
    made, found = result["made"], result["found"]
    hint(f"{made:,} pictures made, {found:,} found that another run had made")
    if elsewhere := sum(one.status == "elsewhere" for one in done):
        hint(f"{elsewhere} runs are left to other processes that are working on them")
    if problem is not None:
        hint(f"error: {problem}", style="bold red")
    if left and problem is None:
        hint(f"{left:,} of {len(plan):,} runs are not complete; go on with: {again(plan)}")
    if not how.as_json:
        for file in result.get("files", ()):
            say(file)
        say(plan.folder)
    if problem is not None or any(one.status == "error" for one in done):
        raise typer.Exit(1)


def _result(plan: Plan, done: Sequence[Done]) -> dict[str, Any]:
    """The object of --json."""
    states = counted(plan.state(cell) for cell in plan.cells)
    failed = [
        {"person": plan.people[one.row].name, "prompt": plan.lines[one.column].prompt, "error": one.error}
        for one in done
        if one.status == "error"
    ]
    return {
        "schema_version": 1,
        "status": "complete" if states["complete"] == len(plan) else "incomplete",
        "sweep": str(plan.folder),
        "runs": len(plan),
        **states,
        "failed": failed,
        "made": sum(one.made for one in done),
        "found": sum(one.found for one in done),
    }


def counted(states: Iterable[str]) -> dict[str, int]:
    """How many runs are in which state; all states are there."""
    found = list(states)
    return {state: found.count(state) for state in STATES}


def _told(board: Any, cells: Sequence[Cell]) -> Iterator[Cell]:
    for cell in cells:
        board.began(cell)
        yield cell


def words_of(plan: Plan) -> Any:
    """The command line that makes one run of a sweep alone."""
    from steer.cli.session import Request as Alone
    from steer.cli.session import command_words

    def words(cell: Cell) -> list[str]:
        alone = Alone(cell.somebody.who, settings=cell.line.settings, overrides=plan.overrides)
        return command_words(alone, cell.line.prompt, plan.head["preset"])

    return words


def again(plan: Plan) -> str:
    """The command that goes on with a sweep."""
    return shlex.join(["steer", "sweep", "resume", str(plan.folder)])

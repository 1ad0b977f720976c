"""How far a sweep is: a table of people and prompts on a terminal, a line for each finished run elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from steer.cli.console import hint
from steer.pages import wording as words

if TYPE_CHECKING:
    from steer.sweep.plan import Cell, Plan
    from steer.sweep.work import Done

_SIGNS = {"waiting": "·", "at work": "▶", "complete": "✓", "error": "✗", "elsewhere": "~"}
_STYLES = {"complete": "green", "error": "red", "at work": "bold", "waiting": "dim", "elsewhere": "yellow"}
_ROWS = 24  # of the table; more people are counted


class Board:
    """Where a sweep stands, from what is told of its runs."""

    def __init__(self, plan: Plan, todo: list[Cell], seconds_each: float, workers: int = 1) -> None:
        self.plan = plan
        self.workers = workers
        self.done: list[Done] = []
        self._todo = len(todo)
        self._guess = seconds_each  # of a run, until one is through
        self._begun = time.monotonic()
        waiting = {(cell.row, cell.column) for cell in todo}
        self._states = {
            (cell.row, cell.column): "waiting" if (cell.row, cell.column) in waiting else "complete"
            for cell in plan.cells
        }

    def began(self, cell: Cell) -> None:
        """A worker takes a run up."""
        self._states[cell.row, cell.column] = "at work"

    def ended(self, done: Done) -> None:
        """A run is through, or lost."""
        self._states[done.row, done.column] = done.status
        self.done.append(done)

    @property
    def seconds_left(self) -> float:
        """At the pace so far."""
        through = [done.seconds for done in self.done if done.status == "complete"]
        each = sum(through) / len(through) if through else self._guess
        return each * (self._todo - len(self.done)) / self.workers

    @property
    def summary(self) -> str:
        """One line."""
        pictures = sum(done.made for done in self.done)
        pace = pictures / max(1e-9, time.monotonic() - self._begun)
        failed = sum(done.status == "error" for done in self.done)
        workers = "" if self.workers == 1 else f"{self.workers} workers, "
        return (
            f"{len(self.done):,} of {self._todo:,} runs{f', {failed} failed' if failed else ''}, {workers}"
            f"{pace:.2g} pictures a second, about {words.seconds(self.seconds_left)} left"
        )

    def line(self, done: Done) -> str:
        """What became of one run."""
        who, what = self.plan.people[done.row].name, self.plan.lines[done.column]
        of = f"{len(self.done):,}/{self._todo:,}  {who}: {what.prompt[:60]}"
        if done.status == "error":
            return f"{of}: failed: {done.error}"
        if done.status == "elsewhere":
            return f"{of}: another process is working on it"
        if done.best is None or done.baseline is None:
            return f"{of}: complete"
        gain = words.gain(done.best - done.baseline)
        return f"{of}: {words.score(done.baseline)} → {words.score(done.best)} ({gain})"

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
        for row, one in enumerate(self.plan.people[:_ROWS]):
            signs = Text()
            for column in range(len(self.plan.lines)):
                state = self._states[row, column]
                signs.append(_SIGNS[state], _STYLES[state])
            table.add_row(Text(one.name[:20]), signs)
        more = len(self.plan.people) - _ROWS
        return Group(table, *([Text(f"and {more} more people", "dim")] if more > 0 else []), self.summary)


@contextmanager
def showing(board: Board, quiet: bool) -> Iterator[None]:
    """The table while the block runs, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.live import Live

    from steer.cli.console import err

    with Live(board, console=err(), refresh_per_second=2, transient=True):
        yield


def tell(board: Board, done: Done, quiet: bool) -> None:
    """A line for a run that is through: failures always, the others where no table shows them."""
    if done.status == "error" or not (quiet or sys.stderr.isatty()):
        hint(board.line(done), style="red" if done.status == "error" else None)

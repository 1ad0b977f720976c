"""Progress of work that says what it does, how much is done, and of how much."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from steer.cli.console import err, hint

Progress = Callable[[str, int, int], None]  # what, done, of


@contextmanager
def bar(silent: bool = False) -> Iterator[Progress]:
    """A bar on a terminal; elsewhere a line whenever something begins that has parts."""
    if silent or not sys.stderr.isatty():
        begun: set[str] = set()

        def tell(what: str, done: int, of: int) -> None:
            if not silent and what not in begun and of > 1:
                begun.add(what)
                hint(f"{what}: {of}")

        yield tell
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=err(), transient=True) as shown:
        tasks: dict[str, Any] = {}

        def draw(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=of)
            shown.update(tasks[what], completed=done, total=of)

        yield draw

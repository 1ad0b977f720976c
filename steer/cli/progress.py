"""What a run is doing, in a terminal: two ways to show what `steer.pages.watch` knows of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from steer.cli.console import hint
from steer.pages import wording
from steer.pages.watch import Watch
from steer.parts import BASE_ID
from steer.record.events import (
    Event,
    Finals,
    IterationDone,
    Note,
    Picked,
    Rated,
    Review,
    Started,
    TasteRead,
)
from steer.taste import Taste


def summary(event: Event) -> str | None:
    """One lasting line for the events that deserve one."""
    match event:
        case Started(resumed=True):
            return "resuming where the record ends"
        case Rated(id=id) if id == BASE_ID:
            return f"base prompt: predicted {wording.score(event.score)}"
        case TasteRead():
            return wording.taste(Taste.from_json(event.likings, event.corrections))
        case IterationDone():
            rise = "" if event.improved else ", no rise"
            lost = f", {event.rejected} rejected" if event.rejected else ""
            short = f", {event.missing} of {event.asked} could not be found" if event.missing else ""
            best = f"best so far {wording.score(event.best_score)}{rise}"
            return f"iteration {event.iteration}: {best}; {event.scored} rated{lost}{short}"
        case Picked() if event.pick not in ("go", "review"):
            what = event.to or event.prompt or event.picture or ""
            late = ", too late" if event.late else ""
            return f"taken up from the {event.by}: {event.pick} {what}".rstrip() + late
        case Finals():
            return wording.finals(event.finalists)
        case Note():
            return f"{event.part}: {event.text}"
    return None


@contextmanager
def display(watch: Watch, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """A function that shows each event: a live bar on a terminal, plain lines elsewhere, nothing if quiet."""
    if quiet:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _bar(watch) as show:
            yield show
    else:
        yield _plain


def _plain(event: Event) -> None:
    line = summary(event)
    if line and not event.replayed:
        hint(line)


@contextmanager
def _bar(watch: Watch) -> Iterator[Callable[[Event], None]]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    from rich.text import Text

    from steer.cli.console import err

    class Best(TextColumn):
        def render(self, task: Any) -> Text:
            if watch.best is None:
                return Text("")
            gain = wording.gain(watch.best - (watch.base or 0.0))
            return Text.assemble("best ", (wording.score(watch.best), "bold green"), f" ({gain})")

    progress = Progress(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(24),
        TextColumn("{task.fields[count]}"), TextColumn("{task.fields[left]}", style="dim"), Best(""),
        console=err(), transient=True,
    )  # fmt: skip
    with progress:
        task = progress.add_task(watch.phase, total=watch.total or None, count="", left="")

        def show(event: Event) -> None:
            progress.stop() if isinstance(event, Review) else progress.start()  # then somebody is asked
            line = summary(event)
            if line and not event.replayed:
                progress.console.print(line, markup=False, highlight=False)
            progress.update(
                task,
                description=watch.phase,
                total=watch.total or None,  # None: how long it takes is unknown, so the bar pulses
                completed=min(watch.done, watch.total),
                count=f"{watch.done}/{watch.total}" if watch.total else "",
                left=f"{wording.seconds(watch.seconds_left)} left" if watch.seconds_left else "",
            )

        yield show

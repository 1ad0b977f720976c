"""`steer sandbox`: the simulated world that runs anywhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, print_json, say
from steer.errors import UsageError
from steer.pages import wording

if TYPE_CHECKING:
    from steer.sandbox.make.encoder_pairs import StepDone as Step

app = typer.Typer(help="The simulated world that runs anywhere.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The simulated world that runs anywhere."""


@app.command()
def build(
    folder: Annotated[
        Path | None, typer.Option(help="Where to build; by default in the user's cache.", show_default=False)
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="Only this stage; may be given again.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that paint and measure.", min=1)] = 2,
    as_json: opt.Json = False,
) -> None:
    """Remake the world and its weights from nothing: paint, measure, rate, train.

    A build that was interrupted goes on where it stopped; what is finished is not made again.

    [bold]Examples[/bold]

    steer sandbox build

    steer sandbox build --stage paintings --stage ratings
    """
    from steer.sandbox.make.build import STAGES, Built
    from steer.sandbox.make.build import build as steps

    wanted = tuple(stage or STAGES)
    if unknown := [name for name in wanted if name not in STAGES]:
        raise UsageError(f"there is no stage {unknown[0]!r}; the stages are {', '.join(STAGES)}")
    hint("about two and a half hours on 2 cores for all of it; Ctrl-C stops it, and the same command goes on")
    built: Built | None = None
    try:
        with _display() as show:
            for step in steps(folder, wanted, workers):
                if isinstance(step, Built):
                    built = step
                else:
                    show(step)
    except KeyboardInterrupt:
        hint("interrupted; what is finished is kept, go on with the same command")
        raise typer.Exit(130) from None
    if built is None:
        return
    if as_json:
        print_json({"schema_version": 1, "folder": str(built.folder), "seconds": built.seconds})
        return
    for name, seconds in built.seconds.items():
        hint(f"{name:<14}{wording.seconds(seconds)}")
    hint(f"in all {wording.seconds(sum(built.seconds.values()))}")
    hint(f"steer for its people: steer run --user 17 --reward {built.folder / 'weights' / 'predictor'}")
    say(built.folder)


@contextmanager
def _display() -> Iterator[Callable[[Step], None]]:
    """A bar on a terminal; elsewhere a line whenever a stage begins and ends."""
    if not sys.stderr.isatty():
        began: set[str] = set()

        def tell(step: Step) -> None:
            if step.stage not in began:
                began.add(step.stage)
                hint(f"{step.stage}: 0 of {step.total}")
            elif step.done == step.total:
                hint(f"{step.stage}: done after {wording.seconds(step.seconds)}")

        yield tell
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from steer.cli.console import err

    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[figures]}"), console=err()) as progress:
        tasks: dict[str, Any] = {}

        def draw(step: Step) -> None:
            if step.stage not in tasks:
                tasks[step.stage] = progress.add_task(step.stage, total=step.total, figures="")
            figures = ", ".join(f"{name} {value:.3g}" for name, value in step.figures)
            progress.update(tasks[step.stage], completed=step.done, total=step.total, figures=figures)

        yield draw

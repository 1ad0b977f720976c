"""`steer check`: known answers on the user's own machine."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, out, print_json
from steer.machine.overrides import Overrides

if TYPE_CHECKING:
    from steer.machine.check import Checked


def check(
    preset: Annotated[
        str, typer.Argument(metavar="PRESET", help="By default the one that steer run takes.")
    ] = "auto",
    report: Annotated[
        Path | None,
        typer.Option("--report", help="File for the JSON, for a bug report.", show_default=False),
    ] = None,
    as_json: opt.Json = False,
    config: opt.Config = None,
    **options: Any,
) -> None:
    """Run each part of a preset on questions whose answers are known: minutes, no run, nothing fetched.

    The JSON holds no names and no paths, so it can go into a bug report. Exit code 1 if anything fails.

    [bold]Examples[/bold]

    steer check

    steer check klein --report check.json
    """
    run_checks(preset, Overrides.given(**opt.take(Overrides, options)), as_json, report)


def run_checks(preset: str, overrides: Overrides, as_json: bool, report: Path | None = None) -> None:
    """All checks of a preset, shown; exit code 1 where one failed."""
    from steer.cli.session import load
    from steer.machine.check import checks, report_of
    from steer.machine.presets import resolve

    resolved = resolve(preset, overrides)
    parts = load(resolved.name, overrides)
    found: list[Checked] = []
    for done in checks(parts, resolved):
        found.append(done)
        hint(f"{'✓' if done.ok else '✗'} {done.what}: {done.found}", style=None if done.ok else "bold red")
    told = report_of(resolved, found)
    if report is not None:
        import json

        from reward.files import write_whole

        write_whole(report, (json.dumps(told, indent=2) + "\n").encode())
    if as_json:
        print_json(told)
    else:
        _show(found)
    if failed := [each for each in found if not each.ok]:
        hint(f"{failed[0].what} failed; next: {failed[0].fix}", style="bold red")
        raise typer.Exit(1)


def _show(found: list[Checked]) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("check", "", "found", "seconds", "planned", "GB", "planned"):
        grid.add_column(column, overflow="fold")
    for each in found:
        mark = Text("✓", "green") if each.ok else Text("✗", "red")
        numbers = (each.seconds, each.planned_seconds, each.gb, each.planned_gb)
        cells = ["" if number is None else f"{number:.2f}" for number in numbers]
        grid.add_row(each.what, mark, Text(each.found), *cells)
    out().print(grid)


def _with_models() -> None:
    own = inspect.signature(check, eval_str=True).parameters.values()
    mine = [parameter for parameter in own if parameter.name != "options"]
    opt.set_parameters(check, opt.by_panel([*mine, *opt.parameters_of(Overrides)]))


_with_models()

"""`steer doctor`."""

from __future__ import annotations

from typing import Any

from steer.cli import options as opt
from steer.cli.console import out, print_json


def doctor(runs: opt.Out = opt.RUNS, as_json: opt.Json = False) -> None:
    """Say what this machine has, what each preset lacks on it, and the command that fixes it.

    [bold]Examples[/bold]

    steer doctor

    steer doctor --json
    """
    from steer.machine.doctor import examine

    found = examine(runs)
    if as_json:
        print_json(found)
        return
    _show(found)


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = out()

    def table(title: str, *rows: tuple[bool | None, str, str]) -> None:
        console.print(Text(title, "bold"))
        grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        grid.add_column(width=2)
        grid.add_column(overflow="fold", max_width=52)
        grid.add_column(overflow="fold")
        for ok, what, text in rows:
            mark = Text("–", "dim") if ok is None else Text("✓", "green") if ok else Text("✗", "red")
            grid.add_row(mark, Text(what), Text(text))
        console.print(grid)
        console.print()

    def line(check: dict[str, Any]) -> tuple[bool | None, str, str]:
        fix = "" if check["ok"] or not check["fix"] else f": {check['fix']}"
        return check["ok"], check["what"], check["found"] + fix

    table("Machine", *map(line, found["machine"]))
    # An optional package that is missing is not a fault.
    table("Optional packages", *((ok or None, what, text) for ok, what, text in map(line, found["packages"])))
    servers = [(True, server["url"], server["option"]) for server in found["servers"]]
    none = [(None, "none on the usual ports of this machine", "docs/image-servers.md")]
    table("Servers that make pictures", *(servers or none))
    for preset in found["presets"]:
        state = "ready" if preset["ready"] else "not ready"
        needs = [(need["met"], need["what"], need["fix"]) for need in preset["needs"]]
        table(f"Preset {preset['name']}: {state} ({preset['summary']})", *needs)
    console.print(Text("Memory plans of the GPU presets (estimates, not measured)", "bold"))
    console.print(_memory_table(found["memory"]))
    console.print()
    table(
        "Licences",
        *((None, row["what"], f"{row['licence']} ({row['presets']})") for row in found["licences"]),
    )
    auto = found["auto"]
    console.print(Text(f"--preset auto takes {auto['preset']}: {auto['reason']}"))


def _memory_table(plans: list[dict[str, Any]]) -> Any:
    """One row for each preset and plan, one column for each class of card: how much, how fast, what rests."""
    from rich.table import Table

    classes = list(dict.fromkeys(plan["class"] for plan in plans))
    grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("preset", "plan", *classes):
        grid.add_column(column, overflow="fold")
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for plan in plans:
        each = plan["seconds_per_image"]
        speed = f", {each:.1f} s a picture" if each is not None else ""
        swaps = f", swaps {plan['swap_seconds']:.0f} s" if plan["swaps"] else ""
        cell = f"{plan['peak_gb']:.0f} GB{speed}{swaps}" if plan["fits"] else plan["why_not"]
        rows.setdefault((plan["preset"], plan["plan"]), {})[plan["class"]] = cell
    for (preset, name), cells in rows.items():
        grid.add_row(preset, name, *(cells[each] for each in classes))
    return grid

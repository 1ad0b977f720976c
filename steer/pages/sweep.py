"""A sweep as one contact sheet: people down, prompts across, with base and winner; opens from the disk.

Thumbnails are files beside the page, because a large sweep has tens of thousands of them: the browser reads
those that are looked at. No network, no server; every name and prompt on it is untrusted text.
"""

from __future__ import annotations

import base64
import hashlib
import statistics
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reward.files import write_whole
from steer.pages import wording as words
from steer.pages.gallery import webp
from steer.pages.html import fill, inline
from steer.record.files import writing
from steer.sweep.plan import Cell, Plan, prompt_id

PAGE, THUMBS = "sweep.html", "thumbs"
_PIXELS, _QUALITY = 192, 72


@dataclass(frozen=True)
class Shown:
    """One run on the sheet."""

    name: str
    state: str
    href: str | None = None
    thumb: str | None = None
    image: str = ""  # the winner's, in the run's folder
    prompt: str = ""  # the winner's
    base: float | None = None
    best: float | None = None
    gain: float | None = None  # on fresh seeds where there are any, else on the search's own
    verdict: str = ""  # better | no_evidence | worse
    won: bool = False  # a rewrite won


def write_sheet(plan: Plan) -> Path:
    """Write `sweep.html` and the thumbnails that it lacks. Raises RecordError."""
    path = plan.folder / PAGE
    table = [[_shown(plan, Cell(one, line, row, column)) for column, line in enumerate(plan.lines)]
             for row, one in enumerate(plan.people)]  # fmt: skip
    with writing(plan.folder):
        (plan.folder / THUMBS).mkdir(exist_ok=True)
        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(lambda pair: _thumbnail(*pair), _thumbnails(plan, table)):
                pass
        write_whole(path, render(plan, table).encode())
    return path


def render(plan: Plan, table: list[list[Shown]]) -> str:
    """The page as HTML, of what `_shown` says of each run."""
    script = inline("sweep.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    everything = [one for row in table for one in row]
    return fill(
        "sweep.html.j2",
        title=f"{_count(len(plan.people), 'person', 'people')} × {_count(len(plan.lines), 'prompt')}",
        lede=_lede(everything),
        created=str(plan.head["created"])[:10],
        name=plan.folder.resolve().name,
        notice=words.SIMULATED_NOTICE if plan.head["simulated"] else "",
        left=[one.state for one in everything].count("complete") < len(everything),
        command=f"steer sweep resume {plan.folder}",
        rows=[
            {"name": one.name, "gain": _mean(row), "cells": row}
            for one, row in zip(plan.people, table, strict=True)
        ],
        columns=[
            {
                "prompt": line.prompt,
                "seed": line.settings.seed,
                "gain": _mean([row[column] for row in table]),
                "thumb": f"{THUMBS}/{prompt_id(line)}.webp"
                if any(row[column].state == "complete" for row in table)
                else None,
            }
            for column, line in enumerate(plan.lines)
        ],
        style=inline("base.css", "sweep.css"),
        script=script,
        script_hash=f"sha256-{digest}",
    )


def _shown(plan: Plan, cell: Cell) -> Shown:
    state = plan.state(cell)
    if state != "complete":
        return Shown(cell.name, state)
    result = plan.record(cell).result
    base, best, confirm = result["baseline"], result["best"], result["confirm"]
    page = f"runs/{cell.name}/gallery.html"
    return Shown(
        cell.name,
        state,
        page if (plan.folder / page).exists() else f"runs/{cell.name}/{best['image']}",
        f"{THUMBS}/{cell.name}.webp",
        best["image"],
        best["prompt"],
        base["score"],
        best["score"],
        confirm["gain_mean"] if confirm else best["score"] - base["score"],
        confirm["verdict"] if confirm else "",
        not result["winner_is_base"],
    )


def _thumbnails(plan: Plan, table: list[list[Shown]]) -> Iterable[tuple[Path, Path]]:
    """Original and thumbnail of all that are not there yet."""
    for column, line in enumerate(plan.lines):
        done = [row[column] for row in table if row[column].state == "complete"]
        base = plan.folder / THUMBS / f"{prompt_id(line)}.webp"
        if done and not base.exists():
            yield plan.runs / done[0].name / "images/r00c00.png", base
        for one in done:
            small = plan.folder / str(one.thumb)
            if not small.exists():
                yield plan.runs / one.name / one.image, small


def _thumbnail(original: Path, small: Path) -> None:
    write_whole(small, webp(original, _PIXELS, _QUALITY))


def _lede(everything: list[Shown]) -> str:
    done = [one for one in everything if one.state == "complete"]
    text = f"{len(done):,} of {_count(len(everything), 'run')} complete."
    if not done:
        return text
    gain = words.gain(statistics.fmean(one.gain or 0.0 for one in done))
    checked = [one for one in done if one.verdict]
    if not checked:
        return f"{text} Mean predicted gain {gain}, not confirmed on fresh seeds."
    better = sum(one.verdict == "better" for one in checked)
    return f"{text} Mean predicted gain on fresh seeds {gain}; {better:,} of {len(checked):,} hold there."


def _mean(cells: list[Shown]) -> float | None:
    gains = [one.gain for one in cells if one.gain is not None]
    return statistics.fmean(gains) if gains else None


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"

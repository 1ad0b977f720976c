"""Figures 4 to 6 (section 5): the courses of several rewards, and what the paper says of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from reward.reproduce.cells import change, sheet, signed
from reward.reproduce.plots import GREY, INK, OTHER, OWN, THIRD, drawing, panels, titled
from reward.reproduce.reproduction import Reproduction
from steer.experiments.claims import STYLES, claims, count
from steer.experiments.courses import KINDS, MEASURES, Figure6, Line, figure6

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = dict(zip(KINDS, (OWN, INK, OTHER, THIRD, GREY), strict=True))
SHOWN = ("saturation", "contrast", "realism", "adherence", "true rating")


def _rows(result: Figure6, label: str) -> list[Any]:
    """The course of every reward, then the paper's statements."""
    found = claims(result)
    course = sheet(
        f"Figures 4 to 6: change against the base by iteration; {len(result.users)} people, "
        f"{len(result.prompts)} prompts; {label}"
    )
    for name in ("reward", "measure"):
        course.add_column(name)
    for iteration in range(1, result.iterations + 1):
        course.add_column(f"after {iteration}", justify="right")
    by_kind = {(line.kind, line.measure): line.change for line in result.lines}
    for kind in KINDS:
        for measure in MEASURES:
            course_of = by_kind[kind, measure]
            cells = [signed(value.value) for value in course_of[1:-1]] + [change(course_of[-1])]
            course.add_row(kind if measure == MEASURES[0] else "", measure, *cells)
        course.add_section()
    said = sheet(f"The paper's statements: {count(found)}")
    said.add_column("in the paper")
    said.add_column("statement, and what was measured for it", overflow="fold", ratio=1)
    said.add_column("must be above 0", justify="right", no_wrap=True)
    said.add_column("", no_wrap=True)
    for claim in found:
        text = Text(claim.statement).append(f"\n{claim.measured}", "dim")
        said.add_row(claim.where, text, change(claim.value), Text(claim.verdict, STYLES[claim.verdict]))
    note = (
        "own: everyone's own predictor, judged by themselves; the other rewards have one opinion for "
        "everybody and are judged by the same people; none is built to fail. agreement: how well the picture "
        "shows the prompt. Statements are about pictures on seeds that no search saw, with 95% t intervals "
        "over prompts."
    )
    return [course, said, Text(note, "dim")]


def _plot(result: Figure6, label: str, path: Path) -> None:
    """Change against the base by iteration, a panel for each measure, a line for each reward."""
    with drawing(path, 13.5, 3.7) as figure:
        for axes, measure in zip(panels(figure, len(SHOWN)), SHOWN, strict=True):
            axes.axhline(0, color=GREY, lw=0.8, ls="--")
            for line in result.lines:
                if line.measure == measure:
                    _line(axes, line, COLOURS[line.kind])
            axes.set_title(measure)
            axes.set_xticks(range(result.iterations + 1))
            axes.set_xlabel("iteration")
        figure.axes[0].set_ylabel("best so far less base")
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        amount = f"{len(result.users)} people, {len(result.prompts)} prompts"
        note = f"bars: 95% over prompts; {count(claims(result))}"
        titled(figure, f"What steering does to pictures, by reward: {amount}", label, note)


def _line(axes: Axes, line: Line, colour: str) -> None:
    place = list(COLOURS).index(line.kind)
    x = np.arange(len(line.change)) + 0.06 * (place - len(COLOURS) / 2)
    values = np.array([(c.value, c.low, c.high) for c in line.change])
    axes.plot(x, values[:, 0], "o-", color=colour, ms=3.5, lw=1.4, label=line.kind)
    if np.isfinite(values).all():
        axes.vlines(x, values[:, 1], values[:, 2], color=colour, lw=0.9, alpha=0.6)


REPRODUCTION = Reproduction(
    lambda lab, seed, **options: figure6(lab, **options),  # nothing in it is drawn
    _rows,
    _plot,
    {"data": "section 5, Figures 4 to 7: pictures and words, no numbers"},
    to_json=lambda result: {"figure": result, "claims": claims(result)},
)

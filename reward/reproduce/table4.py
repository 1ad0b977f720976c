"""Table 4 and Figure 12: how many images and neighbours, and which temperature, for unseen people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from reward.evaluation.metrics import METRICS, Interval
from reward.reproduce.cells import number, sheet, with_interval
from reward.reproduce.experiment import Experiment
from reward.reproduce.plots import GREY, INK, NAMES, OTHER, OWN, PEOPLE, THIRD, drawing, panels, titled
from reward.reproduce.reproduction import Progress, Reproduction, silent

PAPER_DATA = "PAMELA test set, 27 unseen users, temperature 0.1"
# (context images, neighbours): SROCC, PLCC, pairwise accuracy
PAPER: Mapping[tuple[int, int], tuple[float, ...]] = {
    (5, 1): (0.3917, 0.4224, 0.6406),
    (5, 5): (0.3829, 0.4023, 0.6369),
    (10, 1): (0.4136, 0.4353, 0.6474),
    (10, 5): (0.3880, 0.4230, 0.6383),
    (15, 1): (0.4430, 0.4633, 0.6601),
    (15, 5): (0.4514, 0.4722, 0.6631),
    (15, 10): (0.4486, 0.4623, 0.6622),
    (20, 5): (0.4191, 0.4424, 0.6513),
    (20, 10): (0.4110, 0.4298, 0.6500),
    (25, 5): (0.4182, 0.4347, 0.6509),
    (25, 10): (0.4100, 0.4243, 0.6472),
}  # fmt: skip
PAPER_TEMPERATURE_EFFECT = 0.001  # "differences < 0.001 across all metrics" (appendix A.2)

CONTEXTS = (5, 10, 15, 20, 25)  # N, the rated images of an unseen person
NEIGHBOURS = (1, 5, 10)  # K of equation 1
TEMPERATURES = (0.05, 0.1, 0.2)  # tau of equation 1
SHOWN = 0.1  # the temperature of Table 4
DRAWS = 10  # contexts of every unseen person


@dataclass(frozen=True)
class Cell:
    """One setting of equation 1."""

    context: int
    neighbours: int
    temperature: float
    metrics: dict[str, Interval]  # SROCC, PLCC, pairwise accuracy: mean over people


@dataclass(frozen=True)
class Table4:
    """The whole grid, every cell on the same rows: those outside a person's largest context.

    `own` is the grid at temperature 0.1 with each N on its own remainder, as the paper seems to have it:
    its cells are of different rows, so part of what is between them is which pictures were judged.
    """

    split: str
    users: int
    left_out: int  # people with fewer than 10 rows outside the largest context, or constant ratings
    draws: int
    cells: tuple[Cell, ...]
    population: dict[str, Interval]  # no context at all: the population's score on the same rows
    own: tuple[Cell, ...]  # each N on all rows outside its own context
    temperature_effect: float  # largest difference between temperatures, over all other settings and metrics

    def at(self, temperature: float) -> tuple[Cell, ...]:
        """The cells of one temperature, contexts in order."""
        return tuple(cell for cell in self.cells if cell.temperature == temperature)


def table4(
    experiment: Experiment,
    split: str = "test_unseen",
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> Table4:
    """Judge every setting on a split of unseen people, each person's mean over nested context draws.

    The paper chose its setting on the test set; `val_unseen` chooses without looking there.
    """
    grid = list(product(CONTEXTS, NEIGHBOURS, TEMPERATURES))
    cells, rows_of, level = [], None, None
    for done, (context, neighbours, temperature) in enumerate(grid):
        progress("settings", done, len(grid))
        rows_of = experiment.personal(
            split, draws, seed, context, neighbours, temperature, reserved=max(CONTEXTS)
        )
        level = experiment.level(rows_of)
        cells.append(Cell(context, neighbours, temperature, level.summary()))
    progress("settings", len(grid), len(grid))
    own = []
    for context, neighbours in product(CONTEXTS, NEIGHBOURS):
        found = experiment.level(experiment.personal(split, draws, seed, context, neighbours, SHOWN))
        own.append(Cell(context, neighbours, SHOWN, found.summary()))
    assert rows_of is not None and level is not None  # the grid is not empty
    nobody = experiment.level(experiment.shared(experiment.population(), rows_of))
    return Table4(
        split=split,
        users=len(level.users),
        left_out=level.left_out,
        draws=draws,
        cells=tuple(cells),
        population=nobody.summary(),
        own=tuple(own),
        temperature_effect=_spread(cells),
    )


def _spread(cells: list[Cell]) -> float:
    """Largest range over temperatures of any metric at any other setting."""
    spreads = []
    for context, neighbours, metric in product(CONTEXTS, NEIGHBOURS, METRICS):
        values = [
            c.metrics[metric].value for c in cells if (c.context, c.neighbours) == (context, neighbours)
        ]
        spreads.append(float(np.ptp(values)))
    return max(spreads)


# ---- how it is shown ----


def _rows(result: Table4, label: str) -> list[Any]:
    """The cells of the paper's temperature, with the paper's numbers beside."""
    left = f"; {result.left_out} left out" if result.left_out else ""
    table = sheet(f"{result.split}: {result.users} people, {result.draws} contexts each{left}; {label}")
    ours = ("SROCC", "PLCC", "pairs", "SROCC, own rest", "PLCC", "pairs")
    for name in ("N images", "K", *ours, "paper SROCC", "paper PLCC", "paper pairs"):
        table.add_column(name, justify="right", style="dim" if name.startswith("paper") else "")
    cells = result.at(SHOWN)
    best = max(cells, key=lambda cell: cell.metrics["srocc"].value)
    for cell, own in zip(cells, result.own, strict=True):
        published = PAPER.get((cell.context, cell.neighbours), ())
        table.add_row(
            str(cell.context),
            str(cell.neighbours),
            *_three(cell.metrics),
            *_three(own.metrics),
            *(f"{value:.4f}" for value in published),
            style="bold" if cell is best else "",
        )
    table.add_section()
    table.add_row("0", "", *_three(result.population))
    note = (
        f"Temperature {SHOWN}. 0 images: the population's score. Over the temperatures 0.05, 0.1 and 0.2 "
        f"nothing moves by more than {result.temperature_effect:.4f} (paper: < {PAPER_TEMPERATURE_EFFECT}). "
        "First every setting on the same rows, those outside the largest context; then each on all outside "
        "its own (own rest), as the paper seems to have it. "
        f"Paper: {PAPER_DATA}, real people."
    )
    return [table, Text(note, "dim")]


def _three(metrics: dict[str, Interval]) -> list[str]:
    return [with_interval(metrics["srocc"]), number(metrics["plcc"].value), number(metrics["pairwise"].value)]


def _plot(result: Table4, label: str, path: Path) -> None:
    """Metrics over the number of rated images, a line for each number of neighbours, the best circled."""
    cells = result.at(SHOWN)
    with drawing(path, 11, 3.9) as figure:
        for i, (axes, metric) in enumerate(zip(panels(figure, 3), METRICS, strict=True)):
            for neighbours, colour in zip(NEIGHBOURS, (OTHER, OWN, THIRD), strict=True):
                line = [cell for cell in cells if cell.neighbours == neighbours]
                x = [cell.context for cell in line]
                axes.plot(
                    x,
                    [c.metrics[metric].value for c in line],
                    "o-",
                    color=colour,
                    ms=4,
                    label=f"K = {neighbours}",
                )
                published = [(n, v[i]) for (n, k), v in PAPER.items() if k == neighbours]
                axes.plot(*zip(*published, strict=True), "D:", color=colour, ms=3, lw=0.8, alpha=0.55)
            best = max(cells, key=lambda cell: cell.metrics[metric].value)
            axes.plot(
                best.context,
                best.metrics[metric].value,
                "o",
                ms=13,
                mfc="none",
                mec=INK,
                mew=1,
                label="best here",
            )
            axes.axhline(
                result.population[metric].value, color=GREY, lw=1, ls="--", label="population's score"
            )
            axes.plot([], [], "D:", color=GREY, ms=3, lw=0.8, label="paper (PAMELA)")
            axes.set_xticks(sorted({cell.context for cell in cells}))
            axes.set_xlabel("rated images of an unseen person, N")
            axes.set_title(NAMES[metric])
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        contexts = "1 context each" if result.draws == 1 else f"{result.draws} contexts each"
        people = f"{result.users} {PEOPLE.get(result.split, result.split)}, {contexts}"
        titled(figure, f"New people by their nearest neighbours, temperature {SHOWN}: {people}", label)


REPRODUCTION = Reproduction(
    table4,
    _rows,
    _plot,
    {"data": PAPER_DATA, "rows": PAPER, "temperature_effect": f"< {PAPER_TEMPERATURE_EFFECT}"},
)

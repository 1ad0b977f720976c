"""Table 4 and Figure 12: how many images and neighbours, and which temperature, for unseen people."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from reward.evaluation.metrics import METRICS, Interval
from reward.reproduce.experiment import Experiment, Progress, silent

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
    """The whole grid, every cell on the same rows: those outside a person's largest context."""

    split: str
    users: int
    left_out: int  # people with fewer than 10 rows outside the largest context, or constant ratings
    draws: int
    cells: tuple[Cell, ...]
    population: dict[str, Interval]  # no context at all: the population's score on the same rows
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
        cells.append(Cell(context, neighbours, temperature, level.summary(seed)))
    progress("settings", len(grid), len(grid))
    assert rows_of is not None and level is not None  # the grid is not empty
    nobody = experiment.level(experiment.shared(experiment.population(), rows_of))
    return Table4(
        split=split,
        users=len(level.users),
        left_out=level.left_out,
        draws=draws,
        cells=tuple(cells),
        population=nobody.summary(seed),
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

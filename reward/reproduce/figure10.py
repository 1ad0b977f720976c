"""Figure 10: pictures on which two people disagree, their ratings and the predictions below."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from reward.errors import DatasetError
from reward.pictures import read_image
from reward.reproduce.cells import columns, sheet
from reward.reproduce.divergence import Conflicts, conflicts
from reward.reproduce.experiment import Experiment
from reward.reproduce.plots import OTHER, OWN, PEOPLE, drawing, titled
from reward.reproduce.reproduction import Progress, Reproduction, silent

EXAMPLES = 4


@dataclass(frozen=True)
class Example:
    """Two people and two pictures: the first prefers the first picture, the second the second."""

    users: tuple[str, str]
    image_ids: tuple[str, str]
    paths: tuple[Path, Path]
    prompts: tuple[str, str]
    ratings: tuple[tuple[float, float], tuple[float, float]]  # by person, then picture
    predicted: tuple[tuple[float, float], tuple[float, float]]
    right: tuple[float, float]  # whether each person's order is predicted; a tie is half


@dataclass(frozen=True)
class Figure10:
    """The clearest disagreements of a split, chosen by the ratings alone."""

    split: str
    examples: tuple[Example, ...]
    candidates: int  # conflicts of the split
    right: float  # share of orders predicted right over the clearest hundred, of which these are the first


def figure10(
    experiment: Experiment,
    split: str = "test_seen",
    examples: int = EXAMPLES,
    seed: int = 0,
    progress: Progress = silent,
) -> Figure10:
    """The conflicts whose smaller difference of ratings is largest, no person or picture twice.

    Predictions take no part in the choice: some may be wrong, and are shown. Raises DatasetError.
    """
    predictions = experiment.personal(split, draws=1, seed=seed)[0]
    found = list(conflicts(experiment.dataset, predictions))
    if not found:
        raise DatasetError(
            f"no two people of {split} in {experiment.dataset.root} order the same two images differently: "
            "give a data set in which several people rate an image by --data"
        )
    margins = np.concatenate([each.margin for each in found])
    source = np.repeat(np.arange(len(found)), [len(each.margin) for each in found])
    place = np.concatenate([np.arange(len(each.margin)) for each in found])
    order = np.argsort(-margins, kind="stable")
    clearest = [found[source[i]].right[place[i]].mean() for i in order[:100]]
    chosen: list[Example] = []
    used: set[tuple[str, int]] = set()
    for i in order:
        conflict, at = found[source[i]], int(place[i])
        names = {("user", user) for user in conflict.people}
        names |= {("image", int(conflict.first[at])), ("image", int(conflict.second[at]))}
        if not names & used:
            used |= names
            chosen.append(_example(experiment, conflict, at))
        if len(chosen) == examples:
            break
    return Figure10(split, tuple(chosen), len(margins), float(np.mean(clearest)))


def _example(experiment: Experiment, conflict: Conflicts, at: int) -> Example:
    dataset = experiment.dataset
    x, y = conflict.people
    a, b = int(conflict.first[at]), int(conflict.second[at])
    ratings, predicted, right = conflict.ratings[at], conflict.predicted[at], conflict.right[at]
    return Example(
        users=(dataset.user_ids[x], dataset.user_ids[y]),
        image_ids=(dataset.image_ids[a], dataset.image_ids[b]),
        paths=(dataset.image_paths[a], dataset.image_paths[b]),
        prompts=(dataset.prompt(a), dataset.prompt(b)),
        ratings=((ratings[0, 0], ratings[0, 1]), (ratings[1, 0], ratings[1, 1])),
        predicted=((predicted[0, 0], predicted[0, 1]), (predicted[1, 0], predicted[1, 1])),
        right=(right[0], right[1]),
    )


# ---- how it is shown ----


def _rows(result: Figure10, label: str) -> list[Any]:
    """The pairs as numbers."""
    table = sheet(f"{result.split}: the clearest of {result.candidates:,} conflicts; {label}")
    columns(table, "person", "picture", "rating", "predicted", "picture", "rating", "predicted", "order")
    for example in result.examples:
        for person in (0, 1):
            cells = []
            for side in (0, 1):
                cells += [
                    example.image_ids[side],
                    f"{example.ratings[person][side]:.2f}",
                    f"{example.predicted[person][side]:.2f}",
                ]
            order = {1.0: "right", 0.5: "tied", 0.0: "wrong"}[float(example.right[person])]
            table.add_row(example.users[person], *cells, order)
        table.add_section()
    return [
        table,
        Text(f"Of the 100 clearest conflicts, {result.right:.0%} of the orders are predicted right.", "dim"),
    ]


def _plot(result: Figure10, label: str, path: Path) -> None:
    """Pairs of pictures with both people's ratings (full) and predictions (hollow) below each."""
    wide = 2 if len(result.examples) > 1 else 1
    lines = -(-len(result.examples) // wide)
    with drawing(path, 5.6 * wide, 3.9 * lines + 0.9) as figure:
        grid = figure.subfigures(lines, wide, squeeze=False, wspace=0.03, hspace=0.03)
        for place, cell in enumerate(grid.flat):
            if place < len(result.examples):
                _draw(cell, result.examples[place])
        handles = [_marker(colour, full) for colour in (OWN, OTHER) for full in (True, False)]
        names = ["first person: rating", "predicted", "second person: rating", "predicted"]
        figure.legend(handles, names, loc="outside lower center", ncols=4)
        people = PEOPLE.get(result.split, result.split)
        titled(figure, f"Pictures on which two {people} disagree, chosen by their ratings alone", label)


def _draw(cell: Any, example: Example) -> None:
    from textwrap import shorten

    x, y = example.users
    wrong = "" if sum(example.right) == 2 else f"; {2 - sum(example.right):.0f} of 2 orders predicted wrong"
    cell.suptitle(f"person {x} prefers the left, person {y} the right{wrong}", fontsize=9)
    axes = cell.subplots(2, 2, height_ratios=(3.2, 1))
    for side in range(2):
        axes[0, side].imshow(read_image(example.paths[side]))
        axes[0, side].set_axis_off()
        axes[0, side].set_title(shorten(example.prompts[side], 44, placeholder="…"), fontsize=7, loc="center")
        below = axes[1, side]
        for person, colour in enumerate((OWN, OTHER)):
            rating, predicted = example.ratings[person][side], example.predicted[person][side]
            height = 1 - person
            below.plot([rating, predicted], [height, height], color=colour, lw=1, zorder=1)
            below.plot(rating, height, "o", color=colour, ms=7, zorder=3)
            below.plot(predicted, height, "o", color=colour, mfc="white", ms=7, zorder=2)
        below.set_xlim(0.8, 5.2)
        below.set_ylim(-0.6, 1.6)
        below.set_xticks(range(1, 6))
        below.set_yticks((1, 0), (x, y) if side == 0 else ("", ""))
        below.grid(axis="x", color="#e5e5e5", lw=0.6)
        below.spines["left"].set_visible(False)
        below.tick_params(left=False, labelsize=7)


def _marker(colour: str, full: bool) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], ls="", marker="o", ms=7, color=colour, mfc=colour if full else "white")


REPRODUCTION = Reproduction(figure10, _rows, _plot, {})

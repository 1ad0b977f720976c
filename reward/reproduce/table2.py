"""Table 2: the predictor against scorers that give everyone the same score (section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from reward.baselines.personal import Personal, of_rows
from reward.evaluation.metrics import METRICS, Interval, interval, population_intervals
from reward.people.newcomer import Method
from reward.reproduce.baselines import check_complete
from reward.reproduce.ceilings import Ceilings, ceilings
from reward.reproduce.cells import columns, number, sheet, with_interval
from reward.reproduce.experiment import DRAWS, Experiment, unseen
from reward.reproduce.plots import GREY, INK, OTHER, OWN, PEOPLE, THIRD, drawing, panels, titled
from reward.reproduce.reproduction import Progress, Reproduction, silent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAPER_DATA = "PAMELA test set, 27 unseen users"
# user SROCC, average SROCC, user PLCC, average PLCC, user pairwise accuracy, average pairwise accuracy
PAPER: Mapping[str, tuple[float, ...]] = {
    "LAION": (0.1516, 0.1511, 0.1471, 0.1426, 0.5110, 0.5156),
    "Q-Align (IQA)": (0.2497, 0.3290, 0.2416, 0.3244, 0.5865, 0.6096),
    "Q-Align (Aesthetics)": (0.2677, 0.3273, 0.2906, 0.3606, 0.5932, 0.6109),
    "ImageReward": (0.2841, 0.2314, 0.2855, 0.2044, 0.5978, 0.5762),
    "DeQA": (0.2371, 0.2864, 0.2105, 0.2741, 0.5818, 0.5950),
    "HPSv3": (0.4019, 0.5076, 0.4444, 0.5880, 0.6427, 0.6773),
    "PAMELA": (0.4514, 0.5269, 0.4722, 0.6116, 0.6631, 0.6798),
}  # fmt: skip

OURS = "PAMELA"
POPULATION = "PAMELA, same for everyone"
OTHER_WAYS: Mapping[str, Method] = {  # of placing unseen people; ours is the paper's, equation 1
    "PAMELA, mix of the known": "mix",  # this program's default
    "PAMELA, ridge on everyone's": "ridge",
}
LINEAR = "linear model of one's own ratings"
SPLITS = ("test_unseen", "test_seen")  # the paper's first


@dataclass(frozen=True)
class Row:
    """One scorer."""

    scorer: str
    user: dict[str, Interval]  # SROCC, PLCC, pairwise accuracy within a person's ratings, mean over people
    average: dict[str, Interval] | None  # over images, against their mean rating; None where it is ours again
    ours_above: (
        Interval | None
    )  # user SROCC of the predictor less this scorer's, person by person; None: it is ours


@dataclass(frozen=True)
class Comparison:
    """All scorers on one split."""

    split: str
    users: int
    left_out: int  # people with fewer than 10 rows outside the context, or constant ratings
    ratings: int  # of the split, those that the average columns use
    draws: int  # contexts per person; 1 for seen people, who need none
    rows: tuple[Row, ...]  # baselines, the predictor for nobody in particular, for each person, in other ways
    ceilings: Ceilings


def table2(
    experiment: Experiment,
    baselines: Mapping[str, np.ndarray] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
    personal: Mapping[str, Personal] | None = None,
) -> tuple[Comparison, ...]:
    """Both test splits. `baselines`: scorer -> score of each image [images]; `personal`: scorer -> those of
    each person and image.

    User columns are within each person's ratings outside the context; the predictor's average columns leave
    out user and demographics (section 4). Raises BaselineError where a baseline lacks an image, DatasetError.
    """
    splits, made = experiment.splits(*SPLITS), []
    for split in splits:
        check_complete(baselines or {}, experiment.dataset, split)
    for done, split in enumerate(splits):
        progress("splits", done, len(splits))
        made.append(_compare(experiment, split, baselines or {}, draws, seed, personal or {}))
    progress("splits", len(splits), len(splits))
    return tuple(made)


def _compare(
    experiment: Experiment,
    split: str,
    baselines: Mapping[str, np.ndarray],
    draws: int,
    seed: int,
    others: Mapping[str, Personal],
) -> Comparison:
    dataset = experiment.dataset
    rows = dataset.rows(split)
    personal = experiment.personal(split, draws, seed)
    ours = experiment.level(personal)
    population = experiment.population()

    def average(scores: np.ndarray) -> dict[str, Interval]:
        images = dataset.images[rows]
        return population_intervals(dataset.users[rows], images, dataset.scores[rows], scores[images])

    made = []
    for name, scores in {**baselines, POPULATION: population}.items():
        level = experiment.level(experiment.shared(scores, personal))
        above = interval(ours.srocc - level.srocc)
        made.append(Row(name, level.summary(), average(scores), above))
    made.append(Row(OURS, ours.summary(), made[-1].average, None))
    for name, method in OTHER_WAYS.items() if unseen(split) else ():
        level = experiment.level(experiment.personal(split, draws, seed, method=method))
        made.append(Row(name, level.summary(), None, interval(ours.srocc - level.srocc)))
    for name, known in others.items():
        theirs = [replace(each, scores=of_rows(name, known, dataset, each.rows)) for each in personal]
        level = experiment.level(theirs)
        made.append(Row(name, level.summary(), None, interval(ours.srocc - level.srocc)))
    level = experiment.level(experiment.own_linear(split, draws, seed))
    made.append(Row(LINEAR, level.summary(), None, interval(ours.srocc - level.srocc)))
    return Comparison(
        split=split,
        users=len(ours.users),
        left_out=ours.left_out,
        ratings=len(rows),
        draws=len(personal),
        rows=tuple(made),
        ceilings=ceilings(dataset, split),
    )


# ---- how it is shown ----


def _rows(result: Sequence[Comparison], label: str) -> list[Any]:
    """One table for each split; the paper's numbers are of unseen people."""
    shown: list[Any] = []
    for split in result:
        contexts = f", {split.draws} contexts each" if split.split.endswith("unseen") else ""
        out = f"; {split.left_out} left out" if split.left_out else ""
        table = sheet(f"{split.split}: {split.users} people{contexts}{out}; {label}")
        columns(
            table, "scorer", "user SROCC", "avg SROCC", "user PLCC", "avg PLCC", "user pairs", "avg pairs"
        )
        table.add_column("ours above, user SROCC", justify="right")
        for row in split.rows:
            cells = []
            for metric in METRICS:
                value = row.user[metric]
                cells.append(with_interval(value) if metric == "srocc" else number(value.value))
                cells.append(number(row.average[metric].value) if row.average else "")
            above = "" if row.ours_above is None else with_interval(row.ours_above, signed=True)
            table.add_row(row.scorer, *cells, above, style="bold" if row.scorer == OURS else "")
        ceiling = split.ceilings
        table.add_row(
            f"mean of {ceiling.others:.1f} other raters",
            with_interval(ceiling.consensus["srocc"]),
            "",
            number(ceiling.consensus["plcc"].value),
            f"max ~{ceiling.average_plcc:.2f}",
            number(ceiling.consensus["pairwise"].value),
            style="dim",
        )
        if split.split == "test_unseen":
            table.add_section()
            table.add_row("paper, real people:", style="italic")
            for name, values in PAPER.items():
                table.add_row(name, *(f"{value:.4f}" for value in values))
        shown.append(table)
    return [*shown, Text(f"Paper: {PAPER_DATA}, real people.", "dim")]


def _plot(result: Sequence[Comparison], label: str, path: Path) -> None:
    """User SROCC of every scorer, a panel for each split; the paper's as diamonds, ours or not."""
    ours = [row.scorer for row in result[0].rows]
    names = [*(name for name in PAPER if name not in ours), *ours]
    with drawing(path, 4.6 * len(result) + 1, 0.3 * len(names) + 1.6) as figure:
        for axes, split in zip(panels(figure, len(result)), result, strict=True):
            for row in split.rows:
                _bar(axes, names.index(row.scorer), row.user["srocc"], OWN if row.scorer == OURS else GREY)
            if split.split == "test_unseen":
                for name, values in PAPER.items():
                    axes.plot(values[0], names.index(name), "D", color=OTHER, ms=4, zorder=3)
            ceiling = split.ceilings
            axes.axvline(ceiling.consensus["srocc"].value, color=THIRD, lw=1, ls="--")
            axes.annotate(
                f"mean of {ceiling.others:.0f} other raters",
                (ceiling.consensus["srocc"].value, -0.9),
                xytext=(-4, 0),
                textcoords="offset points",
                color=THIRD,
                fontsize=7,
                ha="right",
                va="center",
            )
            axes.set_yticks(range(len(names)), names if split is result[0] else [""] * len(names))
            axes.set_ylim(len(names) - 0.5, -1.2)
            axes.set_xlabel("SROCC within a person, mean over people")
            axes.set_title(f"{PEOPLE[split.split]} ({split.users})")
        titled(figure, "Scorers against people's own ratings", label, f"diamonds: paper, {PAPER_DATA}")


def _bar(axes: Axes, place: float, value: Interval, colour: str) -> None:
    axes.barh(place, value.value, 0.62, color=colour)
    axes.plot([value.low, value.high], [place, place], color=INK, lw=1)


def _hint(experiment: Experiment, baselines: Mapping[str, np.ndarray], **options: Any) -> str:
    others = "other reward models: --baselines FILE, written by the programs in reward/adapters"
    return "" if baselines else others


REPRODUCTION = Reproduction(table2, _rows, _plot, {"data": PAPER_DATA, "rows": PAPER}, hint=_hint)

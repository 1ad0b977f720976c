"""Figure 11: pairwise accuracy as near-ties are left out (section 7.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from reward.evaluation.evaluate import Predictions
from reward.evaluation.metrics import Interval, interval, pairwise_accuracy
from reward.reproduce.baselines import check_complete
from reward.reproduce.cells import columns, sheet
from reward.reproduce.experiment import DRAWS, Experiment
from reward.reproduce.plots import OWN, PEOPLE, THIRD, drawing, panels, titled
from reward.reproduce.reproduction import Progress, Reproduction, silent
from reward.reproduce.table2 import OURS, POPULATION

PAPER_DATA = "PAMELA test set"
PAPER = "pairwise accuracy rises to nearly 0.80 as the margin grows to the next anchor point (Figure 11)"

MARGINS = tuple(round(0.1 * step, 1) for step in range(11))  # up to the next anchor of the 1-5 scale
SPLITS = ("test_unseen", "test_seen")


@dataclass(frozen=True)
class Curve:
    """One scorer on one split."""

    scorer: str
    accuracy: tuple[Interval, ...]  # at each margin, mean over people who have such a pair


@dataclass(frozen=True)
class Margins:
    """All scorers on one split."""

    split: str
    margins: tuple[float, ...]  # pairs whose ratings differ by less are left out
    users: tuple[int, ...]  # who have a pair at each margin
    kept: tuple[float, ...]  # share of a person's pairs that is left, mean over people
    curves: tuple[Curve, ...]  # baselines, then the predictor


def figure11(
    experiment: Experiment,
    baselines: Mapping[str, np.ndarray] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Margins, ...]:
    """Both test splits; unseen people by equation 1 with 15 images. Raises BaselineError, DatasetError."""
    splits, made = experiment.splits(*SPLITS), []
    for split in splits:
        check_complete(baselines or {}, experiment.dataset, split)
    for split in splits:
        personal = experiment.personal(split, draws, seed)
        experiment.level(personal)  # refuses a split without people
        shared = {**(baselines or {}), POPULATION: experiment.population()}
        scorers = {name: experiment.shared(scores, personal) for name, scores in shared.items()}
        scorers[OURS] = personal
        curves, kept, users = [], np.ones(len(MARGINS)), np.zeros(len(MARGINS), int)
        for done, (name, predictions) in enumerate(scorers.items()):
            progress(split, done, len(scorers))
            accuracy, kept_by_user = _by_user(experiment, predictions)
            users, kept = (~np.isnan(accuracy)).sum(0), kept_by_user.mean(0)
            intervals = [
                interval(column[~np.isnan(column)]) if (~np.isnan(column)).any() else _NOBODY
                for column in accuracy.T
            ]
            curves.append(Curve(name, tuple(intervals)))
        progress(split, len(scorers), len(scorers))
        made.append(Margins(split, MARGINS, tuple(users.tolist()), tuple(kept.tolist()), tuple(curves)))
    return tuple(made)


_NOBODY = Interval(float("nan"), float("nan"), float("nan"))


def _by_user(experiment: Experiment, draws: Sequence[Predictions]) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and share of pairs kept [users, margins], each person's mean over draws; nan without a pair.

    The people are those whom user-level metrics judge.
    """
    dataset = experiment.dataset
    people = experiment.level(draws).users
    accuracy = np.full((len(draws), len(people), len(MARGINS)), np.nan)
    kept = np.zeros_like(accuracy)
    for d, each in enumerate(draws):
        users = dataset.users[each.rows]
        for p, user in enumerate(people):
            mine = users == user
            truth, predicted = dataset.scores[each.rows[mine]], each.scores[mine]
            accuracy[d, p] = [pairwise_accuracy(truth, predicted, margin) for margin in MARGINS]
            kept[d, p] = _shares(truth)
    some = ~np.isnan(accuracy).all(0)
    mean = np.full(some.shape, np.nan)
    mean[some] = np.nanmean(accuracy[:, some], axis=0)
    return mean, kept.mean(0)


def _shares(truth: np.ndarray) -> list[float]:
    """Share of the pairs that are not tied whose ratings differ by each margin at least."""
    first, second = np.triu_indices(len(truth), 1)
    difference = np.abs(truth[first].astype(float) - truth[second])
    untied = max(int((difference > 0).sum()), 1)
    return [int(((difference > 0) & (difference >= margin - 1e-6)).sum()) / untied for margin in MARGINS]


# ---- how it is shown ----


def _rows(result: Sequence[Margins], label: str) -> list[Any]:
    """Accuracy of every scorer at every margin, one table for each split."""
    shown: list[Any] = []
    for split in result:
        table = sheet(f"{split.split}: pairwise accuracy, pairs that differ by less left out; {label}")
        columns(table, "scorer", *(f"{margin:g}" for margin in split.margins))
        for curve in split.curves:
            values = (f"{100 * point.value:.1f}" for point in curve.accuracy)
            table.add_row(curve.scorer, *values, style="bold" if curve.scorer == OURS else "")
        table.add_row("pairs left, %", *(f"{100 * share:.0f}" for share in split.kept), style="dim")
        shown.append(table)
    return [*shown, Text(f"Paper ({PAPER_DATA}, real people): {PAPER}.", "dim")]


def _plot(result: Sequence[Margins], label: str, path: Path) -> None:
    """Pairwise accuracy over the margin, a panel for each split."""
    colours = (THIRD, "#2a9d8f", "#c1666b", "#7a7a52", "#5c80bc", "#a8763e")
    with drawing(path, 5.2 * len(result), 4.0) as figure:
        for axes, split in zip(panels(figure, len(result), share=True), result, strict=True):
            for i, curve in enumerate(split.curves):
                own = curve.scorer == OURS
                colour = OWN if own else colours[i % len(colours)]
                values = np.array([(a.value, a.low, a.high) for a in curve.accuracy]) * 100
                axes.plot(split.margins, values[:, 0], color=colour, lw=2 if own else 1.2, label=curve.scorer)
                if own:
                    axes.fill_between(
                        split.margins, values[:, 1], values[:, 2], color=colour, alpha=0.15, lw=0
                    )
            axes.set_xlabel("pairs that differ by less are left out (points of 5)")
            axes.set_title(
                f"{PEOPLE[split.split]} ({split.users[0]}); {split.kept[-1]:.0%} of pairs left at 1"
            )
            axes.grid(axis="y", color="#e5e5e5", lw=0.6)
        figure.axes[0].set_ylabel("pairwise accuracy, %")
        figure.axes[0].legend(loc="best")
        titled(
            figure,
            "Pairwise accuracy without near-ties",
            label,
            f"paper ({PAPER_DATA}): {PAPER}",
        )


REPRODUCTION = Reproduction(figure11, _rows, _plot, {"data": PAPER_DATA, "finding": PAPER})

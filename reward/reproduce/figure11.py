"""Figure 11: pairwise accuracy as near-ties are left out (section 7.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reward.evaluation.evaluate import Predictions
from reward.evaluation.metrics import Interval, interval, pairwise_accuracy
from reward.reproduce.baselines import check_complete
from reward.reproduce.experiment import DRAWS, Experiment, Progress, silent
from reward.reproduce.table2 import OURS, POPULATION

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
                interval(column[~np.isnan(column)], seed) if (~np.isnan(column)).any() else _NOBODY
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

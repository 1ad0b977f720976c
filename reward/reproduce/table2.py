"""Table 2: the predictor against scorers that give everyone the same score (section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..metrics import Interval, interval, population_intervals
from .baselines import check_complete
from .ceilings import Ceilings, ceilings
from .experiment import DRAWS, Experiment, Progress, silent

OURS = "PAMELA"
POPULATION = "PAMELA, same for everyone"
SPLITS = ("test_unseen", "test_seen")  # the paper's first


@dataclass(frozen=True)
class Row:
    """One scorer."""

    scorer: str
    user: dict[str, Interval]  # SROCC, PLCC, pairwise accuracy within a person's ratings, mean over people
    average: dict[str, Interval]  # the same over images, against their mean rating
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
    rows: tuple[Row, ...]  # baselines, then the predictor
    ceilings: Ceilings


def table2(
    experiment: Experiment,
    baselines: Mapping[str, np.ndarray] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Comparison, ...]:
    """Both test splits. `baselines`: scorer -> score of each image [images].

    User columns are within each person's ratings outside the context; the predictor's average columns leave
    out user and demographics (section 4). Raises BaselineError where a baseline lacks an image, DatasetError.
    """
    for split in SPLITS:
        check_complete(baselines or {}, experiment.dataset, split)
    made = []
    for done, split in enumerate(SPLITS):
        progress("splits", done, len(SPLITS))
        if len(experiment.dataset.rows(split)):
            made.append(_compare(experiment, split, baselines or {}, draws, seed))
    progress("splits", len(SPLITS), len(SPLITS))
    return tuple(made)


def _compare(
    experiment: Experiment, split: str, baselines: Mapping[str, np.ndarray], draws: int, seed: int
) -> Comparison:
    dataset = experiment.dataset
    rows = dataset.rows(split)
    personal = experiment.personal(split, draws, seed)
    ours = experiment.level(personal)
    population = experiment.population()

    def average(scores: np.ndarray) -> dict[str, Interval]:
        images = dataset.images[rows]
        return population_intervals(dataset.users[rows], images, dataset.scores[rows], scores[images], seed)

    made = []
    for name, scores in {**baselines, POPULATION: population}.items():
        level = experiment.level(experiment.shared(scores, personal))
        above = interval(ours.srocc - level.srocc, seed)
        made.append(Row(name, level.summary(seed), average(scores), above))
    made.append(Row(OURS, ours.summary(seed), made[-1].average, None))
    return Comparison(
        split=split,
        users=len(ours.users),
        left_out=ours.left_out,
        ratings=len(rows),
        draws=len(personal),
        rows=tuple(made),
        ceilings=ceilings(dataset, split, seed),
    )

"""Table 2: the predictor against scorers that give everyone the same score (section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reward.evaluation.metrics import Interval, interval, population_intervals
from reward.people.newcomer import Method
from reward.reproduce.baselines import check_complete
from reward.reproduce.ceilings import Ceilings, ceilings
from reward.reproduce.experiment import DRAWS, Experiment, Progress, silent, unseen

OURS = "PAMELA"
POPULATION = "PAMELA, same for everyone"
OTHER_WAYS: Mapping[str, Method] = {  # of placing unseen people; ours is the paper's, equation 1
    "PAMELA, mix of the known": "mix",  # this program's default
    "PAMELA, ridge on everyone's": "ridge",
}
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
) -> tuple[Comparison, ...]:
    """Both test splits. `baselines`: scorer -> score of each image [images].

    User columns are within each person's ratings outside the context; the predictor's average columns leave
    out user and demographics (section 4). Raises BaselineError where a baseline lacks an image, DatasetError.
    """
    splits, made = experiment.splits(*SPLITS), []
    for split in splits:
        check_complete(baselines or {}, experiment.dataset, split)
    for done, split in enumerate(splits):
        progress("splits", done, len(splits))
        made.append(_compare(experiment, split, baselines or {}, draws, seed))
    progress("splits", len(splits), len(splits))
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
    for name, method in OTHER_WAYS.items() if unseen(split) else ():
        level = experiment.level(experiment.personal(split, draws, seed, method=method))
        made.append(Row(name, level.summary(seed), None, interval(ours.srocc - level.srocc, seed)))
    return Comparison(
        split=split,
        users=len(ours.users),
        left_out=ours.left_out,
        ratings=len(rows),
        draws=len(personal),
        rows=tuple(made),
        ceilings=ceilings(dataset, split, seed),
    )

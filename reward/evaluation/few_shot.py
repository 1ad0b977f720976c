"""The protocol of few ratings: learn each new person from 10 or 100 of their ratings, judge 50 others.

As in arXiv 2604.11374 (PARA and LAPIS): up to 200 people drawn by seed 42, Spearman's correlation (0 where a
prediction is constant) and R² within each person, means over people. Unlike there, the judged pictures are
ones that no one's training ratings are of; what a person learns from may be any other rating of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reward.data import UNUSED, Dataset
from reward.encoders.features import Features
from reward.errors import DatasetError
from reward.evaluation.evaluate import known_ratings
from reward.evaluation.judge import described, known_rows, qualified
from reward.evaluation.metrics import Interval, interval, srocc
from reward.evaluation.own_linear import of_people
from reward.predictor.predictor import Predictor

JUDGED = 50  # pictures of each person
PEOPLE = 200
SEED = 42
OURS, LINEAR, DIFFERENCE = "predictor, mix", "own linear model", "predictor less own linear model"


@dataclass(frozen=True)
class FewShot:
    """Everybody learnt from so many ratings."""

    data: str
    shots: int
    users: int
    left_out: int  # people with too few ratings
    metrics: dict[str, dict[str, Interval]]  # model -> srocc, r2
    people: tuple[dict[str, Any], ...]  # id, and model -> metric -> value


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the variance explained; below 0 where the mean would be nearer, 0 for constant truth."""
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return 1 - float(np.sum((truth - predicted) ** 2)) / spread if spread > 1e-12 else 0.0


def few_shot(
    predictor: Predictor,
    dataset: Dataset,
    features: Features,
    source: str,
    shots: int,
    split: str = "test_unseen",
    judged: int = JUDGED,
    people: int = PEOPLE,
    seed: int = SEED,
) -> FewShot:
    """Judge the new people of one data set. Raises DatasetError where nobody has ratings enough."""
    known_people = known_rows(predictor.people, predictor.world, dataset)
    drawn, left_out = _draw(dataset.only(source), dataset, known_people, split, shots, judged, people, seed)
    if not drawn:
        raise DatasetError(
            f"nobody in {split} of {dataset.root} has {shots} ratings and {judged} more to judge: ask for "
            "fewer by --shots"
        )
    images = np.unique(np.concatenate([dataset.images[rows] for _, *both in drawn for rows in both]))
    known = known_ratings(
        predictor.model,
        described(predictor.tables, known_people, features),
        features,
        images,
        predictor.sample_ratings,
        predictor.sources,
    )
    prior = predictor.calibration.prior_of(source)
    ours = [
        known.mixed(dataset, features, user, rated, dataset.images[rows], prior)
        for user, rated, rows in drawn
    ]
    linear = of_people(dataset, features, [(rated, rows) for _, rated, rows in drawn])
    own = np.split(linear, np.cumsum([len(rows) for *_, rows in drawn])[:-1])
    found = []
    for (user, _, rows), *predicted in zip(drawn, ours, own, strict=True):
        truth = dataset.scores[rows].astype(np.float64)
        figures = {
            name: {"srocc": srocc(truth, scores), "r2": r2(truth, scores)}
            for name, scores in zip((OURS, LINEAR), predicted, strict=True)
        }
        figures[DIFFERENCE] = {m: figures[OURS][m] - figures[LINEAR][m] for m in ("srocc", "r2")}
        found.append((qualified(dataset.user_ids[user], source), figures))
    metrics = {
        name: {m: interval(np.array([one[name][m] for _, one in found])) for m in ("srocc", "r2")}
        for name in (OURS, LINEAR, DIFFERENCE)
    }
    listed = tuple({"id": id, **figures} for id, figures in found)
    return FewShot(source, shots, len(found), left_out, metrics, listed)


def _draw(
    judged_on: Dataset,
    dataset: Dataset,
    known: np.ndarray,
    split: str,
    shots: int,
    judged: int,
    people: int,
    seed: int,
) -> tuple[list[tuple[int, np.ndarray, np.ndarray]], int]:
    """(user, rows to learn from, rows to judge) of each person drawn, and how many have too few."""
    rng = np.random.default_rng(seed)
    rows, spare = judged_on.rows(split), dataset.rows(UNUSED)
    enough, left_out = [], 0
    for user in np.setdiff1d(np.unique(dataset.users[rows]), known):
        mine = rng.permutation(rows[dataset.users[rows] == user])
        beside = rng.permutation(spare[dataset.users[spare] == user])
        if len(mine) < judged or len(mine) - judged + len(beside) < shots:
            left_out += 1
            continue
        enough.append((int(user), np.concatenate([beside, mine[judged:]])[:shots], mine[:judged]))
    chosen = rng.permutation(len(enough))[:people]
    return [enough[i] for i in sorted(chosen)], left_out

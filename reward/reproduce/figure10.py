"""Figure 10: pictures on which two people disagree, their ratings and the predictions below."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reward.errors import DatasetError
from reward.reproduce.divergence import Conflicts, conflicts
from reward.reproduce.experiment import Experiment

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
    experiment: Experiment, split: str = "test_seen", examples: int = EXAMPLES, seed: int = 0
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

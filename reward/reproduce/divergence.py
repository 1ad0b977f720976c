"""Section 7.1: pairs of images of which one person prefers the first and another the second.

The paper does not say how it counts such pairs, so two counts stand side by side. *Conflicts*: one pair of
people on one pair of images, where a score that is the same for everyone is right for exactly one of the two:
50%, always. *Preferences*: a person's order of two images that at least one other person contradicts, each
counted once; here the majority's taste is right more often than not, so the population's score stands beside
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from reward.data import Dataset
from reward.errors import DatasetError
from reward.evaluation.evaluate import Predictions
from reward.evaluation.metrics import Interval, jackknife
from reward.reproduce.cells import columns, percent, sheet
from reward.reproduce.experiment import DRAWS, Experiment
from reward.reproduce.plots import GREY, OTHER, OWN, PEOPLE, drawing, panels, titled
from reward.reproduce.reproduction import Progress, Reproduction, silent

PAPER_DATA = "PAMELA test set"
# split: share of diverging preferences in the right order, how many there are ("about")
PAPER: Mapping[str, tuple[float, int]] = {"test_seen": (0.6144, 71_700), "test_unseen": (0.5523, 13_000)}

SPLITS = ("test_seen", "test_unseen")
MARGINS = (0.0, 0.5, 1.0)  # both people's ratings must differ by this much, in points of the 1-5 scale


@dataclass(frozen=True)
class Conflicts:
    """Every pair of images on which two given people are of opposite opinion."""

    people: tuple[int, int]  # the data set's users x and y
    first: np.ndarray  # [c] images that x prefers
    second: np.ndarray  # [c] images that y prefers
    ratings: np.ndarray  # [c, 2, 2] by person, then image
    predicted: np.ndarray  # [c, 2, 2]

    @property
    def margin(self) -> np.ndarray:
        """[c] difference of the ratings, of the person for whom it is smaller."""
        return np.abs(self.ratings[:, :, 0] - self.ratings[:, :, 1]).min(1)

    @property
    def right(self) -> np.ndarray:
        """[c, 2] whether each person's order is predicted; a tied prediction is half right."""
        order = np.sign(self.predicted[:, :, 0] - self.predicted[:, :, 1]) * np.array([1, -1])
        return 0.5 + 0.5 * order


@dataclass(frozen=True)
class Diverging:
    """How many diverging preferences of a split are predicted."""

    split: str
    margin: float
    users: int  # who take part in a conflict
    conflicts: int  # pairs of people on pairs of images, mean over draws
    accuracy: Interval  # share right over conflicts; the same score for everyone gives exactly 0.5
    both: float  # share of conflicts where both people's orders are right; 0 for the same score for everyone
    preferences: int  # distinct orders of one person that somebody contradicts, mean over draws
    preference_accuracy: Interval  # share right over those
    population_accuracy: float  # of the population's score, on the same preferences


def divergence(
    experiment: Experiment, draws: int = DRAWS, seed: int = 0, progress: Progress = silent
) -> tuple[Diverging, ...]:
    """Both test splits at every margin; unseen people by equation 1 with 15 images. Raises DatasetError."""
    population = experiment.population()
    made = []
    for split in experiment.splits(*SPLITS):
        predictions = experiment.personal(split, draws, seed)
        people = np.unique(np.concatenate([experiment.dataset.users[each.rows] for each in predictions]))
        sums = {margin: _Sums.of(people) for margin in MARGINS}
        for done, each in enumerate(predictions):
            progress(split, done, len(predictions))
            found = list(conflicts(experiment.dataset, each))
            for margin in MARGINS:
                sums[margin].add(found, population, margin)
        progress(split, len(predictions), len(predictions))
        made += [_summary(split, margin, sums[margin]) for margin in MARGINS]
    if not any(each.conflicts for each in made):
        raise DatasetError(
            f"no two people of {experiment.dataset.root} order the same two images differently: give a data "
            "set in which several people rate an image by --data"
        )
    return tuple(made)


def conflicts(dataset: Dataset, predictions: Predictions) -> Iterator[Conflicts]:
    """For every two people who have any, the pairs of images on which they are of opposite opinion."""
    users = dataset.users[predictions.rows]
    images, scores = dataset.images[predictions.rows], dataset.scores[predictions.rows].astype(float)
    mine = {user: np.flatnonzero(users == user) for user in np.unique(users)}
    for x, y in combinations(mine, 2):
        shared, at_x, at_y = np.intersect1d(images[mine[x]], images[mine[y]], True, True)
        if len(shared) < 2:
            continue
        rows = np.stack([mine[x][at_x], mine[y][at_y]])  # [2, shared]
        a, b = np.triu_indices(len(shared), 1)
        difference = scores[rows][:, a] - scores[rows][:, b]
        opposed = difference[0] * difference[1] < 0
        if not opposed.any():
            continue
        a, b, swap = a[opposed], b[opposed], difference[0][opposed] < 0
        first, second = np.where(swap, b, a), np.where(swap, a, b)  # x prefers the first
        pairs = np.stack([rows[:, first], rows[:, second]], axis=-1).transpose(1, 0, 2)  # [c, 2, 2]
        yield Conflicts(
            (int(x), int(y)),
            shared[first],
            shared[second],
            scores[pairs],
            predictions.scores[pairs].astype(float),
        )


@dataclass
class _Sums:
    """Running sums over draws, and by person what goes with them when they are left out."""

    people: np.ndarray  # [people] the data set's users who may take part, sorted
    right: np.ndarray  # [people] right orders in the conflicts that they take part in, of both sides
    count: np.ndarray  # [people] orders in them: two for each conflict
    preferences: np.ndarray  # [people]
    preferences_right: np.ndarray  # [people]
    both: float = 0.0
    population_right: float = 0.0
    draws: int = 0

    @classmethod
    def of(cls, people: np.ndarray) -> _Sums:
        none = np.zeros(len(people))
        return cls(people, none.copy(), none.copy(), none.copy(), none.copy())

    def add(self, found: Sequence[Conflicts], population: np.ndarray, margin: float) -> None:
        """One draw's conflicts."""
        size, images = len(self.people), len(population)
        orders: list[np.ndarray] = []  # person, better image and worse image in one number
        rights: list[np.ndarray] = []  # of the person's predicted order
        for each in found:
            kept = each.margin >= margin - 1e-6
            pair = np.searchsorted(self.people, each.people)
            hits = each.right[kept]
            self.right[pair] += hits.sum()
            self.count[pair] += 2 * len(hits)
            self.both += float((hits == 1).all(1).sum())
            first, second = each.first[kept].astype(np.int64), each.second[kept].astype(np.int64)
            orders += [
                (pair[0] * images + first) * images + second,
                (pair[1] * images + second) * images + first,
            ]
            rights += [hits[:, 0], hits[:, 1]]
        self.draws += 1
        if not orders:
            return
        # what is right depends on person and images alone, so the first of equal orders tells
        distinct, place = np.unique(np.concatenate(orders), return_index=True)
        person, pairs = np.divmod(distinct, images**2)
        better, worse = np.divmod(pairs, images)
        self.preferences += np.bincount(person, minlength=size)
        self.preferences_right += np.bincount(person, np.concatenate(rights)[place], size)
        crowd = 0.5 + 0.5 * np.sign(population[better] - population[worse])
        self.population_right += float(crowd.sum())


def _summary(split: str, margin: float, sums: _Sums) -> Diverging:
    """Means over draws; intervals by a jackknife over people, who take their conflicts with them."""
    draws = sums.draws
    right, count = sums.right / draws, sums.count / draws
    orders, orders_right = sums.preferences / draws, sums.preferences_right / draws
    active = np.flatnonzero(count)
    total, preferences = float(count.sum()) / 2, float(orders.sum())  # two people have a part in each
    return Diverging(
        split=split,
        margin=margin,
        users=len(active),
        conflicts=round(total / 2),
        accuracy=_ratio(float(right.sum()) / 2, total, right[active], count[active]),
        both=sums.both / draws / (total / 2) if total else float("nan"),
        preferences=round(preferences),
        preference_accuracy=_ratio(
            float(orders_right.sum()), preferences, orders_right[active], orders[active]
        ),
        population_accuracy=sums.population_right / draws / preferences if preferences else float("nan"),
    )


def _ratio(right: float, count: float, theirs_right: np.ndarray, theirs: np.ndarray) -> Interval:
    """A share of all, and its interval; the last two [users] are what goes with each person."""
    if not count:
        return Interval(float("nan"), float("nan"), float("nan"))
    left = [
        {"share": (right - r) / (count - c)}
        for r, c in zip(theirs_right, theirs, strict=True)
        if count - c > 0
    ]
    return jackknife({"share": right / count}, left)["share"]


# ---- how it is shown ----


def _rows(result: Sequence[Diverging], label: str) -> list[Any]:
    """Both splits at every margin."""
    table = sheet(f"pairs of images that two people order differently; {label}")
    columns(table, "split", "margin", "conflicts", "right", "both right")
    columns(table, "preferences", "right", "population", "paper: count", "paper: right", first="right")
    for each in result:
        right, count = PAPER[each.split] if not each.margin else ("", "")
        table.add_row(
            each.split,
            f"{each.margin:g}",
            f"{each.conflicts:,}",
            percent(each.accuracy),
            f"{each.both:.1%}",
            f"{each.preferences:,}",
            percent(each.preference_accuracy),
            f"{each.population_accuracy:.1%}",
            f"{count:,}" if count else "",
            f"{right:.2%}" if right else "",
        )
    note = (
        "Conflict: two people, two images, opposite orders; a score that is the same for everyone is right "
        "in exactly 50%. Preference: an order of one person that somebody contradicts. Which of the two the "
        f"paper counts it does not say. Paper: {PAPER_DATA}, real people."
    )
    return [table, Text(note, "dim")]


def _plot(result: Sequence[Diverging], label: str, path: Path) -> None:
    """Share of conflicts predicted right, over the margin; 50% is what the same score for everyone gives."""
    with drawing(path, 6.4, 3.8) as figure:
        (axes,) = panels(figure, 1)
        for split, colour, shift in (("test_seen", OWN, -0.02), ("test_unseen", OTHER, 0.02)):
            mine = [each for each in result if each.split == split and each.conflicts]
            values = np.array([(e.accuracy.value, e.accuracy.low, e.accuracy.high) for e in mine]) * 100
            if not len(values):
                continue
            x = np.array([each.margin for each in mine]) + shift
            errors = np.abs(values[:, 1:].T - values[:, 0])
            axes.errorbar(
                x, values[:, 0], errors, fmt="o-", color=colour, capsize=2, ms=5, label=PEOPLE[split]
            )
            axes.plot(
                shift, PAPER[split][0] * 100, "D", color=colour, mfc="white", ms=6,
                label=f"paper, {PEOPLE[split]} (PAMELA)",
            )  # fmt: skip
        axes.axhline(50, color=GREY, lw=1, ls="--", label="any score that is the same for everyone")
        axes.set_xticks(sorted({each.margin for each in result}))
        axes.set_xlabel("least difference of both people's ratings (points of 5)")
        axes.set_ylabel("orders predicted right, %")
        axes.legend(loc="upper left")
        titled(figure, "Pairs of images that two people order differently", label)


REPRODUCTION = Reproduction(divergence, _rows, _plot, {"data": PAPER_DATA, "accuracy_and_preferences": PAPER})

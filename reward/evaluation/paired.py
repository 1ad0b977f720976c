"""Which of two predictors is better: a paired test over the people whom both were judged on.

It reads what `steer reward evaluate --json` wrote. Reports of several seeds are averaged within each person;
those of several folds hold different people, who are put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reward.checked import read_json
from reward.errors import DatasetError
from reward.evaluation.metrics import METRICS, Interval, interval, paired_p

SURE = 0.05  # a difference is shown where chance gives one as large less often
FEW = 5  # people; fewer are no test

Scores = Mapping[
    tuple[str, str], Mapping[str, Mapping[str, float]]
]  # (data, split) -> person -> metric -> value


@dataclass(frozen=True)
class Paired:
    """One metric of two predictors on the same people."""

    data: str
    split: str
    metric: str
    people: int
    first: float  # mean over the people
    second: float
    difference: Interval  # first less second
    p: float  # chance of one as large if there were none
    better: int  # people for whom the first is better; the others are worse or equal
    worse: int
    alone: int  # people whom only one of the two was judged on: not counted

    def words(self, first: str, second: str) -> str:
        """What it means, in a sentence."""
        whom = f"{self.people} people of {self.data} ({self.split})"
        if self.people < FEW:
            return f"Over {whom}: too few to tell {first} from {second}."
        d = self.difference
        size = f"{abs(d.value):.3f}, 95% interval {d.low:+.3f} to {d.high:+.3f}"
        counts = f"{first} is better for {self.better}, worse for {self.worse}"
        if self.p >= SURE:
            return f"Over {whom} no difference is shown ({size}; p = {self.p:.2g}); {counts}."
        winner, other = (first, second) if d.value > 0 else (second, first)
        return f"Over {whom} {winner} is better than {other} by {size} (p = {self.p:.2g}); {counts}."


def read_report(file: Path) -> dict[str, Any]:
    """What `evaluate --json` wrote. Raises DatasetError."""
    try:
        report = read_json(file)
        splits = report["splits"]
        for part in splits:
            _ = part["data"], part["split"]
            for person in part["people"]:
                _ = str(person["id"]), [float(person[metric]) for metric in METRICS]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{file} is no report with each person's figures ({type(error).__name__}: {error}): write one by "
            f"`steer reward evaluate CHECKPOINT DATA --json > {file.name}`"
        ) from error
    return dict(report)


def scores_of(reports: Sequence[Mapping[str, Any]]) -> Scores:
    """Each person's figures, a mean where several reports have the person."""
    found: dict[tuple[str, str], dict[str, list[Mapping[str, float]]]] = {}
    for report in reports:
        for part in report["splits"]:
            people = found.setdefault((part["data"], part["split"]), {})
            for person in part["people"]:
                people.setdefault(str(person["id"]), []).append(person)
    return {
        key: {
            id: {metric: float(np.mean([one[metric] for one in each])) for metric in METRICS}
            for id, each in people.items()
        }
        for key, people in found.items()
        if people
    }


def same_data(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> bool:
    """Whether reports are of the same data; those that do not say count as such."""
    digests = [
        {digest for report in reports if (digest := (report.get("data_set") or {}).get("sha256"))}
        for reports in (first, second)
    ]
    return not all(digests) or digests[0] == digests[1]


def compare(first: Scores, second: Scores, metrics: Sequence[str] = METRICS) -> list[Paired]:
    """Every data set and split that both have. Raises DatasetError where they share nobody."""
    made = []
    for key in [key for key in first if key in second]:
        both = sorted(first[key].keys() & second[key].keys())
        if not both:
            continue
        for metric in metrics:
            a, b = (np.array([side[key][id][metric] for id in both]) for side in (first, second))
            made.append(
                Paired(
                    *key,
                    metric=metric,
                    people=len(both),
                    first=float(a.mean()),
                    second=float(b.mean()),
                    difference=interval(a - b),
                    p=paired_p(a - b),
                    better=int((a > b).sum()),
                    worse=int((a < b).sum()),
                    alone=len(first[key].keys() ^ second[key].keys()),
                )
            )
    if not made:
        raise DatasetError(
            "the two were judged on different people, so nothing can be paired: evaluate both on the same "
            "data and splits"
        )
    return made

"""Scores of other personal models: a CSV file `user,image,scorer,score`, one row for each rating predicted.

People and images are named as in the data set, with or without its name before: "para:A1" or "A1".
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from reward.data import Dataset
from reward.errors import BaselineError
from reward.ids import identifier

COLUMNS = ("user", "image", "scorer", "score")
Personal = Mapping[tuple[int, int], float]  # (user row, image row) of the data set -> score


def write_pairs(file: str | Path, dataset: Dataset, rows: np.ndarray) -> None:
    """Write what an adapter reads, user,image,path, of these ratings of a data set."""
    with Path(file).open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("user", "image", "path"))
        for user, image in zip(dataset.users[rows], dataset.images[rows], strict=True):
            names = (dataset.user_ids[user], dataset.image_ids[image])
            writer.writerow((*map(_bare, names), dataset.image_paths[image]))


def read_personal(file: str | Path, dataset: Dataset) -> Mapping[str, Personal]:
    """Scorer -> its scores of a data set's people and images; others are passed over.

    Raises BaselineError.
    """
    users, images = _places(dataset.user_ids), _places(dataset.image_ids)
    found: dict[str, dict[tuple[int, int], float]] = {}
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise BaselineError(
                    f"{file} starts with {','.join(rows.fieldnames or ()) or 'nothing'!r}, expected "
                    f"{','.join(COLUMNS)}: write it with reward/adapters/piaa.py"
                )
            for row in rows:
                user, image = (
                    places.get(identifier(row[name]) or "")
                    for places, name in ((users, "user"), (images, "image"))
                )
                if user is None or image is None:
                    continue
                try:
                    score = float(row["score"])
                except (TypeError, ValueError):
                    score = math.nan
                if not math.isfinite(score):
                    raise BaselineError(
                        f"{file}, line {rows.line_num} has the score {row['score']!r}, not a number: mend "
                        "the line or remove it"
                    )
                found.setdefault(row["scorer"], {})[user, image] = score
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BaselineError(f"{file} cannot be read ({error}): run the adapter again") from error
    if not found:
        raise BaselineError(
            f"{file} scores no image for anybody of {dataset.root}: give the ids of its people and images"
        )
    return found


def of_rows(scorer: str, scores: Personal, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Scores [rows] of these ratings. Raises BaselineError where one has none: others would not compare."""
    pairs = zip(dataset.users[rows].tolist(), dataset.images[rows].tolist(), strict=True)
    found = [scores.get(pair, math.nan) for pair in pairs]
    lacking = sum(math.isnan(score) for score in found)
    if lacking:
        raise BaselineError(
            f"{scorer} has no score for {lacking} of the {len(rows)} ratings that are judged: run its "
            "adapter again with the same file, it goes on where it stopped"
        )
    return np.array(found, np.float64)


def _places(ids: Iterable[str]) -> dict[str, int]:
    """Row of each id, also without the data set's name before it where that is still one."""
    found: dict[str, int] = {}
    twice: set[str] = set()
    for row, id in enumerate(ids):
        found[id] = row
        bare = _bare(id)
        if bare != id:
            twice |= {bare} & found.keys()
            found[bare] = row
    return {id: row for id, row in found.items() if id not in twice}


def _bare(id: str) -> str:
    return id.partition(":")[2] or id

"""Ratings of every data set in one shape: columns of numbers beside one record for each person and image."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from reward.data.csvfile import decimal
from reward.errors import DatasetError
from reward.ids import null
from reward.people.person import natural_order

SPLITS = ("train", "val_seen", "val_unseen", "test_seen", "test_unseen")
UNUSED = "unused"  # ratings that no split may have: a held-out person on a training image, say

ROUNDING = 0.01  # points of the 1-5 scale that a rating may lie outside of it; it then counts as its end

Range = tuple[float, float]  # least and greatest rating as released


@dataclass(frozen=True)
class Dataset:
    """Ratings as columns [n], beside one record for each person and each image."""

    root: Path
    user_ids: tuple[str, ...]  # natural order within each data set
    demographics: tuple[Mapping[str, Any], ...]  # one per user, in one vocabulary; {} where nothing is known
    image_ids: tuple[str, ...]
    image_paths: tuple[Path, ...]  # one per image
    metadata: tuple[Mapping[str, Any], ...]  # one per image: prompt, group, style, type; fields may be null
    users: np.ndarray  # [n] rows of user_ids
    images: np.ndarray  # [n] rows of image_ids
    scores: np.ndarray  # [n] float32, 1-5, continuous
    splits: np.ndarray  # [n] names of SPLITS, or UNUSED
    duplicates: int = 0  # repeated ratings of one image by one person; the first counts
    dropped: int = 0  # other rows of the release that are no ratings here; `notices` say why
    name: str = "pamela"  # sandbox, lapis, para; joined data sets with + between
    simulated: bool = False  # some of these people are simulated
    sources: tuple[str, ...] = ()  # one per user: name of their data set; () where all are from `name`
    user_records: tuple[Mapping[str, Any], ...] = ()  # one per user: all fields under their released names
    raw_scores: np.ndarray | None = None  # [n] float32 as released; None where `scores` are those
    raw_ranges: Mapping[str, Range] = field(default_factory=dict)  # source -> scale of raw_scores
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)  # [n] each: what else came with a rating
    notices: tuple[str, ...] = ()  # where the data differ from what is published; one line a data set

    def rows(self, *splits: str) -> np.ndarray:
        """Indices of the ratings in these splits."""
        return np.flatnonzero(np.isin(self.splits, splits))

    def prompt(self, image: int) -> str:
        """The text that an image was generated from, or its title; "" where none is given."""
        return str(self.metadata[image].get("prompt") or "")

    def source(self, user: int) -> str:
        """Name of the data set that a person (a row of user_ids) is from."""
        return self.sources[user] if self.sources else self.name

    def raw_range(self, user: int) -> Range:
        """Least and greatest rating that this person could give, as released."""
        return self.raw_ranges.get(self.source(user), (1.0, 5.0))

    def only(self, source: str) -> Dataset:
        """Judged on the people of one data set alone: training rows stay, other splits keep that one's.

        Raises DatasetError for a data set that is not there.
        """
        sources = np.array([self.source(user) for user in range(len(self.user_ids))])
        if source not in sources:
            names = ", ".join(np.unique(sources))
            raise DatasetError(
                f"{self.root} holds no ratings of {source!r}, only of {names}: name one of these"
            )
        kept = (sources[self.users] == source) | (self.splits == "train")
        return replace(self, splits=np.where(kept, self.splits, ""))

    def counts(self) -> dict[str, Any]:
        """How much there is: ratings, users and images, in all and by split; what the release has."""

        def of(rows: np.ndarray) -> dict[str, int]:
            users, images = np.unique(self.users[rows]), np.unique(self.images[rows])
            return {"ratings": len(rows), "users": len(users), "images": len(images)}

        names = [name for name in (*SPLITS, UNUSED) if name in self.splits]
        return {
            **of(np.arange(len(self.scores))),
            "released": len(self.scores) + self.duplicates + self.dropped,
            "duplicates": self.duplicates,
            "splits": {name: of(self.rows(name)) for name in names},
        }

    def digest(self) -> str:
        """SHA-256 over ratings, people and image descriptions; not over pixels or where the files lie."""
        sha = hashlib.sha256()
        described = [self.name, self.user_ids, self.demographics, self.image_ids, self.metadata, self.notices]
        sha.update(json.dumps([*described, self.sources, self.user_records], default=str).encode())
        sha.update("\n".join(self.splits.tolist()).encode())
        for column in (self.users, self.images, self.scores, *(self.extra[k] for k in sorted(self.extra))):
            kept = column.tolist() if column.dtype == object else None
            sha.update(column.tobytes() if kept is None else json.dumps(kept, default=str).encode())
        return sha.hexdigest()


def join(datasets: Sequence[Dataset]) -> Dataset:
    """One data set of several, for joint training (paper, section 3.2).

    Users and images of every data set get its name before their ids ("pamela:17"), unless it is the only
    one: then it is returned as it is. Raises DatasetError where two have the same name.
    """
    if not datasets:
        raise DatasetError("no data set is given: name at least one folder")
    if len(datasets) == 1:
        return datasets[0]
    names = [dataset.name for dataset in datasets]
    if len(set(names)) < len(names):
        raise DatasetError(f"the same data set is given twice ({', '.join(names)}): name each once")
    parts = [_prefixed(dataset) for dataset in datasets]
    users = np.cumsum([0, *(len(part.user_ids) for part in parts)])
    images = np.cumsum([0, *(len(part.image_ids) for part in parts)])
    extra = {name: _stacked(name, parts) for name in dict.fromkeys(key for p in parts for key in p.extra)}
    return Dataset(
        root=Path(os.path.commonpath([part.root.absolute() for part in parts])),
        user_ids=tuple(id for part in parts for id in part.user_ids),
        demographics=tuple(known for part in parts for known in part.demographics),
        image_ids=tuple(id for part in parts for id in part.image_ids),
        image_paths=tuple(path.absolute() for part in parts for path in part.image_paths),
        metadata=tuple(known for part in parts for known in part.metadata),
        users=np.concatenate([part.users + start for part, start in zip(parts, users[:-1], strict=True)]),
        images=np.concatenate([part.images + start for part, start in zip(parts, images[:-1], strict=True)]),
        scores=np.concatenate([part.scores for part in parts]),
        splits=np.concatenate([part.splits for part in parts]),
        duplicates=sum(part.duplicates for part in parts),
        dropped=sum(part.dropped for part in parts),
        name="+".join(names),
        simulated=any(part.simulated for part in parts),
        sources=tuple(part.source(user) for part in parts for user in range(len(part.user_ids))),
        user_records=tuple(record for part in parts for record in (part.user_records or part.demographics)),
        raw_scores=np.concatenate([p.scores if p.raw_scores is None else p.raw_scores for p in parts]),
        raw_ranges={name: bounds for part in parts for name, bounds in part.raw_ranges.items()},
        extra=extra,
        notices=tuple(notice for part in parts for notice in part.notices),
    )


def _prefixed(dataset: Dataset) -> Dataset:
    def named(ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(id if id.startswith(f"{dataset.name}:") else f"{dataset.name}:{id}" for id in ids)

    if dataset.sources:
        raise DatasetError("a joined data set cannot be joined again: name all its parts at once")
    return replace(dataset, user_ids=named(dataset.user_ids), image_ids=named(dataset.image_ids))


def _stacked(name: str, parts: Sequence[Dataset]) -> np.ndarray:
    """A column that some of the parts lack: NaN or None there."""
    numbers = all(part.extra[name].dtype != object for part in parts if name in part.extra)
    missing, kind = (np.nan, np.float32) if numbers else (None, object)
    columns = [p.extra[name] if name in p.extra else np.full(len(p.scores), missing, kind) for p in parts]
    return np.concatenate([column.astype(kind) for column in columns])


@dataclass(frozen=True)
class ImageRecord:
    """An image before it has a row."""

    id: str
    path: Path
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class UserRecord:
    """A person before they have a row."""

    demographics: Mapping[str, Any]  # in the one vocabulary
    record: Mapping[str, Any]  # as released


class Ratings:
    """Collects ratings row by row, counting what is left out, and makes the columns of a Dataset of them."""

    def __init__(self, bounds: Range = (1.0, 5.0)) -> None:
        """`bounds`: least and greatest rating as released; they become 1 and 5."""
        self.bounds = bounds
        self.rows = 0  # all of them, also repeated ones and those that are left out
        self.dropped: dict[str, int] = {}  # why rows are left out -> how many
        self._rounded = 0
        self._users: dict[str, int] = {}
        self._images: dict[str, int] = {}
        self._seen: set[tuple[str, int, int]] = set()
        self._columns: tuple[list[int], list[int], list[str], list[float]] = ([], [], [], [])
        self._extra: dict[str, list[Any]] = {}

    def add(
        self, user: str, image: str, split: str, raw: Any, where: str, extra: Mapping[str, Any] | None = None
    ) -> None:
        """One rating; `where` names its row in errors. A null one is dropped.

        Raises DatasetError where `raw` is no rating.
        """
        if null(raw):
            self.drop("null ratings")
            return
        score = self._score(raw, where)
        self.rows += 1
        row = (
            self._users.setdefault(user, len(self._users)),
            self._images.setdefault(image, len(self._images)),
        )
        if (split, *row) in self._seen:
            return
        self._seen.add((split, *row))
        for name, value in (extra or {}).items():
            column = self._extra.setdefault(name, [])
            column += [None] * (len(self._columns[0]) - len(column))
            column.append(value)
        users, images, splits, scores = self._columns
        users.append(row[0])
        images.append(row[1])
        splits.append(split)
        scores.append(score)

    def drop(self, why: str, rows: int = 1) -> None:
        """Leave out rows; `why` in words after their number, as in "null ratings"."""
        self.rows += rows
        self.dropped[why] = self.dropped.get(why, 0) + rows

    @property
    def faults(self) -> list[str]:
        """What a notice says of rows that were left out or changed."""
        out = [f"{count:,} {why} left out" for why, count in self.dropped.items()]
        low, high = self.bounds
        if self._rounded:
            out.append(f"{self._rounded:,} ratings a rounding outside of {low:g} to {high:g} set to its end")
        return out

    def _score(self, raw: Any, where: str) -> float:
        low, high = self.bounds
        try:
            score = decimal(raw)
        except (TypeError, ValueError) as error:
            raise DatasetError(
                f"{where} has the score {raw!r}, not a number: unpack the data set again"
            ) from error
        if low <= score <= high:
            return score
        slack = ROUNDING * (high - low) / 4
        if not low - slack <= score <= high + slack:  # also where it is infinite
            raise DatasetError(
                f"{where} has the score {score:g}: they lie between {low:g} and {high:g}; "
                "unpack the data set again"
            )
        self._rounded += 1
        return min(max(score, low), high)

    @property
    def users(self) -> list[str]:
        """Ids of all who rated, in the order of their first rating."""
        return list(self._users)

    @property
    def images(self) -> list[str]:
        """Keys of all images that were rated, in the order of their first rating."""
        return list(self._images)

    def dataset(
        self,
        root: Path,
        name: str,
        users: Mapping[str, UserRecord],
        images: Mapping[str, ImageRecord],
        *,
        prefix: bool = False,
        simulated: bool = False,
    ) -> Dataset:
        """The columns. `users` and `images` hold records of all that is in `self.users` and `self.images`."""
        order = natural_order(list(self._users))
        place = np.empty(len(order), np.int64)
        place[[self._users[id] for id in order]] = np.arange(len(order))
        user_rows, image_rows, splits, raw = self._columns
        low, high = self.bounds
        raw_scores = np.array(raw, np.float64)
        plain = self.bounds == (1.0, 5.0)
        scores = raw_scores if plain else 1 + 4 * (raw_scores - low) / (high - low)
        return Dataset(
            root=root,
            user_ids=tuple(f"{name}:{id}" if prefix else id for id in order),
            demographics=tuple(users[id].demographics for id in order),
            image_ids=tuple(f"{name}:{images[k].id}" if prefix else images[k].id for k in self._images),
            image_paths=tuple(images[key].path for key in self._images),
            metadata=tuple(images[key].metadata for key in self._images),
            users=place[np.array(user_rows, np.int64)],
            images=np.array(image_rows, np.int64),
            scores=scores.astype(np.float32),
            splits=np.array(splits, f"<U{max(map(len, SPLITS))}"),
            duplicates=self.rows - sum(self.dropped.values()) - len(raw),
            dropped=sum(self.dropped.values()),
            name=name,
            simulated=simulated,
            user_records=tuple(users[id].record for id in order),
            raw_scores=None if plain else raw_scores.astype(np.float32),
            raw_ranges={name: self.bounds},
            extra={name: _column(values, len(raw)) for name, values in self._extra.items()},
        )


def split_faults(dataset: Dataset) -> list[str]:
    """Where splits do not hold what their names say, in words with counts."""
    trained, later = dataset.rows("train"), dataset.rows(*SPLITS[1:])
    faults = []
    leaked = np.intersect1d(dataset.images[trained], dataset.images[later])
    if len(leaked):
        faults.append(f"{len(leaked)} training images are also in validation or test sets")
    met = np.intersect1d(dataset.users[trained], dataset.users[dataset.rows("val_unseen", "test_unseen")])
    if len(met):
        faults.append(f"{len(met)} people of the unseen sets are also in the training set")
    for split in ("val_seen", "test_seen"):
        rows = dataset.rows(split)
        strangers = rows[~np.isin(dataset.users[rows], dataset.users[trained])]
        if len(strangers):
            people = len(np.unique(dataset.users[strangers]))
            faults.append(
                f"{len(strangers):,} ratings in {split} are of {people} people who are not in the training "
                "set and cannot be judged there"
            )
    return faults


def _column(values: list[Any], length: int) -> np.ndarray:
    """float32 where all values are numbers or missing (NaN), else objects."""
    values = values + [None] * (length - len(values))
    if all(value is None or type(value) in (int, float) for value in values):
        return np.array([np.nan if value is None else value for value in values], np.float32)
    column = np.empty(length, object)
    column[:] = values
    return column

"""Ratings in PAMELA's on-disk layout, as one typed table.

    annotations/pamela_{train,val_seen,val_unseen,test_seen,test_unseen}.json   each a flat list of rows
    images/**/*.png

The layout is as third-party readers of the release describe it; it has not been run against the release
itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .errors import DatasetError
from .people import natural_order

SPLITS = ("train", "val_seen", "val_unseen", "test_seen", "test_unseen")


@dataclass(frozen=True)
class Dataset:
    """Ratings as columns [n], beside one record for each person and each image."""

    root: Path
    user_ids: tuple[str, ...]  # natural order
    demographics: tuple[Mapping[str, Any], ...]  # one per user; {} where nothing is known
    image_ids: tuple[str, ...]
    image_paths: tuple[Path, ...]  # one per image, absolute
    metadata: tuple[Mapping[str, Any], ...]  # one per image: prompt, group, style, type; fields may be null
    users: np.ndarray  # [n] rows of user_ids
    images: np.ndarray  # [n] rows of image_ids
    scores: np.ndarray  # [n] float32, 1-5, continuous
    splits: np.ndarray  # [n] names of SPLITS
    duplicates: int = 0  # repeated ratings of one image by one person in one split; the first counts

    def rows(self, *splits: str) -> np.ndarray:
        """Indices of the ratings in these splits."""
        return np.flatnonzero(np.isin(self.splits, splits))

    def prompt(self, image: int) -> str:
        """The text that an image was generated from; "" where none is given."""
        return str(self.metadata[image].get("prompt") or "")


def load(root: str | Path) -> Dataset:
    """Read a data set from its folder, or from the folder that holds `PAMELA/`. Raises DatasetError."""
    folder = Path(root)
    if not (folder / "annotations").is_dir() and (folder / "PAMELA" / "annotations").is_dir():
        folder = folder / "PAMELA"
    files = {split: folder / "annotations" / f"pamela_{split}.json" for split in SPLITS}
    missing = [file.name for file in files.values() if not file.is_file()]
    if missing:
        raise DatasetError(
            f"{folder / 'annotations'} lacks {', '.join(missing)}: unpack the whole archive, "
            "or make the sandbox's data set with `steer sandbox build`"
        )
    return _table(folder, {split: _read(file) for split, file in files.items()})


def _table(folder: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Dataset:
    demographics: dict[str, Mapping[str, Any]] = {}
    images: dict[str, tuple[str, Mapping[str, Any]]] = {}  # normalised path -> id, metadata
    ratings: dict[tuple[str, str, str], float] = {}
    total = 0
    for split, listed in rows.items():
        for number, row in enumerate(listed):
            where = f"pamela_{split}.json, row {number}"
            user, path, score = _rating(row, where)
            known = _mapping(row, "user_demographics", where)
            demographics[user] = demographics.get(user) or known
            images.setdefault(path, (_image_id(row, path), _mapping(row, "image_metadata", where)))
            ratings.setdefault((split, user, path), score)
            total += 1
    paths = [folder / path for path in images]
    absent = [str(path) for path in paths if not path.is_file()]
    if absent:
        raise DatasetError(f"{len(absent)} images are missing, first {absent[0]}: unpack the archive again")
    user_ids = natural_order(list(demographics))
    user_row = {id: row for row, id in enumerate(user_ids)}
    image_row = {path: row for row, path in enumerate(images)}
    return Dataset(
        root=folder,
        user_ids=tuple(user_ids),
        demographics=tuple(demographics[id] for id in user_ids),
        image_ids=tuple(id for id, _ in images.values()),
        image_paths=tuple(paths),
        metadata=tuple(metadata for _, metadata in images.values()),
        users=np.array([user_row[user] for _, user, _ in ratings], np.int64),
        images=np.array([image_row[path] for _, _, path in ratings], np.int64),
        scores=np.array(list(ratings.values()), np.float32),
        splits=np.array([split for split, _, _ in ratings]),
        duplicates=total - len(ratings),
    )


def _read(file: Path) -> list[Mapping[str, Any]]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file} cannot be read ({error}): unpack the archive again") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DatasetError(f"{file} is not a list of rating rows: unpack the archive again")
    return rows


def _rating(row: Mapping[str, Any], where: str) -> tuple[str, str, float]:
    """Participant, normalised image path and score of one row."""
    for name in ("participant_id", "image_path", "original_score"):
        if row.get(name) is None:
            raise DatasetError(f"{where} has no {name}: unpack the archive again")
    try:
        score = float(row["original_score"])
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{where} has the score {row['original_score']!r}, not a number") from error
    if not 1 <= score <= 5:
        raise DatasetError(f"{where} has the score {score}: PAMELA's lie between 1 and 5")
    return str(row["participant_id"]), _normalised(str(row["image_path"]), where), score


def _normalised(path: str, where: str) -> str:
    """`./images/a.png` and `PAMELA/images/a.png` -> `images/a.png`; nothing outside the data set."""
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part != "."]
    if parts[:1] == ["PAMELA"]:
        parts = parts[1:]
    if not parts or ".." in parts or parts[0] == "/":
        raise DatasetError(f"{where} names an image outside the data set: {path}")
    return "/".join(parts)


def _image_id(row: Mapping[str, Any], path: str) -> str:
    return PurePosixPath(path).stem if row.get("image_id") is None else str(row["image_id"])


def _mapping(row: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = row.get(name)
    if value is not None and not isinstance(value, dict):
        raise DatasetError(f"{where} has a {name} that is not an object")
    return value or {}

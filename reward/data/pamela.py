"""PAMELA's layout, which the sandbox's data set shares.

    annotations/pamela_{train,val_seen,val_unseen,test_seen,test_unseen}.json   each a flat list of rows,
    images/**/*.png                                                             or a row on each line

Two of the five file names are known from public readers, the rest follow the split names; so any prefix is
taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from reward.data import published
from reward.data.csvfile import read_text
from reward.data.dataset import SPLITS, Dataset, ImageRecord, Ratings, UserRecord, split_faults
from reward.errors import DatasetError
from reward.ids import identifier, null

Row = Mapping[str, Any]
_KNOWN = {
    "participant_id",
    "original_score",
    "image_id",
    "image_path",
    "image_metadata",
    "user_demographics",
}


def found(folder: Path) -> bool:
    """Whether a folder looks like this layout."""
    return (folder / "annotations").is_dir()


def load_pamela(folder: Path) -> Dataset:
    """Read PAMELA or the sandbox from the folder that holds `annotations/`. Raises DatasetError."""
    ratings = Ratings()
    users: dict[str, Mapping[str, Any]] = {}
    images: dict[str, ImageRecord] = {}
    totals = {"ratings": 0}
    files, faults = _annotation_files(folder / "annotations")
    for split, file in files.items():
        rows = _read(file)
        for number, row in enumerate(rows):
            where = f"{file.name}, row {number}"
            user = _participant(row, where)
            if user is None or null(row.get("image_path")):
                ratings.drop(f"rows without {'a person' if user is None else 'a picture'}")
                continue
            path = normalised(row["image_path"], where)
            if null(row.get("original_score")):
                ratings.drop("null ratings")  # before their picture counts as one of the data set's
                continue
            known = _mapping(row, "user_demographics", where)
            users[user] = users.get(user) or known
            if path not in images:
                metadata = _mapping(row, "image_metadata", where)
                images[path] = ImageRecord(_image_id(row, path, where), folder / path, metadata)
            unknown = {key: value for key, value in row.items() if key not in _KNOWN}
            ratings.add(user, path, split, row["original_score"], where, unknown)
        totals[f"{split} ratings"] = len(rows)
        totals["ratings"] += len(rows)
    absent = [str(image.path) for image in images.values() if not image.path.is_file()]
    if absent:
        raise DatasetError(f"{len(absent)} images are missing, first {absent[0]}: unpack the archive again")
    simulated = (folder.parent / "scenes.json").is_file()  # the sandbox keeps its scenes beside its data set
    people = {user: UserRecord(_plain(known), known) for user, known in users.items()}
    name = "sandbox" if simulated else "pamela"
    dataset = ratings.dataset(folder, name, people, images, simulated=simulated)
    return _noticed(dataset, totals, [*faults, *ratings.faults, *split_faults(dataset)])


def _noticed(dataset: Dataset, totals: Mapping[str, int], faults: list[str]) -> Dataset:
    counts = dataset.counts()
    found: dict[str, float] = {"users": counts["users"], "images": counts["images"], **totals}
    for split, of in counts["splits"].items():
        found |= {f"{split} users": of["users"], f"{split} images": of["images"]}
    expected: dict[str, float] = dict(published.PAMELA)
    if not dataset.simulated:
        found |= _content(dataset)
        expected |= published.PAMELA_CONTENT
    return replace(dataset, notices=published.notice("PAMELA", found, expected, faults))


def _content(dataset: Dataset) -> dict[str, float]:
    rows = dataset.rows("train")
    trained = {int(image): dataset.metadata[image] for image in dataset.images[rows]}
    of_type = {
        kind: {image for image, known in trained.items() if known.get("type") == kind}
        for kind in ("Art", "Photorealism")
    }
    styled = {image for image, known in trained.items() if known.get("style")}
    return {
        "Art images in train": len(of_type["Art"]),
        "Photorealism images in train": len(of_type["Photorealism"]),
        "Art ratings in train": sum(int(image) in of_type["Art"] for image in dataset.images[rows]),
        "styles in train": len({trained[image]["style"] for image in styled}),
        "groups in train": len({str(known.get("group")) for known in trained.values()}),
        "Art images without a style": len(of_type["Art"] - styled),
        "Photorealism images with a style": len(of_type["Photorealism"] & styled),
        "mean rating in train": round(float(dataset.scores[rows].mean(dtype=float)), 3) if len(rows) else 0.0,
    }


def _annotation_files(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """File of every split, and a fault for each JSON file that belongs to none."""
    files: dict[str, Path] = {}
    unread = []
    for file in sorted(f for f in folder.iterdir() if f.suffix.lower() in (".json", ".jsonl", ".ndjson")):
        stem = file.stem.lower().replace("-", "_")
        split = next((name for name in SPLITS if stem == name or stem.endswith(f"_{name}")), None)
        if split is None:
            unread.append(f"{file.name} belongs to no split and is not read")
        elif split in files:
            raise DatasetError(f"{file.name} and {files[split].name} in {folder} are both {split}: keep one")
        else:
            files[split] = file
    missing = [f"pamela_{split}.json" for split in SPLITS if split not in files]
    if missing:
        raise DatasetError(
            f"{folder} lacks {', '.join(missing)}: unpack the whole archive, "
            "or make the sandbox's data set with `steer sandbox build`"
        )
    return {split: files[split] for split in SPLITS}, unread


def _read(file: Path) -> list[Row]:
    """The rows of a JSON list, or of JSON lines."""
    text = read_text(file)
    by_line = text.lstrip()[:1] == "{" and (file.suffix.lower() != ".json" or "\n{" in text.strip())
    try:
        rows = (
            [json.loads(line) for line in text.splitlines() if line.strip()] if by_line else json.loads(text)
        )
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{file} cannot be read ({error}): unpack the archive again") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DatasetError(f"{file} is not a list of rating rows: unpack the archive again")
    return rows


def _participant(row: Row, where: str) -> str | None:
    try:
        return identifier(row.get("participant_id"))
    except ValueError as error:
        raise DatasetError(f"{where} has the participant_id {error}") from error


def normalised(path: Any, where: str) -> str:
    """`./images/a.png` and `PAMELA/images/a.png` -> `images/a.png`; nothing outside the data set."""
    if not isinstance(path, str) or not path:
        raise DatasetError(f"{where} has no image_path: unpack the archive again")
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part != "."]
    if parts[:1] == ["PAMELA"]:
        parts = parts[1:]
    if not parts or ".." in parts or parts[0].startswith("/") or ":" in parts[0]:
        raise DatasetError(f"{where} names an image outside the data set: {path}")
    return "/".join(parts)


def _image_id(row: Row, path: str, where: str) -> str:
    try:
        return identifier(row.get("image_id")) or PurePosixPath(path).stem
    except ValueError as error:
        raise DatasetError(f"{where} has the image_id {error}") from error


def _mapping(row: Row, name: str, where: str) -> Mapping[str, Any]:
    """An object, which may be written as text; what is no number in it is null, as JSON cannot say it."""
    value = row.get(name)
    if null(value):
        return {}
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, dict):
        raise DatasetError(f"{where} has a {name} that is not an object")
    return {key: None if isinstance(one, float) and null(one) else one for key, one in value.items()}


def _plain(demographics: Mapping[str, Any]) -> dict[str, Any]:
    """Without lists and objects, which nothing reads; an age written as text becomes its number."""
    known = {
        key: one for key, one in demographics.items() if one is None or isinstance(one, str | int | float)
    }
    if isinstance(age := known.get("age"), str | float):
        text = None if null(age) else str(age).strip()
        whole = text.removesuffix(".0") if text else None
        known["age"] = int(whole) if whole and whole.isdecimal() else text
    return known

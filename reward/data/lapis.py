"""LAPIS: artworks rated 0-100, from the distributed layout or from the older internal one.

    annotation/LAPIS_PIAA.csv                          one row a rating, demographics repeated in each
    annotation/LAPIS_GIAA_{Train,Val,Test}split.csv    one row an image: the public image split
    annotation/ImgAttributes_LAPIS.csv                 one row an image: 47 measurements
    images/<image_filename>

The internal layout has `annotation/LAPIS_individualratings_metaANDdemodata.csv`, the split as lists of names
in `imageset/` and user folds in `userset/`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from string import capwords
from typing import Any

from reward.data import published
from reward.data.csvfile import CsvFile, lines, number, value
from reward.data.dataset import Dataset, ImageRecord, Ratings, UserRecord, split_faults
from reward.data.pamela import normalised
from reward.data.splits import public_fold, split_of
from reward.errors import DatasetError
from reward.ids import identifier, null

PARTS = ("train", "val", "test")
_RATINGS = "annotation/LAPIS_PIAA.csv"
_ATTRIBUTES = "annotation/ImgAttributes_LAPIS.csv"
_INTERNAL = "annotation/LAPIS_individualratings_metaANDdemodata.csv"
_PERSON = ("age", "nationality", "demo_gender", "demo_edu", "demo_colorblind", "Art Interest VAIAK")
_IMAGE = ("artist", "title", "genre", "style", "4_styles", "2_styles")
_REQUIRED = ("image_filename", "rating", "participant_id", *_PERSON, "title", "genre", "style")
_DEMOGRAPHICS = {"age", "gender", "nationality", "education"}  # without these a person counts as silent
_ITEMS = (*(f"VAIAK{i}" for i in range(1, 8)), *(f"2VAIAK{i}" for i in range(1, 5)))
_INTERNAL_PERSON = (*_PERSON[:-1], *_ITEMS)
_INTERNAL_REQUIRED = ("file", "response", "participant_id", *_INTERNAL_PERSON)
_READ = {
    *("image_id", "image_filename", "file", "rating", "response", "participant_id"),
    *(*_PERSON, *_ITEMS, *_IMAGE),
    "imgs_known",  # dropped: a spreadsheet turned its "1-10" into "01-Oct"
}
MAX_MISSING = 0.1  # share of the images that may be missing before the folder counts as not unpacked


def found(folder: Path) -> bool:
    """Whether a folder looks like the distributed layout."""
    return (folder / _RATINGS).is_file()


def internal_found(folder: Path) -> bool:
    """Whether a folder looks like the older internal layout."""
    return (folder / _INTERNAL).is_file()


def load_lapis(folder: Path, fold: int | None = None) -> Dataset:
    """Read the distributed layout. Raises DatasetError.

    Ratings become 1-5 by rating / 25 + 1, the title is the text. Ratings of images whose files are missing
    (some names were mangled on their way through latin-1) are left out and counted in the notice. `fold`: see
    `public_fold`.
    """
    file = CsvFile(folder / _RATINGS, _REQUIRED)
    parts: dict[str, str] = {}
    sizes = {}
    for part in PARTS:
        listed = CsvFile(folder / f"annotation/LAPIS_GIAA_{part.title()}split.csv", ("image_filename",))
        names = [name for where, row in listed if (name := _file_name(row["image_filename"], where))]
        sizes[f"{part} images"] = len(names)
        _add_part(parts, part, names)
    attributes, faults = _attributes(folder / _ATTRIBUTES, "image_filename")
    unseen, strangers = public_fold(folder, _people(file), fold)
    faults += strangers
    reader = _Reader(folder, folder / "images", parts, attributes, unseen)
    for where, row in file:
        image = _file_name(row["image_filename"], where)
        reader.add(where, row, image, row.get("image_id"), row["rating"], _PERSON)
    return reader.dataset(published.LAPIS, sizes, faults)


def load_internal(folder: Path, fold: int | None = None) -> Dataset:
    """Read the older internal layout. Raises DatasetError.

    It has no titles. `fold`: see `public_fold`.
    """
    file = CsvFile(folder / _INTERNAL, _INTERNAL_REQUIRED)
    parts: dict[str, str] = {}
    for part in PARTS:
        names = lines(folder / "imageset" / f"{part.title()}ImageSet.txt")
        _add_part(parts, part, [PurePosixPath(name.replace("\\", "/")).name for name in names])
    attributes, faults = _attributes(folder / "annotation/QIP_LAPIS.csv", "img_file")
    unseen, strangers = public_fold(folder, _people(file), fold)
    faults += strangers
    pictures = next((p for p in ("images", "datasetImages_originalSize") if (folder / p).is_dir()), "images")
    reader = _Reader(folder, folder / pictures, parts, attributes, unseen)
    for where, row in file:
        image = "" if null(row["file"]) else PurePosixPath(normalised(row["file"], where)).name  # style/name
        reader.add(where, row, image, row.get("image_id"), row["response"], _INTERNAL_PERSON)
    return reader.dataset({}, {}, faults)


class _Reader:
    """What both layouts share: ratings, people and images row by row, missing files left out."""

    def __init__(
        self,
        root: Path,
        pictures: Path,
        parts: Mapping[str, str],
        attributes: Mapping[str, Mapping[str, Any]],
        unseen: tuple[set[str], set[str]],
    ) -> None:
        self._root, self._pictures, self._parts, self._attributes = root, pictures, parts, attributes
        self._unseen = unseen
        self._ratings = Ratings((0.0, 100.0))
        self._users: dict[str, UserRecord] = {}
        self._images: dict[str, ImageRecord] = {}
        self._missing: dict[str, int] = {}  # image -> ratings that are left out with it
        self._unlisted: set[str] = set()

    def add(
        self,
        where: str,
        row: Mapping[str, str],
        image: str,
        id: str | None,
        rating: str,
        fields: tuple[str, ...],
    ) -> None:
        user = identifier(row["participant_id"])
        if user is None or not image:
            self._ratings.drop(f"rows without {'a person' if user is None else 'a picture'}")
            return
        if null(rating):
            self._ratings.drop("null ratings")  # before their picture counts as one of the data set's
            return
        if user not in self._users or not self._users[user].demographics:
            record = {name: _value(row[name], name, where) for name in fields}
            self._users[user] = UserRecord(_demographics(record), record)
        if image not in self._images and image not in self._missing:
            self._add_image(row, image, id)
        if image in self._missing:
            self._missing[image] += 1
            return
        part = self._parts.get(image)
        if part is None:
            self._unlisted.add(image)
        extra = {name: value(cell) for name, cell in row.items() if name not in _READ}
        self._ratings.add(user, image, split_of(part, user, self._unseen), rating, where, extra)

    def _add_image(self, row: Mapping[str, str], image: str, id: str | None) -> None:
        path = _on_disk(self._pictures, image)
        if path is None:
            self._missing[image] = 0
            return
        known = {name: None if null(row[name]) else row[name] for name in _IMAGE if name in row}
        title = row.get("title", "")
        metadata = {
            **known,
            "title": title or None,  # "None" may well be one
            "prompt": title or None,
            "group": known.get("genre"),
            "style": known.get("style"),
            "type": "Art",
            "attributes": self._attributes.get(image, {}),
        }
        self._images[image] = ImageRecord(identifier(id) or image, path, metadata)

    def dataset(self, expected: Mapping[str, int], sizes: Mapping[str, int], faults: list[str]) -> Dataset:
        images = len(self._images) + len(self._missing)
        if len(self._missing) > MAX_MISSING * images:
            raise DatasetError(
                f"{len(self._missing)} of {images} images are missing in {self._pictures}, first "
                f"{next(iter(self._missing))}: unpack the images there"
            )
        if lost := sum(self._missing.values()):
            first = next(iter(self._missing))
            why = f"ratings whose {len(self._missing)} images are missing on disk (first {first})"
            self._ratings.drop(why, lost)
        if not self._ratings.users:
            raise DatasetError(f"{self._root} has no ratings: unpack the data set again")
        if self._unlisted:
            faults = [*faults, f"{len(self._unlisted)} images are in no split, their ratings unused"]
        silent = sum(not user.demographics.keys() & _DEMOGRAPHICS for user in self._users.values())
        counts = {"ratings": self._ratings.rows, "users": len(self._users), "images": images}
        counted = {**counts, "users without demographics": silent, **sizes}
        users = {id: self._users[id] for id in self._ratings.users}
        dataset = self._ratings.dataset(self._root, "lapis", users, self._images, prefix=True)
        faults = [*faults, *self._ratings.faults, *split_faults(dataset)]
        return replace(dataset, notices=published.notice("LAPIS", counted, expected, faults))


def _people(file: CsvFile) -> set[str]:
    return {id for _, row in file if (id := identifier(row["participant_id"]))}


def _demographics(record: Mapping[str, Any]) -> dict[str, Any]:
    """Released fields in the vocabulary of all data sets; {} where a person told nothing."""
    interest = record.get("Art Interest VAIAK")
    items = [record[name] for name in _ITEMS if record.get(name) is not None]
    if interest is None and len(items) == len(_ITEMS):
        interest = round(sum(items) / len(items), 3)
    nationality, blind = record["nationality"], record["demo_colorblind"]
    known = {
        "age": record["age"],
        "gender": record["demo_gender"],
        "nationality": None if nationality is None else capwords(nationality),
        "education": record["demo_edu"],
        "art_interest": interest,  # VAIAK, 0-6
        "colour_blind": None if blind is None else not blind.lower().startswith("no"),
    }
    return {name: value for name, value in known.items() if value is not None}


def _value(cell: str, name: str, where: str) -> Any:
    if name == "age" or "VAIAK" in name:
        return number(cell, where)
    return None if null(cell) else cell


def _file_name(cell: str, where: str) -> str:
    """Of an image; "" where none is named."""
    if null(cell):
        return ""
    name = normalised(cell, where)
    if "/" in name:
        raise DatasetError(f"{where} names an image outside images/: {cell}")
    return name


def _add_part(parts: dict[str, str], part: str, names: list[str]) -> None:
    for name in names:
        if parts.setdefault(name, part) != part:
            raise DatasetError(
                f"{name} is in the {parts[name]} and the {part} split: unpack the data set again"
            )


def _attributes(path: Path, key: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Measurements of each image, and a fault where there are none."""
    if not path.is_file():
        return {}, [f"{path.name} is missing, images have no attributes"]
    rows = CsvFile(path, (key,))
    return {
        row[key]: {name: number(cell, where) for name, cell in row.items() if name != key}
        for where, row in rows
        if not null(row[key])
    }, []


def _on_disk(folder: Path, name: str) -> Path | None:
    """The file of this name, also where the name on disk is composed otherwise or was mangled by latin-1."""
    return next((folder / n for n in _spellings(name) if (folder / n).is_file()), None)


def _spellings(name: str) -> Iterator[str]:
    yield name
    yield unicodedata.normalize("NFC", name)
    yield unicodedata.normalize("NFD", name)
    for written, read in (("utf-8", "latin-1"), ("latin-1", "utf-8")):
        try:
            yield name.encode(written).decode(read)
        except UnicodeError:
            continue

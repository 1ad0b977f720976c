"""PARA: photographs rated 1-5 in half steps.

annotation/PARA-Images.csv                 one row a rating
annotation/PARA-UserInfo.csv               one row a person
annotation/PARA-Giaa{Train,Test}.csv       one row an image: the official image split
imgs/<sessionId>/<imageName>
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reward.data import published
from reward.data.csvfile import CsvFile, lines, number, value
from reward.data.dataset import Dataset, ImageRecord, Ratings, UserRecord, split_faults
from reward.data.pamela import normalised
from reward.data.splits import public_fold, shuffled, split_of
from reward.errors import DatasetError
from reward.ids import identifier, null

_RATINGS = "annotation/PARA-Images.csv"
_KEY = ("sessionId", "imageName")
_SCORE = "aestheticScore"
_TRAITS = {
    "personality-E": "extraversion",
    "personality-A": "agreeableness",
    "personality-N": "neuroticism",
    "personality-O": "openness",
    "personality-C": "conscientiousness",
}
_PERSON = ("age", "gender", "EducationalLevel", "artExperience", "photographyExperience", *_TRAITS)
VALIDATION = 0.1  # share of the official training images that validates


def found(folder: Path) -> bool:
    """Whether a folder looks like this layout."""
    return (folder / _RATINGS).is_file()


def load_para(folder: Path, fold: int | None = None) -> Dataset:
    """Read PARA. Raises DatasetError.

    A tenth of the official training images is for validation: those of `validation_images.txt` where it lies
    beside the data. `fold`: see `public_fold`. Per-image means of the GIAA files are not read:
    they hold the ratings of held-out people.
    """
    parts, sizes, faults = _image_parts(folder)
    people, doubtful = _people(folder / "annotation/PARA-UserInfo.csv")
    unseen, strangers = public_fold(folder, people, fold)
    faults += [*doubtful, *strangers]
    ratings, images = Ratings(), dict[str, ImageRecord]()
    unlisted, undescribed = set[str](), set[str]()
    keys: dict[tuple[str, str], str] = {}  # each image is checked once, not with each of its 26 ratings
    for where, row in CsvFile(folder / _RATINGS, (*_KEY, "userId", _SCORE, "semantic")):
        user, key = identifier(row["userId"]), (row["sessionId"], row["imageName"])
        if user is None or any(map(null, key)):
            ratings.drop(f"rows without {'a person' if user is None else 'a picture'}")
            continue
        if null(row[_SCORE]):
            ratings.drop("null ratings")  # before their picture counts as one of the data set's
            continue
        image = keys.get(key) or keys.setdefault(key, _image(row, where))
        if user not in people:
            undescribed.add(user)
            people[user] = UserRecord({}, {})
        if image not in images:
            images[image] = ImageRecord(image, folder / "imgs" / image, _metadata(row))
        if image not in parts:
            unlisted.add(image)
        extra = {name: value(cell) for name, cell in row.items() if name not in (*_KEY, "userId", "semantic")}
        score = extra.pop(_SCORE)
        ratings.add(user, image, split_of(parts.get(image), user, unseen), score, where, extra)
    if not ratings.rows:
        raise DatasetError(f"{folder / _RATINGS} has no ratings: unpack the data set again")
    absent = [record.path for record in images.values() if not record.path.is_file()]
    if absent:
        raise DatasetError(f"{len(absent)} images are missing, first {absent[0]}: unpack all of imgs/")
    if undescribed:
        faults += [f"{len(undescribed)} people who rate are not in PARA-UserInfo.csv"]
    if unlisted:
        faults += [f"{len(unlisted)} images are in no split, their ratings unused"]
    counted = {
        "ratings": ratings.rows,
        "users": len(ratings.users),
        "images": len(images),
        "sessions": len({str(record.metadata["sessionId"]) for record in images.values()}),
        **sizes,
    }
    users = {id: people[id] for id in ratings.users}
    dataset = ratings.dataset(folder, "para", users, images, prefix=True)
    faults = [*faults, *ratings.faults, *split_faults(dataset)]
    return replace(dataset, notices=published.notice("PARA", counted, published.PARA, faults))


def _image_parts(root: Path) -> tuple[dict[str, str], dict[str, int], list[str]]:
    """Part of every image that the release lists, how many each official part has, and faults."""
    folder, chosen, faults = root / "annotation", root / "validation_images.txt", list[str]()
    listed: dict[str, list[str]] = {}
    for part in ("train", "test"):
        file = CsvFile(folder / f"PARA-Giaa{part.title()}.csv", _KEY)
        listed[part] = [
            _image(row, where) for where, row in file if not any(null(row[name]) for name in _KEY)
        ]
    both = set(listed["train"]) & set(listed["test"])
    if both:
        raise DatasetError(f"{min(both)} is in the train and the test split: unpack the data set again")
    validation = shuffled(set(listed["train"]))[: round(VALIDATION * len(listed["train"]))]
    if chosen.is_file():  # names with or without their session
        by_name = {name.rpartition("/")[2]: name for name in listed["train"]}
        named = lines(chosen)
        validation = [by_name[name] for line in named if (name := _last(line)) in by_name]
        if len(validation) < len(named):
            faults.append(f"{len(named) - len(validation)} lines of {chosen.name} name no training image")
    parts = {image: part for part, images in listed.items() for image in images}
    parts |= dict.fromkeys(validation, "val")
    return parts, {f"{part} images": len(images) for part, images in listed.items()}, faults


def _last(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _people(path: Path) -> tuple[dict[str, UserRecord], list[str]]:
    people: dict[str, UserRecord] = {}
    twice = nameless = 0
    for where, row in CsvFile(path, ("userId", *_PERSON)):
        user = identifier(row["userId"])
        if user is None:
            nameless += 1
            continue
        record = {name: _value(cell, name, where) for name, cell in row.items() if name != "userId"}
        twice += user in people
        people.setdefault(user, UserRecord(_demographics(record), record))
    faults = [f"{twice} people are listed twice, the first row counts"] if twice else []
    return people, [*faults, f"{nameless} people have no userId and are left out"] if nameless else faults


def _demographics(record: Mapping[str, Any]) -> dict[str, Any]:
    """Released fields in the vocabulary of all data sets; age is a range here."""

    def words(name: str) -> str | None:
        return None if record[name] is None else str(record[name]).replace("_", " ")

    known = {
        "age_binned": record["age"],
        "gender": record["gender"],
        "education": words("EducationalLevel"),
        "art_experience": words("artExperience"),
        "photography_experience": words("photographyExperience"),
        **{trait: record[name] for name, trait in _TRAITS.items()},
    }
    return {name: value for name, value in known.items() if value is not None}


def _value(cell: str, name: str, where: str) -> Any:
    if name in _TRAITS:
        return number(cell, where)
    return None if null(cell) else cell


def _metadata(row: Mapping[str, str]) -> dict[str, Any]:
    semantic = None if null(row["semantic"]) else row["semantic"]
    return {
        "prompt": None,
        "group": semantic,
        "style": None,
        "type": "Photograph",
        "sessionId": row["sessionId"],
        "semantic": semantic,
    }


def _image(row: Mapping[str, str], where: str) -> str:
    """`session1/iaa_pub1_.jpg`; names do end in an underscore."""
    for name in _KEY:
        if len(normalised(row[name], where).split("/")) > 1:
            raise DatasetError(f"{where} has the {name} {row[name]!r}: unpack the data set again")
    return f"{row['sessionId']}/{row['imageName']}"

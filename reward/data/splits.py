"""Seen and unseen people for data sets whose release splits images only (LAPIS, PARA).

Four user folds: the public ones where `userset/` lies beside the data, else ours by seed 42. One fold, the
first unless another is asked for, is unseen, a third of it for validation. In our folds a person's place
depends on their id alone, not on the version of a random generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from reward.data.csvfile import lines
from reward.data.dataset import UNUSED
from reward.errors import DatasetError
from reward.ids import identifier

SEED = 42
FOLDS = 4


def shuffled(ids: Iterable[str]) -> list[str]:
    """Ids in an order that is random to look at and the same for ever."""
    return sorted(ids, key=lambda id: (hashlib.sha256(f"{SEED}:{id}".encode()).hexdigest(), id))


def unseen_people(ids: Iterable[str], fold: int | None = None) -> tuple[set[str], set[str]]:
    """People held out for validation and for testing: a quarter of all, one third and two thirds of it.

    `fold` is 1 to FOLDS, the first if None.
    """
    order = shuffled(set(ids))
    size, which = len(order) // FOLDS, checked_fold(fold) - 1
    return held_out(order[which * size : (which + 1) * size])


def checked_fold(fold: int | None) -> int:
    """The first if None. Raises DatasetError."""
    if fold is not None and not 1 <= fold <= FOLDS:
        raise DatasetError(f"there is no fold {fold}: the people are in {FOLDS} folds, 1 to {FOLDS}")
    return fold or 1


def public_fold(
    root: Path, ids: Iterable[str], fold: int | None
) -> tuple[tuple[set[str], set[str]], list[str]]:
    """The held-out people of `unseen_people` by the public folds, where they lie beside the data, and faults.

    They are `userset/TestUserIDs_Fold1.txt` and further, an id a line. Raises DatasetError where there are
    some, but not the one asked for.
    """
    people, folder = set(ids), root / "userset"
    file = folder / f"TestUserIDs_Fold{checked_fold(fold)}.txt"
    if not folder.is_dir() or (fold is None and not file.is_file()):
        return unseen_people(people, fold), []
    if not file.is_file():
        raise DatasetError(f"{folder} has no {file.name}: unpack the folds again, or remove the folder")
    named = {id for line in lines(file) if (id := identifier(line))}
    strangers = len(named - people)
    faults = [f"{strangers} of the {len(named)} people of {file.name} rated nothing"] if strangers else []
    return held_out(named & people), faults


def held_out(fold: Iterable[str]) -> tuple[set[str], set[str]]:
    """A fold of unseen people as one third for validation and two thirds for testing."""
    order = shuffled(set(fold))
    cut = len(order) // 3
    return set(order[:cut]), set(order[cut:])


def split_of(image_part: str | None, user: str, unseen: tuple[set[str], set[str]]) -> str:
    """Split of a rating. `image_part`: train, val or test, None where the release lists the image nowhere.

    What would leak is UNUSED: a held-out person on a training image, people held out for one part on images
    of the other.
    """
    if image_part is None:
        return UNUSED
    if user not in unseen[0] and user not in unseen[1]:
        return "train" if image_part == "train" else f"{image_part}_seen"
    held_out = "val" if user in unseen[0] else "test"
    return f"{image_part}_unseen" if image_part == held_out else UNUSED

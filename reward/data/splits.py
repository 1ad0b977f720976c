"""Seen and unseen people for data sets whose release splits images only (LAPIS, PARA).

Four user folds by seed 42, as third-party protocols on these data sets have; the first fold is unseen, a
third of it for validation. A person's place depends on their id alone, not on who else is there or on the
version of a random generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from reward.data.dataset import UNUSED

SEED = 42
FOLDS = 4


def shuffled(ids: Iterable[str]) -> list[str]:
    """Ids in an order that is random to look at and the same for ever."""
    return sorted(ids, key=lambda id: (hashlib.sha256(f"{SEED}:{id}".encode()).hexdigest(), id))


def unseen_people(ids: Iterable[str]) -> tuple[set[str], set[str]]:
    """People held out for validation and for testing: a quarter of all, one third and two thirds of it."""
    order = shuffled(set(ids))
    return held_out(order[: len(order) // FOLDS])


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

"""Any predictor on any data set: whom of its people the data hold, and what can be judged there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reward.data import Dataset
from reward.encoders.features import Features
from reward.errors import CheckpointError, DatasetError
from reward.people.person import KnownPerson
from reward.predictor.checkpoint import Tables


def qualified(id: str, source: str) -> str:
    """An id with the name of its data set before it, as in joined data sets: "pamela:17"."""
    return id if id.startswith(f"{source}:") else f"{source}:{id}"


def known_rows(people: Sequence[KnownPerson], world: str, dataset: Dataset) -> np.ndarray:
    """The data set's row of each known person [people]; -1 for those who are not in it.

    The data may be all that the predictor of `world` was trained on, a part of it ("pamela" of
    "pamela+lapis"), or others: then nobody is in it. Raises CheckpointError where a data set that it names
    has other ratings: ids are mere numbers, so other people of the same ids would pass unnoticed.
    """
    counts = np.bincount(dataset.users[dataset.rows("train")], minlength=len(dataset.user_ids))
    row = {id: i for i, id in enumerate(dataset.user_ids)}
    if all(person.id in row and counts[row[person.id]] == person.ratings for person in people):
        return np.array([row[person.id] for person in people], np.int64)  # whatever the data are called
    sources = world.partition(":")[0].split("+")  # without the version of a simulated world
    ours = np.unique([dataset.source(user) for user in range(len(dataset.user_ids))])
    row = {qualified(id, dataset.source(i)): i for i, id in enumerate(dataset.user_ids)}
    table, strangers, wanted = np.full(len(people), -1, np.int64), [], 0
    for place, person in enumerate(people):
        source = sources[0] if len(sources) == 1 else person.id.partition(":")[0]
        if source not in ours:
            continue
        wanted += 1
        user = row.get(qualified(person.id, source))
        if user is None or counts[user] != person.ratings:
            strangers.append(person.id)
        else:
            table[place] = user
    if strangers:
        raise CheckpointError(
            f"the predictor was trained on other ratings than those in {dataset.root}: {len(strangers)} of "
            f"its {wanted} people are not there or rated another number, first {strangers[0]}; give the data "
            "set that it was trained on, with the same --fold"
        )
    return table


def described(tables: Tables, table: np.ndarray, features: Features) -> np.ndarray:
    """Sentences of the known people [people, profile_dim]: the checkpoint's, else those of the data."""
    found = tables.demographics.copy()
    blank = ~found.any(1) & (table >= 0)
    found[blank] = features.demographics[table[blank], 0]
    return found


def judged_rows(dataset: Dataset, table: np.ndarray, split: str) -> np.ndarray:
    """The ratings of a split that can be judged: seen people must be known, unseen ones must not."""
    rows = dataset.rows(split)
    return rows[np.isin(dataset.users[rows], table) != split.endswith("_unseen")]


def judged_splits(dataset: Dataset, table: np.ndarray, *wanted: str) -> list[str]:
    """Those of some splits that have anything to judge. Raises DatasetError where none has."""
    found = [split for split in wanted if len(judged_rows(dataset, table, split))]
    if not found:
        unknown = sum(len(dataset.rows(split)) for split in wanted)
        why = (
            "the predictor was trained on none of these people: judge those who are new to everybody, "
            "--split test_unseen"
            if unknown
            else "give the whole data set by --data"
        )
        raise DatasetError(f"{dataset.root} has no ratings to judge in {' or '.join(wanted)}: {why}")
    return found

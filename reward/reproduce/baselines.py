"""Scores of other reward models, from the CSV files of their adapters, as one column for each scorer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reward.baselines import BASELINES, read_scores
from reward.data import Dataset
from reward.errors import BaselineError
from reward.ids import identifier


def baseline_scores(file: Path, dataset: Dataset) -> dict[str, np.ndarray]:
    """Scorer, by the paper's name where it has one, -> [images] scores, nan where there is none.

    The file names an image by its id, its path inside the data set or its file name; images that the data set
    does not have are passed over. Raises BaselineError.
    """
    place = _names(dataset)
    columns: dict[str, np.ndarray] = {}
    for scorer, scores in read_scores(file).items():
        title = BASELINES[scorer].title if scorer in BASELINES else scorer
        column = columns.setdefault(title, np.full(len(dataset.image_ids), np.nan))
        for name, score in scores.items():
            plain = name.removeprefix("./").removeprefix("PAMELA/")
            image = place.get(plain, place.get(identifier(plain) or ""))
            if image is not None:
                column[image] = score
    if all(np.isnan(column).all() for column in columns.values()):
        raise BaselineError(
            f"{file} scores no image of {dataset.root}: give each image's id in the column image, and run "
            "the adapter again"
        )
    return columns


def check_complete(scores: Mapping[str, np.ndarray], dataset: Dataset, split: str) -> None:
    """Raises BaselineError where a scorer lacks an image of the split: other images would not compare."""
    needed = np.unique(dataset.images[dataset.rows(split)])
    for scorer, column in scores.items():
        lacking = needed[np.isnan(column[needed])]
        if len(lacking):
            raise BaselineError(
                f"{scorer} has no score for {len(lacking)} of the {len(needed)} images of {split}, first "
                f"{dataset.image_ids[lacking[0]]}: run its adapter again with the same file, it goes on "
                "where it stopped"
            )


def _names(dataset: Dataset) -> dict[str, int]:
    """Every name that means exactly one image; an id goes before a file name."""
    found: dict[str, int | None] = {}
    for i, path in enumerate(dataset.image_paths):
        inside = path.relative_to(dataset.root) if path.is_relative_to(dataset.root) else path
        for name in {inside.as_posix(), path.name, path.stem}:
            found[name] = None if name in found else i
    names = {name: i for name, i in found.items() if i is not None}
    return names | {id: i for i, id in enumerate(dataset.image_ids)}

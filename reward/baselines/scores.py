"""The CSV file in which a baseline hands over its scores, and a Scorer that reads from it.

    image,scorer,score
    0001,hpsv3,7.31

`image` is whatever names the image on both sides (in a data set: its image id), `scorer` a name of the
registry or any other, `score` a finite number, higher is better. One file may hold several scorers.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

from reward.errors import BaselineError

COLUMNS = ("image", "scorer", "score")
IMAGE_COLUMNS = ("image", "path", "prompt")  # what an adapter reads


def read_scores(file: str | Path) -> dict[str, dict[str, float]]:
    """Scorer -> image -> score, in the order of the file. Raises BaselineError, naming the line."""
    scores: dict[str, dict[str, float]] = {}
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines)
            header = next(rows, [])
            if tuple(name.strip() for name in header) != COLUMNS:
                raise BaselineError(
                    f"{file} starts with {','.join(header) or 'nothing'!r}, expected {','.join(COLUMNS)}: "
                    "write it with one of the adapters in reward/adapters"
                )
            for row in rows:
                if row:
                    _add(scores, row, f"{file}, line {rows.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BaselineError(f"{file} cannot be read ({error}): run the baseline's adapter again") from error
    if not scores:
        raise BaselineError(f"{file} holds no scores: run the baseline's adapter again")
    return scores


def scores_of(file: str | Path, scorer: str, images: Sequence[str]) -> np.ndarray:
    """Scores [len(images)], float64, of one scorer. Raises BaselineError if an image has none."""
    found = read_scores(file)
    if scorer not in found:
        raise BaselineError(f"{file} has no scores by {scorer!r}, only by {', '.join(found)}")
    known = found[scorer]
    missing = [image for image in dict.fromkeys(images) if image not in known]
    if missing:
        raise BaselineError(
            f"{file} lacks the scores by {scorer} of {len(missing)} of {len(set(images))} images, first "
            f"{missing[0]}: run its adapter again with the same file, it goes on where it stopped"
        )
    return np.array([known[image] for image in images], np.float64)


def write_images(file: str | Path, rows: Iterable[tuple[str, Path, str]]) -> None:
    """Write what an adapter reads: (name, file, prompt) of every image."""
    with Path(file).open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(IMAGE_COLUMNS)
        writer.writerows((name, path, prompt) for name, path, prompt in rows)


class StoredScores:
    """A baseline as a Scorer that answers from its CSV file; images that are not in it are refused."""

    simulated = False

    def __init__(self, name: str, scores: Mapping[str, float], file: str | Path) -> None:
        self.name = name
        self._scores = scores
        self._file = file

    @classmethod
    def load(cls, file: str | Path, scorer: str) -> StoredScores:
        """One scorer of a file. Raises BaselineError."""
        found = read_scores(file)
        if scorer not in found:
            raise BaselineError(f"{file} has no scores by {scorer!r}, only by {', '.join(found)}")
        return cls(scorer, found[scorer], file)

    def score(self, images: Sequence[Image.Image], prompt: str = "", person: Any = None) -> list[float]:
        """The stored score of each image, found by the file that it was opened from; everybody's is the same.

        Raises BaselineError.
        """
        return [self._of(str(getattr(image, "filename", ""))) for image in images]

    def _of(self, file: str) -> float:
        for name in (file, PurePath(file).name, PurePath(file).stem):
            if name in self._scores:
                return self._scores[name]
        raise BaselineError(
            f"{self._file} has no score by {self.name} for {file or 'an image made just now'}: a stored "
            "baseline knows only the images that its adapter has seen"
        )


def _add(scores: dict[str, dict[str, float]], row: list[str], where: str) -> None:
    if len(row) != len(COLUMNS):
        raise BaselineError(
            f"{where} has {len(row)} columns, expected {','.join(COLUMNS)}: mend or remove it"
        )
    image, scorer, text = (cell.strip() for cell in row)
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise BaselineError(f"{where} has the score {text!r}, not a number: mend the line or remove it")
    if not image or not scorer:
        raise BaselineError(f"{where} names no {'scorer' if image else 'image'}: mend the line or remove it")
    if image in scores.setdefault(scorer, {}):
        raise BaselineError(f"{where} scores {image} by {scorer} a second time: keep one of the two lines")
    scores[scorer][image] = score

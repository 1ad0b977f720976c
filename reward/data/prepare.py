"""Check data sets and write them as one table: what `steer reward prepare` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward.checked import read_json
from reward.data import TABLE, load
from reward.data.archive import DATASET_ID, Download, fetch_pamela
from reward.data.dataset import Dataset, join
from reward.data.table import read_table, write_table
from reward.errors import DatasetError, ImageError
from reward.files import write_whole
from reward.pictures import opened

COUNTS = "counts.json"  # beside the table, written last

Progress = Callable[[str, int, int], None]  # what, done, of


@dataclass(frozen=True)
class Prepared:
    """A data set that is checked and written."""

    dataset: Dataset
    table: Path  # Parquet, one row a rating
    counts: Mapping[str, Any]  # ratings, users, images, by data set and split; sha256 of the content
    written: bool  # False where the same table was there already

    @property
    def notices(self) -> tuple[str, ...]:
        """Where the data differ from what is published."""
        return self.dataset.notices


def prepare(
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    strict: bool = False,
    fold: int | None = None,
    progress: Progress = lambda what, done, of: None,
    download: Download | None = None,
) -> Prepared:
    """Read data sets, join them, check that images decode, write `ratings.parquet` and `counts.json`.

    A source "bethgelab/PAMELA" that is no folder here is downloaded into `out` (`download`: see
    `fetch_pamela`).
    The folder `out` then loads like a data set. Doing it again over the same data changes nothing. Counts
    that differ from the published ones are in `notices` of the result; `strict` makes them an error. Raises
    DatasetError and ImageError; nothing is written then.
    """
    folder = Path(out)
    places = [_place(Path(source), folder, download) for source in sources]
    parts = [load(place, strict=strict, quiet=True, fold=fold) for place in places]
    dataset = join(parts)
    table, record = folder / TABLE, folder / COUNTS
    counts = {
        "name": dataset.name,
        "simulated": dataset.simulated,
        "sha256": dataset.digest(),
        "datasets": {part.name: part.counts() for part in parts},
        "notices": list(dataset.notices),
    }
    if _same(record, counts) and _readable(table, dataset):
        return Prepared(dataset, table, counts, written=False)
    check_images(dataset.image_paths, progress)
    write_table(dataset, table)
    try:
        write_whole(record, (json.dumps(counts, indent=2, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise DatasetError(f"cannot write {record} ({error.strerror or error}): make room there") from error
    return Prepared(dataset, table, counts, written=True)


def check_images(paths: Sequence[Path], progress: Progress = lambda what, done, of: None) -> None:
    """Check that files are images: checksums of PNG, headers of the rest. Raises ImageError."""
    broken: list[ImageError] = []
    for done, path in enumerate(paths):
        if done % 500 == 0:
            progress("images", done, len(paths))
        try:
            with opened(path, "unpack the data set again") as image:
                image.verify()
        except ImageError as error:
            broken.append(error)
    progress("images", len(paths), len(paths))
    if broken:
        raise ImageError(f"{len(broken)} images cannot be decoded, first: {broken[0]}")


def _place(source: Path, folder: Path, download: Download | None) -> Path:
    if source.as_posix() == DATASET_ID and not source.exists():
        return fetch_pamela(folder, download=download)
    return source


def _same(record: Path, counts: Mapping[str, Any]) -> bool:
    try:
        return bool(read_json(record) == counts)
    except (OSError, ValueError):
        return False


def _readable(table: Path, dataset: Dataset) -> bool:
    """Whether the table is whole and its images are where the data set is."""
    try:
        return read_table(table).root == dataset.root.absolute()
    except DatasetError:
        return False

"""Data sets of personal ratings: PAMELA and the sandbox, LAPIS, PARA, and the table that they make together.

    dataset = load("PAMELA.zip")               # or a folder; the layout is recognised
    joint = join([load("PAMELA"), load("LAPIS"), load("PARA")])
    dataset.scores[dataset.rows("train")]      # 1-5, whatever the scale of the release

The layouts are as third-party readers of the releases describe them; none has been run against the releases
themselves. `docs/datasets.md` says how to get each one and what was decided.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from reward.data import archive, lapis, pamela, para
from reward.data.archive import fetch_pamela
from reward.data.dataset import SPLITS, UNUSED, Dataset, join
from reward.errors import DatasetError

__all__ = ["SPLITS", "UNUSED", "Dataset", "fetch_pamela", "join", "load"]

log = logging.getLogger(__name__)

TABLE = "ratings.parquet"  # in a folder that `prepare` wrote

Read = Callable[[Path, int | None], Dataset]  # a folder, and which fold of the people is unseen
_LAYOUTS: tuple[tuple[Callable[[Path], bool], Read], ...] = (
    (lambda folder: (folder / TABLE).is_file(), lambda folder, fold: _table(folder / TABLE, fold)),
    (pamela.found, lambda folder, fold: pamela.load_pamela(folder)),
    (lapis.found, lapis.load_lapis),
    (lapis.internal_found, lapis.load_internal),
    (para.found, para.load_para),
    (lambda folder: (folder / archive.NAME).is_file(), lambda folder, fold: _zip(folder / archive.NAME)),
)


def load(root: str | Path, *, strict: bool = False, quiet: bool = False, fold: int | None = None) -> Dataset:
    """Read a data set, recognising its layout. Raises DatasetError.

    `root`: its folder, a folder that holds just that one, PAMELA.zip (unpacked beside itself, once), or what
    `prepare` wrote. `fold`, 1 to 4, says which people of LAPIS and PARA are unseen (the first if None); the
    splits of others are their own. Where its counts differ from the published ones, one warning with both
    numbers is logged and kept in `notices`; `strict` makes it an error, `quiet` leaves it to whoever reads
    `notices`. A lone PAMELA or sandbox has plain user ids, those of LAPIS and PARA begin with the data set's
    name.
    """
    dataset = _read(Path(root), fold)
    if dataset.notices and strict:
        raise DatasetError(" ".join(dataset.notices))
    for notice in () if quiet else dataset.notices:
        log.warning("%s", notice)
    return dataset


def _read(root: Path, fold: int | None) -> Dataset:
    if root.is_file():
        if root.suffix.lower() == ".zip":
            return _zip(root)
        if root.suffix == ".parquet":
            return _table(root, fold)
    if not root.is_dir():
        what = "is neither a folder, a PAMELA.zip nor a table" if root.exists() else "does not exist"
        raise DatasetError(
            f"{root} {what}: name the folder of a data set; docs/datasets.md says how to get one"
        )
    for found, read in _LAYOUTS:
        if found(root):
            return read(root, fold)
    inside = [
        (folder, read)
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for found, read in _LAYOUTS
        if found(folder)
    ]
    if len(inside) == 1:
        folder, read = inside[0]
        return read(folder, fold)
    if inside:
        names = ", ".join(folder.name for folder, _ in inside)
        raise DatasetError(f"{root} holds several data sets ({names}): name the one, or each of them")
    raise DatasetError(
        f"{root} holds no data set: neither annotations/ (PAMELA, sandbox), annotation/LAPIS_PIAA.csv nor "
        "annotation/PARA-Images.csv; docs/datasets.md shows the layouts"
    )


def _zip(path: Path) -> Dataset:
    return pamela.load_pamela(archive.unpack(path))


def _table(path: Path, fold: int | None) -> Dataset:
    if fold is not None:
        raise DatasetError(
            f"{path} holds the fold that it was made with: make another by `steer reward prepare --fold "
            f"{fold}`, or name the data sets themselves"
        )
    from reward.data.table import read_table

    return read_table(path)

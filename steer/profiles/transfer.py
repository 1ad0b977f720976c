"""Ratings in and out of profiles: a CSV file beside its pictures. Demographics never leave."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from reward.checked import LARGEST
from reward.files import write_whole
from steer.errors import ProfileError, UsageError
from steer.profiles.metadata import read_embedded, xmp_of
from steer.profiles.pictures import read_bytes, read_picture
from steer.profiles.ratings_on_disk import NewRating
from steer.profiles.snapshot import ProfileState

CSV = "ratings.csv"
COLUMNS = ("image", "rating", "prompt", "held_out")
EVERY = 5  # one imported rating in so many is held out, as when rating at a page


@dataclass(frozen=True)
class Table:
    """How a file of ratings is to be read."""

    columns: Mapping[str, str] = field(default_factory=dict)  # image, rating, prompt or held_out -> its name
    low: float = 1.0  # the worst rating of its scale
    high: float = 5.0  # the best one; below `low` where little is good

    @classmethod
    def of(cls, columns: str | None = None, scale: str | None = None) -> Self:
        """From "image=relative_path,rating=score" and "0-10". Raises `UsageError`."""
        names = {}
        for pair in (columns or "").split(",") if columns else ():
            ours, _, theirs = (part.strip() for part in pair.partition("="))
            if ours not in COLUMNS or not theirs:
                raise UsageError(
                    f"--columns {columns!r} is not understood; write it as in: image=path,rating=score"
                )
            names[ours] = theirs.lower()
        if scale is None:
            return cls(names)
        ends = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*(?:-|–|to)\s*(-?\d+(?:\.\d+)?)\s*", scale)
        if ends is None or float(ends[1]) == float(ends[2]):
            raise UsageError(f"--scale {scale!r} is no scale; write the worst and the best, as in: 0-10")
        return cls(names, float(ends[1]), float(ends[2]))

    def rating(self, cell: str) -> float:
        """On the 1-5 scale; nan for no number, and what is outside the scale is outside here."""
        return 1 + 4 * (_number(cell) - self.low) / (self.high - self.low)

    def row(self, cells: Mapping[str, str]) -> dict[str, str]:
        """A row by our names."""
        return {ours: cells[name] for ours in COLUMNS if (name := self.columns.get(ours, ours)) in cells}


def read_ratings(path: Path, table: Table | None = None) -> list[NewRating]:
    """The ratings of a CSV file with the columns image, rating and perhaps prompt and held_out.

    `table` says how others call them and how they rate. Images are paths, relative to the file's folder.
    Tolerated: utf-8 with and without a byte order mark, latin-1, commas, semicolons or tabs, blank rows and
    other columns. Everything is checked, every picture read, before anything is returned. Raises
    `ProfileError` with the row.
    """
    table = table or Table()
    found: list[NewRating] = []
    for where, cells in _rows(path, table):
        row = table.row(cells)
        image = (path.parent / row["image"].replace("\\", "/")) if row["image"] else None
        if image is None or not image.is_file():
            raise ProfileError(
                f"{where}: there is no picture {row['image']!r} beside the file; nothing was taken"
            )
        value = table.rating(row["rating"])
        if not 1 <= value <= 5:  # nan is not between them either
            scale = f"{table.low:g} (bad) to {table.high:g} (excellent)"
            other = "" if table.low == 1 and table.high == 5 else "; another scale: --scale"
            raise ProfileError(
                f"{where}: {row['rating']!r} is no rating from {scale}; nothing was taken{other}"
            )
        try:
            picture = read_picture(image)
        except ProfileError as error:
            raise ProfileError(f"{where}: {error}; nothing was taken") from error
        told = row.get("held_out", "").lower()
        held_out = told == "yes" if told else is_held_out(picture.sha256)
        # Where the table has no column of prompts, pictures may still tell theirs.
        prompt = row["prompt"] if "prompt" in row else read_embedded(picture.data).prompt
        found.append(NewRating(picture, value, prompt, "import", held_out))
    if not found:
        raise ProfileError(f"{path} holds no ratings: give it rows of image, rating")
    return found


def is_held_out(sha256: str) -> bool:
    """Whether an imported picture checks what others predict: by chance, and always the same for one."""
    return int(sha256[:8], 16) % EVERY == 0


def write_ratings(state: ProfileState, folder: Path, xmp: bool = False) -> Path:
    """A folder with ratings.csv and the pictures, which `read_ratings` reads. Raises `ProfileError`.

    Without demographics, times and where pictures came from. `xmp`: stars and prompt beside each picture too,
    for programs that manage photographs.
    """
    try:
        folder.mkdir(parents=True)
        (folder / "images").mkdir()
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        for rating in state.ratings:
            name = f"images/{rating.picture}"
            write_whole(folder / name, read_bytes(state.path(rating)))
            if xmp:
                beside = folder / f"{name.rpartition('.')[0]}.xmp"
                write_whole(beside, xmp_of(rating.rating, rating.prompt).encode())
            table.writerow([name, rating.rating, rating.prompt, "yes" if rating.held_out else "no"])
        write_whole(folder / CSV, text.getvalue().encode())
    except FileExistsError:
        raise ProfileError(
            f"there is something at {folder} already: name another folder with --out"
        ) from None
    except OSError as error:
        raise ProfileError(
            f"cannot export to {folder}: {error.strerror or error}; name another folder with --out"
        ) from error
    return folder / CSV


def _rows(path: Path, table: Table) -> Iterator[tuple[str, dict[str, str]]]:
    """`FILE, row N` and the cells by column, outer spaces cut; the header is row 1."""
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ProfileError(f"{path} is larger than {LARGEST >> 20} MB: name a CSV file of ratings")
    except OSError as error:
        raise ProfileError(f"cannot read {path}: {error.strerror or error}; name a CSV file") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        raise ProfileError(f"{path} is no CSV file but something binary: name one of image, rating")
    first = text.lstrip().partition("\n")[0]
    separator = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            where = f"{path.name}, row {rows.line_num}"
            if not any(cells):
                continue
            if header is None:
                header = [cell.lower() for cell in cells]
                _check_header(header, path, table)
                continue
            if len(cells) != len(header):
                raise ProfileError(
                    f"{where}: {len(cells)} cells where the header has {len(header)}; nothing was taken"
                )
            yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise ProfileError(f"{path.name}, row {rows.line_num}: {error}; nothing was taken") from error
    if header is None:
        raise ProfileError(f"{path} is empty: give it rows of image, rating")


def _check_header(header: list[str], path: Path, table: Table) -> None:
    wanted = {**{name: name for name in ("image", "rating")}, **table.columns}
    missing = [name for name in wanted.values() if name not in header]
    if missing:
        raise ProfileError(
            f"{path.name}, row 1: there is no column {' or '.join(missing)}; the first row names them, "
            "as in: image,rating,prompt; of other names: --columns image=path,rating=score"
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ProfileError(f"{path.name}, row 1: the column {twice[0]} is there twice; nothing was taken")


def _number(cell: str) -> float:
    try:
        return float(cell.replace(",", "."))  # 4,5 as written where a comma is the decimal point
    except ValueError:
        return math.nan

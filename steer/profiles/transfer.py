"""Ratings in and out of profiles: a CSV file beside its pictures. Demographics never leave."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

from reward.checked import LARGEST
from reward.files import write_whole
from steer.errors import ProfileError
from steer.profiles.pictures import read_bytes, read_picture
from steer.profiles.ratings_on_disk import NewRating
from steer.profiles.snapshot import ProfileState

CSV = "ratings.csv"
COLUMNS = ("image", "rating", "prompt", "held_out")
EVERY = 5  # one imported rating in so many is held out, as when rating at a page


def read_ratings(path: Path) -> list[NewRating]:
    """The ratings of a CSV file with the columns image, rating and perhaps prompt and held_out.

    Images are paths, relative to the file's folder. Tolerated: utf-8 with and without a byte order mark,
    latin-1, commas, semicolons or tabs, blank rows, other columns. Everything is checked, every picture read,
    before anything is returned. Raises `ProfileError` with the row.
    """
    found: list[NewRating] = []
    for where, row in _rows(path):
        image = (path.parent / row["image"].replace("\\", "/")) if row["image"] else None
        if image is None or not image.is_file():
            raise ProfileError(
                f"{where}: there is no picture {row['image']!r} beside the file; nothing was taken"
            )
        value = _number(row["rating"])
        if not 1 <= value <= 5:  # nan is not between them either
            raise ProfileError(
                f"{where}: {row['rating']!r} is no rating from 1 (bad) to 5 (excellent); nothing was taken"
            )
        try:
            picture = read_picture(image)
        except ProfileError as error:
            raise ProfileError(f"{where}: {error}; nothing was taken") from error
        drawn = int(picture.sha256[:8], 16) % EVERY == 0  # by chance, and the same for the same picture
        told = row.get("held_out", "").lower()
        found.append(
            NewRating(picture, value, row.get("prompt", ""), "import", told == "yes" if told else drawn)
        )
    if not found:
        raise ProfileError(f"{path} holds no ratings: give it rows of image, rating")
    return found


def write_ratings(state: ProfileState, folder: Path) -> Path:
    """A folder with ratings.csv and the pictures, which `read_ratings` reads. Raises `ProfileError`.

    Without demographics, times and where pictures came from.
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


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
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
                _check_header(header, path)
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


def _check_header(header: list[str], path: Path) -> None:
    missing = [name for name in ("image", "rating") if name not in header]
    if missing:
        raise ProfileError(
            f"{path.name}, row 1: there is no column {' or '.join(missing)}; the first row names them, "
            "as in: image,rating,prompt"
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ProfileError(f"{path.name}, row 1: the column {twice[0]} is there twice; nothing was taken")


def _number(cell: str) -> float:
    try:
        return float(cell.replace(",", "."))  # 4,5 as written where a comma is the decimal point
    except ValueError:
        return math.nan

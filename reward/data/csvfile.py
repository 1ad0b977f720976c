"""Text files as released: their encoding, ids and numbers; CSV with blank rows and exported index columns."""

from __future__ import annotations

import codecs
import csv
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from reward.errors import DatasetError
from reward.ids import null

_DELIMITERS = (",", ";", "\t")  # spreadsheets write the second where a comma is the decimal point


class CsvFile:
    """A table of text, read row by row: PARA's has 807,586 of them."""

    def __init__(self, path: Path, required: Sequence[str]) -> None:
        """Read the header of a file that has at least these columns. Raises DatasetError.

        The file is read as utf-8, as utf-16 where it begins so, and as latin-1 where it is neither. Its cells
        stand between commas, else between semicolons or tabs.
        """
        self.path = path
        self._encoding = encoding_of(path)
        self._delimiter = ","
        for self._delimiter in _DELIMITERS:
            self._header = next(self._cells(), (0, []))[1]
            if set(required) <= set(self._header):
                break
        else:
            self._delimiter = ","
            self._header = next(self._cells(), (0, []))[1]
        # an exported index has no name, or pandas' name for one
        self._kept = [i for i, name in enumerate(self._header) if name and not name.startswith("Unnamed: ")]
        self.columns = tuple(self._header[i] for i in self._kept)
        missing = [name for name in required if name not in self.columns]
        if missing:
            raise DatasetError(
                f"{path} lacks the columns {', '.join(missing)}: it is another file than the released one"
            )
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise DatasetError(f"{path} has the columns {', '.join(twice)} twice: unpack the data set again")

    def __iter__(self) -> Iterator[tuple[str, dict[str, str]]]:
        """`FILE, line N` and the cells by column, outer spaces cut; blank rows are left out."""
        rows = self._cells()
        next(rows, None)
        for line, cells in rows:
            if not any(cells):
                continue
            where = f"{self.path.name}, line {line}"
            while len(cells) > len(self._header) and not cells[-1]:
                cells.pop()  # of an empty column that a spreadsheet added
            if len(cells) != len(self._header):
                raise DatasetError(
                    f"{where} has {len(cells)} cells where the header has {len(self._header)}: "
                    "unpack the data set again"
                )
            row = {self._header[i]: cells[i] for i in self._kept}
            if any(row.values()):  # else it has nothing but its number
                yield where, row

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        try:
            with self.path.open(encoding=self._encoding, newline="") as file:
                reader = csv.reader(file, strict=True, delimiter=self._delimiter)
                for cells in reader:
                    yield reader.line_num, [cell.strip() for cell in cells]
        except (csv.Error, UnicodeError) as error:
            raise DatasetError(
                f"{self.path} is not a whole CSV file ({error}): unpack the data set again"
            ) from error


def number(cell: str, where: str) -> float | int | None:
    """34, 2.5 or None. Raises DatasetError where the cell is neither a finite number nor null."""
    if null(cell):
        return None
    try:
        value = decimal(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DatasetError(f"{where} has {cell!r} where a number belongs: unpack the data set again")
    return int(value) if value.is_integer() else value


def decimal(raw: Any) -> float:
    """2.5, "2.5" and "2,5" as 2.5. Raises ValueError and TypeError for what is no number."""
    if isinstance(raw, bool):
        raise ValueError("a truth value is no number")
    return float(raw.replace(",", ".") if isinstance(raw, str) and raw.count(",") == 1 else raw)


@lru_cache(4096)  # few distinct cells: keeps PARA's columns small in memory
def value(cell: str) -> float | str | None:
    """A cell that nothing here reads: a number where it is one, None where it is null."""
    if null(cell):
        return None
    try:
        return decimal(cell)
    except ValueError:
        return cell


def lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, outer spaces cut. Raises DatasetError."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def read_text(path: Path) -> str:
    """The text of a file in whatever encoding it is. Raises DatasetError."""
    try:
        return path.read_text(encoding=encoding_of(path))
    except (OSError, UnicodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}): unpack the data set again") from error


def encoding_of(path: Path) -> str:
    """utf-8-sig, utf-16 where the file begins so, or latin-1 where it is neither. Raises DatasetError."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if start[1::2].count(0) > len(start) // 4:  # Latin letters whose other byte is zero
            return "utf-16-le"
        if start[::2].count(0) > len(start) // 4:
            return "utf-16-be"
        with path.open(encoding="utf-8-sig") as text:
            while text.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}): unpack the data set again") from error
    return "utf-8-sig"

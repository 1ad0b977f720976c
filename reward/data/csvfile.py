"""CSV files as released: utf-8 or latin-1, blank rows, exported index columns, strictly one width."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from reward.errors import DatasetError

_NULLS = {"", "nan", "na", "n/a", "none", "null"}


class CsvFile:
    """A table of text, read row by row: PARA's has 807,586 of them."""

    def __init__(self, path: Path, required: Sequence[str]) -> None:
        """Read the header of a file that has at least these columns. Raises DatasetError.

        The file is read as utf-8, and as latin-1 where it is not that.
        """
        self.path = path
        self._encoding = _encoding(path)
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
                reader = csv.reader(file, strict=True)
                for cells in reader:
                    yield reader.line_num, [cell.strip() for cell in cells]
        except csv.Error as error:
            raise DatasetError(
                f"{self.path} is not a whole CSV file ({error}): unpack the data set again"
            ) from error


def null(cell: str | None) -> bool:
    """Whether a cell says nothing: blank, nan, NA, None, null."""
    return cell is None or cell.lower() in _NULLS


def number(cell: str, where: str) -> float | int | None:
    """34, 2.5 or None. Raises DatasetError where the cell is neither a finite number nor null."""
    if null(cell):
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DatasetError(f"{where} has {cell!r} where a number belongs: unpack the data set again")
    return int(value) if value.is_integer() else value


@lru_cache(4096)  # few distinct cells: keeps PARA's columns small in memory
def value(cell: str) -> float | str | None:
    """A cell that nothing here reads: a number where it is one, None where it is null."""
    if null(cell):
        return None
    try:
        return float(cell)
    except ValueError:
        return cell


def lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, outer spaces cut. Raises DatasetError."""
    encoding = _encoding(path)
    return [line.strip() for line in path.read_text(encoding=encoding).splitlines() if line.strip()]


def _encoding(path: Path) -> str:
    """utf-8-sig, or latin-1 where the bytes are not utf-8."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            while file.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}): unpack the data set again") from error
    return "utf-8-sig"

"""Ids as text, however a file writes them, and what counts as no value."""

from __future__ import annotations

import math
import re
from typing import Any

_NULLS = {"", "nan", "na", "n/a", "none", "null", "<na>", "#n/a"}


def null(cell: Any) -> bool:
    """Whether a cell says nothing: None, NaN, blank, or text like NA, nan, null."""
    if isinstance(cell, float):
        return math.isnan(cell)
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in _NULLS)


def identifier(raw: Any) -> str | None:
    """An id as text; None where it is null. 17, 17.0, "17" and "17.0" are one: a column with gaps is written
    as decimals. Raises ValueError for what is neither text nor a whole number.
    """
    if null(raw):
        return None
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise ValueError(f"{raw!r} is neither text nor a whole number")
    text = str(raw).strip()
    whole = re.fullmatch(r"(-?[0-9]+)\.0*", text)
    return whole[1] if whole else text

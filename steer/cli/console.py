"""Two streams: what was asked for goes to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def hint(text: str, style: str | None = None) -> None:
    """One line for people, on standard error. Text is never read as markup."""
    if not sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)
        return
    err().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def hint_unreadable(lines: int, where: Path) -> None:
    """Says that lines of a log are lost, if some are."""
    if lines:
        hint(f"{lines} {'line' if lines == 1 else 'lines'} in {where} cannot be read and do not count")


def print_json(data: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def err() -> Console:
    """Standard error, as wide as the terminal."""
    from rich.console import Console

    return Console(stderr=True)


def out() -> Console:
    """Standard output; wide where it is not a terminal, so that nothing is cut off."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=140)

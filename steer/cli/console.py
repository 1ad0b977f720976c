"""Two streams: what was asked for goes to standard output, everything else to standard error.

Whatever is printed may come from a record that somebody else made, and a terminal obeys the control
characters in it: it would change its title, clear its lines, or type. Only ends of lines and tabs get there.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segment


def clean(text: str) -> str:
    """`text` without control characters, but for ends of lines and tabs."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


def say(*lines: object) -> None:
    """What was asked for, on standard output."""
    for line in lines:
        print(clean(str(line)), flush=True)


def hint(text: str, style: str | None = None) -> None:
    """One line for people, on standard error. Text is never read as markup."""
    if not sys.stderr.isatty():
        print(clean(text), file=sys.stderr, flush=True)
        return
    err().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def hint_unreadable(lines: int, where: Path) -> None:
    """Says that lines of a log are lost, if some are."""
    if lines:
        hint(f"{lines} {'line' if lines == 1 else 'lines'} in {where} cannot be read and do not count")


def print_json(data: Mapping[str, Any]) -> None:
    """One JSON object on standard output; control characters that JSON lets stand are escaped as well."""
    text = json.dumps(data, ensure_ascii=False, indent=2, default=str)
    say(re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text))


def err() -> Console:
    """Standard error, as wide as the terminal."""
    return _console(stderr=True)


def out() -> Console:
    """Standard output; wide where it is not a terminal, so that nothing is cut off."""
    return _console() if sys.stdout.isatty() else _console(width=140)


def _console(**settings: Any) -> Console:
    from rich.console import Console

    class Clean(Console):
        def render(self, *args: Any, **options: Any) -> Iterator[Segment]:
            for segment in super().render(*args, **options):
                yield segment if segment.control else segment._replace(text=clean(segment.text))

    return Clean(**settings)

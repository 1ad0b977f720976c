"""What comes over the wire, as messages and records may show it."""

from __future__ import annotations

import re


def without_secret(url: str) -> str:
    """`url` without user name, password, query and fragment, however badly it is written."""
    scheme = re.match(r"\s*\w{1,20}(?:\+\w{1,20})?:/{1,2}", url)
    before, at, host = url.rpartition("@")
    if re.search(r"[?#]", before) and at:  # is the @ part of a password, or of a query? Neither is shown
        host = ""
    shown = f"{scheme[0] if scheme else ''}…@{host}" if at else url
    return re.split(r"[?#]", shown, maxsplit=1)[0]


def one_line(text: str, most: int = 200) -> str:
    """`text` on one line, cut to what fits into a message, without what would steer a terminal."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 10 * most]).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"

"""A server's address as messages and records may show it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from steer.errors import UsageError

KEY_VARIABLE = "STEER_LLM_API_KEY"


def on_this_machine(url: str) -> bool:
    """Whether a server at this address runs on this machine."""
    text = url if "://" in url else f"//{url}"
    try:
        host = urlsplit(text).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or host == "::1" or bool(re.fullmatch(r"127(\.\d+){3}", host))


def without_secret(url: str) -> str:
    """`url` without user name, password, query and fragment, however badly it is written."""
    scheme = re.match(r"\s*\w{1,20}:/{1,2}", url)
    before, at, host = url.rpartition("@")
    if re.search(r"[?#]", before) and at:  # is the @ part of a password, or of a query? Neither is shown
        host = ""
    shown = f"{scheme[0] if scheme else ''}…@{host}" if at else url
    return re.split(r"[?#]", shown, maxsplit=1)[0]


def refuse_secret(url: str) -> None:
    """Raises `UsageError` for an address with more in it than an address, before that is written anywhere."""
    if (shown := without_secret(url)) != url:
        raise UsageError(
            f"--llm-url {shown!r} holds a user name, a query or a fragment: put a key into "
            f"{KEY_VARIABLE} instead; an address looks like: --llm-url http://127.0.0.1:8000/v1"
        )

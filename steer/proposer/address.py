"""A server's address as messages and records may show it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from steer.errors import UsageError
from steer.wire import without_secret

KEY_VARIABLE = "STEER_LLM_API_KEY"


def on_this_machine(url: str) -> bool:
    """Whether a server at this address runs on this machine."""
    text = url if "://" in url else f"//{url}"
    try:
        host = urlsplit(text).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or host == "::1" or bool(re.fullmatch(r"127(\.\d+){3}", host))


def refuse_secret(url: str) -> None:
    """Raises `UsageError` for an address with more in it than an address, before that is written anywhere."""
    if (shown := without_secret(url)) != url:
        raise UsageError(
            f"--llm-url {shown!r} holds a user name, a query or a fragment: put a key into "
            f"{KEY_VARIABLE} instead; an address looks like: --llm-url http://127.0.0.1:8000/v1"
        )

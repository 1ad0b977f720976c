"""Pages that a command opens: the address is printed, and Ctrl-C is the way to end."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli.console import hint, say

if TYPE_CHECKING:
    from fastapi import APIRouter

Port = Annotated[
    int,
    typer.Option(
        help="Of this machine; 0: the last one, or a free one.", min=0, max=65535, envvar="STEER_PORT"
    ),
]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")]


def open_pages(
    routers: Sequence[APIRouter], *, keep: Path | None, path: str, port: int, open_: bool, goodbye: str
) -> None:
    """Serve these pages on this machine until Ctrl-C or SIGTERM, which are no errors.

    `keep` remembers where it was, `path` is the first page, `goodbye` the last line. Raises `PageError`.
    """
    from steer.pages.server import create_app, listen, serve

    address = listen(keep, port)
    app = create_app(routers, address.token, path, address.key)
    url = address.url(path)
    say(url)
    hint(
        "only for this machine; Ctrl-C ends it, and every rating is on disk as soon as the page has taken it"
    )
    try:
        with _told_to_end(), handed_over(url) as door:
            if open_:
                typer.launch(door.as_uri())
            serve(app, address)
    except KeyboardInterrupt:
        hint(goodbye)


@contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM ends the pages as Ctrl-C does: with all that they opened, and without a file that leads in."""

    def end(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def handed_over(url: str) -> Iterator[Path]:
    """A private file that leads a browser on to `url`.

    Other users can read the words that a program was started with, and `url` holds the token.
    """
    with tempfile.TemporaryDirectory(prefix="steer-") as folder:  # of mode 0700
        door = Path(folder) / "open.html"
        door.touch(mode=0o600)
        place = escape(url)
        door.write_text(
            f'<!doctype html><meta charset="utf-8"><title>steer</title><a href="{place}">Open the page</a>'
            f'<meta http-equiv="refresh" content="0; url={place}">',
            encoding="utf-8",
        )
        yield door

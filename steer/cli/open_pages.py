"""Pages that a command opens: the address is printed, and Ctrl-C is the way to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steer.cli.console import hint

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
    """Serve these pages on this machine until Ctrl-C, which is no error.

    `keep` remembers port and token, `path` is the first page, `goodbye` the last line. Raises `PageError`.
    """
    from steer.pages.server import create_app, listen, serve

    address = listen(keep, port)
    app = create_app(routers, address.token, path)
    url = address.url(path)
    print(url, flush=True)
    hint(
        "only for this machine; Ctrl-C ends it, and every rating is on disk as soon as the page has taken it"
    )
    if open_:
        typer.launch(url)
    try:
        serve(app, address)
    except KeyboardInterrupt:
        hint(goodbye)

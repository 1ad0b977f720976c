"""The app around a set of pages, the address it is found at, and serving it on this machine only."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import secrets
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward.checked import read_json
from reward.files import write_whole
from steer.errors import PageError, SteerError, UsageError
from steer.pages.html import FOLDER, fill, inline

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"
MAX_BODY = 64 * 1024  # bytes of one request; a route that takes pictures says so itself
INSTALL = "pip install 'steer[web]', from a checkout: pip install -c constraints.txt -e '.[web]'"


@dataclass(frozen=True)
class Address:
    """Where a server listens and who may ask it."""

    token: str  # of this start
    key: str  # of every start here; what an open page proves that it knows, see `steer.pages.guard`
    socket: socket.socket  # bound, not yet accepting
    port: int

    def url(self, path: str = "/") -> str:
        """The address to open: once opened, the token is a cookie."""
        return f"http://{HOST}:{self.port}{path}?token={self.token}"


def listen(keep: Path | None = None, port: int = 0) -> Address:
    """Take a port of this machine, the given one or a free one.

    `keep` is a private file that remembers port and key: started again, a server is where its open pages look
    for it. If the port is taken by now, both are chosen anew. Raises `PageError` if no port can be had.
    """
    key, wanted = secrets.token_hex(32), port
    if keep is not None and not port:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, OverflowError):
            kept = read_json(keep)
            found = str(kept["key"])
            if len(bytes.fromhex(found)) == 32:
                wanted, key = int(kept["port"]), found
    bound = _bind(wanted)
    if bound is None and not port:
        key, bound = secrets.token_hex(32), _bind(0)
    if bound is None:
        raise PageError(f"port {port} of this machine cannot be used; leave --port away to take a free one")
    address = Address(secrets.token_urlsafe(24), key, bound, int(bound.getsockname()[1]))
    if keep is not None:
        _remember(keep, address)
    return address


def require() -> None:
    """Raises `PageError` where the packages that pages need are not installed."""
    for package in ("fastapi", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise PageError(f"the pages need {package}: {INSTALL}")


def create_app(routers: Sequence[APIRouter], token: str, home: str = "/", key: str | None = None) -> FastAPI:
    """An app of these routers behind the guard; `/` leads to `home`. `key` as in `Address`.

    Errors that steer raises on purpose become `{"error": one line}`, or a page where a page was asked for;
    the status is 507 if the disk refused, else 400, or the error's own `status`.
    """
    require()
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.responses import RedirectResponse
    from starlette.staticfiles import StaticFiles

    from steer.pages.guard import Guard

    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, max_body_size=MAX_BODY,
        middleware=[Middleware(Guard, token=token, key=key or secrets.token_hex(32))],
    )  # fmt: skip
    app.mount("/static", StaticFiles(directory=str(FOLDER / "static")), name="static")

    @app.get("/style.css")
    def style() -> Response:
        """What the pages share with the gallery."""
        from starlette.responses import Response

        return Response(inline("base.css"), media_type="text/css")

    @app.get("/alive")
    def alive() -> dict[str, bool]:
        """Asked by pages that lost the server."""
        return {"alive": True}

    for router in routers:
        app.include_router(router)
    if home != "/":
        app.add_api_route("/", lambda: RedirectResponse(home, 303))

    def steer_error(request: Request, error: Exception) -> Response:
        # Only what the disk refused may go well when it is asked for again.
        broken = isinstance(error.__cause__, OSError) and not isinstance(error, UsageError)
        return fail(request, str(error), getattr(error, "status", 507 if broken else 400))

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return fail(request, str(error.detail), error.status_code)

    def bad_request(request: Request, error: Exception) -> Response:
        return fail(request, "this request makes no sense: reload the page", 422)

    def unexpected(request: Request, error: Exception) -> Response:
        return fail(request, f"unexpected {type(error).__name__}: {error}; the terminal shows where", 500)

    app.add_exception_handler(SteerError, steer_error)
    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, bad_request)
    return app


def fail(request: Request, message: str, status: int) -> Response:
    """One line of what is wrong, in the form that was asked for."""
    from starlette.responses import JSONResponse

    if "text/html" in request.headers.get("accept", ""):
        return render("error.html.j2", status=status, message=message)
    return JSONResponse({"error": message}, status)


def serve(app: FastAPI, address: Address) -> None:
    """Answer until the process is interrupted (KeyboardInterrupt) or terminated."""
    import uvicorn

    from steer.pages.connections import HEADER_BYTES, LocalProtocol

    sys.setswitchinterval(0.001)  # seconds: a click shall not queue behind the thread that reads pictures
    config = uvicorn.Config(
        app, http=LocalProtocol, h11_max_incomplete_event_size=HEADER_BYTES, log_level="error",
        access_log=False, server_header=False, lifespan="off", ws="none", timeout_graceful_shutdown=3,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[address.socket])


def render(template: str, status: int = 200, **values: Any) -> Response:
    """A page from `templates/`; every value is escaped."""
    from starlette.responses import HTMLResponse

    return HTMLResponse(fill(template, status=status, **values), status)


def _bind(port: int) -> socket.socket | None:
    # The protocol is named because asyncio sends at once (TCP_NODELAY) only where it is: it saves 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.listen(128)
    except (OSError, OverflowError):
        bound.close()
        return None
    return bound


def _remember(keep: Path, address: Address) -> None:
    """A page that cannot find its server again is a nuisance, not a loss: failing to write is no error."""
    with contextlib.suppress(OSError):
        keep.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = json.dumps({"port": address.port, "key": address.key}) + "\n"
        write_whole(keep, kept.encode(), private=True)

"""Who may ask: only a browser on this machine that was given the token, and only from a page of ours.

A page on 127.0.0.1 can be reached by every page that the browser has open. So a request must come with

    Host             127.0.0.1 or localhost: a foreign name that was rebound to this machine is refused
    Sec-Fetch-Site   same-origin or none, where the browser sends it: no other site, and no other port, asks
    Origin           our own, where there is one; and there must be one for anything but reading
    a cookie         the token, SameSite=Strict and HttpOnly; the address that was printed sets it

Another user of this machine can take the port while no server is there, and is then sent whatever the browser
sends to it: the cookie of the last start, and what open pages ask. So the token is a new one at each start,
and a page that was open before proves by something that never crosses that it was let in once. It was given
the profile's key (`GET /key`) and keeps it in its script's memory only. Let out, it asks

    POST /reconnect?nonce=N          -> {nonce: M, proof: HMAC-SHA256(key, "server N M")}
    POST /reconnect?nonce=M&proof=P  -> the new cookie, if P is HMAC-SHA256(key, "page M"); M holds once

and answers only a server that knows the key. A page that is loaded anew has no key and needs the cookie that
the printed address sets: whatever the browser stored, a page on the stranger's port could use. `connections`
turns other users away, where the system names them.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import deque
from html import escape
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
CONTENT_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
_READING = ("GET", "HEAD")
_NONCES = 64  # pages that come back at once
# The icon keeps browsers from asking for one.
_HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>steer</title><link rel="icon" href="data:,">'
)


class Guard:
    """ASGI middleware around the whole app: refuses, lets in, and adds the headers of every answer."""

    def __init__(self, app: ASGIApp, token: str, key: str) -> None:
        self.app = app
        self.token = token
        self.key = key  # hexadecimal digits
        self._nonces: deque[str] = deque(maxlen=_NONCES)  # given out, not yet used

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._answer(scope)
        await (self.app if answer is None else answer)(scope, receive, send_with_headers)

    def _answer(self, scope: Scope) -> Response | None:
        """What to answer instead of the app, if anything."""
        headers, method = Headers(scope=scope), scope["method"]
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        host = hosts[0] if len(hosts) == 1 else ""
        if not re.fullmatch(rf"({'|'.join(map(re.escape, HOSTS))})(:\d{{1,5}})?", host):
            return _refuse(scope, "this page is only for this machine: open the address that steer printed")
        if any(origin != f"http://{host}" for origin in origins) or (method not in _READING and not origins):
            return _refuse(scope, "another page asked for this: use the page that steer opened")
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        offered = [value for name, value in query if name == "token"]
        if offered and method == "GET" and all(self._is_token(value) for value in offered):
            return self._enter(scope, [(name, value) for name, value in query if name != "token"])
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return _refuse(scope, "another site asked for this: use the page that steer opened")
        if scope["path"] == "/reconnect" and method == "POST":
            return self._reconnect(scope, dict(query))
        if not self._is_token(_cookie_of(headers, _cookie(scope))):
            return _refuse(scope, "no valid token: open the whole address that steer printed, token included")
        if scope["path"] == "/key":
            return JSONResponse({"key": self.key})
        return None

    def _is_token(self, value: str) -> bool:
        return secrets.compare_digest(value.encode(), self.token.encode())

    def _reconnect(self, scope: Scope, query: dict[str, str]) -> Response:
        """Both halves of how a page that was open before is let in again; see above."""
        nonce = query.get("nonce", "")
        if "proof" not in query:
            if not re.fullmatch("[0-9a-f]{32}", nonce):
                return _refuse(scope, "a nonce is 32 hexadecimal digits")
            fresh = secrets.token_hex(16)
            self._nonces.append(fresh)
            return JSONResponse({"nonce": fresh, "proof": self._proof(f"server {nonce} {fresh}")})
        known = nonce in self._nonces
        if known:
            self._nonces.remove(nonce)
        if not (
            known and secrets.compare_digest(query["proof"].encode(), self._proof(f"page {nonce}").encode())
        ):
            return _refuse(scope, "this page is of another start: open the whole address that steer printed")
        return self._let_in(scope, JSONResponse({"connected": True}))

    def _proof(self, text: str) -> str:
        return hmac.new(bytes.fromhex(self.key), text.encode(), "sha256").hexdigest()

    def _enter(self, scope: Scope, query: list[tuple[str, str]]) -> Response:
        """Turn the token of the address into the cookie, and go on to the address without it.

        By a page and not by a redirect: after a link in some other page, a redirect would still count as that
        page's request, which a Strict cookie does not go with.
        """
        place = "/" + quote(scope["path"].lstrip("/")) + (f"?{urlencode(query)}" if query else "")
        page = f'{_HEAD}<meta http-equiv="refresh" content="0; url={escape(place)}"><p>Opening …'
        return self._let_in(scope, HTMLResponse(page))

    def _let_in(self, scope: Scope, response: Response) -> Response:
        response.set_cookie(_cookie(scope), self.token, httponly=True, samesite="strict", path="/")
        return response


def way_back(request: Request, path: str) -> str:
    """The address that lets the browser that asks in again, for a link on a page of another port."""
    token = _cookie_of(request.headers, _cookie(request.scope))
    return f"http://{request.headers['host']}{path}?{urlencode({'token': token})}"


def _cookie(scope: Scope) -> str:
    # Cookies know no ports: two servers on this machine must not overwrite each other's.
    return f"steer-{scope['server'][1]}"


def _cookie_of(headers: Headers, name: str) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value if name in jar else ""


def _refuse(scope: Scope, why: str) -> Response:
    """403, as a page to a person and as JSON to a script. Says nothing that a stranger could use."""
    if "text/html" in Headers(scope=scope).get("accept", ""):
        return HTMLResponse(f"{_HEAD}<p>{escape(why)}.", 403)
    return JSONResponse({"error": why}, 403)

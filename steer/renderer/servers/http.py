"""HTTP to whoever makes pictures: retries with back-off, limits, and every way to fail as one clear line.

Nothing is sent anywhere but to the address that was given: redirects are not followed, and to an address on
this machine no proxy is asked. A key goes into a header of that one address, and into nothing that is shown.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import httpx

from steer.errors import RendererDown, RendererError
from steer.wire import one_line, without_secret

ATTEMPTS = 8  # of one request, with pauses between them that double: a server has a minute to start again
FAILURES = 3  # a server that answers 500 so often fails on this very picture
FIRST = 2  # attempts of the first request, where a server that is not there should be told of at once
PAUSE = 0.5  # seconds before the second attempt
MAX_WAIT = 60.0  # seconds; the longest that a server's Retry-After is obeyed
MAX_ANSWER = 100_000_000  # bytes; a picture of 4096x4096 pixels in base64 is smaller
_LOCAL = ("127.0.0.1", "localhost", "::1")
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # worth another attempt
PERHAPS = (500, 502, 504)  # what was asked for may have been taken all the same
ELSEWHERE = "name another with --renderer-url"


class NoRoute(RendererDown):
    """404: the server has no such path."""


class Refused(RendererError):
    """The server does not take the request as it is (400, 413, 422); `detail` is what it says."""

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(message)
        self.detail = detail


class Unsure(RendererError):
    """The request may have arrived or not, and was not to be sent twice."""


class Stopped(RendererError):
    """The run is over; nobody waits for the answer."""


class Http:
    """Requests to one address. Threads may share it. Close it at the end.

    `timeout` is how many seconds one answer may take. `headers` and `auth` are sent with every request to the
    address itself; `secret` is what must not be shown of them, should the server repeat it.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        secret: str | None = None,
        key_variable: str = "",
        timeout: float = 600.0,
        attempts: int = ATTEMPTS,
        pause: float = PAUSE,
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.stop = threading.Event()
        self._attempts, self._pause = attempts, pause
        self._secret, self._key_variable = secret, key_variable
        self._headers, self._auth = dict(headers or {}), auth
        self._host = httpx.URL(self.url).host
        self._http = self._client()

    @property
    def local(self) -> bool:
        """Whether it is this machine."""
        return self._host in _LOCAL

    def open(self) -> None:
        """Before work; also after `close`."""
        if self._http.is_closed:
            self.stop, self._http = threading.Event(), self._client()

    def close(self) -> None:
        """Give the connections back; whoever waits is told."""
        self.stop.set()
        self._http.close()

    def get(self, path: str, attempts: int = 0) -> Any:
        """What the JSON at a path holds. Raises as `post` does."""
        return self._json(self._ask("GET", path, attempts=attempts), path)

    def post(self, path: str, body: Mapping[str, Any], *, once: bool = False, attempts: int = 0) -> Any:
        """What the server answers with, as JSON; {} for an empty answer.

        `once`: what the server may have taken is not sent again. Raises `NoRoute`, `Refused`, `Unsure`,
        `RendererDown` if it gives no answer however often it is asked, `RendererError` if it fails on this.
        """
        return self._json(self._ask("POST", path, body, once=once, attempts=attempts), path)

    def file(self, path: str, **query: str) -> bytes:
        """The bytes at a path. Raises as `post` does."""
        return self._bytes(self._ask("GET", path, query=query))

    def fetch(self, address: str) -> bytes:
        """The bytes at an address that the server named, relative or not; only its own is told the key."""
        whole = urljoin(f"{self.url}/", address)
        if not whole.startswith(("http://", "https://")):
            raise RendererError(f"the server at {self.url} names a picture at {one_line(whole, 80)!r}")
        if _origin(whole) == _origin(self.url):
            return self._bytes(self._ask("GET", whole))
        other = Http(whole, timeout=self.timeout, attempts=self._attempts, pause=self._pause)
        other.url, other.stop = without_secret(whole), self.stop  # a signature in it is nobody's business
        try:
            return other._bytes(other._ask("GET", whole))
        finally:
            other._http.close()

    def _client(self) -> httpx.Client:
        return httpx.Client(
            # A packed answer may hold a thousand times what is sent.
            headers={"Accept-Encoding": "identity", **self._headers},
            auth=self._auth,
            timeout=httpx.Timeout(self.timeout, connect=min(self.timeout, 10.0)),
            limits=httpx.Limits(max_connections=None),
            verify=self.url.startswith(
                "https:"
            ),  # to load the certificates takes longer than a local request
            trust_env=self._host not in _LOCAL,  # a proxy cannot reach this machine's own ports
        )

    # --- one request

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        once: bool = False,
        attempts: int = 0,
    ) -> httpx.Response:
        attempts = attempts or self._attempts
        problem: RendererError | None = None
        timeouts = failures = 0
        for attempt in range(attempts):
            wait = self._pause * 2**attempt
            try:
                answer = self._send(method, path, body, query)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                problem = RendererDown(f"no server answers at {self.url}: start it, or {ELSEWHERE}")
            except httpx.TimeoutException:
                said = f"the server at {self.url} did not answer within {self.timeout:.0f} seconds"
                problem = RendererDown(f"{said}: look at its log, and start it again")
                timeouts += 1
                if once:
                    raise Unsure(said) from None
                if timeouts == 2:  # each has cost minutes
                    break
            except (httpx.TransportError, httpx.StreamError) as error:
                self._goes_on()
                why = self._shown(str(error)) or type(error).__name__
                said = f"the server at {self.url} broke the connection ({why})"
                if once:
                    raise Unsure(said) from None
                problem = RendererDown(f"{said}: look at its log, and start it again")
            else:
                if answer.status_code not in _BUSY:
                    return self._checked(answer, path)
                said = f"the server at {self.url} fails ({self._status(answer)}): look at its log"
                if once and answer.status_code in PERHAPS:
                    raise Unsure(said)
                problem = RendererError(said) if answer.status_code == 500 else RendererDown(said)
                failures += answer.status_code == 500
                if failures == FAILURES:
                    break
                wait = max(wait, _retry_after(answer))
            if attempt + 1 < attempts and self.stop.wait(wait):
                break
        self._goes_on()
        assert problem is not None
        raise problem

    def _goes_on(self) -> None:
        if self.stop.is_set():
            raise Stopped("the run is over")

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str] | None
    ) -> httpx.Response:
        """One attempt. The whole answer, if it is not too large and comes in time."""
        self._goes_on()
        until = time.monotonic() + self.timeout
        url = path if path.startswith(("http://", "https://")) else self.url + path
        held = bytearray()
        with self._http.stream(method, url, json=body, params=query or None) as answer:
            for piece in answer.iter_bytes():
                held += piece
                if len(held) > MAX_ANSWER:
                    raise RendererDown(
                        f"the server at {self.url} answers with more than {MAX_ANSWER // 1_000_000} MB: "
                        f"look at its log, or {ELSEWHERE}"
                    )
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer trickles in")
        headers = answer.headers.copy()
        headers.pop("content-encoding", None)
        return httpx.Response(answer.status_code, headers=headers, content=bytes(held))

    def _checked(self, answer: httpx.Response, path: str) -> httpx.Response:
        code = answer.status_code
        if code in (401, 403):
            fix = f": export {self._key_variable}=..." if self._key_variable else ""
            raise RendererDown(f"the server at {self.url} wants another key ({self._status(answer)}){fix}")
        if code == 402:
            raise RendererDown(f"the account at {self.url} has no credit left ({self._status(answer)})")
        if answer.is_redirect:
            to = self._shown(without_secret(answer.headers.get("location", "")))
            raise RendererDown(f"the server at {self.url} redirects to {to!r}: name that with --renderer-url")
        if code in (404, 405):
            raise NoRoute(
                f"the server at {self.url} has no {without_secret(path) or 'such page'} "
                f"({self._status(answer)}): is it another kind of server? comfyui://, sdapi:// and images:// "
                "in place of http:// name the kind"
            )
        if code >= 400:
            detail = self._detail(answer)
            raise Refused(f"the server at {self.url} refuses the request ({code}: {detail})", detail)
        return answer

    def _json(self, answer: httpx.Response, path: str) -> Any:
        text = answer.text.lstrip("\ufeff \t\r\n")
        if not text:
            return {}
        if text.startswith("<") or "text/html" in answer.headers.get("content-type", ""):
            raise RendererDown(
                f"{self.url}{path} answers with a web page, no API: is a login page before it, or another "
                f"program at that port? {ELSEWHERE}"
            )
        found = parsed(text)
        if not isinstance(found, dict | list):
            raise RendererDown(
                f"{self.url}{path} answers with something else than JSON ({self._shown(text, 80)}): "
                f"{ELSEWHERE}"
            )
        return found

    def _bytes(self, answer: httpx.Response) -> bytes:
        if "text/html" in answer.headers.get("content-type", ""):
            raise RendererDown(f"the server at {self.url} answers with a web page where a picture should be")
        return answer.content

    def _status(self, answer: httpx.Response) -> str:
        return f"{answer.status_code}: {self._detail(answer)}"

    def _detail(self, answer: httpx.Response) -> str:
        """What the server says is wrong, on one line."""
        found = parsed(answer.text)
        for name in ("error", "detail", "errors", "message"):
            if isinstance(found, dict) and found.get(name):
                found = found[name]
        if isinstance(found, str):
            return self._shown(found)
        if isinstance(found, dict | list):
            return self._shown(json.dumps(found, ensure_ascii=False))
        return answer.reason_phrase or "no reason given"

    def _shown(self, text: str, most: int = 200) -> str:
        return one_line(text.replace(self._secret, "…") if self._secret else text, most)


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(MAX_WAIT, float(answer.headers.get("retry-after", 0)))
    except ValueError:  # a date: not worth parsing
        return 0.0


def parsed(text: str) -> Any:
    """What the text holds; None where it is no JSON, or so deep that nobody wrote it by hand."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

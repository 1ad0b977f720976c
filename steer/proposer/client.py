"""HTTP to an OpenAI-compatible server: retries with back-off, and every way to fail as one clear line.

Any server with `/v1/models` and `/v1/chat/completions` will do: vLLM, llama.cpp, Ollama, LM Studio, a hosted
one. Nothing is sent anywhere but to the address that was given: redirects are not followed, and to an address
on this machine no proxy is asked. Of an answer no more than `MAX_ANSWER` bytes are taken, unpacked or not.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from steer.errors import ProposerError, ServerDown, UsageError
from steer.proposer.address import KEY_VARIABLE, refuse_secret
from steer.wire import one_line, without_secret

ATTEMPTS = 4  # of one request, with pauses between them that double
PAUSE = 0.5  # seconds before the second attempt
MAX_WAIT = 30.0  # seconds; the longest that a server's Retry-After is obeyed
MAX_ANSWER = 10_000_000  # bytes; a thousand long prompts are a tenth of it
_LOCAL = ("127.0.0.1", "localhost", "::1")
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # worth another attempt
_EXAMPLE = "an address looks like: --llm-url http://127.0.0.1:8000/v1"
_CHECK_URL = f"is that the address of an OpenAI-compatible server? {_EXAMPLE}"


class NotFound(ProposerError):
    """404: the server has no such path, or no such model."""


class BadRequest(ProposerError):
    """The server does not take the request as it is; `param` is what it says is wrong with it, if it says."""

    def __init__(self, message: str, detail: str, param: str | None) -> None:
        super().__init__(message)
        self.detail, self.param = detail, param

    def names(self, fields: Collection[str]) -> str | None:
        """Which of `fields` the server complains about."""
        if self.param in fields:
            return self.param
        named = (field for field in fields if re.search(rf"\b{field}\b", self.detail))
        return next(named, "max_tokens" if "context" in self.detail and "max_tokens" in fields else None)


@dataclass(frozen=True)
class Model:
    """A model that a server offers."""

    id: str
    context: int | None = None  # tokens of prompt and reply together, where the server says


class Client:
    """Requests to the API at `url` (with or without `/v1`). Threads may share it. Close it at the end.

    `timeout` is how many seconds one answer may take. `key` is sent as a bearer token and written nowhere.
    `unix_socket` is the file through which a server of this machine is reached, whatever `url` says.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: float = 600.0,
        attempts: int = ATTEMPTS,
        pause: float = PAUSE,
        unix_socket: Path | None = None,
    ) -> None:
        self.url = base_url(url)
        self._timeout, self._attempts, self._pause = timeout, attempts, pause
        key = key if key is not None else os.environ.get(KEY_VARIABLE)
        self._http = _open_http(self.url, timeout, unix_socket)
        if key:
            self._http.headers["Authorization"] = f"Bearer {key}"

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def models(self) -> list[Model]:
        """What the server offers, in its order."""
        answer = self.request("GET", "/models")
        entries = answer.get("data")
        if not isinstance(entries, list):
            raise ProposerError(f"{self.url}/models answers with no list of models; {_CHECK_URL}")
        return [
            Model(id, size if isinstance(size := entry.get("max_model_len"), int) else None)
            for entry in entries
            if isinstance(entry, dict) and isinstance(id := entry.get("id"), str) and id
        ]

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that the server answers with.

        Raises `ServerDown` if it gives none however often it is asked, `BadRequest` if it wants another
        request, `ProposerError` for everything else.
        """
        timeouts = 0
        for attempt in range(self._attempts):
            wait = self._pause * 2**attempt
            try:
                response = self._send(method, self.url + path, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                problem = (
                    f"no server answers at {self.url}: start it (vllm serve MODEL), "
                    "or name another with --llm-url"
                )
            except httpx.TimeoutException:
                problem = (
                    f"the server at {self.url} did not answer within {self._timeout:.0f} seconds: "
                    "look at its log, or choose a smaller model with --llm"
                )
                timeouts += 1
                if timeouts == 2:  # each has cost minutes
                    break
            except httpx.TransportError as error:
                why = one_line(str(error)) or type(error).__name__
                problem = (
                    f"the server at {self.url} broke the connection ({why}): "
                    "look at its log, and start it again"
                )
            else:
                if response.status_code not in _BUSY:
                    return self._read(response, path)
                problem = f"the server at {self.url} fails ({_status(response)}): look at its log"
                wait = max(wait, _retry_after(response))
            if attempt + 1 < self._attempts:
                time.sleep(wait)
        raise ServerDown(problem)

    def tell(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One attempt at a path of the server itself, outside its `/v1`; empty where it has no such path."""
        try:
            answer = self._send(method, str(httpx.URL(self.url).join(path)), body)
        except (httpx.HTTPError, ProposerError):
            return {}
        told = _json(answer.text) if answer.status_code == 200 else None
        return told if isinstance(told, dict) else {}

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """One attempt. The whole answer, unpacked, if it is not too large and comes in time."""
        until = time.monotonic() + self._timeout
        packed = bytearray()
        with self._http.stream(method, url, json=body) as answer:
            for piece in answer.iter_raw():
                packed += piece
                if len(packed) > MAX_ANSWER:
                    raise ProposerError(self._too_large)
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer trickles in")
        encoding = answer.headers.get("content-encoding", "identity").lower()
        headers = answer.headers.copy()
        headers.pop("content-encoding", None)
        return httpx.Response(
            answer.status_code, headers=headers, content=self._unpacked(bytes(packed), encoding)
        )

    def _unpacked(self, data: bytes, encoding: str) -> bytes:
        if encoding == "identity" or not data:
            return data
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise ProposerError(
                f"the server at {self.url} packs its answers ({one_line(encoding)}), unasked: "
                "name another with --llm-url"
            )
        try:
            text = zlib.decompressobj(wbits=47).decompress(data, MAX_ANSWER + 1)
        except zlib.error as error:
            raise ProposerError(
                f"the server at {self.url} sends damaged answers ({error}): look at its log"
            ) from error
        if len(text) > MAX_ANSWER:
            raise ProposerError(self._too_large)
        return text

    @property
    def _too_large(self) -> str:
        return (
            f"the server at {self.url} answers with more than {MAX_ANSWER // 1_000_000} MB, which is no list "
            "of prompts: look at its log, or name another with --llm-url"
        )

    def _read(self, response: httpx.Response, path: str) -> dict[str, Any]:
        code, text = response.status_code, response.text.lstrip("\ufeff \t\r\n")
        if code in (401, 403):
            raise ProposerError(
                f"the server at {self.url} wants another API key ({_status(response)}): "
                f"export {KEY_VARIABLE}=..."
            )
        if response.is_redirect:
            to = one_line(without_secret(response.headers.get("location", "")))
            raise ProposerError(f"the server at {self.url} redirects to {to!r}: name that with --llm-url")
        if text.startswith("<") or "text/html" in response.headers.get("content-type", ""):
            raise ProposerError(f"{self.url}{path} is a web page ({code}), no API; {_CHECK_URL}")
        if code == 404:
            detail, _ = _error(response)
            raise NotFound(f"the server at {self.url} has no {path} ({detail}); {_CHECK_URL}")
        if code >= 400:
            detail, param = _error(response)
            raise BadRequest(
                f"the server at {self.url} refuses the request ({code}: {detail}): "
                "choose another model with --llm, or another way to ask with --llm-mode",
                detail,
                param,
            )
        answer = _json(text)
        if not isinstance(answer, dict):
            raise ProposerError(
                f"{self.url}{path} answers with something else than JSON ({one_line(text)}); {_CHECK_URL}"
            )
        return answer


def local_http(timeout: float, unix_socket: Path) -> httpx.Client:
    """Plain HTTP through a socket of this machine; `timeout` in seconds."""
    return _open_http("http://localhost", timeout, unix_socket)


def base_url(url: str) -> str:
    """`url` with a scheme and the API's path, without a slash at the end. Raises `UsageError`."""
    refuse_secret(url)
    text = url.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parsed = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise UsageError(f"--llm-url is {url!r}: {error}; {_EXAMPLE}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"--llm-url is {url!r}, which is no plain http address; {_EXAMPLE}")
    text = text.rstrip("/")
    for ending in ("/chat/completions", "/completions", "/models"):
        text = text.removesuffix(ending)
    return text if httpx.URL(text).path.strip("/") else f"{text}/v1"


class _SocketTransport(httpx.HTTPTransport):
    """HTTP through a socket of this machine, which is asked first whether anyone listens.

    httpcore leaves the socket of a failed attempt open, and a server takes minutes to start.
    """

    def __init__(self, path: Path, limits: httpx.Limits) -> None:
        super().__init__(uds=str(path), limits=limits)
        self._path = str(path)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self._path)
            except OSError as error:
                raise httpx.ConnectError(str(error), request=request) from error
        return super().handle_request(request)


def _open_http(url: str, timeout: float, unix_socket: Path | None = None) -> httpx.Client:
    parsed = httpx.URL(url)
    limits = httpx.Limits(max_connections=None)
    transport = _SocketTransport(unix_socket, limits) if unix_socket else None
    return httpx.Client(
        headers={"Accept-Encoding": "identity"},  # a packed answer may hold a thousand times what is sent
        timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
        limits=limits,
        transport=transport,
        verify=parsed.scheme == "https",  # to load the certificates takes longer than a local request
        trust_env=parsed.host not in _LOCAL,  # a proxy cannot reach this machine's own ports
    )


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(MAX_WAIT, float(response.headers.get("retry-after", 0)))
    except ValueError:  # a date: not worth parsing
        return 0.0


def _status(response: httpx.Response) -> str:
    detail, _ = _error(response)
    return f"{response.status_code}: {detail}"


def _error(response: httpx.Response) -> tuple[str, str | None]:
    """What the server says is wrong, on one line, and the field of the request that it blames."""
    answer = _json(response.text)
    error = answer.get("error", answer) if isinstance(answer, dict) else None
    if isinstance(error, dict):
        message, param = error.get("message") or error.get("detail"), error.get("param")
        text = message if isinstance(message, str) else response.text
        return one_line(text), param if isinstance(param, str) else None
    text = error if isinstance(error, str) else ""
    return one_line(text) if text else response.reason_phrase or "no reason given", None


def _json(text: str) -> Any:
    """What the text holds; None where it is no JSON, or so deep that nobody wrote it by hand."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

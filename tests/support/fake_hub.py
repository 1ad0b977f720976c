"""A hub on a socket of this machine, which speaks what `huggingface_hub` speaks; see `FakeHub`."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_good"
LARGE = (".safetensors", ".zip", ".bin", ".pth")  # kept elsewhere, and reached by a redirect
PAGE = 20  # entries of one page of a tree


@dataclass
class Repository:
    """Files by path, at one commit."""

    files: dict[str, bytes]
    gated: bool = False
    sha: str = ""

    def __post_init__(self) -> None:
        listed = sorted((name, hashlib.sha1(data).hexdigest()) for name, data in self.files.items())
        self.sha = self.sha or hashlib.sha1(json.dumps(listed).encode()).hexdigest()


@dataclass
class Trouble:
    """What goes wrong: how many answers of CDN are cut midway, how many requests are told to wait.

    `slow` is how many seconds a large file takes at least; `understates` says that large files are small.
    """

    cut: int = 0
    busy: int = 0
    slow: float = 0
    understates: bool = False
    ranges: list[str] = field(default_factory=list)  # that were asked for


class FakeHub:
    """Serves repositories while it is open: revisions, trees in pages, resolve with ETag and redirects to
    a store that takes ranges; gated ones answer 401 without a token and 403 with a wrong one, all with the
    hub's error codes. `fetched` lists the files that were sent. Takes commits too.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.trouble = Trouble()
        self.fetched: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.serve()

            def do_GET(self) -> None:
                self.serve()

            def do_POST(self) -> None:
                self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
                self.serve()

            def serve(self) -> None:
                hub._answer(self)

            def send(self, status: int, body: bytes = b"", **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content_Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.store = self.url.replace("127.0.0.1", "localhost")  # another host, as the real one's is

    def add(
        self, id: str, folder: Path, kind: str = "model", gated: bool = False, **more: bytes
    ) -> Repository:
        """A repository of what is in `folder`, and of `more` files by their names."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        files |= more
        files.setdefault("README.md", b"# a model")
        files.setdefault(".gitattributes", b"*.safetensors filter=lfs")
        self.repositories[kind, id] = Repository(files, gated)
        return self.repositories[kind, id]

    def __enter__(self) -> FakeHub:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- routes

    def _answer(self, ask: Any) -> None:
        if self.trouble.busy > 0:
            self.trouble.busy -= 1
            return ask.send(429, b"", RateLimit='"api";r=0;t=0', Retry_After="0")
        url = urlsplit(ask.path)
        path, query = unquote(url.path), parse_qs(url.query)
        if found := re.fullmatch(r"/cdn/(\w+)", path):
            return self._store(ask, found[1])
        if path == "/api/repos/create":
            wanted = json.loads(ask.body)
            id = (
                f"{wanted['organization']}/{wanted['name']}" if wanted.get("organization") else wanted["name"]
            )
            if ask.headers.get("authorization") != f"Bearer {TOKEN}":
                return ask.send(401, b'{"error": "Invalid credentials"}')
            self.repositories.setdefault(("model", id), Repository({}))
            return self._json(ask, {"url": f"{self.url}/{id}", "id": id, "name": id})
        if path == "/api/validate-yaml":
            return self._json(ask, {"errors": [], "warnings": []})
        if path == "/api/whoami-v2":
            return self._json(
                ask, {"name": "me", "type": "user", "orgs": [], "auth": {"type": "access_token"}}
            )
        api = re.fullmatch(
            r"/api/(model|dataset)s/([^/]+/[^/]+)(?:/(revision|tree|auth-check|preupload|commit)(?:/([^/]+))?.*)?",
            path,
        )
        if api:
            return self._api(ask, *api.groups(), query)
        file = re.fullmatch(r"(/datasets)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if file:
            return self._resolve(ask, "dataset" if file[1] else "model", *file.groups()[1:])
        return ask.send(404, b"", X_Error_Code="RepoNotFound")

    def _api(self, ask: Any, kind: str, id: str, what: str | None, revision: str | None, query: Any) -> None:
        repository = self.repositories.get((kind, id))
        if repository is None:
            return ask.send(404, b'{"error": "Repository not found"}', X_Error_Code="RepoNotFound")
        if what == "auth-check":
            return None if self._refused(ask, repository) else ask.send(200)
        if what == "preupload":
            listed = [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                      for each in json.loads(ask.body)["files"]]  # fmt: skip
            return self._json(ask, {"files": listed})
        if what == "commit":
            return self._commit(ask, id, repository)
        if revision not in (None, "main", repository.sha):
            return ask.send(404, b'{"error": "Invalid rev id"}', X_Error_Code="RevisionNotFound")
        if what == "tree":
            entries = [self._entry(name, data) for name, data in sorted(repository.files.items())]
            start = int(query.get("cursor", ["0"])[0])
            more = {}
            if start + PAGE < len(entries):
                more["Link"] = (
                    f'<{self.url}{urlsplit(ask.path).path}?recursive=True&cursor={start + PAGE}>; rel="next"'
                )
            return self._json(ask, entries[start : start + PAGE], **more)
        siblings = [
            {
                "rfilename": name,
                "size": self._told(name, data),
                "blobId": hashlib.sha1(data).hexdigest(),
            }
            for name, data in sorted(repository.files.items())
        ]
        told = {"id": id, "_id": "0", "sha": repository.sha, "private": False, "disabled": False, "tags": [],
                "gated": "manual" if repository.gated else False, "downloads": 0, "likes": 0,
                "siblings": siblings}  # fmt: skip
        return self._json(ask, told)

    def _told(self, name: str, data: bytes) -> int:
        return 1 if self.trouble.understates and name.endswith(LARGE) else len(data)

    def _entry(self, name: str, data: bytes) -> dict[str, Any]:
        entry = {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        if name.endswith(LARGE):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry

    def _resolve(self, ask: Any, kind: str, id: str, revision: str, name: str) -> None:
        repository = self.repositories.get((kind, id))
        if repository is None:
            return ask.send(404, b"", X_Error_Code="RepoNotFound")
        if self._refused(ask, repository):
            return None
        if revision not in ("main", repository.sha):
            return ask.send(404, b"", X_Error_Code="RevisionNotFound")
        data = repository.files.get(name)
        if data is None:
            return ask.send(404, b"", X_Error_Code="EntryNotFound", X_Repo_Commit=repository.sha)
        if name.endswith(LARGE):
            digest = hashlib.sha256(data).hexdigest()
            return ask.send(
                302, b"", Location=f"{self.store}/cdn/{digest}", X_Repo_Commit=repository.sha,
                X_Linked_ETag=f'"{digest}"', X_Linked_Size=str(len(data)), ETag=f'"{digest}"',
            )  # fmt: skip
        if ask.command == "GET":
            self.fetched.append(f"{id}/{name}")
        etag = hashlib.sha1(data).hexdigest()
        length = {"Content_Length": str(len(data))}
        return ask.send(200, data, ETag=f'"{etag}"', X_Repo_Commit=repository.sha, **length)

    def _store(self, ask: Any, digest: str) -> None:
        for (_, id), repository in self.repositories.items():
            for name, data in repository.files.items():
                if name.endswith(LARGE) and hashlib.sha256(data).hexdigest() == digest:
                    return self._send_large(ask, f"{id}/{name}", data, digest)
        return ask.send(404)

    def _send_large(self, ask: Any, name: str, data: bytes, digest: str) -> None:
        start, status, headers = 0, 200, {"ETag": f'"{digest}"', "Accept_Ranges": "bytes"}
        if given := re.fullmatch(r"bytes=(\d+)-(\d*)", ask.headers.get("range", "")):
            self.trouble.ranges.append(given[0])
            start, status = int(given[1]), 206
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        headers["Content_Length"] = str(len(body))
        if ask.command == "GET" and self.trouble.cut > 0 and len(body) > 1000:
            self.trouble.cut -= 1
            ask.send(status, body[: len(body) // 2], **headers)
            ask.wfile.flush()
            ask.close_connection = True
            return
        if ask.command == "GET" and self.trouble.slow:
            try:
                ask.send(status, b"", **headers)
                for i in range(20):
                    ask.wfile.write(body[len(body) * i // 20 : len(body) * (i + 1) // 20])
                    time.sleep(self.trouble.slow / 20)
            except OSError:  # who asked was killed
                ask.close_connection = True
                return
            self.fetched.append(name)
            return
        if ask.command == "GET":
            self.fetched.append(name)
        ask.send(status, body, **headers)

    def _commit(self, ask: Any, id: str, repository: Repository) -> None:
        if ask.headers.get("authorization") != f"Bearer {TOKEN}":
            return ask.send(401, b'{"error": "Invalid credentials"}')
        files = dict(repository.files)
        for line in ask.body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        made = self.repositories["model", id] = Repository(files)
        told = {"commitUrl": f"{self.url}/{id}/commit/{made.sha}", "commitOid": made.sha, "hookOutput": ""}
        return self._json(ask, told)

    def _refused(self, ask: Any, repository: Repository) -> bool:
        """Whether the repository is gated and whoever asks has not been let in; the answer is sent then."""
        given = ask.headers.get("authorization")
        if not repository.gated or given == f"Bearer {TOKEN}":
            return False
        ask.send(
            401 if given is None else 403,
            b'{"error": "Access to model is restricted"}',
            X_Error_Code="GatedRepo",
        )
        return True

    def _json(self, ask: Any, value: Any, **headers: str) -> None:
        ask.send(200, json.dumps(value).encode(), Content_Type="application/json", **headers)

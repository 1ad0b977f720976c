"""Runs that a page begins: ordinary `steer run` processes, which go on when the page and its server are gone.

    OUT/.studio/NAME.err    what the process says, beside the folder of the run itself; NAME.out likewise

Only processes that were started here are ever ended, and runs never are: they are asked to pause.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from steer.errors import PageError
from steer.record.files import slug

KEPT = ".studio"
BACK = "STEER_BACK"  # in a server's environment: where its pages lead back to
PATIENCE = 120.0  # seconds until another page's server has said where it is


class Children:
    """The processes that one studio began."""

    def __init__(self, out: Path, command: Sequence[str] = (sys.executable, "-m", "steer")) -> None:
        self._out, self._folder, self._command = out, out / KEPT, list(command)
        self._lock = threading.Lock()
        self._opening = threading.Lock()  # of its own: pages that are open are answered while another starts
        self._pages: dict[tuple[str, ...], Path] = {}
        self._runs: dict[str, subprocess.Popen[bytes]] = {}
        self._servers: dict[tuple[str, ...], tuple[subprocess.Popen[str], str]] = {}

    def begin(self, key: str, prompt: str, whom: str, words: Sequence[str]) -> str:
        """Begin `steer WORDS`; returns the name of its run folder. The same key begins nothing anew.

        Raises `PageError`.
        """
        with self._lock:
            if again := next(iter(self._folder.glob(f"*-{key[:12]}.err")), None):
                return again.stem
            stem = "-".join(filter(None, [slug(prompt) or "prompt", slug(whom, 24)]))
            name = f"{datetime.now():%Y%m%d-%H%M%S}-{stem}-{key[:12]}"
            self._spawn(name, [*words, "--name", name, "--out", str(self._out)])
            return name

    def resume(self, name: str, words: Sequence[str] = ()) -> None:
        """Go on with a run, unless a process of this studio is at it. Raises `PageError`."""
        with self._lock:
            if not self._alive(name):
                self._spawn(name, ["runs", "resume", str(self._out / name), *words])

    def alive(self, name: str) -> bool:
        """Whether a process of this studio works on the run, or is about to."""
        with self._lock:
            return self._alive(name)

    def failure(self, name: str) -> str | None:
        """What a process of this studio said last, if it failed; None while it works, and if it did well."""
        with self._lock:
            process = self._runs.get(name)
            if process is None or process.poll() in (None, 0, 130):
                return None
        return self.last_words(name).removeprefix("error: ") or "it ended without a word"

    def known(self, name: str) -> bool:
        """Whether a run of that name was begun on a page, even if it has no folder yet."""
        return (self._folder / f"{name}.err").is_file()

    def last_words(self, name: str) -> str:
        """The last line of what the process said; empty where it said nothing."""
        with contextlib.suppress(OSError):
            lines = (self._folder / f"{name}.err").read_text(encoding="utf-8", errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")[:600]
        return ""

    def make_page(self, words: Sequence[str]) -> Path:
        """The page that `steer WORDS` makes and names in its last line; the same words make it once.

        Raises `PageError` where it makes none.
        """
        with self._opening:
            made = self._pages.get(tuple(words))
            if made is not None and made.is_file():
                return made
            command = [*self._command, *words, "--out", str(self._out)]
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise PageError(f"steer {' '.join(words)} did not end well: {error}") from error
            lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines() or [""]
            if done.returncode:
                raise PageError(
                    lines[-1].removeprefix("error: ") or f"steer {words[0]} failed without a word"
                )
            self._pages[tuple(words)] = Path(lines[-1])
            return self._pages[tuple(words)]

    def open_server(self, words: Sequence[str], back: str = "") -> str:
        """The address of `steer WORDS`, a page's server of its own that ends with this studio.

        `back` is the address that its pages lead back to. Raises `PageError` where it does not start.
        """
        with self._opening:
            running = self._servers.get(tuple(words))
            if running is not None and running[0].poll() is None:
                return running[1]
            try:
                process = subprocess.Popen(
                    [*self._command, *words, "--no-open"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, text=True, start_new_session=True,
                    env={**os.environ, BACK: back},  # not among its words: it holds the token
                )  # fmt: skip
            except OSError as error:
                raise PageError(f"cannot start steer {words[0]}: {error}") from error
            url = _first_line(process)
            if not url.startswith("http://127.0.0.1:"):
                process.terminate()
                said = "steer " + " ".join(words)
                raise PageError(f"steer {words[0]} did not start; see what it says: {said}")
            self._servers[tuple(words)] = process, url
            return url

    def close(self) -> None:
        """End the servers; runs go on."""
        with self._opening:
            for process, _ in self._servers.values():
                process.terminate()
            for process, _ in self._servers.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
            self._servers.clear()

    def _alive(self, name: str) -> bool:
        process = self._runs.get(name)
        return process is not None and process.poll() is None

    def _spawn(self, name: str, words: Sequence[str]) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (
                (self._folder / f"{name}.out").open("ab") as out,
                (self._folder / f"{name}.err").open("ab") as err,
            ):
                self._runs[name] = subprocess.Popen(
                    [*self._command, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
        except OSError as error:
            raise PageError(
                f"cannot begin a run in {self._out}: {error.strerror or error}; make room or allow writing, "
                "or choose another folder: steer studio --out FOLDER"
            ) from error


def _first_line(process: subprocess.Popen[str]) -> str:
    """What a server prints first: its address."""
    found: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: found.append(process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    reader.join(PATIENCE)
    return found[0].strip() if found else ""

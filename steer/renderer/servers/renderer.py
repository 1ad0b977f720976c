"""Any kind of server as a `steer.parts.Renderer`: pictures made side by side, handed over in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from steer.parts import Capabilities
from steer.renderer.servers.kind import Kind

if TYPE_CHECKING:
    from PIL.Image import Image

Job = tuple[str, int]  # prompt, seed
AHEAD = 4  # pictures asked for beyond those under way, before the caller has looked at the first


class ServerRenderer:
    """Renders on servers; see `steer.parts.Renderer`. `honours_seeds` is what a probe has found.

    A thread for each slot of the servers takes the next picture as soon as it has made one, so that of
    several servers the faster makes more.
    """

    def __init__(self, kind: Kind, honours_seeds: bool = True) -> None:
        self.kind = kind
        self.name = f"{PurePath(kind.model).name} ({kind.label})"
        self.model, self.server = kind.model, kind.software
        self.seeds = "honoured" if honours_seeds else "ignored"
        self.steps, self.guidance_scale = kind.asked.steps, kind.asked.guidance
        self.width, self.height = kind.asked.width, kind.asked.height
        self.sha256 = kind.identity
        self._under_way: dict[Job, Future[Image]] = {}
        self._todo: SimpleQueue[tuple[Job, Future[Image]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    @property
    def capabilities(self) -> Capabilities:
        """What the server takes; `seed` as the probe has found it."""
        return replace(self.kind.capabilities, seed=self.seeds == "honoured")

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image]:
        """One RGB image per prompt, in order; those after it are made meanwhile.

        Raises at the turn of a picture that failed. Asked anew for the others it goes on with them, and what
        is made or under way is not asked for again.
        """
        jobs = list(zip(prompts, seeds, strict=True))
        for place, job in enumerate(jobs):
            for coming in jobs[place : place + self.kind.slots + AHEAD]:
                self._begin(coming)
            made = self._under_way[job]
            try:
                image = made.result()
            finally:
                if made.done():
                    self._under_way.pop(job, None)
            yield image

    def rest(self) -> None:
        """Asks the server for its memory, where it can be asked."""
        self.kind.rest()

    def close(self) -> None:
        """Ask for nothing more. What is under way is left to the server, unless it is paid for."""
        with suppress(Empty):
            while True:
                self._todo.get_nowait()
        for _ in self._threads:
            self._todo.put(None)
        if self.kind.finishes:
            for thread in self._threads:
                thread.join()
        self.kind.close()
        self._threads, self._under_way, self._todo = [], {}, SimpleQueue()

    def notes(self) -> list[str]:
        """What was otherwise than asked, each once."""
        return self.kind.notes()

    def _begin(self, job: Job) -> None:
        if job in self._under_way:
            return
        future: Future[Image] = Future()
        self._under_way[job] = future
        self._todo.put((job, future))
        if not self._threads:
            self.kind.open()
        if len(self._threads) < self.kind.slots:
            # A daemon: nobody who wants to leave waits minutes for a picture that nobody will see.
            work = threading.Thread(target=self._work, args=(self._todo,), name="steer-server", daemon=True)
            self._threads.append(work)
            work.start()

    def _work(self, todo: SimpleQueue[tuple[Job, Future[Image]] | None]) -> None:
        while (task := todo.get()) is not None:
            (prompt, seed), future = task
            try:
                future.set_result(self.kind.make(prompt, seed))
            except BaseException as error:  # noqa: BLE001 - it is raised where the picture is waited for
                future.set_exception(error)

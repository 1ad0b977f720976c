"""What every kind of server has: what is asked of it, how several share the work, what it tells."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from steer.errors import RendererDown
from steer.parts import Capabilities
from steer.renderer.servers.http import Http

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
SMALL = 256  # pixels each way, at most, of a picture that only serves to look at the seeds
FEW = 4  # its denoising steps, at most


@dataclass(frozen=True)
class Asked:
    """What is asked of every picture beside prompt and seed. None: as the server does it."""

    width: int | None = None  # pixels
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    negative: str | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height where both are asked for."""
        return (self.width, self.height) if self.width and self.height else None

    def to_json(self) -> dict[str, Any]:
        """For an identity: what is left to the server is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Kind:
    """A kind of server. `servers` share the work: all make the same pictures.

    A kind says what it can do (`capabilities`), what decides its pictures (`identity`), and makes one picture
    (`make`), from several threads at once.
    """

    label = ""  # "ComfyUI"
    software = ""  # and its version, where it says
    advice = ""  # where an option that it lacks can be had otherwise
    trusts_seeds = False  # it says with each picture which seed it used
    finishes = False  # what is under way is waited for at the end, because it is paid for
    capabilities = Capabilities()

    def __init__(self, servers: Sequence[Http], model: str, asked: Asked, slots: int) -> None:
        self.model, self.asked = model, asked
        self.slots = slots  # pictures that the servers make or hold at once
        self._servers, self._balance = list(servers), Balance(servers)
        self._notes = Notes()

    @property
    def address(self) -> str:
        """Of the first server, without credentials."""
        return self._servers[0].url

    @property
    def settings(self) -> dict[str, Any]:
        """What decides a picture beside prompt, seed, model and what is asked for."""
        return {}

    @property
    def identity(self) -> str:
        """One name for all that decides a picture beside prompt and seed, as far as the server says."""
        told = {"kind": self.label, "model": self.model, **self.asked.to_json(), **self.settings}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def make(self, prompt: str, seed: int, take: int = 0) -> Image:
        """One picture. Another `take` has the server make the same one anew.

        Raises `RendererError` where it is this picture's fault, `RendererDown` where it is the server's.
        """
        raise NotImplementedError

    def look(self) -> Asked:
        """What is asked of a picture that only serves to look at the seeds: small, and soon made."""
        asked = self.asked
        if self.capabilities.sizes:
            width, height = asked.size or (SMALL, SMALL)
            asked = replace(asked, width=min(SMALL, width), height=min(SMALL, height))
        return replace(asked, steps=min(asked.steps or FEW, FEW)) if self.capabilities.steps else asked

    def asking(self, asked: Asked) -> Self:
        """The same server, asked for something else."""
        other = self.__class__.__new__(self.__class__)
        other.__dict__.update(self.__dict__, asked=asked)
        return other

    def notes(self) -> list[str]:
        """What was otherwise than asked, each once."""
        for line in self._balance.lost_lines():
            self._notes.add(line)
        return self._notes.take()

    def open(self) -> None:
        """Before work; also after `close`."""
        for server in self._servers:
            server.open()

    def rest(self) -> None:
        """Ask for the memory that the models take."""

    def close(self) -> None:
        """Ask for nothing more."""
        for server in self._servers:
            server.close()

    def _on_some_server(self, work: Callable[[Http], T]) -> T:
        """`work` on the server with the least to do; where that one is down, on another."""
        while True:
            server = self._balance.take()
            try:
                return work(server)
            except RendererDown as error:
                self._balance.drop(server, error)
            finally:
                self._balance.done(server)


class Balance:
    """Hands out the servers that share the work: the one with the least under way, and none that is down."""

    def __init__(self, servers: Sequence[Http]) -> None:
        self._busy = {id(server): 0 for server in servers}
        self._up, self._lost = list(servers), list[str]()
        self._lock = threading.Lock()

    @property
    def up(self) -> list[Http]:
        """Those that are not down."""
        with self._lock:
            return list(self._up)

    def take(self) -> Http:
        """The least busy one; give it back with `done`."""
        with self._lock:
            server = min(self._up, key=lambda one: self._busy[id(one)])
            self._busy[id(server)] += 1
            return server

    def done(self, server: Http) -> None:
        """What it was taken for is over."""
        with self._lock:
            self._busy[id(server)] -= 1

    def drop(self, server: Http, error: RendererDown) -> None:
        """It is down: go on without. Raises `error` where it was the last one."""
        with self._lock:
            if self._up == [server]:
                raise error
            if server in self._up:
                self._up.remove(server)
                self._lost.append(f"{error}; went on with the others")

    def lost_lines(self) -> list[str]:
        """A line for each server that went down."""
        with self._lock:
            return list(self._lost)


class Notes:
    """Lines for the record, each told once."""

    def __init__(self) -> None:
        self._lines: dict[str, bool] = {}  # and whether it was told
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        """Tell it with the next `take`, unless it was told before."""
        with self._lock:
            self._lines.setdefault(line, False)

    def take(self) -> list[str]:
        """Those since the last call."""
        with self._lock:
            new = [line for line, told in self._lines.items() if not told]
            self._lines = dict.fromkeys(self._lines, True)
            return new

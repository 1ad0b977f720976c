"""A language model under vLLM that steer starts and stops: server and proposer as one part of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from steer.errors import ServerDown
from steer.parts import Guide, Scored
from steer.proposer.client import Client
from steer.proposer.server import Mode, ServerProposer, billions
from steer.proposer.vllm_server import VllmServer

__all__ = ["VllmProposer", "VllmServer"]

T = TypeVar("T")


class VllmProposer:
    """A `VllmServer` and the proposals it makes, as one part of a run; see `steer.parts.Proposer`.

    The server starts when it is first needed. If it dies it is started again, once, and asked again what it
    was asked. `mode`, `template`, `temperature` and `timeout` are those of `ServerProposer`. `stops`: to rest
    is to end the server, which takes no memory at all and minutes to start again.
    """

    def __init__(
        self,
        server: VllmServer,
        *,
        mode: Mode = "auto",
        template: str = "paper",
        temperature: float | None = None,
        timeout: float = 600.0,
        stops: bool = False,
    ) -> None:
        self.server = server
        self._stops = stops
        self._mode = ("few-shot" if billions(server.name) < 1 else "list") if mode == "auto" else mode
        self._template, self._temperature, self._timeout = template, temperature, timeout
        self._proposer: ServerProposer | None = None
        self._restarted = False
        self._notes: list[str] = []

    @property
    def name(self) -> str:
        """For people; says nothing of ports."""
        return f"{self.server.name} (vLLM)"

    @property
    def model(self) -> str:
        """The hub id or folder."""
        return self.server.model

    @property
    def revision(self) -> str | None:
        """The revision of the model on the hub, where one was asked for."""
        return self.server.revision

    def check(self) -> None:
        """Raises `ProposerError` if vLLM is not installed where it is looked for; starts nothing."""
        self.server.check()

    def keep_log(self, folder: Path) -> None:
        """The server's log goes to `folder`/vllm.log from its next start on."""
        self.server.log = folder / "vllm.log"

    def wake(self) -> None:
        """Start the server, or wake it from its sleep. Raises `ProposerError`."""
        self._revive(self._ready)

    def rest(self) -> None:
        """Let the server sleep until the next `wake`, if it can; or stop it, if it is one that stops."""
        if self._stops:
            self._let_go()
            self.server.close()
            return
        try:
            self.server.sleep()
        except ServerDown as error:
            self._notes.append(f"{error}; it starts anew when it is needed")
            self._let_go()

    def close(self) -> None:
        """Stop the server. `wake` starts it again."""
        self._let_go()
        self.server.close()
        self._restarted = False

    def notes(self) -> list[str]:
        """What had to be done otherwise than asked since the last call, for the record."""
        asked = self._proposer.notes() if self._proposer else []
        notes, self._notes = [*self._notes, *asked], []
        return notes

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        """The same as `ServerProposer.propose`. Raises `ProposerError`."""
        return self._revive(lambda: self._ready().propose(prompt, memory, n, seed))

    def propose_by(self, prompt: str, memory: Sequence[Scored], n: int, seed: int, guide: Guide) -> list[str]:
        """The same as `ServerProposer.propose_by`. Raises `ProposerError`."""
        return self._revive(lambda: self._ready().propose_by(prompt, memory, n, seed, guide))

    def _ready(self) -> ServerProposer:
        """The way to a server that runs and is awake."""
        if self._proposer is None or self.server.url is None:
            self._let_go()
            url = self.server.start()
            client = Client(
                url, key=self.server.key, timeout=self._timeout, attempts=2, unix_socket=self.server.socket
            )
            self._proposer = ServerProposer(
                url,
                self.server.name,
                mode=self._mode,
                template=self._template,
                temperature=self._temperature,
                client=client,
            )
        self.server.wake()
        return self._proposer

    def _revive(self, work: Callable[[], T]) -> T:
        """`work()`; where the server has died under it, once more with a new server."""
        while True:
            try:
                return work()
            except ServerDown as error:
                if self.server.healthy():
                    raise
                why = self.server.last_words()
                self._let_go()
                self.server.close()
                if self._restarted:
                    raise ServerDown(
                        f"vLLM died again ({why}): look at its log, {self.server.log}, "
                        "or choose another model with --llm"
                    ) from error
                self._restarted = True
                self._notes.append(f"vLLM died ({why}) and was started again")

    def _let_go(self) -> None:
        if self._proposer is not None:
            self._notes += self._proposer.notes()
            self._proposer.close()
            self._proposer = None

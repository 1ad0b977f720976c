"""Connections to a page's server: of this user only, few at a time, and none that just waits.

Whoever may not come in is cut off without a word, on the wire and in the terminal: a stranger who opens
thousands of connections shall cost next to nothing.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 128  # connections; a browser opens six
PATIENCE = 10.0  # seconds until a connection must have sent a whole request
HEADER_BYTES = 16 * 1024
_TABLE = Path("/proc/net/tcp")
_ESTABLISHED = "01"


class LocalProtocol(H11Protocol):
    """HTTP for this user's own programs; of too many connections, the one that waits longest goes."""

    _deadline: asyncio.TimerHandle | None = None
    _early: bytes | None = None  # what was sent before it is known whose connection this is

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, or cuts it off."""
        super().connection_made(transport)
        if not self._unknown():  # the system is asked once for all that come together: asking takes its time
            self.loop.call_soon(self._let_in)
        self._early = b""
        self._wait()
        if len(self.connections) > MOST:
            waiting = [one for one in self._all() if one._deadline]
            oldest = min(
                waiting, key=lambda one: one._deadline.when() if one._deadline else 0.0, default=self
            )
            oldest.cut_off()

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        if self.transport.is_closing():
            return
        if self._early is not None:
            self._early += data
            return
        super().data_received(data)
        self._wait()

    def _all(self) -> list[LocalProtocol]:
        return [one for one in self.connections if isinstance(one, LocalProtocol)]

    def _unknown(self) -> list[LocalProtocol]:
        return [one for one in self._all() if one._early is not None]

    def _let_in(self) -> None:
        """Tells whose the new connections are, and goes on with ours."""
        unknown, owners = self._unknown(), owners_of(_TABLE)
        for one in unknown:
            early, one._early = one._early, None
            if one.client and one.server and not is_own(one.client, one.server, owners):
                one.cut_off()
            elif early:
                one.data_received(early)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over, whoever ended it."""
        self._stop()
        super().connection_lost(exc)

    def cut_off(self) -> None:
        """End it now, with nothing sent."""
        self._stop()
        self.connections.discard(self)
        self.transport.abort()

    def _wait(self) -> None:
        """The clock runs from the first sign of a request until the whole of it is here."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(PATIENCE, self.cut_off)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def owners_of(table: Path = _TABLE) -> dict[tuple[str, str], tuple[str, int]]:
    """State and user id of each TCP connection by its two ends; empty where the system does not tell."""
    try:
        rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
        return {(row[1], row[2]): (row[3], int(row[7])) for row in rows}
    except (OSError, ValueError, IndexError):
        return {}


def is_own(
    client: tuple[str, int],
    server: tuple[str, int | None],
    owners: dict[tuple[str, str], tuple[str, int]],
) -> bool:
    """Whether `client` is of this user, or of root, who may look into this process anyway.

    Linux tells; True where the system does not tell. A connection whose other end was closed already belongs
    to nobody by then, and is not ours either.
    """
    here, there = _hexadecimal(*client), _hexadecimal(server[0], server[1] or 0)
    if (there, here) not in owners:  # our own end: this table tells nothing
        return True
    state, user = owners.get((here, there), ("", -1))
    return state == _ESTABLISHED and user in (os.getuid(), 0)


def _hexadecimal(host: str, port: int) -> str:
    """An IPv4 address as the table has it: the bytes in the machine's order, which is little-endian."""
    return bytes(map(int, reversed(host.split(".")))).hex().upper() + f":{port:04X}"

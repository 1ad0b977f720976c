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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, or cuts it off."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            waiting = [one for one in self.connections if isinstance(one, LocalProtocol) and one._deadline]
            oldest = min(
                waiting, key=lambda one: one._deadline.when() if one._deadline else 0.0, default=self
            )
            oldest.cut_off()
        if self.client and self.server and not is_own(self.client, self.server):
            self.cut_off()
        elif not transport.is_closing():
            self._wait()

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        if not self.transport.is_closing():
            super().data_received(data)
            self._wait()

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


def is_own(client: tuple[str, int], server: tuple[str, int | None], table: Path = _TABLE) -> bool:
    """Whether `client` is of this user, or of root, who may look into this process anyway.

    Linux tells; True where the system does not tell. A connection whose other end was closed already belongs
    to nobody by then, and is not ours either.
    """
    try:
        rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    except (OSError, ValueError):
        return True
    here, there = _hexadecimal(*client), _hexadecimal(server[0], server[1] or 0)
    if not any(row[1:3] == [there, here] for row in rows):  # our own end: this table tells nothing
        return True
    return any(row[1:4] == [here, there, _ESTABLISHED] and int(row[7]) in (os.getuid(), 0) for row in rows)


def _hexadecimal(host: str, port: int) -> str:
    """An IPv4 address as the table has it: the bytes in the machine's order, which is little-endian."""
    return bytes(map(int, reversed(host.split(".")))).hex().upper() + f":{port:04X}"

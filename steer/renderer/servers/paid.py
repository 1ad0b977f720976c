"""Pictures that cost money: each is asked for once, whatever happens in between, in this run or any other.

What is asked for is written down before it is asked for, and the picture when it comes:

    KEY.json   asked for; with what the host gave to fetch it by, or why it made none
    KEY.png    the picture as it came

What was asked for and never came may have been paid for. It is not asked for again; the message says which
file to remove for that, after a look at the bill.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from reward.files import write_whole
from steer.errors import RendererDown, RendererError
from steer.wire import one_line

SCHEMA_VERSION = 1


class NotTaken(RendererError):
    """The host did not take the request: nothing was made, nothing is to pay."""

    def __init__(self, why: RendererError) -> None:
        super().__init__(str(why))
        self.why = why


class NotMade(RendererError):
    """The host took the request and makes no picture of it; asked again it would say the same."""


class Slip:
    """What is written down about one picture."""

    def __init__(self, path: Path, told: dict[str, Any]) -> None:
        self.path, self.told = path, told

    def write(self, **more: Any) -> None:
        """Keep it, through a power cut."""
        self.told |= more
        write_whole(self.path, json.dumps(self.told, ensure_ascii=False).encode(), private=True, sync=True)


class Paid:
    """The pictures in a folder. At most `limit` are bought by this process."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._lock = threading.Lock()
        self.bought = 0

    def picture(self, what: Mapping[str, Any], buy: Callable[[Slip], bytes]) -> bytes:
        """The bytes of a picture, by all that decides it: kept ones, or what `buy` brings.

        `buy` may keep in the slip what a later session needs to fetch the picture without asking anew, and is
        called with it again. It raises `NotTaken` where nothing is to pay, and `NotMade`. Raises
        `RendererError`, `RendererDown`.
        """
        name = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:40]
        picture, path = self._folder / f"{name}.png", self._folder / f"{name}.json"
        if picture.is_file():
            return picture.read_bytes()
        slip = self._slip(path, what)
        try:
            data = buy(slip)
        except NotTaken as error:
            path.unlink(missing_ok=True)
            with self._lock:
                self.bought -= 1
            raise error.why from error
        except NotMade as error:
            slip.write(refused=str(error))
            raise
        write_whole(picture, data, private=True, sync=True)
        return data

    def _slip(self, path: Path, what: Mapping[str, Any]) -> Slip:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock:
            told = _read(path)
            if told is None:
                return self._new(path, what)
        if "refused" in told:
            raise RendererError(f"{one_line(str(told['refused']))} (not asked again; to do so: rm {path})")
        if "fetch" not in told:
            raise RendererError(
                "it was asked for before and never came, so it may have been paid for: look at the bill, "
                "and to pay "
                f"for it once more: rm {path}"
            )
        return Slip(path, told)

    def _new(self, path: Path, what: Mapping[str, Any]) -> Slip:
        if self.bought >= self._limit:
            raise RendererDown(
                f"{self.bought} pictures were paid for, which is the limit: for more raise it with "
                "--paid-limit"
            )
        slip = Slip(path, {"schema_version": SCHEMA_VERSION, "asked": f"{datetime.now():%F %T}", **what})
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # of two runs one asks
        except FileExistsError:
            raise RendererDown("another run asks for the same paid picture right now: wait for it") from None
        slip.write()
        self.bought += 1
        return slip


def _read(path: Path) -> dict[str, Any] | None:
    """What a slip says; {} for one that says nothing any more; None where there is none."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

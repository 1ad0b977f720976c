"""An append-only file of JSON objects, one a line: what runs, profiles and raters' answers are kept in.

A line counts when its newline is there. A last line without one was torn by a kill: readers leave it out and
the next writer cuts it off. A write that fails leaves the file as it was. What cannot be read (a blank line,
a block of NUL bytes that a power cut left, half of two lines, anything but an object) is skipped and counted:
it costs itself and nothing else.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from reward.checked import load_json, open_plain
from reward.files import write_through
from steer.errors import LogGone

_BLOCK = 1 << 16  # bytes
_BLANK = b"\0 \t\r"


class Log:
    """One such file. Read it with `read`; to write, `hold` it, `append`, `release`.

    `read` and `hold` return what is new since the last of them, so that a reader who stays pays once for a
    line. All of them raise OSError, and `LogGone` where the file is not the one that was read any more.
    """

    def __init__(self, path: Path, *, private: bool = False) -> None:
        """`private`: only its owner may read the file, if this makes it (mode 0600)."""
        self.path = path
        self.skipped = 0  # lines so far that cannot be read
        self._mode = 0o600 if private else 0o666
        self._file: int | None = None  # while it is held
        self._identity: tuple[int, int] | None = None  # device and inode of the file that was read
        self._read_to = 0  # bytes

    def read(self, *, settled: bool = False) -> list[dict[str, Any]]:
        """The objects of the lines that are new. `settled`: wait for whoever is just writing some."""
        if self._file is not None:
            return self._read(self._file)
        file = self._open(os.O_RDONLY)
        try:
            if settled:
                fcntl.flock(file, fcntl.LOCK_SH)
            return self._read(file)
        finally:
            os.close(file)

    def hold(self, *, wait: bool, create: bool = False) -> list[dict[str, Any]]:
        """Keep all other writers out; returns what is new.

        A torn last line is cut off. Raises BlockingIOError where another process holds it and `wait` is not
        set, and does not write through a link.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW
        try:
            file = self._open(flags)
        except FileNotFoundError:
            if not create:
                raise
            file = self._open(flags | os.O_CREAT)
            write_through(self.path.parent)
        try:
            _lock(file, wait)
            os.ftruncate(file, _end_of_lines(file))
            found = self._read(file)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return found

    def append(self, *objects: Mapping[str, Any], sync: bool = True) -> None:
        """Write a line for each object, all or none. `sync`: they survive a power cut when this returns.

        Raises ValueError for a number that JSON does not know.
        """
        if self._file is None:
            raise ValueError(f"{self.path} is not held")
        texts = [json.dumps(one, ensure_ascii=False, allow_nan=False) + "\n" for one in objects]
        data = "".join(texts).encode(errors="backslashreplace")  # a lone surrogate becomes its JSON escape
        self._check()
        end = _end_of_lines(self._file)
        os.ftruncate(self._file, end)  # what is left of a write that failed, and could not even be taken back
        try:
            if os.write(self._file, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if sync:
                os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, end)
            raise
        if self._read_to == end:
            self._read_to += len(data)

    def release(self) -> None:
        """Let others write."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def held(self, *, create: bool = False) -> Iterator[list[dict[str, Any]]]:
        """The block may append; it gets what is new. Waits for other writers."""
        found = self.hold(wait=True, create=create)
        try:
            yield found
        finally:
            self.release()

    @property
    def in_use(self) -> bool:
        """Whether another process, or another `Log` of this one, holds the file just now."""
        try:
            file = self._open(os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a disk that knows no locks: no run can be at work there
            return False
        finally:
            os.close(file)
        return False

    def _open(self, flags: int) -> int:
        try:
            return open_plain(self.path, flags, self._mode)
        except FileNotFoundError:
            if self._identity is not None:
                self._gone()
            raise

    def _read(self, file: int) -> list[dict[str, Any]]:
        found = os.fstat(file)
        identity = found.st_dev, found.st_ino
        if self._identity not in (None, identity) or found.st_size < self._read_to:
            self._gone()
        self._identity = identity
        with open(file, "rb", closefd=False) as stream:
            stream.seek(self._read_to)
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_to += len(whole)
        objects, skipped = parse_lines(whole)
        self.skipped += skipped
        return objects

    def _check(self) -> None:
        """A file that was renamed away or deleted still takes lines, and nobody would ever read them."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._gone()
        if self._identity != (found.st_dev, found.st_ino):
            self._gone()

    def _gone(self) -> NoReturn:
        raise LogGone(
            f"another program has removed {self.path}, or put another file there, while it was in use; look "
            "at what is there now, then begin again"
        )


def parse_lines(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The objects of whole lines, and how many lines hold none."""
    objects = []
    lines = data.split(b"\n")[:-1]
    for line in lines:
        try:
            found = load_json(line.strip(_BLANK))
        except ValueError:
            continue
        if isinstance(found, dict):
            objects.append(found)
    return objects, len(lines) - len(objects)


def _lock(file: int, wait: bool) -> None:
    # Whoever asks whether it is `in_use` has it for an instant, so one refusal is not an answer.
    for pause in (0.0, 0.02, 0.04, 0.06) if not wait else ():
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _end_of_lines(file: int) -> int:
    """Where the last whole line ends, in bytes."""
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0

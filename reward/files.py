"""Files that are whole or not there, whoever else writes them and whenever the process is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path, *, private: bool = False, sync: bool = False) -> Iterator[Path]:
    """A temporary path to write to, renamed to `path` at the end of the block; if it fails, nothing is left.

    Every writer has a temporary name of its own, so of two that write one file the last one wins and neither
    tears it. `private`: only the owner may read it (mode 0600). `sync`: it survives a power cut from here on.
    Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        os.close(os.open(temporary, flags, 0o600 if private else 0o666))
        yield temporary
        if sync:
            write_through(temporary)
        temporary.replace(path)
        if sync:
            write_through(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, data: bytes, *, private: bool = False, sync: bool = False) -> None:
    """`data` as the content of `path`; see `whole`. Raises OSError."""
    with whole(path, private=private, sync=sync) as temporary:
        temporary.write_bytes(data)


def make_private(folder: Path) -> None:
    """Let nobody but its owner look into a folder of ours (mode 0700). Raises OSError."""
    found = folder.stat()
    if found.st_uid == os.getuid() and found.st_mode & 0o077:
        folder.chmod(0o700)


def write_through(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk itself. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

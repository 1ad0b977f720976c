"""What was computed once: the most recently used values in memory and, if a folder is given, on disk."""

from __future__ import annotations

import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from safetensors import SafetensorError

from reward.errors import ImageError
from reward.files import write_whole
from reward.pictures import read_image

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")


@dataclass(frozen=True)
class Format(Generic[T]):
    """How values of one kind are kept."""

    suffix: str
    dump: Callable[[T], bytes]
    load: Callable[[bytes], T]
    size: Callable[[T], int]  # bytes in memory


class Cache(Generic[T]):
    """Values by key. `memory` and `disk` are limits in bytes; beyond, the least recently used go first.

    A damaged file counts as none. A folder that cannot be written costs time and no run: it is given up,
    and `failure` says why.
    """

    def __init__(self, form: Format[T], folder: Path | None, memory: int, disk: int) -> None:
        self._form, self._folder = form, folder
        self._memory, self._disk = memory, disk
        self._values: OrderedDict[str, T] = OrderedDict()
        self._held = 0
        self._stored: int | None = None  # bytes in the folder; counted when first written to
        self.failure: str | None = None

    def get(self, key: str) -> T | None:
        """The value, or None."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        if self._folder is None:
            return None
        path = self._path(key)
        try:
            value = self._form.load(path.read_bytes())
            os.utime(path)  # used just now
        except (OSError, ValueError, SafetensorError, ImageError):
            return None
        self._remember(key, value)
        return value

    def put(self, key: str, value: T) -> None:
        """Keep the value."""
        self._remember(key, value)
        if self._folder is None:
            return
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = self._form.dump(value)
            write_whole(path, data)
            self._stored = self._files_size() if self._stored is None else self._stored + len(data)
            if self._stored > self._disk:
                self._evict()
        except OSError as error:
            self.failure = f"cannot write to the cache {self._folder} ({error.strerror or error})"
            self._folder = None

    def forget(self) -> None:
        """Give the memory back; what is on disk stays."""
        self._values.clear()
        self._held = 0

    def _remember(self, key: str, value: T) -> None:
        if (old := self._values.pop(key, None)) is not None:
            self._held -= self._form.size(old)
        self._values[key] = value
        self._held += self._form.size(value)
        while self._held > self._memory and len(self._values) > 1:
            _, oldest = self._values.popitem(last=False)
            self._held -= self._form.size(oldest)

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        return self._folder / name[:2] / f"{name}{self._form.suffix}"

    def _files(self) -> list[tuple[float, int, Path]]:
        assert self._folder is not None
        found = [(path.stat(), path) for path in self._folder.glob(f"*/*{self._form.suffix}")]
        return sorted((stat.st_mtime, stat.st_size, path) for stat, path in found)

    def _files_size(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _evict(self) -> None:
        """Down to nine tenths of the limit, so that it is not looked through again at once."""
        files = self._files()
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= 0.9 * self._disk:
                break
            path.unlink(missing_ok=True)
            total -= size
        self._stored = total


def _dump_image(image: Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _load_image(data: bytes) -> Image:
    return read_image(data)


def _dump_tensors(tensors: dict[str, Any]) -> bytes:
    from safetensors.torch import save

    return save({name: tensor.contiguous() for name, tensor in tensors.items()})


def _load_tensors(data: bytes) -> dict[str, Any]:
    from safetensors.torch import load

    return load(data)


IMAGES: Format[Image] = Format(
    ".png", _dump_image, _load_image, lambda image: image.width * image.height * len(image.getbands())
)
EMBEDDINGS: Format[dict[str, Any]] = Format(
    ".safetensors",
    _dump_tensors,
    _load_tensors,
    lambda tensors: sum(tensor.nbytes for tensor in tensors.values()),
)

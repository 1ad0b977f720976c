"""Rated pictures as files: what came in, kept as it is, and what everyone sees of it (`reward.pictures`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reward import pictures
from reward.errors import ImageError
from steer.errors import ProfileError

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow's name of a format -> ending of its files; a JPEG that holds two pictures, as phones make, is an MPO
ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "GIF": ".gif", "AVIF": ".avif"}
MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
}


@dataclass(frozen=True, eq=False)
class PictureFile:
    """One picture's file, whole."""

    data: bytes  # as it came
    sha256: str  # of `data`
    ending: str  # ".png"
    name: str = "this"  # what an error calls it

    @cached_property
    def image(self) -> Image:
        """RGB, as everyone sees it. Raises `ImageError`."""
        return pictures.read_image(self.data, name=self.name)


def read_picture(given: bytes | Path) -> PictureFile:
    """A picture, decoded once to know that it is one, or the file at a path. Raises `ProfileError`."""
    data, name = (read_bytes(given), str(given)) if isinstance(given, Path) else (given, "this")
    with _presented(), pictures.opened(data, name=name) as opened:
        picture = PictureFile(data, hashlib.sha256(data).hexdigest(), ENDINGS[str(opened.format)], name)
        _ = picture.image
    return picture


def read_bytes(path: Path) -> bytes:
    """A file that is not too large to be a picture. Raises `ProfileError`."""
    with _presented():
        return pictures.read_bytes(path)


def ending_of(media_type: str) -> str:
    """ "image/png" -> ".png" """
    return next(ending for ending, kind in MEDIA_TYPES.items() if kind == media_type)


@contextmanager
def _presented() -> Iterator[None]:
    try:
        yield
    except ImageError as error:  # its cause tells a disk that may be well again from a picture that will not
        raise ProfileError(str(error)) from error.__cause__

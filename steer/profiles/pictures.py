"""Pictures of unknown origin: only what decodes as a picture of sane size gets in."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from steer.errors import ProfileError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 64 * 2**20
MOST_PIXELS = 50_000_000
# Pillow's name of a format -> ending of its files, media type
FORMATS = {
    "PNG": (".png", "image/png"),
    "JPEG": (".jpg", "image/jpeg"),
    "WEBP": (".webp", "image/webp"),
    "GIF": (".gif", "image/gif"),
}
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture's file, whole."""

    data: bytes  # as it came
    sha256: str  # of `data`
    ending: str  # ".png"

    @cached_property
    def image(self) -> Image:
        """RGB, upright, transparency on white; of a GIF the first frame. Raises what Pillow raises."""
        from PIL import Image, ImageOps

        with Image.open(io.BytesIO(self.data), formats=tuple(FORMATS)) as opened:
            upright = ImageOps.exif_transpose(opened)
            if upright.has_transparency_data:
                white = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(white, upright.convert("RGBA"))
            return upright.convert("RGB")


def read_picture(given: bytes | Path) -> Picture:
    """A picture, decoded once to know that it is one, or the file at a path. Raises `ProfileError`."""
    from PIL import Image

    name = str(given) if isinstance(given, Path) else "this"
    data = read_bytes(given) if isinstance(given, Path) else given
    if len(data) > MOST_BYTES:
        raise ProfileError(f"{name} is larger than {MOST_BYTES >> 20} MB: save it smaller")
    try:
        with Image.open(io.BytesIO(data), formats=tuple(FORMATS)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise ProfileError(
                    f"{name} is {opened.width}x{opened.height} pixels, too many: save it smaller"
                )
            ending, _ = FORMATS[str(opened.format)]
        picture = Picture(data, hashlib.sha256(data).hexdigest(), ending)
        _ = picture.image
    except (
        *(OSError, SyntaxError, ValueError, EOFError),
        *(Image.DecompressionBombError, Image.DecompressionBombWarning),
    ) as error:
        raise ProfileError(f"{name} is no whole PNG, JPEG, WebP or GIF picture: name another") from error
    return picture


def read_bytes(path: Path) -> bytes:
    """A file that is not too large to be a picture. Raises `ProfileError`."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ProfileError(f"{path} is larger than {MOST_BYTES >> 20} MB: save it smaller")
        return path.read_bytes()
    except OSError as error:
        raise ProfileError(f"cannot read {path}: {error.strerror or error}; name another picture") from error


def media_type_of(ending: str) -> str:
    """ ".png" -> "image/png" """
    return dict(FORMATS.values())[ending]


def ending_of(media_type: str) -> str:
    """ "image/png" -> ".png" """
    return {kind: ending for ending, kind in FORMATS.values()}[media_type]

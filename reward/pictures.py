"""The one reader of pictures: whoever rates, trains, scores or looks at a file sees the same pixels.

PNG, JPEG, WebP, GIF (its first frame) and AVIF, nothing else: for some formats Pillow starts programs,
whatever a file is called. Files may come from anywhere: their size is limited, and only whole ones are taken.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reward.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 64 * 2**20
MOST_PIXELS = 50_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
_END = b"IEND\xaeB`\x82"  # of a whole PNG; Pillow does not miss it
_ORIENTATION = 0x0112
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF's orientation -> PIL.Image.Transpose
_MAY_TURN = re.compile(rb"eXIf|exif|adobe\.xmp")  # what is in a PNG whose orientation is worth asking for


def read_image(given: Path | bytes | Image, advice: str = "name another", name: str = "this") -> Image:
    """A picture as RGB: upright, transparency on white, sixteen bits scaled to eight, without metadata.

    `given` is a file, its content, or what Pillow has opened already. Raises `ImageError`, which says
    `advice` and calls mere content `name`.
    """
    with opened(given, advice, name) as image:
        return seen(image)


@contextmanager
def opened(given: Path | bytes | Image, advice: str = "name another", name: str = "this") -> Iterator[Image]:
    """What Pillow makes of a header, for `seen` to decode. All that goes wrong is an `ImageError`."""
    from PIL import Image

    if isinstance(given, Image.Image):
        try:
            yield given
        except Exception as error:
            name = getattr(given, "filename", "") or "an image"
            raise ImageError(f"{name} cannot be decoded ({error}): render or download it again") from error
        return
    if isinstance(given, Path):
        given, name = read_bytes(given, advice), str(given)
    if len(given) > MOST_BYTES:
        raise _too_large(name)
    try:
        with Image.open(io.BytesIO(given), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ImageError(f"{name} is {image.width}x{image.height} pixels, too many: save it smaller")
            if image.format == "PNG" and _END not in given:
                raise EOFError("the end is missing")
            yield image
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} has too many pixels: save it smaller") from error
    except Exception as error:
        raise ImageError(f"{name} is no whole PNG, JPEG, WebP, GIF or AVIF picture: {advice}") from error


def seen(image: Image) -> Image:
    """The RGB of an opened picture; see `read_image`. Raises what Pillow raises."""
    from PIL import Image

    image.load()
    if turn := _turn(image):
        image = image.transpose(Image.Transpose(_TURNS[turn]))
    if image.mode.startswith("I;16"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    image = image.convert("RGB")
    image.info = {}  # an orientation would count twice, and what else is known of a picture is not to be seen
    return image


def read_bytes(path: Path, advice: str = "name another") -> bytes:
    """A file that is not too large to be a picture. Raises `ImageError`."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError("it is not a file")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror or error}; {advice}") from error
    if len(data) > MOST_BYTES:
        raise _too_large(path)
    return data


def pixels_key(path: Path, advice: str = "name another") -> str:
    """What a picture's pixels are stored under: the SHA-256 of its file.

    Marked where `seen` shows others than Pillow's plain conversion, which was used before there was `seen`.
    Raises `ImageError`.
    """
    data = read_bytes(path, advice)
    key = hashlib.sha256(data).hexdigest()
    with opened(data, advice, str(path)) as image:
        may_turn = image.format != "PNG" or _MAY_TURN.search(data)
        if image.has_transparency_data or image.mode.startswith("I;16") or (may_turn and _turn(image)):
            plain, now = image.convert("RGB"), seen(image)
            return key if (plain.size, plain.tobytes()) == (now.size, now.tobytes()) else f"{key}-seen"
    return key


def _too_large(name: str | Path) -> ImageError:
    return ImageError(f"{name} is larger than {MOST_BYTES >> 20} MB: save it smaller")


def _turn(image: Image) -> int | None:
    """EXIF's orientation, if it is another than upright."""
    try:
        turn = image.getexif().get(_ORIENTATION)
        return turn if turn in _TURNS else None
    except Exception:  # noqa: BLE001 - what a broken block says nobody knows; the pixels are whole
        return None


def _eight_bits(image: Image) -> Image:
    """A grey picture by its high bytes, as Pillow reads colours of sixteen bits."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    if (clear := image.info.get("transparency")) is not None:
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey

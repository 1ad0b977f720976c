"""What a server sent, as a picture, or why it is none."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from reward.errors import ImageError
from reward.pictures import read_image
from steer.errors import RendererDown, RendererError
from steer.renderer.servers.http import Http
from steer.wire import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

BLACK = 4  # of 255: JPEG leaves some noise on a black picture
_DATA_URL = re.compile(r"data:image/[\w.+-]{1,20};base64,")


def from_base64(text: object, server: str) -> bytes:
    """The bytes of a base64 text, with or without what makes it a data URL. Raises `RendererError`."""
    if not isinstance(text, str) or not text:
        raise RendererError(f"{server} answered without a picture: look at its log")
    head = _DATA_URL.match(text)
    try:
        return base64.b64decode(text[head.end() if head else 0 :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise RendererError(
            f"{server} sent what is no base64 ({one_line(text, 40)}): look at its log"
        ) from error


def from_address(text: str, http: Http) -> bytes:
    """The bytes behind a URL in an answer, which may hold them itself."""
    return from_base64(text, f"the server at {http.url}") if text.startswith("data:") else http.fetch(text)


def read(data: bytes, server: str, size: tuple[int, int] | None) -> Image:
    """The picture, as RGB. `size` is what was asked for.

    Raises `RendererError` for one that is broken or black, `RendererDown` for one of another size.
    """
    try:
        image = read_image(data, "look at its log", f"what {server} sent")
    except ImageError as error:
        raise RendererError(str(error)) from error
    if size is not None and image.size != size:
        width, height = image.size
        hint = f"take that size: --size {width}" if width == height else "choose another size with --size"
        raise RendererDown(
            f"{server} made {width}x{height} pixels where {size[0]}x{size[1]} were asked: {hint}"
        )
    if image.convert("L").point(lambda value: 255 * (value >= BLACK)).getbbox() is None:
        raise RendererError("the picture is black (the server's safety filter, or a numerical overflow)")
    return image


def is_png(data: bytes) -> bool:
    """Whether nothing was lost on the way; of other formats that is not sure."""
    return data.startswith(b"\x89PNG")

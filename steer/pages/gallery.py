"""The gallery: one self-contained page per run, a view of the record that can be remade at any time.

Thumbnails are inside the page; the originals are linked by relative path. No network, no server, and every
prompt on it is untrusted text: the template escapes by default and a content security policy lets only the
page's own script run.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from reward.errors import ImageError
from reward.files import write_whole
from reward.pictures import read_image
from steer.errors import RecordError
from steer.pages.gallery_view import Page, build
from steer.pages.html import fill, inline
from steer.record.folder import Record

# Pixels and WebP quality, best first: the first that keeps all thumbnails within the budget is taken.
_SIZES = ((320, 78), (256, 75), (192, 70), (128, 60))
_THUMBNAIL_BUDGET = 3_400_000  # characters of all thumbnails: the page shall stay below 4 MB
_LARGE = (512, 84)
STYLE, SCRIPT = ("base.css", "gallery.css"), "gallery.js"
SIDE_BY_SIDE = "base-and-best.png"


def write_gallery(folder: str | Path) -> Path:
    """Write `gallery.html` (and, once there is a best, `base-and-best.png`) into a run folder.

    Returns the path of the page. Raises `RecordError` if the folder holds no run or cannot be written.
    """
    record = Record.read(folder)
    page = open_page(record)
    path = record.folder / "gallery.html"
    try:
        write_whole(path, render(page).encode())
        if page.won and page.base and page.best:  # of a damaged log the base may be lost
            originals = [record.folder / card.image for card in (page.base, page.best)]
            with contextlib.suppress(ImageError):  # the page shows a grey square in place of the lost one
                write_whole(record.folder / SIDE_BY_SIDE, side_by_side(originals[0], originals[1]))
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror or error}; make room or allow writing, then: "
            f"steer runs gallery {record.folder}"
        ) from error
    return path


def open_page(record: Record) -> Page:
    """The page of a run with its thumbnails. Raises `RecordError`."""
    page = build(record)
    _add_pictures(page, record.folder)
    return page


def render(page: Page, served: Mapping[str, Any] | None = None) -> str:
    """The page as HTML. `served` is what its rating control needs, where a server stands behind it."""
    style, script = inline(*STYLE), inline(SCRIPT)
    return fill(
        "gallery.html.j2", page=page, style=style, script=script, script_hash=_digest(script), served=served
    )


def served_policy() -> str:
    """Content security policy of a served page: its own style and script, and the server's files."""
    return (
        f"default-src 'none'; img-src 'self' data:; style-src 'self' '{_digest(inline(*STYLE))}'; "
        f"script-src 'self' '{_digest(inline(SCRIPT))}'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def side_by_side(base: Path, best: Path, gap: int = 24) -> bytes:
    """Two images of equal height beside each other on white, as PNG."""
    from PIL import Image

    from steer.record.png import encode_png

    left, right = read_image(base), read_image(best)
    canvas = Image.new("RGB", (left.width + gap + right.width, max(left.height, right.height)), "white")
    canvas.paste(left, (0, 0))
    canvas.paste(right, (left.width + gap, 0))
    return encode_png(canvas, {})


def _add_pictures(page: Page, folder: Path) -> None:
    """Fill in every thumbnail, at the largest size that keeps the page small."""
    names = [card.image for card in page.cards]
    names += [name for fresh in page.fresh for name in (fresh.base_image, fresh.best_image)]
    with ThreadPoolExecutor(2) as pool:
        for size, quality in _SIZES:
            encode = partial(picture_address, folder, size=size, quality=quality)
            data = dict(zip(names[::8], pool.map(encode, names[::8]), strict=True))
            if sum(map(len, data.values())) * len(names) <= _THUMBNAIL_BUDGET * max(1, len(data)):
                break  # one picture in eight says that all of them fit
        rest = [name for name in names if name not in data]
        data.update(zip(rest, pool.map(encode, rest), strict=True))
    for card in page.cards:
        card.thumb = data[card.image]
        if card.base or card.best:
            card.large = picture_address(folder, card.image, *_LARGE)
    for fresh in page.fresh:
        fresh.base_thumb, fresh.best_thumb = data[fresh.base_image], data[fresh.best_image]


def picture_address(folder: Path, name: str, size: int, quality: int) -> str:
    """A picture of a run as a data: address, WebP, at most `size` pixels; a grey square where it is lost."""
    return "data:image/webp;base64," + base64.b64encode(webp(folder / name, size, quality)).decode()


def webp(path: Path, size: int, quality: int) -> bytes:
    """A picture as WebP, at most `size` pixels; a grey square where it is lost or a link elsewhere."""
    from PIL import Image

    try:
        if path.is_symlink():
            raise ImageError(f"{path} is a link to another place")
        small = read_image(path)
        small.thumbnail((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    except ImageError:
        small = Image.new("RGB", (8, 8), "#8a8a8a")  # the record outlives its pictures: a grey square
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()

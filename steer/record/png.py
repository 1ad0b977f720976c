"""PNG with metadata: pictures as bytes that say how they were made, and read back if they are whole."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from reward.checked import load_json
from reward.errors import ImageError
from reward.pictures import opened, seen


def encode_png(image: Image.Image, texts: Mapping[str, str]) -> bytes:
    """`image` as PNG with text chunks (iTXt where a text needs more than Latin-1)."""
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text.encode(errors="replace").decode())  # half a character cannot be written
    buffer = io.BytesIO()
    # Run-length coding of filtered rows: as small as the default on renders, and faster than it.
    image.save(buffer, "PNG", pnginfo=info, compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def parameters(prompt: str, seed: int, size: tuple[int, int], model: str, steps: int | None) -> str:
    """The `parameters` text that AUTOMATIC1111's web UI writes and other programs read."""
    fields = {
        "Steps": str(steps or 1),
        "Seed": str(seed),
        "Size": f"{size[0]}x{size[1]}",
        # The reader of this format splits at commas and colons.
        "Model": model.replace(",", ";").replace(":", " "),
        "Version": "steer",
    }
    return f"{prompt}\n" + ", ".join(f"{key}: {value}" for key, value in fields.items())


def load_whole(path: Path) -> tuple[Image.Image, dict[str, Any]] | None:
    """The RGB image and its `steer` chunk, or None if the file is absent, torn or not an image."""
    try:
        with opened(path) as image:
            found = seen(image)
            try:
                chunk = load_json(str(image.info.get("steer", "{}")).encode())
            except ValueError:  # another program's, or damaged
                chunk = {}
            return found, chunk if isinstance(chunk, dict) else {}
    except ImageError:
        return None

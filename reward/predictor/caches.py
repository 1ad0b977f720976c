"""Features kept in memory by what they were made of: an image that is scored twice is encoded once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from reward.pictures import read_image


class FeatureCache:
    """Feature rows by key; the least recently used go first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: OrderedDict[str, np.ndarray] = OrderedDict()

    def rows(self, keys: Sequence[str], encode: Callable[[list[str]], np.ndarray], dim: int) -> np.ndarray:
        """[len(keys), dim]; `encode` is asked once, for the distinct keys that are not in memory."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._rows]
        found = {key: self._rows[key] for key in keys if key in self._rows}
        if missing:
            found |= zip(missing, encode(missing), strict=True)
        for key in keys:
            self._rows[key] = found[key]
            self._rows.move_to_end(key)
        while len(self._rows) > self._size:
            self._rows.popitem(last=False)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, dim), np.float32)


def content_key(image: Image.Image) -> str:
    """A hash of an image's pixels. Raises ImageError where they cannot be decoded."""
    rgb = read_image(image)
    return hashlib.blake2b(rgb.tobytes() + repr(rgb.size).encode(), digest_size=16).hexdigest()

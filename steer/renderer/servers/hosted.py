"""What all hosts have in common: a key from the environment, and pictures that are paid for once."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from steer import paths
from steer.errors import RendererDown
from steer.renderer.servers import pictures
from steer.renderer.servers.address import key_variable
from steer.renderer.servers.http import Http
from steer.renderer.servers.kind import Asked, Kind
from steer.renderer.servers.paid import Paid, Slip

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_BY_SIDE = 4  # pictures under way at once
SIZE = 512


class Hosted(Kind):
    """A host of models, who wants money for each picture."""

    finishes = True

    def __init__(
        self, servers: Sequence[Http], model: str, asked: Asked, paid_limit: int, batch: int | None
    ) -> None:
        if asked.size is None:
            asked = Asked(SIZE, SIZE, asked.steps, asked.guidance, asked.negative)
        super().__init__(servers, model, asked, slots=batch or SIDE_BY_SIDE)
        self.software = self.label
        self.paid = Paid(paths.data() / "paid", paid_limit)

    def make(self, prompt: str, seed: int, take: int = 0) -> Image:
        """See `Kind.make`. What was paid for once is not paid for again."""
        what = {
            "host": self.label, "model": self.model, **self.asked.to_json(), "prompt": prompt, "seed": seed,
            "take": take,
        }  # fmt: skip
        data = self.paid.picture(what, lambda slip: self._buy(slip, prompt, seed))
        if not pictures.is_png(data):
            self._notes.add(f"{self.label} sends pictures in a format that may lose details")
        return pictures.read(data, self.label, self.asked.size)

    @abstractmethod
    def _buy(self, slip: Slip, prompt: str, seed: int) -> bytes:
        """See `Paid.picture`."""


def key_of(kind: str) -> str:
    """The key in the environment. Raises `RendererDown`."""
    variable = key_variable(kind)
    key = os.environ.get(variable, "").strip()
    if not key:
        raise RendererDown(f"{kind}:// needs a key, and each picture costs money: export {variable}=...")
    return key


def without_key(text: Any, key: str) -> str:
    """What an error says, without the key."""
    return str(text).replace(key, "…")

"""An own renderer: sunsets that Pillow draws, one colour for each prompt."""

from __future__ import annotations

import colorsys
import random
import zlib
from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw, ImageFilter

from steer import Settings, load, steer


class Sunsets:
    """A renderer is anything with a name and `render`; it need not inherit from anything."""

    name = "sunsets"  # shown on pages and kept in the record: change it when the pictures change

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image.Image]:
        """One RGB picture for each prompt, in order; lazy, so that each is saved while the next is made."""
        for prompt, seed in zip(prompts, seeds, strict=True):
            yield self._draw(prompt, seed)

    def _draw(self, prompt: str, seed: int) -> Image.Image:
        # A picture depends on its prompt and its seed alone: never on the batch, the clock or the order.
        hue = zlib.crc32(prompt.encode()) % 360 / 360
        place = random.Random(seed)
        picture = Image.new("RGB", (256, 256))
        draw = ImageDraw.Draw(picture)
        for row in range(256):
            red, green, blue = colorsys.hsv_to_rgb(hue, 0.7 - row / 600, 0.3 + row / 400)
            draw.line([(0, row), (256, row)], (int(red * 255), int(green * 255), int(blue * 255)))
        x, y, size = place.randint(60, 196), place.randint(120, 190), place.randint(20, 45)
        draw.ellipse((x - size, y - size, x + size, y + size), (255, 240, 200))
        return picture.filter(ImageFilter.GaussianBlur(2))


if __name__ == "__main__":
    parts = load("sandbox")
    settings = Settings(iterations=1, proposals=4, confirm=2, gate_sd=None)  # every picture shows the same
    result = steer("sunset", parts.scorer.person("17"), parts, renderer=Sunsets(), settings=settings)
    print(f"{result.best['score']:.2f} {result.best['prompt']}")
    print(result.folder)

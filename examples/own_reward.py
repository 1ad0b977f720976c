"""An own reward: someone who likes warm pictures, the more the warmer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from steer import Settings, load, steer


class Warmth:
    """A scorer is anything with a name and `score`."""

    name = "warmth"

    def score(self, images: Sequence[Image.Image], prompt: str, person: object) -> list[float]:
        """One number for each picture, higher is better; best on the scale 1 to 5 on which people rate.

        `prompt` is always the run's original prompt, never the rewrite.
        """
        means = [np.asarray(image.convert("RGB"), float).mean(axis=(0, 1)) for image in images]
        return [3 + 2 * float(red - blue) / 255 for red, _, blue in means]


class Anyone:
    """Whose taste the reward stands for: what the record writes down, and finds again on resume."""

    kind, id, world, label, hash = "population", "anyone", "examples", "examples:anyone", "warmth-1"


if __name__ == "__main__":
    parts = load("sandbox")
    settings = Settings(iterations=1, proposals=4, confirm=2)
    result = steer("a lighthouse", Anyone(), parts, scorer=Warmth(), judge=Warmth(), settings=settings)
    print(f"{result.best['score']:.2f} {result.best['prompt']}")
    print(result.folder)

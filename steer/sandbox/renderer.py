"""The sandbox's renderer: the reader turns a prompt into scenes, the seed draws one, the painter paints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from steer.parts import Capabilities
from steer.sandbox.paint.painter import paint
from steer.sandbox.read.reader import Reader
from steer.sandbox.scene import Scene


class SandboxRenderer:
    """Renders on the CPU, `threads` paintings at a time; a picture depends on its prompt and seed alone."""

    name = "sandbox painter"
    capabilities = Capabilities()

    def __init__(self, reader: Reader | None = None, threads: int = 2, size: int = 512) -> None:
        self.reader = reader or Reader()
        self.threads = threads
        self.size = size

    def scene(self, prompt: str, seed: int) -> Scene:
        """The scene that `render` paints for this prompt and seed."""
        return self.reader.read(prompt).scene(seed)

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image.Image]:
        """One RGB picture, size x size, for each prompt and its seed, in order, as soon as each is done."""
        readings = self.reader.read_all(prompts)
        scenes = [reading.scene(seed) for reading, seed in zip(readings, seeds, strict=True)]
        with ThreadPoolExecutor(self.threads) as pool:  # NumPy releases the interpreter lock
            for pixels in pool.map(lambda scene: paint(scene, self.size), scenes):
                yield Image.fromarray(pixels)

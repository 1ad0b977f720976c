"""Stand-ins for the three seams: deterministic, instant, and counting what they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from steer.parts import Parts, Scored

PROMPT = "floating mossy rocks"
WORDS = (
    *("golden hour", "soft mist", "wide lens", "weathered stone", "muted colours", "storm clouds"),
    *("visible brushwork", "shallow focus", "vivid colours", "seen from above", "cold moonlight"),
    *("natural light", "long exposure", "film grain", "low sun", "deep shadows"),
)


def unit(*key: object) -> float:
    """A number in [0, 1) that follows from the key."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6], "big") / 2**48


class FakePerson(SimpleNamespace):
    """Known person number `id`, as `reward.people.person.Person` names them."""

    def __init__(
        self, id: str = "17", kind: str = "known", hash: str | None = None, world: str = "sandbox"
    ) -> None:
        super().__init__(id=id, kind=kind, hash=hash or f"hash-{id}", world=world, label=f"{world}:{id}")


class FakeProposer:
    """One numbered list per request, of rewrites that follow from seed, memory and prompt."""

    name = "fake language model"

    def __init__(self, replies: Sequence[Sequence[str]] | None = None) -> None:
        self.replies = list(replies) if replies is not None else None  # scripted, one entry per request
        self.asked: list[tuple[tuple[str, ...], int, int]] = []  # (memory, n, seed)

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        self.asked.append((tuple(entry.prompt for entry in memory), n, seed))
        if self.replies is not None:
            return list(self.replies.pop(0)) if self.replies else []
        start = int(unit(seed, memory[0].prompt) * 10_000)
        lines = []
        for i in range(n):
            first, second = WORDS[(start + i) % 16], WORDS[(start // 16 + 3 * i) % 16]
            lines.append(f"{i + 1}. {prompt}, {first} and {second}, take {(start + 7 * i) % 97}")
        return ["\n".join(lines)]


class FakeRenderer:
    """Small images that follow from prompt and seed alone. `fail` names prompts that cannot be rendered."""

    name = "fake renderer"

    def __init__(self, size: int = 16, fail: Sequence[str] = ()) -> None:
        self.size, self.fail = size, tuple(fail)
        self.rendered: list[tuple[str, int]] = []

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image.Image]:
        for prompt, seed in zip(prompts, seeds, strict=True):
            if any(word in prompt for word in self.fail):
                raise RuntimeError("out of paint")
            self.rendered.append((prompt, seed))
            yield self.image(prompt, seed)

    def image(self, prompt: str, seed: int) -> Image.Image:
        rng = np.random.default_rng(int(unit(prompt, seed) * 2**32))
        return Image.fromarray(rng.integers(0, 256, (self.size, self.size, 3), dtype=np.uint8))


class FakeScorer:
    """Scores pixels per person; `nan` names a prompt-independent share of images without a score."""

    name = "fake predictor"
    people = tuple(SimpleNamespace(id=str(i)) for i in range(1, 21))

    def __init__(self, off: float = 0.0, nan: float = 0.0) -> None:
        self.off, self.nan = off, nan  # shares of images that leave the prompt, that have no score
        self.texts: set[str] = set()

    def person(self, id: str) -> FakePerson:
        return FakePerson(id)

    def score(self, images: Sequence[Image.Image], prompt: str, person: Any) -> list[float]:
        self.texts.add(prompt)
        return [
            float("nan")
            if unit("nan", image.tobytes()) < self.nan
            else 1 + 4 * unit(image.tobytes(), person.hash)
            for image in images
        ]

    def score_people(self, images: Sequence[Image.Image], prompt: str, people: Sequence[Any]) -> np.ndarray:
        return np.array([self.score(images, prompt, person) for person in people])

    def adherence(self, images: Sequence[Image.Image], prompt: str) -> list[float]:
        return [
            -1.0 if unit("off", image.tobytes()) < self.off else 0.2 + 0.01 * unit("on", image.tobytes())
            for image in images
        ]


class PlainScorer:
    """The protocol and no more: no gate, no people."""

    name = "plain scorer"

    def __init__(self, score: Any) -> None:
        self._score = score  # (image, person) -> number

    def score(self, images: Sequence[Image.Image], prompt: str, person: Any) -> list[float]:
        return [self._score(image, person) for image in images]


def fake_parts(**parts: Any) -> Parts:
    """Fakes in every seat, but for those given."""
    return Parts(**{"proposer": FakeProposer(), "renderer": FakeRenderer(), "scorer": FakeScorer(), **parts})


class PromptScorer:
    """Scores what the renderer was asked for, so that a test can say which rewrite is liked how much."""

    name = "prompt scorer"

    def __init__(self, renderer: FakeRenderer, score: Any, adherence: Any = None) -> None:
        self._renderer, self._score = renderer, score  # prompt -> number
        if adherence is not None:
            self.adherence = lambda images, prompt: [adherence(self._prompt(image)) for image in images]

    def score(self, images: Sequence[Image.Image], prompt: str, person: Any) -> list[float]:
        return [self._score(self._prompt(image)) for image in images]

    def _prompt(self, image: Image.Image) -> str:
        for prompt, seed in self._renderer.rendered:
            if self._renderer.image(prompt, seed).tobytes() == image.tobytes():
                return prompt
        raise LookupError("an image that was never rendered")

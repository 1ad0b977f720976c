"""Runs for pages and commands: the real loop and record, with made-up proposals, pictures and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fakes import FakePerson, FakeProposer, FakeRenderer, FakeScorer, fake_parts, unit
from PIL import Image

from reward.people.person import KnownPerson, describe_group, find_group, find_known
from steer import Parts, Run, Settings
from steer.parts import Loaded


class Landscapes(FakeRenderer):
    """A sky, some hills and a sun: cheap, and about as hard to compress as a render."""

    def image(self, prompt: str, seed: int) -> Image.Image:
        rng = np.random.default_rng(int(unit(prompt, seed) * 2**32))
        y, x = np.mgrid[0 : 1 : self.size * 1j, 0 : 1 : self.size * 1j]
        top, bottom, ground = rng.uniform(40, 235, (3, 3))
        image = top + (bottom - top) * y[..., None]
        sun = np.exp(-(((x - rng.uniform(0.2, 0.8)) ** 2 + (y - rng.uniform(0.15, 0.5)) ** 2) / 0.006))
        image = image + sun[..., None] * 110
        for layer in range(3):
            edge = 0.5 + 0.16 * layer + 0.07 * np.sin(x * rng.uniform(4, 13) + rng.uniform(0, 6))
            image = np.where((y > edge)[..., None], ground * (1 - 0.25 * layer), image)
        image = image + rng.normal(0, 5, (self.size, self.size, 1))
        return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


class Crowd(FakeScorer):
    """Twenty people with ages and genders, found as the predictor finds them."""

    people = tuple(
        KnownPerson(f"p{i}", {"age": 17 + 2 * i, "gender": ("female", "male")[i % 2]}, 50)
        for i in range(1, 21)
    )

    def person(self, id: str) -> FakePerson:
        return FakePerson(self.people[find_known(self.people, id)].id)

    def group(self, age: Any = None, gender: Any = None, nationality: Any = None) -> FakePerson:
        members = find_group(self.people, age, gender, nationality)
        found = FakePerson(describe_group(age, gender, nationality), kind="group")
        found.label += f" ({len(members)} people)"
        return found

    def population(self) -> FakePerson:
        return FakePerson("population", kind="population")

    def score(self, images: Sequence[Image.Image], prompt: str, person: Any) -> list[float]:
        # The first picture ever seen is the base prompt's, and a rewrite shall win.
        first = self.__dict__.setdefault("first", images[0].tobytes())
        scores = super().score(images, prompt, person)
        return [
            2.5 if image.tobytes() == first else max(score, 2.0)
            for image, score in zip(images, scores, strict=True)
        ]


class Devoted(Crowd):
    """Likes the base prompt's own picture better than any other."""

    def score(self, images: Sequence[Image.Image], prompt: str, person: Any) -> list[float]:
        first = self.__dict__.setdefault("first", images[0].tobytes())
        return [5.0 if image.tobytes() == first else 2.0 for image in images]


class Strict(Crowd):
    """Finds that every second rewrite has left the prompt."""

    def adherence(self, images: Sequence[Image.Image], prompt: str) -> list[float]:
        calibrating = self.__dict__.setdefault("calls", 0) == 0
        self.calls += 1
        return [0.2 if calibrating or i % 2 else -0.1 for i in range(len(images))]


class Hostile(FakeProposer):
    """Rewrites that try to break out of the page."""

    name = "hostile language model"

    def propose(self, prompt: str, memory: Any, n: int, seed: int) -> list[str]:
        attack = (
            "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1> \"quoted\" 'n' & 🪨"
        )
        return [f"{prompt}, {attack}, take {unit(seed, i):.6f}" for i in range(n)]


def crowd_parts(asked: Mapping[str, Any] | None = None, **parts: Any) -> Parts:
    """Fakes that look like the sandbox, as `load` gave them when it was asked for these overrides."""
    seats = {"renderer": Landscapes(64), "scorer": Strict(), "judge": Crowd()}
    made = fake_parts(
        **{**seats, "preset": "sandbox", "reason": "no GPU was found", "simulated": True, **parts}
    )
    return replace(made, loaded=Loaded({"preset": made.preset, **(asked or {})}, made))


def fake_run(
    out: Path, prompt: str = "floating mossy rocks", stop_after: int | None = None, **parts: Any
) -> Path:
    """A run of 2 x 5 under `out`; `stop_after` events it is interrupted."""
    return fake_search(
        out, prompt, Settings(iterations=2, proposals=5, patience=0, search="paper"), stop_after, **parts
    )


def fake_search(
    out: Path, prompt: str, settings: Settings, stop_after: int | None = None, **parts: Any
) -> Path:
    """Like `fake_run`, with settings of one's own."""
    seats = crowd_parts(**parts)
    argv = ["run", "--user", "17", "--prompt", prompt]
    run = Run.start(prompt, FakePerson("17"), seats, settings, out, FakePerson("17"), argv)
    for count, _ in enumerate(run, start=1):
        if count == stop_after:
            break
    return run.folder

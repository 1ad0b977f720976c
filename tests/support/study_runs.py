"""Finished runs for studies: several people, each with a winner of their own."""

from __future__ import annotations

from pathlib import Path

from fake_run import Crowd, Landscapes, crowd_parts
from fakes import FakePerson, FakeProposer

from steer import Run, Settings

PROMPTS = ("floating mossy rocks", "a deer")
PEOPLE = ("profile:me", "profile:anna", "sandbox:17")


def person(label: str) -> FakePerson:
    """As runs write it: a profile's label names its state."""
    kind = (
        "population" if label == "sandbox:population" else "known" if label.startswith("sandbox") else "new"
    )
    world, _, id = label.partition(":")
    found = FakePerson(id, kind, f"hash-{label}", world)
    found.label += "@1f3a" if world == "profile" else ""
    return found


class Eager(Crowd):
    """Likes every rewrite better than the base."""

    def score(self, images, prompt, person):
        first = self.__dict__.setdefault("base", images[0].tobytes())
        return [
            1.0 if image.tobytes() == first else score
            for image, score in zip(images, super().score(images, prompt, person), strict=True)
        ]


def make_runs(
    out: Path, people=(*PEOPLE, "sandbox:population"), prompts=PROMPTS, size: int = 32
) -> list[Path]:
    settings = Settings(iterations=1, proposals=2, patience=0, confirm=0, search="paper")
    folders = []
    for prompt in prompts:
        for label in people:  # other rewrites for everybody, so that no winners are alike
            rewrites = FakeProposer([[f"{prompt}, look {label} {look}"] for look in ("one", "two")])
            seats = crowd_parts(renderer=Landscapes(size), scorer=Eager(), proposer=rewrites)
            run = Run.start(prompt, person(label), seats, settings, out)
            for _ in run:
                pass
            folders.append(run.folder)
    return folders

"""A lab for experiments with the loop: committed prompts and people, rewards by name, and the truth.

    lab = open_lab(Path("reproduce/bench"))
    record = lab.run(lab.personal("84"), "a deer", Settings(iterations=3, proposals=10))
    t = lab.truth([(record.result["best"]["prompt"], 0)])

Every run, picture and score is made once and kept, so an experiment that is stopped goes on where it was
when it is started again, and experiments share what they have in common.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from reward.predictor.checkpoint import CARD_FILE, WEIGHTS_FILE
from reward.predictor.predictor import Predictor
from steer.errors import ResumeError, SteerError
from steer.experiments.caches import CachedProposer, CachedRenderer, CachedScorer, Store, digest, sources_of
from steer.loop.run import Run
from steer.parts import Parts, PersonLike, Scorer
from steer.record.events import Failed
from steer.record.files import person_json, slug
from steer.record.folder import Record, describe
from steer.sandbox.renderer import SandboxRenderer
from steer.sandbox.truth.measure import NAMES, UNNAMED
from steer.sandbox.truth.world import Table, Truth

if TYPE_CHECKING:
    from steer.settings import Settings

PROMPTS = Path(__file__).parent / "prompts.json"
SIZE = 256  # pixels: the data set's size and the raters'; painting takes a quarter of the time of 512


@dataclass(frozen=True)
class LabPlan:
    """The prompts and people that were committed before anything was measured."""

    prompts: tuple[str, ...]  # 18, in the order in which experiments take them
    unknown: frozenset[str]  # those that name what the painter cannot paint
    users_seed: int

    @classmethod
    def load(cls) -> LabPlan:
        data = json.loads(PROMPTS.read_text(encoding="utf-8"))
        return cls(tuple(data["order"]), frozenset(data["unknown_to_the_painter"]), data["users_seed"])

    def users(self, known: Sequence[str]) -> tuple[str, ...]:
        """All of `known` in the committed random order: the first n are n people drawn by chance."""
        return tuple(str(id) for id in np.random.default_rng(self.users_seed).permutation(list(known)))


@dataclass(frozen=True)
class Reward:
    """What a run steers by: a scorer and whose taste it is asked for."""

    name: str  # of its folder: "84", "population", "age 19-25"
    scorer: CachedScorer
    person: PersonLike


class Lab:
    """Runs that are made once. See `open_lab`."""

    simulated = True

    def __init__(self, folder: Path, parts: Parts, truth: Truth | None = None, size: int = SIZE) -> None:
        assert isinstance(parts.renderer, SandboxRenderer) and isinstance(parts.scorer, Predictor)
        self.folder = folder
        self.plan = LabPlan.load()
        self.predictor = parts.scorer
        self.store = Store(folder / "numbers.sqlite")
        self.proposer = CachedProposer(parts.proposer, folder / "replies")
        painter = SandboxRenderer(parts.renderer.reader, parts.renderer.threads, size)
        self.renderer = CachedRenderer(painter, folder / "pictures")
        self.scorer = CachedScorer(self.predictor, weights_of(self.predictor), self.store)
        self.raters = truth or Truth()
        self.users = self.plan.users([person.id for person in self.predictor.people])
        self._parts = parts
        self._measuring = sources_of("steer.sandbox.truth.measure", "steer.sandbox.truth.raters")

    @property
    def label(self) -> str:
        """Whose figures these are, for every table and plot."""
        return f"{self.predictor.world}, simulated people"

    @property
    def about(self) -> dict[str, Any]:
        """On what the figures were measured, for reports."""
        return {"world": self.predictor.world, "simulated": self.simulated}

    # --- rewards

    def personal(self, user: str) -> Reward:
        """The predictor, asked for one known person. Raises UnknownPerson."""
        return Reward(user, self.scorer, self.predictor.person(user))

    def population(self) -> Reward:
        """The predictor, asked for nobody in particular."""
        return Reward("population", self.scorer, self.predictor.population())

    def group(self, **group: Any) -> Reward:
        """The predictor, asked for a demographic group (`Predictor.group`). Raises EmptyGroup."""
        person = self.predictor.group(**group)
        return Reward(person.id, self.scorer, person)

    def youngest(self) -> Reward:
        """The predictor, asked for the youngest quarter of the people whom it knows."""
        ages = sorted(int(age) for p in self.predictor.people if (age := p.demographics.get("age")))
        return self.group(age=(ages[0], ages[(len(ages) - 1) // 4]))

    def other(self, name: str, scorer: Scorer, person: PersonLike, sha256: str) -> Reward:
        """Any other scorer; pictures must keep to the prompt as this lab's predictor sees it."""
        return Reward(name, CachedScorer(scorer, sha256, self.store, gate=self.scorer), person)

    # --- runs

    def run(self, reward: Reward, prompt: str, settings: Settings) -> Record:
        """The complete run of this reward on this prompt: found, resumed or made. Raises SteerError."""
        parts = self.parts(reward)
        folder = self.folder / "runs" / (slug(reward.name) or "reward")
        config = {
            "prompt": prompt,
            "settings": settings.to_json(),
            "person": person_json(reward.person),
            "parts": describe(parts),
        }
        for file in sorted(folder.glob("*/config.json")):
            record = Record(file.parent)
            if record.damage is None and all(record.config[key] == value for key, value in config.items()):
                if record.complete:
                    return record
                run = Run.resume(file.parent, reward.person, parts)
                break
        else:
            run = Run.start(prompt, reward.person, parts, settings, folder)
        for event in run:
            if isinstance(event, Failed):
                raise SteerError(event.message)
        return Record.read(run.folder)

    def parts(self, reward: Reward) -> Parts:
        """What such a run is made of; no judge, because the truth is known."""
        return Parts(
            proposer=self.proposer,
            renderer=self.renderer,
            scorer=reward.scorer,
            similarity=self._parts.similarity,
            embed=self._parts.embed,
            preset="sandbox",
            reason="the experiments that know the truth run in the sandbox",
            simulated=True,
        )

    # --- pictures and the truth

    def images(self, pairs: Sequence[tuple[str, int]]) -> list[Image.Image]:
        """Pictures of (prompt, seed)."""
        return list(self.renderer.render([prompt for prompt, _ in pairs], [seed for _, seed in pairs]))

    def measured(self, pairs: Sequence[tuple[str, int]]) -> Table:
        """The raters' measurements of the pictures of (prompt, seed), columns as `measure.NAMES`."""
        keys = [digest(["measured", self._measuring, self.renderer.key(*pair)]) for pair in pairs]

        def measure(missing: list[int]) -> list[np.ndarray]:
            chosen = [pairs[i] for i in missing]
            images = [np.asarray(image) for image in self.images(chosen)]
            table = Table.of(images, [self.renderer.scene(*pair) for pair in chosen])
            return list(np.concatenate([table.values, table.unnamed, table.semantics], 1))

        rows = self.store.rows(keys, measure).astype(np.float32)
        values, unnamed, semantics = np.split(rows, [len(NAMES), len(NAMES) + UNNAMED], axis=1)
        return Table(values, unnamed, semantics)

    def truth(self, pairs: Sequence[tuple[str, int]]) -> np.ndarray:
        """Expected ratings t [people, pictures]; row i is the person `raters.ids[i]`."""
        return np.asarray(self.measured(pairs).expected(self.raters.people))


def open_lab(folder: Path, threads: int | None = None, size: int = SIZE) -> Lab:
    """The sandbox's parts and people, with everything that they make kept in `folder`.

    Raises ResumeError where the truth that is installed is not the one that the predictor was trained on.
    """
    from steer.machine.loading import load

    lab = Lab(folder, load("sandbox", threads=threads), size=size)
    if lab.predictor.world != lab.raters.world.name:
        raise ResumeError(
            f"the predictor knows {lab.predictor.world}, but the raters are {lab.raters.world.name}: "
            "make both alike with steer sandbox build"
        )
    return lab


def weights_of(predictor: Predictor) -> str:
    """A hash of all that scores depend on, but for the picture, the prompt and the person."""
    found = hashlib.sha256(str(predictor.card.encoder["sha256"]).encode())
    for name in (WEIGHTS_FILE, CARD_FILE):
        found.update((predictor.folder / name).read_bytes())
    return found.hexdigest()[:12]

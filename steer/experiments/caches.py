"""Renders, replies and scores kept on disk by what they were made of, so that runs share them.

A key names everything that the value depends on: a picture its prompt, seed, size and the sources of the
painter; a score the predictor's weights, the picture's pixels, the prompt and the person. So nothing goes
stale, an experiment that was stopped goes on, and another one starts with what the first has made. Several
processes may use one folder.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reward.files import write_whole
from reward.pictures import read_image
from steer.errors import RecordError
from steer.parts import (
    Guide,
    MeasuresAdherence,
    PersonLike,
    Proposer,
    ReadsTaste,
    Scored,
    Scorer,
    TakesGuide,
)
from steer.sandbox.renderer import SandboxRenderer
from steer.sandbox.scene import Scene

_PAINTING = (
    "paint.light", "paint.noise", "paint.painter", "paint.shapes", "paint.styles", "read.lexicon",
    "read.phrases", "read.reader", "read.reading", "read.synonyms", "renderer", "scene",
)  # fmt: skip
_WAIT = 60  # seconds for another process to finish writing


def digest(value: Any) -> str:
    """A hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:24]


def content_of(image: Image.Image) -> str:
    """A hash of an image's pixels."""
    return hashlib.blake2b(image.tobytes() + repr(image.size).encode(), digest_size=16).hexdigest()


def sources_of(*modules: str) -> str:
    """A hash of the source code of modules: what they make changes with it."""
    found = hashlib.sha256()
    for name in modules:
        file = importlib.import_module(name).__file__
        assert file is not None
        found.update(Path(file).read_bytes())
    return found.hexdigest()[:12]


def keep(path: Path, data: bytes) -> None:
    """`write_whole` into a folder that is made where it is missing. Raises RecordError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror or error}; what was made is kept: make room, or choose "
            "another folder with --out, and give the command again"
        ) from error


class Store:
    """Arrays of numbers by key, in one file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
            self._database.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value BLOB)")
        except sqlite3.Error as error:
            raise RecordError(
                f"cannot use {path}: {error}; remove it, or choose another folder with --out"
            ) from error

    def rows(self, keys: Sequence[str], make: Callable[[list[int]], Sequence[Any]]) -> np.ndarray:
        """float64 [n, width]; `make` is asked for the rows that are not kept, by their index."""
        found = {key: self._find(key) for key in dict.fromkeys(keys)}
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        missing = [first[key] for key, value in found.items() if value is None]
        if missing:
            made = [np.atleast_1d(np.asarray(row, np.float64)) for row in make(missing)]
            found |= {keys[i]: row for i, row in zip(missing, made, strict=True)}
            self._keep([(keys[i], row.tobytes()) for i, row in zip(missing, made, strict=True)])
        return (
            np.stack([row for key in keys if (row := found[key]) is not None]) if keys else np.zeros((0, 1))
        )

    def close(self) -> None:
        self._database.close()

    def _find(self, key: str) -> np.ndarray | None:
        row = self._database.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        return None if row is None else np.frombuffer(row[0], np.float64)

    def _keep(self, rows: list[tuple[str, bytes]]) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise RecordError(
                f"cannot keep what was computed: {error}; make room, and give the command again"
            ) from error


class CachedRenderer:
    """The sandbox's renderer with its pictures kept on disk."""

    name = SandboxRenderer.name

    def __init__(self, renderer: SandboxRenderer, folder: Path) -> None:
        self.renderer = renderer
        self.folder = folder
        self.sha256 = digest(
            [renderer.size, *(sources_of(f"steer.sandbox.{module}") for module in _PAINTING)]
        )
        self.painted = 0  # pictures that were not kept yet

    def scene(self, prompt: str, seed: int) -> Scene:
        """What `render` paints for this prompt and seed."""
        return self.renderer.scene(prompt, seed)

    def key(self, prompt: str, seed: int) -> str:
        """The name under which the picture is kept."""
        return digest([prompt, seed, self.sha256])

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image.Image]:
        """See `steer.parts.Renderer`."""
        paths = [self.folder / f"{self.key(p, s)}.png" for p, s in zip(prompts, seeds, strict=True)]
        first = {path: i for i, path in reversed(list(enumerate(paths))) if not path.exists()}
        wanted = sorted(first.values())
        fresh = self.renderer.render([prompts[i] for i in wanted], [seeds[i] for i in wanted])
        for i, path in enumerate(paths):
            if first.get(path) == i:
                image = next(iter(fresh))
                keep(path, _png(image))
                self.painted += 1
                yield image
            else:
                yield read_image(path, "delete it")


class CachedProposer:
    """A language model whose replies are kept.

    What depends on nobody's taste is the same for everybody: the first iteration of a prompt, where the
    memory is the base alone, and later ones after the same winner. Replies are kept by the prompts of the
    memory, so this is for proposers that do not read the scores; the sandbox's does not.
    """

    def __init__(self, proposer: Proposer, folder: Path) -> None:
        self.proposer = proposer
        self.name = proposer.name
        self.folder = folder

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        """See `steer.parts.Proposer`."""
        asked = [self.name, prompt, [m.prompt for m in memory], n, seed]
        return self._kept(asked, lambda: self.proposer.propose(prompt, memory, n, seed))

    def propose_by(self, prompt: str, memory: Sequence[Scored], n: int, seed: int, guide: Guide) -> list[str]:
        """See `steer.parts.TakesGuide`."""
        if not isinstance(self.proposer, TakesGuide):
            return self.propose(prompt, memory, n, seed)
        told, proposer = asdict(guide), self.proposer
        asked = [self.name, prompt, [m.prompt for m in memory], n, seed, told]
        return self._kept(asked, lambda: proposer.propose_by(prompt, memory, n, seed, guide))

    def _kept(self, asked: list[Any], ask: Callable[[], list[str]]) -> list[str]:
        path = self.folder / f"{digest(asked)}.json"
        if not path.exists():
            replies = ask()
            keep(path, json.dumps(replies, ensure_ascii=False, indent=1).encode())
        kept: list[str] = json.loads(path.read_text(encoding="utf-8"))
        return kept


class CachedScorer:
    """A scorer whose scores are kept.

    `gate`, by default itself, measures how well a picture keeps to the prompt: with one gate for all rewards
    these differ in taste alone.
    """

    def __init__(self, scorer: Scorer, sha256: str, store: Store, gate: CachedScorer | None = None) -> None:
        self.scorer = scorer
        self.name = scorer.name
        self.sha256 = sha256  # of the weights
        self.store = store
        self._gate = gate

    def score(self, images: Sequence[Image.Image], prompt: str, person: PersonLike) -> list[float]:
        """See `steer.parts.Scorer`."""
        keys = [digest([self.sha256, content_of(image), prompt, person.hash]) for image in images]

        def ask(missing: list[int]) -> Sequence[float]:
            return self.scorer.score([images[i] for i in missing], prompt, person)

        return [float(score) for score in self.store.rows(keys, ask)[:, 0]]

    def adherence(self, images: Sequence[Image.Image], prompt: str) -> list[float]:
        """Similarity of each image to the prompt, by the gate."""
        if self._gate is not None:
            return self._gate.adherence(images, prompt)
        scorer = self.scorer
        if not isinstance(scorer, MeasuresAdherence):
            raise TypeError(f"{self.name} does not compare image and text: give a gate that does")
        keys = [digest([self.sha256, content_of(image), prompt, "adherence"]) for image in images]

        def ask(missing: list[int]) -> Sequence[float]:
            return list(scorer.adherence([images[i] for i in missing], prompt))

        return [float(value) for value in self.store.rows(keys, ask)[:, 0]]

    def likings(self, person: PersonLike, phrases: Sequence[str]) -> np.ndarray:
        """See `steer.parts.ReadsTaste`; no row for a scorer that cannot tell."""
        scorer = self.scorer
        return scorer.likings(person, phrases) if isinstance(scorer, ReadsTaste) else np.zeros((0, 3))


def _png(image: Image.Image) -> bytes:
    from io import BytesIO

    data = BytesIO()
    image.save(data, "PNG", compress_level=1)
    return data.getvalue()

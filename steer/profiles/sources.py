"""Where pictures to rate come from: the sandbox, PAMELA, a folder of one's own, or past runs."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from reward.files import write_whole
from steer import paths
from steer.errors import ProfileError, RecordError
from steer.profiles.pictures import MEDIA_TYPES

if TYPE_CHECKING:
    from steer.sandbox.scene import Scene

WORLD = Path(__file__).parent.parent / "sandbox" / "data" / "WORLD.json"
SIDE = 512  # pixels of a painting made on demand
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offered:
    """A picture that can be rated."""

    path: Path
    prompt: str  # the text that it was made from; "" if unknown
    source: str  # as in `state.Rating`
    world: str = (
        ""  # of whose kind the picture is, as in a predictor's world: "sandbox", "pamela"; "" unknown
    )


class PictureSource(Protocol):
    """Pictures in the order in which they are made ready; the order says nothing about any taste."""

    @property
    def name(self) -> str:
        """Where from, in a few words for people."""
        ...

    def pictures(self) -> Iterator[Offered]:
        """May be endless, and take its time for each: it is iterated in a thread of its own."""
        ...


@dataclass(frozen=True)
class FolderSource:
    """Every picture in a folder and in the folders in it, in random order."""

    folder: Path
    seed: int = 0

    @property
    def name(self) -> str:
        return f"pictures of {self.folder.name}"

    def pictures(self) -> Iterator[Offered]:
        """Raises `ProfileError` if there is none."""
        depth = len(self.folder.parts)
        found = sorted(
            path
            for path in self.folder.rglob("*")
            if path.suffix.lower() in MEDIA_TYPES
            and not any(part.startswith(".") for part in path.parts[depth:])
            and path.is_file()
        )
        if not found:
            raise ProfileError(
                f"there are no pictures in {self.folder} ({', '.join(MEDIA_TYPES)}): name another folder"
            )
        for path in _shuffled(found, self.seed):
            yield Offered(path, "", f"folder:{self.folder.name}")


@dataclass(frozen=True)
class RunsSource:
    """The pictures of past runs; the text is the run's original prompt, as for every score of a run."""

    runs: Path
    seed: int = 0

    @property
    def name(self) -> str:
        return "pictures of past runs"

    def pictures(self) -> Iterator[Offered]:
        """Raises `ProfileError` if there is none."""
        from steer.record.folder import list_runs

        found: list[Offered] = []
        for record in list_runs(self.runs):
            try:
                config, name = record.config, f"run:{record.folder.name}"
                world = "sandbox" if config["preset"] == "sandbox" else ""
                images = [c.image for c in record.candidates if c.image is not None]
            except RecordError as error:
                _log.warning("left out: %s", error)
                continue
            found += [Offered(record.folder / image, config["prompt"], name, world) for image in images]
        if not found:
            raise ProfileError(
                f"there are no pictures of runs in {self.runs}; make some: steer run --user 17"
            )
        yield from _shuffled(found, self.seed)


@dataclass(frozen=True)
class DatasetSource:
    """The training pictures of a data set in PAMELA's layout, which the sandbox's has too."""

    folder: Path
    called: str = "pamela"
    seed: int = 0

    @property
    def name(self) -> str:
        return f"pictures of {self.called}"

    def pictures(self) -> Iterator[Offered]:
        """Raises `DatasetError` for another layout."""
        from reward.data.pamela import load_pamela

        dataset = load_pamela(self.folder)
        trained = np.unique(dataset.images[dataset.rows("train")])
        for image in _shuffled(trained.tolist(), self.seed):
            yield Offered(dataset.image_paths[image], dataset.prompt(image), self.called, dataset.name)


@dataclass(frozen=True)
class SandboxSource:
    """Paintings as in the sandbox's data set: subjects crossed with styles, painted when first asked for.

    They are kept in a cache, so that the next session begins at once; a painting follows from its number.
    """

    cache: Path | None = None  # None: `sandbox_folder()`
    seed: int = 7

    @property
    def name(self) -> str:
        return "paintings of the sandbox"

    def pictures(self) -> Iterator[Offered]:
        """Painted in a process of its own: beside a painter, a page would wait for the interpreter's lock."""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        from steer.sandbox.make.dataset import make_scenes
        from steer.sandbox.read.captions import prompt

        folder = (self.cache or sandbox_folder()) / "to-rate"
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_start_painter) as painter:
            for number, scene in enumerate(make_scenes(self.seed, (1000,))):
                text = prompt(scene, np.random.default_rng((self.seed, 5, number)))
                path = folder / f"{self.seed}-{number:04d}.png"
                if not path.exists():
                    painter.submit(_paint, path, scene, SIDE).result()
                yield Offered(path, text, "sandbox", "sandbox")


def _start_painter() -> None:
    from steer.sandbox.make.dataset import start_worker

    start_worker()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the page, which then ends this
    if hasattr(os, "nice"):
        os.nice(10)  # whoever looks at a page comes first


def _paint(path: Path, scene: Scene, side: int) -> None:
    from PIL import Image

    from steer.record.png import encode_png
    from steer.sandbox.paint.painter import paint

    write_whole(path, encode_png(Image.fromarray(paint(scene, side)), {}))


def sandbox_folder() -> Path:
    """Where the sandbox keeps what it made."""
    return paths.sandbox(json.loads(WORLD.read_text(encoding="utf-8"))["version"])


def open_source(name: str, runs: Path = Path("runs")) -> PictureSource:
    """The source that someone named: "sandbox", "runs", or a folder (a data set's or one of pictures).

    Raises `ProfileError`.
    """
    if name == "sandbox":
        built = sandbox_folder() / "PAMELA"
        return DatasetSource(built, "sandbox") if (built / "annotations").is_dir() else SandboxSource()
    if name == "runs":
        return RunsSource(runs)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ProfileError(f"there is no folder {name}; pictures come from sandbox, runs, or a folder's path")
    if (folder / "annotations").is_dir():
        return DatasetSource(folder)
    return FolderSource(folder)


def _shuffled(items: list[_T], seed: int) -> list[_T]:
    order = np.random.default_rng(seed).permutation(len(items))
    return [items[i] for i in order]

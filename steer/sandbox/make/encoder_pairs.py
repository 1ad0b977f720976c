"""Paintings for the sandbox's image-text encoder to learn from, made for it alone.

No painting here is ever rated, and none shares a seed with the rated data set: `draw` takes scene seeds below
2**31, these start there. A folder holds `pairs.json` and shards of small paintings; the scenes, and from them
the captions, follow from a painting's number, so nothing else is stored.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reward.files import whole, write_whole
from steer.errors import SteerError
from steer.sandbox.paint import painter
from steer.sandbox.scene import Scene, draw

Paint = Callable[[Scene, int], np.ndarray]

IMAGE_SIZE = 128  # pixels a side that the encoder sees
SHARD = 200  # paintings a file: a minute or less of work to lose
FIRST_SEED = 2**31  # scene seeds of pairs start where `draw` ends
HOUSE_SHARE = 0.15  # share of scenes around the default look; the rest span the world
HELD_OUT = 10_000_000  # painting numbers from here on are for evaluation
_STREAM = 20261  # keeps these scenes' random stream apart from every other


@dataclass(frozen=True)
class StepDone:
    """One step of a long job done: `done` of `total`, after `seconds`, with figures worth showing."""

    stage: str  # "pairs" | "training"
    done: int
    total: int
    seconds: float
    figures: tuple[tuple[str, float], ...] = ()


class PairsError(SteerError):
    """A folder of pairs that cannot be used as it is."""


def pair_scene(number: int) -> Scene:
    """The scene of one painting: wide over the world, some around the default look."""
    rng = np.random.default_rng([_STREAM, number])
    return draw(rng, house_style=bool(rng.random() < HOUSE_SHARE), seed=FIRST_SEED + number)


def build_pairs(
    folder: str | Path,
    n: int,
    size: int = 192,
    workers: int = 2,
    *,
    image_size: int = IMAGE_SIZE,
    first: int = 0,
    paint: Paint = painter.paint,
) -> Iterator[StepDone]:
    """Paint scenes `first` to `first + n` at `size` pixels a side and keep them at `image_size`.

    Resumable: finished shards are kept, whoever painted them being the same (else PairsError).
    Yields a Progress after every shard.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "schema_version": 1,
        "first": first,
        "painted_at": size,
        "image_size": image_size,
        "painter": _fingerprint(paint),
    }
    _check(folder, manifest)
    shards = [(start, min(SHARD, n - start)) for start in range(0, n, SHARD)]
    pending = [(start, count) for start, count in shards if _rows(_shard(folder, start)) != count]
    write_whole(folder / "pairs.json", json.dumps(manifest | {"count": n}, indent=1).encode())
    started, done = time.monotonic(), n - sum(count for _, count in pending)
    yield StepDone("pairs", done, n, 0.0)
    jobs = [
        (_shard(folder, start), first + start, count, size, image_size, paint) for start, count in pending
    ]
    for count in _run(jobs, workers):
        done += count
        yield StepDone("pairs", done, n, time.monotonic() - started)


@dataclass(frozen=True)
class Pairs:
    """A finished folder: uint8 images [n, size, size, 3] in shards, and the scene of each."""

    folder: Path
    scenes: tuple[Scene, ...]
    image_size: int
    identity: str  # changes with painter, size or number of paintings
    _shards: tuple[np.ndarray, ...]

    @classmethod
    def open(cls, folder: str | Path) -> Pairs:
        """Raises PairsError if the folder holds no pairs, or not all of them."""
        folder = Path(folder)
        try:
            manifest = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PairsError(f"{folder} holds no pairs ({error}): run `steer sandbox build`") from error
        n = int(manifest["count"])
        starts = range(0, n, SHARD)
        lacking = [start for start in starts if _rows(_shard(folder, start)) != min(SHARD, n - start)]
        if lacking:
            raise PairsError(
                f"{folder} lacks {len(lacking)} of {len(starts)} shards: run `steer sandbox build` again"
            )
        return cls(
            folder,
            tuple(pair_scene(int(manifest["first"]) + i) for i in range(n)),
            int(manifest["image_size"]),
            hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest(),
            tuple(np.load(_shard(folder, start), mmap_mode="r") for start in starts),
        )

    def __len__(self) -> int:
        return len(self.scenes)

    def images(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """uint8 [len(indices), image_size, image_size, 3]."""
        return np.stack([self._shards[i // SHARD][i % SHARD] for i in indices])


def _paint_shard(path: Path, first: int, count: int, size: int, image_size: int, paint: Paint) -> int:
    images = np.empty((count, image_size, image_size, 3), np.uint8)
    for i in range(count):
        painting = Image.fromarray(paint(pair_scene(first + i), size))
        # the filter that the encoder's preprocessing names: training and use see pictures alike
        images[i] = np.asarray(painting.resize((image_size, image_size), Image.Resampling.BILINEAR))
    with whole(path) as temporary, temporary.open("wb") as file:
        np.save(file, images)
    return count


def _run(jobs: Sequence[tuple[Any, ...]], workers: int) -> Iterator[int]:
    if workers <= 1:
        for job in jobs:
            yield _paint_shard(*job)
        return
    pool = ProcessPoolExecutor(min(workers, max(1, len(jobs))), mp_context=get_context("spawn"))
    try:
        pending: set[Future[int]] = {pool.submit(_paint_shard, *job) for job in jobs}
        while pending:
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _fingerprint(paint: Paint) -> str:
    """Changes when the painter or the draw of scenes does: a hash of two small paintings."""
    digest = hashlib.sha256()
    for number in (0, 1):
        digest.update(repr(pair_scene(number)).encode())
        digest.update(np.ascontiguousarray(paint(pair_scene(number), 64)).tobytes())
    return digest.hexdigest()[:16]


def _check(folder: Path, manifest: dict[str, Any]) -> None:
    path = folder / "pairs.json"
    if not path.exists():
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    differing = [key for key, value in manifest.items() if found.get(key) != value]
    if differing:
        raise PairsError(
            f"{folder} holds pairs made with another {' and '.join(differing)}: delete it, then run "
            "`steer sandbox build`"
        )


def _shard(folder: Path, start: int) -> Path:
    return folder / f"paintings-{start:06d}.npy"


def _rows(path: Path) -> int:
    """Paintings in a shard; 0 if it is not there or not whole."""
    try:
        return int(np.load(path, mmap_mode="r").shape[0])
    except (OSError, ValueError):
        return 0

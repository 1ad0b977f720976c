"""The sandbox's data set: PAMELA's layout and split sizes, with paintings and simulated ratings.

    annotations/pamela_{train,val_seen,val_unseen,test_seen,test_unseen}.json   flat lists of ratings
    images/00001.png ...                                                        256x256 RGB

`scenes.json` beside it holds the scene record of each painting; nothing of it is in the annotations.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reward.files import whole, write_whole
from steer.sandbox.scene import STYLES, SUBJECTS, Scene, draw

IMAGES = {"train": 3554, "val": 609, "test": 914}
PEOPLE = {"train": 156, "val": 16, "test": 27}  # ids "1".."156", "157".."172", "173".."199"
SEEN = 82  # people of the training set who also rated validation and test images
N_IMAGES, N_PEOPLE = sum(IMAGES.values()), sum(PEOPLE.values())


@dataclass(frozen=True)
class Split:
    """Who rates which images how often in one annotation file."""

    people: str  # key of PEOPLE, or "seen"
    images: str  # key of IMAGES
    ratings: int
    distinct: int  # images that are rated at all


SPLITS: dict[str, Split] = {
    "train": Split("train", "train", 50_222, 3554),
    "val_seen": Split("seen", "val", 6551, 609),
    "val_unseen": Split("val", "val", 926, 513),
    "test_seen": Split("seen", "test", 9735, 914),
    "test_unseen": Split("test", "test", 2470, 914),
}

STYLE_WEIGHTS = dict(zip(STYLES, (5.0, 2.0, 2.0, 2.0, 1.5, 1.5, 1.5, 1.5), strict=True))


@dataclass(frozen=True)
class Assignment:
    """Who rates what: parallel arrays of 0-based people and images."""

    people: NDArray[np.int64]
    images: NDArray[np.int64]


def make_scenes(seed: int, sizes: Sequence[int] = tuple(IMAGES.values())) -> list[Scene]:
    """Scenes of the whole world, subjects crossed with styles and balanced within each of the parts."""
    rng = np.random.default_rng((seed, 1))
    total = sum(STYLE_WEIGHTS.values())
    cells = [
        (subject, style, weight / total / len(SUBJECTS))
        for subject in SUBJECTS
        for style, weight in STYLE_WEIGHTS.items()
    ]
    share = np.array([cell[2] for cell in cells])
    chosen: list[int] = []
    for size in sizes:
        quota = share * size
        count = np.floor(quota).astype(int)
        rest = quota - count + 1e-6 * rng.random(len(cells))
        count[np.argsort(-rest)[: size - int(count.sum())]] += 1
        chosen += rng.permutation(np.repeat(np.arange(len(cells)), count)).tolist()
    return [
        draw(np.random.default_rng((seed, 2, i)), subject=cells[c][0], style=cells[c][1])
        for i, c in enumerate(chosen)
    ]


def image_range(part: str) -> range:
    """0-based images of one part of the world: train, val, test in this order."""
    names = list(IMAGES)
    start = sum(IMAGES[name] for name in names[: names.index(part)])
    return range(start, start + IMAGES[part])


def people_of(group: str, seed: int) -> NDArray[np.int64]:
    """0-based people of a group: a key of PEOPLE, or "seen"."""
    if group == "seen":
        rng = np.random.default_rng((seed, 3))
        return np.sort(rng.choice(PEOPLE["train"], SEEN, replace=False))
    names = list(PEOPLE)
    start = sum(PEOPLE[name] for name in names[: names.index(group)])
    return np.arange(start, start + PEOPLE[group])


def assign(seed: int) -> dict[str, Assignment]:
    """Assign raters to images, regardless of taste, with exactly PAMELA's counts.

    People differ in how much they rate (about +-25%); images get nearly equal numbers of raters; nobody rates
    an image twice.
    """
    return {
        name: assign_split(split, people_of(split.people, seed), np.random.default_rng((seed, 4, i)))
        for i, (name, split) in enumerate(SPLITS.items())
    }


def assign_split(split: Split, people: NDArray[np.int64], rng: np.random.Generator) -> Assignment:
    """One file's part of `assign`, for these 0-based people."""
    images = np.array(image_range(split.images))
    if split.distinct < len(images):
        images = rng.choice(images, split.distinct, replace=False)
    wish = split.ratings / len(people) * np.exp(0.25 * rng.standard_normal(len(people)))
    wish *= split.ratings / wish.sum()
    counts = np.floor(wish).astype(int)
    counts[np.argsort(counts - wish)[: split.ratings - int(counts.sum())]] += 1
    raters = np.zeros(len(images))
    who, what = [], []
    for person, count in zip(people, counts, strict=True):
        # those rated least so far, in random order: even coverage, blind to taste
        chosen = np.argsort(raters + rng.random(len(images)))[:count]
        raters[chosen] += 1
        who.append(np.full(len(chosen), person))
        what.append(np.sort(images[chosen]))
    return Assignment(np.concatenate(who), np.concatenate(what))


def write_scenes(path: Path, scenes: Sequence[Scene], prompts: Sequence[str]) -> None:
    """scenes.json: {image_id: {prompt, scene}}; beside the data set, for evaluation only."""
    record = {
        str(i + 1): {"prompt": p, "scene": asdict(s)}
        for i, (s, p) in enumerate(zip(scenes, prompts, strict=True))
    }
    write_json(path, record)


def read_scenes(path: Path) -> tuple[list[Scene], list[str]]:
    """Scenes and prompts of scenes.json, in the order of image ids."""
    record = json.loads(path.read_text())
    rows = [record[key] for key in sorted(record, key=int)]
    return [Scene(**row["scene"]) for row in rows], [row["prompt"] for row in rows]


def write_annotations(
    folder: Path,
    scenes: Sequence[Scene],
    prompts: Sequence[str],
    assignment: Mapping[str, Assignment],
    ratings: Mapping[str, NDArray[np.floating[Any]]],
    demographics: Sequence[dict[str, Any]],
) -> None:
    """Write the five annotation files of PAMELA's layout into `folder`/annotations."""
    for name, rows in assignment.items():
        listed = [
            {
                "participant_id": str(person + 1),
                "original_score": float(score),
                "image_id": int(image + 1),
                "image_path": image_path(image),
                "image_metadata": scenes[image].metadata(prompts[image]),
                "user_demographics": demographics[person],
            }
            for person, image, score in zip(
                rows.people.tolist(), rows.images.tolist(), ratings[name], strict=True
            )
        ]
        write_json(folder / "annotations" / f"pamela_{name}.json", listed)


def image_path(image: int) -> str:
    """Path of a 0-based image inside the data set."""
    return f"images/{image + 1:05d}.png"


def write_json(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(data, ensure_ascii=False) + "\n").encode())


def render(
    jobs: Iterable[tuple[Path, Scene]], workers: int = 2, size: int = 512
) -> Iterator[tuple[int, int]]:
    """Paint scenes to PNG files in parallel, keeping files that exist. Yields (done, total) after each."""
    listed = list(jobs)
    waiting = [(path, scene) for path, scene in listed if not path.exists()]
    done = len(listed) - len(waiting)
    yield done, len(listed)
    if not waiting:
        return
    for folder in {path.parent for path, _ in waiting}:
        folder.mkdir(parents=True, exist_ok=True)
    if workers <= 1:
        for path, scene in waiting:
            _paint(path, scene, size)
            done += 1
            yield done, len(listed)
        return
    # spawn: a fork of a process that has started threads (torch, BLAS) can deadlock
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=start_worker) as pool:
        futures: list[Future[None]] = [pool.submit(_paint, path, scene, size) for path, scene in waiting]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                yield done, len(listed)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def start_worker() -> None:
    """Begin a worker process: one core each, so that workers do not fight over cores."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # read when numpy is first imported here
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot stop its workers, and they would wait for it for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _paint(path: Path, scene: Scene, size: int) -> None:
    from steer.sandbox.paint.painter import paint

    save_png(path, paint(scene, size))


def save_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write an image, whole or not at all: a killed run leaves no half file behind."""
    with whole(path) as temporary:
        Image.fromarray(rgb).save(temporary, "PNG", compress_level=2)

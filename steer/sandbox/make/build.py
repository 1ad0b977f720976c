"""Remake the sandbox from nothing: paint, measure, rate, then train what learns from it.

`build` follows the frozen world and is what `steer sandbox build` runs. Every stage is a generator of
progress, prints nothing, and goes on where a killed run stopped.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from reward.files import whole
from reward.pictures import read_image
from steer import paths
from steer.sandbox.make import dataset
from steer.sandbox.make.encoder_pairs import StepDone, build_pairs
from steer.sandbox.scene import Scene
from steer.sandbox.truth import world
from steer.sandbox.truth.measure import measure
from steer.sandbox.truth.raters import semantics_of_all
from steer.sandbox.truth.world import Table, World

SIZE = 256  # pixels a side of the rated paintings; the raters measure at this size and the encoder sees less


STAGES = (
    *("paintings", "measurements", "ratings", "pairs", "encoder-1", "pairs-2", "encoder"),
    *("features", "predictor", "judge"),
)
PAIRS = 20_000  # paintings that the encoder learns from
MORE_PAIRS = 32_000  # others that its second stage learns from: the first ones it knew by heart
PAIRS_SIZE = 192  # pixels a side of those

Tell = Callable[[int, int, Mapping[str, float]], None]  # done, total, figures


@dataclass(frozen=True)
class Built:
    """The end of a build: where everything is, and how long each stage took, in seconds."""

    folder: Path
    seconds: dict[str, float]


@dataclass(frozen=True)
class Layout:
    """Where a build keeps its parts."""

    root: Path

    @property
    def pamela(self) -> Path:
        """The data set in PAMELA's layout."""
        return self.root / "PAMELA"

    @property
    def scenes(self) -> Path:
        return self.root / "scenes.json"

    @property
    def measured(self) -> Path:
        return self.root / "measured.safetensors"

    @property
    def pairs(self) -> Path:
        return self.root / "pairs"

    @property
    def more_pairs(self) -> Path:
        return self.root / "pairs-2"

    @property
    def first_encoder(self) -> Path:
        """The encoder after its first stage."""
        return self.root / "weights" / "encoder-1"

    @property
    def encoder(self) -> Path:
        return self.root / "weights" / "encoder"

    @property
    def predictor(self) -> Path:
        return self.root / "weights" / "predictor"

    @property
    def judge(self) -> Path:
        return self.root / "weights" / "judge"

    def image(self, index: int) -> Path:
        return self.pamela / dataset.image_path(index)

    def annotations(self, split: str) -> Path:
        return self.pamela / "annotations" / f"pamela_{split}.json"


def default_folder() -> Path:
    """Where this version of the world is built."""
    return paths.sandbox(world.VERSION)


# ---- stages ----


def paint_dataset(layout: Layout, seed: int, workers: int) -> Iterator[StepDone]:
    """Draw the scenes, write their prompts, paint them."""
    if layout.scenes.exists():
        scenes, _ = dataset.read_scenes(layout.scenes)
    else:
        from steer.sandbox.read.captions import prompt

        scenes = dataset.make_scenes(seed)
        prompts = [prompt(scene, np.random.default_rng((seed, 5, i))) for i, scene in enumerate(scenes)]
        dataset.write_scenes(layout.scenes, scenes, prompts)
    jobs = [(layout.image(i), scene) for i, scene in enumerate(scenes)]
    yield from paint_files("paintings", jobs, workers)


def measure_dataset(layout: Layout, workers: int) -> Iterator[StepDone]:
    """Measure every painting of the data set."""
    if layout.measured.exists():
        return
    scenes, _ = dataset.read_scenes(layout.scenes)
    paths = [layout.image(i) for i in range(len(scenes))]
    rows: list[tuple[Any, ...]] = []
    yield from map_files("measurements", measure_file, paths, rows, workers)
    table = Table(np.stack([r[0] for r in rows]), np.stack([r[1] for r in rows]), semantics_of_all(scenes))
    with whole(layout.measured) as temporary:
        table.save(temporary)


def rate_dataset(layout: Layout, made: World, raters_seed: int | None = None) -> Iterator[StepDone]:
    """Let the participants rate: writes the five annotation files. Another seed gives another population."""
    total = len(dataset.SPLITS)
    if all(layout.annotations(name).exists() for name in dataset.SPLITS):
        return
    yield StepDone("ratings", 0, total, 0.0)
    started = time.monotonic()
    scenes, prompts = dataset.read_scenes(layout.scenes)
    table = Table.load(layout.measured)
    assignment = dataset.assign(made.scenes_seed)
    ratings = world.rate_all(made, table, raters_seed)
    people = made.participants(raters_seed)
    dataset.write_annotations(layout.pamela, scenes, prompts, assignment, ratings, people.demographics)
    yield StepDone("ratings", total, total, time.monotonic() - started)


# ---- what learns from the data set ----


def paint_pairs(layout: Layout, workers: int) -> Iterator[StepDone]:
    """Paint what the encoder learns from: scenes of its own, disjoint from the data set."""
    yield from build_pairs(layout.pairs, PAIRS, PAIRS_SIZE, workers)


def paint_more_pairs(layout: Layout, workers: int) -> Iterator[StepDone]:
    """Paint what its second stage learns from: scenes that the first one has not seen."""
    yield from build_pairs(layout.more_pairs, MORE_PAIRS, PAIRS_SIZE, workers, first=PAIRS)


def learn_encoder_at_first(layout: Layout) -> Iterator[StepDone]:
    from steer.sandbox.make.encoder import train_encoder

    if not _whole(layout.first_encoder):
        yield from train_encoder(layout.pairs, layout.first_encoder)


def learn_encoder(layout: Layout) -> Iterator[StepDone]:
    """The second stage: from the first one's weights, on other paintings."""
    from steer.sandbox.make.encoder import SECOND, train_encoder

    if not _whole(layout.encoder):
        yield from train_encoder(layout.more_pairs, layout.encoder, SECOND, layout.first_encoder)


def encode(layout: Layout) -> Iterator[StepDone]:
    """Encode images, prompts and profiles of the data set into the store that training reads."""
    yield from _reported("features", lambda tell: read_features(layout, tell))


def learn_predictor(layout: Layout, made: World, *, judge: bool = False) -> Iterator[StepDone]:
    """Train the predictor; as `judge`, a second one, from another seed on a resample of the ratings."""
    out = layout.judge if judge else layout.predictor
    if not _whole(out):
        yield from _reported(
            "judge" if judge else "predictor", lambda tell: _train(layout, made, judge, tell)
        )


def read_features(layout: Layout, tell: Tell) -> tuple[Any, Any, Any, Any]:
    """The data set, its features, and the two encoders; what is not in the store yet is encoded."""
    from reward.data import load
    from reward.encoders.features import encode_dataset
    from reward.encoders.image_text import ImageTextEncoder, sentence_encoder
    from steer.sandbox.read.captions import subject_phrase

    data = load(layout.pamela)
    encoder, sentences = ImageTextEncoder.load(layout.encoder), sentence_encoder()
    scenes, _ = dataset.read_scenes(layout.scenes)
    subjects = {str(i + 1): subject_phrase(scene) for i, scene in enumerate(scenes)}
    features = encode_dataset(
        data,
        encoder,
        sentences,
        layout.root / "features",
        subjects,
        lambda what, done, of: tell(done, of, {}),
    )
    return data, features, encoder, sentences


def _train(layout: Layout, made: World, judge: bool, tell: Tell) -> None:
    from reward.training.train import SANDBOX, train

    data, features, encoder, sentences = read_features(layout, lambda done, of, figures: None)
    epochs = 0

    def progress(metrics: Mapping[str, float]) -> None:
        nonlocal epochs
        epochs += 1
        tell(epochs, SANDBOX.epochs * SANDBOX.networks, metrics)

    train(
        data,
        features,
        SANDBOX,
        layout.judge if judge else layout.predictor,
        world=made.name,
        simulated=True,
        encoder={"id": "../encoder", "sha256": encoder.hash},
        sentence_encoder={"id": sentences.id},
        licences=("Apache-2.0",),
        seed=1 if judge else 0,
        resample=judge,
        progress=progress,
    )


def _whole(checkpoint: Path) -> bool:
    return (checkpoint / "model.safetensors").exists()


# ---- all of it ----


def build(
    folder: Path | None = None, stages: Sequence[str] = STAGES, workers: int = 2
) -> Iterator[StepDone | Built]:
    """Remake the frozen world's data set and everything that learns from it; the last item is the summary.

    A stage whose results are whole is skipped; one that was broken off goes on. Seconds add up over resumed
    builds. Raises ValueError for an unknown stage.
    """
    unknown = set(stages) - set(STAGES)
    if unknown:
        raise ValueError(f"no stage is called {', '.join(sorted(unknown))}: name any of {', '.join(STAGES)}")
    layout = Layout(folder or default_folder())
    layout.root.mkdir(parents=True, exist_ok=True)
    made = World.load()
    work: dict[str, Callable[[], Iterator[StepDone]]] = {
        "paintings": lambda: paint_dataset(layout, made.scenes_seed, workers),
        "measurements": lambda: measure_dataset(layout, workers),
        "ratings": lambda: rate_dataset(layout, made),
        "pairs": lambda: paint_pairs(layout, workers),
        "encoder-1": lambda: learn_encoder_at_first(layout),
        "pairs-2": lambda: paint_more_pairs(layout, workers),
        "encoder": lambda: learn_encoder(layout),
        "features": lambda: encode(layout),
        "predictor": lambda: learn_predictor(layout, made),
        "judge": lambda: learn_predictor(layout, made, judge=True),
    }
    record = layout.root / "build.json"
    seconds: dict[str, float] = json.loads(record.read_text()) if record.exists() else {}
    for stage in STAGES:
        if stage not in stages:
            continue
        started, before, noted = time.monotonic(), seconds.get(stage, 0.0), 0.0
        for step in work[stage]():
            yield step
            spent = time.monotonic() - started
            seconds[stage] = round(before + spent, 1)
            if spent - noted > 10 or step.done == step.total:  # a killed build loses ten seconds of its count
                noted = spent
                dataset.write_json(record, seconds)
    yield Built(layout.root, {stage: seconds.get(stage, 0.0) for stage in stages})


# ---- workers ----


def paint_files(stage: str, jobs: Sequence[tuple[Path, Scene]], workers: int) -> Iterator[StepDone]:
    started = time.monotonic()
    for done, total in dataset.render(jobs, workers, SIZE):
        yield StepDone(stage, done, total, time.monotonic() - started)


def map_files(
    stage: str, work: Callable[[Path], Any], paths: Sequence[Path], results: list[Any], workers: int
) -> Iterator[StepDone]:
    """Append work(path) of every path to `results`, in order."""
    started = time.monotonic()
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=dataset.start_worker
    ) as pool:
        for done, result in enumerate(pool.map(work, paths, chunksize=16), 1):
            results.append(result)
            if done % 50 == 0 or done == len(paths):
                yield StepDone(stage, done, len(paths), time.monotonic() - started)


def _reported(stage: str, work: Callable[[Tell], Any]) -> Iterator[StepDone]:
    """Run work that reports by callback, yielding its reports. What it raises is raised here."""
    reports: queue.Queue[StepDone | None] = queue.Queue()
    started = time.monotonic()

    def tell(done: int, total: int, figures: Mapping[str, float]) -> None:
        reports.put(StepDone(stage, done, total, time.monotonic() - started, tuple(figures.items())))

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, tell)
        future.add_done_callback(lambda _: reports.put(None))
        yield from iter(reports.get, None)
        future.result()


def load_image(path: Path) -> np.ndarray:
    return np.asarray(read_image(path, "build the sandbox again: steer sandbox build"))


def measure_file(path: Path) -> tuple[np.ndarray, np.ndarray]:
    measured = measure(load_image(path))
    return measured.values, measured.unnamed

"""Training at the size of PAMELA, LAPIS and PARA together: time, memory, and a step next to a bare one.

    python benchmarks/full_size.py FOLDER [--steps 500]

FOLDER gets made-up releases in the three layouts with the published counts (about 1 GB): 1,161,350 ratings
of 48,020 pictures by 1,205 people. Nothing in them is real. Pictures are of 2 x 2 pixels and say nothing but
their number, from which stand-ins for the encoders make features of the real sizes (SigLIP2 so400m 1,152,
llama-embed-nemotron-8b 4,096). People rate by tastes over 16 hidden properties of a picture, so that there is
something to learn. Every stage is a process of its own: `prepare` and `encode` as the commands do it, one
epoch of one network by our recipe, the pairs of section 7.1, the calibration, and the linear tastes.

`--steps` trains on a sample of so many batches; features, people and validation are whole all the same.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from common import RESULTS, machine, write_json
from PIL import Image
from training import bare_loop, network, sample, throughput

from reward.data import Dataset, load
from reward.data.prepare import prepare
from reward.data.published import LAPIS, PAMELA, PARA
from reward.encoders.features import Features, encode_dataset, mapped
from reward.people.descriptions import MetadataVocabulary
from reward.people.known import Calibration
from reward.predictor.checkpoint import Tables, read_checkpoint
from reward.predictor.network import TasteModel
from reward.reproduce.divergence import divergence
from reward.reproduce.experiment import Experiment
from reward.training import train as training
from reward.training.calibrate import calibrate
from reward.training.fit import accelerator_for, fit
from reward.training.journal import METRICS_FILE, Journal
from reward.training.train import STEER

IMAGE_DIM, SENTENCE_DIM, HIDDEN = 1152, 4096, 16
PICTURES = PAMELA["images"] + LAPIS["images"] + PARA["images"]
STAGES = ("make", "prepare", "encode", "step", "train", "divergence", "calibrate", "tastes")
STYLES = [f"style_{i}" for i in range(26)]
GROUPS = [f"group {i}" for i in range(19)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, help="a sample of so many batches")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stage", choices=STAGES, help="one of them alone")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.stage:
        with measured() as peak:
            found = globals()[f"{args.stage}_stage"](args.folder, args.steps)
        print(json.dumps({**found, **peak()}))
        return
    result: dict[str, Any] = {"machine": machine(), "threads": args.threads}
    for stage in STAGES:
        command = [sys.executable, __file__, str(args.folder), "--stage", stage]
        command += ["--threads", str(args.threads)]
        command += ["--steps", str(args.steps)] if args.steps else []
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        result[stage] = json.loads(output.splitlines()[-1])
        print(json.dumps({stage: result[stage]}, indent=1), flush=True)
        write_json(RESULTS / "full_size.json", result)


@contextmanager
def measured() -> Iterator[Callable[[], dict[str, float]]]:
    """Seconds, and memory at its peak: what only this process holds, and with pages of mapped files."""
    started, own, done = time.perf_counter(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            lines = Path("/proc/self/status").read_text().splitlines()
            own[0] = max(own[0], next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()

    def peak() -> dict[str, float]:
        done.set()
        return {
            "seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(time.process_time(), 1),
            "peak_own_gib": round(own[0] / 2**20, 2),
            "peak_rss_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        }

    yield peak


# ---- the made-up releases


def latents() -> np.ndarray:
    """Hidden properties of every picture [pictures, HIDDEN]."""
    return np.random.default_rng(7).normal(size=(PICTURES, HIDDEN))


def rated(people: int, users: np.ndarray, pictures: np.ndarray, seed: int) -> np.ndarray:
    """What people give pictures [n]: about 3, by their own tastes and the common one."""
    rng = np.random.default_rng(seed)
    tastes = (rng.normal(size=(people, HIDDEN)) + rng.normal(size=HIDDEN)) / np.sqrt(2 * HIDDEN)
    liking = np.einsum("nd,nd->n", tastes[users], latents()[pictures])
    return np.clip(
        3 + 0.7 * liking + rng.normal(0, 0.3, people)[users] + rng.normal(0, 0.4, len(users)), 1, 5
    )


def picture(path: Path, number: int) -> None:
    """A PNG of 2 x 2 pixels whose first one is the number."""
    rows = b"".join(b"\0" + number.to_bytes(3, "big") + bytes(3) for _ in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )


def table(path: Path, header: list[str], rows: Iterator[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header])
        csv.writer(file).writerows(rows)


def make_stage(folder: Path, steps: int | None) -> dict[str, Any]:
    make_pamela(folder / "PAMELA")
    make_lapis(folder / "LAPIS", PAMELA["images"])
    make_para(folder / "PARA", PAMELA["images"] + LAPIS["images"])
    return {"pictures": PICTURES}


def make_pamela(root: Path) -> None:
    rng = np.random.default_rng(1)
    metadata = []
    for number in range(PAMELA["images"]):
        picture(root / "images" / f"{number:04d}.png", number)
        art = number % 3 == 0
        metadata.append(
            {
                "prompt": f"made-up prompt {number // 8}",
                "group": GROUPS[number % len(GROUPS)],
                "style": STYLES[number % len(STYLES)] if art else None,
                "type": "Art" if art else "Photorealism",
            }
        )
    images = np.split(np.arange(PAMELA["images"]), [3_554, 3_554 + 609])
    users = np.split(np.arange(PAMELA["users"]), [156, 172])
    for split, part, who in (
        ("train", images[0], users[0]),
        ("val_seen", images[1], users[0][:82]),
        ("val_unseen", images[1], users[1]),
        ("test_seen", images[2], users[0][:82]),
        ("test_unseen", images[2], users[2]),
    ):
        pairs = rng.choice(len(part) * len(who), PAMELA[f"{split} ratings"], replace=False)
        raters, shown = who[pairs // len(part)], part[pairs % len(part)]
        scores = rated(PAMELA["users"], raters, shown, 1)
        rows = [
            {
                "participant_id": int(user) + 1,
                "original_score": round(float(score), 2),
                "image_id": int(image),
                "image_path": f"images/{image:04d}.png",
                "image_metadata": metadata[image],
                "user_demographics": {"age": 18 + int(user) % 50, "gender": ("female", "male")[user % 2]},
            }
            for user, image, score in zip(raters, shown, scores, strict=True)
        ]
        file = root / "annotations" / f"pamela_{split}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(rows), encoding="utf-8")


def make_lapis(root: Path, first: int) -> None:
    rng, people, count = np.random.default_rng(2), LAPIS["users"], LAPIS["images"]
    names = [f"artist_{number % 700}_{number}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        picture(root / "images" / name, first + number)
    each = np.full(count, LAPIS["ratings"] // count)
    each[: LAPIS["ratings"] - each.sum()] += 1
    users = np.concatenate([rng.permutation(people)[:some] for some in each])
    images = np.repeat(np.arange(count), each)
    scores = (rated(people, users, first + images, 2) - 1) * 25
    person = ["age", "nationality", "demo_gender", "demo_edu", "demo_colorblind", "Art Interest VAIAK"]
    about = ["title", "genre", "style"]
    table(
        root / "annotation" / "LAPIS_PIAA.csv",
        ["image_id", "image_filename", "rating", "participant_id", *person, *about],
        (
            [
                *(image, names[image], round(score), user + 1),
                *(18 + user % 60, "belgium", ("female", "male")[user % 2], "Bachelor", "No", user % 7),
                *(f"title {image}", GROUPS[image % 12], STYLES[image % 26]),
            ]
            for user, image, score in zip(users.tolist(), images.tolist(), scores.tolist(), strict=True)
        ),
    )
    parts = np.split(np.random.default_rng(3).permutation(count), np.cumsum([8_205, 1_173]))
    for part, chosen in zip(("Train", "Val", "Test"), parts, strict=True):
        listed = ([int(image), names[image]] for image in chosen)
        table(root / "annotation" / f"LAPIS_GIAA_{part}split.csv", ["image_id", "image_filename"], listed)
    table(
        root / "annotation" / "ImgAttributes_LAPIS.csv",
        ["image_filename", "Aspect ratio"],
        ([name, 1.5] for name in names),
    )


def make_para(root: Path, first: int) -> None:
    rng, people, count = np.random.default_rng(4), PARA["users"], PARA["images"]
    names = [(f"session{1 + number // 70}", f"iaa_pub{number}_.jpg") for number in range(count)]
    for number, (session, name) in enumerate(names):
        picture(root / "imgs" / session / name, first + number)
    # 26 people rate all pictures of a session
    raters = np.stack([rng.permutation(people)[:26] for _ in range(PARA["sessions"])])
    users, images = raters[np.arange(count) // 70].ravel(), np.repeat(np.arange(count), 26)
    kept = np.sort(rng.permutation(len(users))[: PARA["ratings"]])
    users, images = users[kept], images[kept]
    scores = np.round(rated(people, users, first + images, 4) * 2) / 2
    others = ["qualityScore", "compositionScore", "colorScore", "contentScore", "lightScore"]
    table(
        root / "annotation" / "PARA-Images.csv",
        ["sessionId", "imageName", "userId", "aestheticScore", *others, "semantic"],
        (
            [*names[image], f"A{user:03d}", score, 3, 3, 3, 3, 3, f"semantic {image % 10}"]
            for user, image, score in zip(users.tolist(), images.tolist(), scores.tolist(), strict=True)
        ),
    )
    ages, levels = ("18-21", "22-25", "26-29", "30-34", "35-40"), ("junior_college", "university")
    traits = [f"personality-{trait}" for trait in "EANOC"]
    table(
        root / "annotation" / "PARA-UserInfo.csv",
        ["userId", "age", "gender", "EducationalLevel", "artExperience", "photographyExperience", *traits],
        (
            [
                *(f"A{user:03d}", ages[user % 5], ("female", "male")[user % 2], levels[user % 2]),
                *("beginner", "competent", *[1 + user % 10] * 5),
            ]
            for user in range(people)
        ),
    )
    order = np.random.default_rng(5).permutation(count)
    for part, chosen in (("Train", order[3_000:]), ("Test", order[:3_000])):
        listed = ([names[image][1], names[image][0]] for image in chosen)
        table(root / "annotation" / f"PARA-Giaa{part}.csv", ["imageName", "sessionId"], listed)


# ---- stand-ins for the encoders


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def of_words(words: list[str], dim: int) -> np.ndarray:
    """A random direction for every text."""
    rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=dim) for text in words]
    return unit(np.array(rows).reshape(-1, dim))


class ImageTextStandIn:
    """In place of SigLIP2: what it says of a picture follows from the hidden properties."""

    hash, source, image_dim, text_dim = "0" * 64, "a stand-in", IMAGE_DIM, IMAGE_DIM

    def __init__(self) -> None:
        self.latents = latents()
        self.directions = np.random.default_rng(8).normal(size=(HIDDEN, IMAGE_DIM))

    def images(self, batch: list[Image.Image]) -> np.ndarray:
        numbers = [int.from_bytes(bytes(image.getpixel((0, 0))), "big") for image in batch]
        noise = np.stack([np.random.default_rng(number).normal(size=IMAGE_DIM) for number in numbers])
        return unit(self.latents[numbers] @ self.directions + 2 * noise)

    def texts(self, words: list[str]) -> np.ndarray:
        return of_words(words, IMAGE_DIM)


class SentencesStandIn:
    """In place of llama-embed-nemotron-8b."""

    id, key, dim = "a stand-in", "stand_in", SENTENCE_DIM

    def encode(self, sentences: list[str]) -> np.ndarray:
        return of_words(sentences, SENTENCE_DIM)


# ---- the stages


def prepare_stage(folder: Path, steps: int | None) -> dict[str, Any]:
    prepared = prepare([folder / name for name in ("PAMELA", "LAPIS", "PARA")], folder / "ratings")
    return {
        "ratings": prepared.dataset.counts()["ratings"],
        "people": len(prepared.dataset.user_ids),
        "pictures": len(prepared.dataset.image_ids),
        "notices": list(prepared.notices),
    }


def opened(folder: Path) -> tuple[Dataset, Features]:
    """The table that `prepare` wrote and its features, which only the first time are made."""
    dataset = load(folder / "ratings", quiet=True)
    encoder: Any = ImageTextStandIn()
    sentences: Any = SentencesStandIn()
    return dataset, encode_dataset(dataset, encoder, sentences, folder / "features")


def encode_stage(folder: Path, steps: int | None) -> dict[str, Any]:
    _, features = opened(folder)
    arrays = {name: array for name, array in vars(features).items() if isinstance(array, np.ndarray)}
    return {
        "gb": {name: round(array.nbytes / 1e9, 2) for name, array in arrays.items()},
        "metadata": features.combinations.shape[0],
    }


def step_stage(folder: Path, steps: int | None) -> dict[str, Any]:
    """Steps by our recipe next to bare ones, on noise in mapped files of the full size; no data set."""
    count, rng = (steps or 400) * STEER.batch_size, np.random.default_rng(0)

    def noise(rows: int, dim: int) -> np.ndarray:
        some = rng.standard_normal((2048, dim), np.float32)
        return mapped([some[i % 2048] for i in range(rows)], dim, folder)

    features = Features(
        image=noise(PICTURES, IMAGE_DIM),
        text=noise(PICTURES, IMAGE_DIM),
        subject=noise(PICTURES, IMAGE_DIM),
        metadata=noise(PICTURES, SENTENCE_DIM),
        inferred=noise(PICTURES, SENTENCE_DIM),
        demographics=noise(900 * 8, SENTENCE_DIM).reshape(900, 8, SENTENCE_DIM),
        vocabulary=MetadataVocabulary((), (), ()),
        combinations=np.zeros((1, SENTENCE_DIM), np.float32),
        queries=np.zeros((0, IMAGE_DIM), np.float32),
    )
    dataset = Dataset(
        root=folder,
        user_ids=tuple(map(str, range(900))),
        demographics=({},) * 900,
        image_ids=tuple(map(str, range(PICTURES))),
        image_paths=(),
        metadata=(),
        users=np.concatenate([np.arange(900), rng.integers(0, 900, count - 900)]),
        images=rng.integers(0, PICTURES, count),
        scores=rng.uniform(1, 5, count).astype(np.float32),
        splits=np.full(count, "train"),
    )
    bare = [bare_loop(dataset, features, STEER)]
    data = training._training_set(dataset, features, np.arange(count), np.arange(900), torch.device("cpu"))
    with TemporaryDirectory() as scratch:
        journal = Journal(Path(scratch), {}, accelerator_for("cpu"))
        model = network(dataset, features, STEER)
        for _ in fit(model, data, replace(STEER, epochs=1), 0, lambda current: {}, None, journal):
            pass
        speed = throughput(Path(scratch) / METRICS_FILE, STEER)
    bare.append(bare_loop(dataset, features, STEER))
    return shares(speed, bare)


def shares(speed: float, bare: list[float]) -> dict[str, Any]:
    return {
        "ratings_per_second": round(speed, 1),
        "bare_ratings_per_second": [round(each, 1) for each in bare],
        "bare_over_trained": round(float(np.mean(bare)) / speed, 3),
    }


def train_stage(folder: Path, steps: int | None) -> dict[str, Any]:
    started = time.perf_counter()
    dataset, features = opened(folder)
    found: dict[str, Any] = {"opened_seconds": round(time.perf_counter() - started, 1)}
    if steps:
        dataset = sample(dataset, steps * STEER.batch_size)
    recipe = replace(STEER, epochs=1, networks=1, properties=0)
    bare = [bare_loop(dataset, features, recipe)]
    seconds = {name: timed(name) for name in ("validation",)}
    training.calibrate = lambda *data: Calibration()  # a stage of its own
    out = folder / "weights"
    report = training.train(
        dataset, features, recipe, out, world=dataset.name, simulated=True, journal=out,
        encoder={"id": "a stand-in", "sha256": "0" * 64}, sentence_encoder={"id": "a stand-in"},
    )  # fmt: skip
    speed = throughput(out / METRICS_FILE, recipe)
    bare.append(bare_loop(dataset, features, recipe))
    return found | {
        "ratings": len(dataset.rows("train")),
        "steps": -(-len(dataset.rows("train")) // recipe.batch_size),
        "train_seconds": report["seconds"],
        "cpu_seconds_of": {name: [round(s, 1) for s in times] for name, times in seconds.items()},
        **shares(speed, bare),
        "metrics": report["best"],
    }


def timed(name: str) -> list[float]:
    """Processor seconds of every call of a part of the training, from now on."""
    part, seconds = getattr(training, name), list[float]()

    def call(*args: Any, **options: Any) -> Any:
        started = time.process_time()
        try:
            return part(*args, **options)
        finally:
            seconds.append(time.process_time() - started)

    setattr(training, name, call)
    return seconds


def trained(folder: Path) -> tuple[Dataset, Features, TasteModel, Tables, np.ndarray]:
    """The data, the network of the stage `train`, and the data set's users in its table."""
    dataset, features = opened(folder)
    card, model, tables = read_checkpoint(folder / "weights")
    row = {id: i for i, id in enumerate(dataset.user_ids)}
    return dataset, features, model, tables, np.array([row[person.id] for person in card.people])


def divergence_stage(folder: Path, steps: int | None) -> dict[str, Any]:
    """With 2 draws of the contexts of unseen people; the paper's tables take 20."""
    dataset, features, model, tables, table = trained(folder)
    experiment = Experiment(
        model, tables.profiles, table, tables.demographics, dataset, features, dataset.name, simulated=True
    )
    started = time.perf_counter()
    found = divergence(experiment, draws=2)
    return {
        "divergence_seconds": round(time.perf_counter() - started, 1),
        "conflicts": {each.split: each.conflicts for each in found if not each.margin},
    }


def calibrate_stage(folder: Path, steps: int | None) -> dict[str, Any]:
    dataset, features, model, _, table = trained(folder)
    started = time.process_time()
    found = calibrate(model, table, dataset, features)
    return {
        "calibrate_cpu_seconds": round(time.process_time() - started, 1),
        "priors": {name: vars(prior) for name, prior in found.priors.items()},
    }


def tastes_stage(folder: Path, steps: int | None) -> dict[str, Any]:
    """Of all ratings, whatever `--steps` says."""
    dataset, features = opened(folder)
    rows = dataset.rows("train")
    table = np.unique(dataset.users[rows])
    data = training._training_set(dataset, features, rows, table, torch.device("cpu"))
    config = network(dataset, features, STEER).config
    started = time.perf_counter(), time.process_time()
    training._linear_tastes(config, STEER, data, users=len(table))
    return {
        "tastes_seconds": round(time.perf_counter() - started[0], 1),
        "tastes_cpu_seconds": round(time.process_time() - started[1], 1),
    }


if __name__ == "__main__":
    main()

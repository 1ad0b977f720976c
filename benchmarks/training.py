"""How long training at the paper's recipe takes, what memory, and how fast next to a bare loop.

    python benchmarks/training.py --build FOLDER [--steps 200]

FOLDER is what `steer sandbox build` made; its 50,222 training ratings are trained on as `steer reward train
--recipe paper` does, behind the sandbox's encoders: ten epochs with validation, metrics and saved states.
The bare loop is forward, backward and step of the same network and optimizer on batches that are tensors
already, before and after the training. `--steps` takes a sample instead: one epoch of so many steps.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, machine, write_json

from reward.data import Dataset
from reward.encoders.features import Features
from reward.predictor.network import Pamela, PamelaConfig
from reward.training.journal import METRICS_FILE
from reward.training.train import PAPER, Recipe, train
from steer.sandbox.make.build import Layout, read_features

BARE_STEPS = 150  # each time
BATCHES = 20  # of the bare loop, in memory


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--steps", type=int, help="a sample of so many steps")
    args = parser.parse_args()
    dataset, features, encoder, sentences = read_features(Layout(args.build), lambda done, of, figures: None)
    recipe = PAPER
    if args.steps:
        dataset = sample(dataset, args.steps * recipe.batch_size)
        recipe = replace(recipe, epochs=1)
    load = os.getloadavg()[0]
    bare = [bare_loop(dataset, features, recipe)]
    with tempfile.TemporaryDirectory() as folder:
        report = train(
            dataset,
            features,
            recipe,
            Path(folder),
            world=dataset.name,
            simulated=True,
            encoder={"id": "encoder", "sha256": encoder.hash},
            sentence_encoder={"id": sentences.id},
            journal=Path(folder),
            progress=lambda epoch: print(json.dumps(epoch), flush=True),
        )
        trained = throughput(Path(folder) / METRICS_FILE, recipe)
    bare.append(bare_loop(dataset, features, recipe))
    result = {
        "machine": machine(),
        "load_before": round(load, 2),
        "threads": torch.get_num_threads(),
        "ratings": len(dataset.rows("train")),
        "epochs": recipe.epochs,
        "weights": sum(p.numel() for p in network(dataset, features, recipe).parameters()),
        "seconds": report["seconds"],
        "peak_rss_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "ratings_per_second": round(trained, 1),
        "bare_ratings_per_second": [round(speed, 1) for speed in bare],
        "bare_over_trained": round(float(np.mean(bare)) / trained, 3),
        "best": report["best"],
    }
    print(json.dumps(result, indent=1))
    if not args.steps:
        write_json(RESULTS / "training.json", result)


def sample(dataset: Dataset, size: int) -> Dataset:
    """The data set with so many of its training ratings."""
    rows = dataset.rows("train")
    splits = dataset.splits.copy()
    splits[np.random.default_rng(0).permutation(rows)[size:]] = "unused"
    return replace(dataset, splits=splits)


def throughput(file: Path, recipe: Recipe) -> float:
    """Ratings a second over all steps, with their logging and saving; validation is not in it."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    speeds = [line["ratings_per_second"] for line in lines if "ratings_per_second" in line]
    return 1 / float(np.mean([1 / speed for speed in speeds]))


def bare_loop(dataset: Dataset, features: Features, recipe: Recipe) -> float:
    """Ratings a second of nothing but forward, backward and step."""
    torch.manual_seed(0)
    model = network(dataset, features, recipe).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, fused=recipe.fused or None)
    batches = [batch(dataset, features, recipe, number) for number in range(BATCHES)]
    for tokens, scores in batches[:5]:
        step(model, optimizer, tokens, scores)
    started = time.perf_counter()
    for number in range(BARE_STEPS):
        step(model, optimizer, *batches[number % BATCHES])
    return BARE_STEPS * recipe.batch_size / (time.perf_counter() - started)


def step(
    model: Pamela, optimizer: torch.optim.Optimizer, tokens: dict[str, Any], scores: torch.Tensor
) -> None:
    loss = torch.nn.functional.mse_loss(model(**tokens), scores)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def network(dataset: Dataset, features: Features, recipe: Recipe) -> Pamela:
    users = len(np.unique(dataset.users[dataset.rows("train")]))
    sizes = (features.image.shape[1], features.text.shape[1], features.metadata.shape[1])
    shape = (recipe.hidden, recipe.layers, recipe.heads, recipe.feedforward, recipe.dropout)
    return Pamela(PamelaConfig(*sizes, *shape, recipe.feature_dropout, recipe.interaction), users)


def batch(
    dataset: Dataset, features: Features, recipe: Recipe, number: int
) -> tuple[dict[str, Any], torch.Tensor]:
    """A batch as training sees it, made beforehand."""
    rows = dataset.rows("train")
    table = np.unique(dataset.users[rows])
    rng = np.random.default_rng(number)
    chosen = rng.choice(rows, recipe.batch_size)
    images, users = dataset.images[chosen], dataset.users[chosen]
    present = torch.from_numpy(rng.random((len(chosen), 5)) > 0.1)
    present[:, 0] = True
    tokens: Sequence[tuple[str, np.ndarray]] = (
        ("image", features.image[images]),
        ("text", features.text[images]),
        ("metadata", features.metadata[images]),
        ("demographics", features.demographics[users, 0]),
        ("user", np.searchsorted(table, users)),
    )
    return (
        {name: torch.from_numpy(np.ascontiguousarray(rows)) for name, rows in tokens} | {"present": present},
        torch.from_numpy(dataset.scores[chosen]),
    )


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()

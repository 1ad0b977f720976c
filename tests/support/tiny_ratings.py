"""Ratings with random features: no encoder, no image, trained on in a second. Run as a script, it trains."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tiny import VOCABULARY, tiny_people

from reward.data import Dataset
from reward.encoders.features import Features
from reward.training.recipe import STEER, Recipe
from reward.training.train import train

IMAGES, PEOPLE, KNOWN, DIM, PROFILE = 60, 12, 8, 6, 5

SHORT = replace(
    STEER,
    name="short",
    hidden=16,
    heads=2,
    feedforward=16,
    epochs=3,
    batch_size=32,
    learning_rate=5e-3,
    average=0.9,
    warmup_steps=5,
    patience=0,
)
PLAIN = replace(
    SHORT,
    epochs=1,
    dropout=0.0,
    drop_user=0.0,
    drop_demographics=0.0,
    drop_both=0.0,
    drop_text=0.0,
    drop_metadata=0.0,
    feature_dropout=0.0,
    as_in_loop=0.0,
    mixed=0.0,
    partial_demographics=0.0,
    batch_size=31,  # an odd batch does not split evenly, and the last one holds ten
)


def tiny_ratings(seed: int = 0) -> tuple[Dataset, Features]:
    """12 people, 8 of them in the training set, on 60 images; 320 training ratings."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(IMAGES, DIM)).astype(np.float32)
    taste = rng.normal(size=(PEOPLE, DIM))
    splits = {
        "train": (range(KNOWN), range(40)),
        "val_seen": (range(KNOWN), range(40, 50)),
        "val_unseen": (range(KNOWN, 10), range(IMAGES)),
        "test_seen": (range(KNOWN), range(50, IMAGES)),
        "test_unseen": (range(10, PEOPLE), range(IMAGES)),
    }
    rows = [(s, u, i) for s, (users, images) in splits.items() for u in users for i in images]
    users, images = np.array([u for _, u, _ in rows]), np.array([i for _, _, i in rows])
    liking = 3 + np.einsum("nd,nd->n", taste[users], image[images]) / 3 + 0.1 * rng.normal(size=len(rows))
    dataset = Dataset(
        root=Path("ratings"),
        user_ids=tuple(person.id for person in tiny_people(PEOPLE)),
        demographics=tuple(person.demographics for person in tiny_people(PEOPLE)),
        image_ids=tuple(str(i) for i in range(IMAGES)),
        image_paths=tuple(Path(f"{i}.png") for i in range(IMAGES)),
        metadata=tuple({"prompt": "mossy rocks"} for _ in range(IMAGES)),
        users=users,
        images=images,
        scores=liking.clip(1, 5).astype(np.float32),
        splits=np.array([split for split, _, _ in rows]),
    )

    def random(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    features = Features(
        image=image,
        text=random(IMAGES, DIM),
        subject=random(IMAGES, DIM),
        metadata=random(IMAGES, PROFILE),
        inferred=random(IMAGES, PROFILE),
        demographics=random(PEOPLE, 3, PROFILE),
        vocabulary=VOCABULARY,
        combinations=random(len(VOCABULARY.combinations()), PROFILE),
        queries=random(len(VOCABULARY.queries()), DIM),
    )
    return dataset, features


def train_on(ratings: tuple[Dataset, Features], out: Path, recipe: Recipe, **options: Any) -> dict[str, Any]:
    given = {"encoder": {"id": "none", "sha256": "0"}, "sentence_encoder": {"id": "none"}, **options}
    return train(*ratings, recipe, out, world="sandbox:0", simulated=True, **given)


if __name__ == "__main__":
    train_on(tiny_ratings(), Path(sys.argv[1]), PLAIN)

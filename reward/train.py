"""Training PAMELA: mean squared error on ratings, behind frozen encoders (paper, sections 3.2 and 4).

Everything is encoded beforehand and stays in memory, so that a step is a few gathers, one forward and one
backward.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from .calibrate import calibrate
from .checkpoint import Card, Tables, write_checkpoint
from .data import Dataset
from .errors import DatasetError
from .evaluate import profiles_of, seen_users, unseen_users
from .features import Features
from .pamela import Pamela, PamelaConfig
from .people import KnownPerson
from .people_file import write_calibration


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's, where it names a value."""

    name: str = "paper"
    hidden: int = 512  # width of a token
    layers: int = 2  # of the fusion transformer
    heads: int = 8  # attention heads
    feedforward: int = 2048  # inner width of a fusion layer
    dropout: float = 0.1  # in the fusion transformer
    feature_dropout: float = 0.0  # of the image, text and metadata features
    interaction: bool = False  # [CLS] starts from taste * content
    learning_rate: float = 2e-5  # AdamW (section 4)
    batch_size: int = 32  # (section 4)
    epochs: int = 10  # (section 4)
    warmup_steps: int = 100  # linear, then the schedule (section 4)
    schedule: Literal["constant", "cosine"] = "constant"  # (section 4)
    weight_decay: float = 0.01  # of all weights but the user table
    user_decay: float = 0.01  # of the user table: pulls everyone towards the average taste
    user_learning_rate: float = 1.0  # of the user table, as a multiple
    user_init: float = 0.02  # standard deviation of the user table before training
    average: float = 0.0  # decay of the exponential moving average of the weights; 0 keeps the last weights
    drop_user: float = 0.1  # chance that a row loses its user token
    drop_demographics: float = 0.1  # … its demographics token
    drop_both: float = 0.1  # … both: the population
    drop_text: float = 0.1  # … its text token
    drop_metadata: float = 0.1  # … its metadata token
    as_in_loop: float = 0.4  # chance that the text is the bare subject, and metadata inferred from the image
    mixed: float = 0.2  # chance that a row tosses a coin for each of the two instead
    partial_demographics: float = 0.5  # chance that one field stands for all, as in a demographic group
    patience: int = 0  # epochs without a better validation before stopping; 0 runs all of them


PAPER = Recipe()
SANDBOX = Recipe(
    name="sandbox",
    hidden=128,
    layers=1,
    heads=4,
    feedforward=512,
    feature_dropout=0.2,
    interaction=True,
    learning_rate=2e-3,
    batch_size=256,
    epochs=8,
    schedule="cosine",
    weight_decay=0.2,
    user_decay=1.0,
    user_init=0.3,
    average=0.99,
    patience=3,
)


@dataclass(frozen=True)
class TrainingSet:
    """Features and ratings as tensors of one device; a row of zeros is an absent token."""

    image: Tensor  # [images, image_dim]
    text: Tensor  # [images, text_dim] released prompts
    subject: Tensor  # [images, text_dim] bare subjects
    metadata: Tensor  # [images, profile_dim] released
    inferred: Tensor  # [images, profile_dim] inferred from the pixels
    demographics: Tensor  # [users, variants, profile_dim]
    images: Tensor  # [n] image of each rating
    users: Tensor  # [n] user of each rating: rows of `demographics` and of the user table
    scores: Tensor  # [n] on the 1-5 scale

    def batch(self, rows: Tensor, recipe: Recipe) -> dict[str, Tensor]:
        """The tokens of some ratings as training sees them: sources mixed and tokens dropped at random."""

        def chance(probability: float) -> Tensor:
            return torch.rand(len(rows), device=rows.device) < probability

        images, users = self.images[rows], self.users[rows]
        partial = chance(recipe.partial_demographics)
        variant = torch.randint(self.demographics.shape[1], (len(rows),), device=rows.device) * partial
        loop, mixed = chance(recipe.as_in_loop), chance(recipe.mixed)
        bare = torch.where(mixed, chance(0.5), loop)[:, None]
        inferred = torch.where(mixed, chance(0.5), loop)[:, None]
        tokens = {
            "image": self.image[images],
            "text": torch.where(bare, self.subject[images], self.text[images]),
            "metadata": torch.where(inferred, self.inferred[images], self.metadata[images]),
            "demographics": self.demographics[users, variant],
            "user": users,
        }
        nobody = chance(recipe.drop_both)
        present = torch.stack(
            [
                torch.ones_like(nobody),
                ~chance(recipe.drop_text),
                ~chance(recipe.drop_metadata) & tokens["metadata"].any(1),
                ~chance(recipe.drop_demographics) & ~nobody & tokens["demographics"].any(1),
                ~chance(recipe.drop_user) & ~nobody,
            ],
            dim=1,
        )
        return tokens | {"present": present}


def fit(
    model: Pamela,
    data: TrainingSet,
    recipe: Recipe,
    seed: int,
    validate: Callable[[Pamela], dict[str, float]],
) -> Iterator[dict[str, float]]:
    """Train in place, yielding each epoch's metrics; when the iteration ends, the model holds the best epoch.

    `validate` returns metrics, of which "validation" decides (higher is better).
    """
    torch.manual_seed(seed)
    averaged = deepcopy(model) if recipe.average else model
    optimizer = _optimizer(model, recipe)
    batches = math.ceil(len(data.scores) / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, recipe.epochs * batches, recipe)
    )
    best, best_epoch, best_state = -math.inf, 0, deepcopy(model.state_dict())
    for epoch in range(1, recipe.epochs + 1):
        started = time.monotonic()
        model.train()
        losses = []
        order = torch.randperm(len(data.scores), device=data.scores.device)
        for number, rows in enumerate(order.split(recipe.batch_size)):
            predicted = model(**data.batch(rows, recipe))
            # in units of the ratings' variance, so that a learning rate means the same on every data set
            loss = torch.mean(((predicted - data.scores[rows]) / model.score_scale) ** 2)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if recipe.average:
                _move_average(averaged, model, recipe.average, (epoch - 1) * batches + number)
            losses.append(loss.detach())
        metrics = {"epoch": epoch, "loss": float(torch.stack(losses).mean()), **validate(averaged.eval())}
        yield metrics | {"seconds": round(time.monotonic() - started, 1)}
        if metrics["validation"] > best:
            best, best_epoch, best_state = metrics["validation"], epoch, deepcopy(averaged.state_dict())
        elif recipe.patience and epoch - best_epoch >= recipe.patience:
            break
    model.load_state_dict(best_state)
    model.eval()


def _optimizer(model: Pamela, recipe: Recipe) -> torch.optim.AdamW:
    rest = [p for name, p in model.named_parameters() if name != "users.weight"]
    return torch.optim.AdamW(
        [
            {"params": rest, "weight_decay": recipe.weight_decay},
            {
                "params": [model.users.weight],
                "weight_decay": recipe.user_decay,
                "lr": recipe.learning_rate * recipe.user_learning_rate,
            },
        ],
        lr=recipe.learning_rate,
    )


def _rate(step: int, steps: int, recipe: Recipe) -> float:
    """Learning rate at a step, as a share of the recipe's."""
    warm = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    if recipe.schedule == "constant":
        return warm
    return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def _move_average(averaged: Pamela, model: Pamela, decay: float, step: int) -> None:
    decay = min(decay, (step + 1) / (step + 10))  # the first weights are forgotten quickly
    with torch.no_grad():
        for slow, fast in zip(averaged.parameters(), model.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)


def train(
    dataset: Dataset,
    features: Features,
    recipe: Recipe,
    out: Path,
    *,
    world: str,
    simulated: bool,
    encoder: Mapping[str, Any],
    sentence_encoder: Mapping[str, Any],
    licences: tuple[str, ...] = (),
    seed: int = 0,
    resample: bool = False,
    device: str = "cpu",
    progress: Callable[[Mapping[str, float]], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Train a predictor, write its checkpoint to `out`, return a report: epochs, the best of them, seconds.

    `encoder` and `sentence_encoder` are written into the checkpoint as they are. `resample` draws each
    person's
    training rows with replacement: a second judge of the same people that has seen other evidence.
    `progress` gets
    the metrics of every epoch. Raises DatasetError if there is nothing to train on.
    """
    started = time.monotonic()
    rows = dataset.rows("train")
    if not len(rows):
        raise DatasetError(f"{dataset.root} has no training ratings: unpack the whole archive")
    table = np.unique(dataset.users[rows])  # the data set's user of each row of the user table
    if resample:
        rows = _resampled(rows, dataset.users[rows], np.random.default_rng(seed))
    data = _training_set(dataset, features, rows, table, device)
    profiles = profiles_of(dataset, features, rows, table)
    torch.manual_seed(seed)
    model = _initial_model(features, recipe, data, users=len(table)).to(device)

    def validate(current: Pamela) -> dict[str, float]:
        seen = seen_users(current, table, dataset, features, "val_seen").user_level(dataset)
        loop = seen_users(current, table, dataset, features, "val_seen", as_in_loop=True).user_level(dataset)
        unseen = unseen_users(current, profiles, dataset, features, "val_unseen", seed).user_level(dataset)
        metrics = {"val_seen": seen.srocc, "val_seen_as_in_loop": loop.srocc, "val_unseen": unseen.srocc}
        means = {name: float(np.mean(values)) for name, values in metrics.items() if len(values)}
        # nothing to validate on: later is better
        return {"validation": float(np.mean(list(means.values()))) if means else 0.0, **means}

    history = []
    for epoch in fit(model, data, recipe, seed, validate):
        history.append(epoch)
        progress(epoch)
    best = max(history, key=lambda epoch: epoch["validation"])
    counts = np.bincount(dataset.users[dataset.rows("train")], minlength=len(dataset.user_ids))
    card = Card(
        world=world,
        simulated=simulated,
        config=model.config,
        encoder=encoder,
        sentence_encoder=sentence_encoder,
        people=tuple(
            KnownPerson(dataset.user_ids[user], dict(dataset.demographics[user]), int(counts[user]))
            for user in table
        ),
        metadata_vocabulary=features.vocabulary,
        trained={
            "recipe": asdict(recipe),
            "seed": seed,
            "resampled": resample,
            "rows": len(rows),
            "metrics": {name: round(value, 4) for name, value in best.items() if name != "seconds"},
        },
        licences=licences,
    )
    tables = Tables(profiles, features.demographics[table, 0], features.combinations, features.queries)
    write_checkpoint(out, model.cpu(), card, tables)
    write_calibration(out, calibrate(model, table, dataset, features, seed))
    return {"epochs": history, "best": best, "seconds": round(time.monotonic() - started, 1)}


def _initial_model(features: Features, recipe: Recipe, data: TrainingSet, users: int) -> Pamela:
    model = Pamela(
        PamelaConfig(
            image_dim=features.image.shape[1],
            text_dim=features.text.shape[1],
            profile_dim=features.metadata.shape[1],
            hidden=recipe.hidden,
            layers=recipe.layers,
            heads=recipe.heads,
            feedforward=recipe.feedforward,
            dropout=recipe.dropout,
            feature_dropout=recipe.feature_dropout,
            interaction=recipe.interaction,
        ),
        users,
    )
    trained = data.images.unique()
    model.image[0].fit(data.image[trained])
    model.text[0].fit(torch.cat([data.text[trained], data.subject[trained]]))
    model.metadata[0].fit(_known(torch.cat([data.metadata[trained], data.inferred[trained]])))
    model.demographics[0].fit(_known(data.demographics.flatten(0, 1)))
    model.score_mean.copy_(data.scores.mean())
    model.score_scale.copy_(data.scores.std().clamp_min(1e-6))
    torch.nn.init.normal_(model.users.weight, std=recipe.user_init)
    return model


def _known(rows: Tensor) -> Tensor:
    """Rows that are not absent; one row of zeros where all are."""
    known = rows[rows.any(1)]
    return known if len(known) else rows[:1]


def _training_set(
    dataset: Dataset, features: Features, rows: np.ndarray, table: np.ndarray, device: str
) -> TrainingSet:
    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    return TrainingSet(
        image=tensor(features.image),
        text=tensor(features.text),
        subject=tensor(features.subject),
        metadata=tensor(features.metadata),
        inferred=tensor(features.inferred),
        demographics=tensor(features.demographics[table]),
        images=tensor(dataset.images[rows]),
        users=tensor(np.searchsorted(table, dataset.users[rows])),
        scores=tensor(dataset.scores[rows]),
    )


def _resampled(rows: np.ndarray, users: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each user's rows drawn with replacement, as many as there were."""
    mine = (rows[users == user] for user in np.unique(users))
    return np.concatenate([rng.choice(of_one, len(of_one)) for of_one in mine])

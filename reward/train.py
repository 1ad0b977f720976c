"""Training PAMELA: mean squared error on ratings, end to end behind frozen encoders (paper, sections 3.2 and 4).

Everything is encoded beforehand and stays in memory, so that a step is a few gathers, one forward and one backward.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from .checkpoint import Card, Tables, write_checkpoint
from .data import Dataset
from .features import Features
from .metrics import UserLevel, user_level
from .pamela import TOKENS, Pamela, PamelaConfig
from .people import KnownPerson, interpolate_user, preference_profile

CONTEXT = 15  # rated images of an unseen user (section 4)


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's, where it names a value."""

    name: str = "paper"
    hidden: int = 512  # width of a token
    layers: int = 2  # of the fusion transformer
    heads: int = 8  # attention heads
    feedforward: int = 2048  # inner width of a fusion layer
    dropout: float = 0.1  # in the fusion transformer
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
    bare_text: float = 0.5  # chance that the text is the bare subject, as in the loop
    inferred_metadata: float = 0.5  # chance that metadata is inferred from the image, as in the loop
    partial_demographics: float = 0.5  # chance that one field stands for all, as in a demographic group
    patience: int = 0  # epochs without a better validation before stopping; 0 runs all of them


PAPER = Recipe()
SANDBOX = Recipe(
    name="sandbox",
    hidden=128,
    layers=2,
    heads=4,
    feedforward=256,
    dropout=0.1,
    learning_rate=2e-3,
    batch_size=512,
    epochs=20,
    schedule="cosine",
    weight_decay=0.05,
    user_decay=0.05,
    average=0.99,
    patience=5,
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
        bare, inferred = chance(recipe.bare_text)[:, None], chance(recipe.inferred_metadata)[:, None]
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


@torch.no_grad()
def _move_average(averaged: Pamela, model: Pamela, decay: float, step: int) -> None:
    decay = min(decay, (step + 1) / (step + 10))  # the first weights are forgotten quickly
    for slow, fast in zip(averaged.parameters(), model.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)

"""The optimisation: mean squared error on ratings behind frozen encoders (paper, sections 3.2 and 4).

Everything is encoded beforehand, in memory or in mapped files, so that a step is a few gathers, one forward
and one backward. Several processes (one for each GPU) split every batch among them: the recipe's batch size,
and so what is learned, does not depend on how many there are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from accelerate.utils import broadcast, broadcast_object_list
from torch import Tensor, nn

from reward.errors import TrainingError
from reward.predictor.network import Pamela
from reward.training.journal import Journal
from reward.training.recipe import Recipe
from reward.training.resume import TrainingState

Metrics = dict[str, float]


def accelerator_for(device: str = "auto") -> Accelerator:
    """One CPU, one GPU, or this process's part of a launch by torchrun or accelerate; "cpu" uses no GPU."""
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision="no",  # a network of a few million weights: precision costs nothing
        # the others wait while one encodes
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=12))],
    )


@dataclass(frozen=True)
class TrainingSet:
    """Features and ratings as tensors of one device; a row of zeros is an absent token."""

    image: Tensor  # [images, picture_dim]
    text: Tensor  # [images, text_dim] released prompts
    subject: Tensor  # [images, text_dim] bare subjects
    metadata: Tensor  # [images, profile_dim] released
    inferred: Tensor  # [images, profile_dim] inferred from the pixels
    demographics: Tensor  # [users, variants, profile_dim]
    images: Tensor  # [n] image of each rating
    users: Tensor  # [n] user of each rating: rows of `demographics` and of the user table
    scores: Tensor  # [n] on the 1-5 scale
    sources: Tensor  # [users] number of each one's data set

    def order(self, balance: float) -> Tensor:
        """Rows of one epoch [n], in a random order.

        0 takes every rating once; 1 as many of each data set; between them a data set's share is that of its
        ratings to the power of 1 - balance. Of one that is drawn more often every rating is taken as often
        as the others, or once more.
        """
        count, device = len(self.scores), self.scores.device
        source = self.sources[self.users]
        parts = [torch.nonzero(source == name).squeeze(1) for name in source.unique()] if balance else []
        if len(parts) < 2:
            return torch.randperm(count, device=device)
        weights = torch.tensor([float(len(part)) ** (1 - balance) for part in parts], dtype=torch.float64)
        ends = (weights.cumsum(0) / weights.sum() * count).round().long().tolist()
        drawn = []
        for part, wanted in zip(parts, (b - a for a, b in pairwise([0, *ends])), strict=True):
            rounds = [torch.randperm(len(part), device=device) for _ in range(math.ceil(wanted / len(part)))]
            drawn.append(part[torch.cat(rounds)[:wanted]] if rounds else part[:0])
        rows = torch.cat(drawn)
        return rows[torch.randperm(count, device=device)]

    def batch(self, rows: Tensor, recipe: Recipe) -> dict[str, Tensor]:
        """The tokens of some ratings as training sees them: sources mixed and tokens dropped at random."""

        def chance(probability: float) -> Tensor:
            return torch.rand(len(rows), device=rows.device) < probability

        images, users = self.images[rows], self.users[rows]
        partial = chance(recipe.partial_demographics)
        variant = torch.randint(self.demographics.shape[1], (len(rows),), device=rows.device) * partial
        loop, mixed = chance(recipe.as_in_loop), chance(recipe.mixed)
        bare = torch.where(mixed, chance(0.5), loop)
        inferred = torch.where(mixed, chance(0.5), loop)

        def either(usual: Tensor, other: Tensor, swapped: Tensor) -> Tensor:
            found = usual[images]
            found[swapped] = other[images[swapped]]  # only these are read: rows may lie on a disk
            return found

        tokens = {
            "image": self.image[images],
            "text": either(self.text, self.subject, bare),
            "metadata": either(self.metadata, self.inferred, inferred),
            "demographics": self.demographics[users, variant],
            "user": users,
        }
        nobody = chance(recipe.drop_both)
        present = torch.stack(
            [
                torch.ones_like(nobody),
                ~chance(recipe.drop_text) & tokens["text"].any(1),
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
    validate: Callable[[Pamela], Mapping[str, float]],
    accelerator: Accelerator | None = None,
    journal: Journal | None = None,
) -> Iterator[Metrics]:
    """Train in place, yielding each epoch's metrics; when the iteration ends, the model holds the best epoch.

    `validate` returns metrics, of which "validation" decides (higher is better; where there is none, later
    is better). With a journal, the training goes on from the state saved there, its past epochs are yielded
    again, and all that follows is what it would have been without the break. Raises TrainingError when the
    loss is no longer a number.
    """
    accelerator = accelerator or accelerator_for(data.scores.device.type)
    torch.manual_seed(seed + accelerator.process_index)
    batches = math.ceil(len(data.scores) / recipe.batch_size)
    state = TrainingState.start(model, _optimizer(model, recipe), recipe.average > 0, batches)
    if journal:
        journal.begin(state)
    forward = accelerator.prepare_model(model)
    yield from list(state.history)
    while not _finished(state, recipe):
        _run_epoch(state, forward, data, recipe, accelerator, journal)
        metrics = _end_epoch(state, validate, accelerator)
        if journal:
            journal.log(state.step, metrics)
            journal.save(state)
        yield metrics
    model.load_state_dict(state.best)
    model.eval()


def _run_epoch(
    state: TrainingState,
    forward: nn.Module,
    data: TrainingSet,
    recipe: Recipe,
    accelerator: Accelerator,
    journal: Journal | None,
) -> None:
    """All batches of the epoch, or those that are left of it."""
    started, logged = time.monotonic() - state.seconds, time.monotonic()
    if state.batch == 0:
        state.order = broadcast(data.order(recipe.balance))
    state.model.train()
    first = state.batch
    for batch in state.order.split(recipe.batch_size)[first:]:
        state.losses[state.batch] = _step(state, forward, data, batch, recipe, accelerator)
        state.batch += 1
        state.seconds = time.monotonic() - started
        if journal and state.step % journal.log_every == 0:
            since = max(first, state.batch - journal.log_every)
            speed = (state.batch - since) * recipe.batch_size / (time.monotonic() - logged)
            figures = {"epoch": state.epoch, "loss": _mean_loss(state, since, accelerator)}
            figures["learning_rate"] = recipe.learning_rate * _rate(state.step - 1, state, recipe)
            journal.log(state.step, figures | {"ratings_per_second": round(speed, 1)})
            logged = time.monotonic()
        if journal and state.step % journal.save_every == 0 and state.batch < len(state.losses):
            journal.save(state)
    state.model.eval()


def _step(
    state: TrainingState,
    forward: nn.Module,
    data: TrainingSet,
    batch: Tensor,
    recipe: Recipe,
    accelerator: Accelerator,
) -> Tensor:
    """One step on a batch of rows, or on this process's share of it; returns the share's loss."""
    rows, weight = batch, 1.0
    if accelerator.num_processes > 1:
        rows = batch[accelerator.process_index :: accelerator.num_processes]
        weight = len(rows) * accelerator.num_processes / len(batch)  # gradients are averaged over processes
        rows = rows if len(rows) else batch[:1]  # a last batch too small for all: counted with weight 0
    for group in state.optimizer.param_groups:
        group["lr"] = group["initial_lr"] * _rate(state.step, state, recipe)
    predicted = forward(**data.batch(rows, recipe))
    # in units of the ratings' variance, so that a learning rate means the same on every data set
    loss = torch.mean(((predicted - data.scores[rows]) / state.model.score_scale) ** 2)
    if weight != 1.0:
        loss = loss * weight
    state.optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss)
    if recipe.clip:
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), recipe.clip)
    state.optimizer.step()
    if recipe.average:
        _move_average(state.averaged, state.model, recipe.average, state.step)
    return loss.detach()


def _end_epoch(
    state: TrainingState, validate: Callable[[Pamela], Mapping[str, float]], accelerator: Accelerator
) -> Metrics:
    """Validate, remember the best weights, and turn to the next epoch."""
    started = time.monotonic()
    loss = _mean_loss(state, 0, accelerator)
    found = [dict(validate(state.averaged.eval()))] if accelerator.is_main_process else [{}]
    metrics = {"epoch": state.epoch, "loss": loss, **broadcast_object_list(found)[0]}
    score = metrics.get("validation")
    best = (
        state.history[state.best_epoch - 1]["validation"] if state.best_epoch and score is not None else None
    )
    if score is None or best is None or score > best:
        state.best_epoch = state.epoch
        state.best = deepcopy(state.averaged.state_dict())
    metrics["seconds"] = round(state.seconds + time.monotonic() - started, 1)
    state.history.append(metrics)
    state.epoch, state.batch, state.seconds = state.epoch + 1, 0, 0.0
    return metrics


def _finished(state: TrainingState, recipe: Recipe) -> bool:
    done = state.epoch - 1
    return done >= recipe.epochs or (recipe.patience > 0 and done - state.best_epoch >= recipe.patience)


def _mean_loss(state: TrainingState, since: int, accelerator: Accelerator) -> float:
    """Mean loss of this epoch's batches from `since` on. Raises TrainingError where it is not a number."""
    loss = float(accelerator.reduce(state.losses[since : state.batch].mean(), "mean"))
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is no longer a number in epoch {state.epoch}: train again with a lower --learning-rate"
        )
    return loss


def _optimizer(model: Pamela, recipe: Recipe) -> torch.optim.AdamW:
    rest = [p for name, p in model.named_parameters() if name != "users.weight"]
    rate, user_rate = recipe.learning_rate, recipe.learning_rate * recipe.user_learning_rate
    return torch.optim.AdamW(
        [
            {"params": rest, "weight_decay": recipe.weight_decay, "initial_lr": rate},
            {"params": [model.users.weight], "weight_decay": recipe.user_decay, "initial_lr": user_rate},
        ],
        lr=rate,
        fused=recipe.fused or None,  # None: torch chooses between its other two
    )


def _rate(step: int, state: TrainingState, recipe: Recipe) -> float:
    """Learning rate at a step, counted from 0, as a share of the recipe's."""
    warm = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    if recipe.schedule == "constant":
        return warm
    return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / (recipe.epochs * len(state.losses)))))


def _move_average(averaged: Pamela, model: Pamela, decay: float, step: int) -> None:
    decay = min(decay, (step + 1) / (step + 10))  # the first weights are forgotten quickly
    with torch.no_grad():
        for slow, fast in zip(averaged.parameters(), model.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)

"""Training PAMELA on a data set, or on several at once (paper, section 3.2), and writing its checkpoint."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from reward.data import Dataset
from reward.encoders.features import Features
from reward.encoders.statistics import VERSION
from reward.errors import DatasetError, TrainingError
from reward.evaluation.evaluate import Predictions, profiles_of, seen_users, unseen_users
from reward.files import write_whole
from reward.people.known import write_calibration
from reward.people.person import KnownPerson
from reward.predictor.checkpoint import CheckpointCard, Tables, write_checkpoint
from reward.predictor.ensemble import Ensemble
from reward.predictor.linear_tastes import LinearTastes
from reward.predictor.model_card import PAGE, page
from reward.predictor.network import Pamela, PamelaConfig, TasteModel
from reward.provenance import of_data, versions
from reward.training.calibrate import calibrate
from reward.training.fit import TrainingSet, accelerator_for, fit
from reward.training.journal import Journal
from reward.training.linear_tastes import fit_linear_tastes, standardise
from reward.training.recipe import PAPER, RECIPES, STEER, Recipe

__all__ = ["PAPER", "RECIPES", "STEER", "Recipe", "TrainingSet", "train"]
NEXT_SEED = 100  # between the networks of one predictor


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
    keep_demographics: bool | None = None,
    device: str = "cpu",
    accelerator: Accelerator | None = None,
    journal: Path | None = None,
    resume: bool = False,
    save_every: int = 2000,
    tensorboard: bool = False,
    progress: Callable[[Mapping[str, float]], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Train a predictor, write its checkpoint to `out`, return a report: epochs, the best of them, seconds.

    `encoder` and `sentence_encoder`, by an "id" at least, are written into the checkpoint. `resample`
    draws each person's training rows with replacement: a second judge of the same people that has seen other
    evidence.
    `keep_demographics`: whether the checkpoint holds what the people told of themselves; by default only
    where they are simulated. Without, they are scored by the learnt taste alone, and there are no groups.
    `accelerator` says where to train, as `accelerator_for` makes it; without one it is `device`. `journal` is
    a folder for metrics and, every `save_every` steps and every epoch, the state that `resume` goes on from,
    to the same weights. `progress` gets the metrics of every epoch. Raises DatasetError if there is nothing
    to learn from, TrainingError, CheckpointError.
    """
    started = time.monotonic()
    for name, given in (("encoder", encoder), ("sentence_encoder", sentence_encoder)):
        if "id" not in given:
            raise TrainingError(f"{name} has no id, by which a checkpoint finds it again: give it one")
    accelerator = accelerator or accelerator_for(device)
    if not recipe.image_statistics:
        features = replace(features, statistics=None)
    elif features.statistics is None:
        raise DatasetError("the recipe asks for image statistics and the features hold none: measure them")
    rows = _training_rows(dataset, features)
    table = np.unique(dataset.users[rows])  # the data set's user of each row of the user table
    if resample:
        rows = _resampled(rows, dataset.users[rows], np.random.default_rng(seed))
    data = _training_set(dataset, features, rows, table, accelerator.device)
    profiles = profiles_of(dataset, features, rows, table)
    identity = {
        "recipe": asdict(recipe),
        "seed": seed,
        "encoder": dict(encoder),
        "text encoder": dict(sentence_encoder),
        "data set": _digest(data),
        "number of processes": accelerator.num_processes,
    }

    def validate(current: TasteModel) -> dict[str, float]:
        return validation(current, table, profiles, dataset, features, seed, recipe.in_loop)

    networks: list[Pamela] = []
    journals: list[Journal] = []
    history: list[Mapping[str, float]] = []
    for number in range(recipe.networks):
        own = seed + number * NEXT_SEED
        torch.manual_seed(own)
        network = _initial_model(features, recipe, data, users=len(table)).to(accelerator.device)
        if journal:
            folder = journal / f"network-{number + 1}" if number else journal
            told = {**identity, "seed": own}
            journals.append(
                Journal(
                    folder, told, accelerator, resume=resume, save_every=save_every, tensorboard=tensorboard
                )
            )
        written_to = journals[-1] if journals else None
        for epoch in fit(network, data, recipe, own, validate, accelerator, written_to):
            history.append(epoch)
            progress(epoch)
        networks.append(network)
    best: Mapping[str, float] = max(history, key=lambda epoch: epoch.get("validation", epoch["epoch"]))
    members: list[TasteModel] = [*networks]
    if recipe.properties:
        members.append(_linear_tastes(networks[0].config, recipe, data, users=len(table)))
    model = members[0] if len(members) == 1 else Ensemble(members)
    if len(members) > 1:
        best = validate(model.eval())
    counts = np.bincount(dataset.users[dataset.rows("train")], minlength=len(dataset.user_ids))
    kept = simulated if keep_demographics is None else keep_demographics
    if not kept:
        features = replace(features, demographics=np.zeros_like(features.demographics))
    card = CheckpointCard(
        world=world,
        simulated=simulated,
        config=networks[0].config,
        networks=recipe.networks,
        properties=recipe.properties,
        statistics=VERSION if recipe.image_statistics else 0,
        encoder=encoder,
        sentence_encoder=sentence_encoder,
        people=tuple(
            KnownPerson(
                dataset.user_ids[user],
                dict(dataset.demographics[user]) if kept else dict.fromkeys(dataset.demographics[user]),
                int(counts[user]),
            )
            for user in table
        ),
        metadata_vocabulary=features.vocabulary,
        trained={
            "recipe": asdict(recipe),
            "seed": seed,
            "resampled": resample,
            "rows": len(rows),
            "data": of_data(dataset),
            "versions": versions(),
            "metrics": {name: round(value, 4) for name, value in best.items() if name != "seconds"},
        },
        licences=licences,
    )
    tables = Tables(profiles, features.demographics[table, 0], features.combinations, features.queries)
    if accelerator.is_main_process:
        write_checkpoint(out, model.cpu(), card, tables)
        write_calibration(out, calibrate(model, table, dataset, features, seed))
        write_whole(out / PAGE, page(card, out.resolve().name).encode())
    accelerator.wait_for_everyone()
    for written in journals:
        written.finish()
    return {"epochs": history, "best": best, "seconds": round(time.monotonic() - started, 1)}


def validation(
    model: TasteModel,
    table: np.ndarray,
    profiles: np.ndarray,
    dataset: Dataset,
    features: Features,
    seed: int,
    in_loop: bool = True,
) -> dict[str, float]:
    """SROCC within each person, mean over the people of a data set, then over data sets.

    Of seen people (`in_loop`: also with what the loop has, the bare subject and inferred metadata) and of
    unseen people by equation 1; "validation" is the mean of these, left out where no split has ratings
    enough.
    """
    predicted = {
        "val_seen": seen_users(model, table, dataset, features, "val_seen"),
        **(
            {"val_seen_as_in_loop": seen_users(model, table, dataset, features, "val_seen", as_in_loop=True)}
            if in_loop
            else {}
        ),
        "val_unseen": unseen_users(model, profiles, dataset, features, "val_unseen", seed),
    }
    by_source = {name: _by_source(dataset, predictions) for name, predictions in predicted.items()}
    means = {name: float(np.mean(list(found.values()))) for name, found in by_source.items() if found}
    several = {
        f"{name}/{source}": value
        for name, found in by_source.items()
        for source, value in found.items()
        if len(found) > 1
    }
    if not means:
        return {}
    return {"validation": float(np.mean(list(means.values()))), **means, **several}


def _by_source(dataset: Dataset, predictions: Predictions) -> dict[str, float]:
    """Data set -> mean SROCC of its people."""
    level = predictions.user_level(dataset)
    sources = np.array([dataset.source(user) for user in level.users])
    return {str(name): float(np.mean(level.srocc[sources == name])) for name in np.unique(sources)}


def _training_rows(dataset: Dataset, features: Features) -> np.ndarray:
    """The ratings to learn from. Raises DatasetError where nothing can be learned from them."""
    rows = dataset.rows("train")
    scores = dataset.scores[rows]
    if not len(rows):
        raise DatasetError(f"{dataset.root} has no training ratings: unpack the whole archive")
    if not np.isfinite(scores).all():
        first = rows[np.flatnonzero(~np.isfinite(scores))[0]]
        raise DatasetError(
            f"{int((~np.isfinite(scores)).sum())} training ratings are not numbers, the first by user "
            f"{dataset.user_ids[dataset.users[first]]} of image {dataset.image_ids[dataset.images[first]]}: "
            "correct or remove them"
        )
    if np.ptp(scores) == 0:
        raise DatasetError(
            f"all {len(rows)} training ratings of {dataset.root} are {scores[0]:g}, so there is nothing to "
            "learn: check that the right column was read as the rating"
        )
    sizes = (len(features.image), len(features.demographics))
    if sizes != (len(dataset.image_ids), len(dataset.user_ids)):
        raise DatasetError(
            f"the features are of {sizes[0]} images and {sizes[1]} users, the data set has "
            f"{len(dataset.image_ids)} and {len(dataset.user_ids)}: encode this data set"
        )
    for name in ("image", "text", "subject", "metadata", "inferred", "demographics", "pictures"):
        wrong = ~np.isfinite(getattr(features, name)).reshape(len(getattr(features, name)), -1).all(1)
        if wrong.any():
            raise DatasetError(
                f"{int(wrong.sum())} rows of the {name} features are not numbers, the first is row "
                f"{int(np.flatnonzero(wrong)[0])}: delete the folder of features and encode again"
            )
    return rows


def _digest(data: TrainingSet) -> str:
    """sha256 over everything that training reads."""
    digest = hashlib.sha256()
    for name, tensor in vars(data).items():
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().numpy().data)
    return digest.hexdigest()


def _initial_model(features: Features, recipe: Recipe, data: TrainingSet, users: int) -> Pamela:
    model = Pamela(
        PamelaConfig(
            image_dim=features.image.shape[1],
            statistics=0 if features.statistics is None else features.statistics.shape[1],
            text_dim=features.text.shape[1],
            profile_dim=features.metadata.shape[1],
            hidden=recipe.hidden,
            layers=recipe.layers,
            heads=recipe.heads,
            feedforward=recipe.feedforward,
            dropout=recipe.dropout,
            feature_dropout=recipe.feature_dropout,
            interaction=recipe.interaction,
            zeroed=recipe.population == "zeroed",
        ),
        users,
    )
    trained = data.images.unique()
    standardise(model.image[0], [data.image], trained)
    standardise(model.text[0], [data.text, data.subject] if recipe.in_loop else [data.text], trained)
    metadata = [data.metadata, data.inferred] if recipe.in_loop else [data.metadata]
    standardise(model.metadata[0], metadata, trained)
    described = data.demographics.flatten(0, 1)
    standardise(model.demographics[0], [described], torch.arange(len(described), device=described.device))
    model.score_mean.copy_(data.scores.mean())
    model.score_scale.copy_(data.scores.std().clamp_min(1e-6))
    torch.nn.init.normal_(model.users.weight, std=recipe.user_init)
    return model


def _linear_tastes(config: PamelaConfig, recipe: Recipe, data: TrainingSet, users: int) -> LinearTastes:
    """On the processor of the data; the same in every process."""
    model = LinearTastes(config, recipe.properties, users).to(data.scores.device)
    fit_linear_tastes(model, data, personal=max(recipe.drop_user, recipe.drop_both) < 1)
    return model.requires_grad_(False).eval()


def _training_set(
    dataset: Dataset, features: Features, rows: np.ndarray, table: np.ndarray, device: torch.device
) -> TrainingSet:
    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    return TrainingSet(
        image=tensor(features.pictures),
        text=tensor(features.text),
        subject=tensor(features.subject),
        metadata=tensor(features.metadata),
        inferred=tensor(features.inferred),
        demographics=tensor(features.demographics[table]),
        images=tensor(dataset.images[rows]),
        users=tensor(np.searchsorted(table, dataset.users[rows])),
        scores=tensor(dataset.scores[rows]),
        sources=tensor(np.unique([dataset.source(user) for user in table], return_inverse=True)[1]),
    )


def _resampled(rows: np.ndarray, users: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each user's rows drawn with replacement, as many as there were."""
    mine = (rows[users == user] for user in np.unique(users))
    return np.concatenate([rng.choice(of_one, len(of_one)) for of_one in mine])

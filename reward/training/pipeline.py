"""From a data set and two encoders to a predictor, and from a predictor to its figures on a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator

from reward.data import Dataset
from reward.encoders.features import Features, encode_dataset
from reward.encoders.image_text import ImageTextEncoder, SentenceEncoder, sentence_encoder
from reward.encoders.sentences import NEMOTRON_ID, SENTENCE_ENCODER_ID
from reward.encoders.weights import commit_of, content_hash, resolve
from reward.errors import CheckpointError, DatasetError
from reward.evaluation.evaluate import CONTEXT, Predictions, known_ratings, predict, seen_users, unseen_users
from reward.evaluation.metrics import METRICS, UserLevel, average_draws, population_level
from reward.licences import licences_of
from reward.people.newcomer import Method, check_method
from reward.people.person import KnownPerson
from reward.predictor.checkpoint import CARD_FILE, SENTENCE_FILES
from reward.predictor.predictor import Predictor
from reward.training.fit import accelerator_for
from reward.training.recipe import Recipe
from reward.training.train import train

SIGLIP2_ID = "google/siglip2-so400m-patch14-384"  # the paper names no size; this is its authors' usual one
Progress = Callable[[str, int, int], None]  # what, done, of


@dataclass(frozen=True)
class EncoderNames:
    """Which frozen encoders stand in front of a predictor: hub ids (with @revision to pin one) or folders."""

    image_text: str = SIGLIP2_ID
    sentences: str = NEMOTRON_ID
    licence: str | None = None  # of image_text in the table of licences, where its name is not an id there

    def load(self, device: str = "cpu") -> tuple[ImageTextEncoder, SentenceEncoder]:
        """Both, on a device. Raises CheckpointError with the next step."""
        return (
            ImageTextEncoder.load(*_revision(self.image_text), device),
            sentence_encoder(*_revision(self.sentences), device),
        )


def train_predictor(
    dataset: Dataset,
    out: Path,
    recipe: Recipe,
    names: EncoderNames,
    store: Path,
    *,
    subjects: Mapping[str, str] | None = None,
    seed: int = 0,
    accelerator: Accelerator | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    encoding: Progress = lambda what, done, of: None,
    progress: Callable[[Mapping[str, float]], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Encode what is not in `store` yet, train, write the checkpoint to `out`; returns the report of `train`.

    `subjects`: image id -> what it shows in a few words. Raises DatasetError, ImageError, CheckpointError,
    TrainingError.
    """
    if (out / CARD_FILE).exists():
        raise CheckpointError(f"{out} holds a trained predictor already: name another --out")
    accelerator = accelerator or accelerator_for()
    encoder, sentences = names.load(str(accelerator.device))
    with accelerator.main_process_first():  # the others find everything in the store
        features = encode_dataset(dataset, encoder, sentences, store, subjects, encoding)
    report = train(
        dataset,
        features,
        recipe,
        out,
        world=dataset.name,
        simulated=dataset.simulated,
        encoder=_image_text_card(names.image_text, encoder, out),
        sentence_encoder=_sentences_card(names.sentences, out),
        licences=licences(dataset, names),
        seed=seed,
        accelerator=accelerator,
        journal=out,
        resume=resume,
        tensorboard=tensorboard,
        progress=progress,
    )
    return report


def licences(dataset: Dataset, names: EncoderNames) -> tuple[str, ...]:
    """Who may use a predictor that was trained on these data behind these encoders."""
    data = [{"pamela": "PAMELA", "lapis": "LAPIS", "para": "PARA"}.get(n, n) for n in dataset.name.split("+")]
    data = ["sandbox weights and data" if name == "sandbox" else name for name in data]
    return licences_of(*data, names.licence or _revision(names.image_text)[0], _revision(names.sentences)[0])


@dataclass(frozen=True)
class SplitFigures:
    """How good the predictions for one split are."""

    split: str
    users: int  # with enough varied ratings to be judged
    left_out: int  # without
    images: int  # with at least two raters, for the population's figures
    personal: Mapping[
        str, Mapping[str, float]
    ]  # metric -> value, low, high: within each user, mean over them
    population: Mapping[str, float]  # metric -> value: over images, of the population's prediction


def evaluate_predictor(
    predictor: Predictor,
    dataset: Dataset,
    store: Path,
    splits: tuple[str, ...],
    *,
    subjects: Mapping[str, str] | None = None,
    method: Method = "mix",
    draws: int = 20,
    seed: int = 0,
    encoding: Progress = lambda what, done, of: None,
) -> list[SplitFigures]:
    """Figures of a predictor on splits of the data set that it was trained on.

    Seen people by their embedding; unseen ones by a method of `reward.people.newcomer` ("knn" is equation 1)
    with 15 of their images, each person's mean over `draws` contexts. Intervals are 95% bootstraps over
    people. Raises CheckpointError for another data set than the predictor's own, DatasetError for a split
    with nobody to judge.
    """
    check_method(method)
    table = known_rows(predictor.people, dataset)
    features = encode_dataset(dataset, predictor.encoder, predictor.sentences, store, subjects, encoding)
    return [_figures(predictor, table, dataset, features, split, method, draws, seed) for split in splits]


def known_rows(people: tuple[KnownPerson, ...], dataset: Dataset) -> np.ndarray:
    """The data set's row of each known person, found by id and checked by how much they rated.

    Raises CheckpointError: ids are mere numbers, so other people of the same ids would pass unnoticed.
    """
    row = {id: i for i, id in enumerate(dataset.user_ids)}
    counts = np.bincount(dataset.users[dataset.rows("train")], minlength=len(dataset.user_ids))
    strangers = [p.id for p in people if p.id not in row or counts[row[p.id]] != p.ratings]
    if strangers:
        raise CheckpointError(
            f"the predictor was trained on other ratings than those in {dataset.root}: {len(strangers)} of "
            f"its {len(people)} people are not there or rated another number, first {strangers[0]}; give the "
            "data set that it was trained on"
        )
    return np.array([row[person.id] for person in people], np.int64)


def _figures(
    predictor: Predictor,
    table: np.ndarray,
    dataset: Dataset,
    features: Features,
    split: str,
    method: Method,
    draws: int,
    seed: int,
) -> SplitFigures:
    model, profiles, prior = predictor.model, predictor.tables.profiles, predictor.calibration.prior
    predicted: list[Predictions]
    if split.endswith("_unseen"):
        images = dataset.images[dataset.rows(split)]
        demographics = features.demographics[table, 0]
        known = known_ratings(model, demographics, features, images, predictor.sample_ratings)
        predicted = [
            unseen_users(
                model, profiles, dataset, features, split, seed + draw, CONTEXT,
                method=method, prior=prior, known=known,
            )
            for draw in range(draws)
        ]  # fmt: skip
    else:
        predicted = [seen_users(model, table, dataset, features, split)]
    level: UserLevel = average_draws([each.user_level(dataset) for each in predicted])
    if not len(level.users):
        raise DatasetError(
            f"nobody in {split} of {dataset.root} has enough varied ratings to be judged: name other splits "
            "by --split"
        )
    rows = dataset.rows(split)
    images = dataset.images[rows]
    crowd = population_level(images, dataset.scores[rows], predict(model, features, images))
    return SplitFigures(
        split=split,
        users=len(level.users),
        left_out=level.left_out,
        images=crowd.images,
        personal={name: asdict(interval) for name, interval in level.summary(seed).items()},
        population={name: getattr(crowd, name) for name in METRICS},
    )


def _revision(name: str) -> tuple[str, str | None]:
    """ "org/model@commit" -> both parts; a folder is a folder whatever its name."""
    id, at, revision = name.rpartition("@")
    return (id, revision) if at and not Path(name).is_dir() else (name, None)


def _image_text_card(name: str, encoder: ImageTextEncoder, out: Path) -> dict[str, Any]:
    return {**_located(name, out), "sha256": encoder.hash}


def _sentences_card(name: str, out: Path) -> dict[str, Any]:
    if name == SENTENCE_ENCODER_ID:  # its weights are a package, whose version is pinned
        return {"id": name}
    card = _located(name, out)
    if card["revision"] is None:  # a folder, which can change
        card["sha256"] = content_hash(resolve(name), SENTENCE_FILES)
    return card


def _located(name: str, out: Path) -> dict[str, Any]:
    """Where a checkpoint in `out` finds an encoder again: a folder from there, or an id at its commit."""
    if Path(name).is_dir():
        return {"id": Path(os.path.relpath(Path(name).resolve(), out.resolve())).as_posix(), "revision": None}
    id, revision = _revision(name)
    return {"id": id, "revision": commit_of(resolve(id, revision)) or revision}

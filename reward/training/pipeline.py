"""From a data set and two encoders to a predictor, and from a predictor to its figures on a data set."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from reward.data import Dataset
from reward.encoders.features import Features, encode_dataset
from reward.encoders.image_text import ImageTextEncoder, SentenceEncoder, sentence_encoder
from reward.encoders.sentences import NEMOTRON_ID, SENTENCE_ENCODER_ID, forget_sentence_encoders
from reward.encoders.weights import commit_of, content_hash, resolve
from reward.errors import CheckpointError, DatasetError
from reward.evaluation.evaluate import CONTEXT, Predictions, known_ratings, predict, seen_users, unseen_users
from reward.evaluation.few_shot import SEED, FewShot, few_shot
from reward.evaluation.judge import described, judged_rows, judged_splits, known_rows, qualified
from reward.evaluation.metrics import (
    METRICS,
    UserLevel,
    average_draws,
    population_level,
    stratified_interval,
)
from reward.licences import licences_of
from reward.people.newcomer import Method, check_method
from reward.predictor.checkpoint import CARD_FILE, SENTENCE_FILES
from reward.predictor.predictor import Predictor
from reward.training.fit import accelerator_for
from reward.training.recipe import Recipe
from reward.training.train import train

SIGLIP2_ID = "google/siglip2-so400m-patch14-384"  # the paper names no size; this is its authors' usual one
Progress = Callable[[str, int, int], None]  # what, done, of
MEAN = "mean"  # over data sets, where a name of one stands


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
    keep_demographics: bool | None = None,
    accelerator: Accelerator | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    encoding: Progress = lambda what, done, of: None,
    progress: Callable[[Mapping[str, float]], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Encode what is not in `store` yet, train, write the checkpoint to `out`; returns the report of `train`.

    `subjects`: image id -> what it shows in a few words; `keep_demographics`: see `train`. Raises
    DatasetError, ImageError, CheckpointError, TrainingError.
    """
    if (out / CARD_FILE).exists():
        raise CheckpointError(f"{out} holds a trained predictor already: name another --out")
    accelerator = accelerator or accelerator_for()
    with accelerator.main_process_first():  # the others find everything in the store
        features, encoder = _encoded(
            dataset,
            names,
            str(accelerator.device),
            store,
            subjects or {},
            encoding,
            out,
            recipe.image_statistics,
        )
    report = train(
        dataset,
        features,
        recipe,
        out,
        world=dataset.name,
        simulated=dataset.simulated,
        encoder=encoder,
        sentence_encoder=_sentences_card(names.sentences, out),
        licences=licences(dataset, names),
        seed=seed,
        keep_demographics=keep_demographics,
        accelerator=accelerator,
        journal=out,
        resume=resume,
        tensorboard=tensorboard,
        progress=progress,
    )
    return report


def _encoded(
    dataset: Dataset,
    names: EncoderNames,
    device: str,
    store: Path,
    subjects: Mapping[str, str],
    encoding: Progress,
    out: Path,
    statistics: bool,
) -> tuple[Features, dict[str, Any]]:
    """The features, and what the checkpoint says of the image-text encoder; both encoders' memory is free."""
    encoder, sentences = names.load(device)
    features = encode_dataset(dataset, encoder, sentences, store, subjects, encoding, statistics=statistics)
    card = _image_text_card(names.image_text, encoder, out)
    del encoder, sentences  # billions of weights, which training does not need
    forget_sentence_encoders()
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    return features, card


def licences(dataset: Dataset, names: EncoderNames) -> tuple[str, ...]:
    """Who may use a predictor that was trained on these data behind these encoders."""
    data = [{"pamela": "PAMELA", "lapis": "LAPIS", "para": "PARA"}.get(n, n) for n in dataset.name.split("+")]
    data = ["sandbox weights and data" if name == "sandbox" else name for name in data]
    return licences_of(*data, names.licence or _revision(names.image_text)[0], _revision(names.sentences)[0])


@dataclass(frozen=True)
class SplitFigures:
    """How good the predictions for one split of one data set are."""

    data: str  # whose people: "pamela"; MEAN over several data sets
    split: str
    users: int  # with enough varied ratings to be judged
    left_out: int  # without
    unknown: int  # ratings of people who cannot be judged there: seen ones who were not in training
    images: int  # with at least two raters, for the population's figures
    personal: Mapping[
        str, Mapping[str, float]
    ]  # metric -> value, low, high: within each user, mean over them
    population: Mapping[str, float]  # metric -> value: over images, of the population's prediction
    people: tuple[Mapping[str, Any], ...] = ()  # id, and value of each metric


def evaluate_predictor(
    predictor: Predictor,
    dataset: Dataset,
    store: Path,
    splits: tuple[str, ...] = (),
    *,
    of: str | None = None,
    subjects: Mapping[str, str] | None = None,
    method: Method = "mix",
    draws: int = 20,
    seed: int = 0,
    encoding: Progress = lambda what, done, of: None,
) -> list[SplitFigures]:
    """Figures of a predictor on splits of any data set, for each data set that it holds, then their mean.

    Without `splits` it is those of test_seen and test_unseen that have somebody to judge. `of` judges the
    people of one data set of several. Seen people by their embedding; unseen ones by a method of
    `reward.people.newcomer` ("knn" is equation 1) with 15 of their images, each person's mean over `draws`
    contexts. Intervals are 95% over people. Raises CheckpointError where the data are the predictor's own and
    yet other ratings, DatasetError for a split with nobody to judge.
    """
    check_method(method)
    table = known_rows(predictor.people, predictor.world, dataset)
    names = [of] if of else sorted({dataset.source(user) for user in range(len(dataset.user_ids))})
    parts = {name: dataset.only(name) for name in names}
    whole = parts[of] if of else dataset
    for split in splits:
        judged_splits(whole, table, split)
    chosen = splits or judged_splits(whole, table, "test_seen", "test_unseen")
    features = _features(predictor, dataset, store, subjects, encoding)
    judge = _Judge(predictor, table, features, method, draws, seed)
    found = []
    for split in chosen:
        rows = {
            name: judge.figures(name, part, split)
            for name, part in parts.items()
            if len(judged_rows(part, table, split))
        }
        found += [figures for figures, _ in rows.values()]
        if len(rows) > 1:
            found.append(_mean(split, rows))
    return found


def few_shot_figures(
    predictor: Predictor,
    dataset: Dataset,
    store: Path,
    shots: tuple[int, ...],
    *,
    of: str | None = None,
    subjects: Mapping[str, str] | None = None,
    seed: int = 0,
    encoding: Progress = lambda what, done, of: None,
) -> list[FewShot]:
    """The protocol of few ratings (`reward.evaluation.few_shot`) on the unseen people of each data set."""
    features = _features(predictor, dataset, store, subjects, encoding)
    rows = dataset.rows("test_unseen")
    names = [of] if of else sorted({dataset.source(int(user)) for user in dataset.users[rows]})
    return [
        few_shot(predictor, dataset, features, name, count, seed=SEED + seed)
        for name in names
        for count in shots
    ]


def _features(
    predictor: Predictor,
    dataset: Dataset,
    store: Path,
    subjects: Mapping[str, str] | None,
    encoding: Progress,
) -> Features:
    """All that a predictor reads of a data set."""
    encoders, asked = (predictor.encoder, predictor.sentences), bool(predictor.card.statistics)
    return encode_dataset(dataset, *encoders, store, subjects, encoding, statistics=asked)


@dataclass(frozen=True)
class _Judge:
    predictor: Predictor
    table: np.ndarray
    features: Features
    method: Method
    draws: int
    seed: int

    def figures(self, name: str, dataset: Dataset, split: str) -> tuple[SplitFigures, UserLevel]:
        predicted = self._predictions(dataset, split)
        level = average_draws([each.user_level(dataset) for each in predicted])
        if not len(level.users):
            raise DatasetError(
                f"nobody in {split} of {dataset.root} has enough varied ratings to be judged: name other "
                "splits by --split"
            )
        rows = dataset.rows(split)
        images = dataset.images[rows]
        crowd = population_level(
            images, dataset.scores[rows], predict(self.predictor.model, self.features, images)
        )
        figures = SplitFigures(
            data=name,
            split=split,
            users=len(level.users),
            left_out=level.left_out,
            unknown=len(rows) - len(judged_rows(dataset, self.table, split)),
            images=crowd.images,
            personal={metric: asdict(interval) for metric, interval in level.summary().items()},
            population={metric: getattr(crowd, metric) for metric in METRICS},
            people=tuple(
                {
                    "id": qualified(dataset.user_ids[user], name),
                    **{metric: round(float(getattr(level, metric)[i]), 6) for metric in METRICS},
                }
                for i, user in enumerate(level.users)
            ),
        )
        return figures, level

    def _predictions(self, dataset: Dataset, split: str) -> list[Predictions]:
        model, tables = self.predictor.model, self.predictor.tables
        if not split.endswith("_unseen"):
            return [seen_users(model, self.table, dataset, self.features, split)]
        known = None
        if self.method == "mix":
            images = dataset.images[dataset.rows(split)]
            told = described(tables, self.table, self.features)
            known = known_ratings(
                model, told, self.features, images, self.predictor.sample_ratings, self.predictor.sources
            )
        calibration = self.predictor.calibration
        return [
            unseen_users(
                model, tables.profiles, dataset, self.features, split, self.seed + draw, CONTEXT,
                method=self.method, prior=calibration.prior, priors=calibration.priors, known=known,
            )
            for draw in range(self.draws)
        ]  # fmt: skip


def _mean(split: str, rows: Mapping[str, tuple[SplitFigures, UserLevel]]) -> SplitFigures:
    """Of several data sets, each counting as much as the others."""
    figures = [each for each, _ in rows.values()]
    strata = np.repeat(list(rows), [each.users for each in figures])
    return SplitFigures(
        data=MEAN,
        split=split,
        users=sum(each.users for each in figures),
        left_out=sum(each.left_out for each in figures),
        unknown=sum(each.unknown for each in figures),
        images=sum(each.images for each in figures),
        personal={
            metric: asdict(
                stratified_interval(
                    np.concatenate([getattr(level, metric) for _, level in rows.values()]), strata
                )
            )
            for metric in METRICS
        },
        population={
            metric: float(np.mean([each.population[metric] for each in figures])) for metric in METRICS
        },
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

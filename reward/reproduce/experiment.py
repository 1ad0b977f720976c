"""A data set, its features and the predictor that is judged on it: what every figure starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from reward.data import Dataset
from reward.encoders.features import Features, encode_dataset
from reward.errors import DatasetError
from reward.evaluation.evaluate import (
    CONTEXT,
    Predictions,
    draw_contexts,
    known_ratings,
    predict,
    seen_users,
    unseen_users,
)
from reward.evaluation.judge import described, judged_rows, judged_splits, known_rows
from reward.evaluation.metrics import UserLevel, average_draws
from reward.evaluation.own_linear import of_people
from reward.people.newcomer import DEFAULT_PRIOR, Method, TastePrior
from reward.people.person import NEIGHBOURS, TEMPERATURE
from reward.predictor.network import TasteModel
from reward.predictor.predictor import Predictor
from reward.provenance import of_data, of_predictor, versions
from reward.reproduce.reproduction import Progress, silent

DRAWS = 20  # contexts of every unseen person


@dataclass(frozen=True, eq=False)
class Experiment:
    """Everything that a table or figure is computed from."""

    model: TasteModel
    profiles: np.ndarray  # [table rows, image_dim] of the known people
    table: np.ndarray  # [table rows] the data set's user of each row of the model's user table, -1: not there
    demographics: np.ndarray  # [table rows, profile_dim] of their sentences; zeros where nothing is known
    dataset: Dataset
    features: Features
    world: str  # whose ratings: "sandbox:2", "pamela"
    simulated: bool
    prior: TastePrior = DEFAULT_PRIOR  # what the predictor expects of new people
    sample: np.ndarray | None = None  # the known people's ratings of training pictures, likewise
    sources: np.ndarray | None = None  # [table rows] name of each one's data set; None: all are of one
    priors: Mapping[str, TastePrior] = field(default_factory=dict)  # of each data set, where it has its own
    judged: str = ""  # the one data set of several whose people are judged
    encoders: tuple[Mapping[str, Any], ...] = ()  # of images and of sentences, as a checkpoint names them
    checkpoint: Mapping[str, Any] = field(default_factory=dict)  # which predictor it is, for reports

    @classmethod
    def of(cls, predictor: Predictor, dataset: Dataset, features: Features) -> Experiment:
        """A predictor on a data set, see `known_rows`. Raises CheckpointError."""
        table = known_rows(predictor.people, predictor.world, dataset)
        return cls(
            model=predictor.model,
            profiles=predictor.tables.profiles,
            table=table,
            demographics=described(predictor.tables, table, features),
            dataset=dataset,
            features=features,
            world=predictor.world,
            simulated=predictor.simulated or dataset.simulated,
            checkpoint=of_predictor(predictor),
            prior=predictor.calibration.prior,
            priors=predictor.calibration.priors,
            sample=predictor.sample_ratings,
            sources=predictor.sources,
            encoders=tuple(
                _located(card, predictor.folder)
                for card in (predictor.card.encoder, predictor.card.sentence_encoder)
            ),
        )

    @property
    def about(self) -> dict[str, Any]:
        """On what the figures were measured, for reports."""
        return {
            "data": str(self.dataset.root),
            "world": self.world,
            "simulated": self.simulated,
            "checkpoint": self.checkpoint,
            "data_set": of_data(self.dataset),
            "versions": versions(),
        }

    @property
    def label(self) -> str:
        """Whose figures these are, for every table and plot."""
        world = f"{self.world}, people of {self.judged}" if self.judged else self.world
        return f"{world}, a simulation" if self.simulated else world

    def of_source(self, name: str) -> Experiment:
        """Judged on the people of one data set alone, as the paper's Tables 2 and 4 are on PAMELA's.

        Training rows stay. Raises DatasetError for a data set that is not there.
        """
        return replace(self, dataset=self.dataset.only(name), judged=name)

    def personal(
        self,
        split: str,
        draws: int = DRAWS,
        seed: int = 0,
        context: int = CONTEXT,
        neighbours: int = NEIGHBOURS,
        temperature: float = TEMPERATURE,
        reserved: int = 0,
        method: Method = "knn",
    ) -> list[Predictions]:
        """Each person's own ratings: of seen people one set, of unseen ones a set for each drawn context.

        `method` is how unseen people are placed, one of `reward.people.newcomer`; the paper's is "knn",
        equation 1.
        """
        if not unseen(split):
            return [seen_users(self.model, self.table, self.dataset, self.features, split)]
        known = None
        if method == "mix":
            images = self.dataset.images[self.dataset.rows(split)]
            known = known_ratings(
                self.model, self.demographics, self.features, images, self.sample, self.sources
            )
        return [
            unseen_users(
                self.model,
                self.profiles,
                self.dataset,
                self.features,
                split,
                seed + draw,
                context,
                neighbours,
                temperature,
                reserved,
                method=method,
                prior=self.prior,
                priors=self.priors,
                known=known,
            )
            for draw in range(draws)
        ]

    def own_linear(self, split: str, draws: int = DRAWS, seed: int = 0) -> list[Predictions]:
        """The same rows as `personal`, by a linear model of each person's own ratings alone.

        Of seen people it learns from their training ratings, of unseen ones from the same contexts.
        """
        if not unseen(split):
            judged, trained = judged_rows(self.dataset, self.table, split), self.dataset.rows("train")
            people = [
                (trained[self.dataset.users[trained] == user], judged[self.dataset.users[judged] == user])
                for user in np.unique(self.dataset.users[judged])
            ]
            rows = np.concatenate([rows for _, rows in people])
            return [Predictions(rows, of_people(self.dataset, self.features, people))]
        made = []
        for draw in range(draws):
            drawn, without = draw_contexts(self.dataset, split, seed + draw)
            scores = of_people(self.dataset, self.features, [(rated, rows) for _, rated, rows in drawn])
            made.append(Predictions(np.concatenate([rows for *_, rows in drawn]), scores, without))
        return made

    def splits(self, *wanted: str) -> list[str]:
        """Those of some splits that have ratings. Raises DatasetError where none has."""
        return judged_splits(self.dataset, self.table, *wanted)

    def population(self) -> np.ndarray:
        """The population's rating of every image [images]: neither a user nor a demographics token."""
        return predict(self.model, self.features, np.arange(len(self.dataset.image_ids)))

    def level(self, predictions: Sequence[Predictions]) -> UserLevel:
        """User-level metrics, each person's mean over the draws. Raises DatasetError without people."""
        level = average_draws([each.user_level(self.dataset) for each in predictions])
        if not len(level.users):
            raise DatasetError(
                f"{self.dataset.root} has nobody with enough varied ratings outside the context to be "
                "judged: give a data set with more ratings by --data"
            )
        return level

    def shared(self, scores: np.ndarray, rows_of: Sequence[Predictions]) -> list[Predictions]:
        """The same rows predicted by one score per image [images], broadcast to everyone (section 4)."""
        images = self.dataset.images
        return [replace(each, scores=scores[images[each.rows]]) for each in rows_of]


def sources_of(dataset: Dataset) -> np.ndarray:
    """Name of the data set that each user is from [users]; a joint one has several."""
    return np.array([dataset.source(user) for user in range(len(dataset.user_ids))])


def unseen(split: str) -> bool:
    """Whether a split's people are outside the user table."""
    return split.endswith("_unseen")


def _located(card: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """An encoder that lies beside its checkpoint, as checkpoints elsewhere find it."""
    beside = folder / str(card["id"])
    return {**card, "id": str(beside.resolve())} if beside.is_dir() else dict(card)


def open_experiment(
    dataset: Dataset,
    predictor: Predictor,
    store: Path,
    subjects: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Experiment:
    """A predictor on a data set; what is not in the feature store yet is encoded.

    `subjects`: image id -> what it shows in a few words. Raises CheckpointError, see `known_rows`, and
    ImageError.
    """
    known_rows(predictor.people, predictor.world, dataset)  # before the features, which may take long
    encoders, asked = (predictor.encoder, predictor.sentences), bool(predictor.card.statistics)
    features = encode_dataset(dataset, *encoders, store, subjects, progress, statistics=asked)
    return Experiment.of(predictor, dataset, features)

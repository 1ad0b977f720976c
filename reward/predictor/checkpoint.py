"""The predictor's folder on disk.

`model.safetensors` holds the network's weights and the tables below, `predictor.json` the card. Each is whole
or not there; the card comes last, so a folder with a card is complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from reward.checked import open_plain
from reward.encoders.statistics import NAMES, VERSION
from reward.errors import CheckpointError
from reward.files import whole
from reward.people.descriptions import MetadataVocabulary
from reward.people.person import KnownPerson
from reward.predictor.card import CARD_FILE, SCHEMA_VERSION, WEIGHTS_FILE, damaged, read_card
from reward.predictor.ensemble import Ensemble
from reward.predictor.network import PamelaConfig, TasteModel

__all__ = ["CARD_FILE", "WEIGHTS_FILE", "CheckpointCard", "Tables", "read_checkpoint", "write_checkpoint"]
LARGEST_WEIGHT = 1e7  # those of training are at most 1e6, where a feature hardly varies
SENTENCE_FILES = ("tokenizer.json", "config.json")  # that decide, with the weights, what sentences become


@dataclass(frozen=True)
class CheckpointCard:
    """What a checkpoint says about itself: `predictor.json`."""

    world: str  # "sandbox:1" or "pamela": whose ratings it was trained on
    simulated: bool  # true where those people are simulated
    config: PamelaConfig
    encoder: Mapping[str, Any]  # id (hub id, or a folder relative to the checkpoint), revision, sha256
    sentence_encoder: Mapping[str, Any]  # id, revision; sha256 where it is a folder
    people: tuple[KnownPerson, ...]  # rows of the user table, ids in natural order
    metadata_vocabulary: MetadataVocabulary
    trained: Mapping[str, Any] = field(default_factory=dict)  # recipe, seed, rows, metrics
    licences: tuple[str, ...] = ()  # of the weights and data that went in
    networks: int = 1  # of `config`, whose mean it is
    properties: int = 0  # of a picture, over which linear tastes join the networks; 0: they do not
    statistics: int = 0  # version of the image statistics that it reads (`encoders.statistics`); 0: none

    def to_json(self) -> dict[str, Any]:
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CheckpointCard:
        """Of a card as `read_card` returns it."""
        later = {"networks", "properties", "statistics"} - data.keys()
        fields = {name: data[name] for name in cls.__dataclass_fields__ if name not in later}
        fields["config"] = PamelaConfig(**fields["config"])
        fields["people"] = tuple(KnownPerson(**person) for person in fields["people"])
        fields["metadata_vocabulary"] = MetadataVocabulary(
            **{name: tuple(values) for name, values in fields["metadata_vocabulary"].items()}
        )
        fields["licences"] = tuple(fields["licences"])
        return cls(**fields)


@dataclass(frozen=True)
class Tables:
    """The arrays beside the network's weights, float32."""

    profiles: np.ndarray  # [users, image_dim] rating-weighted mean image embeddings, p_u of section 3.2
    demographics: np.ndarray  # [users, profile_dim] sentence embeddings; zeros where nothing is known
    metadata: np.ndarray  # [combinations of the vocabulary, profile_dim] sentence embeddings
    queries: np.ndarray  # [queries of the vocabulary, text_dim] text features


def write_checkpoint(folder: Path, model: TasteModel, card: CheckpointCard, tables: Tables) -> None:
    """Write both files; a folder that already holds a checkpoint is replaced file by file."""
    tensors = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    tensors |= {
        f"tables.{name}": torch.from_numpy(np.ascontiguousarray(array, np.float32))
        for name, array in vars(tables).items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(card.to_json(), indent=1, ensure_ascii=False) + "\n"
    with whole(folder / CARD_FILE) as described:
        described.write_text(text, encoding="utf-8")
        with whole(folder / WEIGHTS_FILE) as weights:
            save_file(tensors, weights)


def read_checkpoint(folder: Path) -> tuple[CheckpointCard, TasteModel, Tables]:
    """Read both files and check every shape against the card; the model is ready to predict.

    Raises CheckpointError.
    """
    try:
        card = CheckpointCard.from_json(read_card(folder))
    except TypeError as error:
        raise damaged(folder, f"{CARD_FILE} has a field that this version does not know") from error
    expected_of = (VERSION, len(NAMES)) if card.statistics else (0, 0)
    if (card.statistics, card.config.statistics) != expected_of:
        raise CheckpointError(
            f"the predictor in {folder} reads image statistics of version {card.statistics} "
            f"({card.config.statistics} numbers), this program measures version {VERSION} ({len(NAMES)}): "
            "use the program that it was trained with, or train it again"
        )
    try:
        os.close(open_plain(folder / WEIGHTS_FILE, os.O_RDONLY))  # a pipe would never end
        tensors = load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, SafetensorError) as error:
        raise damaged(folder, f"{type(error).__name__}: {error}") from error
    with torch.device("meta"):  # the weights come from the file: no time spent on random ones
        model = Ensemble.of(card.config, len(card.people), card.networks, card.properties)
    expected = {f"model.{name}": tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    expected |= {f"tables.{name}": shape for name, shape in _table_shapes(card).items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise damaged(
                folder, f"{name} is {found.get(name, 'missing')}, expected {expected.get(name, 'nothing')}"
            )
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 or not bool((tensor.abs() <= LARGEST_WEIGHT).all()):
            raise damaged(folder, f"{name} holds what is no number of a trained model")
    state = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    model.load_state_dict(state, assign=True)
    tables = Tables(
        **{n.removeprefix("tables."): t.numpy() for n, t in tensors.items() if n.startswith("tables.")}
    )
    return card, model.eval(), tables  # a model that still drops out features predicts with noise


def _table_shapes(card: CheckpointCard) -> dict[str, tuple[int, int]]:
    config, vocabulary = card.config, card.metadata_vocabulary
    return {
        "profiles": (len(card.people), config.image_dim),
        "demographics": (len(card.people), config.profile_dim),
        "metadata": (len(vocabulary.combinations()), config.profile_dim),
        "queries": (len(vocabulary.queries()), config.text_dim),
    }

"""The card of a checkpoint, `predictor.json`, checked once for all who read it. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from reward.checked import problem, read_json
from reward.errors import CheckpointError

SCHEMA_VERSION = 2  # the first had one network, and neither `networks` nor `properties`
CARD_FILE = "predictor.json"
WEIGHTS_FILE = "model.safetensors"
MOST_COMBINATIONS = 100_000  # of metadata; PAMELA's vocabulary has some hundred


def _up_to(most: int) -> Any:
    return lambda value: 0 < value <= most


Size = Annotated[int, _up_to(1 << 20)]
Share = Annotated[float, lambda value: 0 <= value < 1]


class Config(TypedDict):
    """Sizes, within which a model can be made; see `reward.predictor.network.PamelaConfig`."""

    image_dim: Size
    text_dim: Size
    profile_dim: Size
    hidden: Size
    layers: Annotated[int, _up_to(256)]
    heads: Size
    feedforward: Size
    dropout: Share
    feature_dropout: Share
    interaction: bool
    zeroed: NotRequired[bool]
    statistics: NotRequired[Annotated[int, lambda count: 0 <= count <= 1 << 16]]


class Encoder(TypedDict):
    """What stood in front of the network."""

    id: str
    revision: NotRequired[str | None]


class HashedEncoder(Encoder):
    """One that is recognised by its files."""

    sha256: str


class KnownPerson(TypedDict):
    """A row of the user table."""

    id: str
    demographics: dict[str, str | float | bool | None]
    ratings: Annotated[int, lambda count: count >= 0]


class Vocabulary(TypedDict):
    """The values of metadata."""

    group: list[str]
    style: list[str]
    type: list[str]


class Card(TypedDict):
    """predictor.json."""

    schema_version: int
    world: str
    simulated: bool
    config: Annotated[Config, lambda config: config["hidden"] % config["heads"] == 0]
    encoder: HashedEncoder
    sentence_encoder: Encoder
    people: Annotated[list[KnownPerson], bool]
    metadata_vocabulary: Annotated[
        Vocabulary,
        lambda v: (len(v["group"]) + 1) * (len(v["style"]) + 1) * (len(v["type"]) + 1) <= MOST_COMBINATIONS,
    ]
    trained: dict[str, Any]
    licences: list[str]
    networks: NotRequired[Annotated[int, _up_to(64)]]
    properties: NotRequired[Annotated[int, lambda count: 0 <= count <= 1 << 16]]
    statistics: NotRequired[Annotated[int, lambda version: version >= 0]]


def read_card(folder: Path) -> dict[str, Any]:
    """The object in `predictor.json`, as `Card` has it. Raises CheckpointError."""
    path = folder / CARD_FILE
    try:
        card = read_json(path)
    except FileNotFoundError:
        raise CheckpointError(
            f"no predictor in {folder} ({CARD_FILE} is missing): `steer sandbox build` makes the sandbox's, "
            "or give the folder of another"
        ) from None
    except (OSError, ValueError) as error:
        raise damaged(folder, f"{CARD_FILE}: {error}") from error
    version = card.get("schema_version") if isinstance(card, dict) else None
    if version not in (1, SCHEMA_VERSION):
        raise damaged(folder, f"schema version {version!r:.20}, this program reads 1 to {SCHEMA_VERSION}")
    if wrong := problem(Card, card):
        raise damaged(folder, f"{CARD_FILE}: {wrong}")
    return dict(card)


def damaged(folder: Path, reason: str) -> CheckpointError:
    """What to say of a checkpoint that is broken."""
    return CheckpointError(
        f"the predictor in {folder} cannot be read ({reason}): copy it again, or remake the sandbox's with "
        "`steer sandbox build`"
    )

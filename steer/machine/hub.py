"""Which weights are on this machine: whole, half-downloaded or not at all. Nothing here asks the network."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from reward.checked import read_json
from reward.hub_files import missing_weights, snapshot
from reward.licences import how_to_download
from steer import paths

WeightsState = Literal["present", "partial", "absent"]

# One of these is in every part of a pipeline; config.json is that of a model, which has weights.
_CONFIGS = (
    "config.json",
    "tokenizer_config.json",
    "scheduler_config.json",
    "preprocessor_config.json",
    "processor_config.json",
)


def local(model: str) -> Path | None:
    """The folder of a model on this machine: itself if it is one, else its snapshot; None without either.

    `model` is a folder, or a hub id with or without @REVISION.
    """
    if Path(model).is_dir():
        return Path(model)
    name, _, revision = model.partition("@")
    return snapshot(name, revision or None)


def state(model: str, without: Collection[str] = ()) -> WeightsState:
    """Whether all weights that a model's files name are there, but for those of the parts `without`."""
    folder = local(model)
    if folder is None:
        return "partial" if _unfinished(model) else "absent"
    return "present" if not missing(folder, without) else "partial"


def missing(folder: Path, without: Collection[str] = ()) -> list[str]:
    """Files that a download of this model would have brought and that are not in its folder."""
    index = folder / "model_index.json"
    if not index.is_file():
        return missing_weights(folder) if (folder / "config.json").is_file() else ["config.json"]
    try:
        parts = dict(read_json(index))
    except (OSError, ValueError, TypeError):
        return ["model_index.json"]
    lost: list[str] = []
    for part, made_by in parts.items():
        if not isinstance(made_by, list) or len(made_by) != 2 or made_by[1] is None:
            continue
        if not (folder / part).is_dir():
            lost.append(f"{part}/")
        elif not any((folder / part / name).is_file() for name in _CONFIGS):
            lost.append(f"{part}/*.json")
        elif (folder / part / "config.json").is_file() and part not in without:
            lost += [f"{part}/{name}" for name in missing_weights(folder / part)]
    return lost


def offline() -> bool:
    """Whether the user forbids the hub."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def how_to_get(model: str) -> str:
    """The commands that bring a model here."""
    name, _, revision = model.partition("@")
    fetch = how_to_download(name, revision)
    if offline():
        return f"unset HF_HUB_OFFLINE and {fetch}, or copy the weights here and name their folder"
    return fetch


def _unfinished(model: str) -> bool:
    blobs = paths.hub() / f"models--{model.partition('@')[0].replace('/', '--')}" / "blobs"
    return any(blobs.glob("*.incomplete"))

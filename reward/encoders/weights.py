"""Finding and reading released weights: by folder or by hub id, safetensors only, no code of others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import safe_open
from transformers import AutoConfig, AutoModel
from transformers.utils import logging as transformers_logging

from reward.checked import read_json
from reward.errors import CheckpointError, RewardError
from reward.hub_files import missing_weights, snapshot
from reward.licences import how_to_download

MOST_LAYERS, LARGEST = 1000, 1e8  # of a model; the largest numbers in released ones are context lengths
FILES = ("*.json", "*.safetensors", "*.model", "*.txt")  # what from_pretrained reads; never pickled weights


def resolve(id_or_folder: str | Path, revision: str | None = None) -> Path:
    """A local folder as it is; anything else is a hub id, downloaded once. Raises CheckpointError."""
    if Path(id_or_folder).is_dir():
        return Path(id_or_folder)
    here = snapshot(str(id_or_folder), revision)
    if here is not None and (here / "config.json").is_file() and not missing_weights(here):
        return here  # the hub's library would miss the copies that nobody reads
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(id_or_folder), revision=revision, allow_patterns=list(FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"no folder and no reachable hub model {str(id_or_folder)!r}: check the name, or where there is "
            f"a network: {how_to_download(str(id_or_folder), revision)}"
        ) from error


def content_hash(folder: Path, others: Sequence[str] = ("tokenizer.json", "preprocessor_config.json")) -> str:
    """sha256 over the files that decide what a model returns: its weights, then `others`."""
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    digest = hashlib.sha256()
    for name in (*weights, *others):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digest.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def commit_of(folder: Path) -> str | None:
    """The commit of a folder in the hub's cache, which names its content; None elsewhere."""
    return folder.name if folder.parent.name == "snapshots" else None


def check_config(folder: Path) -> None:
    """Refuses what loading would spend hours or all memory on: pipes, devices, sizes that no model has.

    Raises OSError, ValueError.
    """
    for path in folder.iterdir():
        if not path.is_file() and (path.suffix in (".json", ".safetensors") or not path.is_dir()):
            raise ValueError(f"{path.name} is no plain file")
    words = folder / "tokenizer_config.json"
    if words.is_file() and not isinstance(read_json(words).get("tokenizer_class", ""), str | None):
        raise ValueError("tokenizer_config.json names no tokenizer_class")
    if not (folder / "config.json").is_file():
        return  # the loader says what it misses
    parts = [read_json(folder / "config.json")]
    for part in parts:  # grows while it is walked
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if isinstance(value, dict | list):
                parts.append(value)
                continue
            most = MOST_LAYERS if "layers" in str(key) else LARGEST
            if isinstance(value, int | float) and abs(value) > most:
                raise ValueError(f"config.json says {key} = {value:.3g}")


def check_shapes(folder: Path) -> None:
    """Refuses weights that `config.json` does not describe, before random ones are made in their place.

    Raises ValueError, and whatever the library says of a config.json that it does not know.
    """
    import torch

    with torch.device("meta"):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = AutoModel.from_config(config, trust_remote_code=False)
    made = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "numpy") as stored:
            for name in made.keys() & stored.keys():
                shape = tuple(stored.get_slice(name).get_shape())
                if shape != made[name]:
                    raise ValueError(f"{name} is {shape}, and {made[name]} by config.json")


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Whatever goes wrong while reading `folder` becomes one line. Raises CheckpointError."""
    try:
        check_config(folder)
        yield
    except RewardError:
        raise
    except Exception as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"cannot load the encoder in {folder} ({line}): copy or download it again"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars for the second that loading takes, and no warnings about a default SiglipConfig's own
    token ids, which no checkpoint uses; the caller's settings are restored."""
    shown, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            transformers_logging.enable_progress_bar()

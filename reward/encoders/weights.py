"""Finding and reading released weights: by folder or by hub id, safetensors only, no code of others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from reward.errors import CheckpointError
from reward.hub_files import missing_weights, snapshot
from reward.licences import how_to_download

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


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Whatever goes wrong while reading `folder` becomes one line. Raises CheckpointError."""
    try:
        yield
    except (OSError, ValueError, KeyError, SafetensorError) as error:  # a JSON error is a ValueError
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

"""A trained predictor for people who have none: made ready for the hub, and taken from there.

What goes out is safetensors, the card and a page with its licence and figures. What participants said of
themselves (age, gender, nationality) stays behind: their rows keep the learnt taste and nothing else.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from reward.errors import CheckpointError
from reward.files import write_whole
from reward.people.known import PEOPLE_FILE, read_calibration, write_calibration
from reward.predictor.checkpoint import (
    CARD_FILE,
    WEIGHTS_FILE,
    read_checkpoint,
    write_checkpoint,
)
from reward.predictor.model_card import PAGE, page

__all__ = ["FILES", "PAGE", "make_ready", "pull", "push"]

FILES = (CARD_FILE, WEIGHTS_FILE, PEOPLE_FILE)  # what is read of one on the hub


def make_ready(folder: Path, out: Path, id: str) -> Path:
    """Write what may be shared of the predictor in `folder` to the empty folder `out`; returns `out`.

    `id` is the name it will have on the hub. Raises `CheckpointError` for one whose encoders are folders of
    this machine, and where `out` holds something.
    """
    card, model, tables = read_checkpoint(folder)
    for encoder in (card.encoder, card.sentence_encoder):
        if "/" not in str(encoder["id"]) or str(encoder["id"]).startswith((".", "/")):
            raise CheckpointError(
                f"the predictor in {folder} was trained behind the encoder {encoder['id']}, a folder of this "
                "machine that others do not have: train one behind encoders of the hub"
            )
    if out.exists() and any(out.iterdir()):
        raise CheckpointError(f"{out} is not empty: name another folder")
    people = tuple(replace(person, demographics=dict.fromkeys(person.demographics)) for person in card.people)
    shared = replace(card, people=people)
    write_checkpoint(out, model, shared, replace(tables, demographics=np.zeros_like(tables.demographics)))
    write_calibration(out, read_calibration(folder))
    write_whole(out / PAGE, page(shared, id).encode())
    return out


def pull(source: Path, folder: Path) -> Path:
    """Put the predictor in `source`, as it came from the hub, into `folder`, whole or not at all.

    Raises `CheckpointError` where it is damaged, or `folder` holds another one.
    """
    read_checkpoint(source)
    if (folder / CARD_FILE).is_file():
        raise CheckpointError(
            f"{folder} holds a predictor already: name another --out, or delete that folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_FILE, PEOPLE_FILE, CARD_FILE):  # the card comes last: with it the folder is complete
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / f".{name}.part")
            (folder / f".{name}.part").replace(folder / name)
    return folder


def push(ready: Path, id: str, private: bool = False) -> str:
    """Upload a folder of `make_ready`; returns its page. Raises `CheckpointError` with the next step."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    failures: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, HFValidationError, ValueError)
    api = HfApi()
    try:
        page = api.create_repo(id, private=private, exist_ok=True)
        api.upload_folder(repo_id=id, folder_path=ready, commit_message="A trained predictor")
    except failures as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(
            f"{id} cannot be written ({line}): hf auth login, with a token that may write"
        ) from error
    return str(page)

"""Which files of a repository on the hub are read, and where they lie once they are here. Asks no network.

Many repositories hold the same weights two or three times: FLUX.2-dev as one file of 61 GB beside the folders
that diffusers reads, Llama as `original/`, others as pickles, ONNX or float16 beside float32.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from reward.checked import read_json

PIPELINE = "model_index.json"
_READ = (".json", ".safetensors", ".txt", ".model", ".jinja")
# One of these is in every folder of a pipeline, or of a sentence encoder, that is read.
_CONFIGS = ("config.json", "tokenizer_config.json", "scheduler_config.json", "preprocessor_config.json",
            "processor_config.json")  # fmt: skip
_OTHER_COPY = re.compile(
    r"\.(fp16|bf16|non_ema)[.\-]|(^|/)consolidated|\.fp16$|(^|/)(onnx|openvino|original)/|\.lock$"
)


def files_read(names: Iterable[str]) -> list[str]:
    """Of the files in a repository those that a program of ours reads, by their paths there."""
    all_names = sorted(names)
    folders = {str(PurePosixPath(name).parent) for name in all_names if PurePosixPath(name).name in _CONFIGS}
    whole = PIPELINE in all_names  # then weights at the top are the same ones again, as a single file
    return [
        name
        for name in all_names
        if name == PIPELINE
        or (
            name.endswith(_READ)
            and not _OTHER_COPY.search(name)
            and ((str(PurePosixPath(name).parent) in folders - {"."}) or ("/" not in name and not whole))
        )
    ]


def snapshot(model: str, revision: str | None = None) -> Path | None:
    """The folder of a model in the hub's cache: of the revision, else of `main`, else the newest; or None."""
    from huggingface_hub import constants

    store = Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"
    snapshots = store / "snapshots"
    if not snapshots.is_dir():
        return None
    named = store / "refs" / (revision or "main")
    commit = named.read_text(encoding="utf-8").strip() if named.is_file() else revision
    if commit and (snapshots / commit).is_dir():
        return snapshots / commit
    if revision:
        return None
    return max(snapshots.iterdir(), key=lambda folder: folder.stat().st_mtime, default=None)


def missing_weights(folder: Path) -> list[str]:
    """Shards that an index in the folder names and that are not there; without an index, the one file."""
    lost: list[str] = []
    indexes = list(folder.glob("*.safetensors.index.json"))
    for index in indexes:
        try:
            shards = {str(name) for name in read_json(index)["weight_map"].values()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return [index.name]
        lost += [name for name in sorted(shards) if not (folder / name).is_file()]
    whole = [path for path in folder.glob("*.safetensors") if not re.search(r"-\d+-of-\d+$", path.stem)]
    if indexes and lost and whole:
        return []  # another precision of the same weights is there as a whole
    if not indexes and not any(folder.glob("*.safetensors")):
        return ["*.safetensors"]
    return lost

"""Results as JSON, with whose figures they are and the paper's beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reward.errors import DatasetError
from reward.files import write_whole
from reward.reproduce import paper

SCHEMA_VERSION = 1
SIMULATION = (
    "The people are simulated: nothing here is a fact about real people, or comparable with the paper's."
)


def report(
    name: str, subject: Any, result: Any, published: Mapping[str, Any], seed: int | None = None
) -> dict[str, Any]:
    """What a command writes: `result` is ours, `paper` what the authors report and on which data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "figure": name,
        **plain(subject.about),
        "seed": seed,
        "note": SIMULATION if subject.simulated else "",
        "result": plain(result),
        "paper": {"source": paper.SOURCE, **plain(published)},
    }


def plain(value: Any) -> Any:
    """Dataclasses, arrays and paths as JSON values; six digits; null for what is not a number."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return str(value) if isinstance(value, Path) else value


def _key(key: Any) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)


def write_report(path: Path, data: Mapping[str, Any]) -> None:
    """Whole or not there. Raises DatasetError where the folder cannot be written."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise DatasetError(
            f"cannot write {path} ({error.strerror or error}): choose another folder by --out"
        ) from error

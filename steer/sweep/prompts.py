"""The prompts of a sweep, from a file: text (a prompt a line), CSV or JSONL (with options for each prompt).

    prompt,seed,count,iterations
    floating mossy rocks,0,1,
    a quiet harbour,7,3,2

`seed` is the first image seed, `count` how many seeds from there on get a run each; every other column is an
option of `steer run` by its name. What a line leaves out is as on the command line. In a text file, blank
lines and lines that begin with # are skipped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from reward.checked import load_json, problem
from steer.errors import SteerError, UsageError
from steer.gates.marks import read_marks
from steer.settings import Settings, clean_prompt

LARGEST = 64 << 20  # bytes of a file
MOST = 10_000  # seeds of one line
OPTIONS = {str(field.metadata.get("name", field.name)): field for field in fields(Settings)}
_HINTS = get_type_hints(Settings)
_KINDS = {int: "must be a whole number", bool: "must be true or false", str: "must be text"}


@dataclass(frozen=True)
class Line:
    """One prompt as it is steered, and how."""

    prompt: str  # cleaned; of alternatives ({red|blue}) the seed has taken one
    settings: Settings


def read_prompts(path: Path, settings: Settings) -> list[Line]:
    """The prompts in a file, each once, in order; `settings` are for what a line leaves out.

    Raises UsageError that names the line.
    """
    found: dict[Line, None] = {}
    for number, values in _LINES.get(path.suffix.lower(), _text)(path, _read(path)):
        try:
            found.update(dict.fromkeys(_lines(values, settings)))
        except SteerError as error:
            raise UsageError(f"{path}, line {number}: {error}") from error
    if not found:
        raise UsageError(f"{path} holds no prompts; write one a line")
    return list(found)


def _lines(values: Mapping[str, Any], settings: Settings) -> Iterator[Line]:
    values = {key.strip().lower().replace("-", "_"): value for key, value in values.items()}
    prompt = values.pop("prompt", None)
    if not isinstance(prompt, str):
        raise UsageError("there is no prompt; a line needs one, under the name prompt")
    count = values.pop("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST:
        raise UsageError(f"count is {count!r}, but must be a whole number from 1 to {MOST:,}")
    chosen = asdict(settings) | dict(_option(key, value) for key, value in values.items())
    text = clean_prompt(prompt)
    marks = read_marks(text)
    for seed in range(chosen["seed"], chosen["seed"] + count):
        yield Line(marks.expanded(seed), Settings(**{**chosen, "seed": seed}))


def _option(key: str, value: Any) -> tuple[str, Any]:
    """Field of `Settings` and its value."""
    field = OPTIONS.get(key)
    if field is None:
        raise UsageError(f"there is no option {key!r}; the options are count, {', '.join(OPTIONS)}")
    hint = field.metadata.get("type", _HINTS[field.name])
    if problem(hint, value):
        raise UsageError(f"{key} is {value!r}, but {_KINDS.get(hint, 'must be a number')}")
    if hint is bool and not isinstance(field.default, bool):  # on is the default, off is None
        value = field.default if value else None
    return field.name, value


def _text(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, {"prompt": line}


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = [cell.strip() for cell in row]
                if "prompt" not in [name.lower() for name in header]:
                    raise UsageError(f"{path}, line 1: there is no column prompt; name the columns there")
                continue
            if len(row) > len(header):
                raise UsageError(
                    f"{path}, line {rows.line_num}: {len(row)} cells, but {len(header)} columns; "
                    "put a prompt with commas in quotes"
                )
            cells = {name: cell.strip() for name, cell in zip(header, row, strict=False) if cell.strip()}
            yield (
                rows.line_num,
                {name: cell if name.lower() == "prompt" else _value(cell) for name, cell in cells.items()},
            )
    except csv.Error as error:
        raise UsageError(f"{path}, line {rows.line_num}: {error}; save it as CSV again") from error


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = load_json(line.encode())
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: no JSON: {error}") from error
        if not isinstance(found, dict):
            raise UsageError(f'{path}, line {number}: no object; write it as in: {{"prompt": "a deer"}}')
        yield number, {key: value for key, value in found.items() if value is not None}


_LINES = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}


def _value(cell: str) -> Any:
    """A cell of a table as JSON has it: a number, true, false, or text."""
    try:
        return load_json(cell.lower().encode())
    except ValueError:
        return cell


def _read(path: Path) -> str:
    if path.suffix.lower() == ".json":
        raise UsageError(f"{path} is JSON; write one object a line, in a file called {path.stem}.jsonl")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}; name a file of prompts") from error
    if len(data) > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST >> 20} MB; split it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: this is not UTF-8; save it as UTF-8") from error

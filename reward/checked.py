"""JSON from elsewhere: read from plain files only, and checked against types before anybody trusts it."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NoReturn,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

LARGEST = 16 << 20  # bytes of a JSON file: what steer writes has some thousand
LARGEST_NUMBER = 1e15  # a number beyond is damage, and would break every sum and drawing


def read_json(path: Path) -> Any:
    """The value in a file. Raises OSError, and ValueError for what is no JSON, however it is broken."""
    file = open_plain(path, os.O_RDONLY)
    with open(file, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MB")
    return load_json(data)


def load_json(data: bytes) -> Any:
    """The value in UTF-8 text. Raises ValueError for all else."""
    try:
        return json.loads(data.decode(), parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def open_plain(path: Path, flags: int, mode: int = 0o666) -> int:
    """A descriptor of a plain file: never waits at a pipe, never reads a device for ever. Raises OSError."""
    file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError("it is no plain file")
    return file


def problem(hint: Any, value: Any, name: str = "it") -> str | None:
    """What keeps a JSON value from being of a type, as in "person.label is missing"; None if nothing does."""
    origin, inner = get_origin(hint), get_args(hint)
    name = name[:80]  # keys are as damaged as values
    wrong = f"{name} is wrong"
    if origin is Annotated:
        return problem(inner[0], value, name) or (None if inner[1](value) else wrong)
    if origin in (Union, UnionType):
        found = [problem(one, value, name) for one in inner]
        return None if None in found else next((one for one in found if one != wrong), wrong)
    if origin is Literal:
        return None if isinstance(value, str) and value in inner else wrong
    if origin in (list, tuple):
        length = len(inner) if origin is tuple and inner[-1] is not Ellipsis else None
        if not isinstance(value, list | tuple) or length not in (None, len(value)):
            return wrong
        return next(filter(None, (problem(inner[0], one, f"an entry of {name}") for one in value)), None)
    if is_typeddict(hint):
        return _object_problem(hint, value, name)
    if origin is not None:
        if not isinstance(value, Mapping):
            return wrong
        entries = (problem(inner[1], one, f"{name}.{key}") for key, one in value.items())
        return next(filter(None, entries), None)
    return None if _is_a(hint, value) else wrong


def fits(hint: Any) -> Callable[[Any], bool]:
    """The same as a question, for `Annotated`."""
    return lambda value: problem(hint, value) is None


def _object_problem(hint: Any, value: Any, name: str) -> str | None:
    if not isinstance(value, Mapping):
        return f"{name} is no object"
    prefix = "" if name == "it" else f"{name}."
    for key, (one, needed) in _keys(hint).items():
        if key in value:
            if found := problem(one, value[key], prefix + key):
                return found
        elif needed:
            return f"{prefix}{key} is missing"
    return None


def _is_a(hint: Any, value: Any) -> bool:
    if hint is Any:
        return True
    if hint is None or hint is NoneType:
        return value is None
    if hint not in (float, int):
        return isinstance(value, hint)
    if isinstance(value, bool) or not isinstance(value, int | hint):
        return False
    return abs(value) <= LARGEST_NUMBER  # not true of NaN either


@cache
def _keys(hint: Any) -> dict[str, tuple[Any, bool]]:
    """Key of a typed dictionary -> its type, and whether it must be there."""
    hints = get_type_hints(hint, include_extras=True)
    optional = {key for key, one in hints.items() if get_origin(one) is NotRequired} | hint.__optional_keys__
    plain = {key: get_args(one)[0] if get_origin(one) is NotRequired else one for key, one in hints.items()}
    return {key: (one, key not in optional) for key, one in plain.items()}

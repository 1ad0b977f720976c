"""What the files of a record must hold, so that whoever reads them later can trust them.

A file is checked once, where it is read. More keys than these are allowed: a newer steer may write them.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypedDict,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from steer.errors import RecordError

T = TypeVar("T")
LARGEST = 1e15  # a number beyond is damage, and would break every sum and drawing

ID = r"r\d{2,6}c\d{2,6}(-(gate|confirm)\d{1,3})?"
ImagePath = Annotated[str, re.compile(rf"images/{ID}\.png").fullmatch]
Interval = Annotated[list[float], lambda interval: len(interval) == 2]


class Person(TypedDict):
    """Whose taste."""

    kind: str
    label: str
    hash: str
    id: NotRequired[str]  # the first runs have only the label
    world: NotRequired[str]


class Part(TypedDict):
    """What sat in a seat."""

    name: str


class Seats(TypedDict):
    """All seats."""

    proposer: Part
    renderer: Part
    scorer: Part
    judge: Part | None


class Seeds(TypedDict):
    """What the noise came from."""

    image: int
    gate: list[int]
    confirm: list[int]
    llm: int


class Recipe(TypedDict, total=False):
    """By what names person and parts are found again; the overrides besides (`steer.machine.overrides`)."""

    preset: str
    who: dict[str, Any]
    own: list[Literal["proposer", "renderer", "scorer", "judge"]]


class Config(TypedDict):
    """config.json."""

    schema_version: int
    created: str
    prompt: str
    person: Person
    preset: str
    simulated: bool
    settings: dict[str, Any]
    seeds: Seeds
    parts: Annotated[Seats, lambda parts: problem(dict[str, Part | None], parts) is None]
    recipe: Recipe
    argv: list[str]
    versions: dict[str, str]


class Shown(TypedDict):
    """The base prompt, or the best."""

    id: str
    prompt: str
    image: ImagePath
    score: float


class Best(Shown):
    """The winner."""

    iteration: int


class Confirm(TypedDict):
    """Base and best on unseen seeds; the lists are as long as `seeds`."""

    seeds: list[int]
    baseline: list[float]
    best: list[float]
    baseline_images: list[ImagePath]
    best_images: list[ImagePath]
    gain_mean: float
    gain_ci95: Interval | None
    verdict: Literal["better", "no_evidence", "worse"]
    held_out: float | None
    held_out_ci95: NotRequired[Interval | None]
    winner_is_base: bool
    left_out: NotRequired[list[int]]  # seeds on which base or best had no score
    paired: NotRequired[bool]  # False: the renderer ignores seeds, and the interval is of two samples


class Specificity(TypedDict):
    """The same gain for everybody else."""

    gain_person: float
    gain_others_mean: float
    rank: int
    of: int


class Calibration(TypedDict):
    """What the image gate was calibrated on."""

    adherence: list[float | None]
    threshold: float | None


class Seconds(TypedDict):
    """Wall time."""

    propose: float
    render: float
    score: float
    other: float
    total: float


class Remark(TypedDict):
    """What a part had to do otherwise than asked."""

    part: str
    text: str


def _even(confirm: Mapping[str, Any]) -> bool:
    lists = ("seeds", "baseline", "best", "baseline_images", "best_images")
    return len({len(confirm[name]) for name in lists}) == 1 and bool(confirm["seeds"])


Confirmation = Annotated[Confirm, _even]


class Result(TypedDict):
    """result.json."""

    schema_version: int
    run: str
    status: Literal["complete"]
    stop_reason: str | None
    error: str | None
    prompt: str
    person: Person
    preset: str
    simulated: bool
    iterations: int
    candidates: int
    rejected: dict[str, int]
    renders: int
    baseline: Shown
    best: Best
    winner_is_base: bool
    confirm: Confirmation | None
    specificity: Specificity | None
    seconds: Seconds
    notes: list[Remark]


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


def built(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from its fields as JSON. Raises RecordError where they are damaged, and what it raises."""
    hints = get_type_hints(kind)
    damage = next((f"there is no {key}" for key in values if key not in hints), None)
    for key, value in values.items():
        damage = damage or problem(hints[key], value, key)
    if damage is None:
        try:
            return kind(**{key: tuple(one) if isinstance(one, list) else one for key, one in values.items()})
        except TypeError as error:  # a field is missing
            damage = str(error)
    raise RecordError(f"{where} is damaged: {damage}; start the run again: steer run")


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
    return abs(value) <= LARGEST  # not true of NaN either


@cache
def _keys(hint: Any) -> dict[str, tuple[Any, bool]]:
    """Key of a typed dictionary -> its type, and whether it must be there."""
    hints = get_type_hints(hint, include_extras=True)
    plain = {key: get_args(one)[0] if get_origin(one) is NotRequired else one for key, one in hints.items()}
    return {key: (one, key in hint.__required_keys__) for key, one in plain.items()}

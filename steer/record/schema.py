"""What the files of a record must hold, so that whoever reads them later can trust them.

A file is checked once, where it is read. More keys than these are allowed: a newer steer may write them.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict, TypeVar, get_type_hints

from reward.checked import problem
from steer.errors import RecordError

T = TypeVar("T")

ID = r"r\d{2,6}c\d{2,6}(-(gate|final|confirm)\d{1,3})?"
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
    final: NotRequired[list[int]]  # the first runs had no finals
    confirm: list[int]
    llm: int


class CorrectionRow(TypedDict):
    """What someone says of their own taste; see `steer.taste.Correction`."""

    verb: Literal["always", "never", "pin", "strike"]
    phrase: str
    likes: NotRequired[bool]
    t: float


class Recipe(TypedDict, total=False):
    """By what names person and parts are found again; the overrides besides (`steer.machine.overrides`)."""

    preset: str
    who: dict[str, Any]
    own: list[Literal["proposer", "renderer", "scorer", "judge"]]
    corrections: list[CorrectionRow]  # those in force when the run was started


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
    gain_range80: NotRequired[Interval]  # of ratings, not predictions; where the scorer says how sure it is
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


class LikingRow(TypedDict):
    """What one look does for someone's predicted ratings; see `steer.taste.Liking`."""

    phrase: str
    strength: float
    own: float
    error: float


class Choice(TypedDict):
    """A rewrite that was chosen to be rendered."""

    prompt: str
    expected: float  # forecast score
    sd: float
    by: Literal["model", "recombined"]


class Finalist(TypedDict):
    """One of the best, on the run's seed and on those of the finals."""

    id: str
    scores: list[float | None]  # on the run's seed first; None where there is none
    mean: float


class Hits(TypedDict):
    """How good the forecasts of a run were."""

    forecast: int  # rewrites that were forecast, each iteration's counted anew
    rendered: int  # of these
    pairs_right: (
        float | None
    )  # share of the pairs of an iteration that scored in the order of their forecasts


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


class PickedUp(TypedDict):
    """A person's choices; pictures by id."""

    choices: int
    hearted: list[str]
    buried: list[str]
    own: list[str]


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
    search: NotRequired[str]
    forecast: NotRequired[Hits | None]
    finalists: NotRequired[list[Finalist]]
    confirm: Confirmation | None
    specificity: Specificity | None
    seconds: Seconds
    notes: list[Remark]
    picks: NotRequired[PickedUp]  # where a person chose


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

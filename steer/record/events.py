"""What happens in a run, one class for each kind of line in events.jsonl; the set is closed.

    started    Started
    rendered   Rendered
    scored     Rated           the base's also holds the image gate's calibration
    proposed   Proposed
    rejected   PromptRejected  by the text gate: it never became a candidate, so it has no id
               Rejected        a candidate: its render failed, it has no score, or its picture left the prompt
    taste      TasteRead       guided search, or a corrected taste, once: what is thought of the looks
    forecast   Forecasted      guided search: what was chosen to be rendered, and why
    review     Review          the run waits for what a person says of a round, before it is rendered
    picked     Picked          a person's choice that the run took up (`steer.record.picks`)
    iteration  IterationDone
    finals     Finals          guided search: the best on fresh seeds
    confirmed  Confirmed
    stopped    Stopped
    note       Note            before the events of the phase in which it happened
    error      Failed

A line holds `t` (Unix seconds), `event` (the kind), `id` where it concerns one picture, and then the fields
of the class in their order. Fields that this version does not know are kept, so that what reads a log and
writes it again loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

from reward.checked import fits
from steer.parts import Role, Seat
from steer.record.picks import By, Kind
from steer.record.schema import (
    ID,
    Calibration,
    Choice,
    Confirmation,
    CorrectionRow,
    Finalist,
    LikingRow,
    Specificity,
)

Key = tuple[str | int, ...]

_ID = re.compile(ID)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened."""

    event: ClassVar[str]  # the kind, as events.jsonl names it
    t: float = 0.0  # Unix seconds; set when the record takes the event
    replayed: bool = field(default=False, compare=False)  # a resumed run found it in the log; never written
    extra: Mapping[str, Any] = field(default_factory=dict)  # what a newer steer wrote beside the known fields

    @property
    def key(self) -> Key | None:
        """What makes it the same event on replay, beside its kind; None if each time counts."""
        return None

    def to_json(self) -> dict[str, Any]:
        """The object that is written as one line; a field whose default is None is left out while it is."""
        found: dict[str, Any] = {"t": self.t, "event": self.event}
        for name, (_, optional) in _SCHEMAS[type(self)].items():
            value = getattr(self, name)
            if value is not None or not optional:
                found[name] = list(value) if isinstance(value, tuple) else value
        return found | dict(self.extra)

    @staticmethod
    def from_json(line: Mapping[str, Any], replayed: bool = False) -> Event:
        """The inverse of `to_json`. Raises ValueError, saying what is wrong, for a line that is no event."""
        if not isinstance(line, Mapping):
            raise ValueError("the line is no JSON object")
        kind = line.get("event")
        made = PromptRejected if kind == "rejected" and "id" not in line else _KINDS.get(str(kind))
        if made is None:
            raise ValueError(f"there is no event {str(kind)[:40]!r}")
        schema = _SCHEMAS[made]
        if not fits(float)(line.get("t")):
            raise ValueError(f"a {kind} event without its time")
        values: dict[str, Any] = {"t": float(line["t"]), "replayed": replayed}
        for name, (hint, optional) in schema.items():
            if name not in line and optional:
                continue
            if name not in line or not fits(hint)(line[name]):
                raise ValueError(f"the {name} of a {kind} event is {'wrong' if name in line else 'missing'}")
            value = line[name]
            values[name] = tuple(value) if isinstance(value, list) else value
        if "id" in values and not _ID.fullmatch(values["id"]):
            raise ValueError(f"{values['id'][:40]!r} is no id of a picture")
        if "id" in values and not _agree(values["id"], values.get("role", "candidate"), values["iteration"]):
            raise ValueError(f"{values['id']} is said to be of another role or iteration")
        if "image" in values and values["image"] != f"images/{values['id']}.png":
            raise ValueError(f"the picture of {values['id']} is said to be {values['image'][:80]!r}")
        known = {"t", "event", *schema}
        return made(**values, extra={name: line[name] for name in line if name not in known})


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """A process begins to work on the run."""

    event: ClassVar[str] = "started"
    resumed: bool


@dataclass(frozen=True, kw_only=True)
class Proposed(Event):
    """The language model answered."""

    event: ClassVar[str] = "proposed"
    iteration: int
    attempt: int  # 0, and up to 3 more for what is missing
    asked: int
    seed: int
    replies: tuple[str, ...]  # raw
    seconds: float

    @property
    def key(self) -> Key:
        return self.iteration, self.attempt


@dataclass(frozen=True, kw_only=True)
class PromptRejected(Event):
    """The text gate let a prompt not through."""

    event: ClassVar[str] = "rejected"
    stage: Literal["text"] = "text"
    iteration: int
    attempt: int
    index: int  # of the prompt among those of the attempt
    prompt: str
    reason: str

    @property
    def key(self) -> Key:
        return self.iteration, self.attempt, self.index


@dataclass(frozen=True, kw_only=True)
class OfPicture(Event):
    """Something that concerns one picture."""

    id: str  # "r02c05", "r00c00-gate1", "r02c05-confirm1"

    @property
    def key(self) -> Key:
        return (self.id,)


@dataclass(frozen=True, kw_only=True)
class Rendered(OfPicture):
    """A picture is on disk."""

    event: ClassVar[str] = "rendered"
    role: Role
    iteration: int
    prompt: str
    seed: int
    parents: tuple[str, ...]  # ids of the memory that the language model saw
    image: str  # path relative to the run folder
    sha256: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Rejected(OfPicture):
    """A candidate is out of the search."""

    event: ClassVar[str] = "rejected"
    stage: Literal["render", "score", "image"]
    iteration: int
    prompt: str
    seed: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Rated(OfPicture):
    """A candidate has its predicted rating."""

    event: ClassVar[str] = "scored"
    iteration: int
    score: float  # raw
    adherence: float | None  # image-text similarity to the original prompt, -1 to 1
    gate: Annotated[Mapping[str, Any] | None, fits(Calibration | None)] = None  # where it was calibrated
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TasteRead(Event):
    """What this person is thought to like, before any render; empty where the scorer cannot tell."""

    event: ClassVar[str] = "taste"
    likings: Annotated[tuple[Mapping[str, Any], ...], fits(list[LikingRow])]
    # The person's own, in use in this run; `likings` are as predicted, before these.
    corrections: Annotated[tuple[Mapping[str, Any], ...] | None, fits(list[CorrectionRow] | None)] = None

    @property
    def key(self) -> Key:
        return ()


@dataclass(frozen=True, kw_only=True)
class Forecasted(Event):
    """What an iteration renders, chosen by its forecast."""

    event: ClassVar[str] = "forecast"
    iteration: int
    forecast: int  # rewrites that were forecast
    chosen: Annotated[tuple[Mapping[str, Any], ...], fits(list[Choice])]  # in the order of choice

    @property
    def key(self) -> Key:
        return (self.iteration,)


@dataclass(frozen=True, kw_only=True)
class Review(Event):
    """The run waits for what a person says of a round, before it is rendered."""

    event: ClassVar[str] = "review"
    iteration: int
    prompts: tuple[str, ...]  # as they stand by then
    by: By  # where the person wanted to be asked

    @property
    def key(self) -> Key:
        return (self.iteration,)


@dataclass(frozen=True, kw_only=True)
class Picked(Event):
    """A person's choice that the run took up; the fields from `pick` on are those of `steer.record.picks`."""

    event: ClassVar[str] = "picked"
    at: str  # before what: "round 2", "review 2" (its rendering), "finals", "confirm" (the end of it)
    given: float  # when the person chose, Unix seconds
    name: str  # the key of the choice
    pick: Kind
    by: By
    picture: str | None = None
    iteration: int | None = None
    prompt: str | None = None
    to: str | None = None
    on: bool | None = None
    late: bool | None = None  # True: it changed nothing, because it came too late or says a `never`

    @property
    def key(self) -> Key:
        return (self.name,)


@dataclass(frozen=True, kw_only=True)
class IterationDone(Event):
    """Where the search stands after an iteration."""

    event: ClassVar[str] = "iteration"
    iteration: int
    asked: int
    accepted: int  # prompts that passed the text gate
    missing: int
    scored: int
    rejected: int  # after the text gate
    improved: bool
    stale: int  # iterations in a row without a new best
    best: str  # id
    best_score: float
    memory: tuple[str, ...]  # ids of the best so far; what the language model saw are the pictures' `parents`

    @property
    def key(self) -> Key:
        return (self.iteration,)


@dataclass(frozen=True, kw_only=True)
class Finals(Event):
    """The best were rendered on seeds that the search had not seen, and the best mean wins."""

    event: ClassVar[str] = "finals"
    seeds: tuple[int, ...]
    finalists: Annotated[tuple[Mapping[str, Any], ...], fits(list[Finalist])]  # the winner first
    seconds: float

    @property
    def key(self) -> Key:
        return ()


@dataclass(frozen=True, kw_only=True)
class Confirmed(Event):
    """Base and best were compared on unseen seeds; both objects as in result.json."""

    event: ClassVar[str] = "confirmed"
    confirm: Annotated[Mapping[str, Any], fits(Confirmation)]
    specificity: Annotated[Mapping[str, Any] | None, fits(Specificity | None)]
    seconds: float

    @property
    def key(self) -> Key:
        return ()


@dataclass(frozen=True, kw_only=True)
class Stopped(Event):
    """The run is complete, or was interrupted; then the rest is None."""

    event: ClassVar[str] = "stopped"
    status: Literal["complete", "interrupted"]
    stop_reason: str | None = None  # patience | iterations | target | person
    best: str | None = None  # id
    winner_is_base: bool | None = None

    @property
    def key(self) -> Key | None:
        return () if self.status == "complete" else None


@dataclass(frozen=True, kw_only=True)
class Note(Event):
    """What a part had to do otherwise than asked, as in "out of memory at batch 8, went on with 4"."""

    event: ClassVar[str] = "note"
    part: Seat
    text: str


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """An error ended the run; it can be resumed."""

    event: ClassVar[str] = "error"
    type: str
    message: str


def _schema(kind: type[Event]) -> dict[str, tuple[Any, bool]]:
    """Field -> its type, and whether it is left out where it is None."""
    hints = get_type_hints(kind, include_extras=True)
    ours = [one for one in fields(kind) if one.name not in ("t", "replayed", "extra")]
    return {one.name: (hints[one.name], one.default is None) for one in ours}


def _agree(id: str, role: Role, iteration: int) -> bool:
    """Whether an event says of a picture what its id says."""
    plain, _, suffix = id.partition("-")
    if suffix:
        return suffix.startswith(role)
    return role == "candidate" and iteration == int(plain[1:].partition("c")[0])


_CLASSES: tuple[type[Event], ...] = (
    Started, Proposed, PromptRejected, TasteRead, Forecasted, Review, Picked, Rendered, Rejected, Rated,
    IterationDone, Finals, Confirmed, Stopped, Note, Failed,
)  # fmt: skip
_KINDS = {kind.event: kind for kind in _CLASSES}
_SCHEMAS = {kind: _schema(kind) for kind in _CLASSES}

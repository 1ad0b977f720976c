"""What the owner of a profile says of their taste: corrections.jsonl, apart from the ratings.

Append-only, one object a line with `t` (Unix seconds) and `event`:

    corrected   id, corrections [{verb, phrase, likes, t}]; the verb "clear" takes back what was said before
    undo        id of the line that is taken back

A line is one step, and is taken back as one. The last that was said of a phrase is in force. As with the
ratings, a line is on disk before anyone hears that it was taken, several processes may write, and one that
cannot be read does not count.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from reward.checked import problem
from reward.files import make_private
from steer.errors import ProfileError, TasteError
from steer.gates.text import normalize
from steer.record.log import Log
from steer.taste import VERBS, Correction, Verb, check_sense, clean_phrase

FILE = "corrections.jsonl"
MOST = 50  # in force at a time: all of them are told to a language model


def _is_phrase(text: str) -> bool:
    try:
        return clean_phrase(text) == text
    except TasteError:
        return False


class _Row(TypedDict):
    verb: Literal["always", "never", "pin", "strike", "clear"]
    phrase: Annotated[str, _is_phrase]
    likes: NotRequired[bool]
    t: float


class _Line(TypedDict):
    event: Literal["corrected"]
    id: str
    t: float
    corrections: list[_Row]


class _Undo(TypedDict):
    event: Literal["undo"]
    id: str
    t: float


@dataclass(frozen=True)
class Change:
    """One thing to say."""

    verb: Verb | Literal["clear"]
    phrase: str
    likes: bool | None = None  # of a pin: the side that it is thought to be on

    def __str__(self) -> str:
        return f"{self.verb} {self.phrase}"


@dataclass(frozen=True)
class Step:
    """What was said at once."""

    id: str
    words: tuple[str, ...]  # "never neon"


class Corrections:
    """One profile's. Any number of threads and processes may use the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def in_force(self) -> tuple[Correction, ...]:
        """The last one of each phrase, nothing undone or cleared, in the order in which they were said.

        Raises `ProfileError`.
        """
        return _in_force(self._read()[0])

    @property
    def last_step(self) -> Step | None:
        """What `undo` would take back."""
        kept = _standing(self._read()[0])
        return _told(kept[-1]) if kept else None

    @property
    def unreadable(self) -> int:
        """Damaged lines, which do not count."""
        return self._read()[1]

    def say(self, *changes: Change) -> tuple[Correction, ...]:
        """Take changes as one step, all or none; returns what is in force then, on disk.

        What is in force already is no change: saying it twice does no harm.
        Raises `TasteError` for what makes no sense, `ProfileError` where it cannot be written.
        """
        with self._writing() as (log, steps):
            step, after = _step(steps, changes)
            if step["corrections"]:
                log.append(step)
            return after

    def check(self, *changes: Change) -> None:
        """Raises what `say` would raise for changes that make no sense, and takes nothing."""
        _step(self._read()[0], changes)

    def undo(self, step: str | None = None) -> tuple[str, ...]:
        """Take the last step back, which is recorded; gives its changes in words, none where none is left.

        `step` is the one that is meant: if another is the last by now, nothing is taken back.
        """
        with self._writing() as (log, steps):
            kept = _standing(steps)
            if not kept or step not in (None, kept[-1]["id"]):
                return ()
            log.append({"event": "undo", "t": round(time.time(), 3), "id": kept[-1]["id"]})
            return _told(kept[-1]).words

    def _read(self) -> tuple[list[dict[str, Any]], int]:
        """The steps, and how many lines cannot be read."""
        log = Log(self.folder / FILE, private=True)
        try:
            lines = log.read(settled=True)
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            raise ProfileError(
                f"cannot read {log.path}: {error.strerror or error}; see: steer people list"
            ) from error
        steps = _steps(lines)
        return steps, log.skipped + len(lines) - len(steps)

    @contextmanager
    def _writing(self) -> Iterator[tuple[Log, list[dict[str, Any]]]]:
        log = Log(self.folder / FILE, private=True)
        try:
            make_private(self.folder)
            with log.held(create=True) as lines:
                yield log, _steps(lines)
        except OSError as error:
            raise ProfileError(
                f"cannot write to {self.folder}: {error.strerror or error}; nothing was taken, what was "
                "there before is safe: make room or allow writing, then try again"
            ) from error


def _steps(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if None in (problem(_Line, line), problem(_Undo, line))]


def _step(
    steps: Sequence[dict[str, Any]], changes: Sequence[Change]
) -> tuple[dict[str, Any], tuple[Correction, ...]]:
    """The line of these changes, and what is in force after it. Raises `TasteError`."""
    now, before = round(time.time(), 3), _in_force(steps)
    said = {(one.phrase, one.verb, one.likes) for one in before}
    known = {one.key for one in before}
    rows = []
    for change in changes:
        phrase, side = clean_phrase(change.phrase), {} if change.likes is None else {"likes": change.likes}
        nothing = change.verb == "clear" and normalize(phrase) not in known
        if not nothing and (phrase, change.verb, change.likes) not in said:
            rows.append({"verb": change.verb, "phrase": phrase, **side, "t": now})
    number = max((int(one["id"]) for one in steps if one["id"].isdecimal()), default=0) + 1
    step = {"event": "corrected", "id": str(number), "t": now, "corrections": rows}
    after = _in_force([*steps, step])
    for one in after:
        if (one.phrase, one.verb, one.likes) not in said:
            check_sense(one, after)
    if len(after) > max(MOST, len(before)):
        raise TasteError(f"at most {MOST} corrections are in force at a time: clear some first")
    return step, after


def _told(step: dict[str, Any]) -> Step:
    return Step(step["id"], tuple(f"{row['verb']} {row['phrase']}" for row in step["corrections"]))


def _standing(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps that were not taken back, in order."""
    kept: dict[str, dict[str, Any]] = {}
    for step in steps:
        if step["event"] == "undo":
            kept.pop(step["id"], None)
        else:
            kept[step["id"]] = step
    return list(kept.values())


def _in_force(steps: Sequence[dict[str, Any]]) -> tuple[Correction, ...]:
    said: dict[str, Correction] = {}
    for step in _standing(steps):
        for row in step["corrections"]:
            clear = row["verb"] not in VERBS
            one = Correction.from_json({**row, "verb": "strike"} if clear else row)
            said.pop(one.key, None)
            if not clear:
                said[one.key] = one
    return tuple(said.values())

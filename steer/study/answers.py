"""What raters said: one append-only file for each, on disk before an answer counts as given.

    {"t": ..., "rater": "Anna", "person": "profile:anna" or null}      first line
    {"t": ..., "left": ID, "right": ID, "answer": "left"|"right"|"tie", "seconds": 2.1}
    {"t": ..., "undo": [ID, ID]}

A line that cannot be read, or that names a pair which this rater is not asked, does not count.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import threading
import time
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, get_args

from reward.checked import open_plain
from steer.errors import StudyError, UsageError
from steer.record.files import slug
from steer.record.log import Log
from steer.study.design import Design, StudyPair

Preferred = Literal["left", "right", "tie"]
LONGEST_NAME = 60  # characters


class AnsweredElsewhere(StudyError):
    """Another tab of the same rater was faster."""

    status = 409


@dataclass(frozen=True)
class Answer:
    """One answer."""

    pair: StudyPair
    answer: Preferred
    seconds: float  # from when both pictures were there


@dataclass
class Rater:
    """One rater's pairs and what they answered; use it through `OpenStudy`."""

    key: str  # of addresses and files
    name: str
    person: str | None  # whose taste theirs is, of those whom pictures were made for
    pairs: list[StudyPair]
    given: dict[int, Answer] = field(default_factory=dict)  # by number of the pair, in order of answering

    @property
    def next(self) -> int | None:
        """Number of the first pair without an answer; None when all have one."""
        return next((number for number in range(len(self.pairs)) if number not in self.given), None)


def key_of(name: str) -> str:
    """A rater's key: readable, and different for different names."""
    return f"{slug(name, 24) or 'rater'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def clean_name(text: str) -> str:
    """A rater's name on one line. Raises UsageError."""
    name = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())
    if not name or len(name) > LONGEST_NAME:
        raise UsageError(f"a name has 1 to {LONGEST_NAME} characters; give a shorter one, a nickname will do")
    return name


class Raters(dict[str, Rater]):
    """Everybody who has begun, by key."""

    unreadable = 0  # damaged lines of their files, which do not count


def read_raters(design: Design) -> Raters:
    """Everybody who has begun. Raises StudyError for a file that cannot be opened."""
    raters = Raters()
    for path in sorted((design.folder / "answers").glob("*.jsonl")):
        _read(design, path, raters)
    return raters


class OpenStudy:
    """A study that is open: takes answers, each once, and keeps them. Threads may share it, processes not."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self._lock = threading.Lock()
        self._held = self._hold()
        self.raters = read_raters(design)
        self._logs: dict[str, Log] = {}

    def __enter__(self) -> OpenStudy:
        return self

    def __exit__(self, *exc: object) -> None:
        self._held.close()

    def begin(self, name: str, person: str | None = None) -> Rater:
        """A rater by name: new, or come back. Raises UsageError."""
        name = clean_name(name)
        if person is not None and person not in self.design.claimable:
            raise UsageError("no picture was made for this person; reload the page")
        with self._lock:
            key = key_of(name)
            if (known := self.raters.get(key)) is not None:
                if known.person != person and not known.given:
                    self._append(key, {"rater": name, "person": person})
                    known = self.raters[key] = _rater(self.design, name, person)
                return known  # who has begun to answer stays who they said they are
            self._append(key, {"rater": name, "person": person})
            found = Raters()
            _read(self.design, self._logs[key].path, found)  # answers whose first line was lost count again
            self.raters |= found
            return self.raters[key]

    def rater(self, key: str) -> Rater:
        """By key. Raises UsageError."""
        if key not in self.raters:
            raise UsageError("nobody has begun under this name; go back to the start")
        return self.raters[key]

    def answer(self, key: str, number: int, answer: Preferred, seconds: float) -> Rater:
        """Keep one answer; it is on disk when this returns. Giving the same one twice is harmless.

        Raises AnsweredElsewhere, UsageError, StudyError.
        """
        rater = self.rater(key)
        with self._lock:
            if number in rater.given:
                if rater.given[number].answer == answer:
                    return rater
                raise AnsweredElsewhere("this pair was answered in another tab; here is the next")
            if number != rater.next:
                raise AnsweredElsewhere("this pair is not the next one; here it is")
            pair = rater.pairs[number]
            shown = {"left": pair.left.id, "right": pair.right.id}
            self._append(key, {**shown, "answer": answer, "seconds": round(seconds, 2)})
            rater.given[number] = Answer(pair, answer, seconds)
            return rater

    def undo(self, key: str, shown: int | None) -> Rater:
        """Take back the last answer, if the page still shows what comes after it."""
        rater = self.rater(key)
        with self._lock:
            if rater.given and shown == rater.next:
                number = next(reversed(rater.given))
                pair = rater.pairs[number]
                self._append(key, {"undo": [pair.left.id, pair.right.id]})
                del rater.given[number]
            return rater

    def _append(self, key: str, line: dict[str, Any]) -> None:
        path = self.design.folder / "answers" / f"{key}.jsonl"
        log = self._logs.setdefault(key, Log(path, private=True))
        try:
            with log.held(create=True):
                log.append({"t": round(time.time(), 3), **line})
        except OSError as error:
            raise StudyError(
                f"the answer cannot be written: {error.strerror or error}; make room on the disk"
            ) from error

    def _hold(self) -> IO[bytes]:
        try:
            # Who may open a file may lock it.
            descriptor = open_plain(self.design.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
            held = os.fdopen(descriptor, "ab")
            os.fchmod(descriptor, 0o600)  # earlier versions made it readable to all
        except OSError as error:
            raise StudyError(
                f"cannot write to {self.design.folder}: {error.strerror or error}; allow writing"
            ) from error
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
            raise StudyError(
                f"{self.design.folder.name} is open in another process: use its page, or end it first"
            ) from None
        return held


def _rater(design: Design, name: str, person: str | None) -> Rater:
    return Rater(key_of(name), name, person, design.pairs(name, person))


def _read(design: Design, path: Path, raters: Raters) -> None:
    """Add a rater from their file; nobody where not even their name can be read."""
    log = Log(path)
    try:
        lines = log.read()
    except OSError as error:
        raise StudyError(
            f"cannot read {path}: {error.strerror or error}; move it away, then open the study again"
        ) from error
    raters.unreadable += log.skipped
    named = [line for line in lines if _is_name(design, path.stem, line)]
    if not named:
        raters.unreadable += len(lines)
        return
    rater = _rater(design, named[-1]["rater"], named[-1]["person"])
    numbers = {(pair.left.id, pair.right.id): number for number, pair in enumerate(rater.pairs)}
    for line in lines:
        try:
            if line not in named:
                _apply(rater, numbers, line)
        except (KeyError, TypeError, ValueError, OverflowError):
            raters.unreadable += 1
    raters[rater.key] = rater


def _is_name(design: Design, key: str, line: dict[str, Any]) -> bool:
    """Whether a line names the rater whose file it is."""
    name, person = line.get("rater"), line.get("person", "")
    mine = isinstance(name, str) and name.isprintable() and key_of(name) == key
    return mine and person in (None, *design.claimable)


def _apply(rater: Rater, numbers: dict[tuple[str, str], int], line: dict[str, Any]) -> None:
    """Let a line count. Raises what a line raises that says nothing of this rater."""
    if "undo" in line:
        left, right = line["undo"]
        rater.given.pop(numbers[left, right], None)
        return
    number, seconds = numbers[line["left"], line["right"]], float(line["seconds"])
    if line["answer"] not in get_args(Preferred) or not math.isfinite(seconds):
        raise ValueError("no answer")
    rater.given[number] = Answer(rater.pairs[number], line["answer"], seconds)

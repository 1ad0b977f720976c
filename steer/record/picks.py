"""picks.jsonl: what a person chooses while a run goes on; an append-only file beside the run's log.

    heart, bury, clear    picture        liked; never to win; neither any more
    more                  picture        its wording is a parent of the next round
    strike                iteration, prompt        a rewrite is not to be rendered
    change                iteration, prompt, to    another wording in its place
    add                   to                       a rewrite of one's own
    review                on             whether to wait, before each round, for what the person says of it
    go                    iteration      that round may be rendered
    stop                                 no more rounds: the winner of what there is
    pause                                as Ctrl-C: what was done is kept, and can be gone on with

Anybody may write while the run goes on; the run reads between its steps, and what it takes up becomes a
`picked` event of its log. So the log alone says what happened, and a resumed run takes up the same.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from steer.errors import PickError, UsageError
from steer.gates.text import normalize
from steer.record.log import Log
from steer.record.schema import ID
from steer.settings import clean_prompt

Kind = Literal["heart", "bury", "clear", "more", "strike", "change", "add", "review", "go", "stop", "pause"]
KINDS: tuple[str, ...] = get_args(Kind)
By = Literal["page", "terminal"]
HEART = 0.5  # rating points that a heart adds to what is predicted, wherever pictures are compared
FILE = "picks.jsonl"

_NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("heart", "bury", "clear", "more"), ("picture",)),
    "strike": ("iteration", "prompt"),
    "change": ("iteration", "prompt", "to"),
    "add": ("to",),
    "review": ("on",),
    "go": ("iteration",),
}
_KEY = re.compile(r"[A-Za-z0-9-]{8,64}")
_PICTURE = re.compile(ID.partition("(-")[0])


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One choice. Raises `PickError` for what is none."""

    key: str  # of the click: sent twice, it is one choice
    pick: Kind
    by: By = "page"
    picture: str | None = None  # id of a candidate
    iteration: int | None = None
    prompt: str | None = None  # of the rewrite that is meant, as it stands
    to: str | None = None  # the person's own wording
    on: bool | None = None
    t: float = 0.0  # Unix seconds; set when it is kept

    def __post_init__(self) -> None:
        if self.pick not in KINDS or self.by not in get_args(By):
            raise PickError(f"there is no choice {str(self.pick)[:40]!r}; they are {', '.join(KINDS)}")
        if not (isinstance(self.key, str) and _KEY.fullmatch(self.key)):
            raise PickError("a choice needs a key of 8 to 64 letters and digits")
        if not isinstance(self.t, int | float) or isinstance(self.t, bool):
            raise PickError("the time of a choice is wrong")
        kinds: dict[str, type] = {"picture": str, "iteration": int, "prompt": str, "to": str, "on": bool}
        needed = _NEEDS.get(self.pick, ())
        for name, kind in kinds.items():
            value = getattr(self, name)
            if (value is not None) != (name in needed) or (value is not None and type(value) is not kind):
                raise PickError(f"a {self.pick} with a wrong {name}; see docs/studio.md")
        if self.picture is not None and not _PICTURE.fullmatch(self.picture):
            raise PickError(f"{self.picture[:40]!r} is no candidate's id")
        if self.to is not None:
            object.__setattr__(self, "to", clean_prompt(self.to))

    def to_json(self) -> dict[str, Any]:
        """One line of the file."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}


class Edit(Protocol):
    """A strike, change or add: a `Pick`, or what a run took up of one."""

    @property
    def pick(self) -> str: ...
    @property
    def prompt(self) -> str | None: ...
    @property
    def to(self) -> str | None: ...


def edited(prompts: Iterable[str], edits: Iterable[Edit], had: Container[str] = ()) -> list[str]:
    """A round's prompts after some edits, in order; a wording that is there, or among `had`, is left out.

    `had` are prompts as `normalize` gives them.
    """
    found = list(prompts)
    for edit in edits:
        place = found.index(edit.prompt) if edit.prompt in found else len(found)
        if edit.pick != "add" and place == len(found):
            continue
        others = {normalize(prompt) for i, prompt in enumerate(found) if i != place}
        new = (
            [edit.to]
            if edit.to and normalize(edit.to) not in others and normalize(edit.to) not in had
            else []
        )
        if new or edit.pick == "strike":
            found[place : place + 1] = new
    return found


class Picks:
    """The picks of one run, for those who give them and for the run that takes them up."""

    def __init__(self, folder: Path) -> None:
        self._log = Log(folder / FILE)
        self._lock = threading.Lock()
        self._all: dict[str, Pick] = {}  # by key, in order

    def read(self) -> Sequence[Pick]:
        """All that are on disk, in order. Raises OSError, and `LogGone` where the file was taken away."""
        with self._lock:
            try:
                self._take(self._log.read())
            except FileNotFoundError:  # nobody chose anything
                return ()
            return tuple(self._all.values())

    def give(self, pick: Pick) -> Pick:
        """Keep one; it is on disk when this returns. One of the same key is there already: that is returned.

        Raises OSError, `LogGone`.
        """
        with self._lock, self._log.held(create=True) as fresh:
            self._take(fresh)
            if pick.key not in self._all:
                kept = replace(pick, t=round(time.time(), 3))
                self._log.append(kept.to_json())
                self._all[kept.key] = kept
            return self._all[pick.key]

    def _take(self, lines: Sequence[dict[str, Any]]) -> None:
        known = {one.name for one in fields(Pick)}
        for line in lines:
            try:
                pick = Pick(**{name: line[name] for name in line if name in known})
            except (UsageError, TypeError):
                continue  # damaged, or a newer steer's: it costs itself and nothing else
            self._all.setdefault(pick.key, pick)

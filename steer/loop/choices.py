"""A person inside the search: hearts, buries, wordings of their own, taken up between the loop's steps.

A heart adds `HEART` rating points to what is predicted of a picture, wherever pictures are compared: in the
memory, in what the forecast learns, among the finalists, for the winner. A bury takes a picture out of all of
that, and the forecast learns it as `HEART` points less. A buried picture never wins; where all are buried,
the base prompt is what is left. With no choices everything is as if this were not here.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace

from steer.gates.text import normalize
from steer.parts import Scored
from steer.record.events import (
    Confirmed,
    Event,
    Finals,
    IterationDone,
    Picked,
    Proposed,
    Rejected,
    Rendered,
    Review,
)
from steer.record.folder import Recorder
from steer.record.picks import HEART, By, Pick, edited
from steer.taste import unwanted

POLL = 0.2  # seconds between two looks for an answer, while the run waits for one


class Paused(Exception):
    """The run ends here as by Ctrl-C."""


class Choices:
    """What was chosen so far in one run."""

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._taken: set[str] = set()
        self._edits: list[Picked] = []  # for the next review
        self._told_to_go: set[int] = set()
        self._asked_by: By | None = None  # where the person wants to be asked before each round
        self.hearted: set[str] = set()
        self.buried: set[str] = set()
        self.parents: list[str] = []  # "more like this", for the next round
        self.stopped = False

    @property
    def paused(self) -> bool:
        """Whether the person has asked for a pause since this process took the run."""
        return any(pick.pick == "pause" for pick in self._record.picks.read()[self._record.picks_before :])

    def take(self, at: str) -> Generator[Event, None, None]:
        """Take up what was chosen until now; of a moment that the log has passed, what was taken up then."""
        for event in [e for e in self._record.events if isinstance(e, Picked) and e.at == at]:
            if event.name not in self._taken:
                yield event
                self._apply(event)
        if self._passed(at):
            return
        logged = {event.name for event in self._record.events if isinstance(event, Picked)}
        for pick in self._record.picks.read():
            if pick.key not in logged and pick.pick != "pause":
                event = _picked(pick, at, self._is_late(pick, at))
                yield event
                self._apply(event)

    def review(
        self, iteration: int, prompts: Sequence[str], tried: set[str]
    ) -> Generator[Event, None, list[str]]:
        """A round's prompts as the person leaves them; waits for a word where they want to be asked.

        `tried` takes in the person's own wordings. Raises `Paused`.
        """
        at = f"review {iteration}"
        yield from self.take(at)
        found = self._record.find(Review, iteration)
        waits = self._asked_by is not None and not self._passed(at)
        if found is not None or (waits and iteration not in self._told_to_go):
            now = edited(prompts, self._edits, self._had(iteration))
            yield found or Review(iteration=iteration, prompts=tuple(now), by=self._asked_by or "page")
        while waits and self._asked_by and iteration not in self._told_to_go and not self.stopped:
            if self.paused:
                raise Paused
            time.sleep(POLL)
            yield from self.take(at)
        if self.stopped:
            return []
        left = edited(prompts, self._edits, self._had(iteration))
        self._edits.clear()
        tried.update(map(normalize, left))
        return left

    def standing(self, pool: Sequence[Scored]) -> list[Scored]:
        """What may win, with hearts counted into the scores; the base alone where everything is buried."""
        if not (self.hearted or self.buried):
            return list(pool)
        return [entry for entry in self.evidence(pool) if entry.id not in self.buried] or [pool[0]]

    def evidence(self, pool: Sequence[Scored]) -> list[Scored]:
        """All of it, with hearts and buries counted into the scores: what a forecast learns from."""
        worth = {**dict.fromkeys(self.hearted, HEART), **dict.fromkeys(self.buried, -HEART)}
        return [replace(e, score=e.score + worth[e.id]) if e.id in worth else e for e in pool]

    def with_parents(self, memory: Sequence[Scored], pool: Sequence[Scored]) -> list[Scored]:
        """The memory, after those of which the person wants more."""
        first = [entry for id in self.parents for entry in pool if entry.id == id]
        return [*first, *(entry for entry in memory if entry.id not in self.parents)]

    # --- what a choice does

    def _apply(self, event: Picked) -> None:
        self._taken.add(event.name)
        if event.late:
            return
        picture = event.picture or ""
        match event.pick:
            case "heart" | "bury" | "clear":
                self.hearted.discard(picture)
                self.buried.discard(picture)
                if event.pick != "clear":
                    (self.hearted if event.pick == "heart" else self.buried).add(picture)
            case "more":
                self.parents = [picture, *(id for id in self.parents if id != picture)]
            case "review":
                self._asked_by = event.by if event.on else None
            case "go":
                self._told_to_go.add(event.iteration or 0)
            case "stop":
                self.stopped = True
            case _:
                self._edits.append(event)

    def _is_late(self, pick: Pick, at: str) -> bool:
        """Whether it changes nothing: it comes too late, or says what the person never wants."""
        where, _, number = at.partition(" ")
        if where == "confirm":
            return pick.pick != "bury"
        if where == "finals":
            return pick.pick not in ("heart", "bury", "clear")
        if pick.to is not None and unwanted(self._record.config, pick.to):
            return True
        if pick.pick in ("strike", "change"):
            return at != f"review {pick.iteration}"
        return pick.pick == "go" and where == "round" and (pick.iteration or 0) < int(number)

    def _passed(self, at: str) -> bool:
        """Whether the log holds what comes after this moment."""
        find, (where, _, number) = self._record.find, at.partition(" ")
        if find(Confirmed) is not None:
            return True
        if where == "confirm":
            return False
        if find(Finals) is not None:
            return True
        if where == "round":
            return find(Proposed, int(number), 0) is not None
        if where == "review":
            n = int(number)
            return find(IterationDone, n) is not None or any(
                isinstance(e, Rendered | Rejected) and e.iteration == n for e in self._record.events
            )
        return False

    def _had(self, iteration: int) -> set[str]:
        """Wordings that were rendered before a round."""
        return {
            normalize(event.prompt)
            for event in self._record.events
            if isinstance(event, Rendered | Rejected) and "-" not in event.id and event.iteration < iteration
        }


def _picked(pick: Pick, at: str, late: bool) -> Picked:
    values = {name: value for name, value in pick.to_json().items() if name not in ("key", "t")}
    return Picked(at=at, given=pick.t, name=pick.key, **values, late=late or None)

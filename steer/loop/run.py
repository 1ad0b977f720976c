"""One run from start to result: search, confirm, and a record of both."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from steer.errors import RecordError
from steer.loop.choices import Paused
from steer.loop.confirm import UNPAIRED_NOTE, confirm, with_enough_pictures
from steer.loop.search import search
from steer.loop.steps import Steps
from steer.parts import (
    BASE_ID,
    SEATS,
    Closes,
    FindsPeople,
    KeepsLog,
    KnowsPeople,
    KnowsPopulation,
    Parts,
    PersonLike,
    Scorer,
    honours_seeds,
)
from steer.record.events import Event, Failed, Started, Stopped
from steer.record.folder import Record, Recorder
from steer.settings import Settings, clean_prompt

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What a run found. `data` is the object of result.json; the properties are its main keys."""

    folder: Path
    data: Mapping[str, Any]

    @property
    def status(self) -> str:
        """complete | running | interrupted | error."""
        return str(self.data["status"])

    @property
    def stop_reason(self) -> str | None:
        """patience | iterations | target; None while the search goes on."""
        return self.data["stop_reason"]

    @property
    def baseline(self) -> dict[str, Any]:
        """The base prompt: id, prompt, image, score."""
        return dict(self.data["baseline"])

    @property
    def best(self) -> dict[str, Any]:
        """The winner, which may be the base: id, prompt, image, score, iteration."""
        return dict(self.data["best"])

    @property
    def confirm(self) -> dict[str, Any] | None:
        """Base against best on unseen seeds; `verdict` is better, no_evidence or worse."""
        return self.data["confirm"]

    @property
    def specificity(self) -> dict[str, Any] | None:
        """Is the gain this person's own, or everybody's?"""
        return self.data["specificity"]

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time: propose, render, score, other, total."""
        return dict(self.data["seconds"])


class Run:
    """Iterate over it to run it: it yields every event after that is safely in the record.

    On resume the events found in the log come first, marked `replayed`. Stopping the iteration early, an
    exception, a kill or a pause that a person asked for (`steer.record.picks`) leave a run that can be
    resumed.
    """

    def __init__(
        self,
        folder: Path,
        record: Recorder | None,
        person: PersonLike,
        parts: Parts,
        judge_person: PersonLike | None = None,
    ) -> None:
        self.folder = folder
        self._record = record  # None: the run was complete before
        self.person = person
        self.judge_person = judge_person or _counterpart(person, parts.judge)  # None: nothing is held out
        self._parts = parts
        self.closes_parts = True  # False: more runs are made with them, and whoever makes these closes them
        if record is not None:
            for part in (parts.proposer, parts.renderer, parts.scorer, parts.judge):
                if isinstance(part, KeepsLog):
                    part.keep_log(folder)

    @classmethod
    def start(
        cls,
        prompt: str,
        person: PersonLike,
        parts: Parts,
        settings: Settings | None = None,
        out: str | Path = "runs",
        judge_person: PersonLike | None = None,
        argv: Sequence[str] = (),
        recipe: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Self:
        """A new run folder under `out`. Raises `PromptError`, `RecordError`.

        `judge_person` is the same person as the judge knows them; a known person is found by id. `recipe` is
        kept in config.json for the caller, who needs it to find the same person and parts on resume. `name`
        is the folder's; see `Recorder.create`.
        """
        prompt = clean_prompt(prompt)
        settings = with_enough_pictures(settings or Settings(), parts.renderer)
        record = Recorder.create(out, prompt, person, parts, settings, argv, recipe, name)
        return cls(record.folder, record, person, parts, judge_person)

    @classmethod
    def resume(
        cls, folder: str | Path, person: PersonLike, parts: Parts, judge_person: PersonLike | None = None
    ) -> Self:
        """Go on with a run, with the settings it was started with. A complete run is left untouched;
        where its log is whole and its result.json is lost, that is written again.

        Raises `RecordError`, `RunLocked`, `ResumeError`.
        """
        done = Record.read(folder).restore()
        record = None if done else Recorder.resume(folder, person, parts)
        return cls(Path(folder), record, person, parts, judge_person)

    def __iter__(self) -> Generator[Event, None, None]:
        record = self._record
        if record is None:
            return
        try:
            yield record.append(Started(resumed=bool(record.events)))
            steps = Steps(self.person, self._parts, record.settings, record)
            with contextlib.closing(self._events(steps)) as events:
                for event in events:
                    logged = record.append(event)
                    if isinstance(logged, Stopped):
                        record.finish()  # before anyone hears of the end, and may go away
                    yield logged
                    if not record.complete and steps.choices.paused:
                        raise Paused
        except Paused:
            yield record.append(Stopped(status="interrupted"))
        except (KeyboardInterrupt, GeneratorExit):
            if not record.complete:
                with contextlib.suppress(RecordError):  # the interrupt is what must be told
                    record.append(Stopped(status="interrupted"))
            raise
        except Exception as error:
            with contextlib.suppress(RecordError):  # a full disk takes no last words either
                record.append(Failed(type=type(error).__name__, message=str(error)))
            raise
        finally:
            if self.closes_parts:
                close(self._parts)
            record.close()
            self._record = None

    def _events(self, steps: Steps) -> Generator[Event, None, None]:
        settings = steps.settings
        if not honours_seeds(self._parts.renderer):
            yield from steps.say_once("renderer", UNPAIRED_NOTE)
        found = yield from search(steps, settings)
        found = yield from confirm(steps, found, self.judge_person)
        is_base = found.best.id == BASE_ID
        yield Stopped(
            status="complete", stop_reason=found.stop_reason, best=found.best.id, winner_is_base=is_base
        )

    def close(self) -> None:
        """Let go of a run that was never iterated."""
        if self._record is not None:
            self._record.close()
            self._record = None

    @property
    def result(self) -> Result:
        """What the run found, as far as it got."""
        return Result(self.folder, Record.read(self.folder).result)


def close(parts: Parts) -> None:
    """No more runs with these parts: servers stop, memory is given back. What fails here is only logged."""
    for seat in SEATS:
        part = getattr(parts, seat)
        try:
            if isinstance(part, Closes):
                part.close()
        except Exception as error:  # noqa: BLE001 - one part that cannot be closed must not keep the others open
            _log.warning("closing the %s %s failed: %s", seat, part.name, error)


def _counterpart(person: PersonLike, judge: Scorer | None) -> PersonLike | None:
    """The same person as the judge knows them; None if only the caller can say."""
    if judge is None:
        return None
    if not isinstance(judge, KnowsPeople) or not isinstance(judge, FindsPeople):
        return person  # a judge that keeps no people of its own: it is asked with the scorer's person
    if person.kind == "population" and isinstance(judge, KnowsPopulation):
        return judge.population()
    if person.kind == "known" and any(known.id == person.id for known in judge.people):
        return judge.person(person.id)
    return None

"""A run as a page shows it while it goes on: everything from the record, nothing remembered beside it.

A page asks with the cursor of what it has seen (`EVENTS.PICKS`, the lines of both files that were read) and
gets what has changed since. Asking twice with the same cursor gives the same, so a page that lost an answer,
slept or was opened anew ends with the same pictures as one that saw everything.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from steer.compare.prompt_diff import prompt_diff
from steer.errors import LogGone
from steer.machine.estimate import SANDBOX, costs_of
from steer.machine.presets import PRESETS, resolve
from steer.pages import wording
from steer.pages.watch import Watch
from steer.parts import BASE_ID
from steer.profiles.picks import profile_of
from steer.record.events import (
    Event,
    Finals,
    Forecasted,
    IterationDone,
    Note,
    Picked,
    Rated,
    Rejected,
    Rendered,
    Review,
)
from steer.record.folder import Record
from steer.record.picks import HEART, Pick, Picks, edited
from steer.record.summary import candidates_of

_EDITS = ("strike", "change", "add")


class LiveRun:
    """One run, read as it grows. Safe to ask from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self._begin()

    def _begin(self) -> None:
        self.record = Record.read(self.folder)
        self.picks = Picks(self.folder)
        self._seen: dict[str, int] = {}  # picture -> the last event that concerns it
        self._read = 0
        preset = self.record.config["preset"]
        costs = costs_of(resolve(preset)) if preset in PRESETS else SANDBOX
        self._watch = Watch(self.record.settings, costs)
        _ = self.record.events

    def _refresh(self) -> tuple[list[Event], Sequence[Pick]]:
        try:
            self.record.refresh()
            given = self.picks.read()
        except LogGone:  # another program put another file there: what is there now is the truth
            self._begin()
            given = self.picks.read()
        events = self.record.events
        for number, event in enumerate(events[self._read :], start=self._read + 1):
            self._watch.update(replace(event, replayed=False))
            if isinstance(event, Rendered | Rated | Rejected):
                self._seen[event.id] = number
            if isinstance(event, Picked) and event.picture:
                self._seen[event.picture] = number
            if isinstance(event, Finals):
                self._seen |= {one["id"]: number for one in event.finalists}
        self._read = len(events)
        return events, given

    @property
    def shown(self) -> set[str]:
        """Ids of the candidates that have a picture."""
        return {e.id for e in self.record.events if isinstance(e, Rendered) and e.role == "candidate"}

    @property
    def wordings(self) -> list[str]:
        """What was rendered."""
        return [e.prompt for e in self.record.events if isinstance(e, Rendered) and e.role == "candidate"]

    def review(self) -> dict[str, Any] | None:
        """The round that waits for a word, as it stands by now."""
        events, given = self._refresh()
        return self._review(events, given, str(self.record.config["prompt"]))

    def state(self, since: str, alive: bool) -> dict[str, Any]:
        """What a page shows. `alive`: whether a process that is not yet at the log is about to be."""
        with self.lock:
            events, given = self._refresh()
            e, p = _cursor(since)
            if e > len(events) or p > len(given):  # of another file than this
                e = p = 0
            cursor = f"{len(events)}.{len(given)}"
            new = {id for id, number in self._seen.items() if number > e}
            new |= {pick.picture for pick in given[p:] if pick.picture}
            shown = [one for one in candidates_of(events) if one.image is not None]
            base, config = str(self.record.config["prompt"]), self.record.config
            profile = profile_of(self.record)
            last = {pick.picture: pick for pick in given if pick.pick in ("heart", "bury", "clear")}
            more = {pick.picture for pick in given if pick.pick == "more"}
            taken = {event.name for event in events if isinstance(event, Picked) and not event.late}
            status = self._status(events, alive)
            cards = [
                {
                    "id": one.id,
                    "round": one.iteration,
                    "prompt": one.prompt,
                    "diff": [list(piece) for piece in prompt_diff(base, one.prompt)],
                    "score": wording.score(one.score) if one.score is not None else "not rated yet",
                    "value": None if one.score is None else one.score + HEART * one.hearted,
                    "reason": one.reason if one.fate == "rejected" else None,
                    "own": one.own,
                    "pick": _standing(last.get(one.id)),
                    "taken": one.id not in last or last[one.id].key in taken,
                    "more": one.id in more,
                }
                for one in shown
                if one.id in new or not e
            ]
            best = next((one.id for one in shown if one.rank == 1), None)
            scored = {one.id: one.score for one in shown}
            gain = None
            if best is not None and scored.get(BASE_ID) is not None and best != BASE_ID:
                gain = wording.gain(float(scored[best] or 0) - float(scored[BASE_ID] or 0))
            watch = self._watch
            left, running = watch.seconds_left, status == "running"
            return {
                "cursor": cursor,
                "whole": not e,
                "status": status,
                "error": self.record.error if status == "error" else None,
                "prompt": base,
                "person": config["person"]["label"] if profile is None else f"your profile {profile}",
                "profile": profile,
                "phase": watch.phase.replace("iteration", "round"),
                "done": min(watch.done, watch.total),
                "total": watch.total,
                "round": watch.iteration,
                "rounds": self.record.settings.iterations,
                "left": f"at most about {wording.seconds(left)} left" if left and running else "",
                "pictures": len(shown),
                "cards": cards,
                "best": best,
                "gain": gain,
                "review": self._review(events, given, base) if status in ("running", "waiting") else None,
                "asks": _asks(given),
                "stopping": status == "running" and any(pick.pick == "stop" for pick in given),
                "pausing": status == "running" and _pausing(given, events),
                "verdict": self._verdict() if status == "complete" else [],
                "notes": [one.text for one in events if isinstance(one, Note)][-3:],
            }

    def _status(self, events: Sequence[Event], alive: bool) -> str:
        found = self.record.status
        if found in ("interrupted", "error") and alive:
            return "starting"
        if found == "running" and self._open_review(events) is not None:
            return "waiting"
        return found

    def _open_review(self, events: Sequence[Event]) -> Review | None:
        """The round that waits for a word."""
        for event in reversed(events):
            if isinstance(event, Review):
                return event
            if isinstance(event, Rendered | IterationDone | Forecasted):
                return None
        return None

    def _review(self, events: Sequence[Event], given: Sequence[Pick], base: str) -> dict[str, Any] | None:
        event = self._open_review(events)
        if event is None or any(pick.pick == "go" and pick.iteration == event.iteration for pick in given):
            return None
        edits = [pick for pick in given if pick.pick in _EDITS and pick.t >= event.t]
        prompts = edited(event.prompts, edits)
        rows = [{"prompt": one, "diff": [list(piece) for piece in prompt_diff(base, one)]} for one in prompts]
        return {"iteration": event.iteration, "prompts": rows, "terminal": event.by == "terminal"}

    def _verdict(self) -> list[str]:
        """What the checks say, in sentences."""
        result = self.record.result
        if result["winner_is_base"] and BASE_ID in result.get("picks", {}).get("hearted", ()):
            return [
                "You hearted the picture of your own words and nothing came above it: they are the result."
            ]
        if result["winner_is_base"]:
            return ["No rewrite was rated higher than your own words, so they are the result."]
        confirm, found = result["confirm"], []
        if confirm:
            mean, count = wording.gain(confirm["gain_mean"]), len(confirm["seeds"])
            interval = wording.interval(confirm["gain_ci95"])
            found.append(f"{wording.verdict(confirm)} Mean gain {mean} on {count} seeds, {interval}.")
            found += filter(None, [wording.gain_range(confirm)])
        if figures := result["specificity"]:
            found.append(wording.specificity(figures))
        return found


def _standing(pick: Pick | None) -> str | None:
    return None if pick is None or pick.pick == "clear" else pick.pick


def _asks(given: Sequence[Pick]) -> bool:
    """Whether the person wants to be asked before each round."""
    return next((bool(pick.on) for pick in reversed(given) if pick.pick == "review"), False)


def _pausing(given: Sequence[Pick], events: Sequence[Event]) -> bool:
    """Whether a pause was asked for since the process that is at work began."""
    began = next((event.t for event in reversed(events) if event.event == "started"), 0.0)
    return any(pick.pick == "pause" and pick.t >= began for pick in given)


def _cursor(text: str) -> tuple[int, int]:
    """(events, picks) that a page has seen; none for what is no cursor."""
    first, _, second = text.partition(".")
    if not (first.isascii() and first.isdigit() and second.isascii() and second.isdigit()):
        return 0, 0
    return int(first[:9]), int(second[:9])

"""What a run's log says, as the objects that pages, tables and result.json show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from steer.parts import BASE_ID, Candidate, Event, Fate

SCHEMA_VERSION = 1


def candidates_of(events: Sequence[Event]) -> list[Candidate]:
    """The base prompt and every rewrite that reached the renderer, in order, with rank and fate."""
    found: dict[str, Candidate] = {}
    kept: set[str] = set()
    for event in events:
        data = event.data
        if event.event == "rendered" and data["role"] == "candidate":
            found[_id(event)] = Candidate(
                _id(event), data["iteration"], data["prompt"], data["seed"], "pending", data["image"],
                parents=tuple(data["parents"]),
            )  # fmt: skip
        elif event.event == "rejected" and event.id is not None:
            known = found.get(event.id) or Candidate(
                event.id, data["iteration"], data["prompt"], data["seed"], "rejected", None
            )
            found[event.id] = replace(known, fate="rejected", reason=data["reason"])
        elif event.event == "scored":
            found[_id(event)] = replace(
                found[_id(event)], score=data["score"], adherence=data["adherence"], fate="beaten"
            )
        elif event.event == "iteration":
            kept.update(data["memory"])
    ranking = _ranking(found.values())
    ranks = {candidate.id: rank for rank, candidate in enumerate(ranking, 1)}

    def fate(candidate: Candidate) -> Fate:
        if ranks.get(candidate.id) == 1:
            return "best"
        return "kept" if candidate.id in kept else candidate.fate

    ordered = sorted(found.values(), key=lambda candidate: (candidate.iteration, _number(candidate.id)))
    return [replace(candidate, fate=fate(candidate), rank=ranks.get(candidate.id)) for candidate in ordered]


def summarize(run: str, config: Mapping[str, Any], events: Sequence[Event], status: str) -> dict[str, Any]:
    """The object of result.json (and of `--json`), from the log alone; fields not reached yet are null."""
    candidates = candidates_of(events)
    by_id = {candidate.id: candidate for candidate in candidates}
    baseline = by_id.get(BASE_ID)
    best = next((candidate for candidate in candidates if candidate.rank == 1), None)
    confirmed = _last(events, "confirmed")
    stopped = next((e for e in events if e.event == "stopped" and e.data["status"] == "complete"), None)
    error = events[-1] if events and events[-1].event == "error" else None
    rejected = [event for event in events if event.event == "rejected"]
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run,
        "status": status,
        "stop_reason": stopped.data["stop_reason"] if stopped else None,
        "error": error.data["message"] if error else None,
        "prompt": config["prompt"],
        "person": config["person"],
        "preset": config["preset"],
        "simulated": config["simulated"],
        "iterations": sum(event.event == "iteration" for event in events),
        "candidates": sum(candidate.id != BASE_ID for candidate in candidates),
        "rejected": {
            stage: sum(event.data["stage"] == stage for event in rejected)
            for stage in ("text", "render", "score", "image")
        },
        "renders": sum(event.event == "rendered" for event in events),
        "baseline": _show(baseline) if baseline else None,
        "best": {**_show(best), "iteration": best.iteration} if best else None,
        "winner_is_base": best.id == BASE_ID if best else None,
        "confirm": confirmed.data["confirm"] if confirmed else None,
        "specificity": confirmed.data["specificity"] if confirmed else None,
        "seconds": seconds_of(events),
        "notes": [{"part": e.data["part"], "text": e.data["text"]} for e in events if e.event == "note"],
    }


def seconds_of(events: Sequence[Event]) -> dict[str, float]:
    """Wall time by step, summed over the sessions of the run; `other` is what no step accounts for."""
    steps = {"proposed": "propose", "rendered": "render", "scored": "score", "confirmed": "score"}
    seconds = {"propose": 0.0, "render": 0.0, "score": 0.0}
    total = start = last = 0.0
    for event in events:
        if event.event == "started":
            total, start = total + (last - start), event.t
        last = event.t
        if event.event in steps:
            seconds[steps[event.event]] += event.data["seconds"]
    total += last - start
    seconds = {**seconds, "other": max(0.0, total - sum(seconds.values())), "total": total}
    return {step: round(value, 3) for step, value in seconds.items()}


def _ranking(candidates: Any) -> list[Candidate]:
    # Stable: of equal scores the earlier wins.
    ordered = sorted(candidates, key=lambda candidate: (candidate.iteration, _number(candidate.id)))
    eligible = [c for c in ordered if c.fate != "rejected" and c.score is not None]
    return sorted(eligible, key=lambda candidate: -(candidate.score or 0.0))


def _show(candidate: Candidate) -> dict[str, Any]:
    return {name: getattr(candidate, name) for name in ("id", "prompt", "image", "score")}


def _last(events: Sequence[Event], kind: str) -> Event | None:
    return next((event for event in reversed(events) if event.event == kind), None)


def _id(event: Event) -> str:
    if event.id is None:
        raise ValueError(f"a {event.event} event without an id")
    return event.id


def _number(candidate_id: str) -> int:
    return int(candidate_id.partition("c")[2])

"""What a run's log says, as the objects that pages, tables and result.json show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

from steer.parts import BASE_ID
from steer.record.events import (
    Confirmed,
    Event,
    Failed,
    Finals,
    Forecasted,
    IterationDone,
    Note,
    Picked,
    PromptRejected,
    Proposed,
    Rated,
    Rejected,
    Rendered,
    Started,
    Stopped,
)
from steer.record.picks import HEART

SCHEMA_VERSION = 1
BURIED = "buried by you"

Fate = Literal["pending", "rejected", "buried", "beaten", "kept", "best"]


@dataclass(frozen=True)
class Candidate:
    """One rewrite of a run with all that became of it, for pages and tables."""

    id: str
    iteration: int
    prompt: str
    seed: int
    fate: Fate  # kept: was in the memory after its iteration, and beaten later
    image: str | None  # path relative to the run folder
    score: float | None = None
    adherence: float | None = None  # image-text similarity to the original prompt
    rank: int | None = None  # 1 = best of the whole run; None if it cannot win
    reason: str | None = None  # why it was rejected
    parents: tuple[str, ...] = ()
    hearted: bool = False  # by a person, as the run took it up
    own: bool = False  # a person's own wording


def candidates_of(events: Sequence[Event]) -> list[Candidate]:
    """The base prompt and every rewrite that reached the renderer, in order, with rank and fate."""
    found: dict[str, Candidate] = {}
    kept: set[str] = set()
    choices = choices_of(events)
    for event in events:
        match event:
            case Rendered(role="candidate", id=id):
                found[id] = Candidate(
                    id, event.iteration, event.prompt, event.seed, "pending", event.image,
                    parents=event.parents, hearted=id in choices.hearted,
                    own=(event.iteration, event.prompt) in choices.own,
                )  # fmt: skip
            case Rejected(id=id):
                known = found.get(id) or Candidate(
                    id, event.iteration, event.prompt, event.seed, "rejected", None
                )
                found[id] = replace(known, fate="rejected", reason=event.reason)
            case Rated(id=id) if id in found:
                found[id] = replace(found[id], score=event.score, adherence=event.adherence, fate="beaten")
            case IterationDone():
                kept.update(event.memory)
    for id in choices.buried & found.keys():
        found[id] = replace(found[id], fate="buried", reason=found[id].reason or BURIED)
    ranking = _ranking(found.values())
    if finals := next((e for e in events if isinstance(e, Finals)), None):
        order = [one["id"] for one in finals.finalists if one["id"] not in choices.buried]
        ranking.sort(key=lambda candidate: candidate.id not in order[:1])  # the best mean, not the best score
    if not ranking and (base := found.get(BASE_ID)) is not None and base.score is not None:
        ranking = [base]  # all are buried
    ranks = {candidate.id: rank for rank, candidate in enumerate(ranking, 1)}

    def fate(candidate: Candidate) -> Fate:
        if ranks.get(candidate.id) == 1:
            return "best"
        return "kept" if candidate.id in kept and candidate.fate != "buried" else candidate.fate

    ordered = sorted(found.values(), key=lambda candidate: (candidate.iteration, _number(candidate.id)))
    return [replace(candidate, fate=fate(candidate), rank=ranks.get(candidate.id)) for candidate in ordered]


@dataclass(frozen=True)
class Chosen:
    """A person's choices that a run took up."""

    hearted: frozenset[str]  # ids
    buried: frozenset[str]
    own: frozenset[tuple[int, str]]  # iteration and prompt of wordings of their own
    count: int  # of choices in all


def choices_of(events: Sequence[Event]) -> Chosen:
    """What a person chose."""
    last: dict[str, str] = {}
    own: set[tuple[int, str]] = set()
    count = 0
    for event in events:
        if not isinstance(event, Picked):
            continue
        count += 1
        if event.late:
            continue
        if event.pick in ("heart", "bury", "clear"):
            last[event.picture or ""] = event.pick
        elif event.to is not None and event.at.startswith("review "):
            own.add((int(event.at.split()[1]), event.to))
    named = {
        pick: frozenset(id for id, chosen in last.items() if chosen == pick) for pick in ("heart", "bury")
    }
    return Chosen(named["heart"], named["bury"], frozenset(own), count)


def summarize(run: str, config: Mapping[str, Any], events: Sequence[Event], status: str) -> dict[str, Any]:
    """The object of result.json (and of `--json`), from the log alone; fields not reached yet are null."""
    candidates = candidates_of(events)
    by_id = {candidate.id: candidate for candidate in candidates}
    baseline = by_id.get(BASE_ID)
    best = next((candidate for candidate in candidates if candidate.rank == 1), None)
    confirmed = next((e for e in reversed(events) if isinstance(e, Confirmed)), None)
    stopped = next((e for e in events if isinstance(e, Stopped) and e.status == "complete"), None)
    error = events[-1] if events and isinstance(events[-1], Failed) else None
    choices = choices_of(events)
    rejected = [event.stage for event in events if isinstance(event, Rejected | PromptRejected)]
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run,
        "status": status,
        "stop_reason": stopped.stop_reason if stopped else None,
        "error": error.message if error else None,
        "prompt": config["prompt"],
        "person": config["person"],
        "preset": config["preset"],
        "simulated": config["simulated"],
        "iterations": sum(isinstance(event, IterationDone) for event in events),
        "candidates": sum(candidate.id != BASE_ID for candidate in candidates),
        "rejected": {stage: rejected.count(stage) for stage in ("text", "render", "score", "image")},
        "renders": sum(isinstance(event, Rendered) for event in events),
        "baseline": _show(baseline) if baseline else None,
        "best": {**_show(best), "iteration": best.iteration} if best else None,
        "winner_is_base": best.id == BASE_ID if best else None,
        "search": config["settings"].get("search", "paper"),
        "forecast": _hits(events),
        "finalists": [dict(one) for e in events if isinstance(e, Finals) for one in e.finalists],
        "confirm": confirmed.confirm if confirmed else None,
        "specificity": confirmed.specificity if confirmed else None,
        "seconds": seconds_of(events),
        "notes": [{"part": e.part, "text": e.text} for e in events if isinstance(e, Note)],
        **({"picks": _picks(choices, candidates)} if choices.count else {}),
    }


def _picks(choices: Chosen, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """What a person chose, by ids; of wordings of their own those that were rendered."""
    return {
        "choices": choices.count,
        "hearted": sorted(choices.hearted),
        "buried": sorted(choices.buried),
        "own": [candidate.id for candidate in candidates if candidate.own],
    }


def seconds_of(events: Sequence[Event]) -> dict[str, float]:
    """Wall time by step, summed over the sessions of the run; `other` is what no step accounts for."""
    seconds = {"propose": 0.0, "render": 0.0, "score": 0.0}
    total, last = 0.0, events[0].t if events else 0.0
    for event in events:
        if not isinstance(event, Started):
            total += max(0.0, event.t - last)  # a clock that was set back gives no time back
        last = event.t
        match event:
            case Proposed():
                seconds["propose"] += max(0.0, event.seconds)
            case Rendered():
                seconds["render"] += max(0.0, event.seconds)
            case Rated() | Finals() | Confirmed():
                seconds["score"] += max(0.0, event.seconds)
    total = max(total, sum(seconds.values()))
    seconds = {**seconds, "other": total - sum(seconds.values()), "total": total}
    return {step: round(value, 3) for step, value in seconds.items()}


def _hits(events: Sequence[Event]) -> dict[str, Any] | None:
    """How good the forecasts were; None for a search that makes none."""
    forecasts = [event for event in events if isinstance(event, Forecasted)]
    scores = {e.id: e.score for e in events if isinstance(e, Rated)}
    ids = {(e.iteration, e.prompt): e.id for e in events if isinstance(e, Rendered) if e.role == "candidate"}
    right = pairs = 0.0
    for event in forecasts:
        named = ((ids.get((event.iteration, one["prompt"])), one["expected"]) for one in event.chosen)
        known = [(expected, scores[id]) for id, expected in named if id in scores]
        for (a, x), (b, y) in combinations(known, 2):
            if x != y and a != b:
                right, pairs = right + ((a > b) == (x > y)), pairs + 1
    if not forecasts:
        return None
    return {
        "forecast": sum(event.forecast for event in forecasts),
        "rendered": sum(len(event.chosen) for event in forecasts),
        "pairs_right": right / pairs if pairs else None,
    }


def _ranking(candidates: Any) -> list[Candidate]:
    # Stable: of equal scores the earlier wins.
    ordered = sorted(candidates, key=lambda candidate: (candidate.iteration, _number(candidate.id)))
    eligible = [c for c in ordered if c.fate not in ("rejected", "buried") and c.score is not None]
    return sorted(eligible, key=lambda candidate: -((candidate.score or 0.0) + HEART * candidate.hearted))


def _show(candidate: Candidate) -> dict[str, Any]:
    return {name: getattr(candidate, name) for name in ("id", "prompt", "image", "score")}


def _number(candidate_id: str) -> int:
    return int(candidate_id.partition("c")[2])

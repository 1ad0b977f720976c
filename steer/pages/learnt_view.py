"""From what has been learnt of someone to what the page shows: plain values only."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from steer.pages import wording
from steer.profiles.learnt import FEWEST, NOT_MEASURED, STEP, Learnt, Seen
from steer.settings import DEFAULT_PROMPT

PICTURES = 4  # of each row


@dataclass(frozen=True)
class Figure:
    """One number with what it means."""

    title: str
    value: str
    verdict: str
    text: str = ""


@dataclass(frozen=True)
class Shown:
    """One picture."""

    id: str
    prompt: str
    caption: str


@dataclass(frozen=True)
class LearntPage:
    """Everything that the template shows."""

    name: str
    title: str
    lede: str
    simulated: bool
    figures: list[Figure]
    curve: dict[str, Any] | None
    similar: list[dict[str, str]]
    liked: list[Shown]
    disliked: list[Shown]
    command: str
    source: str
    empty: bool = False
    notes: list[str] = field(default_factory=list)


def build(learnt: Learnt, name: str, source: str) -> LearntPage:
    """The page of one profile, with few ratings or many."""
    count = f"{learnt.ratings} {'rating' if learnt.ratings == 1 else 'ratings'}"
    return LearntPage(
        name=name,
        title=f"What {count} say" if learnt.ratings else "Nothing rated yet",
        lede=_lede(learnt),
        simulated=learnt.simulated,
        figures=_figures(learnt),
        curve=_curve(learnt),
        similar=[
            {"id": one.id, "about": _about(one.demographics), "agreement": f"{one.agreement:.2f}"}
            for one in learnt.similar
        ],
        liked=_shown(learnt.liked),
        disliked=_shown(learnt.disliked),
        command=shlex.join(["steer", "run", "--user", name, "--prompt", DEFAULT_PROMPT]),
        source=source,
        empty=not learnt.ratings,
        notes=_notes(learnt),
    )


def _notes(learnt: Learnt) -> list[str]:
    if not learnt.note:
        return []
    notes = [f"{learnt.note[0].upper()}{learnt.note[1:]}."]
    if learnt.contradicted:
        notes.append(f"{NOT_MEASURED[0].upper()}{NOT_MEASURED[1:]}.")
    return notes


def in_order(srocc: float) -> int:
    """How many of 100 pairs of pictures a rank correlation puts in the right order.

    For jointly normal ratings: Pearson's r = 2 sin(pi rho / 6), Kendall's tau = 2 asin(r) / pi.
    """
    r = 2 * math.sin(math.pi * max(-1.0, min(1.0, srocc)) / 6)
    return round(50 * (1 + 2 * math.asin(max(-1.0, min(1.0, r))) / math.pi))


def _lede(learnt: Learnt) -> str:
    if not learnt.ratings:
        return "Rate a few pictures first; after about 15 there is something to see here."
    if learnt.enough:
        return "More ratings of such pictures hardly help now. Steer a prompt, and rate what comes out."
    return "Everything here is predicted from your ratings, by a model that is often wrong."


def _figures(learnt: Learnt) -> list[Figure]:
    found = []
    if learnt.expected is not None:
        people = "simulated people" if learnt.simulated else "people"
        found.append(
            Figure(
                "Expected accuracy",
                f"{learnt.expected:.2f}",
                f"About {in_order(learnt.expected)} of 100 pairs in your order.",
                f"Rank correlation of predicted and given ratings, as measured on {learnt.measured_on} "
                f"{people} who rated as many pictures; 50 pairs would be chance.",
            )
        )
    if learnt.within is not None:
        found.append(
            Figure(
                "How near",
                f"±{learnt.within:.1f}",
                "So many points from the prediction lie 4 of 5 ratings to come.",
                f"Measured on {learnt.measured_on} people outside the training, after as many ratings.",
            )
        )
    if learnt.own is not None:
        ci = learnt.own_ci95
        range_ = f"95% interval {wording.score(ci[0])} to {wording.score(ci[1])}. " if ci else ""
        found.append(
            Figure(
                "Your own check",
                f"{learnt.own:.2f}",
                f"On {learnt.held_out} pictures that were drawn at random.",
                f"{range_}Predicted from your other ratings only.".replace("-", "−"),
            )
        )
    elif learnt.ratings:
        more = FEWEST - learnt.held_out
        found.append(
            Figure(
                "Your own check",
                "Not yet",
                f"It needs {more} more {'picture' if more == 1 else 'pictures'} drawn at random.",
                f"A part of the pictures is drawn at random; from {FEWEST} ratings of these on, predictions "
                "are checked against your own.",
            )
        )
    if learnt.gain is not None:
        verdict = "More ratings hardly help." if learnt.enough else "More ratings still help."
        text = f"Expected rise of the accuracy by the next {STEP} ratings."
        found.append(
            Figure(
                "When to stop",
                "Enough" if learnt.enough else wording.gain(learnt.gain),
                verdict,
                f"{text[:-1]}: {wording.gain(learnt.gain)}." if learnt.enough else text,
            )
        )
    return found


def _curve(learnt: Learnt) -> dict[str, Any] | None:
    """Accuracy over ratings, as numbers for an SVG of 560 by 190."""
    if len(learnt.curve) < 2 or learnt.expected is None:
        return None
    left, top, width, height = 34.0, 12.0, 500.0, 140.0
    last = max(max(k for k, _ in learnt.curve), 1)
    low = min(0.0, *(value for _, value in learnt.curve))
    high = max(0.1, math.ceil(max(value for _, value in learnt.curve) * 10) / 10)

    def place(k: float, value: float) -> tuple[float, float]:
        x = left + width * min(k, last) / last
        return round(x, 1), round(top + height * (high - value) / (high - low), 1)

    points = [place(k, value) for k, value in learnt.curve]
    here = place(learnt.ratings, learnt.expected)
    values = ", ".join(f"{value:.2f} after {k}" for k, value in learnt.curve)
    return {
        "line": "M" + "L".join(f"{x} {y}" for x, y in points),
        "here": here,
        "label": f"you: {learnt.ratings}",
        "label_left": here[0] > left + width * 0.8,
        "ks": [{"x": x, "label": str(k)} for (k, _), (x, _) in zip(learnt.curve, points, strict=True)],
        "ticks": [{"y": place(0, v)[1], "label": f"{v:.1f}"} for v in (max(low, 0.0), high)],
        "alt": f"Rank correlation {values} ratings; you have given {learnt.ratings}",
    }


def _shown(seen: Sequence[Seen]) -> list[Shown]:
    return [
        Shown(
            one.id,
            one.prompt or "a picture of the source",
            f"predicted {wording.score(one.predicted)}, {wording.gain(one.own)} against everyone’s",
        )
        for one in seen[:PICTURES]
    ]


def _about(demographics: dict[str, Any]) -> str:
    return ", ".join(str(value) for value in demographics.values() if value is not None)

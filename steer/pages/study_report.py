"""What a study found as one self-contained page in the look of the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reward.files import write_whole
from steer.errors import StudyError
from steer.pages.gallery import picture_address
from steer.pages.html import fill, inline
from steer.record.files import write_json
from steer.study.answers import Answer
from steer.study.bradley_terry import Ranking, Score
from steer.study.design import BASE, OTHERS, OWN
from steer.study.report import WON, Report, paper, rater_json, to_json

FEW_RATERS = 10  # below this an interval over raters is a guess
TITLES = {
    OWN: "made for the rater",
    OTHERS: "made for another person",
    BASE: "the base prompt",
    "population": "made for the average taste",
}


def write_report(report: Report) -> Path:
    """Write `report.json` and `report.html` into the study. Raises StudyError."""
    folder = report.design.folder
    page = folder / "report.html"
    try:
        write_json(folder / "report.json", to_json(report), private=True)
        write_whole(page, render(report).encode(), private=True)
    except OSError as error:
        raise StudyError(
            f"cannot write {page}: {error.strerror or error}; make room or allow writing"
        ) from error
    return page


def render(report: Report) -> str:
    """The page as HTML."""
    return fill("study_report.html.j2", page=page(report), style=inline("base.css", "study.css"))


def page(report: Report) -> dict[str, Any]:
    """What the template shows: texts, and numbers as places in the plot."""
    design, ranking = report.design, report.ranking
    count = len(report.raters)
    return {
        "title": _headline(ranking),
        "lede": (
            f"{count} {_plural(count, 'rater')} compared {ranking.comparisons:,} pairs of pictures, from "
            f"{len(design.prompts)} {_plural(len(design.prompts), 'prompt')}, without knowing how they "
            "were made."
        ),
        "created": design.created[:10],
        "name": design.folder.name,
        "notices": _notices(report),
        "plot": plot(ranking),
        "rows": [
            {
                "name": name,
                "about": TITLES.get(name, "made for a reward that is the same for everybody"),
                "elo": f"{score.value:.0f}",
                "by_rater": _limits(score.by_rater),
                "by_comparison": _limits(score.by_comparison),
                "paper": str(paper()["elo"].get(name, "")),
            }
            for name, score in ranking.elo.items()
        ],
        "differences": [
            {"name": f"{a} − {b}", **_difference(ranking.difference(a, b))}
            for a, b in ((OWN, OTHERS), (OTHERS, BASE), (OWN, BASE))
            if a in ranking.conditions and b in ranking.conditions
        ],
        "conditions": ranking.conditions,
        "matrix": [
            {"name": a, "cells": [_share(ranking, a, b) for b in ranking.conditions]}
            for a in ranking.conditions
        ],
        "raters": [rater_json(rater) for rater in report.raters],
        "prompts": [_pictures(report, group) for group in range(len(design.prompts))],
        "paper_note": paper()["data"],
        "simulated": design.simulated,
    }


def plot(ranking: Ranking) -> dict[str, Any]:
    """Elo scores with both intervals, in pixels of the SVG."""
    width, left, right, row = 760, 190, 40, 44
    scores = list(ranking.elo.values())
    ends = [e for s in scores for e in (s.value, *(s.by_rater or ()), *(s.by_comparison or ()))]
    low, high = min(1000.0, *ends), max(1000.0, *ends)
    span = max(high - low, 20.0)

    def x(value: float) -> float:
        return round(left + (width - left - right) * (value - low) / span, 1)

    step = next(step for step in (10, 20, 50, 100, 200, 500, 1000, 5000) if span / step <= 8 or step == 5000)
    ticks = [
        value for value in range(int(low // step) * step, int(high) + step, step) if low <= value <= high
    ]
    return {
        "width": width,
        "height": row * len(scores) + 40,
        "left": left,
        "ticks": [{"x": x(value), "label": str(value)} for value in ticks],
        "middle": x(1000),
        "rows": [
            {
                "name": name,
                "y": 24 + row * i,
                "x": x(score.value),
                "elo": f"{score.value:.0f}",
                "by_rater": [x(v) for v in score.by_rater] if score.by_rater else None,
                "by_comparison": [x(v) for v in score.by_comparison] if score.by_comparison else None,
                "own": name == OWN,
            }
            for i, (name, score) in enumerate(ranking.elo.items())
        ],
        "alt": "; ".join(f"{name} {score.value:.0f}" for name, score in ranking.elo.items()),
    }


def _headline(ranking: Ranking) -> str:
    """The one sentence that the study was made for."""
    known = set(ranking.conditions)
    first, second = next(
        (pair for pair in ((OWN, OTHERS), (OWN, BASE), (OTHERS, BASE)) if set(pair) <= known),
        ranking.conditions[:2] if len(known) > 1 else ("", ""),
    )
    if not first:
        return f"Only one kind of picture was compared: {ranking.conditions[0]}"
    score = ranking.difference(first, second)
    limits = score.by_rater
    if limits is None:  # however many answers one person gives, they are one person's
        return "One rater's answers"
    if limits[0] <= 0 <= limits[1]:
        return f"No evidence that “{first}” and “{second}” differ"
    return (
        f"“{first}” is preferred to “{second}”"
        if score.value > 0
        else f"“{second}” is preferred to “{first}”"
    )


def _notices(report: Report) -> list[str]:
    found = []
    if report.design.simulated:
        found.append(
            "The predictor that made these pictures learnt from simulated people; the raters here are "
            "whoever opened the page."
        )
    unfinished = [r.name for r in report.raters if len(r.given) < len(r.pairs)]
    if unfinished:
        found.append(f"Not finished yet: {', '.join(unfinished)}.")
    if len(report.raters) < FEW_RATERS:
        alone = "of one rater there is none" if len(report.raters) == 1 else "of so few it is too narrow"
        found.append(f"An interval over raters says how another group of raters might answer; {alone}.")
    if report.ranking.limited:
        found.append(
            "Some kind of picture never lost to another, so that its score has no upper limit: half a win "
            "was added each way to every pair of kinds."
        )
    return found


def _pictures(report: Report, group: int) -> dict[str, Any]:
    """One prompt's pictures, and how often each was preferred: by now nobody has to be blind."""
    design = report.design
    answers = [given for rater in report.raters for given in rater.given.values()]
    shown = []
    for picture in (p for p in design.pictures if p.group == group):
        won = [_won(given, picture.id) for given in answers]
        mine = [value for value in won if value is not None]
        shown.append(
            {
                "address": picture_address(design.folder, f"pictures/{picture.id}.png", 256, 78),
                "prompt": picture.prompt,
                "maker": "base prompt"
                if picture.kind == "base"
                else f"for {picture.name if picture.world == 'profile' else picture.maker}",
                "share": f"{100 * float(np.mean(mine)):.0f}% of {len(mine)}" if mine else "not compared",
            }
        )
    return {"prompt": design.prompts[group], "pictures": shown}


def _won(given: Answer, picture: str) -> float | None:
    """1, 0.5 or 0 for the picture, None where it was not in the pair."""
    if given.pair.left.id == picture:
        return WON[given.answer]
    return 1 - WON[given.answer] if given.pair.right.id == picture else None


def _difference(score: Score) -> dict[str, str]:
    return {
        "value": f"{score.value:+.0f}",
        "by_rater": _limits(score.by_rater, "+.0f"),
        "by_comparison": _limits(score.by_comparison, "+.0f"),
    }


def _limits(limits: tuple[float, float] | None, form: str = ".0f") -> str:
    return f"{limits[0]:{form}} to {limits[1]:{form}}" if limits else "–"


def _share(ranking: Ranking, first: str, second: str) -> str:
    share = ranking.win_rate(first, second)
    return "" if first == second or share is None else f"{100 * share:.0f}%"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"

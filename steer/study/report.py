"""What a study found, as JSON; its page is `steer.pages.study_report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from steer.errors import StudyError
from steer.study.answers import Rater, read_raters
from steer.study.bradley_terry import RESAMPLES, Comparisons, Ranking, rank
from steer.study.design import Design

SCHEMA_VERSION = 1
WON = {"left": 1.0, "tie": 0.5, "right": 0.0}


@dataclass(frozen=True)
class Report:
    """What the raters said."""

    design: Design
    raters: tuple[Rater, ...]
    ranking: Ranking
    unreadable: int = 0  # damaged lines, which do not count


def compare(design: Design, raters: Sequence[Rater]) -> Comparisons:
    """All answers; and ties, unasked, for pictures that are the same pixel by pixel.

    Such a tie counts once for every rater who compared anything of its prompt.
    """
    names: list[str] = []
    rows: list[tuple[int, int, int, float]] = []

    def index(name: str) -> int:
        if name not in names:
            names.append(name)
        return names.index(name)

    for number, rater in enumerate(raters):
        for given in rater.given.values():
            left, right = (index(p.condition(rater.person)) for p in (given.pair.left, given.pair.right))
            rows.append((number, left, right, WON[given.answer]))
        groups = {given.pair.left.group for given in rater.given.values()}
        for first, second in design.all_pairs(rater.person):
            if first.pixels == second.pixels and first.group in groups:
                rows.append(
                    (number, index(first.condition(rater.person)), index(second.condition(rater.person)), 0.5)
                )
    table = np.array(rows, float).reshape(-1, 4)
    whole = table[:, :3].astype(int)
    return Comparisons(tuple(names), whole[:, 0], whole[:, 1], whole[:, 2], table[:, 3])


def make_report(design: Design, resamples: int = RESAMPLES, seed: int = 0) -> Report:
    """Rank what was answered so far. Raises StudyError where nothing was."""
    found = read_raters(design)
    raters = tuple(rater for rater in found.values() if rater.given)
    if not raters:
        raise StudyError(f"nobody has answered yet; open it first: steer study open {design.folder}")
    return Report(design, raters, rank(compare(design, raters), resamples, seed), found.unreadable)


def to_json(report: Report) -> dict[str, Any]:
    """The object of report.json."""
    design, ranking = report.design, report.ranking
    return {
        "schema_version": SCHEMA_VERSION,
        "study": design.folder.name,
        "created": design.created,
        "simulated_people": design.simulated,
        "prompts": list(design.prompts),
        "runs": list(design.runs),
        "ranking": asdict(ranking),
        "win_rates": {a: {b: ranking.win_rate(a, b) for b in ranking.conditions} for a in ranking.conditions},
        "raters": [rater_json(rater) for rater in report.raters],
        "unreadable_lines": report.unreadable,
        "paper": paper(),
    }


def paper() -> dict[str, Any]:
    """What the authors report, labelled."""
    from reward.reproduce.paper import FIGURE8, FIGURE8_DATA, SOURCE

    return {"source": SOURCE, "data": FIGURE8_DATA, "elo": dict(FIGURE8)}


def rater_json(rater: Rater) -> dict[str, Any]:
    """What one rater did."""
    answers = [given.answer for given in rater.given.values()]
    decided = [answer for answer in answers if answer != "tie"]
    return {
        "name": rater.name,
        "person": rater.person,
        "answers": len(answers),
        "of": len(rater.pairs),
        "ties": answers.count("tie"),
        "left_share": round(decided.count("left") / len(decided), 3) if decided else None,
        "seconds_median": round(float(np.median([given.seconds for given in rater.given.values()])), 1),
    }

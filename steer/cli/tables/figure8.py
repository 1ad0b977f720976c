"""The tables of the experiments with the loop: ours, and beside them the paper's, of real people."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from reward.reproduce import paper
from steer.cli.tables.study import limits, wins
from steer.experiments.figure8 import BASE, OTHERS, OWN, Figure8
from steer.study.ranking import Ranking, Score


def figure8(result: Figure8, label: str) -> list[Any]:
    """Scores beside the paper's, the two differences that the paper is about, who beat whom."""
    scores = Table(
        title=f"Figure 8: {result.judges} judges, {len(result.users)} users, {len(result.prompts)} prompts, "
        f"{result.ranking.comparisons:,} comparisons; {label}",
        title_justify="left",
    )
    scores.add_column("whose pictures")
    for name in (
        "Elo",
        "95% over raters",
        "95% over comparisons",
        "Elo, fresh seed",
        "95% over raters",
        "paper",
    ):
        scores.add_column(name, justify="right")
    for name in result.ranking.conditions:
        score, fresh = result.ranking.elo[name], result.fresh.elo[name]
        published = str(paper.FIGURE8.get(name, ""))
        scores.add_row(
            name, f"{score.value:.0f}", limits(score.by_rater), limits(score.by_comparison),
            f"{fresh.value:.0f}", limits(fresh.by_rater), published,
        )  # fmt: skip
    scores.add_section()
    for name in ("HPSv3", "Q-Align"):
        scores.add_row(f"{name} (paper only)", *[""] * 5, str(paper.FIGURE8[name]), style="dim")

    differences = Table(title="Differences, Elo points", title_justify="left")
    differences.add_column("")
    for name in ("here", "fresh seed", "paper"):
        differences.add_column(name, justify="right")
    for first, second in ((OWN, OTHERS), (OTHERS, BASE), (OWN, BASE), *_generic(result.ranking)):
        there = [paper.FIGURE8.get(name) for name in (first, second)]
        differences.add_row(
            f"{first} - {second}",
            _signed(result.ranking.difference(first, second)),
            _signed(result.fresh.difference(first, second)),
            f"{there[0] - there[1]:+d}" if there[0] and there[1] else "",
        )
    shares = ", ".join(f"{user} {100 * share:.0f}%" for user, share in result.owners.items())
    owners = Text(f"Own against others', each user: {shares}.")
    return [scores, differences, owners, wins(result.ranking), Text(f"Paper: {paper.FIGURE8_DATA}.", "dim")]


def _generic(ranking: Ranking) -> list[tuple[str, str]]:
    return [(OWN, name) for name in ranking.conditions if name not in (OWN, OTHERS, BASE)]


def _signed(score: Score) -> str:
    low, high = score.by_rater or (float("nan"), float("nan"))
    return f"{score.value:+.0f} ({low:+.0f} to {high:+.0f})"

"""The tables of a ranking."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from steer.study.bradley_terry import Ranking
from steer.study.report import Report, paper


def tables(report: Report) -> list[Any]:
    """Scores with both intervals and the paper's beside, and who was preferred to whom."""
    ranking, published = report.ranking, paper()
    title = f"{len(report.raters)} raters, {ranking.comparisons:,} comparisons, {ranking.ties:,} of them ties"
    table = Table(
        title=title, title_justify="left", caption=f"Paper: {published['data']}", caption_justify="left"
    )
    table.add_column("pictures")
    for name in ("Elo", "95% over raters", "95% over comparisons", "paper"):
        table.add_column(name, justify="right")
    for name, score in ranking.elo.items():
        table.add_row(
            name, f"{score.value:.0f}", limits(score.by_rater), limits(score.by_comparison),
            str(published["elo"].get(name, "")),
        )  # fmt: skip
    return [table, wins(ranking)]


def wins(ranking: Ranking) -> Table:
    """Share of the comparisons that the row won against the column, ties half."""
    table = Table(title="Share of comparisons that the row won, ties half", title_justify="left")
    table.add_column("")
    for name in ranking.conditions:
        table.add_column(name, justify="right")
    for row in ranking.conditions:
        shares = [ranking.win_rate(row, column) for column in ranking.conditions]
        table.add_row(row, *("" if share is None else f"{share:.3f}" for share in shares))
    return table


def limits(of: tuple[float, float] | None) -> str:
    """An interval in whole points; nothing where there is none."""
    return f"{of[0]:.0f} to {of[1]:.0f}" if of else ""

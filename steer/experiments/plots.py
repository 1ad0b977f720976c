"""One picture for each experiment. Needs matplotlib; every picture says whose figures it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reward.reproduce import paper
from reward.reproduce.plots import GREY, OTHER, OWN, drawing, panels, titled
from steer.experiments.figure8 import Figure8
from steer.study.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figure8(result: Figure8, label: str, path: Path) -> None:
    """Elo scores as the searches' own pictures and a fresh seed's are judged; the paper's beside."""
    with drawing(path, 10.5, 0.42 * len(result.ranking.conditions) + 2.1) as figure:
        ours, fresh, theirs = panels(figure, 3)
        for axes, ranking, title in (
            (ours, result.ranking, "the pictures of the searches"),
            (fresh, result.fresh, "the same prompts, a fresh seed"),
        ):
            _elo(axes, ranking, result.ranking.conditions)
            axes.set_title(title)
        theirs.plot(list(paper.FIGURE8.values()), range(len(paper.FIGURE8)), "D", color=OTHER, ms=5)
        theirs.set_yticks(range(len(paper.FIGURE8)), list(paper.FIGURE8))
        theirs.set_ylim(len(paper.FIGURE8) - 0.5, -0.6)
        theirs.set_title("paper: real people, FLUX.2")
        for axes in (fresh, theirs):
            axes.sharex(ours)
        for axes in (ours, fresh, theirs):
            axes.axvline(1000, color=GREY, lw=0.8, ls="--")
            axes.grid(axis="x", color="#e5e5e5", lw=0.6)
            axes.set_xlabel("Elo (Bradley-Terry)")
        note = "thick: 95% over raters, thin: over comparisons, as in the paper"
        titled(
            figure, f"Whose pictures win: {result.judges} judges, {len(result.prompts)} prompts", label, note
        )


def _elo(axes: Axes, ranking: Ranking, order: tuple[str, ...]) -> None:
    for place, name in enumerate(order):
        score = ranking.elo[name]
        for limits, width in ((score.by_rater, 3.2), (score.by_comparison, 1.0)):
            if limits is not None:
                axes.plot(limits, [place, place], color=OWN, lw=width, alpha=0.55 if width > 2 else 1)
        axes.plot(score.value, place, "o", color=OWN, ms=5)
    axes.set_yticks(range(len(order)), order)
    axes.set_ylim(len(order) - 0.5, -0.6)

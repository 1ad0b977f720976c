"""The pictures of figure6 and consistency. Need matplotlib; every picture says whose figures it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reward.reproduce.plots import GREY, INK, OTHER, OWN, THIRD, drawing, panels, titled
from steer.experiments import figure6 as six
from steer.experiments.claims import Claim, count
from steer.experiments.consistency import Consistency
from steer.experiments.figure6 import Figure6

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {six.OWN: OWN, six.POPULATION: INK, six.YOUNG: OTHER, six.OLD: THIRD, six.AGREEMENT: GREY}
SHOWN = ("saturation", "contrast", "realism", "adherence", "true rating")


def figure6(result: Figure6, claims: Sequence[Claim], label: str, path: Path) -> None:
    """Change against the base by iteration, a panel for each measure, a line for each reward."""
    with drawing(path, 13.5, 3.7) as figure:
        for axes, measure in zip(panels(figure, len(SHOWN)), SHOWN, strict=True):
            axes.axhline(0, color=GREY, lw=0.8, ls="--")
            for line in result.lines:
                if line.measure == measure:
                    _line(axes, line, COLOURS[line.kind])
            axes.set_title(measure)
            axes.set_xticks(range(result.iterations + 1))
            axes.set_xlabel("iteration")
        figure.axes[0].set_ylabel("best so far less base")
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        amount = f"{len(result.users)} people, {len(result.prompts)} prompts"
        note = f"bars: 95% over prompts; {count(claims)}"
        titled(figure, f"What steering does to pictures, by reward: {amount}", label, note)


def _line(axes: Axes, line: six.Line, colour: str) -> None:
    place = list(COLOURS).index(line.kind)
    x = np.arange(len(line.change)) + 0.06 * (place - len(COLOURS) / 2)
    values = np.array([(c.value, c.low, c.high) for c in line.change])
    axes.plot(x, values[:, 0], "o-", color=colour, ms=3.5, lw=1.4, label=line.kind)
    if np.isfinite(values).all():
        axes.vlines(x, values[:, 1], values[:, 2], color=colour, lw=0.9, alpha=0.6)


def consistency(result: Consistency, label: str, path: Path) -> None:
    """Mean similarity of people's own pairs, against its distribution for people dealt out at random."""
    with drawing(path, 12.5, 3.3) as figure:
        for axes, measure in zip(panels(figure, len(result.measures)), result.measures, strict=True):
            axes.hist(measure.null, bins=40, color=GREY, alpha=0.7, label="people dealt out at random")
            axes.axvline(measure.within, color=OWN, lw=2, label="everyone with themselves")
            axes.axvline(measure.between, color=OTHER, lw=1.2, ls="--", label="different people")
            axes.set_title(f"{measure.name}: p = {measure.p:.3g}")
            axes.set_yticks([])
            axes.set_xlabel("mean similarity of two runs")
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        amount = f"{len(result.users)} people, {len(result.prompts)} prompts, two seeds of the language model"
        titled(figure, f"Does the loop come back to the same picture? {amount}", label)

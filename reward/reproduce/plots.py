"""One picture for each table and figure. Needs matplotlib; every picture says whose figures it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reward.errors import DatasetError, MissingPackage
from reward.evaluation.metrics import METRICS, Interval
from reward.files import whole
from reward.pictures import read_image
from reward.reproduce import paper
from reward.reproduce.divergence import Diverging
from reward.reproduce.figure10 import Example, Figure10
from reward.reproduce.figure11 import Margins
from reward.reproduce.table2 import OURS, Comparison
from reward.reproduce.table3 import Table3
from reward.reproduce.table4 import NEIGHBOURS, SHOWN, Table4

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {"srocc": "SROCC", "plcc": "PLCC", "pairwise": "pairwise accuracy"}
PEOPLE = {
    "test_seen": "seen people",
    "test_unseen": "unseen people",
    "val_unseen": "unseen people, validation",
}
INK, GREY, OWN, OTHER, THIRD = "#222222", "#9a9a9a", "#0b6e99", "#d9822b", "#6a4c93"
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def require() -> None:
    """Raises MissingPackage before anything is computed, where nothing could be drawn in the end."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingPackage(
            "plots need matplotlib: pip install 'steer[research]'; "
            "from a checkout: pip install -e '.[research]'"
        ) from error


def table2(result: Sequence[Comparison], label: str, path: Path) -> None:
    """User SROCC of every scorer, a panel for each split; the paper's as diamonds, ours or not."""
    ours = [row.scorer for row in result[0].rows]
    names = [*(name for name in paper.TABLE2 if name not in ours), *ours]
    with drawing(path, 4.6 * len(result) + 1, 0.3 * len(names) + 1.6) as figure:
        for axes, split in zip(panels(figure, len(result)), result, strict=True):
            for row in split.rows:
                _bar(axes, names.index(row.scorer), row.user["srocc"], OWN if row.scorer == OURS else GREY)
            if split.split == "test_unseen":
                for name, values in paper.TABLE2.items():
                    axes.plot(values[0], names.index(name), "D", color=OTHER, ms=4, zorder=3)
            ceiling = split.ceilings
            axes.axvline(ceiling.consensus["srocc"].value, color=THIRD, lw=1, ls="--")
            axes.annotate(
                f"mean of {ceiling.others:.0f} other raters",
                (ceiling.consensus["srocc"].value, -0.9),
                xytext=(-4, 0),
                textcoords="offset points",
                color=THIRD,
                fontsize=7,
                ha="right",
                va="center",
            )
            axes.set_yticks(range(len(names)), names if split is result[0] else [""] * len(names))
            axes.set_ylim(len(names) - 0.5, -1.2)
            axes.set_xlabel("SROCC within a person, mean over people")
            axes.set_title(f"{PEOPLE[split.split]} ({split.users})")
        titled(figure, "Scorers against people's own ratings", label, f"diamonds: paper, {paper.TABLE2_DATA}")


def table3(result: Table3, label: str, path: Path) -> None:
    """Seen and unseen SROCC of every ablation, ours left, the paper's right."""
    names = [row.name for row in result.rows]
    ours = [(row.seen["srocc"], row.unseen["srocc"]) for row in result.rows]
    theirs = [
        (_point(paper.TABLE3[name][0]), _point(paper.TABLE3[name][3]))
        for name in names
        if name in paper.TABLE3
    ]
    with drawing(path, 9.5, 3.4) as figure:
        both = panels(figure, 2)
        titles = (f"here: {', '.join(result.sources)}", f"paper: {paper.TABLE3_DATA}")
        for axes, pairs, title in zip(both, (ours, theirs), titles, strict=True):
            for place, (seen, unseen) in enumerate(pairs):
                _dot(axes, place - 0.12, seen, OWN, "seen people" if not place else None)
                _dot(axes, place + 0.12, unseen, OTHER, "unseen people" if not place else None)
            axes.set_yticks(range(len(names)), names if axes is both[0] else [""] * len(names))
            axes.set_ylim(len(names) - 0.5, -0.6)
            axes.set_xlabel("SROCC within a person, mean over people")
            axes.grid(axis="x", color="#e5e5e5", lw=0.6)
            axes.set_title(title)
        both[1].legend(loc="lower left", bbox_to_anchor=(0.0, 0.0))
        titled(figure, "Models trained without a token", label)


def figure12(result: Table4, label: str, path: Path) -> None:
    """Metrics over the number of rated images, a line for each number of neighbours, the best circled."""
    cells = result.at(SHOWN)
    with drawing(path, 11, 3.9) as figure:
        for i, (axes, metric) in enumerate(zip(panels(figure, 3), METRICS, strict=True)):
            for neighbours, colour in zip(NEIGHBOURS, (OTHER, OWN, THIRD), strict=True):
                line = [cell for cell in cells if cell.neighbours == neighbours]
                x = [cell.context for cell in line]
                axes.plot(
                    x,
                    [c.metrics[metric].value for c in line],
                    "o-",
                    color=colour,
                    ms=4,
                    label=f"K = {neighbours}",
                )
                published = [(n, v[i]) for (n, k), v in paper.TABLE4.items() if k == neighbours]
                axes.plot(*zip(*published, strict=True), "D:", color=colour, ms=3, lw=0.8, alpha=0.55)
            best = max(cells, key=lambda cell: cell.metrics[metric].value)
            axes.plot(
                best.context,
                best.metrics[metric].value,
                "o",
                ms=13,
                mfc="none",
                mec=INK,
                mew=1,
                label="best here",
            )
            axes.axhline(
                result.population[metric].value, color=GREY, lw=1, ls="--", label="population's score"
            )
            axes.plot([], [], "D:", color=GREY, ms=3, lw=0.8, label="paper (PAMELA)")
            axes.set_xticks(sorted({cell.context for cell in cells}))
            axes.set_xlabel("rated images of an unseen person, N")
            axes.set_title(NAMES[metric])
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        contexts = "1 context each" if result.draws == 1 else f"{result.draws} contexts each"
        people = f"{result.users} {PEOPLE.get(result.split, result.split)}, {contexts}"
        titled(figure, f"New people by their nearest neighbours, temperature {SHOWN}: {people}", label)


def divergence(result: Sequence[Diverging], label: str, path: Path) -> None:
    """Share of conflicts predicted right, over the margin; 50% is what the same score for everyone gives."""
    with drawing(path, 6.4, 3.8) as figure:
        (axes,) = panels(figure, 1)
        for split, colour, shift in (("test_seen", OWN, -0.02), ("test_unseen", OTHER, 0.02)):
            mine = [each for each in result if each.split == split and each.conflicts]
            values = np.array([(e.accuracy.value, e.accuracy.low, e.accuracy.high) for e in mine]) * 100
            if not len(values):
                continue
            x = np.array([each.margin for each in mine]) + shift
            errors = np.abs(values[:, 1:].T - values[:, 0])
            axes.errorbar(
                x, values[:, 0], errors, fmt="o-", color=colour, capsize=2, ms=5, label=PEOPLE[split]
            )
            axes.plot(
                shift, paper.DIVERGENCE[split][0] * 100, "D", color=colour, mfc="white", ms=6,
                label=f"paper, {PEOPLE[split]} (PAMELA)",
            )  # fmt: skip
        axes.axhline(50, color=GREY, lw=1, ls="--", label="any score that is the same for everyone")
        axes.set_xticks(sorted({each.margin for each in result}))
        axes.set_xlabel("least difference of both people's ratings (points of 5)")
        axes.set_ylabel("orders predicted right, %")
        axes.legend(loc="upper left")
        titled(figure, "Pairs of images that two people order differently", label)


def figure10(result: Figure10, label: str, path: Path) -> None:
    """Pairs of pictures with both people's ratings (full) and predictions (hollow) below each."""
    columns = 2 if len(result.examples) > 1 else 1
    lines = -(-len(result.examples) // columns)
    with drawing(path, 5.6 * columns, 3.9 * lines + 0.9) as figure:
        grid = figure.subfigures(lines, columns, squeeze=False, wspace=0.03, hspace=0.03)
        for place, cell in enumerate(grid.flat):
            if place < len(result.examples):
                _example(cell, result.examples[place])
        handles = [_marker(colour, full) for colour in (OWN, OTHER) for full in (True, False)]
        names = ["first person: rating", "predicted", "second person: rating", "predicted"]
        figure.legend(handles, names, loc="outside lower center", ncols=4)
        people = PEOPLE.get(result.split, result.split)
        titled(figure, f"Pictures on which two {people} disagree, chosen by their ratings alone", label)


def figure11(result: Sequence[Margins], label: str, path: Path) -> None:
    """Pairwise accuracy over the margin, a panel for each split."""
    colours = (THIRD, "#2a9d8f", "#c1666b", "#7a7a52", "#5c80bc", "#a8763e")
    with drawing(path, 5.2 * len(result), 4.0) as figure:
        for axes, split in zip(panels(figure, len(result), share=True), result, strict=True):
            for i, curve in enumerate(split.curves):
                own = curve.scorer == OURS
                colour = OWN if own else colours[i % len(colours)]
                values = np.array([(a.value, a.low, a.high) for a in curve.accuracy]) * 100
                axes.plot(split.margins, values[:, 0], color=colour, lw=2 if own else 1.2, label=curve.scorer)
                if own:
                    axes.fill_between(
                        split.margins, values[:, 1], values[:, 2], color=colour, alpha=0.15, lw=0
                    )
            axes.set_xlabel("pairs that differ by less are left out (points of 5)")
            axes.set_title(
                f"{PEOPLE[split.split]} ({split.users[0]}); {split.kept[-1]:.0%} of pairs left at 1"
            )
            axes.grid(axis="y", color="#e5e5e5", lw=0.6)
        figure.axes[0].set_ylabel("pairwise accuracy, %")
        figure.axes[0].legend(loc="best")
        titled(
            figure,
            "Pairwise accuracy without near-ties",
            label,
            f"paper ({paper.MARGIN_DATA}): {paper.MARGIN}",
        )


# ---- parts ----


class drawing:
    """A figure of some inches that is saved whole when the block ends without an error."""

    def __init__(self, path: Path, width: float, height: float) -> None:
        require()
        import matplotlib as mpl

        self._path = path
        self._size = (width, height)
        self._style = mpl.rc_context(_STYLE)

    def __enter__(self) -> Figure:
        from matplotlib.figure import Figure

        self._style.__enter__()
        self._figure = Figure(figsize=self._size, dpi=150, layout="constrained", facecolor="white")
        return self._figure

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with whole(self._path) as temporary:
                    self._figure.savefig(temporary, format="png")
        except OSError as failure:
            raise DatasetError(
                f"cannot write {self._path} ({failure.strerror or failure}): choose another folder by --out"
            ) from failure
        finally:
            self._style.__exit__(kind, error, trace)


def panels(figure: Figure, count: int, share: bool = False) -> list[Axes]:
    """So many axes beside each other."""
    return list(figure.subplots(1, count, squeeze=False, sharey=share)[0])


def titled(figure: Figure, title: str, label: str, note: str = "") -> None:
    """A title, and below it whose figures these are."""
    figure.suptitle(f"{title}\n{label}{'; ' + note if note else ''}", x=0.01, ha="left", fontsize=10)


def _point(value: float) -> Interval:
    return Interval(value, value, value)


def _bar(axes: Axes, place: float, value: Interval, colour: str) -> None:
    axes.barh(place, value.value, 0.62, color=colour)
    axes.plot([value.low, value.high], [place, place], color=INK, lw=1)


def _dot(axes: Axes, place: float, value: Interval, colour: str, name: str | None) -> None:
    axes.plot([value.low, value.high], [place, place], color=colour, lw=1.5)
    axes.plot(value.value, place, "o", color=colour, ms=5, label=name)


def _marker(colour: str, full: bool) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], ls="", marker="o", ms=7, color=colour, mfc=colour if full else "white")


def _example(cell: Any, example: Example) -> None:
    from textwrap import shorten

    x, y = example.users
    wrong = "" if sum(example.right) == 2 else f"; {2 - sum(example.right):.0f} of 2 orders predicted wrong"
    cell.suptitle(f"person {x} prefers the left, person {y} the right{wrong}", fontsize=9)
    axes = cell.subplots(2, 2, height_ratios=(3.2, 1))
    for side in range(2):
        axes[0, side].imshow(read_image(example.paths[side]))
        axes[0, side].set_axis_off()
        axes[0, side].set_title(shorten(example.prompts[side], 44, placeholder="…"), fontsize=7, loc="center")
        below = axes[1, side]
        for person, colour in enumerate((OWN, OTHER)):
            rating, predicted = example.ratings[person][side], example.predicted[person][side]
            height = 1 - person
            below.plot([rating, predicted], [height, height], color=colour, lw=1, zorder=1)
            below.plot(rating, height, "o", color=colour, ms=7, zorder=3)
            below.plot(predicted, height, "o", color=colour, mfc="white", ms=7, zorder=2)
        below.set_xlim(0.8, 5.2)
        below.set_ylim(-0.6, 1.6)
        below.set_xticks(range(1, 6))
        below.set_yticks((1, 0), (x, y) if side == 0 else ("", ""))
        below.grid(axis="x", color="#e5e5e5", lw=0.6)
        below.spines["left"].set_visible(False)
        below.tick_params(left=False, labelsize=7)

"""The tables of `steer reproduce`: ours and, below or beside them, what the paper reports for real people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from reward.evaluation.metrics import METRICS, Interval
from reward.reproduce import paper
from reward.reproduce.divergence import Diverging
from reward.reproduce.figure10 import Figure10
from reward.reproduce.figure11 import Margins
from reward.reproduce.table2 import OURS, Comparison
from reward.reproduce.table3 import Table3
from reward.reproduce.table4 import SHOWN, Table4

PAPER = "paper, real people:"


def table2(result: Sequence[Comparison], label: str) -> list[Any]:
    """One table for each split; the paper's numbers are of unseen people."""
    shown: list[Any] = []
    for split in result:
        contexts = f", {split.draws} contexts each" if split.split.endswith("unseen") else ""
        out = f"; {split.left_out} left out" if split.left_out else ""
        table = _table(f"{split.split}: {split.users} people{contexts}{out}; {label}")
        _columns(
            table, "scorer", "user SROCC", "avg SROCC", "user PLCC", "avg PLCC", "user pairs", "avg pairs"
        )
        table.add_column("ours above, user SROCC", justify="right")
        for row in split.rows:
            cells = []
            for metric in METRICS:
                value = row.user[metric]
                cells.append(_interval(value) if metric == "srocc" else _number(value.value))
                cells.append(_number(row.average[metric].value) if row.average else "")
            above = "" if row.ours_above is None else _interval(row.ours_above, signed=True)
            table.add_row(row.scorer, *cells, above, style="bold" if row.scorer == OURS else "")
        ceiling = split.ceilings
        table.add_row(
            f"mean of {ceiling.others:.1f} other raters",
            _interval(ceiling.consensus["srocc"]),
            "",
            _number(ceiling.consensus["plcc"].value),
            f"max ~{ceiling.average_plcc:.2f}",
            _number(ceiling.consensus["pairwise"].value),
            style="dim",
        )
        if split.split == "test_unseen":
            table.add_section()
            table.add_row(PAPER, style="italic")
            for name, values in paper.TABLE2.items():
                table.add_row(name, *(f"{value:.4f}" for value in values))
        shown.append(table)
    return [*shown, Text(f"Paper: {paper.TABLE2_DATA}, real people.", "dim")]


def table3(result: Table3, label: str) -> list[Any]:
    """Two lines for each ablation: ours and the paper's."""
    sources = ", ".join(result.sources)
    table = _table(
        f"recipe {result.recipe} on {sources}: {result.seen_users} seen and "
        f"{result.unseen_users} unseen people; {label}"
    )
    _columns(
        table, "trained with", "whose", *(f"{who} {m}" for who in ("seen", "unseen", "gap") for m in _SHORT)
    )
    _columns(table, "unseen SROCC against full", first="right")
    for row in result.rows:
        change = "" if row.unseen_change is None else _interval(row.unseen_change, signed=True)
        ours = [_number(part[m].value) for part in (row.seen, row.unseen) for m in METRICS]
        table.add_row(row.name, "ours", *ours, *(_number(row.gap[m]) for m in METRICS), change)
        if row.name in paper.TABLE3:
            values = paper.TABLE3[row.name]
            gaps = [seen - unseen for seen, unseen in zip(values[:3], values[3:], strict=True)]
            table.add_row("", "paper", *map(_number, values), *map(_number, gaps), style="dim")
    note = f"The paper's figures: real people, {paper.TABLE3_DATA}; ours: mean over {sources}."
    return [table, Text(note, "dim")]


def table4(result: Table4, label: str) -> list[Any]:
    """The cells of the paper's temperature, with the paper's numbers beside."""
    left = f"; {result.left_out} left out" if result.left_out else ""
    table = _table(f"{result.split}: {result.users} people, {result.draws} contexts each{left}; {label}")
    for name in ("N images", "K", "SROCC", "PLCC", "pairs", "paper SROCC", "paper PLCC", "paper pairs"):
        table.add_column(name, justify="right", style="dim" if name.startswith("paper") else "")
    cells = result.at(SHOWN)
    best = max(cells, key=lambda cell: cell.metrics["srocc"].value)
    for cell in cells:
        published = paper.TABLE4.get((cell.context, cell.neighbours), ())
        table.add_row(
            str(cell.context),
            str(cell.neighbours),
            *_three(cell.metrics),
            *(f"{value:.4f}" for value in published),
            style="bold" if cell is best else "",
        )
    table.add_section()
    table.add_row("0", "", *_three(result.population))
    note = (
        f"Temperature {SHOWN}. 0 images: the population's score. Over {_TEMPERATURES} nothing moves by more "
        f"than {result.temperature_effect:.4f} (paper: < {paper.TABLE4_TEMPERATURE_EFFECT}). Every setting "
        "on the same rows: those outside the largest context. "
        f"Paper: {paper.TABLE4_DATA}, real people."
    )
    return [table, Text(note, "dim")]


def divergence(result: Sequence[Diverging], label: str) -> list[Any]:
    """Both splits at every margin."""
    table = _table(f"pairs of images that two people order differently; {label}")
    _columns(table, "split", "margin", "conflicts", "right", "both right")
    _columns(
        table,
        "preferences",
        "right",
        "population",
        "paper: count",
        "paper: right",
        first="right",
    )
    for each in result:
        right, count = paper.DIVERGENCE[each.split] if not each.margin else ("", "")
        table.add_row(
            each.split,
            f"{each.margin:g}",
            f"{each.conflicts:,}",
            _percent(each.accuracy),
            f"{each.both:.1%}",
            f"{each.preferences:,}",
            _percent(each.preference_accuracy),
            f"{each.population_accuracy:.1%}",
            f"{count:,}" if count else "",
            f"{right:.2%}" if right else "",
        )
    note = (
        "Conflict: two people, two images, opposite orders; a score that is the same for everyone is right "
        "in exactly 50%. Preference: an order of one person that somebody contradicts. Which of the two the "
        f"paper counts it does not say. Paper: {paper.DIVERGENCE_DATA}, real people."
    )
    return [table, Text(note, "dim")]


def figure10(result: Figure10, label: str) -> list[Any]:
    """The pairs as numbers."""
    table = _table(f"{result.split}: the clearest of {result.candidates:,} conflicts; {label}")
    _columns(table, "person", "picture", "rating", "predicted", "picture", "rating", "predicted", "order")
    for example in result.examples:
        for person in (0, 1):
            cells = []
            for side in (0, 1):
                cells += [
                    example.image_ids[side],
                    f"{example.ratings[person][side]:.2f}",
                    f"{example.predicted[person][side]:.2f}",
                ]
            order = {1.0: "right", 0.5: "tied", 0.0: "wrong"}[float(example.right[person])]
            table.add_row(example.users[person], *cells, order)
        table.add_section()
    return [
        table,
        Text(f"Of the 100 clearest conflicts, {result.right:.0%} of the orders are predicted right.", "dim"),
    ]


def figure11(result: Sequence[Margins], label: str) -> list[Any]:
    """Accuracy of every scorer at every margin, one table for each split."""
    shown: list[Any] = []
    for split in result:
        table = _table(f"{split.split}: pairwise accuracy, pairs that differ by less left out; {label}")
        _columns(table, "scorer", *(f"{margin:g}" for margin in split.margins))
        for curve in split.curves:
            values = (f"{100 * point.value:.1f}" for point in curve.accuracy)
            table.add_row(curve.scorer, *values, style="bold" if curve.scorer == OURS else "")
        table.add_row("pairs left, %", *(f"{100 * share:.0f}" for share in split.kept), style="dim")
        shown.append(table)
    return [*shown, Text(f"Paper ({paper.MARGIN_DATA}, real people): {paper.MARGIN}.", "dim")]


# ---- parts ----

_SHORT = ("SROCC", "PLCC", "pairs")
_TEMPERATURES = "the temperatures 0.05, 0.1 and 0.2"


def _table(title: str) -> Table:
    return Table(title=Text(title), title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")


def _columns(table: Table, *names: str, first: str = "left") -> None:
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place or first == "right" else "left")


def _number(value: float) -> str:
    return f"{value:.4f}"


def _interval(value: Interval, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{value.value:{sign}.4f} [{value.low:{sign}.3f}, {value.high:{sign}.3f}]"


def _percent(value: Interval) -> str:
    return f"{value.value:.1%} [{100 * value.low:.1f}, {100 * value.high:.1f}]"


def _three(metrics: dict[str, Interval]) -> list[str]:
    return [_interval(metrics["srocc"]), _number(metrics["plcc"].value), _number(metrics["pairwise"].value)]

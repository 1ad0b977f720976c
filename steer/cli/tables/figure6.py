"""The tables of `steer reproduce figure6` and `steer reproduce consistency`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from reward.evaluation.metrics import Interval
from steer.experiments.claims import Claim, count
from steer.experiments.consistency import CLAIM, Consistency
from steer.experiments.figure6 import KINDS, MEASURES, Figure6

_STYLES = {"confirmed": "green", "not confirmed": "yellow", "the opposite": "red"}


def figure6(result: Figure6, claims: Sequence[Claim], label: str) -> list[Any]:
    """The course of every reward, then the paper's statements."""
    course = _table(
        f"Figures 4 to 6: change against the base by iteration; {len(result.users)} people, "
        f"{len(result.prompts)} prompts; {label}"
    )
    for name in ("reward", "measure"):
        course.add_column(name)
    for iteration in range(1, result.iterations + 1):
        course.add_column(f"after {iteration}", justify="right")
    by_kind = {(line.kind, line.measure): line.change for line in result.lines}
    for kind in KINDS:
        for measure in MEASURES:
            change = by_kind[kind, measure]
            cells = [_signed(value.value) for value in change[1:-1]] + [_interval(change[-1])]
            course.add_row(kind if measure == MEASURES[0] else "", measure, *cells)
        course.add_section()
    said = _table(f"The paper's statements: {count(claims)}")
    said.add_column("in the paper")
    said.add_column("statement, and what was measured for it", overflow="fold", ratio=1)
    said.add_column("must be above 0", justify="right", no_wrap=True)
    said.add_column("", no_wrap=True)
    for claim in claims:
        text = Text(claim.statement).append(f"\n{claim.measured}", "dim")
        said.add_row(claim.where, text, _interval(claim.value), Text(claim.verdict, _STYLES[claim.verdict]))
    note = (
        "own: everyone's own predictor, judged by themselves; the other rewards have one opinion for "
        "everybody and are judged by the same people; none is built to fail. agreement: how well the picture "
        "shows the prompt. Statements are about pictures on seeds that no search saw, with 95% t intervals "
        "over prompts."
    )
    return [course, said, Text(note, "dim")]


def consistency(result: Consistency, label: str) -> list[Any]:
    """Within against between, and both winners of the first people."""
    table = _table(
        f"Section 6.2: winners of two runs, {len(result.users)} people, {len(result.prompts)} prompts; "
        f"{label}"
    )
    table.add_column("similarity of")
    for name in (
        "own pairs",
        "different people",
        "difference",
        "random, 95%",
        "p",
        "recognised",
        "by chance",
    ):
        table.add_column(name, justify="right")
    for each in result.measures:
        low, high = each.null_ci95
        table.add_row(
            each.name, f"{each.within:.3f}", f"{each.between:.3f}", _interval(each.difference),
            f"{low:.3f} to {high:.3f}", f"{each.p:.2g}", f"{each.recognised:.0%}", f"{each.chance:.0%}",
        )  # fmt: skip
    pairs = _table("Both winners of the first prompt")
    for name in ("person", "first run", "second run", "shared words"):
        pairs.add_column(name, overflow="fold")
    for pair in result.pairs[: len(result.users)]:
        pairs.add_row(pair.user, pair.first, pair.second, ", ".join(pair.shared))
    verdict = "confirmed" if result.confirmed else "not confirmed"
    first = result.measures[0]
    deals = f"all {first.deals:,} deals" if first.exact else f"{first.deals:,} random deals"
    note = (
        f"Random: the people of the second runs dealt out anew, {deals}. Recognised: first winners whose "
        "most similar second winner is their own person's."
    )
    return [
        table,
        pairs,
        Text(f'"{CLAIM}"').append(f"  {verdict}", _STYLES[verdict]),
        Text(note, "dim"),
    ]


def _table(title: str) -> Table:
    return Table(title=Text(title), title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _interval(value: Interval) -> str:
    if not math.isfinite(value.low + value.high):
        return f"{_signed(value.value)} [one prompt]"
    return f"{_signed(value.value)} [{_signed(value.low)}, {_signed(value.high)}]"

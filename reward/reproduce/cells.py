"""Tables as the terminal shows them."""

from __future__ import annotations

import math

from rich.table import Table
from rich.text import Text

from reward.evaluation.metrics import Interval


def sheet(title: str) -> Table:
    """An empty table below its title."""
    return Table(title=Text(title), title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")


def columns(table: Table, *names: str, first: str = "left") -> None:
    """Add columns of figures; the first may hold words."""
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place or first == "right" else "left")


def number(value: float) -> str:
    """Four digits, as the paper has them."""
    return f"{value:.4f}"


def with_interval(value: Interval, signed: bool = False) -> str:
    """A number and its interval."""
    sign = "+" if signed else ""
    return f"{value.value:{sign}.4f} [{value.low:{sign}.3f}, {value.high:{sign}.3f}]"


def percent(value: Interval) -> str:
    """A share and its interval."""
    return f"{value.value:.1%} [{100 * value.low:.1f}, {100 * value.high:.1f}]"


def signed(value: float) -> str:
    """A change, with a minus as long as the plus."""
    return f"{value:+.3f}".replace("-", "−")


def change(value: Interval) -> str:
    """A change and its interval, which a single prompt leaves infinitely wide."""
    limits = (
        f"{signed(value.low)}, {signed(value.high)}"
        if math.isfinite(value.low + value.high)
        else "one prompt"
    )
    return f"{signed(value.value)} [{limits}]"

"""What a sweep will take, before anything starts: pictures, hours, gigabytes and money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from steer.machine.estimate import costs_of, estimate
from steer.machine.presets import ResolvedPreset
from steer.settings import Settings
from steer.sweep.prompts import Line


@dataclass(frozen=True)
class Cost:
    """Upper bounds, where runs may stop early."""

    runs: int
    pictures: int  # in all run folders
    shared: int  # of them that are rendered for one person and found by the others
    seconds: float  # of one worker that does everything
    seconds_each: float  # of each of several workers
    disk_gb: float
    money: float | None  # of whatever currency the price an hour was in
    machine: str
    may_stop_early: bool


def cost(
    lines: Sequence[Line],
    people: int,
    resolved: ResolvedPreset,
    workers: int = 1,
    price: float | None = None,
) -> Cost:
    """Of a sweep of these prompts for so many people, on `workers` machines at `price` an hour each."""
    each = costs_of(resolved)
    pictures = shared = 0
    seconds = disk = 0.0
    early = False
    for settings, count in Counter(replace(line.settings, seed=0) for line in lines).items():
        one = estimate(settings, resolved)
        common = _shared(settings) * (people - 1)
        pictures += one.images * people * count
        shared += common * count
        seconds += ((one.seconds - each.load) * people - common * each.render) * count
        disk += one.disk_mb * people * count / 1000
        early |= one.may_stop_early
    alone = seconds + each.load
    apart = seconds / workers + each.load
    money = None if price is None else price * apart * workers / 3600
    return Cost(
        len(lines) * people, pictures, shared, round(alone, 1), round(apart, 1), round(disk, 2),
        money, each.machine, early,
    )  # fmt: skip


def _shared(settings: Settings) -> int:
    """Renders of the base prompt in one run: the same for everybody."""
    return 1 + settings.gate_renders + settings.confirm

"""What a search is: who decides, at each iteration, what the language model sees and what is rendered."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from steer.parts import Scored
from steer.record.events import Event


@dataclass(frozen=True)
class Round:
    """What an iteration renders, and what was seen before it was thought of."""

    memory: Sequence[Scored]  # best first
    prompts: Sequence[str]


class Strategy(Protocol):
    """A way to search."""

    def propose(
        self, iteration: int, pool: Sequence[Scored], tried: set[str]
    ) -> Generator[Event, None, Round]:
        """The prompts of an iteration.

        `pool` is everything scored, in order, the base first; `tried` holds what the run had before, as
        `steer.gates.text.normalize` gives it, and takes in what is new.
        """
        ...


def best_of(pool: Sequence[Scored], n: int) -> list[Scored]:
    """The `n` best by raw score, best first; of equal scores the earlier (sorting is stable)."""
    return sorted(pool, key=lambda entry: -entry.score)[:n]

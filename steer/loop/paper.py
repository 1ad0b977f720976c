"""`--search paper`: section 5 as it stands. The language model sees the best prompts with their scores."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from steer.loop.rewrites import rewrites
from steer.loop.steps import Steps
from steer.loop.strategy import Round, best_of
from steer.parts import Scored
from steer.record.events import Event


class Paper:
    """Everything that passes the text gate is rendered."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def propose(
        self, iteration: int, pool: Sequence[Scored], tried: set[str]
    ) -> Generator[Event, None, Round]:
        """See `steer.loop.strategy.Strategy`."""
        settings = self._steps.settings
        choices = self._steps.choices
        memory = choices.with_parents(best_of(choices.standing(pool), settings.memory), pool)
        prompts = yield from rewrites(self._steps, iteration, memory, settings.proposals, tried)
        return Round(memory, prompts)

"""`--search paper`: section 5 as it stands. The language model sees the best prompts with their scores."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from steer.loop.rewrites import rewrites
from steer.loop.steps import Steps
from steer.loop.strategy import Round, best_of
from steer.parts import Scored
from steer.record.events import Event, TasteRead


class Paper:
    """Everything that passes the text gate is rendered."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def propose(
        self, iteration: int, pool: Sequence[Scored], tried: set[str]
    ) -> Generator[Event, None, Round]:
        """See `steer.loop.strategy.Strategy`."""
        settings, corrections, choices = self._steps.settings, self._steps.corrections, self._steps.choices
        if corrections:  # of which only what is never wanted counts here: the language model is told no taste
            yield TasteRead(likings=(), corrections=tuple(one.to_json() for one in corrections))
        memory = choices.with_parents(best_of(choices.standing(pool), settings.memory), pool)
        prompts = yield from rewrites(self._steps, iteration, memory, settings.proposals, tried)
        return Round(memory, prompts)

"""Proposals of a small model: many short samples, put together to prompts; in this process or on a server.

Each proposal opens with the base prompt (see `openings`) and gets one to three new look phrases, each a
sample of its own after worked examples of one aspect of the look (`prompts/fanout.txt`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from steer.parts import Scored
from steer.proposer.openings import add_phrase, openings
from steer.proposer.templates import FewShot

MAX_SHOWN = 300  # characters of the base prompt that a small model reads; the start of a long one says enough
END_OF_PHRASE = re.compile(r"[,;\n]|->|\.(?=\s)")


class FanOut:
    """What to sample for `n` proposals, and how the samples become replies. Follows from its arguments alone.

    `jobs[i]` is the proposal and the aspect of sample i; the model reads `shown(i)` and then `opened(i)`.
    """

    def __init__(self, few_shot: FewShot, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> None:
        phrases = [aspect.phrases for aspect in few_shot.aspects]
        self._few_shot = few_shot
        self._subject = prompt.strip().rstrip(".,;:!?。，、") or prompt
        self._starts = openings(
            self._subject, [entry.prompt for entry in memory], phrases, n, random.Random(seed)
        )
        self.jobs = [(i, aspect) for i, start in enumerate(self._starts) for aspect in start.aspects]

    def shown(self, aspect: int) -> str:
        """The worked examples of one aspect, the same for every sample about it."""
        return self._few_shot.shown(self._few_shot.aspects[aspect])

    def opened(self, proposal: int) -> str:
        """What follows the examples: the picture that the model describes next."""
        picture = ", ".join([self._subject[:MAX_SHOWN], *self._starts[proposal].kept])
        return self._few_shot.opened(picture)

    def replies(self, samples: Sequence[tuple[str, bool]]) -> list[str]:
        """One numbered prompt per proposal. A sample is its text, and False if it ran out of tokens."""
        looks = [list(start.kept) for start in self._starts]
        for (proposal, _), (text, ended) in zip(self.jobs, samples, strict=True):
            if phrase := _phrase(text, ended):
                looks[proposal] = add_phrase(looks[proposal], phrase)
        return ["1. " + ", ".join([self._subject, *look]) for look in looks]


def _phrase(text: str, ended: bool) -> str:
    """The look phrase at the start of a sample; nothing where the tokens ran out inside it."""
    phrase, *rest = END_OF_PHRASE.split(text, maxsplit=1)
    return phrase.strip(" .:|") if rest or ended else ""

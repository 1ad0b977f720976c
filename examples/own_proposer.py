"""An own proposer: no language model, just looks from a list, two at a time."""

from __future__ import annotations

import random
from collections.abc import Sequence

from steer import Scored, Settings, load, steer

LOOKS = (
    "golden hour light", "thick fog", "seen from above", "muted earth colours", "pastel palette",
    "watercolour", "oil painting", "black and white", "wide distant view", "soft overcast light",
)  # fmt: skip


class Looks:
    """A proposer is anything with a name and `propose`."""

    name = "looks from a list"

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        """Raw replies, each one prompt or a list of them; `memory` is the best so far, best first."""
        best = memory[0].prompt if memory else prompt
        kept = [look for look in LOOKS if look in best]  # half of the best one's looks stay
        draw = random.Random(seed)  # the same arguments, the same replies: a resumed run goes on as it was
        return [
            ", ".join([prompt, *draw.sample(kept, len(kept) // 2), *draw.sample(LOOKS, 2)]) for _ in range(n)
        ]


if __name__ == "__main__":
    parts = load("sandbox")
    settings = Settings(iterations=2, proposals=4, confirm=2)
    result = steer("a lighthouse", parts.scorer.person("17"), parts, proposer=Looks(), settings=settings)
    print(f"{result.best['score']:.2f} {result.best['prompt']}")
    print(result.folder)

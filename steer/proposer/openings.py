"""How a small model is made to build on what scored best: by the words that its reply opens with.

A 135M model does not reason about scores. But when its reply is opened for it with the base prompt and most of the
best prompt's look phrases, what it can still do is to carry on, and every sample is a small step away from the
best: a phrase or two dropped, a phrase or two new. Every opening starts with the base prompt, so the subject stays.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

FRESH = 0.25  # share of the proposals that start again from the base prompt
MAX_KEPT = 6  # look phrases carried over; beyond it a prompt only grows vague


@dataclass(frozen=True)
class Opening:
    """What one reply starts with and how many phrases the model may add."""

    text: str  # "floating mossy rocks, golden hour,"
    phrases: int


def look_phrases(base: str, prompt: str) -> list[str]:
    """The comma-separated phrases that `prompt` adds to `base`: light, angle, medium, ..."""
    position = prompt.casefold().find(base.casefold())
    if position >= 0 and len(prompt) == len(prompt.casefold()):
        parts = [prompt[:position], prompt[position + len(base) :]]
    else:
        parts = ["", prompt.partition(",")[2]]  # reworded: its first phrase is the subject
    phrases = [phrase.strip(" .") for part in parts for phrase in re.split(r"[,;，、]", part)]
    return list(dict.fromkeys(phrase for phrase in phrases if phrase))


def openings(base: str, best: Sequence[str], n: int, rng: random.Random) -> list[Opening]:
    """`n` openings: a quarter from the base prompt alone, the rest from the look phrases of `best`, best first.

    Without look phrases to build on (the base prompt is the best so far) all of them are fresh.
    """
    parents = [phrases for prompt in best if (phrases := look_phrases(base, prompt))]
    fresh = max(1, round(FRESH * n)) if parents else n
    made = [Opening(f"{base},", rng.randint(2, 4)) for _ in range(fresh)]
    for i in range(n - fresh):
        kept = _some(parents[i % len(parents)], rng)
        made.append(Opening(", ".join([base, *kept]) + ",", rng.randint(1, 2)))
    return made


def _some(phrases: Sequence[str], rng: random.Random) -> list[str]:
    """Most of `phrases` in their order: one in three times all of them, else one or two fewer."""
    drop = rng.choice((0, 1, 1, 1, 2)) if len(phrases) > 1 else rng.choice((0, 0, 1))
    keep = max(0, min(len(phrases) - drop, MAX_KEPT))
    chosen = sorted(rng.sample(range(len(phrases)), keep))
    return [phrases[i] for i in chosen]

"""How a small model is made to build on what scored best: by the words that its reply opens with.

A 135M model does not reason about scores. But when its reply is opened for it with the base prompt and most
of the best prompt's look phrases, what it writes next makes a small step away from the best: a phrase
replaced, one added, one dropped. Some proposals start again from the base prompt alone, or the search would
never leave the first good idea. Every proposal starts with the base prompt, so the subject stays.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from steer.gates.looks import look_phrases
from steer.gates.text import content_stems

FRESH = 0.25  # share of the proposals that start again from the base prompt
PHRASES = 3  # look phrases of a fresh proposal, each about another aspect
MAX_KEPT = 6  # look phrases carried over; more only blur each other


@dataclass(frozen=True)
class Opening:
    """What one proposal starts with, and the aspects that the model then writes a phrase about, in order."""

    kept: tuple[str, ...]  # look phrases of the best prompt
    aspects: tuple[int, ...]


def add_phrase(phrases: Sequence[str], new: str) -> list[str]:
    """`phrases` and `new`, which replaces those that it shares a word with.

    A small model likes to echo what it reads; without this, prompts fill up with "abstract, abstract dream".
    """
    words = content_stems(new)
    return [*(phrase for phrase in phrases if not content_stems(phrase) & words), new]


def about(phrase: str, aspects: Sequence[str]) -> int | None:
    """Which aspect `phrase` shares most words with, or None; `aspects[i]` holds the phrases of aspect i.

    A word counts the less, the more aspects use it: "soft" says little, "watercolor" much.
    """
    words = content_stems(phrase)
    known = [content_stems(text) for text in aspects]
    scores = [sum(1 / sum(word in other for other in known) for word in words & own) for own in known]
    best = max(range(len(aspects)), key=scores.__getitem__, default=0)
    return best if scores and scores[best] > 0 else None


def openings(
    base: str, best: Sequence[str], aspects: Sequence[str], n: int, rng: random.Random
) -> list[Opening]:
    """`n` openings: a quarter from the base prompt alone, the rest from the look phrases of `best` in turn.

    `aspects[i]` holds the phrases of aspect i; together the openings name all aspects about equally often.
    While the base prompt is the best so far, all openings are fresh.
    """
    parents = [phrases for prompt in best if (phrases := look_phrases(base, prompt))]
    fresh = max(1, round(FRESH * n)) if parents else n
    used = [0] * len(aspects)
    made = []
    for i in range(n):
        order = sorted(range(len(aspects)), key=lambda a: (used[a], rng.random()))
        new = order[: PHRASES if i < fresh else rng.choice((1, 1, 2))]
        for aspect in new:
            used[aspect] += 1
        kept = () if i < fresh else _kept(parents[i % len(parents)], new, aspects, rng)
        made.append(Opening(kept, tuple(new)))
    return made


def _kept(
    phrases: Sequence[str], new: Sequence[int], aspects: Sequence[str], rng: random.Random
) -> tuple[str, ...]:
    """`phrases` in their order without those that the new ones replace, and sometimes without one more."""
    kept = [phrase for phrase in phrases if about(phrase, aspects) not in new]
    if len(kept) == len(phrases) > 1 and rng.random() < 0.5:
        kept.pop(rng.randrange(len(kept)))
    while len(kept) > MAX_KEPT:
        kept.pop(rng.randrange(len(kept)))
    return tuple(kept)

"""A taste in words: which looks someone is predicted to like and to avoid, how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from steer.parts import PersonLike, ReadsTaste

SURE = 2.0  # standard errors: an own part that is further from nothing is told as theirs
SHOWN = 6  # likings and dislikes that a language model is told
FAINT = 0.02  # rating points: less is not worth a word
_FIELDS = ("phrase", "strength", "own", "error")


@dataclass(frozen=True)
class Liking:
    """What one look does for someone's predicted ratings."""

    phrase: str
    strength: float  # points that a picture gains which is one standard deviation more like the phrase
    own: float  # the same, less what it does for everyone
    error: float  # standard error of the own part

    @property
    def sure(self) -> bool:
        """Whether it is theirs, rather than everybody's or chance."""
        return abs(self.own) >= SURE * self.error and abs(self.own) >= FAINT


@dataclass(frozen=True)
class Taste:
    """What is known of someone before anything is rendered. Empty for a scorer that cannot tell."""

    likings: tuple[Liking, ...] = ()

    @property
    def liked(self) -> list[Liking]:
        """What they like more than others do, surely; strongest first."""
        return sorted((one for one in self.likings if one.sure and one.own > 0), key=lambda one: -one.own)

    @property
    def avoided(self) -> list[Liking]:
        """What they like less than others do, surely; strongest first."""
        return sorted((one for one in self.likings if one.sure and one.own < 0), key=lambda one: one.own)

    @property
    def strengths(self) -> dict[str, float]:
        """Phrase -> rating points."""
        return {one.phrase: one.strength for one in self.likings}

    @property
    def lines(self) -> list[str]:
        """For people and for language models; none where nothing is sure."""
        told = (("likes", self.liked), ("avoids", self.avoided))
        return [f"{verb} {', '.join(one.phrase for one in found[:SHOWN])}" for verb, found in told if found]

    @classmethod
    def from_json(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """The inverse of `to_json`."""
        return cls(tuple(Liking(**{name: row[name] for name in _FIELDS}) for row in rows))

    def to_json(self) -> list[dict[str, Any]]:
        """For the record: phrase, strength, own, error of each; rounded to what can be told apart."""
        return [
            {"phrase": one.phrase, **{name: round(getattr(one, name), 4) for name in _FIELDS[1:]}}
            for one in self.likings
        ]


def read_taste(scorer: object, person: PersonLike, phrases: Sequence[str]) -> Taste:
    """What the scorer knows of this person's taste in these looks."""
    if not isinstance(scorer, ReadsTaste) or not phrases:
        return Taste()
    rows = scorer.likings(person, phrases)
    if not len(rows):
        return Taste()
    return Taste(tuple(Liking(p, *map(float, row)) for p, row in zip(phrases, rows, strict=True)))

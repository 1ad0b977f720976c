"""A taste in words: which looks someone is predicted to like and to avoid, and what they say themselves.

What is predicted comes from ratings. A correction is a person's own word: it decides what is told to language
models and what is chosen to be rendered, and never what the predictor says of a picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

from steer.errors import PickError, TasteError
from steer.gates.text import TextGate, normalize, says
from steer.parts import PersonLike, ReadsTaste

SURE = 2.0  # standard errors: an own part that is further from nothing is told as theirs
SHOWN = 6  # likings and dislikes that a language model is told
FAINT = 0.02  # rating points: less is not worth a word
LONGEST = 60  # characters of a phrase in someone's own words
_FIELDS = ("phrase", "strength", "own", "error")

Verb = Literal["always", "never", "pin", "strike"]
VERBS: tuple[Verb, ...] = get_args(Verb)
_PAST = {"pin": "pinned", "strike": "struck"}  # the others read well as they are


@dataclass(frozen=True)
class Liking:
    """What one look does for someone's predicted ratings."""

    phrase: str
    strength: float  # points that a picture gains which is one standard deviation more like the phrase
    own: float  # the same, less what it does for everyone
    error: float  # standard error of the own part

    @property
    def probability(self) -> float:
        """How sure the predictor is of the side that it is on, 0.5 to 1; nobody was asked."""
        return 0.5 * (1 + math.erf(abs(self.own) / max(self.error, 1e-12) / math.sqrt(2)))

    @property
    def sure(self) -> bool:
        """Whether it is theirs, rather than everybody's or chance."""
        return abs(self.own) >= SURE * self.error and abs(self.own) >= FAINT


@dataclass(frozen=True)
class Correction:
    """What someone says of their own taste."""

    verb: Verb  # always or never: in their own words; pin or strike: of what is thought of them
    phrase: str
    likes: bool | None = None  # of a pin: the side that it was thought to be on
    t: float = 0.0  # Unix time in seconds

    def __str__(self) -> str:
        """As in "never neon" and "pinned golden hour"."""
        return f"{_PAST.get(self.verb, self.verb)} {self.phrase}"

    @property
    def key(self) -> str:
        """Equal for the same phrase, however it is spelt."""
        return normalize(self.phrase)

    @property
    def wish(self) -> int:
        """1 for what a picture shall have, -1 for what it shall not, 0 for neither."""
        return {"always": 1, "never": -1, "strike": 0, "pin": 1 if self.likes else -1}[self.verb]

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(row["verb"], row["phrase"], row.get("likes"), row.get("t", 0.0))

    def to_json(self) -> dict[str, Any]:
        """For the record and the profile's folder."""
        side = {} if self.likes is None else {"likes": self.likes}
        return {"verb": self.verb, "phrase": self.phrase, **side, "t": self.t}


@dataclass(frozen=True)
class Taste:
    """What is known of someone before anything is rendered. Empty for a scorer that cannot tell."""

    likings: tuple[Liking, ...] = ()
    corrections: tuple[Correction, ...] = ()  # one a phrase

    @cached_property
    def _said(self) -> dict[str, Correction]:
        return {one.key: one for one in self.corrections}

    def said_of(self, phrase: str) -> Correction | None:
        """What the person says of this phrase."""
        return self._said.get(normalize(phrase))

    @property
    def liked(self) -> list[Liking]:
        """What they like more than others do, surely or because they say so; strongest first."""
        return sorted((one for one in self.likings if self._side(one) > 0), key=lambda one: -one.own)

    @property
    def avoided(self) -> list[Liking]:
        """What they like less than others do, surely or because they say so; strongest first."""
        return sorted((one for one in self.likings if self._side(one) < 0), key=lambda one: one.own)

    def _side(self, liking: Liking) -> int:
        """Where a liking is told; what is in the person's own words is told as such, and not here."""
        said = self.said_of(liking.phrase)
        if said is not None:
            return said.wish if said.verb == "pin" else 0
        return (1 if liking.own > 0 else -1) if liking.sure else 0

    def own_words(self, verb: Verb) -> tuple[str, ...]:
        """The phrases of the corrections of one kind, as the person wrote them."""
        return tuple(one.phrase for one in self.corrections if one.verb == verb)

    @property
    def strengths(self) -> dict[str, float]:
        """Phrase -> rating points, as predicted; nothing of what was struck."""
        struck = {one.key for one in self.corrections if one.verb == "strike"}
        return {one.phrase: 0.0 if normalize(one.phrase) in struck else one.strength for one in self.likings}

    @property
    def wishes(self) -> dict[str, int]:
        """Phrase -> 1 or -1, of what the person says themselves."""
        return {one.phrase: one.wish for one in self.corrections if one.wish}

    @property
    def weights(self) -> dict[str, float]:
        """Phrase -> rating points, where a wish weighs as much as the strongest of what is predicted."""
        strengths = self.strengths
        most = max((abs(value) for value in strengths.values()), default=0.0) or 1.0
        wished = {normalize(phrase): most * wish for phrase, wish in self.wishes.items()}
        told = {phrase: wished.pop(normalize(phrase), value) for phrase, value in strengths.items()}
        return told | wished

    @property
    def lines(self) -> list[str]:
        """For people and for language models; none where nothing is sure and nothing was said."""
        told: tuple[tuple[str, Sequence[str]], ...] = (
            ("always wants", self.own_words("always")),
            ("never wants", self.own_words("never")),
            ("likes", self._told(self.liked)),
            ("avoids", self._told(self.avoided)),
        )
        return [f"{verb} {', '.join(found)}" for verb, found in told if found]

    def _told(self, ranked: Sequence[Liking]) -> list[str]:
        """All that is pinned, and of the rest the strongest, as long as there is room."""
        pinned = [one.phrase for one in ranked if self.said_of(one.phrase)]
        rest = [one.phrase for one in ranked if one.phrase not in pinned][: max(0, SHOWN - len(pinned))]
        return [one.phrase for one in ranked if one.phrase in (*pinned, *rest)]

    @classmethod
    def from_json(
        cls, rows: Iterable[Mapping[str, Any]], corrections: Iterable[Mapping[str, Any]] | None = None
    ) -> Self:
        """The inverse of `to_json`, and corrections as a record keeps them."""
        likings = tuple(Liking(**{name: row[name] for name in _FIELDS}) for row in rows)
        return cls(likings, tuple(map(Correction.from_json, corrections or ())))

    def to_json(self) -> list[dict[str, Any]]:
        """The likings for the record: phrase, strength, own, error; rounded to what can be told apart."""
        return [
            {"phrase": one.phrase, **{name: round(getattr(one, name), 4) for name in _FIELDS[1:]}}
            for one in self.likings
        ]


def read_taste(
    scorer: object, person: PersonLike, phrases: Sequence[str], corrections: Iterable[Correction] = ()
) -> Taste:
    """What the scorer knows of this person's taste in these looks, and what they say of it."""
    said = tuple(corrections)
    if not isinstance(scorer, ReadsTaste) or not phrases:
        return Taste(corrections=said)
    rows = scorer.likings(person, phrases)
    if not len(rows):
        return Taste(corrections=said)
    return Taste(tuple(Liking(p, *map(float, row)) for p, row in zip(phrases, rows, strict=True)), said)


def clean_phrase(text: str) -> str:
    """A phrase in someone's own words, spaces tidied. Raises `TasteError` for what cannot follow a prompt."""
    phrase = " ".join(text.split())
    if not any(sign.isalnum() for sign in phrase):
        raise TasteError("a phrase is missing: write a few words, as in: never neon")
    if len(phrase) > LONGEST:
        raise TasteError(f"{phrase[:20]!r}… is too long: a phrase has at most {LONGEST} characters")
    if wrong := next((sign for sign in phrase if sign in ",;#，、" or not sign.isprintable()), None):
        raise TasteError(f"{phrase!r} holds {wrong!r}: write one phrase at a time, without , ; or #")
    return phrase


def check_sense(new: Correction, others: Iterable[Correction]) -> None:
    """Raises `TasteError` where an "always" would say what is never wanted, or the other way round."""
    for other in others:
        wanted, unwanted = (new, other) if new.wish > 0 else (other, new)
        against = other.key != new.key and wanted.wish > 0 and unwanted.verb == "never"
        if against and says(wanted.phrase, unwanted.phrase):
            raise TasteError(
                f'"{new}" contradicts "{other}": take that back first, with --clear "{other.phrase}"'
            )


def never_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Phrases that the person of a run never wants, as its `config.json` holds them."""
    rows = map(Correction.from_json, config["recipe"].get("corrections", ()))
    return tuple(one.phrase for one in rows if one.verb == "never")


def unwanted(config: Mapping[str, Any], words: str) -> str | None:
    """A short reason where a wording of someone's own says what they never want in this run."""
    return TextGate(str(config["prompt"]), never=never_of(config)).unwanted(words)


def check_wanted(config: Mapping[str, Any], words: str) -> None:
    """Raises `PickError` for `unwanted` words, before they are kept."""
    if reason := unwanted(config, words):
        what = reason.removesuffix(", which this person never wants")
        raise PickError(f"this {what}, which is never wanted in this run: write it without")

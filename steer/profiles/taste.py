"""What someone seems to like and to avoid, for people to read, and what they may say against it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steer.errors import TasteError, UsageError
from steer.gates.looks import looks
from steer.gates.text import normalize
from steer.parts import ReadsTaste
from steer.profiles.corrections import Change
from steer.profiles.pictures import read_picture
from steer.profiles.snapshot import AT_ONCE, ProfileState, Rating, fitted, known_ratings
from steer.taste import FAINT, Correction, Liking, Taste, read_taste

if TYPE_CHECKING:
    from reward.people.person import Person
    from reward.predictor.predictor import Predictor

LEANING = 1.0  # standard errors from which on a liking is worth showing; `taste.SURE` are worth telling
MOST = 8  # likings shown of each side, beside those that the person speaks of
PICTURES = 3  # that show a liking
TIMES = 24  # how often the past is looked at for when a liking began


@dataclass(frozen=True)
class Held:
    """One look that someone seems to like or to avoid, or says so."""

    phrase: str
    likes: bool
    own: float | None  # points more than others would give a picture that is more like it; None: unknown
    sure: float | None  # 0.5 to 1: probability, by the predictor's own error, that it is on that side
    told: bool  # to language models; what is less sure only weighs in what is chosen to be rendered
    correction: Correction | None = None
    since: Rating | None = None  # the rating from which on it was seen
    pictures: tuple[Rating, ...] = ()  # rated pictures that show it most

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        said = None if self.correction is None else self.correction.to_json()
        since = None if self.since is None else {"rating": self.since.id, "t": self.since.t}
        return {
            "phrase": self.phrase,
            "side": "likes" if self.likes else "avoids",
            "own": None if self.own is None else round(self.own, 4),
            "sure": None if self.sure is None else round(self.sure, 4),
            "told": self.told,
            "correction": said,
            "since": since,
            "pictures": [one.picture for one in self.pictures],
        }


@dataclass(frozen=True)
class ReadableTaste:
    """Everything that is thought of someone's taste, with what they say themselves."""

    taste: Taste
    likes: tuple[Held, ...] = ()  # in their own words first, then strongest first
    avoids: tuple[Held, ...] = ()
    struck: tuple[Held, ...] = ()  # thought of them, and said to be wrong

    @property
    def all(self) -> tuple[Held, ...]:
        """Likes, avoids, struck."""
        return (*self.likes, *self.avoids, *self.struck)

    def change(self, verb: str, phrase: str) -> Change:
        """What the person says, as it is kept. Raises `TasteError` where nothing is thought of the phrase."""
        key = normalize(phrase)
        said = self.taste.said_of(phrase)
        found = next((one for one in self.taste.likings if normalize(one.phrase) == key), None)
        if verb in ("always", "never"):
            return Change("always" if verb == "always" else "never", phrase)
        if verb == "clear" or (verb == "strike" and said is not None and said.verb in ("always", "never")):
            if said is None:
                raise TasteError(f"nothing was said of {phrase!r}, so there is nothing to take back")
            return Change("clear", said.phrase)
        if found is None:
            near = difflib.get_close_matches(phrase, [one.phrase for one in self.taste.likings], 1)
            meant = f"did you mean {near[0]!r}?" if near else f"in your own words: --always {phrase!r}"
            raise TasteError(f"nothing is thought of {phrase!r}, so there is nothing to {verb}; {meant}")
        if verb == "pin":
            return Change("pin", found.phrase, found.own > 0)
        return Change("strike", found.phrase)


def readable(
    scorer: object,
    person: Person,
    corrections: Sequence[Correction] = (),
    before: Sequence[tuple[Rating, Person]] = (),
    shown: tuple[Sequence[Rating], np.ndarray] | None = None,
) -> ReadableTaste:
    """The taste of anyone whom a scorer knows.

    `before` is a profile's own past, oldest first: who they were after a rating. `shown` are rated pictures
    and their embeddings [n, d]. Raises `UsageError` for a scorer that can tell no taste.
    """
    if not isinstance(scorer, ReadsTaste):
        name = getattr(scorer, "name", "this one")
        raise UsageError(f"the reward {name} can tell no taste: give a predictor that knows people, --reward")
    own_words = [one.phrase for one in corrections if one.verb in ("always", "never")]
    bank = list(dict.fromkeys([phrase for phrases in looks().values() for phrase in phrases] + own_words))
    taste = read_taste(scorer, person, bank, corrections)
    told = {one.phrase for one in (*taste.liked, *taste.avoided)}
    likes, avoids, struck = list[Held](), list[Held](), list[Held]()
    thought = {normalize(one.phrase): one for one in taste.likings}
    for said in corrections:  # the person goes first
        liking = thought.get(said.key)
        side = said.wish > 0 if said.wish else liking is not None and liking.own > 0
        held = Held(said.phrase, side, *_numbers(liking, side), said.wish != 0, said)
        (struck if said.verb == "strike" else likes if side else avoids).append(held)
    for liking in sorted(taste.likings, key=lambda one: -abs(one.own)):
        into = likes if liking.own > 0 else avoids
        few = sum(held.correction is None for held in into) < MOST
        if few and taste.said_of(liking.phrase) is None and _leans(liking):
            into.append(Held(liking.phrase, liking.own > 0, *_numbers(liking), liking.phrase in told))
    found = ReadableTaste(taste, tuple(likes), tuple(avoids), tuple(struck))
    return _shown(_dated(found, scorer, before), scorer, shown)


def profile_taste(
    state: ProfileState,
    scorer: Predictor,
    known: np.ndarray | None = None,
    features: np.ndarray | None = None,
) -> ReadableTaste:
    """The taste of a profile's owner.

    known [known people, ratings] is what they would give the rated pictures, features [ratings, d] are these
    pictures' embeddings; both are computed where they are not at hand.
    """
    ratings = state.ratings
    known = known_ratings(scorer, state, ratings) if known is None else known
    features = _features(scorer, state) if features is None else features
    counts = sorted({round(k) for k in np.linspace(1, len(ratings), TIMES)}) if ratings else []
    past = [(ratings[k - 1], fitted(scorer, known[:, :k], state, ratings[:k])) for k in counts]
    person = past[-1][1] if past else fitted(scorer, known, state, ratings)
    return readable(scorer, person, state.corrections.in_force, past, (ratings, features))


def _numbers(liking: Liking | None, side: bool | None = None) -> tuple[float | None, float | None]:
    """Own part and how sure; how sure that it is on the side that the person says."""
    if liking is None:
        return None, None
    against = side is not None and side != (liking.own > 0)
    return liking.own, 1 - liking.probability if against else liking.probability


def _leans(liking: Liking) -> bool:
    return abs(liking.own) >= LEANING * liking.error and abs(liking.own) >= FAINT


def _dated(
    found: ReadableTaste, scorer: ReadsTaste, before: Sequence[tuple[Rating, Person]]
) -> ReadableTaste:
    """Since which rating each was seen, without a break until now."""
    phrases = [held.phrase for held in found.all if held.own is not None]
    since: dict[str, Rating] = {}
    open_ = set(phrases)
    for rating, person in reversed(before):
        rows = scorer.likings(person, phrases) if open_ else ()
        seen = {p for p, row in zip(phrases, rows, strict=False) if _leans(Liking(p, *map(float, row)))}
        same = {p for p, row in zip(phrases, rows, strict=False) if (row[1] > 0) == _side(found, p)}
        open_ &= seen & same
        since |= dict.fromkeys(open_, rating)
    return _each(found, lambda held: {"since": since.get(held.phrase)})


def _side(found: ReadableTaste, phrase: str) -> bool:
    return next(one.own > 0 for one in found.taste.likings if one.phrase == phrase)


def _shown(
    found: ReadableTaste, scorer: Any, shown: tuple[Sequence[Rating], np.ndarray] | None
) -> ReadableTaste:
    """The rated pictures that show each most."""
    phrases = [held.phrase for held in found.all]
    if shown is None or not len(shown[0]) or not phrases:
        return found
    ratings, features = shown
    alike = features @ np.asarray(scorer.encoder.texts(phrases)).T  # [ratings, phrases]
    # What is alike to everything shows nothing: each phrase is compared with the others.
    alike = alike - alike.mean(1, keepdims=True) if len(phrases) > 1 else alike
    most = {
        phrase: tuple(ratings[i] for i in np.argsort(-alike[:, column], kind="stable")[:PICTURES])
        for column, phrase in enumerate(phrases)
    }
    return _each(found, lambda held: {"pictures": most[held.phrase]})


def _each(found: ReadableTaste, more: Any) -> ReadableTaste:
    sides = (tuple(replace(h, **more(h)) for h in side) for side in (found.likes, found.avoids, found.struck))
    return ReadableTaste(found.taste, *sides)


def _features(scorer: Predictor, state: ProfileState) -> np.ndarray:
    """Embeddings of all rated pictures [ratings, d]; the predictor keeps those that it has seen."""
    ratings = state.ratings
    found = []
    for start in range(0, len(ratings), AT_ONCE):
        images = [read_picture(state.path(one)).image for one in ratings[start : start + AT_ONCE]]
        found.append(scorer.image_features(images))
    return np.concatenate(found) if found else np.zeros((0, 1))

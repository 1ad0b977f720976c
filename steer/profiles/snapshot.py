"""What a profile says at one moment: the ratings that count, what the person told, and the hash of both."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from steer.errors import ProfileError, UsageError
from steer.parts import LearnsTaste
from steer.profiles.corrections import Corrections
from steer.profiles.pictures import read_picture

if TYPE_CHECKING:
    import numpy as np

    from reward.people.person import Person
    from reward.predictor.predictor import Predictor
    from steer.parts import Scorer

LIKES, DISLIKES = "likes:", "dislikes:"  # how sources of folders of liked and disliked pictures begin
CONTRAST = 30  # pictures at least that likes alone are held against
ONLY_LIKES = (
    "only likes so far, which teach less than ratings (in the sandbox 30 likes as much as about 20 ratings); "
    "say what you do not like too"
)
AT_ONCE = 64  # pictures that are in memory together
_ID, _PICTURE = re.compile("[0-9]{1,9}"), re.compile(r"[0-9a-z]+\.[a-z]+")


@dataclass(frozen=True)
class Rating:
    """How much someone likes a picture."""

    id: str  # "1", "2", … in the order in which they were given
    picture: str  # name of its file in the profile's images/: SHA-256 of the content, and an ending
    rating: float  # 1 (bad) to 5 (excellent)
    prompt: str = ""  # the text that the picture was made from; "" if unknown
    source: str = (
        ""  # where it came from: "sandbox", "pamela", "folder:NAME", "run:NAME", "import", "likes:NAME"
    )
    held_out: bool = False  # drawn at random: counts in the profile, but checks what the others predict of it
    t: float = 0.0  # Unix time in seconds


@dataclass(frozen=True)
class Demographics:
    """What someone told of themselves; None is "prefer not to say". It never leaves the profile."""

    age: int | None = None  # years
    gender: str | None = None
    nationality: str | None = None

    def __post_init__(self) -> None:
        if self.age is not None and not 1 <= self.age <= 120:
            raise ProfileError(f"an age of {self.age} is none: give it in years, or leave it out")
        for value in (self.gender, self.nationality):
            short = isinstance(value, str) and 0 < len(value) <= 60 and value.isprintable()
            if value is not None and not short:
                raise ProfileError("gender and nationality are a few words on one line, or left out")

    def __bool__(self) -> bool:
        return any(value is not None for value in self.known().values())

    def known(self) -> dict[str, Any]:
        """What `reward.people.descriptions.demographics_sentence` reads."""
        return asdict(self)


@dataclass(frozen=True)
class ProfileState:
    """A profile at one moment, by its hash; nothing that is rated later changes it."""

    folder: Path  # the profile's
    name: str
    ratings: tuple[Rating, ...] = ()  # those that count: the last of each picture, in order, nothing undone
    demographics: Demographics = field(default_factory=Demographics)
    salt: str = ""  # the profile's secret: a hash in a run shall not let anyone guess demographics

    @property
    def hash(self) -> str:
        """12 hex digits over everything that the taste follows from."""
        digest = hashlib.sha256(self.salt.encode())
        digest.update(json.dumps(self.demographics.known(), sort_keys=True).encode())
        for r in self.ratings:
            digest.update(json.dumps([r.picture, r.rating, r.prompt]).encode())
        return digest.hexdigest()[:12]

    @property
    def label(self) -> str:
        """What runs call it: profile:me@1f3a5b7c9d0e."""
        return f"profile:{self.name}@{self.hash}"

    @property
    def corrections(self) -> Corrections:
        """What the person says of their taste themselves; no part of this state, and the same for all."""
        return Corrections(self.folder)

    def path(self, rating: Rating) -> Path:
        """The picture that was rated."""
        return self.folder / "images" / rating.picture

    def person(self, scorer: Scorer) -> Person:
        """Whose taste this is, as `scorer` understands it: fitted to all ratings, held out or not.

        Raises `ProfileError` for a picture that is gone, `UsageError` for a scorer that knows no people.
        """
        predictor = predictor_of(scorer)
        person = fitted(predictor, known_ratings(predictor, self, self.ratings), self, self.ratings)
        # Of what the taste follows from, not of the fitted numbers: another processor rounds those otherwise.
        how = ONLY_LIKES if only_likes(self.ratings) else ""
        follows = f"{self.salt}{self.hash}{predictor.identity}{how}"
        return replace(person, state=self.hash, hash=hashlib.sha256(follows.encode()).hexdigest()[:12])


def predictor_of(scorer: Scorer) -> Predictor:
    """`scorer`, if it is one that a taste can be learnt with. Raises `UsageError` for any other."""
    if not isinstance(scorer, LearnsTaste):
        raise UsageError(
            f"the reward {scorer.name} knows no people, so it cannot learn a taste: give another --reward"
        )
    return cast("Predictor", scorer)


def fitted(predictor: Predictor, known: np.ndarray, state: ProfileState, ratings: Sequence[Rating]) -> Person:
    """Whose taste these ratings of a state are; known [known people, ratings] is what others would give.

    Likes alone say nothing by how they differ: they are held against pictures of the predictor's own sample,
    which someone of no taste of their own would rate as everyone does on average.
    """
    import numpy as np

    values = np.array([rating.rating for rating in ratings])
    told, sample = state.demographics.known(), predictor.sample_ratings
    if sample is None or not only_likes(ratings):
        return predictor.mixed(known, values, told, state.name)
    count = min(sample.shape[1], max(CONTRAST, len(ratings)))
    drawn = sample[:, np.random.default_rng(0).permutation(sample.shape[1])[:count]]
    values = np.concatenate([values, drawn.mean(0).clip(1, 5)])
    person = predictor.mixed(np.concatenate([known, drawn], 1), values, told, state.name)
    return replace(person, ratings=len(ratings), note=ONLY_LIKES)


def only_likes(ratings: Sequence[Rating]) -> bool:
    """Whether all that is known are pictures that were said to be liked, without a word on others."""
    return bool(ratings) and all(rating.source.startswith(LIKES) for rating in ratings)


def known_ratings(predictor: Predictor, state: ProfileState, ratings: Sequence[Rating]) -> np.ndarray:
    """What each known person would give the rated pictures [known people, ratings]."""
    import numpy as np

    columns = [np.zeros((len(predictor.people), 0))]
    for part in _chunks(ratings):
        images = [read_picture(state.path(r)).image for r in part]
        columns.append(predictor.known_ratings(images, [r.prompt for r in part]))
    return np.concatenate(columns, 1)


def apply(given: dict[str, Rating], told: Demographics, line: Mapping[str, Any]) -> Demographics:
    """Let a line of the log (see `ratings_on_disk`) change the ratings by id; returns what is told now.

    Raises KeyError, TypeError, ValueError, OverflowError, ProfileError for a line that is none.
    """
    if line["event"] == "rating":
        rating = Rating(**{key: value for key, value in line.items() if key != "event"})
        _check(rating)
        given[rating.id] = rating
    elif line["event"] == "undo":
        del given[line["id"]]
    elif line["event"] == "demographics":
        return Demographics(**line["demographics"])
    else:
        raise KeyError(line["event"])
    return told


def _check(rating: Rating) -> None:
    """Refuses a line that says it is a rating and is none. Raises TypeError, ValueError, OverflowError."""
    named = _ID.fullmatch(rating.id) and _PICTURE.fullmatch(rating.picture)
    texts = isinstance(rating.prompt, str) and isinstance(rating.source, str)
    numbers = 1 <= rating.rating <= 5 and math.isfinite(rating.t)
    if not (named and texts and numbers and isinstance(rating.held_out, bool)):
        raise ValueError("no rating")


def state_of(
    folder: Path, about: Mapping[str, Any], given: Mapping[str, Rating], told: Demographics
) -> ProfileState:
    """The state of ratings by id, in order of ids."""
    last: dict[str, Rating] = {}
    for rating in reversed(list(given.values())):  # the last rating of a picture counts, where it was given
        last.setdefault(rating.picture, rating)
    return ProfileState(folder, about["name"], tuple(last.values())[::-1], told, about["salt"])


def _chunks(ratings: Sequence[Rating]) -> Iterator[Sequence[Rating]]:
    for start in range(0, len(ratings), AT_ONCE):
        yield ratings[start : start + AT_ONCE]

"""Whose taste: a known person, a new one, a demographic group, the population (paper, sections 3.2, 5)."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reward.errors import BadContext, EmptyGroup, UnknownPerson
from reward.ids import identifier

if TYPE_CHECKING:
    from PIL import Image

    from reward.people.newcomer import Method
    from reward.predictor.predictor import Predictor

NEIGHBOURS = 5  # K of equation 1
TEMPERATURE = 0.1  # tau of equation 1
PROFILE = "profile"  # the world of new people
OLDEST = 99.0  # years, where a range of ages has no end


@dataclass(frozen=True)
class KnownPerson:
    """Someone whose ratings the predictor was trained with."""

    id: str  # as in the data set
    demographics: Mapping[str, Any]  # age, gender, nationality …; fields may be null
    ratings: int  # how many training ratings


@dataclass(frozen=True, eq=False)
class Person:
    """Whose taste a score stands for, resolved to what the predictor reads."""

    kind: Literal["known", "new", "group", "population"]
    id: str  # participant as in the data set, name of a profile, "age 18-25, female" or "population"
    world: str  # whose ratings speak for them: "pamela", "sandbox", …; "profile": their own
    user: np.ndarray | None  # [hidden] user embedding; None leaves the token out
    demographics: np.ndarray | None  # [profile_dim] sentence embedding; None leaves the token out
    hash: str  # 12 hex digits over kind and embeddings: equal hashes score equally
    size: int = 1  # how many known people stand behind it
    mix: np.ndarray | None = (
        None  # [known people + 1] weights of their ratings and an offset; replaces `user`
    )
    residual: np.ndarray | None = None  # [picture_dim + 1] slopes along what is read of a picture, offset
    ratings: int = 0  # how many of their own ratings stand behind a new person
    note: str = ""  # what was done where the ratings of a new person say nothing, or contradict the predictor
    state: str = ""  # of a new person: hash of what their taste follows from
    other_kind: float = (
        0.0  # probability that a new person's taste is of another kind than the known people's
    )

    @property
    def contradicts(self) -> bool:
        """Whether a new person's ratings contradict what is known of people."""
        return self.other_kind > 0.5

    @property
    def label(self) -> str:
        """For people: "sandbox:17", "sandbox:age 18-25 (34 people)", "profile:me@1f3a5b7c9d0e"."""
        # Where a predictor was trained on several data sets, ids begin with theirs: "lapis:17".
        name = self.id if self.id.startswith(f"{self.world}:") else f"{self.world}:{self.id}"
        if self.kind == "group":
            return f"{name} ({self.size} {'person' if self.size == 1 else 'people'})"
        return f"{name}@{self.state}" if self.state else name

    @classmethod
    def known(cls, user: str, predictor: Predictor) -> Person:
        """Someone in the training set, by id or by 1-based position. Raises UnknownPerson."""
        return predictor.person(user)

    @classmethod
    def population(cls, predictor: Predictor) -> Person:
        """Nobody in particular: neither a user nor a demographics token."""
        return predictor.population()

    @classmethod
    def group(
        cls,
        predictor: Predictor,
        age: tuple[int, int] | None = None,
        gender: str | None = None,
        nationality: str | None = None,
    ) -> Person:
        """The known people of a demographic group. Raises EmptyGroup."""
        return predictor.group(age=age, gender=gender, nationality=nationality)

    @classmethod
    def new(
        cls,
        predictor: Predictor,
        images: Sequence[Image.Image],
        ratings: Sequence[float],
        demographics: Mapping[str, Any] | None = None,
        name: str = "new",
        *,
        prompts: Sequence[str] | None = None,
        method: Method = "mix",
    ) -> Person:
        """Someone who rated a few images (15 in the paper), see `Predictor.newcomer`. Raises BadContext."""
        return predictor.newcomer(images, ratings, demographics, name, prompts=prompts, method=method)


def make_person(
    kind: Literal["known", "new", "group", "population"],
    id: str,
    world: str,
    user: np.ndarray | None,
    demographics: np.ndarray | None,
    size: int = 1,
    mix: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    ratings: int = 0,
    note: str = "",
    other_kind: float = 0.0,
) -> Person:
    """A Person with its content hash, which is the state of a new one."""
    digest = hashlib.sha256(kind.encode())
    for array in (user, demographics):
        digest.update(b"-" if array is None else np.ascontiguousarray(array, np.float32).tobytes())
    for name, part in (("mix", mix), ("residual", residual)):  # only new people have any
        if part is not None:
            digest.update(name.encode() + np.ascontiguousarray(part, np.float32).tobytes())
    short = digest.hexdigest()[:12]
    state = short if kind == "new" else ""
    return Person(
        kind, id, world, user, demographics, short, size, mix, residual, ratings, note, state, other_kind
    )  # fmt: skip


def preference_profile(features: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """Rating-weighted mean of image embeddings: p_u of section 3.2.

    features [k, d], ratings [k] on the 1-5 scale -> [d]. Raises BadContext.
    """
    weights = checked_ratings(ratings, len(features))
    if len(weights) == 0:
        raise BadContext("no rated images: rate at least one, better 15")
    return (weights @ features / weights.sum()).astype(np.float32)


def checked_ratings(ratings: Sequence[float] | np.ndarray, images: int) -> np.ndarray:
    """Ratings of so many images, float64. Raises BadContext."""
    try:
        checked = np.asarray(ratings, np.float64)
    except (TypeError, ValueError):
        checked = np.full(len(ratings), np.nan)
    if checked.ndim != 1 or len(checked) != images:
        raise BadContext(f"{images} images but {len(ratings)} ratings: give one rating for each image")
    if not np.isfinite(checked).all() or (checked < 1).any() or (checked > 5).any():
        raise BadContext("ratings must be numbers from 1 to 5: correct them and try again")
    return checked


def interpolate_user(
    profile: np.ndarray,
    profiles: np.ndarray,
    users: np.ndarray,
    neighbours: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> np.ndarray:
    """Embedding of a new user from the nearest training users (equation 1).

    profile [d] of the new user, profiles [U, d] and embeddings users [U, h] of the training users -> [h].
    """
    cosines = profiles @ profile / (np.linalg.norm(profiles, axis=1) * np.linalg.norm(profile))
    nearest = np.argsort(-cosines, kind="stable")[:neighbours]
    weights = np.exp((cosines[nearest] - cosines[nearest].max()) / temperature)
    return (weights @ users[nearest] / weights.sum()).astype(np.float32)


def find_known(people: Sequence[KnownPerson], user: str) -> int:
    """Row of a known person: the exact id, else the 1-based position. Raises UnknownPerson."""
    wanted = identifier(user) or ""
    for row, person in enumerate(people):
        if person.id == wanted:
            return row
    if wanted.isdecimal() and 1 <= int(wanted) <= len(people):
        return int(wanted) - 1
    raise UnknownPerson(
        f"unknown user {wanted!r}: {len(people)} people are known; see `steer people list` for their ids"
    )


def find_group(
    people: Sequence[KnownPerson],
    age: tuple[int, int] | None = None,
    gender: str | None = None,
    nationality: str | None = None,
) -> list[int]:
    """Rows of the known people who fit; `age` is a range with both ends included. Raises EmptyGroup.

    Of whom only a range of ages is known ("18-21") fits where it lies inside `age` as a whole.
    """
    if age is None and gender is None and nationality is None:
        raise EmptyGroup("no age, gender or nationality given: name at least one, as in `--age 18-25`")
    if age is not None and age[0] > age[1]:
        raise EmptyGroup(f"the age range {age[0]}-{age[1]} is reversed: write `--age {age[1]}-{age[0]}`")
    rows = [
        row
        for row, person in enumerate(people)
        if (age is None or _within(person.demographics, age))
        and (gender is None or _same(person.demographics.get("gender"), gender))
        and (nationality is None or _same(person.demographics.get("nationality"), nationality))
    ]
    if not rows:
        raise EmptyGroup(
            f"nobody known is {describe_group(age, gender, nationality)}: `steer people list` shows who is"
        )
    return rows


def describe_group(
    age: tuple[int, int] | None = None, gender: str | None = None, nationality: str | None = None
) -> str:
    """ "age 18-25, female" """
    parts = [f"age {age[0]}-{age[1]}" if age else None, gender, nationality]
    return ", ".join(part for part in parts if part)


def natural_order(ids: Sequence[str]) -> list[str]:
    """Ids with their numbers compared as numbers: p2 before p10."""
    return sorted(
        ids, key=lambda id: [(not s.isdecimal(), int(s) if s.isdecimal() else 0, s) for s in _runs(id)]
    )


def _runs(id: str) -> list[str]:
    return re.findall(r"\d+|\D+", id)


def _within(demographics: Mapping[str, Any], bounds: tuple[int, int]) -> bool:
    known = age_range(demographics.get("age")) or age_range(demographics.get("age_binned"))
    return known is not None and bounds[0] <= known[0] and known[1] <= bounds[1]


def age_range(value: Any) -> tuple[float, float] | None:
    """Least and greatest age that a field means, both included; None where it says none.

    34, "34" and "18-21", also "under 18" and "60+", which lasts to OLDEST.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return None if math.isnan(value) else (value, value)
    ages = [float(text) for text in re.findall(r"[0-9]+(?:\.[0-9]+)?", value)]
    if len(ages) == 1 and re.search(r"^\s*<|under|below|younger", value.lower()):
        return 0, ages[0] - ("=" not in value)
    if len(ages) == 1 and re.search(r"^\s*>|\+\s*$|over|above|older|up", value.lower()):
        return ages[0], OLDEST
    return (min(ages), max(ages)) if ages and len(ages) <= 2 else None


def _same(value: Any, wanted: str) -> bool:
    return value is not None and str(value).strip().casefold() == wanted.strip().casefold()

"""A name becomes a person: participant, profile, position, demographic group or population.

    Who("known", user="me").resolved(scorer.people).find(scorer)

A user's name is an exact participant id before it is a profile, and a profile before it is a position in the
list of known people. Profiles are never called by digits only, so a number is a participant or a position.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from reward.errors import EmptyGroup, UnknownPerson
from steer.errors import UsageError
from steer.parts import FindsPeople, KnowsGroups, KnowsPopulation
from steer.profiles import Profiles, ProfileState
from steer.record.schema import built
from steer.taste import Correction

if TYPE_CHECKING:
    from reward.people.person import KnownPerson, Person
    from steer.parts import Scorer

GROUPS = "46-60, gender:male, nationality:Poland, two of them joined by a comma, or population"
_AGE = re.compile(r"\s*(\d{1,3})\s*(?:[-–]\s*(\d{1,3})\s*)?")
_NAMED = re.compile(r"\s*(age|gender|nationality)\s*:\s*(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Who:
    """Whose taste, as asked for; kept in config.json so that a resumed run finds the same person."""

    kind: Literal["known", "profile", "group", "population"]
    user: str | None = None  # id, name of a profile, or position; of a profile in full: me@1f3a5b7c9d0e
    age: tuple[int, int] | None = None  # years, both ends included
    gender: str | None = None
    nationality: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Who:
        """The inverse of `to_json`. Raises `RecordError` where it is damaged."""
        return built(cls, data, "the person in the recipe of the run")

    def to_json(self) -> dict[str, Any]:
        """For the recipe in config.json."""
        return asdict(self)

    def resolved(self, people: Sequence[KnownPerson]) -> Who:
        """The same, with a profile named in its state: the present one, or that of "me@1f3a5b7c9d0e".

        `people` are those whom the predictor knows: an exact id goes before a profile. Raises `ProfileError`
        for a profile that never was in that state.
        """
        user = str(self.user).strip()
        name, _, hash = user.partition("@")
        profiles = Profiles()
        if self.kind != "known" or any(known.id == user for known in people) or name not in profiles:
            return self
        profile = profiles.open(name)
        state = profile.at(hash) if hash else profile.state
        return replace(self, kind="profile", user=f"{state.name}@{state.hash}")

    @property
    def state(self) -> ProfileState:
        """What a profile said then. Raises `UnknownProfile`, `ProfileError`."""
        name, _, hash = str(self.user).partition("@")
        return Profiles().open(name).at(hash)

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """What the owner of a profile says of their taste themselves, as it is in force now."""
        return self.state.corrections.in_force if self.kind == "profile" else ()

    def find(self, scorer: Scorer) -> Person:
        """This person as `scorer` knows them.

        Raises `UnknownPerson`, `EmptyGroup`, `UsageError`, `ProfileError`.
        """
        if self.kind == "profile":
            return self.state.person(scorer)
        if self.kind == "known" and isinstance(scorer, FindsPeople):
            try:
                return scorer.person(str(self.user))
            except UnknownPerson as error:
                raise UnknownPerson(f"{error}; {_which_profiles()}") from None
        if self.kind == "group" and isinstance(scorer, KnowsGroups):
            return scorer.group(age=self.age, gender=self.gender, nationality=self.nationality)
        if self.kind == "population" and isinstance(scorer, KnowsPopulation):
            return scorer.population()
        remedy = (
            "steer run --population" if isinstance(scorer, KnowsPopulation) else "name another with --reward"
        )
        raise UsageError(f"the reward {scorer.name} knows no people, its opinion is everybody's: {remedy}")

    def known_to(self, judge: Scorer | None) -> Person | None:
        """A profile or a group as a second predictor knows them; None where it knows none such.

        The loop finds everybody else itself.
        """
        if judge is None or self.kind not in ("profile", "group"):
            return None
        try:
            return self.find(judge)
        except (UnknownPerson, EmptyGroup, UsageError):
            return None

    def members(self, people: Sequence[KnownPerson]) -> list[int] | None:
        """Rows of the people who make up a group; None for anybody else. Raises `EmptyGroup`."""
        from reward.people.person import find_group

        if self.kind != "group":
            return None
        return find_group(people, self.age, self.gender, self.nationality)


def parse_age(text: str | None) -> tuple[int, int] | None:
    """ "18-25" as (18, 25), "30" as (30, 30). Raises `UsageError`."""
    if text is None:
        return None
    found = _AGE.fullmatch(text)
    if not found:
        raise UsageError(
            f"--age {text!r} is not a range of ages; write it as in: steer demographic --age 18-25"
        )
    low, high = int(found[1]), int(found[2] or found[1])
    if low > high:
        raise UsageError(f"--age {text} runs backwards; try: steer demographic --age {high}-{low}")
    return low, high


def parse_group(text: str) -> Who:
    """A group in full, as `--versus` names it (`GROUPS` are examples), or population. Raises `UsageError`."""
    if text.strip().casefold() in ("population", "everybody", "everyone"):
        return Who("population")
    found: dict[str, Any] = {}
    for term in text.split(","):
        if _AGE.fullmatch(term):
            name, value = "age", term
        elif match := _NAMED.fullmatch(term):
            name, value = match[1].lower(), match[2].strip()
        else:
            raise UsageError(f"--versus {text!r} names no group; write it as in: {GROUPS}")
        if name in found:
            raise UsageError(f"--versus {text!r} gives {name} twice; write it as in: {GROUPS}")
        found[name] = parse_age(value) if name == "age" else value
    return Who("group", **found)


def _which_profiles() -> str:
    """Why it is no profile either, and which there are."""
    names = Profiles().list()
    return f"profiles are {', '.join(names)}" if names else "to make a profile of your own: steer rate me"

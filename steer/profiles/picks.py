"""What a person chose inside a run for their own profile, as ratings of that profile."""

from __future__ import annotations

from steer.errors import UnknownProfile
from steer.profiles.ratings_on_disk import NewRating, Profiles
from steer.record.events import Rendered
from steer.record.files import PROFILE
from steer.record.folder import Record
from steer.record.picks import Pick, Picks

HEARTED, BURIED = 5.0, 1.0  # the ratings that a heart and a bury are


def profile_of(record: Record) -> str | None:
    """The profile that a run is made for; None where it is for somebody else."""
    person = record.config["person"]
    return str(person["id"]).partition("@")[0] if person["world"] == PROFILE else None


def rate_picks(record: Record, profiles: Profiles | None = None) -> int:
    """Let the hearts and buries of a run be ratings of its profile; returns how many are new.

    May be called as often as one likes, by several processes and after a kill: each choice is a rating once.
    One that was taken back takes its rating back. A rating that the same picture is given later, elsewhere,
    counts. Nothing happens where the run is for nobody's profile, or the profile is gone. Raises OSError,
    `ProfileError`.
    """
    name, profiles = profile_of(record), profiles or Profiles()
    picks = [pick for pick in Picks(record.folder).read() if pick.pick in ("heart", "bury", "clear")]
    if name is None or not picks:
        return 0
    try:
        profile = profiles.open(name)
    except UnknownProfile:
        return 0
    last = {str(pick.picture): pick for pick in picks}
    pictures = {e.id: record.folder / e.image for e in record.events if isinstance(e, Rendered)}
    prompt, new = str(record.config["prompt"]), []
    for id, pick in last.items():
        if pick.pick != "clear" and id in pictures and not pictures[id].is_symlink():
            value = HEARTED if pick.pick == "heart" else BURIED
            new.append(NewRating(pictures[id], value, prompt, _source(pick)))
    known = {line.source for line in profile.ratings}
    new = [one for one in new if one.source not in known]  # reads no picture for nothing
    cleared = {id for id, pick in last.items() if pick.pick == "clear"}
    sources = {_source(pick) for pick in picks if pick.picture in cleared}
    if sources & known:
        profile.take_back(sources)
    return len(profile.rate_all(new, once=True)) if new else 0


def _source(pick: Pick) -> str:
    return f"pick:{pick.key}"

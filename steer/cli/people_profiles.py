"""`steer people import`, `export`, `delete`, and what `list` and `show` say of profiles."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, hint_unreadable, out, print_json, say
from steer.errors import ProfileError, UnknownProfile, UsageError

if TYPE_CHECKING:
    from steer.profiles.learnt import Learnt
    from steer.profiles.snapshot import ProfileState

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a profile.", show_default=False)]


def import_(
    name: Name,
    ratings: Annotated[
        Path,
        typer.Argument(metavar="RATINGS.CSV", help="Columns image, rating[, prompt].", show_default=False),
    ],
    as_json: opt.Json = False,
) -> None:
    """Take ratings from a CSV file into a profile, which is made if there is none of that name.

    Columns: image (a path, relative to the file), rating (1 bad to 5 excellent) and, if known, prompt (the
    text that the image was made from). All rows are taken, or none.

    [bold]Examples[/bold]

    steer people import me ratings.csv
    """
    from steer.profiles import Profiles
    from steer.profiles.names import checked_name
    from steer.profiles.transfer import read_ratings

    name = checked_name(name)
    new = read_ratings(ratings)
    profile = Profiles().open_or_create(name)
    before = len(profile.ratings)
    profile.rate_all(new)
    total = len(profile.ratings)
    if as_json:
        print_json(
            {"schema_version": 1, "profile": name, "hash": profile.hash, "rows": len(new), "ratings": total}
        )
        return
    again = len(new) - (total - before)
    if again:
        hint(f"{again} of these pictures had a rating already, or two in the file: the last one counts")
    say(f"profile:{name}@{profile.hash}: {len(new)} ratings taken, {total} count")
    hint(f"steer for it: steer run --user {shlex.quote(name)}")


def export(
    name: Name,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to make; by default NAME-ratings.", show_default=False),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Write a profile's ratings and pictures to a folder, without demographics.

    [bold]Examples[/bold]

    steer people export me --out backup
    """
    from steer.profiles import Profiles
    from steer.profiles.transfer import write_ratings

    state = Profiles().open(name).state
    written = write_ratings(state, folder or Path(f"{state.name}-ratings"))
    if as_json:
        count = len(state.ratings)
        print_json({"schema_version": 1, "profile": state.name, "file": str(written), "ratings": count})
        return
    say(written)
    hint(f"{len(state.ratings)} ratings and their pictures, exactly as they were rated; no demographics")


def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: opt.Json = False,
) -> None:
    """Delete a profile with all its ratings and pictures.

    [bold]Examples[/bold]

    steer people delete me
    """
    from steer.profiles import Profiles

    profiles = Profiles()
    profile = profiles.open(name)
    count = len(profile.ratings)
    if not yes:
        again = f"steer people delete {shlex.quote(name)} --yes"
        if not sys.stdin.isatty():
            raise UsageError(f"deleting {count} ratings for good is not done without being asked: {again}")
        if not typer.confirm(f"Delete the profile {profile.name} with {count} ratings for good?", err=True):
            hint("nothing was deleted")
            return
    profiles.delete(name)
    if as_json:
        print_json({"schema_version": 1, "profile": profile.name, "deleted": True, "ratings": count})
        return
    say(f"deleted the profile {profile.name} with {count} ratings")


def listed() -> list[dict[str, Any]]:
    """Every profile: name, hash and how many ratings count; of one that is damaged it is told."""
    from steer.profiles import Profiles

    profiles, found = Profiles(), []
    for name in profiles.list():
        try:
            profile = profiles.open(name)
        except (ProfileError, UnknownProfile) as error:
            hint(f"left out: {error}")
            continue
        hint_unreadable(profile.unreadable, profile.folder)
        found.append({"name": profile.name, "hash": profile.hash, "ratings": len(profile.ratings)})
    return found


def say_unreadable(state: ProfileState) -> None:
    """How many lines of a profile are lost, if some are."""
    from steer.profiles import Profile

    hint_unreadable(Profile(state.folder).unreadable, state.folder)


def show_profile(
    state: ProfileState, looks: list[dict[str, Any]] | None, reward: Path | None, as_json: bool
) -> None:
    """What is known of the person behind a profile."""
    from reward.baselines import load_reward
    from steer.cli.people import show_looks
    from steer.machine.presets import WEIGHTS
    from steer.profiles.learnt import learn
    from steer.profiles.snapshot import known_ratings, predictor_of

    predictor = predictor_of(load_reward(reward or WEIGHTS / "predictor"))
    known = known_ratings(predictor, state, state.ratings)
    seen = [(r.picture, r.prompt, known[:, i]) for i, r in enumerate(state.ratings)]
    learnt = learn(state, known, predictor, seen)
    if as_json:
        print_json(_as_json(state, learnt, looks))
        return
    hint(f"{state.label}; its files are in {state.folder}")
    held_out = f", {learnt.held_out} of them drawn at random" if learnt.held_out else ""
    say(f"profile {state.name}: {learnt.ratings} ratings{held_out}")
    for field, value in state.demographics.known().items():
        if value is not None:
            say(f"{field:<13}{value}")
    for line in _said(learnt):
        say(line)
    if looks is not None:
        show_looks(looks)
    else:
        hint(f"which looks suit this taste: steer people show {shlex.quote(state.name)} --likes")


def _as_json(state: ProfileState, learnt: Learnt, looks: list[dict[str, Any]] | None) -> dict[str, Any]:
    from dataclasses import asdict

    about = {"name": state.name, "hash": state.hash, "label": state.label}
    return {"schema_version": 1, "profile": about, "learnt": asdict(learnt), "looks": looks}


def _said(learnt: Learnt) -> list[str]:
    """What has been learnt, in sentences."""
    lines = [learnt.note] if learnt.note else []
    people = "simulated people" if learnt.simulated else "people"
    if learnt.expected is not None:
        lines.append(
            f"to expect: a rank correlation of {learnt.expected:.2f} with ratings to come, as measured on "
            f"{learnt.measured_on} {people} who rated as many"
        )
    if learnt.within is not None:
        lines.append(f"4 of 5 ratings to come lie within {learnt.within:.1f} points of what is predicted")
    if learnt.own is not None and learnt.own_ci95 is not None:
        low, high = learnt.own_ci95
        lines.append(
            f"own check: {learnt.own:.2f} on {learnt.held_out} held-out ratings (95%: {low:.2f}-{high:.2f})"
        )
    if learnt.gain is not None and learnt.ratings:
        lines.append(
            "more ratings hardly help now"
            if learnt.enough
            else f"the next 5 ratings should bring about {learnt.gain:+.3f}"
        )
    if learnt.similar:
        alike = ", ".join(f"{one.id} ({one.agreement:.2f})" for one in learnt.similar)
        lines.append(f"most alike among the known {people}, apart from what all like: {alike}")
    for what, found in (("more", learnt.likes), ("less", learnt.dislikes)):
        if found:
            lines.append(f"seems to like {what} than others: {', '.join(one.look for one in found)}")
    return lines


def print_profiles(profiles: list[dict[str, Any]]) -> None:
    """A table of them, for people or for pipes."""
    if not sys.stdout.isatty():
        for one in profiles:
            say(f"profile\t{one['name']}\t{one['ratings']}")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("profile")
    table.add_column("ratings", justify="right")
    for one in profiles:
        table.add_row(one["name"], str(one["ratings"]))
    out().print(table)

"""`steer people import`, `export`, `delete`, and what `list` and `show` say of profiles."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, hint_unreadable, out, print_json, say
from steer.errors import ProfileError, UnknownProfile, UsageError

if TYPE_CHECKING:
    from steer.profiles.learnt import Learnt
    from steer.profiles.snapshot import ProfileState

NAMED = 20  # files that are named one by one, where they are left out
Folders = list[Path] | None
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a profile.", show_default=False)]


def import_(
    name: Name,
    ratings: Annotated[
        Path | None,
        typer.Argument(metavar="RATINGS.CSV", help="Columns image, rating[, prompt].", show_default=False),
    ] = None,
    likes: Annotated[Folders, typer.Option(metavar="FOLDER", help="Pictures that you like.")] = None,
    dislikes: Annotated[
        Folders, typer.Option(metavar="FOLDER", help="Pictures that you do not like.")
    ] = None,
    rated: Annotated[
        Folders, typer.Option(metavar="FOLDER", help="Pictures with stars, in XMP or EXIF.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="OURS=THEIRS,…", help="Of a table: image=path,rating=score.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="WORST-BEST", help="Of a table's ratings, as in 0-10.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Take ratings from folders of pictures or from a table into a profile, which is made if need be.

    Likes alone are enough to begin. Stars go before the folder; prompts are read from the pictures' own
    metadata (A1111, ComfyUI, InvokeAI, steer). What cannot be read in a folder is named and left out.

    A table's columns: image (a path, relative to the file), rating (1 bad to 5 excellent) and, if known,
    prompt (the text that the image was made from). All its rows are taken, or none.

    [bold]Examples[/bold]

    steer people import me --likes ~/Pictures/best

    steer people import me --likes best --dislikes rest

    steer people import me --rated ~/Photos

    steer people import me ratings.csv

    steer people import me scores.csv --columns image=relative_path,rating=score --scale 0-10
    """
    from steer.profiles import Profiles
    from steer.profiles.folders import Taken, take_folders
    from steer.profiles.names import checked_name
    from steer.profiles.snapshot import ONLY_LIKES, only_likes
    from steer.profiles.transfer import Table, read_ratings

    name = checked_name(name)
    if ratings is None and not (likes or dislikes or rated):
        raise UsageError(
            f"say what to take: steer people import {shlex.quote(name)} --likes FOLDER, or a table"
        )
    if ratings is None and (columns or scale):
        raise UsageError("--columns and --scale are of a table: name it, as in: ratings.csv --scale 0-10")
    new = [] if ratings is None else read_ratings(ratings, Table.of(columns, scale))
    for folder in (*(likes or ()), *(dislikes or ()), *(rated or ())):
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}: name one of pictures")
    profile = Profiles().open_or_create(name)
    before = len(profile.ratings)
    profile.rate_all(new)
    fresh = len(profile.ratings) - before
    taken = Taken()
    if likes or dislikes or rated:
        with _counted(as_json) as progress:
            taken = take_folders(profile, likes or (), dislikes or (), rated or (), progress)
    total = len(profile.ratings)
    if as_json:
        print_json(
            {
                "schema_version": 1,
                "profile": name,
                "hash": profile.hash,
                "rows": len(new),
                "pictures": {**asdict(taken), "skipped": [list(one) for one in taken.skipped]},
                "ratings": total,
            }
        )
        return
    if again := len(new) - fresh:
        hint(f"{again} of these pictures had a rating already, or two in the file: the last one counts")
    for path, why in taken.skipped[:NAMED]:
        hint(f"left out: {path}: {why}" if path not in why else f"left out: {why}")
    if len(taken.skipped) > NAMED:
        hint(f"left out: {len(taken.skipped) - NAMED} more; all of them: --json")
    say(f"profile:{name}@{profile.hash}: {len(new) + taken.ratings} ratings taken, {total} count")
    if likes or dislikes or rated:
        hint(
            f"{taken.liked} liked, {taken.disliked} disliked, {taken.stars} with stars; {taken.prompts} tell "
            f"the prompt that they were made from; {taken.again} were there already"
        )
    if only_likes(profile.ratings):
        hint(f"{ONLY_LIKES}: --dislikes FOLDER, or steer rate {shlex.quote(name)}", style="yellow")
    hint(f"steer for it: steer run --user {shlex.quote(name)}")


@contextmanager
def _counted(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Shows how many pictures were read, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.progress import Progress

    from steer.cli.console import err

    with Progress(console=err(), transient=True) as bar:
        task = bar.add_task("reading pictures", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def export(
    name: Name,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to make; by default NAME-ratings.", show_default=False),
    ] = None,
    xmp: Annotated[
        bool, typer.Option("--xmp", help="Stars beside each picture, for photo software.")
    ] = False,
    as_json: opt.Json = False,
) -> None:
    """Write a profile's ratings and pictures to a folder, without demographics.

    [bold]Examples[/bold]

    steer people export me --out backup

    steer people export me --xmp
    """
    from steer.profiles import Profiles
    from steer.profiles.transfer import write_ratings

    state = Profiles().open(name).state
    written = write_ratings(state, folder or Path(f"{state.name}-ratings"), xmp)
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


def show_profile(state: ProfileState, reward: Path | None, as_json: bool) -> None:
    """What is known of the person behind a profile."""
    from reward.baselines import load_reward
    from steer.machine.presets import WEIGHTS
    from steer.profiles.learnt import learn
    from steer.profiles.snapshot import known_ratings, predictor_of

    predictor = predictor_of(load_reward(reward or WEIGHTS / "predictor"))
    known = known_ratings(predictor, state, state.ratings)
    seen = [(r.picture, r.prompt, known[:, i]) for i, r in enumerate(state.ratings)]
    learnt = learn(state, known, predictor, seen)
    if as_json:
        print_json(_as_json(state, learnt))
        return
    hint(f"{state.label}; its files are in {state.folder}")
    held_out = f", {learnt.held_out} of them drawn at random" if learnt.held_out else ""
    say(f"profile {state.name}: {learnt.ratings} ratings{held_out}")
    for field, value in state.demographics.known().items():
        if value is not None:
            say(f"{field:<13}{value}")
    for line in _said(learnt):
        say(line)
    hint(f"what this person seems to like, to read and correct: steer people taste {shlex.quote(state.name)}")


def _as_json(state: ProfileState, learnt: Learnt) -> dict[str, Any]:
    about = {"name": state.name, "hash": state.hash, "label": state.label}
    return {"schema_version": 1, "profile": about, "learnt": asdict(learnt)}


def _said(learnt: Learnt) -> list[str]:
    """What has been learnt, in sentences."""
    from steer.profiles.learnt import NOT_MEASURED

    lines = [learnt.note] if learnt.note else []
    lines += [NOT_MEASURED] if learnt.contradicted else []
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

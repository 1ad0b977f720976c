"""`steer people taste`: what someone seems to like and to avoid, to read and, of a profile, to correct."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, hint_unreadable, print_json, say
from steer.errors import SteerError, TasteError, UsageError
from steer.whom import Who, parse_group

if TYPE_CHECKING:
    from steer.profiles.corrections import Change
    from steer.profiles.snapshot import ProfileState
    from steer.profiles.taste import Held, ReadableTaste

EDITED, GIVEN = "taste.txt", "taste.before.txt"  # in the profile's folder while a text is open in an editor

Phrases = list[str] | None


def taste(
    whose: Annotated[
        str,
        typer.Argument(
            metavar="WHO",
            help="Profile, participant, position, a group as in 46-60, or population.",
            show_default=False,
        ),
    ],
    always: Annotated[Phrases, typer.Option(metavar="PHRASE", help="You want it, in your own words.")] = None,
    never: Annotated[
        Phrases, typer.Option(metavar="PHRASE", help="Nothing that says it is rendered.")
    ] = None,
    pin: Annotated[Phrases, typer.Option(metavar="PHRASE", help="What is thought of it is right.")] = None,
    strike: Annotated[Phrases, typer.Option(metavar="PHRASE", help="What is thought of it is wrong.")] = None,
    clear: Annotated[Phrases, typer.Option(metavar="PHRASE", help="Take back what you said of it.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last step back.")] = False,
    edit: Annotated[bool, typer.Option("--edit", help="Open all of it as text in $EDITOR.")] = False,
    reward: opt.Reward = None,
    as_json: opt.Json = False,
) -> None:
    """Print what someone seems to like and to avoid; correct it, if the taste is your own.

    Corrections are kept apart from ratings; a run names those that it uses. Each command is one step.

    [bold]Examples[/bold]

    steer people taste me

    steer people taste me --never neon --always "soft fog" --strike sepia

    steer people taste me --undo

    steer people taste me --edit

    steer people taste 17
    """
    said = {"always": always, "never": never, "pin": pin, "strike": strike, "clear": clear}
    words = [(verb, phrase) for verb, phrases in said.items() for phrase in phrases or ()]
    if undo + edit + bool(words) > 1:
        raise UsageError("--undo, --edit and corrections are one step each: give one of them at a time")
    scorer, state, name = _find(whose, reward)
    if state is None and (undo or edit or words):
        raise UsageError(f"the taste of {name} is read-only; your own is a profile's: steer rate me")
    if state is not None and undo:
        taken = state.corrections.undo()
        if not taken:
            raise TasteError(f"there is no correction to take back; what there is: {_command(state.name)}")
        hint(f"taken back: {', '.join(taken)}")
    found = _read(scorer, state, whose)
    if state is not None and (words or edit):
        changes = _edited(found, state) if edit else [found.change(*said) for said in words]
        if changes:
            state.corrections.say(*changes)
            hint(f"taken: {', '.join(map(str, changes))}; the way back: {_command(state.name)} --undo")
            found = _read(scorer, state, whose)
        else:
            hint("nothing was changed")
    if as_json:
        about = {"schema_version": 1, "person": name, "simulated": bool(scorer.simulated)}
        ratings = None if state is None else len(state.ratings)
        sides = ("likes", "avoids", "struck")
        lists = {side: [held.to_json() for held in getattr(found, side)] for side in sides}
        print_json({**about, "ratings": ratings, **lists, "told": found.taste.lines})
        return
    _print(found, state, name, scorer.simulated)


def _find(whose: str, reward: Path | None) -> tuple[Any, ProfileState | None, str]:
    """The scorer, the profile's state if it is one, and the person's label."""
    from steer.cli.rate import load_scorer
    from steer.parts import people_of

    scorer = load_scorer(reward)
    who = _who(whose, people_of(scorer))
    if who.kind == "profile":
        state = who.state
        hint_unreadable(state.corrections.unreadable, state.folder)
        return scorer, state, state.label
    return scorer, None, who.find(scorer).label


def _who(whose: str, people: Any) -> Who:
    who = Who("known", user=whose).resolved(people)
    if who.kind == "known" and not whose.strip().isdigit() and all(one.id != whose.strip() for one in people):
        try:
            return parse_group(whose)
        except UsageError:
            return who
    return who


def _read(scorer: Any, state: ProfileState | None, whose: str) -> ReadableTaste:
    from steer.parts import people_of
    from steer.profiles.snapshot import predictor_of
    from steer.profiles.taste import profile_taste, readable

    if state is None:
        return readable(scorer, _who(whose, people_of(scorer)).find(scorer))
    return profile_taste(state, predictor_of(scorer))


def _print(found: ReadableTaste, state: ProfileState | None, name: str, simulated: bool) -> None:
    from steer.profiles.taste_text import about

    if simulated:
        hint("simulated people: what is predicted here is a demonstration", style="yellow")
    count = "" if state is None else f", from {len(state.ratings)} ratings"
    hint(f"{name}{count}: what they like and avoid more than others, as predicted")
    rows = [(_word(held), held.phrase, about(held)) for held in found.all]
    if not rows:
        hint("nothing is known yet" + (f"; rate more: steer rate {shlex.quote(state.name)}" if state else ""))
        return
    if not sys.stdout.isatty():
        for row in rows:
            say("\t".join(row))
    else:
        width = max(len(phrase) for _, phrase, _ in rows)
        for word, phrase, more in rows:
            say(f"{word:<14}  {phrase:<{width}}  {more}")
    if state is not None:
        hint(f"correct it: {_command(state.name)} --strike PHRASE, --pin, --never, --always, or --edit")


def _word(held: Held) -> str:
    said = held.correction
    if said is not None and said.verb != "pin":
        return {"always": "always", "never": "never", "strike": "struck"}[said.verb]
    return (
        ("likes" if held.likes else "avoids")
        if held.told
        else f"perhaps {'likes' if held.likes else 'avoids'}"
    )


def _command(name: str) -> str:
    return f"steer people taste {shlex.quote(name)}"


# --- the taste as text


def _edited(found: ReadableTaste, state: ProfileState) -> list[Change]:
    """What the person changed in an editor. A text that cannot be understood is kept, and opened again."""
    from reward.files import write_whole
    from steer.profiles.taste_text import changes, to_text

    edited, given = state.folder / EDITED, state.folder / GIVEN
    again = f"what you wrote is kept, open it again: {_command(state.name)} --edit"
    if not (edited.exists() and given.exists()):
        text = to_text(found, state.name, len(state.ratings))
        for path in (given, edited):
            write_whole(path, text.encode(), private=True)
    while True:
        _open_editor(edited, again)
        try:
            made = changes(_text(given, again), _text(edited, again), found)
            state.corrections.check(*made)
        except SteerError as error:
            if not (isinstance(error, TasteError) and sys.stdin.isatty() and sys.stderr.isatty()):
                raise type(error)(f"{error}; {again}") from error
            hint(str(error), style="bold red")
            if not typer.confirm("Open it again?", default=True, err=True):
                raise TasteError(f"nothing was taken; {again}") from error
            continue
        edited.unlink(missing_ok=True)
        given.unlink(missing_ok=True)
        return made


def _text(path: Path, again: str) -> str:
    try:
        return path.read_bytes()[: 1 << 20].decode()
    except (OSError, UnicodeDecodeError) as error:
        raise TasteError(f"cannot read {path} ({error}); {again}") from error


def _open_editor(path: Path, again: str) -> None:
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    words = shlex.split(chosen) if chosen else [one for one in ("nano", "vi") if shutil.which(one)][:1]
    if not words:
        raise UsageError("there is no editor: name one in EDITOR, or correct by --never, --always, --strike")
    try:
        code = subprocess.run([*words, str(path)], check=False).returncode
    except OSError as error:
        raise UsageError(f"the editor {words[0]} cannot be started ({error.strerror}); {again}") from error
    if code:
        raise UsageError(f"the editor {words[0]} ended with {code}, so nothing was taken; {again}")

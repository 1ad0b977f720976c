"""`steer people`: whom the predictor knows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli import people_profiles
from steer.cli.console import hint, out, print_json, say
from steer.cli.taste import taste
from steer.errors import PresetError, UsageError
from steer.whom import Who, parse_age

if TYPE_CHECKING:
    from reward.people.person import KnownPerson

OPPOSED = 10  # people that --opposed shows in a terminal

app = typer.Typer(help="Whom the predictor knows, and profiles.", no_args_is_help=True)
app.command("import")(people_profiles.import_)
app.command("export")(people_profiles.export)
app.command("delete")(people_profiles.delete)
app.command("taste")(taste)


@app.command("list")
def list_(
    age: Annotated[str | None, typer.Option(help="Only this range of ages, as in 18-25.")] = None,
    gender: Annotated[str | None, typer.Option(help="Only this gender.")] = None,
    nationality: Annotated[str | None, typer.Option(help="Only this nationality.")] = None,
    opposed: Annotated[
        str | None,
        typer.Option(
            metavar="USER", help="Those whose predicted ratings agree least with this person's, first."
        ),
    ] = None,
    reward: opt.Reward = None,
    as_json: opt.Json = False,
) -> None:
    """List the people whose taste can be steered for: profiles, and whom the predictor was trained with.

    [bold]Examples[/bold]

    steer people list

    steer people list --age 18-25 --gender female

    steer people list --opposed 17
    """
    from reward.people.person import find_group

    card = _card(reward)
    rows = list(range(len(card["people"])))
    if age or gender or nationality:
        rows = find_group(_people(card), parse_age(age), gender, nationality)
    people = [{"position": row + 1, **card["people"][row]} for row in rows]
    about: dict[str, Any] = {
        "schema_version": 1,
        "world": card["world"],
        "simulated": card["simulated"],
        "new_people": _new_people(reward),
        "profiles": [] if age or gender or nationality or opposed else people_profiles.listed(),
    }
    if opposed is not None:
        other, agreement = _agreement(card, opposed, reward)
        about["opposed"] = card["people"][other]["id"]
        people = [p | {"agreement": round(agreement[p["position"] - 1], 3)} for p in people]
        people = sorted((p for p in people if p["position"] - 1 != other), key=lambda p: p["agreement"])
    if as_json:
        print_json({**about, "people": people})
        return
    _about(card, len(people))
    shown = people
    if opposed is None and about["new_people"]["accuracy"]:
        found = about["new_people"]
        curve = ", ".join(f"{value:.2f} after {k}" for k, value in found["accuracy"].items() if k != "0")
        hint(f"someone new: rank correlation of {curve} ratings (measured on {found['measured_on']} people)")
    elif opposed is not None:
        hint(f"agreement with {about['opposed']}: correlation of predicted ratings of the same images")
        shown = people[:OPPOSED]
        if len(shown) < len(people):
            hint(f"the {len(shown)} most opposed; all of them: steer people list --opposed {opposed} --json")
    if about["profiles"]:
        people_profiles.print_profiles(about["profiles"])
    columns = list(dict.fromkeys(key for person in people for key in person["demographics"]))
    lines = [
        [
            str(p["position"]),
            str(p["id"]),
            *(_known(p["demographics"].get(c)) for c in columns),
            str(p["ratings"]),
            *([f"{p['agreement']:.2f}"] if "agreement" in p else []),
        ]
        for p in shown
    ]
    if not sys.stdout.isatty():
        for line in lines:
            say("\t".join(line))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    figures = ("#", "age", "ratings", "agreement")
    for column in ("#", "id", *columns, "ratings", *(["agreement"] if opposed is not None else [])):
        table.add_column(column, justify="right" if column in figures else "left")
    for line in lines:
        table.add_row(*line)
    out().print(table)


@app.command()
def show(
    user: Annotated[
        str,
        typer.Argument(metavar="USER", help="Participant id, profile or position.", show_default=False),
    ],
    reward: opt.Reward = None,
    as_json: opt.Json = False,
) -> None:
    """Show one person: what is known of them. What they like: steer people taste.

    [bold]Examples[/bold]

    steer people show 17

    steer people show me
    """
    from reward.people.person import find_known

    card = _card(reward)
    known = _people(card)
    who = Who("known", user=user).resolved(known)
    row = None if who.kind == "profile" else find_known(known, user)
    if row is None:
        people_profiles.say_unreadable(who.state)
        people_profiles.show_profile(who.state, reward, as_json)
        return
    person: dict[str, Any] = {"position": row + 1, **card["people"][row]}
    if as_json:
        about = {"world": card["world"], "simulated": card["simulated"]}
        print_json({"schema_version": 1, **about, "person": person})
        return
    _about(card, len(known))
    say(f"id {person['id']} (position {row + 1} of {len(known)}), {person['ratings']} ratings")
    for key, value in person["demographics"].items():
        say(f"{key:<13}{_known(value)}")
    hint(f"which looks suit this taste: steer people taste {person['id']}")


def _card(reward: Path | None) -> dict[str, Any]:
    """The predictor's card, read without loading its weights."""
    from reward.predictor.card import read_card
    from steer.machine.presets import WEIGHTS

    folder = reward or WEIGHTS / "predictor"
    if not folder.is_dir():
        from reward.baselines import BASELINES

        if str(reward) in BASELINES:
            raise UsageError(
                f"the reward {reward} knows no people, its opinion is everybody's: name a predictor's folder"
            )
    return read_card(folder)


def _people(card: dict[str, Any]) -> list[KnownPerson]:
    from reward.people.person import KnownPerson

    return [KnownPerson(p["id"], p["demographics"], p["ratings"]) for p in card["people"]]


def _new_people(reward: Path | None) -> dict[str, Any]:
    """How accurate scores of someone new are by how much they rated, where it was measured."""
    from reward.people.known import read_calibration
    from steer.machine.presets import WEIGHTS

    found = read_calibration(reward or WEIGHTS / "predictor")
    return {
        "accuracy": {str(k): value for k, value in found.accuracy.items()},
        "measured_on": found.measured_on,
    }


def _agreement(card: dict[str, Any], user: str, reward: Path | None) -> tuple[int, list[float]]:
    """Row of a known person, and everyone's agreement with them."""
    from reward.people.known import read_calibration
    from reward.people.person import find_known
    from reward.predictor.checkpoint import read_checkpoint
    from steer.machine.presets import WEIGHTS

    row = find_known(_people(card), user)
    folder = reward or WEIGHTS / "predictor"
    _, model, tables = read_checkpoint(folder)
    agreement = read_calibration(folder).agreement(model.eval(), tables.demographics)
    if agreement is None:
        raise PresetError(
            f"the predictor in {folder} was saved without images to compare people on; make the sandbox's "
            "again: steer sandbox build"
        )
    return row, agreement[row].tolist()


def _about(card: dict[str, Any], count: int) -> None:
    kind = "simulated people" if card["simulated"] else "people"
    hint(f"{count} {kind} of {card['world']}", style="yellow" if card["simulated"] else None)


def _known(value: Any) -> str:
    return "unknown" if value is None else str(value)

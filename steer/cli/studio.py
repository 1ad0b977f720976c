"""`steer studio`: the whole job on one page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from steer.cli import options as opt
from steer.cli.console import hint
from steer.cli.open_pages import Open, Port, open_pages
from steer.machine.overrides import NO_OVERRIDES, Overrides
from steer.settings import DEFAULTS, Settings


def studio(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Open at this run: folder, name, part of a name, or last."),
    ] = None,
    out_: opt.Out = opt.RUNS,
    user: Annotated[
        str, typer.Option(metavar="NAME", help="The profile that ratings in galleries go to.")
    ] = "me",
    port: Port = 0,
    open_: Open = True,
    preset: opt.Preset = "auto",
    config: opt.Config = None,
    **options: Any,
) -> None:
    """Begin, watch and steer runs on one page in the browser.

    It takes the options of steer run that say which models to use and how to search; every run that is begun
    on the page gets them. Runs go on when the page is closed and when the studio ends.

    [bold]Examples[/bold]

    steer studio

    steer studio last

    steer studio --preset klein --iterations 3
    """
    from steer.cli.runs import find
    from steer.machine.estimate import estimate
    from steer.machine.presets import predictor_folder, resolve
    from steer.pages.children import Children
    from steer.pages.server import require
    from steer.profiles import Profiles
    from steer.profiles.names import checked_name
    from steer.record.folder import runs_by_name

    require()
    from steer.pages.served_gallery import Book, gallery_pages
    from steer.pages.studio import Desk, studio_pages

    settings = Settings(**opt.take(Settings, options))
    overrides = Overrides.given(**opt.take(Overrides, options))
    resolved = resolve(preset, overrides)
    card = _card(Path(overrides.reward) if overrides.reward else predictor_folder(resolved.preset))
    profiles, children = Profiles(), Children(out_)
    words = run_words(settings, overrides, resolved.name)
    restart = shlex.join(["steer", "studio", *(["--out", str(out_)] if out_ != opt.RUNS else [])])
    first = "/studio/" if run is None else f"/studio/runs/{quote(find(run, out_).resolve().name)}/"

    folders = partial(runs_by_name, out_)

    def plan(rounds: int, pictures: int) -> Mapping[str, Any]:
        return asdict(estimate(replace(settings, iterations=rounds, proposals=pictures), resolved))

    desk = Desk(
        out=out_, children=children, folders=folders, profiles=profiles, profile=checked_name(user),
        people=card["people"], simulated=resolved.name == "sandbox", options=words, plan=plan,
        rounds=settings.iterations, pictures=settings.proposals, restart=restart,
    )  # fmt: skip
    hint(f"preset {resolved.name} ({resolved.reason}); runs are kept in {out_}")
    try:
        open_pages(
            [studio_pages(desk), gallery_pages(folders, Book(profiles, desk.profile), restart)],
            keep=profiles.folder / ".studio.json",
            path=first,
            port=port,
            open_=open_,
            goodbye=f"stopped; runs that are at work go on; again: {restart}",
        )
    finally:
        children.close()


def run_words(settings: Settings, overrides: Overrides, preset: str) -> list[str]:
    """The words of `steer run` that say what is not as by default, each in one piece."""
    words = [f"--preset={preset}"]
    plain = {**DEFAULTS.to_json(), **NO_OVERRIDES.to_json()}
    for name, value in {**settings.to_json(), **overrides.to_json()}.items():
        if name in ("iterations", "proposals", "paid_limit", "gate_sd", "metadata") or value == plain[name]:
            continue
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is not None:
            words += [f"{flag}={each}" for each in (value if isinstance(value, list) else [value])]
    words += ["--no-gate"] if settings.gate_sd is None else []
    return words + ([] if settings.metadata else ["--no-metadata"])


def _card(folder: Path) -> Mapping[str, Any]:
    """Whom the predictor knows, read without its weights; nobody where it is no such predictor."""
    from reward.errors import RewardError
    from reward.predictor.card import read_card

    try:
        return read_card(folder)
    except (RewardError, OSError):
        return {"people": []}


_own = [each for each in signature(studio, eval_str=True).parameters.values() if each.name != "options"]
opt.set_parameters(studio, opt.by_panel([*_own, *opt.parameters_of(Settings), *opt.parameters_of(Overrides)]))

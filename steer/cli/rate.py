"""`steer rate`: a page to rate pictures, which makes and refines a profile."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steer.cli import options as opt
from steer.cli.console import hint, hint_unreadable
from steer.cli.open_pages import Open, Port, open_pages
from steer.parts import people_of

if TYPE_CHECKING:
    from reward.baselines.laion import LaionAesthetics
    from reward.predictor.predictor import Predictor
    from steer.profiles import Profile


def rate(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Of the profile; made if new.")] = "me",
    images: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="sandbox, runs, or a folder: of your own pictures, or PAMELA's.",
            envvar="STEER_IMAGES",
        ),
    ] = "sandbox",
    reward: opt.Reward = None,
    runs: opt.Out = opt.RUNS,
    port: Port = 0,
    open_: Open = True,
) -> None:
    """Rate pictures in the browser; what you like becomes a profile to steer by.

    [bold]Examples[/bold]

    steer rate

    steer rate anna --images ~/Pictures

    steer run --user me --prompt "floating mossy rocks"
    """
    # Read when numpy is first imported: choosing a picture is little work, and waits for a second thread.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from steer.pages.server import require
    from steer.profiles import Profiles
    from steer.profiles.session import RatingSession
    from steer.profiles.sources import open_source

    require()
    source = open_source(images, runs)
    profile = Profiles().open_or_create(name)
    scorer = load_scorer(reward)
    if scorer.simulated:
        hint(
            "simulated people: the predictor learnt from the sandbox's ratings, so what it says of your "
            "taste is a demonstration; what other presets need: steer doctor",
            style="yellow",
        )
    restart = _restart(name, images, reward, runs)
    before = len(profile.ratings)
    hint(f"profile {profile.name}: {_ratings(before)} so far; {source.name}")
    hint_unreadable(profile.unreadable, profile.folder)
    from steer.pages.rate import rating_pages

    with RatingSession(profile, scorer, source) as session:
        pages = rating_pages(
            profile, session, simulated=scorer.simulated, known=demographics_of(scorer), restart=restart,
            back=_back(),
        )  # fmt: skip
        open_pages(
            [pages],
            keep=profile.folder / "address.json",
            path="/",
            port=port,
            open_=open_,
            goodbye=f"stopped; everything that was rated is kept; go on with: {restart}",
        )
    _farewell(profile, before)


def load_scorer(reward: Path | None) -> Predictor | LaionAesthetics:
    """The predictor that profiles are compared by. Raises `RewardError`."""
    from reward.baselines import load_reward
    from steer.machine.presets import WEIGHTS

    hint("loading the predictor …")
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() - 1))  # one core stays free for the page
    return load_reward(reward or WEIGHTS / "predictor")


def demographics_of(scorer: object) -> dict[str, list[str]]:
    """Genders and nationalities of the known people, as suggestions."""
    return {
        key: sorted(
            {str(p.demographics[key]) for p in people_of(scorer) if p.demographics.get(key) is not None}
        )
        for key in ("gender", "nationality")
    }


def _restart(name: str, images: str, reward: Path | None, runs: Path) -> str:
    words = ["steer", "rate", name]
    words += ["--images", images] if images != "sandbox" else []
    words += ["--reward", str(reward)] if reward is not None else []
    words += ["--out", str(runs)] if runs != opt.RUNS else []
    return shlex.join(words)


def _back() -> str:
    """The studio that opened this page, where one did."""
    from steer.pages.children import BACK

    found = os.environ.get(BACK, "")
    return found if found.startswith("http://127.0.0.1:") else ""


def _farewell(profile: Profile, before: int) -> None:
    count = len(profile.ratings)
    if count > before:
        hint(f"profile {profile.name}: {_ratings(count)}, {count - before} of them new")
    if count:
        command = shlex.join(["steer", "run", "--user", profile.name, "--prompt", "floating mossy rocks"])
        hint(f"steer by it: {command}")


def _ratings(count: int) -> str:
    return f"{count} {'rating' if count == 1 else 'ratings'}"

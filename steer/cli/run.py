"""`steer run` and `steer demographic`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.session import Request, search
from steer.errors import UsageError
from steer.machine.overrides import Overrides
from steer.settings import Settings
from steer.whom import Who, parse_age, parse_group


def request(who: Who, options: dict[str, Any]) -> Request:
    """What a command line of `searches` asks for."""
    settings = Settings(**opt.take(Settings, options))
    overrides = Overrides.given(**opt.take(Overrides, options))
    return Request(who, settings=settings, overrides=overrides, **options)


def searches(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose `**options` are a request's: Typer sees its own options and those."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [
        *(parameter for parameter in own if parameter.name != "options"),
        *opt.parameters_of(Request),
    ]
    opt.set_parameters(command, opt.by_panel(parameters))
    return command


@searches
def run(
    user: Annotated[
        str | None,
        typer.Option(
            "--user", "-u", help="Whose taste: participant id, profile or position.", envvar="STEER_USER"
        ),
    ] = None,
    population: Annotated[
        bool, typer.Option("--population", help="The average taste instead of one person's.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Spread the pictures over GPUs of Ray: local, auto, or the head's HOST:PORT.",
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Rewrite a prompt until its picture suits one person's taste.

    [bold]Examples[/bold]

    steer run --user 17 --prompt "floating mossy rocks"

    steer run --user 17 --prompt "a quiet harbour" --iterations 3 --plan

    steer run --user me --prompt "a quiet harbour"

    steer run --user 17 --json > result.json
    """
    nobody = user is None and not population
    if (nobody and not options["plan"]) or (user is not None and population):  # a plan is the same for all
        raise UsageError("say whose taste, either --user ID or --population; who is known: steer people list")
    who = Who("population") if user is None else Who("known", user=user)
    if ray is not None and not options["plan"]:
        from steer.cli.on_ray import search_on_ray

        search_on_ray(request(who, options), ray)
        return
    search(request(who, options))


@searches
def demographic(
    age: Annotated[
        str | None, typer.Option(help="Range of ages, both included, as in 18-25.", envvar="STEER_AGE")
    ] = None,
    gender: Annotated[
        str | None, typer.Option(help="As participants wrote it.", envvar="STEER_GENDER")
    ] = None,
    nationality: Annotated[
        str | None, typer.Option(help="As participants wrote it.", envvar="STEER_NATIONALITY")
    ] = None,
    versus: Annotated[
        str | None,
        typer.Option(
            help="Another group, in full: 46-60, gender:male, nationality:Poland, or population.",
            envvar="STEER_VERSUS",
        ),
    ] = None,
    **options: Any,
) -> None:
    """Rewrite a prompt until its picture suits a demographic group.

    The group's taste is the mean of its known members' embeddings, with the group's own description. With
    --versus both groups are steered for from the same seeds, and a page shows what tells them apart.

    [bold]Examples[/bold]

    steer demographic --age 18-25

    steer demographic --age 46-60 --gender female --prompt "a quiet harbour"

    steer demographic --age 18-25 --versus 46-60
    """
    if age is None and gender is None and nationality is None:
        raise UsageError("say which group, as in: steer demographic --age 18-25")
    who = Who("group", age=parse_age(age), gender=gender, nationality=nationality)
    if versus is not None:
        if options["name"] or options["watch"] or options["approve"]:
            raise UsageError(
                "--name, --open and --approve are for one run, and --versus makes two: leave them away"
            )
        from steer.cli.versus import versus as compare

        compare(request(who, options), parse_group(versus))
        return
    search(request(who, options))

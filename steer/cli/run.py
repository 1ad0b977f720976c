"""`steer run` and `steer demographic`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.options import DEFAULTS
from steer.cli.session import Request, search
from steer.errors import UsageError
from steer.machine.overrides import Overrides
from steer.settings import Settings
from steer.whom import Who, parse_age, parse_group


def request(
    who: Who,
    prompt: opt.Prompt = None,
    iterations: opt.Iterations = DEFAULTS.iterations,
    proposals: opt.Proposals = DEFAULTS.proposals,
    keep: opt.Keep = DEFAULTS.keep,
    patience: opt.Patience = DEFAULTS.patience,
    target: opt.Target = None,
    seed: opt.Seed = DEFAULTS.seed,
    llm_seed: opt.LlmSeed = DEFAULTS.llm_seed,
    confirm: opt.Confirm = DEFAULTS.confirm,
    gate: opt.Gate = True,
    preset: opt.Preset = "auto",
    llm: opt.Llm = None,
    llm_url: opt.LlmUrl = None,
    llm_mode: opt.LlmMode = "auto",
    vllm_python: opt.VllmPython = None,
    renderer: opt.Renderer = None,
    lora: opt.Lora = None,
    memory: opt.Memory = "auto",
    steps: opt.Steps = None,
    guidance: opt.Guidance = None,
    size: opt.Size = None,
    batch: opt.Batch = None,
    compile: opt.Compile = False,
    cache: opt.CacheFolder = None,
    reward: opt.Reward = None,
    judge: opt.Judge = None,
    threads: opt.Threads = None,
    out: opt.Out = opt.RUNS,
    metadata: opt.Metadata = True,
    plan: opt.Plan = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> Request:
    """What a command line that searches asks for: the options that `run` and `demographic` share."""
    gate_sd = DEFAULTS.gate_sd if gate else None
    settings = Settings(
        iterations, proposals, keep, patience, target, seed, llm_seed, confirm, gate_sd, metadata
    )  # fmt: skip
    overrides = Overrides.given(
        llm=llm, llm_url=llm_url, llm_mode=llm_mode, vllm_python=vllm_python, renderer=renderer, lora=lora,
        memory=memory, steps=steps, guidance=guidance, size=size, batch=batch, compile=compile, cache=cache,
        reward=reward, judge=judge, threads=threads,
    )  # fmt: skip
    return Request(who, prompt, settings, preset, overrides, out, plan, as_json, quiet)


def searches(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose `**options` are those of `request`: Typer sees its own, then the shared ones."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    shared = inspect.signature(request, eval_str=True).parameters.values()
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in (*own, *shared)
        if parameter.name not in ("options", "who")
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
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
    search(request(who, **options))


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
        from steer.cli.versus import versus as compare

        compare(request(who, **options), parse_group(versus))
        return
    search(request(who, **options))

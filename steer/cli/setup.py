"""`steer setup`: from a fresh clone to a preset that runs, by one command."""

from __future__ import annotations

import inspect
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, print_json, say
from steer.cli.progress_bars import bar
from steer.errors import UsageError
from steer.machine.overrides import Overrides

if TYPE_CHECKING:
    from steer.machine.setup import Plan, Step


def setup(
    name: Annotated[
        str,
        typer.Argument(
            metavar="PRESET", help="A preset; or a model of the hub, or one file.", show_default=False
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; for scripts.")] = False,
    predictor: Annotated[
        str | None,
        typer.Option(help="A trained one of the hub, instead of training one.", show_default=False),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of the training, instead of the recipe's.", min=1, show_default=False)
    ] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="End with steer check.")] = True,
    as_json: opt.Json = False,
    config: opt.Config = None,
    **options: Any,
) -> None:
    """Fetch and make what a preset needs, after saying what and how large: weights, data set, predictor.

    Only the files that are read are fetched, and nothing before a yes. Broken off, the same command goes on;
    what is done is skipped. Afterwards `steer run` takes the preset by itself.

    [bold]Examples[/bold]

    steer setup klein

    steer setup klein --llm-url http://127.0.0.1:11434/v1

    steer setup laptop --yes

    steer setup stabilityai/sd-turbo

    steer setup unsloth/FLUX.2-klein-4B-GGUF/flux-2-klein-4b-Q4_K_M.gguf
    """
    from steer.machine.presets import PRESETS, resolve
    from steer.machine.setup import plan_model, plan_setup, take
    from steer.renderer.single_file import names_a_file

    chosen = opt.take(Overrides, options)
    if names_a_file(name):
        chosen["renderer"] = name
    overrides = Overrides.given(**chosen)
    if name not in PRESETS and name.count("/") != 1 and not names_a_file(name):
        raise UsageError(f"there is no preset {name!r}; the presets are {', '.join(PRESETS)}")
    alone = name not in PRESETS
    resolved = resolve("sandbox") if alone else resolve(name, overrides)
    plan = plan_model(name, overrides.renderer_base) if alone else plan_setup(resolved, predictor, epochs)
    if as_json and not yes:
        print_json({"schema_version": 1, "status": "planned", **_as_values(plan)})
        return
    _show(plan, alone)
    if plan.open:
        if not yes and not typer.confirm("Go on?", default=False, err=True):
            hint("nothing was fetched")
            raise typer.Exit(1)
        with bar() as progress:
            take(plan, lambda step: hint(f"→ {step.name}: {step.about}"), progress)
    if alone:
        say(f"{name} is here")
        return
    _finish(name, overrides, check, as_json, plan)


def _finish(name: str, overrides: Overrides, check: bool, as_json: bool, plan: Plan) -> None:
    from steer.machine.presets import choose, requirements, resolve

    lacking = [need for need in requirements(resolve(name, overrides)) if not need.met]
    if as_json:
        print_json({"schema_version": 1, "status": "incomplete" if lacking else "ready", **_as_values(plan)})
    for need in lacking:
        hint(f"{name} still lacks {need.what}: {need.fix}", style="yellow")
    if lacking:
        raise typer.Exit(1)
    if check:
        from steer.cli.check import run_checks

        run_checks(name, overrides, as_json=False)
    auto = choose(overrides).name
    words = "" if auto == name else f" --preset {name}"
    own = {
        "--renderer": overrides.renderer,
        "--renderer-base": overrides.renderer_base,
        "--llm-url": overrides.llm_url,
    }
    words += "".join(f" {option} {shlex.quote(value)}" for option, value in own.items() if value)
    hint(f'ready: steer run{words} --user 17 --prompt "floating mossy rocks"')


def _show(plan: Plan, alone: bool) -> None:
    """What is to be done, how large it is, under which terms, and what this machine has for it."""
    for step in plan.steps:
        hint(_line(step))
    if not plan.open:
        hint("nothing is left to fetch or to make")
        return
    spare = sum(step.download.duplicates for step in plan.open if step.download)
    hint(f"to fetch {_size(plan.bytes)}, to keep on disk {_size(plan.disk)} ({_free()} free)")
    if spare:
        hint(f"left out: {_size(spare)} of the same weights in other forms, which nobody reads")
    for step in plan.open:
        if step.download is not None:
            asked = "; accept its terms there" if step.download.gated else ""
            hint(f"licence of {step.download.id}: {step.download.terms} ({step.download.page}{asked})")
    if alone:
        return
    from steer.machine.estimate import describe
    from steer.pages import wording as words

    for memory in (plan.resolved.memory_plan, plan.resolved.llm_plan):
        for line in words.memory_plan(describe(memory)) if memory is not None else ():
            hint(f"memory: {line}")


def _line(step: Step) -> str:
    if step.done:
        return f"✓ {step.name}: {step.about}"
    return f"· {step.name}: {step.about}" + (f" ({_size(step.bytes)} to fetch)" if step.bytes else "")


def _as_values(plan: Plan) -> dict[str, Any]:
    from steer.machine.estimate import describe

    memory, llm = plan.resolved.memory_plan, plan.resolved.llm_plan
    return {
        "preset": plan.resolved.name,
        "bytes": plan.bytes,
        "disk": plan.disk,
        "steps": [
            {
                "name": step.name,
                "about": step.about,
                "done": step.done,
                "bytes": step.bytes,
                "files": list(step.download.files) if step.download else [],
                "licence": step.download.terms if step.download else None,
                "page": step.download.page if step.download else None,
                "gated": step.download.gated if step.download else False,
            }
            for step in plan.steps
        ],
        "memory": describe(memory) if memory is not None else {},
        "llm_memory": describe(llm) if llm is not None else {},
    }


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _free() -> str:
    import shutil

    from steer.machine.downloads import hub_folder, nearest

    return _size(shutil.disk_usage(nearest(hub_folder())).free)


def _with_models() -> None:
    own = inspect.signature(setup, eval_str=True).parameters.values()
    mine = [parameter for parameter in own if parameter.name != "options"]
    opt.set_parameters(setup, opt.by_panel([*mine, *opt.parameters_of(Overrides)]))


_with_models()

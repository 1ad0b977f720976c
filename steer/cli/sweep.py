"""`steer sweep`: many people, many prompts, one run for each pair of them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from steer.cli import options as opt
from steer.cli.console import hint, print_json, say
from steer.cli.sweep_drive import How, again, counted, here
from steer.errors import UsageError
from steer.machine.overrides import NO_OVERRIDES, Overrides
from steer.record.files import slug
from steer.settings import DEFAULTS, Settings
from steer.whom import Who, parse_group

if TYPE_CHECKING:
    from steer.sweep.plan import Cell, Plan, Shard

SWEEPS = Path("sweeps")


class _PromptsMayComeFirst(TyperGroup):
    """`steer sweep PROMPTS` begins a sweep, or goes on with it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["start", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Many people, many prompts: one run for each pair, with whatever they have in common made once.",
    epilog="steer sweep PROMPTS --users 17,84,me is short for steer sweep start; see: steer sweep start -h",
    no_args_is_help=True,
    cls=_PromptsMayComeFirst,
)

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[SWEEP]", help="Folder or name of the sweep; by default the newest.", show_default=False
    ),
]
Galleries = Annotated[
    bool, typer.Option("--galleries/--no-galleries", help="A page for each run, some 4 MB each.")
]
PartOf = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Only this part: 2/8 is the second of eight."),
]


Ray = Annotated[
    str | None,
    typer.Option(
        help="Spread the runs over workers of Ray: local, auto, or the head's HOST:PORT.", show_default=False
    ),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        help="With --ray: of a GPU, what one worker takes, as in 0.5; by default 1.", min=0.01,
        show_default=False,
    ),
]  # fmt: skip
Workers = Annotated[
    int | None,
    typer.Option(help="With --ray: workers, by default as many as fit.", min=1, show_default=False),
]


@dataclass(frozen=True)
class Request:
    """What all runs of a sweep have in common."""

    preset: opt.Preset = "auto"
    settings: Settings = DEFAULTS
    overrides: Overrides = NO_OVERRIDES
    plan: opt.Plan = False
    as_json: opt.Json = False
    quiet: opt.Quiet = False
    config: opt.Config = None


def start(
    prompts: Annotated[
        Path,
        typer.Argument(
            metavar="PROMPTS", help="File of prompts: text (one a line), CSV or JSONL.", show_default=False
        ),
    ],
    users: Annotated[
        list[str] | None,
        typer.Option(
            "--users",
            "-u",
            help="Whose tastes: ids, profiles, positions, with commas; or all.",
            envvar="STEER_USERS",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="A demographic group, as in 46-60,gender:male; may be given again."),
    ] = None,
    population: Annotated[bool, typer.Option("--population", help="The average taste besides.")] = False,
    sweep: Annotated[
        Path | None,
        typer.Option(help="Folder of the sweep; by default sweeps/ and the file's name.", show_default=False),
    ] = None,
    shard: PartOf = None,
    ray: Ray = None,
    gpus: Gpus = None,
    workers: Workers = None,
    galleries: Galleries = True,
    price: Annotated[
        float | None, typer.Option(help="What an hour of one machine costs, for --plan.", min=0)
    ] = None,
    **options: Any,
) -> None:
    """Steer every prompt of a file for every person named.

    The same command again goes on where it was interrupted, and does what is new in the file or among the
    people. Each run is an ordinary one, in runs/ of the sweep.

    [bold]Examples[/bold]

    steer sweep prompts.txt --users 17,84,me

    steer sweep prompts.csv --users all --population --plan --price 2.5

    steer sweep prompts.txt --users all --shard 2/8
    """  # fmt: skip
    from steer.sweep.plan import Shard
    from steer.sweep.prompts import read_prompts

    settings = Settings(**opt.take(Settings, options))
    overrides = Overrides.given(**opt.take(Overrides, options))
    request = Request(settings=settings, overrides=overrides, **options)
    lines = read_prompts(prompts, settings)
    folder = sweep or SWEEPS / (slug(prompts.stem) or "prompts")
    part = Shard.parse(shard) if shard else None
    asked = [*users_of(users or []), *(parse_group(text) for text in group or [])]
    asked += [Who("population")] if population else []
    if not asked:
        raise UsageError(
            "say whose tastes: --users 17,84,me, --users all, --group 18-25 or --population; who is known: "
            "steer people list"
        )
    if request.plan:
        _show_plan(request, lines, asked, part, price, folder)
        return
    how = How(part, galleries, request.as_json, request.quiet)
    if ray is not None:
        from steer.cli.on_ray import Where, sweep_on_ray

        with sweep_on_ray(Where(ray, gpus, workers), request.preset, overrides, folder, galleries) as on_ray:
            on_ray.plan(settings, asked, lines)
            on_ray.drive(how)
        return
    from steer.cli.session import load
    from steer.sweep.plan import everybody, extend_plan

    parts = load(request.preset, overrides)
    people = everybody(asked, parts.scorer, folder)
    plan = extend_plan(folder, parts, settings, people, lines)
    if kept := len(plan.lines) - len(set(lines)):
        hint(f"the plan keeps {kept} {'prompt' if kept == 1 else 'prompts'} that {prompts} does not have")
    here(parts, plan, how)


_OWN = [one for one in inspect.signature(start, eval_str=True).parameters.values() if one.name != "options"]
opt.set_parameters(start, opt.by_panel([*_OWN, *opt.parameters_of(Request)]))
app.command("start")(start)


@app.command()
def resume(
    sweep: Name = None,
    shard: PartOf = None,
    ray: Ray = None,
    gpus: Gpus = None,
    workers: Workers = None,
    galleries: Galleries = True,
    vllm_python: Annotated[
        str | None, typer.Option(help="Python of vLLM's environment, where the sweep was begun with one.")
    ] = None,
    llm_url: Annotated[
        str | None, typer.Option(help="Address of the language model's server, where it was or is another.")
    ] = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Go on with a sweep: what is complete stays, what was begun goes on, what failed is tried again.

    [bold]Example[/bold]

    steer sweep resume
    """
    from steer.cli.session import load
    from steer.sweep.plan import Shard, read_plan

    plan = read_plan(_find(sweep))
    how = How(Shard.parse(shard) if shard else None, galleries, as_json, quiet)
    overrides = plan.overrides.by_word(vllm_python, llm_url)
    if ray is not None:
        from steer.cli.on_ray import Where, sweep_on_ray

        preset = plan.head["preset"]
        with sweep_on_ray(Where(ray, gpus, workers), preset, overrides, plan.folder, galleries) as on_ray:
            on_ray.drive(how)
        return
    parts = load(plan.head["preset"], overrides)
    here(parts, plan, how)


@app.command()
def status(sweep: Name = None, as_json: opt.Json = False) -> None:
    """Say how far a sweep is, from its folder alone.

    [bold]Example[/bold]

    steer sweep status
    """
    from steer.sweep.plan import read_plan

    plan = read_plan(_find(sweep))
    states = [(cell, plan.state(cell)) for cell in plan.cells]
    found = counted(state for _, state in states)
    failed = [_failure(plan, cell, state) for cell, state in states if state in ("error", "damaged")]
    if as_json:
        print_json(
            {"schema_version": 1, "sweep": str(plan.folder), "runs": len(plan), **found, "failed": failed}
        )
        return
    hint(f"{len(plan.people):,} people × {len(plan.lines):,} prompts: {len(plan):,} runs")
    for state, count in found.items():
        if count:
            say(f"{state:<12}{count:>8,}")
    for one in failed:
        hint(f"{one['run']}: {one['error']}", style="red")
    if found["complete"] < len(plan):
        hint(f"go on with: {again(plan)}")


@app.command()
def export(
    sweep: Name = None,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="A Parquet file too; needs the package pyarrow.")
    ] = False,
) -> None:
    """Write the contact sheet and the table of a sweep, as far as it is: sweep.html, sweep.csv.

    [bold]Example[/bold]

    steer sweep export --parquet
    """
    from steer.pages.sweep import write_sheet
    from steer.sweep.plan import read_plan
    from steer.sweep.table import write_csv, write_parquet

    plan = read_plan(_find(sweep))
    say(write_sheet(plan))
    say(write_csv(plan))
    if parquet:
        say(write_parquet(plan))


def runs_of(name: str) -> list[Path]:
    """The complete runs of the sweep in this folder; nothing where there is no sweep."""
    from steer.sweep.plan import PLAN, read_plan

    if not (Path(name) / PLAN).exists():
        return []
    plan = read_plan(Path(name))
    runs = [plan.run_folder(cell) for cell in plan.cells if plan.record(cell).complete]
    if not runs:
        raise UsageError(f"no run of the sweep {name} is complete; go on with: {again(plan)}")
    if left := len(plan) - len(runs):
        hint(f"{left:,} runs of {name} are not complete, and left out; go on with: {again(plan)}")
    return runs


def users_of(texts: Sequence[str]) -> list[Who]:
    """What `--users` names, given once or several times."""
    names = [name.strip() for text in texts for name in text.split(",")]
    return [Who("known", user=name) for name in names if name]


def _show_plan(
    request: Request, lines: Any, asked: Sequence[Who], part: Shard | None, price: float | None, folder: Path
) -> None:
    from steer.machine.loading import load_scorer
    from steer.machine.presets import resolve
    from steer.pages import wording as words
    from steer.sweep.cost import cost
    from steer.sweep.plan import everybody

    resolved = resolve(request.preset, request.overrides)
    people = everybody(asked, load_scorer(request.preset, request.overrides), folder)
    workers = part.of if part else 1
    most = cost(lines, len(people), resolved, workers, price)
    if request.as_json:
        print_json({"schema_version": 1, "status": "planned", "plan": asdict(most)})
        return
    limit = "at most " if most.may_stop_early else ""
    say(f"preset   {resolved.name} ({resolved.reason})")
    say(f"runs     {most.runs:,}: {len(people):,} people × {len(lines):,} prompts")
    say(f"pictures {limit}{most.pictures:,}, {most.shared:,} of them found and not made")
    say(f"time     {limit}about {words.seconds(most.seconds)} on {most.machine}")
    if workers > 1:
        say(f"         about {words.seconds(most.seconds_each)} on each of {workers}")
    say(f"disk     {limit}{most.disk_gb:,.1f} GB in {folder}")
    if most.money is not None:
        say(f"money    {limit}about {most.money:,.2f} at {price:g} an hour")
    else:
        say("money    say what an hour costs: --price 2.5")


def _failure(plan: Plan, cell: Cell, state: str) -> dict[str, str]:
    record = plan.record(cell)
    return {"run": cell.name, "error": record.damage or record.error or state}


def _find(name: str | None) -> Path:
    """The folder of a sweep; the newest without a name. Raises UsageError."""
    from steer.sweep.plan import PLAN

    if name is not None:
        for folder in (Path(name), SWEEPS / name):
            if (folder / PLAN).exists():
                return folder
        raise UsageError(f"there is no sweep {name!r}; make one: steer sweep PROMPTS --users 17")
    found = sorted(SWEEPS.glob(f"*/{PLAN}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageError(f"there is no sweep in {SWEEPS}; make one: steer sweep PROMPTS --users 17")
    return found[-1].parent

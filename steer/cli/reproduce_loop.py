"""`steer reproduce`: the paper's experiments with the loop, in the sandbox, where the truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, out, print_json
from steer.cli.progress_bars import bar
from steer.cli.reproduce import Out, app
from steer.errors import UsageError

__all__ = ["app", "figure8"]

if TYPE_CHECKING:
    from steer.experiments.bench import Bench

Full = Annotated[bool, typer.Option("--full", help="The paper's 5 rounds of 20 rewrites instead of 3 of 10.")]
Prompts = Annotated[
    int, typer.Option("--prompts", help="How many of the 18 committed prompts.", min=1, max=18)
]
Users = Annotated[int, typer.Option(help="How many of the known people get pictures of their own.", min=2)]

Seed = Annotated[int, typer.Option(help="Of the judges' noise and of the intervals.")]


@app.command()
def figure8(
    full: Full = False,
    users: Users = 6,
    prompts: Prompts = 18,
    threads: opt.Threads = None,
    seed: Seed = 0,
    to: Out = Path("reproduce"),
    as_json: opt.Json = False,
) -> None:
    """Figure 8: whose pictures win in blind pairs: own, others', of generic rewards, or the unsteered one.

    Runs, pictures and scores are kept in OUT/bench: an interrupted command goes on where it was.

    [bold]Examples[/bold]

    steer reproduce figure8

    steer reproduce figure8 --full
    """
    from reward.reproduce import paper
    from steer.cli.tables.figure8 import figure8 as tables
    from steer.experiments import plots
    from steer.experiments.figure8 import FULL, SHORT
    from steer.experiments.figure8 import figure8 as compute

    bench = _open(to, threads)
    if users > len(bench.users):
        raise UsageError(f"{len(bench.users)} people are known, {users} were asked for; lower --users")
    with bar() as progress:
        result = compute(
            bench, bench.plan.prompts[:prompts], users, FULL if full else SHORT, seed, progress=progress
        )
    published = {"data": paper.FIGURE8_DATA, "elo": paper.FIGURE8}
    label = f"{bench.predictor.world}, simulated people"
    plots.figure8(result, label, to / "figure8.png")
    _deliver("figure8", bench, result, published, tables(result, label), to, as_json)


@app.command()
def figure6(
    full: Full = False,
    users: Users = 2,
    prompts: Prompts = 6,
    threads: opt.Threads = None,
    to: Out = Path("reproduce"),
    as_json: opt.Json = False,
) -> None:
    """Figures 4 to 6: what steering does to pictures, iteration by iteration, under several rewards.

    Personal rewards, the population's, the youngest and the oldest quarter's, and image-text agreement; each
    of the paper's statements is confirmed or not. Goes on where it was, and shares its runs with figure8.

    [bold]Examples[/bold]

    steer reproduce figure6

    steer reproduce figure6 --users 6 --prompts 18
    """
    from steer.cli.tables.figure6 import figure6 as tables
    from steer.experiments.claims import claims
    from steer.experiments.course_plots import figure6 as plot
    from steer.experiments.figure6 import figure6 as compute
    from steer.experiments.figure8 import FULL, SHORT

    bench = _open(to, threads)
    chosen = _users(bench, users)
    with bar() as progress:
        result = compute(bench, chosen, bench.plan.prompts[:prompts], FULL if full else SHORT, progress)
    stated = claims(result)
    label = f"{bench.predictor.world}, simulated people"
    plot(result, stated, label, to / "figure6.png")
    published = {"data": "section 5, Figures 4 to 7: pictures and words, no numbers"}
    found = {"figure": result, "claims": stated}
    _deliver("figure6", bench, found, published, tables(result, stated, label), to, as_json)


@app.command()
def consistency(
    full: Full = False,
    users: Users = 6,
    prompts: Prompts = 3,
    threads: opt.Threads = None,
    seed: Seed = 0,
    to: Out = Path("reproduce"),
    as_json: opt.Json = False,
) -> None:
    """Section 6.2: how alike two runs of one person are, against runs of different people.

    Two runs with the same image seed and different seeds of the language model. Goes on where it was, and
    shares its first runs with figure8.

    [bold]Examples[/bold]

    steer reproduce consistency

    steer reproduce consistency --users 8 --prompts 6
    """
    from steer.cli.tables.figure6 import consistency as tables
    from steer.experiments.consistency import CLAIM
    from steer.experiments.consistency import consistency as compute
    from steer.experiments.course_plots import consistency as plot
    from steer.experiments.figure8 import FULL, SHORT

    bench = _open(to, threads)
    chosen = _users(bench, users)
    with bar() as progress:
        result = compute(
            bench, chosen, bench.plan.prompts[:prompts], FULL if full else SHORT, progress, seed=seed
        )
    label = f"{bench.predictor.world}, simulated people"
    plot(result, label, to / "consistency.png")
    published = {"data": "section 6.2, Figures 9, 15 and 16: three users, two runs each", "statement": CLAIM}
    _deliver("consistency", bench, result.brief(), published, tables(result, label), to, as_json)


def _users(bench: Bench, users: int) -> tuple[str, ...]:
    if users > len(bench.users):
        raise UsageError(f"{len(bench.users)} people are known, {users} were asked for; lower --users")
    return bench.users[:users]


def _open(to: Path, threads: int | None) -> Bench:
    """The bench of all experiments, in the output folder. What may be missing is looked at first."""
    from reward.reproduce import plots

    plots.require()
    from steer.experiments.bench import open_bench

    bench = open_bench(to / "bench", threads)
    people = len(bench.predictor.people)
    hint(
        f"{people} simulated people of {bench.predictor.world}, pictures and runs in {bench.folder}", "yellow"
    )
    return bench


def _deliver(
    name: str,
    bench: Bench,
    result: Any,
    published: dict[str, Any],
    tables: list[Any],
    to: Path,
    as_json: bool,
) -> None:
    """Write the JSON; show the tables, or the JSON on standard output."""
    from reward.reproduce.paper import SOURCE
    from reward.reproduce.report import SCHEMA_VERSION, SIMULATION, plain, write_report

    data = {
        "schema_version": SCHEMA_VERSION,
        "figure": name,
        "world": bench.predictor.world,
        "simulated": True,
        "note": SIMULATION,
        "result": plain(result),
        "paper": {"source": SOURCE, **plain(published)},
    }
    write_report(to / f"{name}.json", data)
    if as_json:
        print_json(data)
        return
    console = out()
    for table in tables:
        console.print(table)
    hint(SIMULATION, style="yellow")
    for file in (to / f"{name}.json", to / f"{name}.png"):
        print(file)

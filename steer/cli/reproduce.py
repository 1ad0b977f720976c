"""`steer reproduce`: the paper's tables and figures, on the sandbox's data set or any other.

The experiments with the loop run in the sandbox, where the truth is known.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, out, print_json, say
from steer.cli.progress_bars import bar
from steer.cli.training import feature_store, subjects_of
from steer.errors import PresetError, UsageError

if TYPE_CHECKING:
    from reward.reproduce.experiment import Experiment
    from reward.reproduce.reproduction import Reproduction

app = typer.Typer(
    help="The paper's tables and figures, on the sandbox's data set or any other.", no_args_is_help=True
)

Data = Annotated[
    list[Path] | None,
    typer.Option(
        help="What the predictor was trained on, by default the sandbox's; may be given again.",
        show_default=False,
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(help="Folder of the predictor; by default the sandbox's.", show_default=False),
]
Baselines = Annotated[
    Path | None,
    typer.Option(help="Scores of other reward models: a CSV image,scorer,score.", show_default=False),
]
Draws = Annotated[int, typer.Option(help="Contexts drawn for each unseen person.", min=1)]
Of = Annotated[
    str | None,
    typer.Option(
        "--of", help="Judge the people of one data set of several; by default PAMELA's.", show_default=False
    ),
]
Seed = Annotated[int, typer.Option(help="Of the contexts and the intervals.")]
Out = Annotated[Path, typer.Option("--out", help="Where table, picture and JSON land.")]
Full = Annotated[bool, typer.Option("--full", help="The paper's 5 rounds of 20 rewrites instead of 3 of 10.")]
Prompts = Annotated[
    int, typer.Option("--prompts", help="How many of the 18 committed prompts.", min=1, max=18)
]
Users = Annotated[int, typer.Option(help="How many of the known people get pictures of their own.", min=2)]
BenchSeed = Annotated[int, typer.Option(help="Of the judges' noise and of the intervals.")]
OUT = Path("reproduce")


def one_of(*known: str) -> Callable[[typer.CallbackParam, Any], Any]:
    """A check that an option, where it is given, has one of these values."""

    def check(option: typer.CallbackParam, value: str | None) -> str | None:
        if value is not None and value not in known:
            raise UsageError(f"there is no {option.name} {value!r} here; choose among {', '.join(known)}")
        return value

    return check


# ---- on a data set, and in the lab of the experiments with the loop ----


def on_data(
    name: str,
    options: dict[str, Any],
    *,
    data: Data = None,
    checkpoint: Checkpoint = None,
    of: Of = None,
    seed: Seed = 0,
    to: Out = OUT,
    as_json: opt.Json = False,
) -> None:
    """Reproduce `reward.reproduce.NAME`. Everything that may be missing is looked at first."""
    from reward.reproduce import plots

    plots.require()
    folders, weights, baselines = _data(data), _weights(checkpoint), options.get("baselines")
    from reward.baselines import read_scores
    from reward.data import join, load
    from reward.predictor.predictor import Predictor
    from reward.reproduce.baselines import baseline_scores
    from reward.reproduce.experiment import open_experiment

    if baselines:
        read_scores(baselines)
    predictor = Predictor.load(weights, _device())
    kind = "simulated people" if predictor.simulated else "people"
    about = f"{len(predictor.people)} {kind} of {predictor.world}"
    hint(about, style="yellow" if predictor.simulated else None)
    dataset = join([load(folder) for folder in folders])
    with bar() as progress:
        experiment = open_experiment(
            dataset, predictor, feature_store(folders[0], weights), subjects_of(dataset), progress
        )
    reproduction: Reproduction[Any] = import_module(f"reward.reproduce.{name}").REPRODUCTION
    if reproduction.trains:
        options["folder"] = to / name
    else:
        experiment = _judged(experiment, of)
    if "baselines" in options:
        options["baselines"] = baseline_scores(baselines, experiment.dataset) if baselines else {}
    _reproduce(name, reproduction, experiment, options | {"seed": seed}, to, as_json)


def on_lab(
    name: str,
    options: dict[str, Any],
    *,
    threads: opt.Threads = None,
    seed: BenchSeed = 0,
    to: Out = OUT,
    as_json: opt.Json = False,
) -> None:
    """Reproduce `steer.experiments.NAME` in the lab that all experiments share, in the output folder."""
    from reward.reproduce import plots

    plots.require()
    from steer.experiments.figure8 import FULL, SHORT
    from steer.experiments.lab import open_lab

    lab = open_lab(to / "bench", threads)
    people, users = len(lab.users), options["users"]
    hint(
        f"{people} simulated people of {lab.predictor.world}, pictures and runs in {lab.folder}",
        "yellow",
    )
    if users > people:
        raise UsageError(f"{people} people are known, {users} were asked for; lower --users")
    found = {
        "users": lab.users[:users],
        "prompts": lab.plan.prompts[: options["prompts"]],
        "settings": FULL if options["full"] else SHORT,
    }
    if sweep := options.get("sweep"):
        found["sweep"] = sweep
    reproduction = import_module(f"steer.experiments.{name}").REPRODUCTION
    _reproduce(name, reproduction, lab, found | {"seed": seed}, to, as_json)


def _reproduce(
    name: str, reproduction: Reproduction[Any], subject: Any, options: dict[str, Any], to: Path, as_json: bool
) -> None:
    """Compute, write JSON and picture; show the tables, or the JSON on standard output."""
    from reward.reproduce.report import report, write_report

    if words := reproduction.hint(subject, **options):
        hint(words)
    with bar() as progress:
        result = reproduction.compute(subject, progress=progress, **options)
    data = report(name, subject, reproduction.to_json(result), reproduction.published)
    files = to / f"{name}.json", to / f"{name}.png"
    write_report(files[0], data)
    reproduction.plot(result, subject.label, files[1])
    if as_json:
        print_json(data)
        return
    for table in reproduction.rows(result, subject.label):
        out().print(table)
    if subject.simulated:
        hint(data["note"], style="yellow")
    say(*files)


def _judged(experiment: Experiment, source: str | None) -> Experiment:
    """The people of one data set, where it holds several: the paper's figures are of PAMELA's."""
    from reward.reproduce.experiment import sources_of

    several = set(sources_of(experiment.dataset).tolist())
    if source is None and (len(several) == 1 or "pamela" not in several):
        return experiment
    return experiment.of_source(source or "pamela")


def _data(data: list[Path] | None) -> list[Path]:
    """Where the data sets are; `reward.data` recognises their layouts."""
    from steer.sandbox.make.build import Layout, default_folder

    if data:
        missing = [folder for folder in data if not folder.exists()]
    else:
        data = [default_folder()]
        missing = [folder for folder in data if not Layout(folder).annotations("train").is_file()]
    if missing:
        raise PresetError(
            f"there is no data set in {missing[0]}; make the sandbox's: steer sandbox build, or name another "
            "with --data"
        )
    return data


def _weights(checkpoint: Path | None) -> Path:
    from steer.machine.presets import WEIGHTS

    folder = WEIGHTS / "predictor" if checkpoint is None else checkpoint
    if not (folder / "predictor.json").is_file():
        raise PresetError(
            f"there is no predictor in {folder}; train one: steer reward train, or make the sandbox's: "
            "steer sandbox build; then name it with --checkpoint"
        )
    return folder


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


# ---- the commands ----


def reproduces(on: Callable[..., None], *without: str) -> Callable[[Callable[..., None]], None]:
    """Declare the command of a table or figure by its own options: those of `on` follow."""

    def declare(declared: Callable[..., None]) -> None:
        own = inspect.signature(declared, eval_str=True).parameters
        shared = inspect.signature(on, eval_str=True).parameters.values()

        @functools.wraps(declared)
        def command(**given: Any) -> None:
            on(declared.__name__, {name: given.pop(name) for name in own}, **given)

        follow = [p for p in shared if p.kind is p.KEYWORD_ONLY and p.name not in without]
        opt.set_parameters(command, [*own.values(), *follow])
        app.command()(command)

    return declare


@reproduces(on_data)
def table2(baselines: Baselines = None, draws: Draws = 20) -> None:
    """Table 2: the predictor against reward models that give everyone the same score.

    [bold]Examples[/bold]

    steer reproduce table2

    steer reproduce table2 --data PAMELA --checkpoint weights --baselines scores.csv
    """


@reproduces(on_data, "of")
def table3(
    recipe: Annotated[
        str | None,
        typer.Option(
            help="sandbox or paper; by default the one of the data.",
            show_default=False,
            callback=one_of("sandbox", "paper"),
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Train for this many instead of the recipe's.", min=1, show_default=False),
    ] = None,
    draws: Draws = 20,
) -> None:
    """Table 3: what each token is worth. Trains six predictors, five of them without something.

    Finished predictors are kept in the output folder: an interrupted command goes on with the next one.

    [bold]Examples[/bold]

    steer reproduce table3

    steer reproduce table3 --data PAMELA --checkpoint weights --recipe paper
    """


@reproduces(on_data)
def table4(
    split: Annotated[
        str,
        typer.Option(
            help="test_unseen as in the paper, or val_unseen.", callback=one_of("test_unseen", "val_unseen")
        ),
    ] = "test_unseen",
    draws: Draws = 10,
) -> None:
    """Table 4 and Figure 12: images, neighbours and temperature for people who are new.

    [bold]Examples[/bold]

    steer reproduce table4

    steer reproduce table4 --split val_unseen
    """


@reproduces(on_data)
def divergence(draws: Draws = 20) -> None:
    """Section 7.1: pairs of images that two people order differently.

    [bold]Examples[/bold]

    steer reproduce divergence
    """


@reproduces(on_data)
def figure10(
    split: Annotated[
        str,
        typer.Option(
            help="Whose disagreements.", callback=one_of("val_seen", "val_unseen", "test_seen", "test_unseen")
        ),
    ] = "test_seen",
    examples: Annotated[int, typer.Option(help="How many pairs of pictures.", min=1, max=12)] = 4,
) -> None:
    """Figure 10: pictures on which two people disagree, ratings and predictions below.

    [bold]Examples[/bold]

    steer reproduce figure10

    steer reproduce figure10 --split test_unseen --examples 6
    """


@reproduces(on_data)
def figure11(baselines: Baselines = None, draws: Draws = 5) -> None:
    """Figure 11: pairwise accuracy as near-ties are left out.

    [bold]Examples[/bold]

    steer reproduce figure11

    steer reproduce figure11 --baselines scores.csv
    """


@reproduces(on_lab)
def figure8(
    full: Full = False,
    users: Users = 6,
    prompts: Prompts = 18,
    sweep: Annotated[
        Path | None,
        typer.Option(
            help="Judge the finished runs of this sweep of the sandbox, its people and prompts, instead.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Figure 8: whose pictures win in blind pairs: own, others', of generic rewards, or the unsteered one.

    Runs, pictures and scores are kept in OUT/bench: an interrupted command goes on where it was.

    [bold]Examples[/bold]

    steer reproduce figure8

    steer reproduce figure8 --full

    steer reproduce figure8 --sweep sweeps/prompts
    """


@reproduces(on_lab, "seed")
def figure6(full: Full = False, users: Users = 2, prompts: Prompts = 6) -> None:
    """Figures 4 to 6: what steering does to pictures, iteration by iteration, under several rewards.

    Personal rewards, the population's, the youngest and the oldest quarter's, and image-text agreement; each
    of the paper's statements is confirmed or not. Goes on where it was, and shares its runs with figure8.

    [bold]Examples[/bold]

    steer reproduce figure6

    steer reproduce figure6 --users 6 --prompts 18
    """


@reproduces(on_lab)
def consistency(full: Full = False, users: Users = 6, prompts: Prompts = 3) -> None:
    """Section 6.2: how alike two runs of one person are, against runs of different people.

    Two runs with the same image seed and different seeds of the language model. Goes on where it was, and
    shares its first runs with figure8.

    [bold]Examples[/bold]

    steer reproduce consistency

    steer reproduce consistency --users 8 --prompts 6
    """

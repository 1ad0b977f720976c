"""`steer reproduce`: the paper's tables and figures, on the sandbox's data set or any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, out, print_json
from steer.cli.progress_bars import bar
from steer.cli.training import feature_store, subjects_of
from steer.errors import PresetError, UsageError

if TYPE_CHECKING:
    from reward.predictor.checkpoint import Card
    from reward.reproduce.experiment import Experiment

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
SPLITS = ("val_seen", "val_unseen", "test_seen", "test_unseen")


@app.command()
def table2(
    baselines: Baselines = None,
    draws: Draws = 20,
    data: Data = None,
    checkpoint: Checkpoint = None,
    of: Of = None,
    seed: Seed = 0,
    to: Out = Path("reproduce"),
    as_json: opt.Json = False,
) -> None:
    """Table 2: the predictor against reward models that give everyone the same score.

    [bold]Examples[/bold]

    steer reproduce table2

    steer reproduce table2 --data PAMELA --checkpoint weights --baselines scores.csv
    """
    from reward.reproduce import paper, plots
    from reward.reproduce.baselines import baseline_scores
    from reward.reproduce.table2 import table2 as compute
    from steer.cli.tables.reproduce import table2 as tables

    experiment = _judged(_open(data, checkpoint, baselines)[0], of)
    scores = baseline_scores(baselines, experiment.dataset) if baselines else {}
    with bar() as progress:
        result = compute(experiment, scores, draws, seed, progress)
    published = {"data": paper.TABLE2_DATA, "rows": paper.TABLE2}
    _deliver("table2", experiment, result, published, plots.table2, tables, to, as_json)
    if not baselines:
        hint("other reward models: --baselines FILE, written by the programs in reward/adapters")


@app.command()
def table3(
    recipe: Annotated[
        str | None, typer.Option(help="sandbox or paper; by default the one of the data.", show_default=False)
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Train for this many instead of the recipe's.", min=1, show_default=False),
    ] = None,
    draws: Draws = 20,
    data: Data = None,
    checkpoint: Checkpoint = None,
    seed: Seed = 0,
    to: Out = Path("reproduce"),
    as_json: opt.Json = False,
) -> None:
    """Table 3: what each token is worth. Trains six predictors, five of them without something.

    Finished predictors are kept in the output folder: an interrupted command goes on with the next one.

    [bold]Examples[/bold]

    steer reproduce table3

    steer reproduce table3 --data PAMELA --checkpoint weights --recipe paper
    """
    from dataclasses import replace

    from reward.reproduce import paper, plots
    from reward.reproduce.table3 import ABLATIONS
    from reward.reproduce.table3 import table3 as compute
    from reward.training.recipe import RECIPES
    from steer.cli.tables.reproduce import table3 as tables

    if recipe is not None and recipe not in RECIPES:
        raise UsageError(f"there is no recipe {recipe!r}; the recipes are {', '.join(RECIPES)}")
    experiment, card = _open(data, checkpoint)
    chosen = RECIPES[recipe or ("sandbox" if experiment.simulated else "paper")]
    if epochs is not None:
        chosen = replace(chosen, epochs=epochs)
    hint(f"training {len(ABLATIONS)} predictors by the recipe {chosen.name}, {chosen.epochs} epochs each")
    with bar() as progress:
        result = compute(
            experiment,
            chosen,
            to / "table3",
            encoder=_located(card.encoder, _weights(checkpoint)),
            sentence_encoder=_located(card.sentence_encoder, _weights(checkpoint)),
            draws=draws,
            seed=seed,
            device=_device(),
            tell=lambda name, epoch, of, metrics: progress(name, epoch, of),
        )
    published = {"data": paper.TABLE3_DATA, "rows": paper.TABLE3}
    _deliver("table3", experiment, result, published, plots.table3, tables, to, as_json)


@app.command()
def table4(
    split: Annotated[str, typer.Option(help="test_unseen as in the paper, or val_unseen.")] = "test_unseen",
    draws: Draws = 10,
    data: Data = None,
    checkpoint: Checkpoint = None,
    of: Of = None,
    seed: Seed = 0,
    to: Out = Path("reproduce"),
    as_json: opt.Json = False,
) -> None:
    """Table 4 and Figure 12: images, neighbours and temperature for people who are new.

    [bold]Examples[/bold]

    steer reproduce table4

    steer reproduce table4 --split val_unseen
    """
    from reward.reproduce import paper, plots
    from reward.reproduce.table4 import table4 as compute
    from steer.cli.tables.reproduce import table4 as tables

    _check_split(split, ("test_unseen", "val_unseen"))
    experiment = _judged(_open(data, checkpoint)[0], of)
    with bar() as progress:
        result = compute(experiment, split, draws, seed, progress)
    published = {
        "data": paper.TABLE4_DATA,
        "rows": paper.TABLE4,
        "temperature_effect": f"< {paper.TABLE4_TEMPERATURE_EFFECT}",
    }
    _deliver("table4", experiment, result, published, plots.figure12, tables, to, as_json)


@app.command()
def divergence(
    draws: Draws = 20,
    data: Data = None,
    checkpoint: Checkpoint = None,
    of: Of = None,
    seed: Seed = 0,
    to: Out = Path("reproduce"),
    as_json: opt.Json = False,
) -> None:
    """Section 7.1: pairs of images that two people order differently.

    [bold]Examples[/bold]

    steer reproduce divergence
    """
    from reward.reproduce import paper, plots
    from reward.reproduce.divergence import divergence as compute
    from steer.cli.tables.reproduce import divergence as tables

    experiment = _judged(_open(data, checkpoint)[0], of)
    with bar() as progress:
        result = compute(experiment, draws, seed, progress)
    published = {"data": paper.DIVERGENCE_DATA, "accuracy_and_preferences": paper.DIVERGENCE}
    _deliver("divergence", experiment, result, published, plots.divergence, tables, to, as_json)


@app.command()
def figure10(
    split: Annotated[str, typer.Option(help="Whose disagreements.")] = "test_seen",
    examples: Annotated[int, typer.Option(help="How many pairs of pictures.", min=1, max=12)] = 4,
    data: Data = None,
    checkpoint: Checkpoint = None,
    of: Of = None,
    seed: Seed = 0,
    to: Out = Path("reproduce"),
    as_json: opt.Json = False,
) -> None:
    """Figure 10: pictures on which two people disagree, ratings and predictions below.

    [bold]Examples[/bold]

    steer reproduce figure10

    steer reproduce figure10 --split test_unseen --examples 6
    """
    from reward.reproduce import plots
    from reward.reproduce.figure10 import figure10 as compute
    from steer.cli.tables.reproduce import figure10 as tables

    _check_split(split, SPLITS)
    experiment = _judged(_open(data, checkpoint)[0], of)
    result = compute(experiment, split, examples, seed)
    _deliver("figure10", experiment, result, {}, plots.figure10, tables, to, as_json)


@app.command()
def figure11(
    baselines: Baselines = None,
    draws: Draws = 5,
    data: Data = None,
    checkpoint: Checkpoint = None,
    of: Of = None,
    seed: Seed = 0,
    to: Out = Path("reproduce"),
    as_json: opt.Json = False,
) -> None:
    """Figure 11: pairwise accuracy as near-ties are left out.

    [bold]Examples[/bold]

    steer reproduce figure11

    steer reproduce figure11 --baselines scores.csv
    """
    from reward.reproduce import paper, plots
    from reward.reproduce.baselines import baseline_scores
    from reward.reproduce.figure11 import figure11 as compute
    from steer.cli.tables.reproduce import figure11 as tables

    experiment = _judged(_open(data, checkpoint, baselines)[0], of)
    scores = baseline_scores(baselines, experiment.dataset) if baselines else {}
    with bar() as progress:
        result = compute(experiment, scores, draws, seed, progress)
    published = {"data": paper.MARGIN_DATA, "finding": paper.MARGIN}
    _deliver("figure11", experiment, result, published, plots.figure11, tables, to, as_json)


# ---- what every command does ----


def _open(
    data: list[Path] | None, checkpoint: Path | None, baselines: Path | None = None
) -> tuple[Experiment, Card]:
    """The experiment and the card of its predictor. Everything that may be missing is looked at first."""
    from reward.reproduce import plots

    plots.require()
    folders, weights = _data(data), _weights(checkpoint)
    from reward.baselines import read_scores
    from reward.data import join, load
    from reward.predictor.predictor import Predictor
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
    return experiment, predictor.card


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


def _located(card: Mapping[str, Any], weights: Path) -> dict[str, Any]:
    """An encoder that lies beside the checkpoint, as the ablations, which lie elsewhere, find it."""
    beside = weights / str(card["id"])
    return {**card, "id": str(beside.resolve())} if beside.is_dir() else dict(card)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_split(split: str, known: tuple[str, ...]) -> None:
    if split not in known:
        raise UsageError(f"there is no split {split!r} here; choose among {', '.join(known)}")


def _deliver(
    name: str,
    experiment: Experiment,
    result: Any,
    published: Mapping[str, Any],
    plot: Callable[[Any, str, Path], None],
    tables: Callable[[Any, str], list[Any]],
    folder: Path,
    as_json: bool,
) -> None:
    """Write JSON and picture; show the tables, or the JSON on standard output."""
    from reward.reproduce.report import report, write_report

    data = report(name, experiment, result, published)
    write_report(folder / f"{name}.json", data)
    plot(result, experiment.label, folder / f"{name}.png")
    if as_json:
        print_json(data)
        return
    console = out()
    for table in tables(result, experiment.label):
        console.print(table)
    if experiment.simulated:
        hint(data["note"], style="yellow")
    for file in (folder / f"{name}.json", folder / f"{name}.png"):
        print(file)

"""`steer reward evaluate` and `compare`: how good a predictor is, and which of two is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, out, print_json, say
from steer.cli.progress_bars import bar
from steer.cli.training import Fold, Store, feature_store, subjects_of
from steer.errors import UsageError

if TYPE_CHECKING:
    from reward.training.pipeline import SplitFigures

SPLITS = ("val_seen", "val_unseen", "test_seen", "test_unseen")
Splits = Annotated[
    list[str] | None,
    typer.Option(
        help="May be given again; by default those of test_seen and test_unseen that can be judged.",
        show_default=False,
    ),
]
Of = Annotated[
    str | None,
    typer.Option("--of", help="Judge the people of one data set of several.", show_default=False),
]
Draws = Annotated[int, typer.Option(help="Contexts drawn for each unseen person.", min=1)]
Seed = Annotated[int, typer.Option(help="Of the contexts.")]
Method = Annotated[
    str, typer.Option(help="How unseen people are judged: mix, knn (the paper's equation 1) or ridge.")
]


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Folder of a predictor.")],
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA…", help="What it was trained on, a part of it, or other data.", show_default=False
        ),
    ],
    split: Splits = None,
    of: Of = None,
    method: Method = "mix",
    draws: Draws = 20,
    seed: Seed = 0,
    fold: Fold = None,
    shots: Annotated[
        list[int] | None,
        typer.Option(
            help="Instead: learn each new person from so many ratings and judge 50 others, as in 10 and 100.",
            min=1,
            show_default=False,
        ),
    ] = None,
    features: Store = None,
    as_json: opt.Json = False,
) -> None:
    """Measure a predictor on splits that it was not trained on, within each person and for the population.

    On data that it was not trained on, it is measured on the unseen people there. A table of several data
    sets has a row for each of them, then their mean.

    [bold]Examples[/bold]

    steer reward evaluate weights ratings

    steer reward evaluate weights PAMELA --split val_seen --split val_unseen --json

    steer reward evaluate weights PAMELA LAPIS PARA --of pamela

    steer reward evaluate weights PARA --shots 10 --shots 100
    """
    if shots and split:
        raise UsageError("--shots judges the people of test_unseen: leave --split out")
    report, figures = _evaluate(checkpoint, data, split, of, method, draws, seed, fold, features, shots)
    if as_json:
        print_json(report)
        return
    if shots:
        _show_few_shot(report["few_shot"])
    else:
        _show_figures(figures)
    if report["simulated"]:
        hint(f"simulated people ({report['world']}): no evidence about real ones", style="yellow")


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A", help="What evaluate --json wrote (several: with commas), or a predictor's folder."
        ),
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="The other, likewise.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="To evaluate folders on; may be given again.", show_default=False),
    ] = None,
    split: Splits = None,
    of: Of = None,
    method: Method = "mix",
    draws: Draws = 20,
    seed: Seed = 0,
    fold: Fold = None,
    features: Store = None,
    as_json: opt.Json = False,
) -> None:
    """Say which of two predictors is better for people: a paired test over those whom both were judged on.

    Reports of several seeds are averaged within each person, people of several folds are put together.

    [bold]Examples[/bold]

    steer reward compare ours.json paper.json

    steer reward compare ours paper --data PAMELA

    steer reward compare ours-0.json,ours-1.json paper-0.json,paper-1.json
    """
    from reward.evaluation.paired import compare as paired
    from reward.evaluation.paired import read_report, same_data, scores_of

    def reports(names: str) -> list[dict[str, Any]]:
        found = []
        for name in names.split(","):
            path = Path(name)
            if path.is_dir():
                if not data:
                    raise UsageError(f"{name} is a folder: say on which data to evaluate it, by --data")
                found.append(_evaluate(path, data, split, of, method, draws, seed, fold, features)[0])
            else:
                found.append(read_report(path))
        return found

    ours, theirs = reports(first), reports(second)
    if not same_data(ours, theirs):
        raise UsageError(
            "the two were measured on different data or folds: evaluate both on the same, then compare"
        )
    found = paired(scores_of(ours), scores_of(theirs))
    if as_json:
        sides = [[report.get("checkpoint") for report in side] for side in (ours, theirs)]
        print_json(
            {
                "schema_version": 1,
                "first": sides[0],
                "second": sides[1],
                "compared": [asdict(each) for each in found],
            }
        )
        return
    _show_compared(found)
    names = [Path(name.split(",")[0]).stem for name in (first, second)]
    names = ["the first", "the second"] if names[0] == names[1] else names
    for each in found:
        if each.metric == "srocc":
            say(each.words(*names))
    if any(each.alone for each in found):
        hint(f"{max(each.alone for each in found)} people were judged for one of the two only: left out")


def _evaluate(
    checkpoint: Path,
    data: Sequence[Path],
    split: Sequence[str] | None,
    of: str | None,
    method: str,
    draws: int,
    seed: int,
    fold: int | None,
    features: Path | None,
    shots: Sequence[int] | None = None,
) -> tuple[dict[str, Any], list[SplitFigures]]:
    """The report and the figures in it."""
    splits = tuple(split or ())
    if unknown := [name for name in splits if name not in SPLITS]:
        raise UsageError(f"there is no split {unknown[0]!r}; the splits are {', '.join(SPLITS)}")
    from reward.people.newcomer import METHODS

    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}; the methods are {', '.join(METHODS)}")
    from reward.data import join, load
    from reward.predictor.predictor import Predictor
    from reward.provenance import of_data, of_predictor, versions
    from reward.training.pipeline import evaluate_predictor, few_shot_figures

    predictor = Predictor.load(checkpoint)
    dataset = join([load(source, fold=fold) for source in data])
    store, subjects = features or feature_store(data[0], checkpoint), subjects_of(dataset)
    figures: list[SplitFigures] = []
    few: dict[str, Any] = {}
    with bar() as progress:
        shared: Any = {"of": of, "subjects": subjects, "seed": seed, "encoding": progress}
        if shots:
            found = few_shot_figures(predictor, dataset, store, tuple(shots), **shared)
            few = {"few_shot": [asdict(each) for each in found]}
        else:
            figures = evaluate_predictor(
                predictor, dataset, store, splits, method=method, draws=draws, **shared
            )
    report = {
        "schema_version": 1,
        "world": predictor.world,
        "simulated": predictor.simulated or dataset.simulated,
        "checkpoint": of_predictor(predictor),
        "data_set": of_data(dataset),
        "versions": versions(),
        "method": method,
        "draws": draws,
        "seed": seed,
        "fold": fold,
        "splits": [asdict(each) for each in figures],
        **few,
    }
    return report, figures


def _show_figures(figures: Sequence[SplitFigures]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    several = len({each.data for each in figures}) > 1
    words = ("data", "split", "metric") if several else ("split", "metric")
    for column in (*words, "within each person", "95% interval", "people", "population", "images"):
        table.add_column(column, justify="left" if column in words else "right")
    for each in figures:
        left_out = f" ({each.left_out} left out)" if each.left_out else ""
        for row, (metric, value) in enumerate(each.personal.items()):
            first = ("",) * (len(words) - 1) if row else (each.data, each.split)[-len(words) + 1 :]
            table.add_row(
                *first,
                metric,
                f"{value['value']:.3f}",
                f"{value['low']:.3f}–{value['high']:.3f}",
                "" if row else f"{each.users}{left_out}",
                f"{each.population[metric]:.3f}",
                "" if row else str(each.images),
            )
    out().print(table)
    if unknown := {each.split: each.unknown for each in figures if each.unknown}:
        counts = ", ".join(f"{count:,} in {split}" for split, count in unknown.items())
        hint(f"ratings of people who are not in training, and were not judged: {counts}")


def _show_few_shot(found: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("data", "ratings", "people", "learnt by", "SROCC", "95% interval", "R²", "95% interval"):
        table.add_column(column, justify="left" if column in ("data", "learnt by") else "right")
    for each in found:
        left_out = f" ({each['left_out']} left out)" if each["left_out"] else ""
        for row, (name, metrics) in enumerate(each["metrics"].items()):
            first = ("", "", "") if row else (each["data"], str(each["shots"]), f"{each['users']}{left_out}")
            cells = [
                text
                for value in (metrics["srocc"], metrics["r2"])
                for text in (f"{value['value']:.3f}", f"{value['low']:.3f}–{value['high']:.3f}")
            ]
            table.add_row(*first, name, *cells)
    out().print(table)


def _show_compared(found: Sequence[Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    words = ("data", "split", "metric")
    for column in (*words, "A", "B", "A less B", "95% interval", "p", "people", "A better", "A worse"):
        table.add_column(column, justify="left" if column in words else "right")
    for each in found:
        d = each.difference
        table.add_row(
            *(
                each.data,
                each.split,
                each.metric,
                f"{each.first:.3f}",
                f"{each.second:.3f}",
                f"{d.value:+.3f}",
            ),
            *(f"{d.low:+.3f} to {d.high:+.3f}", f"{each.p:.2g}"),
            *(str(each.people), str(each.better), str(each.worse)),
        )
    out().print(table)

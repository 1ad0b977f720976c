"""Table 3: what each token is worth, by models that were trained without it (appendix A.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from reward.data import Dataset
from reward.encoders.features import Features
from reward.evaluation.evaluate import CONTEXT
from reward.evaluation.judge import known_rows
from reward.evaluation.metrics import METRICS, Interval, UserLevel, interval, stratified_interval
from reward.predictor.checkpoint import CARD_FILE, read_checkpoint
from reward.reproduce.cells import columns, number, sheet, with_interval
from reward.reproduce.experiment import DRAWS, Experiment, sources_of
from reward.reproduce.plots import OTHER, OWN, drawing, panels, titled
from reward.reproduce.reproduction import Progress, Reproduction, silent
from reward.training.recipe import RECIPES, Recipe
from reward.training.train import train

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAPER_DATA = "mean over PAMELA, LAPIS and PARA"
# seen SROCC, PLCC, pairwise accuracy; unseen SROCC, PLCC, pairwise accuracy
PAPER: Mapping[str, tuple[float, ...]] = {
    "full": (0.5563, 0.5887, 0.7311, 0.4975, 0.5183, 0.7057),
    "no text": (0.5922, 0.6200, 0.7460, 0.4788, 0.4981, 0.6981),
    "no demographics": (0.5734, 0.6006, 0.7381, 0.4896, 0.5126, 0.7029),
    "no metadata": (0.5639, 0.5933, 0.7333, 0.4544, 0.4835, 0.6872),
    "no demographics, no metadata": (0.5676, 0.5985, 0.7340, 0.4723, 0.4989, 0.6932),
    "no participant": (0.5081, 0.5349, 0.7115, 0.5322, 0.5614, 0.7191),
}  # fmt: skip

ABLATIONS: Mapping[str, tuple[str, ...]] = {
    "full": (),
    "no text": ("text",),
    "no demographics": ("demographics",),
    "no metadata": ("metadata",),
    "no demographics, no metadata": ("demographics", "metadata"),
    "no participant": ("user",),
}


@dataclass(frozen=True)
class Ablation:
    """A model that was trained without some tokens, on both test splits."""

    name: str  # key of ABLATIONS
    seen: dict[str, Interval]  # SROCC, PLCC, pairwise accuracy: mean over data sets of the mean over people
    unseen: dict[str, Interval]
    gap: dict[str, float]  # seen less unseen: how much is lost where the embedding is interpolated
    seen_change: Interval | None  # SROCC less the full model's, person by person; None: it is the full model
    unseen_change: Interval | None
    epochs: int  # that it was trained for, at most
    seconds: float | None  # that training took; None where an earlier run had trained it


@dataclass(frozen=True)
class Table3:
    """All ablations."""

    sources: tuple[str, ...]  # data sets that the means are over
    recipe: str
    seen_users: int
    unseen_users: int
    draws: int
    rows: tuple[Ablation, ...]


def ablate(features: Features, recipe: Recipe, without: tuple[str, ...]) -> tuple[Features, Recipe]:
    """Features and recipe of a model that never sees some tokens, in training, validation or evaluation.

    Rows of zeros are absent tokens wherever features are read, so nothing can reach the model by another way:
    validation, which chooses the epoch, runs without the token too. The user token has no features but a
    table: it starts at zero and, never seen, gets no gradient and stays there.
    """
    removed: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    if "text" in without:
        removed |= {"text": np.zeros_like(features.text), "subject": np.zeros_like(features.subject)}
    if "metadata" in without:
        removed |= {
            "metadata": np.zeros_like(features.metadata),
            "inferred": np.zeros_like(features.inferred),
        }
    if "demographics" in without:
        removed["demographics"] = np.zeros_like(features.demographics)
    if "user" in without:
        changes["user_init"] = 0.0
    changes |= {f"drop_{token}": 1.0 for token in without}
    if without:
        changes["name"] = f"{recipe.name}, without {' and '.join(without)}"
    return replace(features, **removed), replace(recipe, **changes)


def table3(
    experiment: Experiment,
    recipe: Recipe,
    folder: Path,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> Table3:
    """Train and judge every ablation; checkpoints go to `folder`, and whole ones of the same recipe are kept.

    Unseen people by equation 1 with 15 images (k = 15, K = 5, tau = 0.1), each person's mean over `draws`
    contexts.
    """
    dataset = experiment.dataset
    levels: dict[str, tuple[UserLevel, UserLevel]] = {}
    spent: dict[str, float | None] = {}
    for name, without in ABLATIONS.items():
        features, ablated = ablate(experiment.features, recipe, without)
        out = folder / name.replace(", ", "-").replace(" ", "-")
        spent[name] = None
        if not _trained(out, ablated, seed, dataset):
            report = train(
                dataset,
                features,
                ablated,
                out,
                world=experiment.world,
                simulated=experiment.simulated,
                encoder=experiment.encoders[0],
                sentence_encoder=experiment.encoders[1],
                seed=seed,
                device=str(next(experiment.model.parameters()).device),
                progress=lambda epoch, name=name: progress(name, int(epoch["epoch"]), recipe.epochs),  # type: ignore[misc]
            )
            spent[name] = float(report["seconds"])
        judged = _judged(out, experiment, features)
        levels[name] = (
            judged.level(judged.personal("test_seen")),
            judged.level(judged.personal("test_unseen", draws, seed, CONTEXT)),
        )
    sources = sources_of(dataset)
    full = levels["full"]
    return Table3(
        sources=tuple(np.unique(sources).tolist()),
        recipe=recipe.name,
        seen_users=len(full[0].users),
        unseen_users=len(full[1].users),
        draws=draws,
        rows=tuple(
            _row(name, pair, full, sources, recipe.epochs, spent[name]) for name, pair in levels.items()
        ),
    )


def _row(
    name: str,
    pair: tuple[UserLevel, UserLevel],
    full: tuple[UserLevel, UserLevel],
    sources: np.ndarray,
    epochs: int,
    seconds: float | None,
) -> Ablation:
    seen, unseen = (
        {m: stratified_interval(getattr(level, m), sources[level.users]) for m in METRICS} for level in pair
    )
    seen_change, unseen_change = (
        None if name == "full" else interval(level.srocc - whole.srocc)
        for level, whole in zip(pair, full, strict=True)
    )
    gap = {metric: seen[metric].value - unseen[metric].value for metric in METRICS}
    return Ablation(name, seen, unseen, gap, seen_change, unseen_change, epochs, seconds)


def _judged(folder: Path, experiment: Experiment, features: Features) -> Experiment:
    card, model, tables = read_checkpoint(folder)
    table = known_rows(card.people, card.world, experiment.dataset)
    model.requires_grad_(False)
    return replace(experiment, model=model, profiles=tables.profiles, table=table, features=features)


def _trained(folder: Path, recipe: Recipe, seed: int, dataset: Dataset) -> bool:
    """Whether the folder holds the model that training would make again."""
    if not (folder / CARD_FILE).is_file():
        return False
    card, _, _ = read_checkpoint(folder)
    wanted = {"recipe": asdict(recipe), "seed": seed, "rows": len(dataset.rows("train"))}
    found = {name: card.trained.get(name) for name in wanted}
    return bool(found == json.loads(json.dumps(wanted)))


# ---- how it is shown ----


def _rows(result: Table3, label: str) -> list[Any]:
    """Two lines for each ablation: ours and the paper's."""
    sources = ", ".join(result.sources)
    table = sheet(
        f"recipe {result.recipe} on {sources}: {result.seen_users} seen and "
        f"{result.unseen_users} unseen people; {label}"
    )
    columns(
        table,
        "trained with",
        "whose",
        *(f"{who} {m}" for who in ("seen", "unseen", "gap") for m in ("SROCC", "PLCC", "pairs")),
    )
    columns(table, "unseen SROCC against full", first="right")
    for row in result.rows:
        change = "" if row.unseen_change is None else with_interval(row.unseen_change, signed=True)
        ours = [number(part[m].value) for part in (row.seen, row.unseen) for m in METRICS]
        table.add_row(row.name, "ours", *ours, *(number(row.gap[m]) for m in METRICS), change)
        if row.name in PAPER:
            values = PAPER[row.name]
            gaps = [seen - unseen for seen, unseen in zip(values[:3], values[3:], strict=True)]
            table.add_row("", "paper", *map(number, values), *map(number, gaps), style="dim")
    note = f"The paper's figures: real people, {PAPER_DATA}; ours: mean over {sources}."
    return [table, Text(note, "dim")]


def _plot(result: Table3, label: str, path: Path) -> None:
    """Seen and unseen SROCC of every ablation, ours left, the paper's right."""
    names = [row.name for row in result.rows]
    ours = [(row.seen["srocc"], row.unseen["srocc"]) for row in result.rows]
    theirs = [(_point(PAPER[name][0]), _point(PAPER[name][3])) for name in names if name in PAPER]
    with drawing(path, 9.5, 3.4) as figure:
        both = panels(figure, 2)
        titles = (f"here: {', '.join(result.sources)}", f"paper: {PAPER_DATA}")
        for axes, pairs, title in zip(both, (ours, theirs), titles, strict=True):
            for place, (seen, unseen) in enumerate(pairs):
                _dot(axes, place - 0.12, seen, OWN, "seen people" if not place else None)
                _dot(axes, place + 0.12, unseen, OTHER, "unseen people" if not place else None)
            axes.set_yticks(range(len(names)), names if axes is both[0] else [""] * len(names))
            axes.set_ylim(len(names) - 0.5, -0.6)
            axes.set_xlabel("SROCC within a person, mean over people")
            axes.grid(axis="x", color="#e5e5e5", lw=0.6)
            axes.set_title(title)
        both[1].legend(loc="lower left", bbox_to_anchor=(0.0, 0.0))
        titled(figure, "Models trained without a token", label)


def _point(value: float) -> Interval:
    return Interval(value, value, value)


def _dot(axes: Axes, place: float, value: Interval, colour: str, name: str | None) -> None:
    axes.plot([value.low, value.high], [place, place], color=colour, lw=1.5)
    axes.plot(value.value, place, "o", color=colour, ms=5, label=name)


# ---- its command ----


def _recipe(experiment: Experiment, name: str | None, epochs: int | None) -> Recipe:
    """The recipe of this name, else the one of the data; it reads of a picture what the predictor does."""
    recipe = RECIPES[name or ("steer" if experiment.simulated else "paper")]
    recipe = replace(recipe, image_statistics=experiment.features.statistics is not None)
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def _compute(experiment: Experiment, recipe: str | None, epochs: int | None, **options: Any) -> Table3:
    return table3(experiment, _recipe(experiment, recipe, epochs), **options)


def _hint(experiment: Experiment, recipe: str | None, epochs: int | None, **options: Any) -> str:
    chosen = _recipe(experiment, recipe, epochs)
    return f"training {len(ABLATIONS)} predictors by the recipe {chosen.name}, {chosen.epochs} epochs each"


REPRODUCTION = Reproduction(
    _compute, _rows, _plot, {"data": PAPER_DATA, "rows": PAPER}, hint=_hint, trains=True
)

"""Table 3: what each token is worth, by models that were trained without it (appendix A.1)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reward.data import Dataset
from reward.encoders.features import Features
from reward.evaluation.evaluate import CONTEXT
from reward.evaluation.metrics import METRICS, Interval, UserLevel, interval, stratified_interval
from reward.predictor.checkpoint import CARD_FILE, read_checkpoint
from reward.reproduce.experiment import DRAWS, Experiment, sources_of
from reward.training.pipeline import known_rows
from reward.training.recipe import Recipe
from reward.training.train import train

ABLATIONS: Mapping[str, tuple[str, ...]] = {
    "full": (),
    "no text": ("text",),
    "no demographics": ("demographics",),
    "no metadata": ("metadata",),
    "no demographics, no metadata": ("demographics", "metadata"),
    "no participant": ("user",),
}
Tell = Callable[[str, int, int, Mapping[str, float]], None]  # configuration, epoch, of, its metrics


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
    encoder: Mapping[str, Any],
    sentence_encoder: Mapping[str, Any],
    draws: int = DRAWS,
    seed: int = 0,
    device: str = "cpu",
    tell: Tell = lambda name, epoch, of, metrics: None,
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
                encoder=encoder,
                sentence_encoder=sentence_encoder,
                seed=seed,
                device=device,
                progress=lambda epoch, name=name: tell(name, int(epoch["epoch"]), recipe.epochs, epoch),  # type: ignore[misc]
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
            _row(name, pair, full, sources, recipe.epochs, spent[name], seed) for name, pair in levels.items()
        ),
    )


def _row(
    name: str,
    pair: tuple[UserLevel, UserLevel],
    full: tuple[UserLevel, UserLevel],
    sources: np.ndarray,
    epochs: int,
    seconds: float | None,
    seed: int,
) -> Ablation:
    seen, unseen = (
        {m: stratified_interval(getattr(level, m), sources[level.users], seed) for m in METRICS}
        for level in pair
    )
    seen_change, unseen_change = (
        None if name == "full" else interval(level.srocc - whole.srocc, seed)
        for level, whole in zip(pair, full, strict=True)
    )
    gap = {metric: seen[metric].value - unseen[metric].value for metric in METRICS}
    return Ablation(name, seen, unseen, gap, seen_change, unseen_change, epochs, seconds)


def _judged(folder: Path, experiment: Experiment, features: Features) -> Experiment:
    card, model, tables = read_checkpoint(folder)
    table = known_rows(card.people, experiment.dataset)
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

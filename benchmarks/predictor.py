"""The sandbox's predictor against its oracles, on the test sets.

    python benchmarks/predictor.py --build FOLDER [--populations 2 3]
    python benchmarks/predictor.py --build FOLDER --image-statistics

FOLDER is what `steer sandbox build` made. Seen users with released and with inferred metadata and text, the
population's prediction, both oracles on exactly the same rows, the gap closed; unseen users by equation 1
(k = 15). `--populations` rates the same paintings by people drawn from other seeds, trains a predictor on
them by the same recipe, and reports the same: the worst of all is the headline. Also how many held-out
ratings the 80% intervals hold: of seen people, and of unseen ones after k ratings by the default method.

`--image-statistics` trains one more predictor, which reads statistics of the pixels too, and reports it
apart, with the difference to the one without, paired over people. It does not ship: raters look at pixels.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, machine, write_json

from reward.data import Dataset
from reward.encoders.features import Features, statistics_rows
from reward.evaluation.evaluate import Predictions, known_ratings, seen_users, unseen_users, variances
from reward.evaluation.metrics import Interval, gap_closed, interval, user_level
from reward.people.known import Z80, Calibration, read_calibration
from reward.predictor.checkpoint import CARD_FILE, Tables, read_checkpoint
from reward.predictor.network import TasteModel
from reward.training.train import STEER, train
from steer.sandbox.make.build import Layout, learn_predictor, rate_dataset, read_features
from steer.sandbox.truth.world import Table, World

DRAWS = 20  # context draws of an unseen user


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--populations", type=int, nargs="*", default=[])
    parser.add_argument("--image-statistics", action="store_true")
    args = parser.parse_args()
    layout, world = Layout(args.build), World.load()
    if args.image_statistics:
        found = with_statistics(layout, world)
        print(json.dumps(found, indent=1))
        write_json(RESULTS / "predictor_statistics.json", {"machine": machine(), **found})
        return
    reports: dict[str, Any] = {}
    for seed in [world.raters_seed, *args.populations]:
        reports[str(seed)] = population(layout, world, seed)
        print(seed, json.dumps(reports[str(seed)], indent=1), flush=True)
    worst = min(reports, key=lambda seed: reports[seed]["gap_closed"]["value"])
    write_json(RESULTS / "predictor.json", {"machine": machine(), "worst": worst, "populations": reports})


def population(layout: Layout, world: World, seed: int) -> dict[str, Any]:
    """The report on the people of one raters' seed."""
    if seed != world.raters_seed:
        layout = beside(layout, seed)
    for _ in rate_dataset(layout, world, seed):
        pass
    for _ in learn_predictor(layout, world):
        pass
    dataset, features, _, _ = read_features(layout, lambda done, of, figures: None)
    _, model, tables = read_checkpoint(layout.predictor)
    table = np.unique(dataset.users[dataset.rows("train")])
    measured = Table.load(layout.measured)
    found = report(model, tables.profiles, table, dataset, features, world, measured, seed)
    calibration = read_calibration(layout.predictor)
    return found | {"held_by_80": held(model, tables, table, dataset, features, calibration)}


def with_statistics(layout: Layout, world: World) -> dict[str, Any]:
    """The report on a predictor that reads image statistics too, and how far it is above the one without."""
    dataset, features, encoder, sentences = read_features(layout, lambda done, of, figures: None)
    statistics = statistics_rows(dataset.image_paths, layout.root / "features")
    measured, seen = replace(features, statistics=statistics), dataset.users[dataset.rows("train")]
    out, table = layout.predictor.with_name("predictor-statistics"), np.unique(seen)
    if not (out / CARD_FILE).exists():
        recipe = replace(STEER, image_statistics=True)
        about = {
            "encoder": {"id": "../encoder", "sha256": encoder.hash},
            "sentence_encoder": {"id": sentences.id},
        }
        train(dataset, measured, recipe, out, world=world.name, simulated=True, **about)
    _, model, tables = read_checkpoint(out)
    _, without, _ = read_checkpoint(layout.predictor)
    known = Table.load(layout.measured)
    found = report(model, tables.profiles, table, dataset, measured, world, known, world.raters_seed)
    for name, as_in_loop in (("released", False), ("inferred", True)):
        one, other = (
            seen_users(each, table, dataset, read, "test_seen", as_in_loop=as_in_loop).user_level(dataset)
            for each, read in ((model, measured), (without, features))
        )
        found[f"less_without_{name}"] = shown(interval(one.srocc - other.srocc))
    return found


def held(
    model: TasteModel,
    tables: Tables,
    table: np.ndarray,
    dataset: Dataset,
    features: Features,
    calibration: Calibration,
) -> dict[str, dict[str, float]]:
    """Share of held-out ratings inside the 80% interval, mean over people."""
    errors = calibration.errors
    assert errors is not None

    def share(predictions: Predictions, spread: np.ndarray | float) -> np.ndarray:
        users = dataset.users[predictions.rows]
        inside = np.abs(dataset.scores[predictions.rows] - predictions.scores) <= Z80 * spread
        return np.array([inside[users == user].mean() for user in np.unique(users)])

    seen = seen_users(model, table, dataset, features, "test_seen")
    row = np.searchsorted(table, dataset.users[seen.rows])
    embeddings = model.users.weight.detach().numpy()[row]
    images, described = dataset.images[seen.rows], features.demographics[table[row], 0]
    unsure = variances(model, features, images, embeddings, described)
    spread = errors.widened * np.sqrt(errors.known[row] ** 2 + unsure)
    crowd = seen_users(model, table, dataset, features, "test_seen", population=True)
    shares = {"seen": share(seen, spread), "population": share(crowd, errors.anyone)}
    sample = calibration.known(model, tables.demographics)
    images = dataset.images[dataset.rows("test_unseen")]
    known = known_ratings(model, tables.demographics, features, images, sample)
    for k in (0, 5, 10, 15, 25):
        options: dict[str, Any] = {
            "reserved": 25,
            "method": "mix",
            "prior": calibration.prior,
            "known": known,
        }
        draws = [
            unseen_users(model, tables.profiles, dataset, features, "test_unseen", draw, k, **options)
            for draw in range(8)
        ]
        shares[f"unseen, {k} ratings"] = np.mean([share(draw, errors.of_new(k)) for draw in draws], axis=0)
    return {name: shown(interval(values)) for name, values in shares.items()}


def beside(layout: Layout, seed: int) -> Layout:
    """A layout for other people's ratings of the same paintings, which are linked, not copied."""
    other = Layout(layout.root / f"population-{seed}")
    for path in (
        layout.scenes,
        layout.measured,
        layout.encoder,
        layout.root / "features",
        layout.image(0).parent,
    ):
        link = other.root / path.relative_to(layout.root)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(path.resolve())
    return other


def report(
    model: TasteModel,
    profiles: np.ndarray,
    table: np.ndarray,
    dataset: Dataset,
    features: Features,
    world: World,
    measured: Table,
    seed: int,
) -> dict[str, Any]:
    def per_user(predictions: Predictions) -> np.ndarray:
        return predictions.user_level(dataset).srocc

    released = seen_users(model, table, dataset, features, "test_seen")
    inferred = seen_users(model, table, dataset, features, "test_seen", as_in_loop=True)
    crowd = seen_users(model, table, dataset, features, "test_seen", population=True)
    own, everyone = oracles(dataset, released.rows, world, measured, seed)
    metrics = released.user_level(dataset).summary()
    unseen = np.stack(
        [
            per_user(unseen_users(model, profiles, dataset, features, "test_unseen", draw))
            for draw in range(DRAWS)
        ]
    )
    return {
        "users": len(own),
        "rows": len(released.rows),
        "population_oracle": shown(interval(everyone)),
        "personal_oracle": shown(interval(own)),
        "seen_released": {name: shown(value) for name, value in metrics.items()},
        "seen_inferred": shown(interval(per_user(inferred))),
        "predicted_population": shown(interval(per_user(crowd))),
        "above_population_oracle": shown(interval(per_user(released) - everyone)),
        "above_population_oracle_inferred": shown(interval(per_user(inferred) - everyone)),
        "gap_closed": shown(gap_closed(per_user(released), everyone, own)),
        "gap_closed_inferred": shown(gap_closed(per_user(inferred), everyone, own)),
        "unseen_k15": shown(interval(unseen.mean(0))),
        "unseen_users": unseen.shape[1],
    }


def oracles(
    dataset: Dataset, rows: np.ndarray, world: World, measured: Table, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """SROCC per user of t, and of the mean t of 1,000 fresh people, with the ratings of these rows."""
    images = np.array([int(dataset.image_ids[i]) - 1 for i in dataset.images[rows]])
    people = np.array([int(dataset.user_ids[u]) - 1 for u in dataset.users[rows]])
    used, place = np.unique(images, return_inverse=True)
    few = measured.rows(used)
    t = few.expected(world.participants(seed))[people, place]
    mean = few.expected(world.fresh()).mean(0)[place]
    users, truth = dataset.users[rows], dataset.scores[rows]
    return user_level(users, truth, t).srocc, user_level(users, truth, mean).srocc


def shown(value: Interval) -> dict[str, float]:
    return {name: round(getattr(value, name), 4) for name in ("value", "low", "high")}


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()

"""Active choice of what to rate against random choice: how many ratings does it save?

    python benchmarks/active.py --build FOLDER [--tune]

FOLDER is what `steer sandbox build` made. 200 fresh simulated people, whom no data set holds, rate pictures
from pools of 400 validation paintings; their profiles, by the default way for new people, are judged on the
914 test paintings by the rank correlation with their ratings of those. Three ways to choose what they rate:
at random; actively, with every fifth at random, as `steer rate` does it; the same from a pool that begins
with 12 pictures before the practice trials and grows by 6 at every picture that is looked at, as where
paintings are made on demand. 10 pools and ratings each; people are bootstrapped, differences are paired.
`--tune` looks at 200 other people instead, who may be looked at while something is still being chosen.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import HERE, RESULTS, machine, write_json

from reward.evaluation.evaluate import known_ratings
from reward.evaluation.metrics import interval
from reward.people.active import known_share, most_telling
from reward.people.descriptions import demographics_sentence
from reward.people.newcomer import TastePrior, mix_start, mix_weights
from reward.predictor.predictor import Predictor
from steer.profiles.pool import MOST
from steer.profiles.session import EVERY, FIRST, PRACTICE
from steer.sandbox.make import dataset as sandbox
from steer.sandbox.make.build import Layout, read_features
from steer.sandbox.truth.raters import Raters
from steer.sandbox.truth.world import Table, World

PEOPLE, DRAWS = 200, 10
TUNING, JUDGING = 900_003, 900_004  # seeds of the fresh people
KS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60)
GROWS = 6  # pictures that are painted while someone looks at one
SLACK = 0.005  # SROCC
RANDOM, PURE = "random", "active"
PAGE, GROWING = f"active, every {EVERY}th random", "the same, growing pool"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--tune", action="store_true")
    args = parser.parse_args()
    found = measure(Layout(args.build), TUNING if args.tune else JUDGING)
    print(json.dumps({k: v for k, v in found.items() if k != "machine"}, indent=1))
    if not args.tune:
        write_json(RESULTS / "active.json", found)
        plot(found, HERE / "active.png")


def measure(layout: Layout, seed: int) -> dict[str, Any]:
    predictor = Predictor.load(layout.predictor)
    dataset, features, _, _ = read_features(layout, lambda done, of, figures: None)
    row_of = np.argsort([int(id) for id in dataset.image_ids])  # painting -> image of the data set
    pool, test = (np.array(sandbox.image_range(part)) for part in ("val", "test"))
    demographics = predictor.tables.demographics
    known = known_ratings(predictor.model, demographics, features, row_of[np.concatenate([pool, test])])
    shown, judged = known.of(row_of[pool]), known.of(row_of[test])
    prior, targets = predictor.calibration.prior, predictor.sample_ratings
    assert targets is not None

    world, measured = World.load(), Table.load(layout.measured)
    people = Raters.sample(PEOPLE, seed, world.constants)
    expected = [measured.rows(part).expected(people) for part in (pool, test)]
    sentences = predictor.sentences.encode([demographics_sentence(d) or "" for d in people.demographics])
    starts = np.stack([mix_start(demographics, sentence) for sentence in sentences])

    curves = {name: np.zeros((len(KS), DRAWS, PEOPLE)) for name in (RANDOM, PURE, PAGE, GROWING)}
    shares = {name: np.zeros((len(KS), DRAWS)) for name in curves}
    seconds = []
    for draw in range(DRAWS):
        rng = np.random.default_rng((seed, draw))
        given = people.rate(expected[0], rng)
        truth = ranks(people.rate(expected[1], rng))
        offered = rng.permutation(len(pool))[:MOST]
        orders = {RANDOM: [int(i) for i in rng.permutation(offered)[: max(KS)]]}
        for name, random_too, grows in ((PURE, False, False), (PAGE, True, False), (GROWING, True, True)):
            orders[name] = []
            for number in range(max(KS)):
                size = FIRST + GROWS * (PRACTICE + number) if grows else MOST
                left = [int(i) for i in offered[:size] if i not in orders[name]]
                started = time.process_time()
                if random_too and number % EVERY == EVERY - 1:
                    choice = int(rng.integers(len(left)))
                else:
                    rated = shown[:, orders[name]]
                    choice = most_telling(shown[:, left], rated, targets, 1, prior)[0]
                seconds.append(time.process_time() - started)
                orders[name].append(left[choice])
        for name, order in orders.items():
            for i, k in enumerate(KS):
                rated = order[:k]
                shares[name][i, draw] = known_share(shown[:, rated], targets, prior)
                weights = all_weights(shown[:, rated], given[:, rated], prior, starts)
                curves[name][i, draw] = (ranks(weights @ judged) * truth).sum(1)
    means = {name: curve.mean(1) for name, curve in curves.items()}  # [ks, people]
    at = {k: i for i, k in enumerate(KS)}

    def less(name: str, k: int, than: int) -> dict[str, float]:
        return rounded(means[name][at[k]] - means[RANDOM][at[than]])

    wanted = less(PAGE, 10, 15)
    return {
        "machine": machine(),
        "people": PEOPLE,
        "draws": DRAWS,
        "seed": seed,
        "prior": asdict(prior),
        "srocc": {name: {str(k): rounded(mean[i]) for i, k in enumerate(KS)} for name, mean in means.items()},
        "known_share": {
            name: {str(k): round(float(share[i].mean()), 4) for i, k in enumerate(KS)}
            for name, share in shares.items()
        },
        "10_active_less_15_random": {name: less(name, 10, 15) for name in (PURE, PAGE, GROWING)},
        "same_k_less_random": {
            name: {str(k): less(name, k, k) for k in (5, 10, 15, 25, 40)} for name in (PURE, PAGE, GROWING)
        },
        "reached": wanted["low"] >= -SLACK,
        "choice_processor_seconds": {
            "median": round(float(np.median(seconds)), 4),
            "p95": round(float(np.quantile(seconds, 0.95)), 4),
        },
    }


def all_weights(known: np.ndarray, ratings: np.ndarray, prior: TastePrior, starts: np.ndarray) -> np.ndarray:
    """`mix_weights` of many people [people, known people] who rated the same pictures, without the offset.

    The weights are linear in what the start misses: each rating's part is found once, for all people.
    """
    k = known.shape[1]
    equal = np.full(len(known), 1 / len(known))
    zero = mix_weights(known, equal @ known, prior, equal)[:-1]
    unit = [mix_weights(known, equal @ known + np.eye(k)[i], prior, equal)[:-1] - zero for i in range(k)]
    missed = ratings - starts @ known
    return starts + missed @ np.reshape(unit, (k, len(known)))


def ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks in each row, centred and of unit length: products are Spearman correlations."""
    from scipy.stats import rankdata

    ranked = rankdata(values, axis=1)
    ranked -= ranked.mean(1, keepdims=True)
    return np.asarray(ranked / np.linalg.norm(ranked, axis=1, keepdims=True))


def rounded(values: np.ndarray) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(interval(values)).items()}


def plot(found: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.0), dpi=110)
    for name, style in ((RANDOM, "--"), (PAGE, "-"), (GROWING, ":")):
        curve = found["srocc"][name]
        ks = [int(k) for k in curve]
        axes.plot(ks, [curve[str(k)]["value"] for k in ks], style, label=name)
    axes.axhline(found["srocc"][RANDOM]["15"]["value"], color="grey", linewidth=0.6)
    axes.set_xlabel("ratings")
    axes.set_ylabel("rank correlation on other pictures")
    axes.set_title(f"{PEOPLE} fresh simulated people", fontsize=10)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()

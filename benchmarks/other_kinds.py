"""New people of other kinds than the known ones: what their own ratings teach, and what that costs others.

    python benchmarks/other_kinds.py --build FOLDER

The mix of the known people alone, against the default, which may take someone for one of another kind. Both
on the same draws of ratings, nested (5 in 15 in 25), judged by rank correlation on paintings of the test set
outside the largest: 300 fresh people of the sandbox by their ratings, and the 20 people of
`raters_elsewhere.py` whom nothing was chosen on by their tastes without noise. Intervals draw people.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, machine, write_json
from people import JUDGING, PEOPLE, shown
from PIL import Image
from raters_elsewhere import FAMILIES, HALVES, SEED, Tastes, features_of, rated, raters

from reward.evaluation.evaluate import known_ratings
from reward.evaluation.metrics import srocc
from reward.people.descriptions import demographics_sentence
from reward.people.newcomer import mix_start, mix_weights, others_of, own_weights
from reward.predictor.predictor import Predictor
from steer.sandbox.make import dataset as sandbox
from steer.sandbox.make.build import Layout, read_features
from steer.sandbox.truth.raters import Raters
from steer.sandbox.truth.world import Table, World

KS = (5, 15, 25)
DRAWS = {"fresh": 4, "other": 20}
Weigh = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # known, ratings, start -> weights


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, required=True)
    layout, world = Layout(parser.parse_args().build), World.load()
    predictor = Predictor.load(layout.predictor)
    dataset, features, _, _ = read_features(layout, lambda done, of, figures: None)
    numbers = list(sandbox.image_range("test"))
    row_of = np.argsort([int(id) for id in dataset.image_ids])  # painting -> image of the data set
    demographics = predictor.tables.demographics
    known = known_ratings(predictor.model, demographics, features, row_of[numbers]).of(row_of[numbers])
    prior, others = predictor.calibration.prior, others_of(predictor.sample_ratings)
    methods: dict[str, Weigh] = {
        "mix": lambda given, scores, start: mix_weights(given, scores, prior, start),
        "default": lambda given, scores, start: own_weights(given, scores, prior, start, others)[0],
    }

    people = Raters.sample(PEOPLE, JUDGING, world.constants)
    expected = Table.load(layout.measured).rows(np.array(numbers)).expected(people)
    sentences = predictor.sentences.encode([demographics_sentence(d) or "" for d in people.demographics])
    starts = np.stack([mix_start(demographics, sentence) for sentence in sentences])
    ratings = people.rate(expected, np.random.default_rng(JUDGING))
    fresh = {name: accuracies(known, ratings, ratings, starts, way, "fresh") for name, way in methods.items()}

    scenes, _ = sandbox.read_scenes(layout.scenes)
    seen = [features_of(np.asarray(Image.open(layout.image(i)).convert("RGB"))) for i in numbers]
    chosen = raters(HALVES[1])
    painted = [scenes[i] for i in numbers]
    tastes = Tastes(chosen, seen, painted).of(seen, painted)
    given = np.stack([rated(taste, np.random.default_rng((SEED, i))) for i, taste in enumerate(tastes)])
    equal = np.full((len(chosen), len(known)), 1 / len(known))
    other = {name: accuracies(known, given, tastes, equal, way, "other") for name, way in methods.items()}

    family = np.array([rater.family for rater in chosen])
    groups = {"fresh people of the sandbox": (fresh, np.ones(PEOPLE, bool))}
    groups |= {f"other kinds: {name}": (other, family == name) for name in FAMILIES}
    groups["other kinds: all"] = (other, np.ones(len(chosen), bool))
    report: dict[str, Any] = {"machine": machine()}
    for name, (found, who) in groups.items():
        report[name] = {"people": int(who.sum())}
        for i, k in enumerate(KS):
            mix, default = found["mix"][i, who], found["default"][i, who]
            rows = {"mix": shown(mix), "default": shown(default), "gain": shown(default - mix)}
            report[name][str(k)] = rows
            print(
                f"{name}, k = {k}:", {key: tuple(value.values()) for key, value in rows.items()}, flush=True
            )
    write_json(RESULTS / "other_kinds.json", report)


def accuracies(
    known: np.ndarray, ratings: np.ndarray, truth: np.ndarray, starts: np.ndarray, weigh: Weigh, who: str
) -> np.ndarray:
    """Rank correlation [ks, people] of what is predicted with the truth [people, pictures]."""
    found = np.zeros((len(KS), len(ratings)))
    for draw in range(DRAWS[who]):
        for person in range(len(ratings)):
            order = np.random.default_rng((draw, person)).permutation(known.shape[1])
            rest = order[max(KS) :]
            for i, k in enumerate(KS):
                weights = weigh(known[:, order[:k]], ratings[person, order[:k]], starts[person])
                found[i, person] += srocc(truth[person, rest], weights[:-1] @ known[:, rest]) / DRAWS[who]
    return found


if __name__ == "__main__":
    main()

"""What do pictures that someone likes teach by themselves, beside ratings?

    python benchmarks/likes_alone.py --build FOLDER

FOLDER is what `steer sandbox build` made. 100 fresh simulated people, whom no data set holds, look at 120 of
its validation paintings each. The folder of likes holds some of the quarter that they rate highest, that of
dislikes some of the quarter that they rate lowest; all of one folder get the same rating, as
`steer people import --likes` gives it. Profiles are judged on the 914 test paintings by the rank correlation
with their ratings of those, beside as many ratings of random pictures. 2 draws; people are bootstrapped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from active import ranks, rounded
from common import RESULTS, machine, write_json

from reward.evaluation.evaluate import known_ratings
from reward.people.descriptions import demographics_sentence
from reward.people.newcomer import mix_start, mix_weights
from reward.predictor.predictor import Predictor
from steer.profiles.folders import DISLIKED, LIKED
from steer.profiles.snapshot import CONTRAST
from steer.sandbox.make import dataset as sandbox
from steer.sandbox.make.build import Layout, read_features
from steer.sandbox.truth.raters import Raters
from steer.sandbox.truth.world import Table, World

PEOPLE, DRAWS, SEEN, SEED = 100, 2, 120, 900_007
KS = (10, 30)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, required=True)
    found = measure(Layout(parser.parse_args().build))
    write_json(RESULTS / "likes_alone.json", {"machine": machine(), **found})
    print(json.dumps(found, indent=1))


def measure(layout: Layout) -> dict[str, Any]:
    predictor = Predictor.load(layout.predictor)
    dataset, features, _, _ = read_features(layout, lambda done, of, figures: None)
    row_of = np.argsort([int(id) for id in dataset.image_ids])  # painting -> image of the data set
    pool, test = (np.array(sandbox.image_range(part)) for part in ("val", "test"))
    demographics, prior = predictor.tables.demographics, predictor.calibration.prior
    rows = row_of[np.concatenate([pool, test])]
    known = known_ratings(predictor.model, demographics, features, rows)
    shown, judged = known.of(row_of[pool]), known.of(row_of[test])
    sample = predictor.sample_ratings
    assert sample is not None
    people = Raters.sample(PEOPLE, SEED, World.load().constants)
    expected = [Table.load(layout.measured).rows(part).expected(people) for part in (pool, test)]
    sentences = predictor.sentences.encode([demographics_sentence(d) or "" for d in people.demographics])
    starts = [mix_start(demographics, sentence) for sentence in sentences]
    found: dict[str, np.ndarray] = {}
    for draw in range(DRAWS):
        rng = np.random.default_rng((SEED, draw))
        given = people.rate(expected[0], rng)
        truth = ranks(people.rate(expected[1], rng))
        order = rng.permutation(len(pool))
        contrast = sample[:, rng.permutation(sample.shape[1])[:CONTRAST]]
        against = contrast.mean(0).clip(1, 5)
        for person in range(PEOPLE):
            seen = order[:SEEN][np.argsort(-given[person, order[:SEEN]])]
            likes, dislikes = seen[: SEEN // 4], seen[-(SEEN // 4) :]

            def judge(name: str, columns: np.ndarray, values: np.ndarray, who: int = person) -> None:
                weights = mix_weights(columns, values, prior, starts[who])[:-1]
                right = (ranks((weights @ judged)[None]) @ truth[who])[0]  # noqa: B023 - used at once
                found.setdefault(name, np.zeros((DRAWS, PEOPLE)))[draw, who] = right  # noqa: B023

            judge("nothing but demographics", shown[:, :0], np.zeros(0))
            for k in KS:
                random = order[SEEN : SEEN + k]
                liked, disliked = (rng.permutation(each)[:k] for each in (likes, dislikes))
                high, low = np.full(k, LIKED), np.full(k, DISLIKED)
                judge(f"{k} ratings of random pictures", shown[:, random], given[person, random])
                judge(f"{k} likes, not held against anything", shown[:, liked], high)
                columns = np.concatenate([shown[:, liked], contrast], 1)
                judge(f"{k} likes", columns, np.concatenate([high, against]))
                columns = np.concatenate([shown[:, liked], shown[:, disliked]], 1)
                judge(f"{k} likes and {k} dislikes", columns, np.concatenate([high, low]))
    srocc = {name: rounded(values.mean(0)) for name, values in found.items()}
    return {"people": PEOPLE, "draws": DRAWS, "seed": SEED, "srocc": srocc}


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

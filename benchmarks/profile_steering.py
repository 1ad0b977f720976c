"""Does steering by a profile of 15 ratings give a person pictures that this person truly rates higher?

    python benchmarks/profile_steering.py --build FOLDER --out runs/profile-steering

FOLDER is what `steer sandbox build` made. 40 fresh simulated people, whom no data set holds, rate 15 of its
validation paintings each, chosen as `steer rate` chooses them from 400 (every fifth at random), into profiles
on disk. Then `steer run --user` for each, with the default settings, on the first 3 of the committed prompts
in turn; pictures of 256x256. The winner is painted on the confirmation's seeds and judged by the person's
expected rating t, averaged over those seeds, against (a) the base, (b) 5 accepted rewrites of its own run
drawn at random, (c) the winner of the same loop steered by the population. A difference below 0.05 is half a
win. Intervals are bootstraps over people. Resumable.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, clustered, machine, write_json
from steering import HALF, RANDOM

from reward.people.active import most_telling
from steer.experiments.lab import Lab, Reward, open_lab
from steer.parts import BASE_ID
from steer.profiles import Demographics, Profile, Profiles
from steer.profiles.pool import MOST
from steer.profiles.session import EVERY
from steer.record.folder import Record
from steer.sandbox.make import dataset as sandbox
from steer.sandbox.make.build import Layout, load_image
from steer.sandbox.truth.raters import Raters
from steer.sandbox.truth.world import Table, World
from steer.settings import Settings

PEOPLE, SEED = 40, 900_005  # fresh people
RATINGS = 15
PROMPTS = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/profile-steering"))
    parser.add_argument("--people", type=int, default=PEOPLE)
    args = parser.parse_args()
    bench = open_lab(args.out)
    raters = Raters.sample(PEOPLE, SEED, World.load().constants)
    profiles = rated(Layout(args.build), bench, raters, args.out / "profiles")
    prompts = bench.plan.prompts[:PROMPTS]
    rows: list[dict[str, Any]] = []
    for number, profile in enumerate(profiles[: args.people]):
        prompt = prompts[number % PROMPTS]
        reward = Reward(profile.name, bench.scorer, profile.person(bench.predictor))
        run = bench.run(reward, prompt, Settings())
        crowd = bench.run(bench.population(), prompt, Settings())
        rows.append({"person": number, "prompt": prompt, **compare(bench, raters, number, run, crowd)})
        print(json.dumps(rows[-1]), flush=True)
        write_json(
            RESULTS / "profile_steering.json", {"machine": machine(), "summary": summary(rows), "runs": rows}
        )
    print(json.dumps(summary(rows), indent=1))


def rated(layout: Layout, bench: Lab, raters: Raters, folder: Path) -> list[Profile]:
    """Everybody's profile of 15 ratings, made once."""
    profiles = Profiles(folder)
    names = [f"fresh-{number}" for number in range(PEOPLE)]
    missing = [name for name in names if name not in profiles or len(profiles.open(name).ratings) < RATINGS]
    if missing:
        print(f"rating: {len(missing)} people", flush=True)
        _, prompts = sandbox.read_scenes(layout.scenes)
        pool = np.array(sandbox.image_range("val"))
        pool = np.random.default_rng((SEED, 1)).permutation(pool)[:MOST]
        known = known_of(layout, bench, pool, prompts)
        expected = Table.load(layout.measured).rows(pool).expected(raters)
        for name in missing:
            number = names.index(name)
            rng = np.random.default_rng((SEED, 2, number))
            ratings = raters.rate(expected[[number]], rng)[0]
            told = raters.demographics[number]
            demographics = Demographics(told["age"], told["gender"], told["nationality"])
            order = chosen(bench, known, rng)
            if name in profiles:  # begun by a benchmark that was stopped
                profiles.delete(name)
            profile = profiles.create(name, demographics)
            for place, i in enumerate(order):
                profile.rate(
                    layout.image(int(pool[i])),
                    float(ratings[i]),
                    prompt=prompts[pool[i]],
                    source="sandbox",
                    held_out=place % EVERY == EVERY - 1,
                )
    return [profiles.open(name) for name in names]


def known_of(layout: Layout, bench: Lab, pool: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
    """What the known people would give the pool's pictures [known people, pictures]."""
    from PIL import Image

    columns = []
    for start in range(0, len(pool), 50):
        part = pool[start : start + 50]
        images = [Image.fromarray(load_image(layout.image(int(i)))) for i in part]
        columns.append(bench.predictor.known_ratings(images, [prompts[i] for i in part]))
    return np.concatenate(columns, 1)


def chosen(bench: Lab, known: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Which pictures of the pool someone is shown, as `steer.profiles.session` chooses them."""
    targets, prior = bench.predictor.sample_ratings, bench.predictor.calibration.prior
    assert targets is not None
    order: list[int] = []
    for number in range(RATINGS):
        left = [i for i in range(known.shape[1]) if i not in order]
        if number % EVERY == EVERY - 1:
            order.append(left[int(rng.integers(len(left)))])
        else:
            order.append(left[most_telling(known[:, left], known[:, order], targets, 1, prior)[0]])
    return order


def compare(bench: Lab, raters: Raters, number: int, run: Record, crowd: Record) -> dict[str, Any]:
    """True ratings of the winner and of what it is compared with."""
    prompt, seeds = str(run.result["prompt"]), Settings().confirm_seeds

    def true(text: str) -> float:
        return float(bench.measured([(text, seed) for seed in seeds]).expected(raters)[number].mean())

    winner = str(run.result["best"]["prompt"])
    scored = [c for c in run.candidates if c.score is not None and c.reason is None]
    rewrites = [c for c in scored if c.id != BASE_ID and c.prompt != winner]
    chance = np.random.default_rng([number, len(prompt)]).permutation(len(rewrites))[:RANDOM]
    return {
        "winner": winner,
        "winner_is_base": run.result["best"]["id"] == BASE_ID,
        "iterations": run.result["iterations"],
        "true": true(winner),
        "base": true(prompt),
        "random": [true(rewrites[i].prompt) for i in chance],
        "population": true(str(crowd.result["best"]["prompt"])),
        "predicted_gain": run.result["confirm"]["gain_mean"],
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The comparisons over all rows, intervals clustered by person."""
    people = [row["person"] for row in rows]

    def won(differences: Sequence[float], whose: Sequence[int]) -> dict[str, Any]:
        d = np.asarray(differences)
        halves = float(np.mean(np.where(np.abs(d) < HALF, 0.5, d > 0)))
        beaten = round(float((d > 0).mean()), 4)
        return {"beaten": beaten, "won": round(halves, 4), **clustered(d, whose)}

    base = [r["true"] - r["base"] for r in rows]
    chance = [r["true"] - v for r in rows for v in r["random"]]
    crowd = [r["true"] - r["population"] for r in rows]
    return {
        "people": len(rows),
        "a_base": won(base, people),
        "b_random_rewrites": won(chance, [r["person"] for r in rows for _ in r["random"]]),
        "c_population": won(crowd, people),
        "predicted_gain_mean": round(float(np.mean([r["predicted_gain"] for r in rows])), 4),
        "winner_is_base": sum(r["winner_is_base"] for r in rows),
        "iterations_mean": round(float(np.mean([r["iterations"] for r in rows])), 2),
    }


if __name__ == "__main__":
    main()

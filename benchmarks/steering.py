"""Does steering give a person images that this person truly rates higher? The sandbox knows.

    python benchmarks/steering.py --out runs/steering

20 known users drawn by a committed seed, the first 3 of the 18 committed prompts, the default
settings. The winner of each run is rendered on the confirmation's seeds and judged by the simulated
person's expected rating t, averaged over those seeds, against (a) the base, (b) 5 accepted rewrites of its
own run drawn at random, (c) the winner of the same loop steered by the population, (d) the 19 other users'
winners. A difference below 0.05 is half a win. Intervals are bootstraps over users. Resumable.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, clustered, machine, write_json

from steer.experiments.lab import Lab, open_lab
from steer.parts import BASE_ID
from steer.record.folder import Record
from steer.settings import Settings

HALF = 0.05  # rating points: a smaller difference is half a win
USERS = 20
SIZE = 512  # pixels, as `steer run` paints
RANDOM = 5  # accepted rewrites drawn at random


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/steering"))
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--prompts", type=int, default=3)
    args = parser.parse_args()
    bench = open_lab(args.out, size=SIZE)
    users = list(bench.users[: args.users])
    judge = Judge(bench)
    rows: list[dict[str, Any]] = []
    for prompt in bench.plan.prompts[: args.prompts]:
        crowd = bench.run(bench.population(), prompt, Settings())
        runs = {}
        for user in users:
            runs[user] = bench.run(bench.personal(user), prompt, Settings())
            print(prompt, user, runs[user].result["stop_reason"], runs[user].result["best"]["id"], flush=True)
        rows += compare(prompt, users, runs, crowd, judge)
        write_json(RESULTS / "steering.json", {"machine": machine(), "summary": summary(rows), "runs": rows})
    print(json.dumps(summary(rows), indent=1))


class Judge:
    """True expected ratings of prompts' pictures."""

    def __init__(self, bench: Lab) -> None:
        self.renderer = bench.renderer
        self.truth = bench.raters
        self._bench = bench

    def rate(self, prompts: Sequence[str], seeds: Sequence[int]) -> np.ndarray:
        """t [people, prompts x seeds], prompts outermost."""
        return self._bench.truth([(prompt, seed) for prompt in prompts for seed in seeds])

    def mean(self, user: str, prompt: str, seeds: Sequence[int]) -> float:
        """Expected rating of this person, averaged over seeds."""
        return float(self.rate([prompt], seeds)[self.truth.ids.index(user)].mean())


def compare(
    prompt: str, users: list[str], runs: dict[str, Record], crowd: Record, judge: Judge
) -> list[dict[str, Any]]:
    """One row a user: true ratings of the winner and of what it is compared with."""
    seeds = Settings().confirm_seeds
    seed = Settings().seed
    winners = {user: str(run.result["best"]["prompt"]) for user, run in runs.items()}
    rows = []
    for user, run in runs.items():
        scored = [c for c in run.candidates if c.score is not None and c.reason is None]
        rewrites = [c for c in scored if c.id != BASE_ID and c.prompt != winners[user]]
        chance = np.random.default_rng([int(user), len(prompt)]).permutation(len(rewrites))[:RANDOM]
        on_seed = judge.rate([c.prompt for c in scored], [seed])[judge.truth.ids.index(user)]
        best = next(i for i, c in enumerate(scored) if c.id == run.result["best"]["id"])
        subjects = [judge.renderer.scene(prompt, s).subject for s in seeds]
        kept = [judge.renderer.scene(winners[user], s).subject for s in seeds]
        rejected = [
            c for c in run.candidates if c.reason is not None and c.image is not None
        ]  # by the image gate
        false = [c for c in rejected if judge.renderer.scene(c.prompt, seed).subject == subjects[0]]
        rows.append(
            {
                "user": user,
                "prompt": prompt,
                "winner": winners[user],
                "winner_is_base": run.result["best"]["id"] == BASE_ID,
                "iterations": run.result["iterations"],
                "true": judge.mean(user, winners[user], seeds),
                "base": judge.mean(user, prompt, seeds),
                "random": [judge.mean(user, rewrites[i].prompt, seeds) for i in chance],
                "population": judge.mean(user, str(crowd.result["best"]["prompt"]), seeds),
                "others": {o: judge.mean(user, winners[o], seeds) for o in users if o != user},
                "predicted_gain": run.result["confirm"]["gain_mean"],
                "true_gain_on_seed": float(on_seed[best] - on_seed[0]),
                "attainable_gain_on_seed": float(on_seed.max() - on_seed[0]),
                "same_subject": float(np.mean([a == b for a, b in zip(subjects, kept, strict=True)])),
                "gated": len(rejected),
                "falsely_gated": len(false),
                "passed": len(scored) - 1,
            }
        )
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The comparisons over all rows, intervals clustered by user."""
    user = [row["user"] for row in rows]

    def won(differences: Sequence[float]) -> float:
        d = np.asarray(differences)
        return round(float(np.mean(np.where(np.abs(d) < HALF, 0.5, d > 0))), 4)

    base = [r["true"] - r["base"] for r in rows]
    chance = [r["true"] - v for r in rows for v in r["random"]]
    crowd = [r["true"] - r["population"] for r in rows]
    others = [r["true"] - v for r in rows for v in r["others"].values()]
    gains = np.array([[r["predicted_gain"], r["true"] - r["base"]] for r in rows])
    attainable = sum(r["attainable_gain_on_seed"] for r in rows)
    gated = sum(r["gated"] for r in rows)
    return {
        "runs": len(rows),
        "a_base": {"won": won(base), **clustered(base, user)},
        "b_random_rewrites": {
            "won": won(chance),
            **clustered(chance, [r["user"] for r in rows for _ in r["random"]]),
        },
        "c_population": {"won": won(crowd), **clustered(crowd, user)},
        "d_other_users": {
            "won": won(others),
            "pairs": len(others),
            **clustered(others, [r["user"] for r in rows for _ in r["others"]]),
        },
        "predicted_gain_mean": round(float(gains[:, 0].mean()), 4),
        "true_gain_mean": round(float(gains[:, 1].mean()), 4),
        "predicted_true_correlation": round(float(np.corrcoef(gains.T)[0, 1]), 4) if len(rows) > 2 else None,
        "share_of_attainable_gain": round(sum(r["true_gain_on_seed"] for r in rows) / attainable, 4),
        "same_subject": round(float(np.mean([r["same_subject"] == 1 for r in rows])), 4),
        "winner_is_base": sum(r["winner_is_base"] for r in rows),
        "image_gate": {
            "rejected": gated,
            "of": gated + sum(r["passed"] for r in rows),
            "falsely": sum(r["falsely_gated"] for r in rows),
        },
        "iterations_mean": round(float(np.mean([r["iterations"] for r in rows])), 2),
    }


if __name__ == "__main__":
    main()

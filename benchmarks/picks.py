"""Does choosing inside the search save renders? Ten simulated people who choose as their truth says.

    python benchmarks/picks.py --out runs/picks                          # 10 people x 4 prompts, 5 x 20
    python benchmarks/picks.py --out runs/picks --users 2 --prompts 1 --iterations 2 --proposals 4

Each person searches twice from the same seeds: without choosing, and choosing after every round. Then they
look at the round's pictures as shown (image seed 0, no figure but their own true expected rating, to which a
trial's noise is added) and heart up to two that they like better than what they have hearted before, bury the
worst quarter, and ask for more like the best. A winner is judged by the true expected rating, mean of the 4
confirmation seeds, less the base's. Told are the mean gain after each round, and how many renders the runs
with choices needed for the gain that those without ended with, with 95% intervals that draw whole people.

Runs, pictures and measurements are kept in --out: it can be stopped and started at any time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, clustered, machine, write_json

from steer.experiments.lab import Lab, open_lab
from steer.loop.run import Run
from steer.record.events import IterationDone, Rated, Rejected, Rendered
from steer.record.files import slug
from steer.record.folder import Record
from steer.record.picks import Pick, Picks
from steer.settings import Settings

SEEDS = Settings().confirm_seeds
NOISE = 0.5  # standard deviation of one trial, in rating points; about the sandbox's own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--proposals", type=int, default=20)
    parser.add_argument("--results", type=Path, default=RESULTS / "picks.json")
    asked = parser.parse_args()
    lab = open_lab(asked.out)
    prompts = [p for p in lab.plan.prompts if p not in lab.plan.unknown][: asked.prompts]
    settings = Settings(
        iterations=asked.iterations, proposals=asked.proposals, patience=0, confirm=0, seed=0
    )  # every round is made, so that curves have the same length
    people = lab.users[: asked.users]
    rows: list[dict[str, Any]] = []
    for prompt in prompts:
        for user in people:
            free = course(lab, lab.run(lab.personal(user), prompt, settings), prompt, user)
            chosen = course(lab, picked(lab, user, prompt, settings), prompt, user)
            rows.append({"user": user, "prompt": prompt, "free": free, "chosen": chosen})
            print(user, prompt, free[-1], chosen[-1], flush=True)
            write_json(asked.results, report(rows, settings))
    print(json.dumps(report(rows, settings)["summary"], indent=1))


def picked(lab: Lab, user: str, prompt: str, settings: Settings) -> Record:
    """The run of someone who chooses after every round; found, resumed or made."""
    reward = lab.personal(user)
    out = lab.folder / "picked" / f"{settings.iterations}x{settings.proposals}"
    name = f"{slug(user)}-{slug(prompt)}"
    if (out / name / "config.json").exists():
        run = Run.resume(out / name, reward.person, lab.parts(reward))
    else:
        run = Run.start(prompt, reward.person, lab.parts(reward), settings, out, name=name)
    for event in run:
        if isinstance(event, IterationDone):
            choose(lab, Record.read(run.folder), event.iteration, user, settings)
    return Record.read(run.folder)


def choose(lab: Lab, record: Record, iteration: int, user: str, settings: Settings) -> None:
    """What this person makes of a round. The same again after a kill: keys and noise follow from names."""
    picks = Picks(record.folder)
    lost = {e.id for e in record.events if isinstance(e, Rejected)}
    scored = {e.id for e in record.events if isinstance(e, Rated)} - lost
    prompts = {e.id: e.prompt for e in record.events if isinstance(e, Rendered) and e.id in scored}
    rating = felt(lab, prompts, user, settings)
    new = [id for id in prompts if id.startswith(f"r{iteration:02}")]
    before = [rating[p.picture] for p in picks.read() if p.pick == "heart" and p.picture in rating]
    least = max([rating[id] for id in prompts if id == "r00c00"] + before)
    ranked = sorted(new, key=lambda id: -rating[id])
    hearts = [id for id in ranked[:2] if rating[id] > least]
    buries = ranked[len(ranked) - len(ranked) // 4 :]
    given = [("heart", id) for id in hearts] + [("bury", id) for id in buries if id not in hearts]
    for pick, id in [*given, *(("more", id) for id in hearts[:1])]:
        picks.give(Pick(key=f"{pick}-{id}", pick=pick, picture=id))  # type: ignore[arg-type]


def felt(lab: Lab, prompts: dict[str, str], user: str, settings: Settings) -> dict[str, float]:
    """How each picture strikes this person: their expected rating and the noise of one look."""
    row = [str(id) for id in lab.raters.ids].index(user)
    t = lab.truth([(prompt, settings.seed) for prompt in prompts.values()])[row]
    noise = [np.random.default_rng(hash_of(user, prompt)).normal(0, NOISE) for prompt in prompts.values()]
    return dict(zip(prompts, map(float, t + noise), strict=True))


def hash_of(*texts: str) -> int:
    return int.from_bytes(hashlib.sha256("\n".join(texts).encode()).digest()[:6], "big")


def course(lab: Lab, record: Record, prompt: str, user: str) -> list[tuple[int, float]]:
    """(renders so far, true gain of what would win) after each round, and at the end."""
    row = [str(id) for id in lab.raters.ids].index(user)
    steps: list[tuple[int, str]] = []
    renders, prompts = 0, {}
    for event in record.events:
        if isinstance(event, Rendered):
            renders += 1
            prompts[event.id] = event.prompt
        elif isinstance(event, IterationDone):
            steps.append((renders, prompts[event.best]))
    steps.append((renders, str(record.result["best"]["prompt"])))
    wanted = list(dict.fromkeys([prompt, *(text for _, text in steps)]))
    t = lab.truth([(text, seed) for text in wanted for seed in SEEDS])[row]
    mean = dict(zip(wanted, t.reshape(len(wanted), len(SEEDS)).mean(1), strict=True))
    return [(n, round(float(mean[text] - mean[prompt]), 4)) for n, text in steps]


def report(rows: Sequence[dict[str, Any]], settings: Settings) -> dict[str, Any]:
    """Gains by round, and renders to the gain that nobody's choosing ended with."""
    users = np.array([row["user"] for row in rows])
    gains = {arm: np.array([[g for _, g in row[arm]] for row in rows]) for arm in ("free", "chosen")}
    renders = np.array([[n for n, _ in row["free"]] for row in rows]).mean(0)
    rng, names = np.random.default_rng(0), np.unique(users)
    shares = []
    for _ in range(2000):
        drawn = np.concatenate([np.flatnonzero(users == name) for name in rng.choice(names, len(names))])
        shares.append(share(gains["free"][drawn].mean(0), gains["chosen"][drawn].mean(0), renders))
    found = share(gains["free"].mean(0), gains["chosen"].mean(0), renders)
    return {
        "machine": machine(),
        "people": len(names),
        "prompts": len({row["prompt"] for row in rows}),
        "settings": settings.to_json(),
        "renders": [round(float(n), 1) for n in renders],
        "summary": {
            **{arm: [clustered(column, users) for column in table.T] for arm, table in gains.items()},
            "share_of_renders_to_the_same_gain": {
                "mean": round(found, 3),
                "low": round(float(np.quantile(shares, 0.025)), 3),
                "high": round(float(np.quantile(shares, 0.975)), 3),
            },
        },
        "rows": rows,
    }


def share(free: np.ndarray, chosen: np.ndarray, renders: np.ndarray) -> float:
    """Of the renders without choices, how many those with choices need; linear between rounds, 1 if never."""
    goal, last, before = free[-1], 0.0, 1.0
    for gain, count in zip(chosen, renders, strict=True):
        if gain >= goal:
            part = 1.0 if gain == last else (goal - last) / (gain - last)
            return float(min(1.0, (before + max(0.0, part) * (count - before)) / renders[-1]))
        last, before = float(gain), float(count)
    return 1.0


if __name__ == "__main__":
    main()

"""Does choosing inside the search save renders? Ten simulated people who choose as their truth says.

    python benchmarks/picks.py --out runs/picks                          # 10 people x 4 prompts, 5 x 20
    python benchmarks/picks.py --out runs/picks --noise 0.5              # the same people, of changing moods
    python benchmarks/picks.py --out runs/picks --users 2 --prompts 1 --iterations 2 --proposals 4

Each person searches twice from the same seeds: without choosing, and choosing after every round. Then they
look at the round's pictures as shown (image seed 0, no figure but their own true expected rating, to which
the noise of one look may be added), heart up to two that they like better than what they have hearted before,
bury the worst quarter, and ask for more like the best. What would win after a round is the best picture by
then, its hearts and buries counted, and is judged by the true expected rating, mean of the 4 confirmation
seeds, less the base's. Told are the mean gain after each round and after the finals, and how many of the
rounds' renders the runs with choices needed for the gain that those without had at the end of their rounds;
beside it how many those without needed for it themselves, which is less than all where the last rounds add
nothing. Intervals of 95% draw whole people.

Runs, pictures and measurements are kept in --out: it can be stopped and started at any time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, clustered, machine, write_json

from steer.experiments.lab import Lab, Reward, open_lab
from steer.loop.run import Run
from steer.record.events import Event, IterationDone, Rated, Rejected, Rendered
from steer.record.files import slug
from steer.record.folder import Record
from steer.record.picks import HEART, Pick, Picks
from steer.settings import Settings

SEEDS = Settings().confirm_seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--proposals", type=int, default=20)
    parser.add_argument("--noise", type=float, help="standard deviation of one look, in points", default=0.0)
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
            chosen = course(lab, picked(lab, user, prompt, settings, asked.noise), prompt, user)
            rows.append({"user": user, "prompt": prompt, "free": free, "chosen": chosen})
            print(user, prompt, free[-1], chosen[-1], flush=True)
            write_json(asked.results, report(rows, settings, asked.noise))
    print(json.dumps(report(rows, settings, asked.noise)["summary"], indent=1))


def picked(lab: Lab, user: str, prompt: str, settings: Settings, noise: float) -> Record:
    """The run of someone who chooses after every round; found, resumed or made."""
    row = [str(id) for id in lab.raters.ids].index(user)
    folder = lab.folder / "picked" / f"{settings.iterations}x{settings.proposals}-{noise:g}"

    def feel(prompts: Sequence[str]) -> np.ndarray:
        """Expected rating and the noise of one look."""
        t = lab.truth([(prompt, settings.seed) for prompt in prompts])[row]
        return t + [np.random.default_rng(hash_of(user, prompt)).normal(0, noise) for prompt in prompts]

    return choosing(lab, lab.personal(user), prompt, settings, folder / f"{slug(user)}-{slug(prompt)}", feel)


def choosing(
    lab: Lab,
    reward: Reward,
    prompt: str,
    settings: Settings,
    folder: Path,
    feel: Callable[[Sequence[str]], np.ndarray],
) -> Record:
    """A run in which someone chooses after every round; `feel` tells how pictures strike them, by prompt."""
    if (folder / "config.json").exists():
        run = Run.resume(folder, reward.person, lab.parts(reward))
    else:
        run = Run.start(prompt, reward.person, lab.parts(reward), settings, folder.parent, name=folder.name)
    for event in run:
        if isinstance(event, IterationDone):
            choose(Record.read(run.folder), event.iteration, feel)
    return Record.read(run.folder)


def choose(record: Record, iteration: int, feel: Callable[[Sequence[str]], np.ndarray]) -> None:
    """What this person makes of a round. The same again after a kill: keys and noise follow from names."""
    picks = Picks(record.folder)
    lost = {e.id for e in record.events if isinstance(e, Rejected)}
    scored = {e.id for e in record.events if isinstance(e, Rated)} - lost
    prompts = {e.id: e.prompt for e in record.events if isinstance(e, Rendered) and e.id in scored}
    rating = dict(zip(prompts, map(float, feel(list(prompts.values()))), strict=True))
    new = [id for id in prompts if id.startswith(f"r{iteration:02}")]
    before = [rating[p.picture] for p in picks.read() if p.pick == "heart" and p.picture in rating]
    least = max([rating[id] for id in prompts if id == "r00c00"] + before)
    ranked = sorted(new, key=lambda id: -rating[id])
    hearts = [id for id in ranked[:2] if rating[id] > least]
    buries = ranked[len(ranked) - len(ranked) // 4 :]
    given = [("heart", id) for id in hearts] + [("bury", id) for id in buries if id not in hearts]
    for pick, id in [*given, *(("more", id) for id in hearts[:1])]:
        picks.give(Pick(key=f"{pick}-{id}", pick=pick, picture=id))  # type: ignore[arg-type]


def hash_of(*texts: str) -> int:
    return int.from_bytes(hashlib.sha256("\n".join(texts).encode()).digest()[:6], "big")


def course(lab: Lab, record: Record, prompt: str, user: str) -> list[tuple[int, float]]:
    """(renders so far, true gain of what would win) after each round, and at the end."""
    row = [str(id) for id in lab.raters.ids].index(user)
    steps = winners(record.events, Picks(record.folder).read())
    steps.append((sum(isinstance(e, Rendered) for e in record.events), str(record.result["best"]["prompt"])))
    wanted = list(dict.fromkeys([prompt, *(text for _, text in steps)]))
    t = lab.truth([(text, seed) for text in wanted for seed in SEEDS])[row]
    mean = dict(zip(wanted, t.reshape(len(wanted), len(SEEDS)).mean(1), strict=True))
    return [(n, round(float(mean[text] - mean[prompt]), 4)) for n, text in steps]


def winners(events: Sequence[Event], picks: Sequence[Pick]) -> list[tuple[int, str]]:
    """(renders so far, prompt that would win) after each round, with what was chosen by then.

    Every pick is of a picture of the round after which it was given.
    """
    hearted = {pick.picture for pick in picks if pick.pick == "heart"}
    buried = {pick.picture for pick in picks if pick.pick == "bury"}
    found: list[tuple[int, str]] = []
    renders, prompts, worth = 0, {}, {}
    for event in events:
        if isinstance(event, Rendered):
            renders += 1
            prompts[event.id] = event.prompt
        elif isinstance(event, Rated):
            worth[event.id] = event.score + HEART * (event.id in hearted)
        elif isinstance(event, Rejected):
            worth.pop(event.id, None)
        elif isinstance(event, IterationDone):
            found.append((renders, prompts[max(worth.keys() - buried, key=lambda id: worth[id])]))
    return found


def report(rows: Sequence[dict[str, Any]], settings: Settings, noise: float) -> dict[str, Any]:
    """Gains by round, and the share of renders to the gain that the free had after all rounds."""
    users = np.array([row["user"] for row in rows])
    gains = {arm: np.array([[g for _, g in row[arm]] for row in rows]) for arm in ("free", "chosen")}
    renders = np.array([[n for n, _ in row["free"]] for row in rows]).mean(0)
    rng, names = np.random.default_rng(0), np.unique(users)
    drawn = [
        np.concatenate([np.flatnonzero(users == name) for name in rng.choice(names, len(names))])
        for _ in range(2000)
    ]

    def told(arm: str) -> dict[str, float]:
        def of(some: np.ndarray) -> float:
            return share(gains["free"][some, :-1].mean(0), gains[arm][some, :-1].mean(0), renders[:-1])

        low, high = np.quantile([of(some) for some in drawn], (0.025, 0.975))
        return {"mean": round(of(np.arange(len(users))), 3), "low": round(low, 3), "high": round(high, 3)}

    return {
        "machine": machine(),
        "people": len(names),
        "prompts": len({row["prompt"] for row in rows}),
        "settings": settings.to_json(),
        "noise": noise,
        "renders": [round(float(n), 1) for n in renders],
        "summary": {
            **{arm: [clustered(column, users) for column in table.T] for arm, table in gains.items()},
            "chosen_less_free": [clustered(column, users) for column in (gains["chosen"] - gains["free"]).T],
            "share_of_renders_to_the_same_gain": {arm: told(arm) for arm in gains},
        },
        "rows": rows,
    }


def share(free: np.ndarray, some: np.ndarray, renders: np.ndarray) -> float:
    """Of all renders, how many `some` needs for the gain that `free` ends with; 1 if never.

    Linear between rounds, from the base on, which gains nothing.
    """
    gains, counts = np.concatenate([[0.0], some]), np.concatenate([[1.0], renders])
    goal = free[-1]
    if goal <= 0:
        return float(1 / renders[-1])  # the base itself
    for before, gain, first, last in zip(gains, gains[1:], counts, counts[1:], strict=False):
        if gain >= goal:  # and before < goal
            return float((first + (goal - before) / (gain - before) * (last - first)) / renders[-1])
    return 1.0


if __name__ == "__main__":
    main()

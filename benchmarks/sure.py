"""How sure a run may be of its winner, and whether that helps to choose one. The sandbox knows.

    python benchmarks/sure.py --out runs/sure

40 known people, 4 prompts, 60 rewrites of each by looks that were drawn at random. As in a run, the best four
on the search's seed are judged again on the finals' seeds and the best mean wins; then base and winner are
painted on the confirmation's. How often does a pair of ratings of such pictures lie in the run's range
(`steer.loop.confirm.gain_range`)? And would caution choose better: finalists, or the winner alone, by the
score less c standard deviations of what the model is unsure of (`Predictor.interval` without the person's own
noise, which is the same for every picture)? Intervals draw people.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from common import RESULTS, clustered, machine, write_json

from reward.people.known import Z80
from steer.experiments.lab import open_lab
from steer.gates.looks import draw_looks, looks, with_look
from steer.settings import Settings

PROMPTS = (
    "floating mossy rocks",
    "a wooden boat on a quiet lake",
    "a lighthouse on a cliff",
    "an old cabin in the forest",
)
PEOPLE, REWRITES, FINALISTS = 40, 60, 4
CAUTIONS = (0.5, 1.0, 2.0)
FINALS = 1 + len(Settings().final_seeds)  # so many scores stand behind a winner


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/sure"))
    lab = open_lab(parser.parse_args().out)
    settings, predictor = Settings(), lab.predictor
    seeds = (settings.seed, *settings.final_seeds, *settings.confirm_seeds)
    errors, rng = predictor.calibration.errors, np.random.default_rng(0)
    noise = lab.raters.world.constants.noise
    ids = [person.id for person in predictor.people]
    found: dict[str, list[float]] = defaultdict(list)
    whose: list[str] = []
    drawn = draw_looks(looks(), REWRITES - 1, random.Random(5))
    for prompt in PROMPTS:
        pool = [prompt, *(with_look(prompt, look) for look in drawn)]
        pairs = [(text, seed) for seed in seeds for text in pool]
        images, t = lab.images(pairs), lab.truth(pairs)
        with torch.inference_mode():
            content = predictor._content(images, [prompt] * len(images))
        for user in lab.users[:PEOPLE]:
            person = predictor.person(user)
            shape = (len(seeds), len(pool))
            scores = np.array(predictor.score(images, prompt, person)).reshape(shape)
            unsure = np.sqrt(predictor._unsure(content, person)).reshape(shape)
            true = t[lab.raters.ids.index(user)].reshape(shape)
            given = np.clip(true + noise * rng.standard_normal(shape), 1, 5)
            spread = Z80 * errors.widened * np.sqrt(errors.known[ids.index(user)] ** 2 + unsure**2)

            plain = won(scores, best(scores))
            half = np.sqrt(np.mean(spread[FINALS:, [0, plain]] ** 2) * 2)
            inside = np.abs(gain(given, plain) - gain(scores, plain).mean()) <= half
            whose.append(user)
            found["ratings of base and winner inside the range of 80%"].append(inside.mean())
            found["half of the range"].append(half)
            found["predicted gain"].append(gain(scores, plain).mean())
            found["true gain"].append(gain(true, plain).mean())
            for c in CAUTIONS:
                careful = scores - c * unsure
                for name, one in (
                    ("finalists and winner", won(careful, best(careful))),
                    ("winner", won(careful, best(scores))),
                ):
                    less = gain(true, one).mean() - gain(true, plain).mean()
                    found[f"true gain of {name} by caution {c:g}, less that by the score"].append(less)
            about = np.corrcoef(np.abs(true - scores).ravel(), unsure.ravel())[0, 1]
            found["correlation of what the model is unsure of and its error"].append(about)
    figures = {name: clustered(values, whose) for name, values in found.items()}
    write_json(RESULTS / "sure.json", {"machine": machine(), "people": PEOPLE, "figures": figures})
    for name, value in figures.items():
        print(f"{name}: {value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]")


def gain(values: np.ndarray, one: int) -> np.ndarray:
    """Of one rewrite over the base, on each of the confirmation's seeds; values [seeds, rewrites]."""
    return values[FINALS:, one] - values[FINALS:, 0]


def best(by: np.ndarray) -> np.ndarray:
    """The finalists: the highest on the search's seed, which is the first."""
    return np.argsort(-by[0], kind="stable")[:FINALISTS]


def won(by: np.ndarray, few: np.ndarray) -> int:
    """The finalist with the best mean over the search's seed and those of the finals."""
    return int(few[np.argmax(by[:FINALS, few].mean(0))])


if __name__ == "__main__":
    main()

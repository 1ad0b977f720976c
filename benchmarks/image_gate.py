"""The image gate against the sandbox's scene records: looks falsely rejected, other subjects caught.

    python benchmarks/image_gate.py [--out reproduce/gate]

Each of 18 prompts, one for each subject of the painter, is rendered in 48 looks (every style under every
light, one more choice of palette, weather or angle, seeds 0 and two others; words of the painter's lexicon)
and in 24 looks of the bank. Gates are calibrated on other pictures: looks of the bank on seed 0, as the first
iteration of a run has them, or the base prompt's renders on 4 seeds. False rejections are of the prompt's own
pictures, catches of the 17 other prompts' pictures on the same list. One half of the prompts chose the rule,
the other half is reported beside it.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, clustered, machine, write_json

from steer.experiments.lab import Lab, open_lab
from steer.gates.image import MISTAKEN, ImageGate
from steer.gates.looks import draw_looks, looks, with_look
from steer.sandbox.read.lexicon import VALUES
from steer.settings import Settings

PROMPTS = (
    "floating mossy rocks", "a wooden boat on a quiet lake", "an old lighthouse", "a lone tree in a field",
    "a red sports car", "a bowl of fruit", "a cottage in the hills", "a snowy mountain", "a deer",
    "a woman in a long coat", "a vase of flowers", "a glowing lantern", "a modern city by the sea",
    "an ancient stone arch", "giant mushrooms in a forest", "a blue crystal", "a marble statue",
    "a single red rose",
)  # fmt: skip
CHOSEN_ON, REPORTED = PROMPTS[::2], PROMPTS[1::2]
STRONG = ("medium", "light", "palette", "view")  # sections of the bank
# Everyday things, for a prompt's similarity less that to others.
NOUNS = (
    "dog", "cat", "horse", "bird", "fish", "cow", "elephant", "butterfly", "man", "child", "crowd",
    "grass", "forest", "hill", "river", "sea", "beach", "island", "desert", "cloud", "moon", "church",
    "bridge", "street", "room", "door", "window", "stairs", "table", "chair", "bed", "book", "clock",
    "mirror", "bottle", "cup", "plate", "knife", "bread", "cake", "egg", "coat", "hat", "shoe", "ring",
    "mask", "doll", "truck", "bus", "train", "bicycle", "ship", "airplane", "wheel", "robot", "computer",
    "telephone", "camera", "guitar", "piano", "drum", "ball", "kite", "flag", "sword", "hammer", "rope",
    "box", "tent", "bone", "skull", "fire", "candle", "shell", "feather",
)  # fmt: skip
Rule = Callable[[str, np.ndarray, np.ndarray], "tuple[np.ndarray, float]"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("reproduce/gate"))
    lab = open_lab(parser.parse_args().out)
    grid = {prompt: pictures(lab, prompt) for prompt in PROMPTS}
    encoder = lab.predictor.encoder
    texts = dict(zip(PROMPTS, encoder.texts(PROMPTS), strict=True))
    rows = [row(name, rule, grid, texts) for name, rule in rules(encoder.texts(NOUNS), grid, texts)]
    for each in rows:
        figures = "  ".join(
            f"{half} {each[half]['rejected']['mean']:.3f} {each[half]['caught']['mean']:.3f}"
            for half in ("chosen_on", "reported")
        )
        print(f"{each['rule']:58s} {figures}")
    write_json(RESULTS / "image_gate.json", {"machine": machine(), "mistaken": MISTAKEN, "rows": rows})


def pictures(lab: Lab, prompt: str) -> dict[str, np.ndarray]:
    """Embeddings of one prompt's pictures, by what they are for."""
    rng, k = random.Random(prompt), PROMPTS.index(prompt)
    asked: dict[str, list[tuple[str, int]]] = {
        "base": [(prompt, 0)],
        "base seeds": [(prompt, seed) for seed in Settings().gate_seeds],
        "looks": [(with_look(prompt, look), 0) for look in draw_looks(looks(), 20, random.Random(200 + k))],
        "strong": [
            (with_look(prompt, look), 0)
            for look in draw_looks({name: looks()[name] for name in STRONG}, 20, random.Random(100 + k))
        ],
        "bank": [(with_look(prompt, look), 0) for look in draw_looks(looks(), 24, random.Random(99))],
        "lexicon": [
            (with_look(prompt, [*(rng.choice(words) for words in (style, light)), other(rng)]), seed)
            for style in VALUES["style"].values()
            for light in VALUES["lighting"].values()
            for seed in [rng.choice((0, 0, 11, 12))]
        ],
    }
    subject = lab.renderer.scene(prompt, 0).subject
    assert all(lab.renderer.scene(*pair).subject == subject for pairs in asked.values() for pair in pairs)
    return {name: lab.predictor.image_features(lab.images(pairs)) for name, pairs in asked.items()}


def other(rng: random.Random) -> str:
    """A palette, weather or angle in the lexicon's words."""
    values = VALUES[rng.choice(("palette", "weather", "angle"))]
    return rng.choice(values[rng.choice(list(values))])


def rules(nouns: np.ndarray, grid: Any, texts: Any) -> list[tuple[str, Rule]]:
    """Each takes a prompt, its text and pictures: how like they are, and the threshold."""

    def raw(text: np.ndarray, images: np.ndarray) -> np.ndarray:
        return np.asarray(images @ text)

    def contrast(text: np.ndarray, images: np.ndarray) -> np.ndarray:
        others = images @ nouns.T
        return np.asarray((images @ text - others.mean(1)) / others.std(1))

    def by_looks(kind: str, n: int, see: Any = raw, mistaken: float = MISTAKEN) -> Rule:
        def rule(prompt: str, text: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, float]:
            shown = see(text, np.concatenate([grid[prompt]["base"], grid[prompt][kind][:n]]))
            return see(text, images), float(ImageGate.calibrate(list(map(float, shown)), mistaken).threshold)

        return rule

    def by_base(see: Any) -> Rule:
        def rule(prompt: str, text: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, float]:
            shown = see(text, grid[prompt]["base seeds"])
            return see(text, images), float(ImageGate.calibrate_paper(list(map(float, shown)), 2).threshold)

        return rule

    def with_pictures(kind: str, n: int) -> Rule:
        """Similarity to the text and to the calibration's own mean, each in its own spread, summed."""

        def rule(prompt: str, text: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, float]:
            shown = np.concatenate([grid[prompt]["base"], grid[prompt][kind][:n]])
            rest = [unit(np.delete(shown, i, 0).mean(0)) for i in range(len(shown))]
            to_text, to_rest = shown @ text, np.array([a @ b for a, b in zip(shown, rest, strict=True)])

            def standard(values: np.ndarray, of: np.ndarray) -> np.ndarray:
                return (values - of.mean()) / of.std(ddof=1)

            limit = ImageGate.calibrate(list(standard(to_text, to_text) + standard(to_rest, to_rest)))
            centre = unit(shown.mean(0))
            seen = standard(images @ text, to_text) + standard(images @ centre, to_rest)
            return seen, float(limit.threshold or 0)

        return rule

    own = np.concatenate([grid[p]["lexicon"] @ texts[p] for p in CHOSEN_ON])
    single = float(np.quantile(own, 0.05))
    return [
        ("base prompt on 4 seeds, mean - 2 sd (before)", by_base(raw)),
        ("one similarity for all prompts, 5% on the first half", lambda _, t, x: (x @ t, single)),
        *((f"base and {n} looks of the bank", by_looks("looks", n)) for n in (4, 7, 12, 20)),
        *((f"base and {n} looks: medium, light, palette, view", by_looks("strong", n)) for n in (7, 12, 20)),
        *(
            (f"base and 20 looks of the bank, {m:.0%} nominal", by_looks("looks", 20, raw, m))
            for m in (0.05, 0.03, 0.02)
        ),
        ("base and 20 looks, less similarity to 75 nouns (z)", by_looks("looks", 20, contrast)),
        ("base and 20 looks, text and calibration pictures", with_pictures("looks", 20)),
        ("base and 7 looks, text and calibration pictures", with_pictures("looks", 7)),
    ]


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


def row(name: str, rule: Any, grid: Any, texts: Any) -> dict[str, Any]:
    """False rejections and catches over the lexicon's looks, and of the bank's, by half of the prompts."""
    found: dict[str, Any] = {"rule": name}
    for half, prompts in (("chosen_on", CHOSEN_ON), ("reported", REPORTED)):
        figures: dict[str, tuple[list[float], list[str]]] = {}
        for prompt in prompts:
            for tag, kind in (("", "lexicon"), ("_bank", "bank")):
                own = grid[prompt][kind]
                others = np.concatenate([grid[p][kind] for p in PROMPTS if p != prompt])
                for what, images in (("rejected", own), ("caught", others)):
                    seen, threshold = rule(prompt, texts[prompt], images)
                    values, clusters = figures.setdefault(what + tag, ([], []))
                    values.extend((seen < threshold).astype(float))
                    clusters.extend([prompt] * len(images))
        found[half] = {what: clustered(*each) for what, each in figures.items()}
    return found


if __name__ == "__main__":
    main()

"""What the sandbox's encoder carries: python benchmarks/encoder.py [--encoder FOLDER] [--paintings FOLDER]

On paintings that the encoder never saw: each of the painter's settings read off the frozen image embedding by
ridge regression, metadata inferred without training, and captions found for paintings. The paintings are kept
in a folder and painted first if they are not there (about four minutes on two cores).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import spearmanr

import steer
from reward.encoders.image_text import ImageTextEncoder
from reward.people.descriptions import MetadataVocabulary
from steer.sandbox.make.encoder_pairs import HELD_OUT, Pairs, build_pairs
from steer.sandbox.paint.painter import paint
from steer.sandbox.read.captions import caption, subject_phrase
from steer.sandbox.scene import FIELDS, Scene

NUMERIC = (
    "saturation",
    "contrast",
    "brightness",
    "warmth",
    "detail",
    "dof",
    "haze",
    "distance",
    "place",
    "strength",
)
CATEGORICAL = tuple(f for f in FIELDS if f not in {*NUMERIC, "seed"})
FIT, TEST = 1200, 600


def ridge(x: np.ndarray, y: np.ndarray, x_new: np.ndarray) -> np.ndarray:
    """Predictions [m, k] of ridge regression; the penalty has the least leave-one-out error."""
    mean, target = x.mean(0), y.mean(0)
    u, s, vt = np.linalg.svd(x - mean, full_matrices=False)
    best = None
    for penalty in np.geomspace(1e-4, 10, 16):
        shrunk = s**2 / (s**2 + penalty)
        fitted = u * shrunk @ (u.T @ (y - target))
        error = (((y - target - fitted) / (1 - (u**2 @ shrunk) - 1 / len(x))[:, None]) ** 2).mean()
        if best is None or error < best[0]:
            best = error, penalty
    assert best is not None
    weights = vt.T @ ((s / (s**2 + best[1]))[:, None] * (u.T @ (y - target)))
    return (x_new - mean) @ weights + target


def read_out(x: np.ndarray, scenes: tuple[Scene, ...]) -> list[str]:
    """One line a setting: R² and Spearman of numbers, accuracy of choices, all on the last TEST paintings."""
    lines = []
    for name in (*NUMERIC, "realism"):
        y = np.array([getattr(scene, name) for scene in scenes])
        predicted = ridge(x[:-TEST], y[:-TEST, None], x[-TEST:])[:, 0]
        truth = y[-TEST:]
        r2 = 1 - ((truth - predicted) ** 2).mean() / truth.var()
        lines.append(f"| {name} | R² {r2:.2f} | ρ {spearmanr(truth, predicted).statistic:.2f} | |")
    for name in CATEGORICAL:
        y = np.array([str(getattr(scene, name)) for scene in scenes])
        values = np.unique(y[:-TEST])
        one_hot = (y[:-TEST, None] == values).astype(float)
        guessed = values[ridge(x[:-TEST], one_hot, x[-TEST:]).argmax(1)]
        most = np.mean(y[-TEST:] == values[one_hot.sum(0).argmax()])
        lines.append(f"| {name} | accuracy {np.mean(guessed == y[-TEST:]):.2f} | | commonest {most:.2f} |")
    return lines


def metadata(encoder: ImageTextEncoder, x: np.ndarray, scenes: tuple[Scene, ...]) -> list[str]:
    """Accuracy of group, type and style as the predictor infers them, without training."""
    rows = [scene.metadata("") for scene in scenes]
    vocabulary = MetadataVocabulary.of(rows)
    combinations = vocabulary.combinations()
    inferred = [combinations[i] for i in vocabulary.infer(x, encoder.texts(vocabulary.queries()))]
    lines = []
    for field in ("group", "type", "style"):
        right = np.mean([found[field] == row[field] for found, row in zip(inferred, rows, strict=True)])
        lines.append(f"| {field}, zero-shot | accuracy {right:.2f} | | |")
    return lines


def retrieval(encoder: ImageTextEncoder, x: np.ndarray, scenes: tuple[Scene, ...]) -> list[str]:
    """Share of paintings whose own text is the nearest among those of 100 paintings."""
    rng, lines = np.random.default_rng(0), []
    for name, texts in (
        ("caption", [caption(scene, rng) for scene in scenes]),
        ("bare subject", [subject_phrase(scene) for scene in scenes]),
    ):
        vectors, found = encoder.texts(texts), []
        for start in range(0, len(scenes) - 99, 100):
            nearest = (x[start : start + 100] @ vectors[start : start + 100].T).argmax(1)
            found += [texts[start + i] == texts[start + j] for i, j in enumerate(nearest)]
        lines.append(f"| {name} found among 100 | accuracy {np.mean(found):.2f} | | |")
    return lines


def sizes(encoder: ImageTextEncoder, scenes: tuple[Scene, ...], x: np.ndarray) -> str:
    """Pairs are painted small, runs at 512 pixels: how near the two embeddings of one scene are."""
    large = encoder.images([Image.fromarray(paint(scene, 512)) for scene in scenes])
    same, other = (large * x).sum(1).mean(), (large * np.roll(x, 1, 0)).sum(1).mean()
    return f"| cosine, painted at 512 | same scene {same:.3f} | another {other:.3f} | |"


def main() -> None:
    weights = Path(steer.__file__).parent / "sandbox" / "weights" / "encoder"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", type=Path, default=weights)
    parser.add_argument(
        "--paintings", type=Path, default=Path(tempfile.gettempdir()) / "steer-encoder-held-out"
    )
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    for progress in build_pairs(arguments.paintings, FIT + TEST, 192, arguments.workers, first=HELD_OUT):
        print(f"\r{progress.done} of {progress.total} paintings", end="", flush=True)
    held_out, encoder = Pairs.open(arguments.paintings), ImageTextEncoder.load(arguments.encoder)
    x = encoder.images([Image.fromarray(image) for image in held_out.images(range(len(held_out)))])
    scenes, test = held_out.scenes, held_out.scenes[-TEST:]
    print(f"\n\nEncoder {encoder.hash[:12]}, {FIT} paintings to fit, {TEST} to test\n")
    lines = [
        "| | | | |",
        "|---|---|---|---|",
        *read_out(x, scenes),
        *metadata(encoder, x[-TEST:], test),
        *retrieval(encoder, x[-TEST:], test),
    ]
    print("\n".join([*lines, sizes(encoder, test[:20], x[-TEST:][:20])]))


if __name__ == "__main__":
    main()

"""Within-prompt SROCC: does the predictor order the rewrites of one prompt as a person would?

    python benchmarks/within_prompt.py --out runs/within

200 base prompts (base_prompts.txt), 20 rewrites each by the language model, one image seed. As in the loop,
the text is the base prompt and metadata is inferred from the image. For every known person and prompt:
SROCC of the predictions for that person, for the population and for one other person (drawn by seed) with
the person's recorded rating y (one trial) and expected rating t. Means over prompts, then over people;
intervals draw people, and intervals that draw prompts are printed beside them. Resumable.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, RESULTS, clustered, machine, write_json

from reward.evaluation.metrics import srocc
from reward.predictor.predictor import Predictor
from steer.experiments.caches import CachedProposer, CachedRenderer
from steer.gates.replies import parse
from steer.gates.text import TextGate, normalize
from steer.machine.loading import load
from steer.parts import Scored
from steer.sandbox.renderer import SandboxRenderer
from steer.sandbox.truth.world import Truth
from steer.settings import Settings

REWRITES = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/within"))
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--size", type=int, default=512, help="pixels a side of the pictures")
    args = parser.parse_args()
    prompts = (HERE / "base_prompts.txt").read_text(encoding="utf-8").splitlines()[: args.prompts]
    parts = load("sandbox")
    assert isinstance(parts.scorer, Predictor) and isinstance(parts.renderer, SandboxRenderer)
    renderer = CachedRenderer(SandboxRenderer(parts.renderer.reader, size=args.size), args.out / "cache")
    proposer = CachedProposer(parts.proposer, args.out / "cache")
    scorer, truth = parts.scorer, Truth()
    people = [scorer.person(known.id) for known in scorer.people]
    place = [truth.ids.index(known.id) for known in scorer.people]
    other = (np.arange(len(people)) + np.random.default_rng(7).integers(1, len(people), len(people))) % len(
        people
    )
    sums: dict[str, list[np.ndarray]] = {}
    rewrites = 0
    for number, base in enumerate(prompts):
        began = time.monotonic()
        texts = rewrites_of(base, proposer, parts.similarity)
        images = list(renderer.render(texts, [Settings().seed] * len(texts)))
        scenes = [renderer.scene(text, Settings().seed) for text in texts]
        t = truth.expected([np.asarray(image) for image in images], scenes)[place]
        y = truth.people.rate(t, np.random.default_rng((11, number)))
        predicted = scorer.score_people(images, base, [*people, scorer.population()])
        for judge, of in (("y", y), ("t", t)):
            for who, by in (
                ("own", predicted[:-1]),
                ("population", np.repeat(predicted[-1:], len(people), 0)),
            ):
                sums.setdefault(f"{who}_{judge}", []).append(rows_srocc(of, by))
            sums.setdefault(f"other_{judge}", []).append(rows_srocc(of, predicted[:-1][other]))
        rewrites += len(texts)
        print(
            f"{number + 1}/{len(prompts)} {base}: {len(texts)} rewrites, {time.monotonic() - began:.1f} s",
            flush=True,
        )
    tables = {name: np.stack(values) for name, values in sums.items()}  # [prompts, people]
    report: dict[str, Any] = {
        "prompts": len(prompts),
        "rewrites": rewrites,
        "people": len(people),
        "size": args.size,
    }
    for name, table in tables.items():
        report[name] = both(table)
    for judge in ("y", "t"):
        for rival in ("population", "other"):
            report[f"own_minus_{rival}_{judge}"] = both(tables[f"own_{judge}"] - tables[f"{rival}_{judge}"])
    write_json(RESULTS / "within_prompt.json", {"machine": machine(), **report})
    print(json.dumps(report, indent=1))


def rewrites_of(base: str, proposer: CachedProposer, similarity: Any) -> list[str]:
    """20 different rewrites that pass the text gate, or as many as 4 requests give."""
    gate, tried, texts = TextGate(base, similarity), {normalize(base)}, list[str]()
    for attempt in range(4):
        missing = REWRITES - len(texts)
        if not missing:
            break
        replies = proposer.propose(base, [Scored(base, 0.0)], missing, Settings().llm_seed_of(1, attempt))
        for text in (text for reply in replies for text in parse(reply)):
            if len(texts) < REWRITES and gate.reject(text, tried) is None:
                texts.append(text)
            tried.add(normalize(text))
    return texts


def rows_srocc(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """SROCC of each row [people, n] -> [people]."""
    return np.array([srocc(a, b) for a, b in zip(truth, predicted, strict=True)])


def both(table: np.ndarray) -> dict[str, Any]:
    """Mean of [prompts, people] with intervals over people and over prompts."""
    over_people = clustered(table.mean(0), np.arange(table.shape[1]))
    over_prompts = clustered(table.mean(1), np.arange(table.shape[0]))
    return {**over_people, "over_prompts": [over_prompts["low"], over_prompts["high"]]}


if __name__ == "__main__":
    main()

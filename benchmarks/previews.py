"""Would a small preview have kept the winner? python benchmarks/previews.py --out runs/search

Blind rewrites of three committed prompts are painted whole (256 pixels) and as previews of several sizes, and
scored for 20 committed users. A preview plan paints all of them small and only the most promising whole. What
counts is the chance that the best picture of all is among these, the share of predicted gain that the best of
these keeps, and what the plan costs, in whole pictures.

In the sandbox a preview is the same scene painted smaller. On a GPU it would be fewer steps or a distilled
sibling, which may draw another picture: that is not measured here.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from arms import blind_prompts
from common import RESULTS, clustered, machine, write_json
from scipy.stats import spearmanr

from steer.experiments.lab import SIZE, Lab, open_lab
from steer.sandbox.renderer import SandboxRenderer
from steer.settings import Settings

USERS, PROMPTS, PICTURES = 20, 3, 100
SIZES = (48, 64, 96, 128, 192)  # pixels
KEPT = (0.5, 0.25, 0.1)  # share that is painted whole


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/search"))
    args = parser.parse_args()
    lab = open_lab(args.out)
    users = lab.users[:USERS]
    rows: dict[int, list[dict[str, float]]] = {size: [] for size in SIZES}
    seconds: dict[int, list[float]] = {size: [] for size in (*SIZES, SIZE)}
    for prompt in lab.plan.prompts[:PROMPTS]:
        whole = scores(lab, prompt, SIZE, seconds, users)
        for size in SIZES:
            small = scores(lab, prompt, size, seconds, users)
            rows[size] += [compared(one, other) for one, other in zip(small, whole, strict=True)]
        print(prompt, flush=True)
    cost = {size: float(np.mean(spent)) for size, spent in seconds.items()}
    found = {}
    for size, mine in rows.items():
        clusters = [*users] * PROMPTS
        figures = {name: clustered([row[name] for row in mine], clusters) for name in mine[0]}
        found[str(size)] = {"cost": round(cost[size] / cost[SIZE], 3), **figures}
    report = {"machine": machine(), "predictor": lab.scorer.sha256, "users": len(users), "sizes": found}
    write_json(RESULTS / "previews.json", report)
    for name, one in found.items():
        print(name, {key: value if key == "cost" else value["mean"] for key, value in one.items()})


def scores(
    lab: Lab, prompt: str, size: int, seconds: dict[int, list[float]], users: tuple[str, ...]
) -> np.ndarray:
    """Predicted scores [users, pictures], the base first, and how long each picture took to paint."""
    texts, seed = blind_prompts(prompt, PICTURES), Settings().seed
    painter = SandboxRenderer(lab.renderer.renderer.reader, threads=1, size=size)
    started = time.process_time()
    images = list(painter.render(texts, [seed] * len(texts)))
    seconds[size].append((time.process_time() - started) / len(texts))
    rated = [lab.scorer.score(images, prompt, lab.personal(user).person) for user in users]
    return np.array(rated)


def compared(small: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    """One person's scores of the same pictures, as previews and whole."""
    found = {"rank correlation": float(spearmanr(small, whole).statistic)}
    order, best = np.argsort(-small, kind="stable"), int(np.argmax(whole))
    for share in KEPT:
        kept = order[: max(1, round(share * len(order)))]
        gain = float(whole[best] - whole[0])
        found[f"winner kept, best {share:.0%}"] = float(best in kept)
        found[f"gain kept, best {share:.0%}"] = (
            float(whole[kept].max() - whole[0]) / gain if gain > 0 else 1.0
        )
    return found


if __name__ == "__main__":
    main()

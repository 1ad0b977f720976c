"""What the benchmarks share: caches by content, intervals by clusters, the truth of the sandbox."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from steer.sandbox.renderer import SandboxRenderer
from steer.sandbox.scene import Scene
from steer.sandbox.world import World
from steer.types import Proposer, Scored

HERE = Path(__file__).parent
RESULTS = HERE / "results"


class CachedRenderer:
    """The sandbox's renderer with its pictures kept on disk by (prompt, seed); runs share many."""

    name = SandboxRenderer.name

    def __init__(self, renderer: SandboxRenderer, folder: Path) -> None:
        self.renderer = renderer
        self.folder = folder
        self.painted = 0
        folder.mkdir(parents=True, exist_ok=True)

    def scene(self, prompt: str, seed: int) -> Scene:
        return self.renderer.scene(prompt, seed)

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image.Image]:
        paths = [self._path(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
        missing = [i for i, path in enumerate(paths) if not path.exists()]
        fresh = self.renderer.render([prompts[i] for i in missing], [seeds[i] for i in missing])
        for path in paths:
            if not path.exists():
                image = next(fresh)
                part = path.with_suffix(".part")
                image.save(part, "PNG", compress_level=1)
                part.replace(path)
                self.painted += 1
                yield image
            else:
                with Image.open(path) as kept:
                    yield kept.convert("RGB")

    def _path(self, prompt: str, seed: int) -> Path:
        return self.folder / f"{digest([prompt, seed, self.renderer.size])}.png"


class CachedProposer:
    """A proposer whose replies are kept: the first iteration of a prompt is the same for everyone."""

    def __init__(self, proposer: Proposer, folder: Path) -> None:
        self.proposer = proposer
        self.name = proposer.name
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        path = self.folder / f"{digest([self.name, prompt, [m.prompt for m in memory], n, seed])}.json"
        if not path.exists():
            write_json(path, self.proposer.propose(prompt, memory, n, seed))
        replies: list[str] = json.loads(path.read_text(encoding="utf-8"))
        return replies


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:24]


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def clustered(values: Any, clusters: Any, seed: int = 0, resamples: int = 2000) -> dict[str, float]:
    """Mean of values [n] with a 95% percentile bootstrap that draws whole clusters [n]."""
    values, clusters = np.asarray(values, float), np.asarray(clusters)
    names, index = np.unique(clusters, return_inverse=True)
    total, count = np.bincount(index, values), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    means = total[drawn].sum(1) / count[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "mean": round(float(values.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "world": World.load().name,
    }

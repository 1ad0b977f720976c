"""Presets: the same loop with parts of several sizes, and what each needs from the machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steer.errors import PresetError, UsageError
from steer.types import Parts

WEIGHTS = Path(__file__).parent / "sandbox" / "weights"


@dataclass(frozen=True)
class Preset:
    """What a preset is made of."""

    name: str
    summary: str
    gpu_gb: int = 0  # GPU memory that it needs
    weights: tuple[str, ...] = ()  # model repositories on the hub
    runnable: bool = False  # whether this version has the classes that run it


@dataclass(frozen=True)
class Requirement:
    """One thing that a preset needs, and how to get it."""

    what: str
    met: bool
    fix: str  # a command, or what to do; empty if met


# From the largest to the smallest, which is the order in which "auto" tries them.
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "flux2",
            "the paper's: Llama-3.1-8B under vLLM, FLUX.2-dev, PAMELA on SigLIP2 so400m",
            80,
            (
                "black-forest-labs/FLUX.2-dev",
                "meta-llama/Llama-3.1-8B-Instruct",
                "google/siglip2-so400m-patch14-384",
                "nvidia/llama-embed-nemotron-8b",
            ),
        ),
        Preset(
            "klein",
            "FLUX.2-klein-4B with any OpenAI-compatible language model, PAMELA on SigLIP2 so400m",
            24,
            ("black-forest-labs/FLUX.2-klein-4B", "google/siglip2-so400m-patch14-384"),
        ),
        Preset(
            "sandbox",
            "a simulated world on any CPU: SmolLM2-135M in process, a painter, PAMELA on simulated people",
            runnable=True,
        ),
    )
}


def requirements(name: str) -> list[Requirement]:
    """What the preset needs on this machine, met or not. Raises `UsageError` for an unknown name."""
    preset = _find(name)
    needs: list[Requirement] = []
    if preset.gpu_gb:
        found = gpu_memory_gb()
        has = f"{found:.0f} GB found" if found else "none found"
        met = found >= preset.gpu_gb * 0.93  # an "80 GB" card reports 74-79 GiB
        needs.append(
            Requirement(
                f"a GPU with {preset.gpu_gb} GB of memory ({has})",
                met,
                "" if met else "run on a larger machine",
            )
        )
    for model in preset.weights:
        met = _downloaded(model)
        needs.append(Requirement(f"weights of {model}", met, "" if met else f"hf download {model}"))
    if not preset.runnable:
        needs.append(Requirement("a renderer in this version of steer", False, "steer run --preset sandbox"))
    if name == "sandbox":
        met = (WEIGHTS / "predictor" / "predictor.json").exists()
        needs.append(Requirement("the sandbox's predictor", met, "" if met else "steer sandbox build"))
    return needs


def choose() -> tuple[str, str]:
    """The largest preset that this machine can run now, and why not a larger one."""
    *larger, smallest = PRESETS
    lacking: list[str] = []
    for name in larger:
        missing = [need.what for need in requirements(name) if not need.met]
        if not missing:
            return name, "; ".join(lacking) or "the largest preset runs here"
        lacking.append(f"{name} lacks {missing[0]}")
    return smallest, "; ".join(lacking)


def load(
    preset: str = "auto",
    *,
    llm: str | Path | None = None,
    reward: str | Path | None = None,
    judge: str | Path | None = None,
    threads: int | None = None,
) -> Parts:
    """The parts of a preset, loaded; `auto` takes the largest that this machine can run.

    `llm` is another language model (an id or a folder); `reward` and `judge` are other predictors' folders or
    baselines by name; `threads` is how many the renderer may use. Raises `UsageError`, `PresetError`,
    `RewardError`.
    """
    name, reason = choose() if preset == "auto" else (preset, "asked for")
    missing = [need for need in requirements(name) if not need.met]
    if missing and not (name == "sandbox" and reward):  # all that the sandbox needs is a predictor
        raise PresetError(
            f"the preset {name} cannot run here, it lacks {', '.join(need.what for need in missing)}; "
            f"first: {missing[0].fix}; more: steer doctor"
        )
    from reward.baselines import load_reward
    from reward.encoders import sentence_encoder
    from steer.proposer.smollm import LocalProposer
    from steer.sandbox.renderer import SandboxRenderer

    scorer = load_reward(reward or WEIGHTS / "predictor")
    default_judge = WEIGHTS / "judge" if reward is None and (WEIGHTS / "judge").is_dir() else None
    second = judge or default_judge
    return Parts(
        proposer=LocalProposer(llm, threads=threads),
        renderer=SandboxRenderer() if threads is None else SandboxRenderer(threads=threads),
        scorer=scorer,
        judge=load_reward(second) if second is not None else None,
        similarity=sentence_encoder().similarity,
        preset=name,
        reason=reason,
        simulated=scorer.simulated,
    )


def gpu_memory_gb() -> float:
    """Memory of the largest GPU in GiB, 0 without one."""
    import torch

    if not torch.cuda.is_available():
        return 0.0
    devices: Any = range(torch.cuda.device_count())
    return max(torch.cuda.get_device_properties(device).total_memory for device in devices) / 2**30


def _find(name: str) -> Preset:
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name!r}; the presets are auto, {', '.join(PRESETS)}")
    return PRESETS[name]


def _downloaded(model: str) -> bool:
    """True if the hub's cache holds a snapshot of this model."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return any((cache / f"models--{model.replace('/', '--')}" / "snapshots").glob("*"))

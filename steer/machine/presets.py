"""Presets: the same loop with parts of several sizes, and what each needs from the machine."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steer import paths
from steer.errors import PresetError, UsageError
from steer.machine.overrides import DEFAULT, Choices
from steer.parts import Parts, Seat

if TYPE_CHECKING:
    from steer.machine.gpu_memory import MemoryPlan
    from steer.machine.gpus import Card

WEIGHTS = Path(__file__).parents[1] / "sandbox" / "weights"
INSTALL_GPU = "pip install 'steer[gpu]' (from a checkout: pip install -e '.[gpu]')"
INSTALL_VLLM = "python3 -m venv ~/vllm && ~/vllm/bin/pip install vllm, then --vllm-python ~/vllm/bin/python"
BATCH = 4  # pictures that the renderer makes at once, unless told otherwise

# Where there is room for everyone, nobody rests.
TOGETHER: Mapping[Seat, tuple[Seat, ...]] = {
    "proposer": ("renderer", "scorer"),
    "renderer": ("proposer", "scorer"),
    "scorer": ("proposer", "renderer"),
}


@dataclass(frozen=True)
class Preset:
    """What a preset is made of."""

    name: str
    summary: str
    gpu: bool = False  # whether it needs one
    renderer: str | None = None  # pipeline on the hub; None: the sandbox's painter
    steps: int | None = None  # where the pipeline's own defaults are not what the model was made for
    guidance: float | None = None
    llm: str | None = None  # model that vLLM serves; None: SmolLM2-135M of the package, in process
    encoder: str | None = None  # PAMELA's image-text encoder, and
    sentences: str | None = None  # its sentence encoder, as `steer reward train` takes them


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
            gpu=True,
            renderer="black-forest-labs/FLUX.2-dev",
            llm="meta-llama/Llama-3.1-8B-Instruct",
            encoder="google/siglip2-so400m-patch14-384",
            sentences="nvidia/llama-embed-nemotron-8b",
        ),
        Preset(
            "klein",
            "FLUX.2-klein-4B, Llama-3.1-8B under vLLM or any server, PAMELA on SigLIP2 so400m",
            gpu=True,
            renderer="black-forest-labs/FLUX.2-klein-4B",
            llm="meta-llama/Llama-3.1-8B-Instruct",
            encoder="google/siglip2-so400m-patch14-384",
            sentences="Qwen/Qwen3-Embedding-0.6B",
        ),
        Preset(
            "laptop",
            "SDXS-512, one step, on a CPU or a small GPU; SmolLM2-135M in process, PAMELA on SigLIP2 base",
            renderer="IDKiro/sdxs-512-dreamshaper",
            steps=1,
            guidance=0.0,
            encoder="google/siglip2-base-patch16-224",
            sentences="sentence-transformers/all-MiniLM-L6-v2",
        ),
        Preset(
            "sandbox",
            "a simulated world on any CPU: SmolLM2-135M in process, a painter, PAMELA on simulated people",
        ),
    )
}


def requirements(name: str, choices: Choices = DEFAULT) -> list[Requirement]:
    """What the preset needs on this machine, met or not. Raises `UsageError` for an unknown name."""
    preset = find(name)
    needs: list[Requirement] = []
    if preset.gpu:
        needs.append(_needs_gpu(preset, choices))
    if preset.renderer:
        met = importlib.util.find_spec("diffusers") is not None
        needs.append(Requirement("the package diffusers", met, "" if met else INSTALL_GPU))
        if choices.renderer is None:  # one that was named is checked when it is opened
            needs.append(_needs_weights(preset.renderer))
    if preset.llm and choices.llm_url is None:
        needs += _needs_server(choices.llm or preset.llm, choices.vllm_python)
    if choices.reward is None:
        needs.append(_needs_predictor(preset))
    return needs


def choose(choices: Choices = DEFAULT) -> tuple[str, str]:
    """The largest preset that this machine can run now, and why not a larger one."""
    *larger, smallest = PRESETS
    lacking: list[str] = []
    for name in larger:
        missing = [need.what for need in requirements(name, choices) if not need.met]
        if not missing:
            return name, "; ".join(lacking) or "the largest preset runs here"
        lacking.append(f"{name} lacks {missing[0]}")
    return smallest, "; ".join(lacking)


def load(preset: str = "auto", **choices: Any) -> Parts:
    """The parts of a preset, loaded; `auto` takes the largest that this machine can run.

    The keywords are the fields of `steer.machine.overrides.Choices`: other models for single parts, and how
    to run them, as in `load("klein", llm_url="http://127.0.0.1:8000/v1", memory="nf4")`. Raises `UsageError`,
    `PresetError`, `RendererError`, `ProposerError`, `RewardError`.
    """
    chosen = Choices.given(**choices)
    name, reason = choose(chosen) if preset == "auto" else (preset, "asked for")
    if missing := [need for need in requirements(name, chosen) if not need.met]:
        raise PresetError(
            f"the preset {name} cannot run here, it lacks {', '.join(need.what for need in missing)}; "
            f"first: {missing[0].fix}; more: steer doctor"
        )
    from reward.baselines import load_reward
    from reward.encoders.image_text import sentence_encoder
    from steer.machine.gpus import here

    found = find(name)
    card = here()
    on_gpu = card is not None and (found.renderer or chosen.renderer) is not None
    device = "cuda" if on_gpu else "cpu"
    plan = memory_plan(name, chosen, card) if on_gpu and card is not None else None
    if plan is not None and not plan.fits:
        why = f"the memory plan {plan.name} of {name} {plan.why_not} ({plan.card.name})"
        raise PresetError(f"{why}: {what_fits(plan, name, chosen)}; more: steer doctor")
    reward, judge = chosen.reward or predictor_folder(found), chosen.judge
    if judge is None and chosen.reward is None and found.renderer is None and (WEIGHTS / "judge").is_dir():
        judge = str(WEIGHTS / "judge")
    scorer = load_reward(reward, device)
    return Parts(
        proposer=_proposer(found, chosen, plan),
        renderer=_renderer(found, chosen, device),
        scorer=scorer,
        judge=load_reward(judge, device) if judge is not None else None,
        similarity=sentence_encoder().similarity,
        preset=name,
        reason=reason,
        simulated=scorer.simulated,
        beside=TOGETHER if plan is None else plan.beside,
    )


def memory_plan(name: str, choices: Choices, card: Card, memory: str | None = None) -> MemoryPlan:
    """What the preset's models, or those chosen instead, take on this card. `memory` overrules the choice."""
    from steer.machine.gpu_memory import Models, make_plan

    preset = find(name)
    models = Models(
        renderer=choices.renderer or preset.renderer,
        llm=None if choices.llm_url else choices.llm or preset.llm if _served(preset, choices) else None,
        encoder=_encoder_of(Path(choices.reward or predictor_folder(preset))) or preset.encoder,
    )
    steps = choices.steps or (preset.steps if choices.renderer is None else None)
    plan = memory or ("bf16" if choices.memory == "auto" else choices.memory)
    return make_plan(plan, models, card, size=choices.size or 512, steps=steps, batch=choices.batch or BATCH)


def _encoder_of(predictor: Path) -> str | None:
    """The image-text encoder that a checkpoint was trained with; None where there is no checkpoint."""
    try:
        card = json.loads((predictor / "predictor.json").read_text(encoding="utf-8"))
        id = str(card["encoder"]["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(predictor / id) if (predictor / id).is_dir() else id  # the sandbox's lies beside its predictor


def what_fits(plan: MemoryPlan, name: str, choices: Choices) -> str:
    """What to take instead of a plan that cannot be used on its card."""
    from steer.machine.gpu_memory import PLANS

    others = [memory_plan(name, choices, plan.card, other) for other in PLANS if other != plan.name]
    ways = [f"--memory {other.name} ({other.peak / 2**30:.0f} GB)" for other in others if other.fits]
    smaller = list(PRESETS)[list(PRESETS).index(name) + 1 :]
    ways.append(f"--preset {smaller[0]}" if smaller else "a smaller --renderer")
    return f"take {' or '.join(ways)}"


def predictor_folder(preset: Preset) -> Path:
    """Where a preset's predictor is looked for: the sandbox's ships; others are trained, by the user."""
    return WEIGHTS / "predictor" if preset.renderer is None else paths.predictor()


def how_to_train(preset: Preset) -> str:
    """The commands that make the preset's predictor from the released ratings."""
    encoders = f"--encoder {preset.encoder} --text-encoder {preset.sentences}"
    return (
        f"steer reward prepare bethgelab/PAMELA --out ratings && steer reward train ratings {encoders} "
        f"--out {predictor_folder(preset)}"
    )


def find(name: str) -> Preset:
    """The preset of this name. Raises `UsageError`."""
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name!r}; the presets are auto, {', '.join(PRESETS)}")
    return PRESETS[name]


def _needs_gpu(preset: Preset, choices: Choices) -> Requirement:
    from steer.machine.gpus import here

    card = here()
    if card is None:
        least = least_memory(preset.name, choices)
        what = f"a GPU with {least:.0f} GB of memory (none found)"
        return Requirement(what, False, "steer run --preset sandbox, or laptop: they need none")
    plan = memory_plan(preset.name, choices, card)
    what = (
        f"{plan.peak / 2**30:.0f} GB on the GPU with --memory {plan.name} ({card.name}, {card.memory:.0f} GB)"
    )
    return Requirement(what, plan.fits, "" if plan.fits else what_fits(plan, preset.name, choices))


def least_memory(name: str, choices: Choices = DEFAULT) -> float:
    """GiB of the smallest card that the chosen memory plan fits on."""
    from steer.machine.gpus import Card

    return next(size for size in range(1, 1000) if memory_plan(name, choices, Card("", float(size))).fits)


def _needs_weights(model: str) -> Requirement:
    from steer.machine import hub

    state = hub.state(model)
    half = ", of which only a part was downloaded" if state == "partial" else ""
    met = state == "present"
    return Requirement(f"weights of {model}{half}", met, "" if met else hub.how_to_get(model))


def _needs_server(llm: str, python: str | None) -> list[Requirement]:
    python = python or os.environ.get("STEER_VLLM_PYTHON")
    if python is not None:
        met = Path(python).expanduser().is_file()
        vllm = Requirement(f"the interpreter {python}", met, "" if met else INSTALL_VLLM)
    else:
        met = importlib.util.find_spec("vllm") is not None
        fix = f"{INSTALL_VLLM}; or name a server that runs: --llm-url"
        vllm = Requirement("vLLM, which serves the language model", met, "" if met else fix)
    return [vllm, _needs_weights(llm)]


def _needs_predictor(preset: Preset) -> Requirement:
    folder = predictor_folder(preset)
    met = (folder / "predictor.json").is_file()
    if preset.renderer is None:
        return Requirement("the sandbox's predictor", met, "" if met else "steer sandbox build")
    fix = f"{how_to_train(preset)}; or steer without one: --population --reward laion-aesthetics"
    return Requirement(f"a predictor trained on real ratings in {folder}", met, "" if met else fix)


def _served(preset: Preset, choices: Choices) -> bool:
    """Whether vLLM, started by steer, serves the language model."""
    return choices.llm_url is None and (preset.llm is not None or choices.vllm_python is not None)


def _proposer(preset: Preset, choices: Choices, plan: MemoryPlan | None) -> Any:
    mode: Any = choices.llm_mode
    if choices.llm_url is not None:
        from steer.proposer.server import ServerProposer

        asked = ServerProposer(choices.llm_url, choices.llm, mode=mode)
        asked.check()
        return asked
    if _served(preset, choices):
        from steer.machine.gpu_memory import KV_CACHE, vllm_share
        from steer.proposer.vllm import VllmProposer
        from steer.proposer.vllm_server import VllmServer

        model = choices.llm or preset.llm
        if model is None:
            raise UsageError("--vllm-python needs to know what to serve; name the model with --llm")
        share = vllm_share(plan) if plan is not None else None
        server = VllmServer(
            model,
            python=choices.vllm_python,
            gpu_memory_utilization=share,
            kv_cache_memory_bytes=KV_CACHE if share else None,
            sleep_mode=plan is not None,
        )
        started = VllmProposer(server, mode=mode)
        started.check()
        return started
    from steer.proposer.smollm import LocalProposer

    return LocalProposer(choices.llm, threads=choices.threads)


def _renderer(preset: Preset, choices: Choices, device: str) -> Any:
    model = choices.renderer or preset.renderer
    if model is None:
        from steer.sandbox.renderer import SandboxRenderer

        if choices.lora:
            raise UsageError("the sandbox's painter takes no LoRA; name a pipeline with --renderer")
        threads = choices.threads
        return SandboxRenderer() if threads is None else SandboxRenderer(threads=threads)
    from steer.renderer import RenderSettings, open_renderer

    own = preset if choices.renderer is None else replace(preset, steps=None, guidance=None)
    name, _, revision = (model, "", "") if Path(model).is_dir() else model.partition("@")
    settings = RenderSettings(
        width=choices.size,
        height=choices.size,
        steps=choices.steps if choices.steps is not None else own.steps,
        guidance_scale=choices.guidance if choices.guidance is not None else own.guidance,
        batch_size=choices.batch,
        compile=choices.compile,
    )
    return open_renderer(
        name,
        revision=revision or None,
        settings=settings,
        memory="bf16" if choices.memory == "auto" else choices.memory,
        lora=choices.lora,
        device=device if device == "cuda" else None,
        cache=Path(choices.cache) if choices.cache else None,
    )

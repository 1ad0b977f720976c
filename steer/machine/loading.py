"""From a preset to the parts of a run: the language model, the renderer and the predictor, loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from steer.errors import PresetError, UsageError
from steer.machine import gpus
from steer.machine.gpu_memory import KV_CACHE, language_model_bytes, vllm_share
from steer.machine.overrides import Overrides
from steer.machine.presets import WEIGHTS, ResolvedPreset, needs_predictor, requirements, resolve, what_fits
from steer.parts import Loaded, Parts, Proposer, Renderer, Scorer, Seat
from steer.proposer.address import on_this_machine

# Where there is room for everyone, nobody rests.
TOGETHER: Mapping[Seat, tuple[Seat, ...]] = {
    "proposer": ("renderer", "scorer"),
    "renderer": ("proposer", "scorer"),
    "scorer": ("proposer", "renderer"),
}


def load(preset: str = "auto", **overrides: Any) -> Parts:
    """The parts of a preset, loaded; `auto` takes the largest that this machine can run.

    The keywords are the fields of `steer.machine.overrides.Overrides`: other models for single parts, and how
    to run them, as in `load("klein", llm_url="http://127.0.0.1:8000/v1", memory="nf4")`. Raises `UsageError`,
    `PresetError`, `RendererError`, `ProposerError`, `RewardError`.
    """
    resolved = resolve(preset, Overrides.given(**overrides))
    if missing := [need for need in requirements(resolved) if not need.met]:
        raise PresetError(
            f"the preset {resolved.name} cannot run here, it lacks {', '.join(n.what for n in missing)}; "
            f"first: {missing[0].fix}; more: steer doctor"
        )
    plan = resolved.memory_plan
    if plan is not None and not plan.fits:
        why = f"the memory plan {plan.precision} of {resolved.name} {plan.why_not} ({plan.gpu.name})"
        raise PresetError(f"{why}: {what_fits(resolved, plan)}; more: steer doctor")
    from reward.baselines import load_reward
    from reward.encoders.image_text import sentence_encoder

    device = "cpu" if plan is None else plan.gpu.device
    judge = _judge(resolved)
    scorer, sentences = load_reward(resolved.predictor, device), sentence_encoder()
    parts = Parts(
        proposer=_proposer(resolved),
        renderer=_renderer(resolved),
        scorer=scorer,
        judge=load_reward(judge, device) if judge is not None else None,
        similarity=sentences.similarity,
        embed=sentences.encode,
        preset=resolved.name,
        reason=resolved.reason,
        simulated=scorer.simulated,
        beside=beside(resolved),
    )
    # Loading them again on another machine must not choose another plan: what was chosen is kept, not "auto".
    memory = resolved.precision if resolved.renderer else resolved.overrides.memory
    asked = {"preset": resolved.name, **replace(resolved.overrides, memory=memory).to_json()}
    return replace(parts, loaded=Loaded(asked, parts))


def load_scorer(preset: str, overrides: Overrides) -> Scorer:
    """The predictor alone: no language model, no renderer, no program. Raises as `load` does."""
    resolved = resolve(preset, overrides)
    needs = [] if overrides.reward is not None else [needs_predictor(resolved.preset)]
    if missing := [need for need in needs if not need.met]:
        raise PresetError(f"the preset {resolved.name} lacks {missing[0].what}; first: {missing[0].fix}")
    from reward.baselines import load_reward

    return load_reward(resolved.predictor, resolved.gpu.device if resolved.gpu else "cpu")


def beside(resolved: ResolvedPreset) -> Mapping[Seat, tuple[Seat, ...]]:
    """Who stays awake while a part works.

    What a server on this machine takes of the GPU, only that server knows: it is asked to rest, if it can.
    """
    plan, url = resolved.memory_plan, resolved.overrides.llm_url
    if plan is None:
        return TOGETHER
    served = {"proposer"} if url is not None and on_this_machine(url) else set()
    if resolved.overrides.renderer_url and resolved.gpu is not None:
        served.add("renderer")
    return {seat: tuple(o for o in others if o not in served) for seat, others in plan.beside.items()}


def load_renderer(preset: str, overrides: Overrides) -> Renderer:
    """The renderer alone, as `load` would give it. Raises as `load` does."""
    return _renderer(resolve(preset, overrides))


def _judge(resolved: ResolvedPreset) -> str | None:
    """The one that was named; else the sandbox's, beside its own predictor."""
    own = WEIGHTS / "judge"
    if resolved.preset.renderer is None and resolved.overrides.reward is None and own.is_dir():
        return resolved.overrides.judge or str(own)
    return resolved.overrides.judge


def _proposer(resolved: ResolvedPreset) -> Proposer:
    overrides = resolved.overrides
    mode: Any = overrides.llm_mode
    if overrides.llm_url is not None:
        from steer.proposer.server import ServerProposer

        asked = ServerProposer(overrides.llm_url, overrides.llm, mode=mode)
        asked.check()
        return asked
    if resolved.starts_vllm:
        from steer.proposer.vllm import VllmProposer
        from steer.proposer.vllm_server import VllmServer

        if resolved.llm is None:
            raise UsageError("--vllm-python needs to know what to serve; name the model with --llm")
        plan = resolved.llm_plan or resolved.memory_plan
        share = vllm_share(plan) if plan is not None else None
        shared = plan is not None and plan is resolved.memory_plan  # with the renderer
        number = plan.gpu.device.partition(":")[2] if plan is not None else ""
        server = VllmServer(
            resolved.llm,
            python=overrides.vllm_python,
            gpu_memory_utilization=share,
            kv_cache_memory_bytes=KV_CACHE if share else None,
            sleep_mode=shared and overrides.rest == "memory",
            free=partial(gpus.free_bytes, plan.gpu) if plan is not None and shared else None,
            frees=language_model_bytes(plan) // 2 if plan is not None else 0,
            environment=gpus.only(int(number)) if number else {},
        )
        started = VllmProposer(server, mode=mode, stops=shared and overrides.rest == "disk")
        started.check()
        return started
    from steer.proposer.smollm import LocalProposer

    return LocalProposer(overrides.llm, threads=overrides.threads)


def _renderer(resolved: ResolvedPreset) -> Renderer:
    model, overrides = resolved.renderer, resolved.overrides
    from steer.renderer.lacking import NEEDS, refuse_lacking

    asked = {name: getattr(overrides, name) for name in NEEDS}
    if overrides.renderer_url:
        from steer.renderer.servers import open_server

        return open_server(
            overrides.renderer_url,
            overrides.renderer,
            **asked,
            workflow=overrides.workflow,
            nodes=overrides.node,
            paid_limit=overrides.paid_limit,
        )
    if model is None:
        from steer.sandbox.renderer import SandboxRenderer

        advice = "; for a pipeline: --renderer MODEL, for a server: --renderer-url URL"
        refuse_lacking("the sandbox's painter", SandboxRenderer.capabilities, advice, **asked)
        threads = overrides.threads
        return SandboxRenderer() if threads is None else SandboxRenderer(threads=threads)
    from steer.renderer import RenderSettings, open_renderer

    name, _, revision = (model, "", "") if Path(model).expanduser().exists() else model.partition("@")
    settings = RenderSettings(
        width=overrides.size,
        height=overrides.size,
        steps=resolved.steps,
        guidance_scale=resolved.guidance,
        negative_prompt=overrides.negative_prompt,
        batch_size=overrides.batch,
        compile=overrides.compile,
    )
    found = open_renderer(
        name,
        revision=revision or None,
        settings=settings,
        memory=resolved.precision,
        lora=overrides.lora,
        device=resolved.gpu.device if resolved.gpu else None,
        rest=overrides.rest,
        cache=Path(overrides.cache) if overrides.cache else None,
        base=overrides.renderer_base,
    )
    refuse_lacking(found.name, found.capabilities, **asked)
    return found

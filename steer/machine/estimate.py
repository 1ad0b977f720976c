"""What a run will take, before anything starts: pictures, minutes, memory, disk.

The sandbox's costs were measured; those of the others follow from the models' sizes
(`steer.machine.gpu_memory`) and are estimates. All are upper bounds where a run may stop early.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from steer.loop.confirm import MOST, UNPAIRED
from steer.machine.gpu_memory import LINK, MFU, MemoryPlan
from steer.machine.gpus import GIB
from steer.machine.presets import PRESETS, ResolvedPreset, resolve
from steer.parts import Parts
from steer.renderer.servers.address import Address, read_address
from steer.settings import Settings

DISK_SPEED = 1e9  # bytes a second at which weights are read
PNG_BYTES = 2.0  # of one pixel of a render
PICTURES = 3  # that a look at the seeds takes
SERVER = "a server, not measured"


@dataclass(frozen=True)
class Costs:
    """What one step takes with a preset, on the machine it is meant for."""

    load: float  # seconds until everything is in memory
    propose: float  # seconds per proposed prompt
    render: float  # seconds per image
    score: float  # seconds per image
    ram_gb: float  # main memory of the process at its peak
    gpu_gb: float = 0.0
    image_mb: float = 0.5  # of one PNG
    machine: str = "2 CPU cores"
    swap: float = 0.0  # seconds per iteration, for models that take turns on the GPU


SANDBOX = Costs(load=9.5, propose=0.2, render=0.4, score=0.02, ram_gb=1.5)
# One step of 0.3 B parameters: floating point operations over what two cores reach; not measured.
LAPTOP = Costs(load=15, propose=0.2, render=8, score=0.2, ram_gb=5, machine="2 CPU cores, not measured")


@dataclass(frozen=True)
class Estimate:
    """Upper bounds of one run."""

    preset: str
    images: int  # rendered in all
    iterations: int
    proposals: int  # asked for in all
    seconds: float
    memory_gb: float  # main memory
    gpu_gb: float
    disk_mb: float
    machine: str
    may_stop_early: bool
    paid: int = 0  # pictures of a hosted model, each of which costs money
    gpu: dict[str, Any] = field(default_factory=dict)  # `describe` of the memory plan; empty without a GPU
    llm_gpu: dict[str, Any] = field(default_factory=dict)  # of the language model on a GPU of its own


def estimate(settings: Settings, resolved: ResolvedPreset) -> Estimate:
    """What a run with these settings takes at most."""
    plan, own, costs = resolved.memory_plan, resolved.llm_plan, costs_of(resolved)
    searched = 1 + settings.iterations * settings.proposals
    proposals = settings.iterations * settings.written
    images = searched + settings.gate_renders + settings.final_renders + 2 * settings.confirm
    urls = resolved.overrides.renderer_url
    paid = paid_pictures(images, settings, read_address(urls)) if urls else 0
    seconds = costs.load + proposals * costs.propose + images * (costs.render + costs.score)
    seconds += (settings.iterations + 1) * costs.swap
    return Estimate(
        preset=resolved.name,
        images=images,
        iterations=settings.iterations,
        proposals=proposals,
        seconds=round(seconds, 1),
        memory_gb=round(costs.ram_gb, 1),
        gpu_gb=round(costs.gpu_gb, 1),
        disk_mb=round(images * costs.image_mb + 4, 1),  # 4 MB: the gallery at its largest
        machine=costs.machine,
        may_stop_early=settings.patience > 0 or settings.target is not None,
        paid=paid,
        gpu=describe(plan, settings.proposals) if plan is not None else {},
        llm_gpu=describe(own) if own is not None else {},
    )


def paid_pictures(images: int, settings: Settings, address: Address) -> int:
    """How many of a run's pictures cost money, at most; with a look at the seeds and what may follow."""
    if not address.hosted:
        return 0
    if address.kind == "bfl":  # says with each picture which seed was used
        return images
    unpaired = min(MOST, UNPAIRED * settings.confirm)
    return images + 2 * (unpaired - settings.confirm) + PICTURES


def costs_of(resolved: ResolvedPreset) -> Costs:
    """Costs of one step; of a renderer that nobody has timed here, those of the nearest preset."""
    plan = resolved.memory_plan
    if resolved.overrides.renderer_url:
        return replace(LAPTOP if plan is None else _planned(resolved, plan), machine=SERVER)
    if plan is None:
        return SANDBOX if resolved.renderer is None else LAPTOP
    return _planned(resolved, plan)


def _planned(resolved: ResolvedPreset, plan: MemoryPlan) -> Costs:
    """Costs that follow from a memory plan."""
    weights = sum(part.bytes(plan.precision) for part in plan.components)
    assumed = "" if resolved.gpu else "assumed, there is no GPU here; "
    image = plan.image_seconds if plan.image_seconds is not None else SANDBOX.render
    size = resolved.overrides.size or 512
    return Costs(
        load=20 + weights / DISK_SPEED,
        propose=(resolved.llm_plan or plan).propose_seconds or SANDBOX.propose,
        render=image + (plan.encode_seconds or 0.0),
        score=plan.score_seconds or SANDBOX.score,
        ram_gb=plan.main_memory / GIB,
        gpu_gb=plan.peak / GIB,
        image_mb=max(0.5, PNG_BYTES * size**2 / 1e6),
        machine=f"{plan.gpu.name} ({assumed}estimated, not measured)",
        swap=plan.swap_seconds,
    )


def describe(plan: MemoryPlan, proposals: int = 20) -> dict[str, Any]:
    """A memory plan as plain values: GiB and seconds."""

    def rounded(value: float | None, digits: int = 2) -> float | None:
        return None if value is None else round(value, digits)

    each = plan.image_seconds
    return {
        "plan": plan.precision,
        "card": plan.gpu.name,
        "card_gb": round(plan.gpu.memory, 1),
        "fits": plan.fits,
        "why_not": plan.why_not,
        "peak_gb": round(plan.peak / GIB, 1),
        "main_memory_gb": round(plan.main_memory / GIB, 1),
        "rest": plan.rest,
        "phases_gb": {phase: round(need / GIB, 1) for phase, need in plan.needs.items()},
        "models": [
            {
                "what": part.what,
                "model": part.model,
                "phase": part.phase,
                "parameters": part.size.parameters if part.size else None,
                "gb": round(part.bytes(plan.precision) / GIB, 1) if part.size else None,
            }
            for part in plan.components
        ],
        "beside": {seat: list(others) for seat, others in plan.beside.items()},
        "swaps": plan.swaps,
        "swap_seconds": rounded(plan.swap_seconds, 1),
        "seconds_per_image": rounded(each),
        "seconds_per_iteration": rounded(each and proposals * each + plan.swap_seconds, 1),
        "assumed": assumptions(plan),
    }


def assumptions(plan: MemoryPlan) -> str:
    """What the seconds rest on, in one line."""
    if plan.image_seconds is None:
        return "the speed of this card or pipeline is not known here"
    peak = plan.gpu.fp8 if plan.precision == "fp8" and plan.gpu.fp8 else plan.gpu.bf16
    return (
        f"{MFU[plan.precision]:.0%} of {peak:,.0f} TFLOP/s, {LINK / 1e9:.0f} GB/s to main memory; "
        "measure: python benchmarks/gpu.py"
    )


def expected(parts: Parts) -> Costs:
    """What a run with these parts may take, for the first estimate on its progress bar."""
    return costs_of(resolve(parts.preset)) if parts.preset in PRESETS else SANDBOX

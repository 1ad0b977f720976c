"""What a run will take, before anything starts: pictures, minutes, memory, disk.

The sandbox's costs were measured; those of the others follow from the models' sizes
(`steer.machine.gpu_memory`) and are estimates. All are upper bounds where a run may stop early.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from steer.machine.overrides import DEFAULT, Choices
from steer.settings import GATE_RENDERS, Settings

if TYPE_CHECKING:
    from steer.machine.gpu_memory import MemoryPlan
    from steer.machine.gpus import Card
    from steer.parts import Parts

GIB = 2**30
DISK_SPEED = 1e9  # bytes a second at which weights are read
PNG_BYTES = 2.0  # of one pixel of a render


@dataclass(frozen=True)
class Costs:
    """What one step takes with a preset, on the machine it is meant for."""

    load: float  # seconds until everything is in memory
    propose: float  # seconds per proposed prompt
    render: float  # seconds per image
    score: float  # seconds per image
    memory_gb: float  # main memory of the process at its peak
    gpu_gb: float = 0.0
    image_mb: float = 0.5  # of one PNG
    machine: str = "2 CPU cores"
    swap: float = 0.0  # seconds per iteration, for models that take turns on the GPU


SANDBOX = Costs(load=9.5, propose=0.2, render=0.4, score=0.02, memory_gb=1.5)
# One step of 0.3 B parameters: floating point operations over what two cores reach; not measured.
LAPTOP = Costs(load=15, propose=0.2, render=8, score=0.2, memory_gb=5, machine="2 CPU cores, not measured")


@dataclass(frozen=True)
class Plan:
    """Upper bounds of one run."""

    preset: str
    images: int  # rendered in all
    iterations: int
    proposals: int  # asked for in all
    seconds: float
    memory_gb: float
    gpu_gb: float
    disk_mb: float
    machine: str
    may_stop_early: bool
    gpu: dict[str, Any] = field(default_factory=dict)  # `describe` of the memory plan; empty without a GPU


def plan(settings: Settings, preset: str, choices: Choices = DEFAULT) -> Plan:
    """What a run with these settings takes at most. Raises `UsageError` for an unknown preset."""
    memory = memory_of(preset, choices)
    costs = costs_of(preset, choices, memory)
    proposals = settings.iterations * settings.proposals
    searched = 1 + proposals
    gate = GATE_RENDERS if settings.gate_sd is not None else 0
    images = searched + gate + 2 * settings.confirm
    seconds = costs.load + proposals * costs.propose + images * (costs.render + costs.score)
    seconds += (settings.iterations + 1) * costs.swap
    return Plan(
        preset=preset,
        images=images,
        iterations=settings.iterations,
        proposals=proposals,
        seconds=round(seconds, 1),
        memory_gb=round(costs.memory_gb, 1),
        gpu_gb=round(costs.gpu_gb, 1),
        disk_mb=round(images * costs.image_mb + 4, 1),  # 4 MB: the gallery at its largest
        machine=costs.machine,
        may_stop_early=settings.patience > 0 or settings.target is not None,
        gpu=describe(memory, settings.proposals) if memory is not None else {},
    )


def memory_of(preset: str, choices: Choices, card: Card | None = None) -> MemoryPlan | None:
    """The memory plan on this machine's GPU, or on `card`; None where the preset runs on a CPU.

    A preset that needs a GPU is planned for an H100 where there is none.
    """
    from steer.machine import gpus
    from steer.machine.presets import find, memory_plan

    found = find(preset)
    if found.renderer is None and choices.renderer is None:
        return None
    card = card or gpus.here() or (gpus.card("H100") if found.gpu else None)
    return None if card is None else memory_plan(preset, choices, card)


def costs_of(preset: str, choices: Choices = DEFAULT, memory: MemoryPlan | None = None) -> Costs:
    """Costs of one step; of a renderer that nobody has timed here, those of the nearest preset."""
    from steer.machine.presets import find

    found = find(preset)
    if memory is None:
        return SANDBOX if found.renderer is None and choices.renderer is None else LAPTOP
    from steer.machine.gpus import here

    weights = sum(part.bytes(memory.name) for part in memory.components)
    rendered = [part.bytes(memory.name) for part in memory.components if part.phase != "propose"]
    assumed = "" if here() else "assumed, there is no GPU here; "
    image = memory.image_seconds if memory.image_seconds is not None else SANDBOX.render
    size = choices.size or 512
    return Costs(
        load=20 + weights / DISK_SPEED,
        propose=memory.propose_seconds or SANDBOX.propose,
        render=image + (memory.encode_seconds or 0.0),
        score=memory.score_seconds or SANDBOX.score,
        memory_gb=4 + (sum(rendered) if memory.swaps else max(rendered, default=0)) / GIB,
        gpu_gb=memory.peak / GIB,
        image_mb=max(0.5, PNG_BYTES * size**2 / 1e6),
        machine=f"{memory.card.name} ({assumed}estimated, not measured)",
        swap=memory.swap_seconds,
    )


def describe(memory: MemoryPlan, proposals: int = 20) -> dict[str, Any]:
    """A memory plan as plain values: GiB and seconds."""

    def rounded(value: float | None, digits: int = 2) -> float | None:
        return None if value is None else round(value, digits)

    each = memory.image_seconds
    return {
        "plan": memory.name,
        "card": memory.card.name,
        "card_gb": round(memory.card.memory, 1),
        "fits": memory.fits,
        "why_not": memory.why_not,
        "peak_gb": round(memory.peak / GIB, 1),
        "phases_gb": {phase: round(need / GIB, 1) for phase, need in memory.needs.items()},
        "models": [
            {
                "what": part.what,
                "model": part.model,
                "phase": part.phase,
                "parameters": part.size.parameters if part.size else None,
                "gb": round(part.bytes(memory.name) / GIB, 1) if part.size else None,
            }
            for part in memory.components
        ],
        "beside": {seat: list(others) for seat, others in memory.beside.items()},
        "swaps": memory.swaps,
        "swap_seconds": rounded(memory.swap_seconds, 1),
        "seconds_per_image": rounded(each),
        "seconds_per_iteration": rounded(each and proposals * each + memory.swap_seconds, 1),
        "assumed": assumptions(memory),
    }


def assumptions(memory: MemoryPlan) -> str:
    """What the seconds rest on, in one line."""
    from steer.machine.gpu_memory import LINK, MFU

    if memory.image_seconds is None:
        return "the speed of this card or pipeline is not known here"
    peak = memory.card.fp8 if memory.name == "fp8" and memory.card.fp8 else memory.card.bf16
    return (
        f"{MFU[memory.name]:.0%} of {peak:,.0f} TFLOP/s, {LINK / 1e9:.0f} GB/s to main memory; "
        "measure: python benchmarks/gpu.py"
    )


def expected(parts: Parts) -> Costs:
    """What a run with these parts may take, for the first estimate on its progress bar."""
    from steer.machine.presets import PRESETS

    if parts.preset not in PRESETS or getattr(parts.renderer, "steps", None) is None:
        return SANDBOX
    return costs_of(parts.preset, DEFAULT, memory_of(parts.preset, DEFAULT))

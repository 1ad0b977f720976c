"""What a run will take, before anything starts: pictures, minutes, memory, disk.

Estimates from measured costs, and upper bounds where a run may stop early.
"""

from __future__ import annotations

from dataclasses import dataclass

from steer.settings import GATE_RENDERS, Settings


@dataclass(frozen=True)
class Costs:
    """What one step takes with a preset, on the machine it is meant for."""

    load: float  # seconds until everything is in memory
    propose: float  # seconds per proposed prompt
    render: float  # seconds per 512x512 image
    score: float  # seconds per image
    memory_gb: float  # main memory of the process at its peak
    gpu_gb: float = 0.0
    image_mb: float = 0.5  # of one PNG
    machine: str = "2 CPU cores"


COSTS = {
    "sandbox": Costs(load=9.5, propose=0.2, render=0.4, score=0.02, memory_gb=1.5),
    "klein": Costs(
        load=60,
        propose=0.1,
        render=1.5,
        score=0.1,
        memory_gb=16,
        gpu_gb=24,
        machine="a 24 GB GPU, not measured",
    ),
    "flux2": Costs(
        load=240,
        propose=0.1,
        render=7,
        score=0.1,
        memory_gb=32,
        gpu_gb=80,
        machine="an 80 GB GPU, not measured",
    ),
}


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


def plan(settings: Settings, preset: str) -> Plan:
    """What a run with these settings takes at most; an unknown preset counts as the sandbox."""
    costs = COSTS.get(preset, COSTS["sandbox"])
    proposals = settings.iterations * settings.proposals
    searched = 1 + proposals
    gate = GATE_RENDERS if settings.gate_sd is not None else 0
    images = searched + gate + 2 * settings.confirm
    seconds = costs.load + proposals * costs.propose + images * (costs.render + costs.score)
    return Plan(
        preset=preset,
        images=images,
        iterations=settings.iterations,
        proposals=proposals,
        seconds=round(seconds, 1),
        memory_gb=costs.memory_gb,
        gpu_gb=costs.gpu_gb,
        disk_mb=round(images * costs.image_mb + 4, 1),  # 4 MB: the gallery at its largest
        machine=costs.machine,
        may_stop_early=settings.patience > 0 or settings.target is not None,
    )

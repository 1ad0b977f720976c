"""What kinds of GPU there are, and which one is here.

Peaks are the makers' figures for dense matrix products (no sparsity), bfloat16 with float32 accumulation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    name: str
    memory: float  # GiB that its driver reports
    bf16: float = 0.0  # TFLOP/s, dense; 0 where it is not known here
    fp8: float = 0.0  # TFLOP/s, dense; 0 where it has none
    fp32: float = 0.0  # TFLOP/s
    bandwidth: float = 0.0  # TB/s of its memory


# The first whose name occurs in the driver's name is taken, so longer names stand before shorter ones.
GPUS = (
    Gpu("B200", 178, 2250, 4500, 75, 8.0),
    Gpu("H200", 140, 989, 1979, 67, 4.8),
    Gpu("H100 PCIe", 79, 756, 1513, 51, 2.0),
    Gpu("H100 NVL", 93, 835, 1671, 60, 3.9),
    Gpu("H100", 79, 989, 1979, 67, 3.35),
    Gpu("A100-SXM4-80GB", 79, 312, 0, 19.5, 2.0),
    Gpu("A100 80GB", 79, 312, 0, 19.5, 1.9),
    Gpu("A100", 39, 312, 0, 19.5, 1.6),
    Gpu("L40S", 44, 362, 733, 92, 0.86),
    Gpu("RTX 6000 Ada", 47, 364, 728, 91, 0.96),
    Gpu("RTX 5090", 31, 209, 419, 105, 1.8),
    Gpu("RTX 4090", 24, 165, 330, 83, 1.0),
    Gpu("RTX 3090", 24, 71, 0, 36, 0.94),
    Gpu("A10G", 22, 70, 0, 35, 0.6),
    Gpu("L4", 22, 121, 242, 30, 0.3),
)

# For the table of what fits where: the classes of GPU that the presets are made for.
TYPICAL = {"24 GB": "RTX 4090", "80 GB": "H100", "141 GB": "H200"}


def by_name(name: str) -> Gpu:
    """The GPU that the table has under exactly this name."""
    return next(known for known in GPUS if known.name == name)


def from_driver(name: str, memory: float) -> Gpu:
    """The GPU that a driver calls `name` and that has `memory` GiB."""
    for known in GPUS:
        if known.name.lower() in name.lower():
            return replace(known, name=name, memory=memory)
    return Gpu(name, memory)


def here() -> Gpu | None:
    """The GPU with the most memory that torch can use; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    best = max(found, key=lambda properties: properties.total_memory)
    return from_driver(best.name, best.total_memory / GIB)

"""What kinds of GPU there are, and which one is here.

Peaks are the makers' figures for dense matrix products (no sparsity), bfloat16 with float32 accumulation.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Card:
    """One GPU."""

    name: str
    memory: float  # GiB that its driver reports
    bf16: float = 0.0  # TFLOP/s, dense; 0 where it is not known here
    fp8: float = 0.0  # TFLOP/s, dense; 0 where it has none
    fp32: float = 0.0  # TFLOP/s
    bandwidth: float = 0.0  # TB/s of its memory


# The first whose name occurs in the driver's name is taken, so longer names stand before shorter ones.
CARDS = (
    Card("B200", 178, 2250, 4500, 75, 8.0),
    Card("H200", 140, 989, 1979, 67, 4.8),
    Card("H100 PCIe", 79, 756, 1513, 51, 2.0),
    Card("H100 NVL", 93, 835, 1671, 60, 3.9),
    Card("H100", 79, 989, 1979, 67, 3.35),
    Card("A100-SXM4-80GB", 79, 312, 0, 19.5, 2.0),
    Card("A100 80GB", 79, 312, 0, 19.5, 1.9),
    Card("A100", 39, 312, 0, 19.5, 1.6),
    Card("L40S", 44, 362, 733, 92, 0.86),
    Card("RTX 6000 Ada", 47, 364, 728, 91, 0.96),
    Card("RTX 5090", 31, 209, 419, 105, 1.8),
    Card("RTX 4090", 24, 165, 330, 83, 1.0),
    Card("RTX 3090", 24, 71, 0, 36, 0.94),
    Card("A10G", 22, 70, 0, 35, 0.6),
    Card("L4", 22, 121, 242, 30, 0.3),
)

# For the table of what fits where: the classes of card that the presets are made for.
TYPICAL = {"24 GB": "RTX 4090", "80 GB": "H100", "141 GB": "H200"}


def card(name: str) -> Card:
    """The card of this name, as the table has it; KeyError where it has none."""
    return next(known for known in CARDS if known.name == name)


def named(name: str, memory: float) -> Card:
    """The card that a driver calls `name` and that has `memory` GiB."""
    for known in CARDS:
        if known.name.lower() in name.lower():
            return Card(name, memory, known.bf16, known.fp8, known.fp32, known.bandwidth)
    return Card(name, memory)


def here() -> Card | None:
    """The GPU with the most memory that torch can use; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    best = max(found, key=lambda properties: properties.total_memory)
    return named(best.name, best.total_memory / GIB)

"""What kinds of GPU there are, and which one is here.

Peaks are the makers' figures for dense matrix products (no sparsity), bfloat16 with float32 accumulation.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from steer.errors import UsageError

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
    has_bf16: bool = True  # whether it computes in bfloat16 at all; Volta and Turing do not
    unified: bool = False  # whether its memory is the machine's main memory
    free: float | None = None  # GiB that nobody else has taken; None: all of it
    device: str = "cuda"  # as torch calls it

    @property
    def room(self) -> float:
        """GiB that a run may count on."""
        return self.memory if self.free is None else min(self.memory, self.free)


# Whole words of the driver's name are compared; the first that occurs is taken, so longer ones stand first.
GPUS = (
    Gpu("B300", 268, 2250, 4500, 77, 8.0),
    Gpu("GB300", 268, 2500, 5000, 80, 8.0),
    Gpu("B200", 178, 2250, 4500, 75, 8.0),
    Gpu("GB200", 184, 2500, 5000, 80, 8.0),
    Gpu("H200", 140, 989, 1979, 67, 4.8),
    Gpu("H100 PCIe", 79, 756, 1513, 51, 2.0),
    Gpu("H100 NVL", 93, 835, 1671, 60, 3.9),
    Gpu("H100", 79, 989, 1979, 67, 3.35),
    Gpu("A100-SXM4-80GB", 79, 312, 0, 19.5, 2.0),
    Gpu("A100 80GB", 79, 312, 0, 19.5, 1.9),
    Gpu("A100", 39, 312, 0, 19.5, 1.6),
    Gpu("MI325X", 256, 1307, 2615, 163, 6.0),
    Gpu("MI300X", 192, 1307, 2615, 163, 5.3),
    Gpu("RTX PRO 6000", 95, 504, 1007, 126, 1.8),
    Gpu("GB10", 119, 125, 250, 31, 0.27, unified=True),
    Gpu("L40S", 44, 362, 733, 92, 0.86),
    Gpu("L40", 44, 181, 362, 91, 0.86),
    Gpu("RTX 6000 Ada", 47, 364, 728, 91, 0.96),
    Gpu("RTX 5090", 31, 209, 419, 105, 1.8),
    Gpu("RTX 4090", 24, 165, 330, 83, 1.0),
    Gpu("RTX 3090", 24, 71, 0, 36, 0.94),
    Gpu("A10G", 22, 70, 0, 35, 0.6),
    Gpu("L4", 22, 121, 242, 30, 0.3),
    Gpu("T4", 15, fp32=8, bandwidth=0.32, has_bf16=False),
)

# For the table of what fits where: the classes of GPU that the presets are made for.
TYPICAL = {"24 GB": "RTX 4090", "80 GB": "H100", "141 GB": "H200"}


def by_name(name: str) -> Gpu:
    """The GPU that the table has under exactly this name."""
    return next(known for known in GPUS if known.name == name)


def from_driver(name: str, memory: float) -> Gpu:
    """The GPU that a driver calls `name` and that has `memory` GiB."""
    for known in GPUS:
        if re.search(rf"(?<![a-z0-9]){re.escape(known.name)}(?![a-z0-9])", name, re.IGNORECASE):
            return replace(known, name=name, memory=memory)
    return Gpu(name, memory)


def all_here() -> list[Gpu]:
    """Every GPU that torch can use, in the order of its numbers; Apple's is one."""
    import torch

    if torch.cuda.is_available():
        return [_cuda(i) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        most = torch.mps.recommended_max_memory() / GIB
        return [Gpu("Apple GPU", most, unified=True, device="mps")]
    return []


def here() -> Gpu | None:
    """The GPU with the most free memory; None without one."""
    return max(all_here(), key=lambda gpu: gpu.room, default=None)


def numbered(number: int) -> Gpu:
    """The GPU of this number. Raises `UsageError` for a number that no GPU has."""
    found = all_here()
    if number >= len(found):
        count = f"are numbered 0 to {len(found) - 1}" if found else "are none"
        raise UsageError(f"there is no GPU {number}: on this machine there {count}; see: steer doctor")
    return found[number]


def free_bytes(gpu: Gpu) -> int:
    """What nobody has taken of the memory of a GPU by now, in bytes."""
    import torch

    return int(torch.cuda.mem_get_info(gpu.device)[0])


def only(number: int) -> dict[str, str]:
    """The variables by which a program that is started sees no other GPU than the one of this number."""
    listed = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return {"CUDA_VISIBLE_DEVICES": listed[number] if number < len(listed) else str(number)}


def _cuda(i: int) -> Gpu:
    import torch

    properties = torch.cuda.get_device_properties(i)
    # What this process holds already is its own to use.
    free = torch.cuda.mem_get_info(i)[0] + torch.cuda.memory_reserved(i)
    return replace(
        from_driver(properties.name, properties.total_memory / GIB),
        has_bf16=bool(torch.version.hip) or torch.cuda.get_device_capability(i) >= (8, 0),
        free=free / GIB,
        device=f"cuda:{i}",
    )

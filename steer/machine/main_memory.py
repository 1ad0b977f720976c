"""Main memory of this machine, or of the container that steer runs in: what it has, and what is free."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc/meminfo")
# A container's limit and use, in version 2 and version 1 of control groups.
_GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def total() -> int:
    """Bytes; 0 where the system does not say."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
    return min([physical, *(limit for limit, _ in _limits())])


def available() -> int:
    """Bytes that programs can still take without anything being swapped; 0 where the system does not say."""
    free = _meminfo("MemAvailable") or total()
    return max(0, min([free, *(limit - used for limit, used in _limits())]))


def _meminfo(name: str) -> int:
    try:
        lines = _PROC.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def _limits() -> list[tuple[int, int]]:
    """Limit and use of the control group, where it has a limit."""
    found = []
    for limit, used in _GROUPS:
        try:
            found.append((int(limit.read_text(encoding="utf-8")), int(used.read_text(encoding="utf-8"))))
        except (OSError, ValueError):  # version 2 writes "max" for none
            continue
    return found

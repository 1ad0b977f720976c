"""Steer a text-to-image model to one person's taste by rewriting the prompt.

    from steer import load, steer

    parts = load("sandbox")
    result = steer("floating mossy rocks", parts.scorer.person("17"), parts)
    print(result.best["prompt"], result.confirm["verdict"], result.folder)

Anything with the one method of `Proposer`, `Renderer` or `Scorer` can take its seat:

    steer("floating mossy rocks", person, parts, renderer=mine)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reward.people import Person
    from steer.errors import SteerError
    from steer.presets import load
    from steer.record import Record
    from steer.run import Result, Run, resume, steer
    from steer.settings import Settings
    from steer.types import Event, Parts, Proposer, Renderer, Scored, Scorer

__all__ = [
    "Event",
    "Parts",
    "Person",
    "Proposer",
    "Record",
    "Renderer",
    "Result",
    "Run",
    "Scored",
    "Scorer",
    "Settings",
    "SteerError",
    "load",
    "resume",
    "steer",
]

_HOME = {
    "reward.people": ("Person",),
    "steer.errors": ("SteerError",),
    "steer.presets": ("load",),
    "steer.record": ("Record",),
    "steer.run": ("Result", "Run", "resume", "steer"),
    "steer.settings": ("Settings",),
    "steer.types": ("Event", "Parts", "Proposer", "Renderer", "Scored", "Scorer"),
}


def __getattr__(name: str) -> Any:
    # Imported when first asked for, so that `import steer` and `steer --help` stay instant.
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'steer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

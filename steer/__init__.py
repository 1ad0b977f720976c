"""Steer a text-to-image model to one person's taste by rewriting the prompt.

    from steer import load, steer

    parts = load("sandbox")
    result = steer("floating mossy rocks", "17", parts)
    print(result.best["prompt"], result.confirm["verdict"], result.folder)

Anything with the one method of `Proposer`, `Renderer` or `Scorer` can take its seat:

    steer("floating mossy rocks", "me", parts, renderer=mine)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reward.people.person import Person
    from steer.errors import SteerError
    from steer.library import Run, resume, steer
    from steer.loop.run import Result
    from steer.machine.loading import load
    from steer.parts import Parts, Proposer, Renderer, Scored, Scorer
    from steer.record.events import Event
    from steer.record.folder import Record
    from steer.settings import Settings

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
    "reward.people.person": ("Person",),
    "steer.errors": ("SteerError",),
    "steer.machine.loading": ("load",),
    "steer.record.folder": ("Record",),
    "steer.library": ("Run", "resume", "steer"),
    "steer.loop.run": ("Result",),
    "steer.settings": ("Settings",),
    "steer.parts": ("Parts", "Proposer", "Renderer", "Scored", "Scorer"),
    "steer.record.events": ("Event",),
}


def __getattr__(name: str) -> Any:
    # Imported when first asked for, so that `import steer` and `steer --help` stay instant.
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'steer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

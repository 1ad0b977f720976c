"""Options that a renderer does not have are refused, with what it has."""

from __future__ import annotations

from typing import Any

from steer.errors import UsageError
from steer.parts import Capabilities

# option -> the field of `Capabilities` that it needs
NEEDS = {
    "negative_prompt": "negative",
    "steps": "steps",
    "guidance": "guidance",
    "size": "sizes",
    "batch": "batch",
    "lora": "lora",
}


def refuse_lacking(name: str, has: Capabilities, advice: str = "", **options: Any) -> None:
    """Raises `UsageError` for the first option that was given and that the renderer called `name` lacks."""
    for option, value in options.items():
        if value not in (None, (), []) and not getattr(has, NEEDS[option]):
            raise UsageError(
                f"{name} takes no --{option.replace('_', '-')}, it takes {has}: leave it out{advice}"
            )

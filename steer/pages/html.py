"""Every page as text: one environment, in which all values are escaped and none may be missing."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING, Any

from steer.pages import wording

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = resources.files("steer") / "pages"


def fill(template: str, **values: Any) -> str:
    """A template of `templates/`, filled in; half a character, as logs may hold one, becomes "?"."""
    return _environment().get_template(template).render(**values).encode(errors="replace").decode()


def inline(*names: str) -> Any:
    """Style or script of `inline/`, one after the other, as a self-contained page carries it: not escaped."""
    from markupsafe import Markup

    return Markup("".join((FOLDER / "inline" / name).read_text(encoding="utf-8") for name in names))


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(str(FOLDER / "templates"))
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"score": wording.score, "gain": wording.gain}
    return environment

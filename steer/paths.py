"""Where profiles, predictors, caches and downloaded weights lie: one rule, in `docs/paths.md` as a table.

A variable of ours names a place; otherwise it is the one that the system's variables name (XDG), and of the
hub's weights the one that the hub's library names. Nothing is made here.
"""

from __future__ import annotations

import os
from pathlib import Path

_HOME_DATA = Path("~/.local/share")


def profiles() -> Path:
    """$STEER_PROFILES_DIR, else profiles/ in `data()`.

    Profiles from before $XDG_DATA_HOME counted are in ~/.local/share: used while there are no others.
    """
    if named := _named("STEER_PROFILES_DIR"):
        return named
    now, before = data() / "profiles", _HOME_DATA.expanduser() / "steer" / "profiles"
    return before if before.is_dir() and not now.is_dir() else now


def predictor() -> Path:
    """$STEER_PREDICTOR, else predictor/ in `data()`: the user's own, for all presets but the sandbox."""
    return _named("STEER_PREDICTOR") or data() / "predictor"


def vllm_python() -> Path:
    """$STEER_VLLM_PYTHON, else the interpreter of the environment that `steer setup` makes in `data()`."""
    return _named("STEER_VLLM_PYTHON") or data() / "vllm" / "bin" / "python"


def sandbox(version: int) -> Path:
    """What the sandbox of one version made and can make again, in `cache()`."""
    return cache() / f"sandbox-v{version}"


def data() -> Path:
    """What nobody can make again: steer/ in $XDG_DATA_HOME or ~/.local/share."""
    return (_absolute("XDG_DATA_HOME") or _HOME_DATA.expanduser()) / "steer"


def cache() -> Path:
    """What may be deleted at any time: $STEER_CACHE, else steer/ in $XDG_CACHE_HOME or ~/.cache."""
    return _named("STEER_CACHE") or (_absolute("XDG_CACHE_HOME") or Path.home() / ".cache") / "steer"


def prompts() -> list[Path]:
    """The folders of the language model's editable texts: the installed package's, and a checkout's."""
    here = Path(__file__).parent
    return [folder for folder in (here / "prompts", here.parent / "prompts") if folder.is_dir()]


def hub() -> Path:
    """Where the hub's library keeps what it downloads: $HF_HUB_CACHE, $HF_HOME, or what it says itself."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _named(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None


def _absolute(variable: str) -> Path | None:
    """XDG: a relative path counts as unset."""
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else None

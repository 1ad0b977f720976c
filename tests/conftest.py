"""Every test runs alone: its own folder, no settings of the person who runs it, no network, one thread."""

import os

# Read at import by OpenMP and by huggingface_hub, so set before any test module imports them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("steer", deadline=None, derandomize=True, max_examples=60, database=None)
hypothesis.settings.load_profile("steer")


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, no STEER_* setting but a runs folder of the test's own, no weights."""
    for name in list(os.environ):
        if name.startswith(("STEER_", "XDG_")):
            monkeypatch.delenv(name)
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    # Whatever comes to pip all the same finds nothing to install: this environment is everybody's.
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": "", "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))  # read at its import
    monkeypatch.setenv("STEER_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path

"""Where things lie on this machine: one rule, which never loses what is at an old place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from steer import paths
from steer.machine import hub
from steer.profiles import Profiles
from steer.profiles.sources import sandbox_folder

HOME_DATA = Path(".local") / "share" / "steer"


def test_without_a_setting_everything_is_where_xdg_says():
    assert paths.profiles() == Path.home() / HOME_DATA / "profiles"
    assert paths.predictor() == Path.home() / HOME_DATA / "predictor"
    assert paths.sandbox(3) == Path.home() / ".cache" / "steer" / "sandbox-v3"


def test_xdgs_variables_move_data_and_caches_and_relative_ones_are_unset(monkeypatch, tmp_path):
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    assert paths.profiles() == tmp_path / "XDG_DATA_HOME" / "steer" / "profiles"
    assert paths.predictor() == tmp_path / "XDG_DATA_HOME" / "steer" / "predictor"
    assert paths.cache() == tmp_path / "XDG_CACHE_HOME" / "steer"
    monkeypatch.setenv("XDG_DATA_HOME", "here")
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert paths.data() == Path.home() / HOME_DATA and paths.cache() == Path.home() / ".cache" / "steer"


def test_our_variables_come_first(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("STEER_PROFILES_DIR", str(tmp_path / "profiles"))
    monkeypatch.setenv("STEER_PREDICTOR", "~/predictor")
    monkeypatch.setenv("STEER_CACHE", str(tmp_path / "cache"))
    assert Profiles().folder == tmp_path / "profiles" and paths.predictor() == Path.home() / "predictor"
    assert paths.cache() == tmp_path / "cache" and sandbox_folder().parent == paths.cache()


def test_profiles_at_the_old_place_are_used_while_there_are_none_at_the_new(monkeypatch, tmp_path):
    Profiles().create("me")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert Profiles().list() == ["me"] and Profiles().folder == Path.home() / HOME_DATA / "profiles"
    (tmp_path / "xdg" / "steer" / "profiles").mkdir(parents=True)
    assert Profiles().folder == tmp_path / "xdg" / "steer" / "profiles"


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"])
def test_the_hubs_weights_are_where_its_own_library_puts_them(variable, tmp_path):
    inside = {"HF_HOME": "hub", "XDG_CACHE_HOME": "huggingface/hub"}.get(variable, "")
    snapshot = tmp_path / inside / "models--some--model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    code = "from steer.machine import hub; print(hub.local('some/model'))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    root = Path(paths.__file__).parents[1]
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, variable: str(tmp_path), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(snapshot)


def test_whether_the_hub_is_forbidden_is_what_its_library_says(monkeypatch):
    assert hub.offline()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert not hub.offline()

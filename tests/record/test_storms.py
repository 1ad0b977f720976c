"""Damage and kills, in short; the long versions are commands (see the two programs in tests/support)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fuzz_folders
import fuzz_records
import pytest

STORM = Path(__file__).parents[1] / "support" / "kill_storm.py"


@pytest.mark.slow
def test_no_command_fails_otherwise_than_in_words_on_any_of_150_damaged_runs(tmp_path):
    fuzzer = fuzz_records.Fuzzer(tmp_path, seed=0)
    cases = map(fuzzer.case, range(150))
    wrong = [(case.number, found) for case in cases if (found := case.wrong(fuzzer.base[case.words]))]
    assert not wrong


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_no_command_fails_otherwise_than_in_words_on_any_of_120_damaged_predictors_and_profiles(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    fuzzer = fuzz_folders.Fuzzer(tmp_path, seed=0)
    cases = map(fuzzer.case, range(120))
    wrong = [(case.number, found) for case in cases if (found := case.wrong(fuzzer.base[case.words]))]
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["record", "comfyui", "profile", "study", "sweep"])
def test_nothing_is_lost_and_nothing_there_twice_after_40_kills(subject):
    path = os.pathsep.join([str(STORM.parent), str(STORM.parents[2])])
    done = subprocess.run(
        [sys.executable, str(STORM), subject, "--kills", "40"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 lost, 0 twice" in done.stdout

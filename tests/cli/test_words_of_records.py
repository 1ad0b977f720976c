"""A folder from elsewhere, a record or the one that steer is called in, starts no program and gets no key."""

import ast
import json
import os
from pathlib import Path

import pytest
from fake_run import crowd_parts
from fakes import FakeRenderer

from steer.cli.app import run_command
from steer.machine.overrides import Overrides
from steer.proposer.address import KEY_VARIABLE

ROOT = Path(__file__).parents[2]
SMALL = [
    "--iterations",
    "1",
    "--proposals",
    "2",
    "--confirm",
    "0",
    "--prompt",
    "rocks",
    "--preset",
    "sandbox",
]


class Boom(FakeRenderer):
    def render(self, requests):
        raise KeyboardInterrupt


@pytest.fixture
def trap(isolated):
    """A program that leaves a trace when it is run."""
    program = isolated / "python"
    program.write_text(f"#!/bin/sh\ntouch '{isolated}/ran'\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def record(isolated, monkeypatch, capsys):
    """Makes a run that was interrupted, or finished, and writes something into its recipe."""

    def record(finished=False, **recipe):
        with monkeypatch.context() as patch:
            seats = {} if finished else {"renderer": Boom()}
            patch.setattr(
                "steer.machine.loading.load", lambda preset, **options: crowd_parts(options, **seats)
            )
            run_command(["run", "--user", "3", *SMALL])
        capsys.readouterr()
        folder = max((isolated / "runs").iterdir())
        config = json.loads((folder / "config.json").read_text())
        config["recipe"].update({"preset": "sandbox", **recipe})
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return record


@pytest.fixture
def asked(monkeypatch):
    """What `load` was asked for, instead of loading anything."""
    asked = {}

    def load(preset, **options):
        asked.update(options)
        return crowd_parts(options)

    monkeypatch.setattr("steer.machine.loading.load", load)
    return asked


@pytest.mark.parametrize("preset", ["sandbox", "klein"])
def test_resume_runs_no_interpreter_of_the_record(record, trap, isolated, capsys, preset):
    folder = record(preset=preset, vllm_python=str(trap), llm="model")
    assert run_command(["runs", "resume", str(folder)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "--vllm-python" in line and not (isolated / "ran").exists()


def test_compare_runs_no_interpreter_of_the_records(record, trap, isolated, monkeypatch):
    left, right = record(True, vllm_python=str(trap), llm="m"), record(True, vllm_python=str(trap), llm="m")
    monkeypatch.setattr("reward.baselines.load_reward", lambda name, device: crowd_parts({}).scorer)
    monkeypatch.setattr("steer.machine.loading._proposer", lambda resolved: pytest.fail("loads a proposer"))
    monkeypatch.setattr("steer.machine.loading._renderer", lambda resolved: pytest.fail("loads a renderer"))
    assert run_command(["runs", "compare", str(left), str(right)]) == 0
    assert not (isolated / "ran").exists()


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_resume_takes_the_interpreter_that_the_user_names(record, asked, monkeypatch, by):
    folder = record(vllm_python="/elsewhere/python")
    if by == "variable":
        monkeypatch.setenv("STEER_VLLM_PYTHON", "/mine/python")
    run_command(["runs", "resume", str(folder), *(["--vllm-python", "/mine/python"] * (by == "flag"))])
    assert asked["vllm_python"] == "/mine/python"


def test_a_variable_adds_no_interpreter_to_a_run_that_had_none(record, asked, monkeypatch):
    folder = record()
    monkeypatch.setenv("STEER_VLLM_PYTHON", "/mine/python")
    monkeypatch.setenv("STEER_LLM_URL", "http://127.0.0.1:9/v1")
    run_command(["runs", "resume", str(folder)])
    assert asked["vllm_python"] is asked["llm_url"] is None


def test_the_key_goes_to_no_address_of_a_record(record, asked, monkeypatch, capsys):
    folder = record(llm_url="http://elsewhere:1/v1")
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    assert run_command(["runs", "resume", str(folder)]) == 2
    assert "--llm-url" in capsys.readouterr().err and not asked
    run_command(["runs", "resume", str(folder), "--llm-url", "http://127.0.0.1:1/v1"])
    assert asked["llm_url"] == "http://127.0.0.1:1/v1"


def test_without_a_key_the_address_of_the_record_is_asked_again():
    recorded = Overrides(llm_url="http://127.0.0.1:1/v1")
    assert recorded.by_word(None, None) == recorded


def test_the_current_folder_names_no_program(isolated, trap, asked, capsys):
    (isolated / "steer.toml").write_text(f'vllm_python = "{trap}"\n')
    assert run_command(["run", "--user", "3", *SMALL]) == 2
    assert "--vllm-python" in capsys.readouterr().err and not asked
    assert run_command(["run", "--user", "3", *SMALL, "--config", "steer.toml"]) == 0
    assert asked["vllm_python"] == str(trap)


def test_the_current_folder_says_not_where_the_key_goes(isolated, asked, monkeypatch):
    (isolated / "steer.toml").write_text('llm-url = "http://elsewhere:1/v1"\n')
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    assert run_command(["run", "--user", "3", *SMALL]) == 2 and not asked
    monkeypatch.delenv(KEY_VARIABLE)
    assert run_command(["run", "--user", "3", *SMALL]) == 0


def test_no_model_brings_code_of_its_own():
    """transformers' automatic classes ask on a terminal whether to run it, unless they are told not to."""
    files = [*(ROOT / "steer").rglob("*.py"), *(ROOT / "reward").rglob("*.py")]
    calls = [
        (file.name, node)
        for file in files
        if file.parent.name != "adapters"  # programs of their own, which ask for it by a flag
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "from_pretrained"
        and ".Auto" in f".{ast.unparse(node.func.value)}"
    ]
    assert calls
    for file, call in calls:
        told = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert told.get("trust_remote_code") == "False", file


@pytest.mark.parametrize("text", ["a = " + "[" * 10**5, "a = " + "9" * 5000, "\0"])
def test_a_damaged_settings_file_of_this_folder_is_one_line(isolated, capsys, text):
    (isolated / "steer.toml").write_text(text)
    assert run_command(["run", "--user", "3", "--plan"]) == 2
    said = capsys.readouterr().err
    assert "cannot read steer.toml" in said and "unexpected" not in said


def test_a_pipe_in_place_of_the_settings_file_is_not_waited_at(isolated, capsys):
    os.mkfifo(isolated / "steer.toml")
    assert run_command(["run", "--user", "3", "--plan"]) == 2
    assert "no plain file" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[" * 10**5, "[]", '{"_class_name": "X", "unet": NaN}'])
def test_a_damaged_pipeline_is_told_of_in_words(isolated, capsys, text):
    (isolated / "pipeline").mkdir()
    (isolated / "pipeline" / "model_index.json").write_text(text)
    assert run_command(["run", *SMALL, "--user", "3", "--renderer", "pipeline"]) in (1, 2)
    said = capsys.readouterr().err
    assert "error: " in said and "unexpected" not in said


@pytest.mark.parametrize(
    "text", ["[" * 10**5, "[]", '{"model_type": "llama"}', '{"model_type": "siglip", "vision_config": 3}']
)
def test_a_damaged_language_model_is_told_of_in_words(isolated, capsys, text):
    (isolated / "model").mkdir()
    (isolated / "model" / "config.json").write_text(text)
    run_command(["run", *SMALL, "--user", "3", "--llm", "model"])
    said = capsys.readouterr().err
    assert "error: " in said and "unexpected" not in said

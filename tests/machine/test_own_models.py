"""From the command line to a result with other models in every seat: pipeline folder, server, predictor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_llm import FakeLlm, chat

import steer.machine.presets
from steer import Record
from steer.cli.app import run_command

pytest.importorskip("diffusers")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """FLUX.2-dev's classes at a tiny size, as files."""
    from tiny_pipelines import flux2, save

    return save(flux2(), tmp_path_factory.mktemp("pipelines") / "tiny-flux2")


class Llm(FakeLlm):
    """Writes rewrites that the tiny tokenizer can tell apart; the second request waits until it is let go."""

    def __init__(self) -> None:
        super().__init__(self.write)
        self.go = threading.Event()
        self.go.set()

    def write(self, path, body):
        if len(self.asked) > 1:
            self.go.wait(60)
        wanted = body["response_format"]["json_schema"]["schema"]["properties"]["prompts"]["minItems"]
        start = body["seed"] % 50
        return chat(json.dumps({"prompts": [f"floating mossy rocks take{start + k}" for k in range(wanted)]}))


def words(pipeline, llm, out):
    return [
        *("run", "--preset", "laptop", "--user", "17", "--prompt", "floating mossy rocks"),
        *(
            "--renderer",
            str(pipeline),
            "--llm-url",
            llm.url,
            "--reward",
            str(steer.machine.presets.WEIGHTS / "predictor"),
        ),
        *("--size", "32", "--steps", "2", "--guidance", "3", "--batch", "4", "--memory", "bf16"),
        *("--iterations", "2", "--proposals", "4", "--patience", "0", "--confirm", "2", "--no-gate"),
        *("--search", "paper"),
        *("--out", str(out)),
    ]


def result_of(out):
    [folder] = out.iterdir()
    return Record.read(folder)


def pictures(record):
    return {event.id: event.sha256 for event in record.events if event.event == "rendered"}


@pytest.mark.slow
def test_a_run_with_other_models_in_every_seat_is_killed_and_resumed_to_the_result_it_would_have_had(
    pipeline, tmp_path, capsys
):
    with Llm() as llm:
        whole = run_command(words(pipeline, llm, tmp_path / "whole"))
        said = capsys.readouterr()
        assert whole == 0, said.err
        assert "simulated person" in said.err and said.out.splitlines()[-1].startswith(
            str(tmp_path / "whole")
        )
    unbroken = result_of(tmp_path / "whole")

    with Llm() as llm:
        llm.go.clear()
        process = subprocess.Popen(
            [sys.executable, "-m", "steer", *words(pipeline, llm, tmp_path / "killed")],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
        )
        try:
            deadline = time.monotonic() + 120
            while len(llm.asked) < 2 and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert len(llm.asked) == 2, process.stderr.read() if process.poll() is not None else "too slow"
        finally:
            process.kill()
            process.communicate()
            llm.go.set()
        folder = next((tmp_path / "killed").iterdir())
        assert Record.read(folder).status == "interrupted"
        # It goes on where it stopped, with the same models, wherever their server is by now.
        assert run_command(["runs", "resume", str(folder)]) == 0, capsys.readouterr().err
        assert len(llm.asked) == 3  # the first iteration was not asked for again
    resumed = result_of(tmp_path / "killed")
    assert resumed.result["best"]["score"] == unbroken.result["best"]["score"]
    confirmed = 2 if resumed.result["winner_is_base"] else 4  # of random weights either may win
    assert pictures(resumed).keys() == pictures(unbroken).keys()
    assert len(pictures(resumed)) == 9 + confirmed
    assert [c.prompt for c in resumed.candidates] == [c.prompt for c in unbroken.candidates]
    assert [c.score for c in resumed.candidates] == [c.score for c in unbroken.candidates]


@pytest.mark.slow
def test_what_was_chosen_is_in_the_record_and_another_size_is_refused_on_resume(pipeline, tmp_path, capsys):
    with Llm() as llm:
        assert run_command([*words(pipeline, llm, tmp_path / "runs"), "--iterations", "1"]) == 0
        config = result_of(tmp_path / "runs").config
        assert config["recipe"]["renderer"] == str(pipeline) and config["recipe"]["llm_url"] == llm.url
        part = config["parts"]["renderer"]
        assert (part["steps"], part["guidance_scale"], part["width"], part["memory"]) == (2, 3.0, 32, "bf16")
        assert config["argv"][-1] != "--json" and {"--renderer", "--llm-url", "--size"} <= set(config["argv"])
        assert llm.url not in json.dumps(config["parts"])  # a server may have moved when the run goes on


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["--renderer", "nobody/nothing"], "steer setup nobody/nothing"),
        (["--renderer", "missing/folder/here"], "check the path"),
        (["--memory", "nf4"], "--memory nf4 needs an NVIDIA GPU"),
        (["--llm-url", "http://127.0.0.1:9"], "127.0.0.1:9"),
    ],
)
def test_what_cannot_be_used_is_one_line_before_there_is_a_run(pipeline, tmp_path, capsys, given, line):
    reward = str(steer.machine.presets.WEIGHTS / "predictor")
    base = ["run", "--preset", "laptop", "--user", "17", "--reward", reward, "--out", str(tmp_path / "runs")]
    own = [] if "--renderer" in given else ["--renderer", str(pipeline)]
    code = run_command([*base, *own, *given])
    err = capsys.readouterr().err
    assert code in (1, 2) and line in err and "Traceback" not in err
    assert len([row for row in err.splitlines() if row.startswith("error")]) == 1
    assert not (tmp_path / "runs").exists()


def test_a_preset_without_a_gpu_weights_or_predictor_names_each_and_the_first_command(capsys):
    code = run_command(["run", "--preset", "flux2", "--user", "17"])
    err = capsys.readouterr().err
    assert code == 1 and "a GPU with 64 GB" in err and "weights of black-forest-labs/FLUX.2-dev" in err
    assert "first: steer run --preset sandbox" in err and "steer doctor" in err

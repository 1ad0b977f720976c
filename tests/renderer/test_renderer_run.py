"""A whole run with a tiny FLUX.2: record, rejection of single candidates, kill and resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tiny
from fakes import PROMPT, FakePerson, fake_parts
from PIL import Image

from steer.loop.run import Run
from steer.record.folder import Record
from steer.renderer import RenderSettings, open_renderer
from steer.settings import Settings

SMALL = RenderSettings(width=32, height=32, steps=2, batch_size=3, max_sequence_length=16)
SETTINGS = Settings(iterations=2, proposals=4, confirm=2, patience=0, gate_sd=None, search="paper")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tiny.flux2(), tmp_path_factory.mktemp("models") / "flux2")


@pytest.fixture(scope="module")
def unbroken(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = Run.start(PROMPT, FakePerson(), parts(model), SETTINGS, tmp_path_factory.mktemp("unbroken"))
    for _ in run:
        pass
    return run.folder


def parts(model: Path) -> Any:
    return fake_parts(renderer=open_renderer(model, settings=SMALL, device="cpu"))


def images(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.asarray(Image.open(path), int) for path in (folder / "images").glob("*.png")}


def assert_same_end(folder: Path, unbroken: Path) -> None:
    ours, theirs = images(folder), images(unbroken)
    assert ours.keys() == theirs.keys()
    assert max(np.abs(ours[name] - theirs[name]).max() for name in ours) <= 1
    for field in ("status", "stop_reason", "candidates", "iterations"):
        assert Record.read(folder).result[field] == Record.read(unbroken).result[field]


def test_a_run_with_a_tiny_flux2_is_complete_and_says_what_rendered_it(unbroken, model):
    record = Record.read(unbroken)
    assert record.result["status"] == "complete"
    assert len(images(unbroken)) == 1 + 2 * 4 + 2 * 2  # base, candidates, confirmation of base and best
    told = record.config["parts"]["renderer"]
    assert (told["name"], told["steps"]) == ("flux2", 2)
    assert told["sha256"] == open_renderer(model, settings=SMALL).sha256


def test_an_interrupted_run_goes_on_with_a_new_renderer(unbroken, model, tmp_path):
    run = Run.start(PROMPT, FakePerson(), parts(model), SETTINGS, tmp_path)
    for event in run:
        if event.event == "rendered" and event.id == "r01c02":
            break
    del run
    [folder] = tmp_path.glob("*/")
    for _ in Run.resume(folder, FakePerson(), parts(model)):
        pass
    assert_same_end(folder, unbroken)


def test_a_black_image_loses_its_candidate_and_not_the_run(model, tmp_path):
    seats = parts(model)
    denoise = seats.renderer._denoise

    def dark(jobs, encoded, stop):
        made = denoise(jobs, encoded, stop)
        return [
            "the image is black" if "take" in job[0] and i == 1 else m
            for i, (job, m) in enumerate(zip(jobs, made, strict=True))
        ]

    seats.renderer._denoise = dark
    run = Run.start(
        PROMPT, FakePerson(), seats, Settings(iterations=1, proposals=3, confirm=0, search="paper"), tmp_path
    )
    events = list(run)
    lost = [event for event in events if event.event == "rejected" and event.stage == "render"]
    assert len(lost) == 1
    assert lost[0].reason == "the render failed: the image is black"
    assert run.result.status == "complete"


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(unbroken, model, tmp_path):
    with subprocess.Popen(
        [sys.executable, __file__, str(model), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip() == "rendered r01c01":
                child.send_signal(signal.SIGKILL)
                break
    [folder] = tmp_path.glob("*/")
    assert not Record.read(folder).complete
    for _ in Run.resume(folder, FakePerson(), parts(model)):
        pass
    assert_same_end(folder, unbroken)


def main() -> None:
    run = Run.start(PROMPT, FakePerson(), parts(Path(sys.argv[1])), SETTINGS, sys.argv[2])
    for event in run:
        print(event.event, getattr(event, "id", None), flush=True)


if __name__ == "__main__":
    main()

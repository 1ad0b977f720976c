"""Building the sandbox: stages that resume, report and clean up after themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steer.sandbox.make import build, dataset
from steer.sandbox.make.build import Built, Layout
from steer.sandbox.make.encoder_pairs import StepDone
from steer.sandbox.truth.raters import semantics_of_all
from steer.sandbox.truth.world import VERSION, Table, World, ratings_hash

MEASURED = Path(__file__).parents[1] / "data" / "measurements.safetensors"


def test_an_unknown_stage_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"varnish.*paintings"):
        list(build.build(tmp_path, stages=("varnish",)))


def test_the_default_folder_names_the_worlds_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert build.default_folder().name == f"sandbox-v{VERSION}"
    monkeypatch.setenv("STEER_CACHE", str(tmp_path / "elsewhere"))
    assert build.default_folder() == tmp_path / "elsewhere" / f"sandbox-v{VERSION}"


def test_the_rating_stage_reproduces_the_frozen_ratings_and_is_then_skipped(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    from reward.data import load

    made, layout = World.load(), Layout(tmp_path)
    scenes = dataset.make_scenes(made.scenes_seed)
    stored = load_file(MEASURED)
    Table(stored["values"], stored["unnamed"], semantics_of_all(scenes)).save(layout.measured)
    dataset.write_scenes(layout.scenes, scenes, ["a painting"] * len(scenes))
    layout.image(0).parent.mkdir(parents=True)
    for i in range(len(scenes)):
        layout.image(i).touch()

    *steps, end = build.build(tmp_path, stages=("ratings",))
    assert [(step.done, step.total) for step in steps if isinstance(step, StepDone)] == [(0, 5), (5, 5)]
    assert isinstance(end, Built) and end.seconds["ratings"] > 0
    loaded = load(layout.pamela)
    assert len(loaded.scores) == 69_904
    assert loaded.notices == () and loaded.simulated  # PAMELA's counts, so nothing to warn of
    assignment = dataset.assign(made.scenes_seed)
    ratings = {name: loaded.scores[loaded.rows(name)].astype(np.float64) for name in assignment}
    assert loaded.user_ids == tuple(str(i + 1) for i in range(199))
    assert ratings_hash(assignment, ratings) == made.ratings_sha256

    again = list(build.build(tmp_path, stages=("ratings",)))
    assert again == [Built(tmp_path, end.seconds)]


def test_work_that_reports_by_callback_is_heard_and_its_error_raised() -> None:
    def work(tell: Callable[[int, int, dict[str, float]], None]) -> None:
        tell(1, 2, {"loss": 0.5})
        raise RuntimeError("out of paint")

    steps = build._reported("features", work)
    first = next(steps)
    assert (first.stage, first.done, first.total, first.figures) == ("features", 1, 2, (("loss", 0.5),))
    with pytest.raises(RuntimeError, match="out of paint"):
        next(steps)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_build_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = tmp_path / "paint.py"
    script.write_text(
        "from pathlib import Path\n"
        "from steer.sandbox.make.dataset import make_scenes, render\n"
        "if __name__ == '__main__':\n"
        "    scenes = make_scenes(1, (4000,))\n"
        "    for done, _ in render([(Path(f'out/{i}.png'), s) for i, s in enumerate(scenes)], 2, 32):\n"
        "        print(done, flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(build.__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, env=environment, cwd=tmp_path
    ) as parent:
        assert parent.stdout is not None
        while int(parent.stdout.readline()) < 2:
            pass
        children = [int(pid) for pid in _children(parent.pid)]
        assert len(children) >= 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in children if _alive(pid)]


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False

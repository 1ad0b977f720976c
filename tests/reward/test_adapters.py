"""The programs that score images elsewhere, run as they will be: by path, in another process.

Their packages and weights are stand-ins: what holds here is the contract, not the scores.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from reward.baselines import BASELINES, read_scores, write_images

ADAPTERS = Path(__file__).parents[2] / "reward" / "adapters"
PROGRAMS = sorted(path for path in ADAPTERS.glob("*.py") if path.stem not in ("__init__", "common"))
TORCH = "import contextlib\nfloat16 = None\n@contextlib.contextmanager\ndef inference_mode():\n    yield\n"
HPSV3 = """
class HPSv3RewardInferencer:
    def __init__(self, device):
        open("loaded", "a").write(device + " ")
    def reward(self, *, image_paths, prompts):
        return [(len(prompt) + 0.5, 9.0) for _, prompt in zip(image_paths, prompts)]
"""
PYIQA = """
def create_metric(name, device):
    return lambda path, task_=None: {"quality": 2.0, "aesthetic": 3.0, None: float("nan")}[task_]
"""


@pytest.fixture
def listed(tmp_path):
    """A list of three images, and stand-ins for what the adapters import."""
    for name, text in {"torch": TORCH, "hpsv3": HPSV3, "pyiqa": PYIQA}.items():
        (tmp_path / f"{name}.py").write_text(text)
    rows = []
    for name in "abc":
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
        rows.append((name, tmp_path / f"{name}.png", f"{name}, with a comma" * (ord(name) - 96)))
    write_images(tmp_path / "images.csv", rows)
    return tmp_path


def run(folder, adapter, *words):
    return subprocess.run(
        [sys.executable, str(ADAPTERS / adapter), "images.csv", "scores.csv", *words],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_what_an_adapter_writes_is_what_the_core_reads(listed):
    done = run(listed, "hpsv3_scores.py", "--batch", "2", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    found = read_scores(listed / "scores.csv")["hpsv3"]
    assert found == {name: len(f"{name}, with a comma" * n) + 0.5 for n, name in enumerate("abc", 1)}
    assert (listed / "loaded").read_text() == "cpu "


def test_a_killed_adapter_goes_on_where_it_stopped(listed):
    (listed / "scores.csv").write_text("image,scorer,score\na,hpsv3,1.25\nb,hps")  # torn in its last line
    assert run(listed, "hpsv3_scores.py").returncode == 0
    found = read_scores(listed / "scores.csv")["hpsv3"]
    assert found["a"] == 1.25 and set(found) == {"a", "b", "c"}
    assert run(listed, "hpsv3_scores.py").returncode == 0
    assert (listed / "loaded").read_text() == "cuda "  # nothing was missing the second time: no model


def test_two_scorers_share_a_file_and_a_task_is_a_scorer_of_its_own(listed):
    assert run(listed, "qalign.py", "--task", "quality").returncode == 0
    assert run(listed, "qalign.py", "--task", "aesthetic").returncode == 0
    found = read_scores(listed / "scores.csv")
    assert set(found) == {"qalign-quality", "qalign-aesthetics"} <= set(BASELINES)
    assert set(found["qalign-aesthetics"].values()) == {3.0}


def test_a_score_that_is_not_a_number_stops_the_adapter_and_names_the_image(listed):
    done = run(listed, "laion_aesthetics.py")
    assert done.returncode == 1 and "gave a the score nan" in done.stderr


def test_a_model_with_code_of_its_own_needs_permission_and_a_commit(listed):
    assert "--trust-remote-code" in run(listed, "deqa.py").stderr
    done = run(listed, "deqa.py", "--trust-remote-code", "--revision", "main")
    assert done.returncode == 1 and "40 hexadecimal digits" in done.stderr


def test_a_list_that_is_wrong_is_refused(listed):
    (listed / "c.png").unlink()
    assert "1 images are missing, first" in run(listed, "hpsv3_scores.py").stderr
    (listed / "images.csv").write_text("file\na.png\n")
    assert "must have the columns image,path,prompt" in run(listed, "hpsv3_scores.py").stderr


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_every_adapter_pins_what_it_needs_and_imports_nothing_of_ours(program):
    text = program.read_text(encoding="utf-8")
    assert text.startswith("# /// script\n# requires-python")
    assert re.search(r'"[\w-]+==[\d.]+"', text)
    imported = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in imported if name and name.partition(".")[0] in ("reward", "steer")}
    remote = "trust_remote_code=True" in text
    assert remote == ("pinned(options)" in text)


def test_every_baseline_names_an_adapter_that_exists():
    assert {baseline.adapter for baseline in BASELINES.values()} == {
        path.name for path in PROGRAMS if path.name != "piaa.py"
    }  # which has one opinion for each person

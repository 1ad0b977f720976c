"""Run folders of version 0.1.0 open and resume for ever.

The two folders in `tests/data/runs` were made by `steer run` at 0.1.0; the sailing boat was killed (signal 9)
just after the replies of its second iteration were logged. Two things were changed afterwards: the views that
can be remade, `gallery.html` and `base-and-best.png`, were left out, and the kernel's version was cut from
`platform`.

A run is finished by the predictor that it was begun with: the embedded one of then, a checkpoint of version
1, lies in `tests/data/predictor-1`, its encoder in `tests/data/encoder-1`. Another would judge by another
taste, so resuming is refused with it.

They must never be made again. People keep runs for years, and a folder that today's code makes says nothing
of whether today's code reads theirs. When a test here fails, the code has to learn to read these folders.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
from pathlib import Path

import pytest

from steer.cli.app import run_command
from steer.machine.presets import WEIGHTS

KEPT = Path(__file__).parent / "data" / "runs"
COMPLETE = "20261128-043630-a-glass-of-water-u17-48f7"
INTERRUPTED = "20261128-043647-a-sailing-boat-u17-e6d7"


@pytest.fixture
def runs(isolated):
    """The runs folder of a test, with a copy of both."""
    return shutil.copytree(KEPT, isolated / "runs")


@pytest.fixture
def steer(capsys):
    """Run one command line, which must succeed; gives standard output."""

    def run(*words):
        code = run_command(list(words))
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return run


@pytest.fixture
def predictor_of_then(tmp_path, monkeypatch):
    """The predictor and encoder of then, and today's judge, which finds its own encoder beside itself."""
    weights = tmp_path / "weights"
    for name in ("predictor", "encoder"):
        shutil.copytree(KEPT.parent / f"{name}-1", weights / name)
    packed = weights / "encoder" / "model.safetensors.xz"
    packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
    (weights / "judge").symlink_to(WEIGHTS / "judge")
    monkeypatch.setattr("steer.machine.presets.WEIGHTS", weights)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        (COMPLETE, "b20074e70701015774e0d5b551de321f1afea485f2b8e7fe41f52dcbc4ebf30e"),
        (INTERRUPTED, "9316376e5034ac06f334679065b14c5712820f927d1cd1fa96a86aee46285e7c"),
    ],
)
def test_the_folders_are_those_of_then(name, digest):
    sums = [
        f"{file} {hashlib.sha256(data).hexdigest()}" for file, data in sorted(contents(KEPT / name).items())
    ]
    assert hashlib.sha256("\n".join(sums).encode()).hexdigest() == digest, "never change or remake these"


def test_both_are_listed(runs, steer):
    rows = {row["run"]: row for row in json.loads(steer("runs", "list", "--json"))["runs"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        COMPLETE: "complete",
        INTERRUPTED: "interrupted",
    }
    assert [line.split("\t")[0] for line in steer("runs", "list").splitlines()] == [COMPLETE, INTERRUPTED]


def test_the_complete_one_is_shown(runs, steer):
    result = json.loads(steer("runs", "show", "glass", "--json"))
    assert result == json.loads((runs / COMPLETE / "result.json").read_text(encoding="utf-8"))
    text = steer("runs", "show", COMPLETE)
    assert result["best"]["id"] == "r02c00" and "predicted rating: base 3.37 → best 3.46" in text
    assert text.splitlines()[-1] == str(runs / COMPLETE)


@pytest.mark.parametrize("name", [COMPLETE, INTERRUPTED])
def test_the_page_of_either_is_made_again_with_every_picture(runs, steer, name):
    page = Path(steer("runs", "gallery", name).strip())
    assert page == runs / name / "gallery.html"
    html = page.read_text(encoding="utf-8")
    for picture in (runs / name / "images").glob("r0?c0?.png"):
        assert f'href="images/{picture.name}"' in html


def test_resuming_the_complete_one_leaves_it_untouched(runs, steer):
    before = contents(runs / COMPLETE)
    steer("runs", "resume", COMPLETE)
    assert contents(runs / COMPLETE) == before


def test_the_interrupted_one_is_resumed_to_the_winner_that_it_would_have_had(runs, steer, predictor_of_then):
    folder = runs / INTERRUPTED
    before = contents(folder)
    assert json.loads(steer("runs", "show", "boat", "--json"))["best"]["id"] == "r01c01"

    assert steer("runs", "resume", INTERRUPTED, "--quiet").splitlines()[-1] == str(folder)

    after = contents(folder)
    assert {name for name in before if before[name] != after[name]} == {"events.jsonl"}
    assert after["events.jsonl"].startswith(before["events.jsonl"])  # nothing is forgotten
    result = json.loads(after["result.json"])
    assert (result["status"], result["stop_reason"], result["renders"]) == ("complete", "iterations", 13)
    assert result["best"]["id"] == "r02c00"
    assert (
        result["best"]["prompt"] == "a sailing boat, left of the main, still life painting, rear-facing view"
    )
    assert result["best"]["score"] == pytest.approx(3.956, abs=0.005)  # 0.33 above all others
    assert len(result["confirm"]["best_images"]) == 2 and result["specificity"]["of"] == 156
    assert {"gallery.html", "base-and-best.png", "images/r02c00-confirm2.png"} <= set(after)
    assert json.loads(steer("runs", "show", "boat", "--json")) == result


def test_another_predictor_does_not_finish_what_that_of_then_began(runs, capsys):
    before = contents(runs / INTERRUPTED)
    assert run_command(["runs", "resume", INTERRUPTED]) != 0
    assert "the taste has changed since" in capsys.readouterr().err
    assert contents(runs / INTERRUPTED) == before

"""The examples run as they stand in the documentation."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from reward.data import load

ROOT = Path(__file__).parent.parent


def example(name: str, *words: object) -> str:
    """What an example prints, run in the present folder by a process of its own."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / f"{name}.py", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["library", "own_renderer", "own_proposer", "own_reward"])
def test_an_example_ends_with_a_finished_run(name):
    folder = Path(example(name).splitlines()[-1])
    assert (folder / "result.json").is_file() and (folder / "images" / "r00c00.png").is_file()


def pictures(folder: Path, count: int) -> list[str]:
    folder.mkdir(parents=True)
    names = [f"{i}.png" for i in range(count)]
    for i, name in enumerate(names):
        Image.new("RGB", (64, 64), (255 * i // count, 128, 255 - 255 * i // count)).save(folder / name)
    return names


def table(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.slow
def test_ratings_from_a_csv_file_become_a_profile_that_is_steered_by(tmp_path):
    names = pictures(tmp_path / "seen", 6)
    rows = [{"image": f"seen/{name}", "rating": 1 + i % 5} for i, name in enumerate(names)]
    said = example("ratings_from_csv", table(tmp_path / "ratings.csv", rows))
    assert said.startswith("from-csv: 6 ratings count")


def test_an_own_data_set_becomes_a_table_that_loads(tmp_path):
    names = pictures(tmp_path / "mine" / "images", 10)
    rows = [
        {"person": person, "age": 30, "image": name, "rating": i}
        for person in ("ann", "ben")
        for i, name in enumerate(names)
    ]
    table(tmp_path / "mine" / "ratings.csv", rows)
    pytest.importorskip("pyarrow")
    assert "20 ratings of 10 pictures by 2 people" in example(
        "own_dataset", tmp_path / "mine", tmp_path / "out"
    )
    dataset = load(tmp_path / "out")
    assert len(dataset.scores) == 20 and set(dataset.splits) == {"train", "val_seen", "test_seen"}
    assert dataset.scores.min() == 1 and dataset.scores.max() == pytest.approx(1 + 4 * 0.9)

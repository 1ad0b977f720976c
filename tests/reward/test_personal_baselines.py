"""Other personal models: their adapter says what is missing, and no rating is judged without a score."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_ratings import tiny_ratings

from reward.baselines.personal import of_rows, read_personal, write_pairs
from reward.errors import BaselineError

ADAPTER = Path(__file__).parents[2] / "reward" / "adapters" / "piaa.py"
PERSON = "userId,age,gender,EducationalLevel,artExperience,photographyExperience," + ",".join(
    f"personality-{letter}" for letter in "EANOC"
)
STAND_IN = """
class UnifiedIAA:
    @classmethod
    def from_pretrained(cls, folder):
        return cls()
    def predict_piaa(self, image, demographics, big5, task, backbone):
        return big5["personality-E"] + len(image) / 100
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "people.csv").write_text(f"{PERSON}\nA1,18-21,female,university,beginner,expert,7,1,2,3,4\n")
    (tmp_path / "pairs.csv").write_text("user,image,path\nA1,s/1.jpg,1.jpg\nA1,s/2.jpg,22.jpg\n")
    return tmp_path


def run(folder, *words):
    given = [str(ADAPTER), "pairs.csv", "people.csv", "scores.csv", "--weights", "released", *words]
    return subprocess.run(
        [sys.executable, *given],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_the_adapter_names_the_weights_and_the_package_that_are_missing(folder):
    assert "stupidog04/Unified_IAA" in run(folder).stderr
    models = folder / "released" / "models"
    models.mkdir(parents=True)
    (models / "best_model_vit_small_patch16_224_piaamir_x.pth").write_bytes(b"")
    assert "pip install unified-iaa" in run(folder).stderr
    assert not (folder / "scores.csv").exists()


def test_the_adapter_goes_on_where_it_stopped_and_refuses_strangers(folder):
    models = folder / "released" / "models"
    models.mkdir(parents=True)
    (models / "best_model_vit_small_patch16_224_piaamir_x.pth").write_bytes(b"")
    (folder / "unified_iaa.py").write_text(STAND_IN)
    (folder / "scores.csv").write_text("user,image,scorer,score\nA1,s/1.jpg,piaa-mir,1.0\n")
    assert run(folder).returncode == 0
    lines = (folder / "scores.csv").read_text().splitlines()
    assert lines[1:] == ["A1,s/1.jpg,piaa-mir,1.0", "A1,s/2.jpg,piaa-mir,7.06"]
    (folder / "pairs.csv").write_text("user,image,path\nB9,s/1.jpg,1.jpg\n")
    assert "1 people are not in people.csv, first B9" in run(folder).stderr


def test_pairs_and_scores_name_the_same_ratings(tmp_path):
    dataset, _ = tiny_ratings()
    rows = dataset.rows("test_seen")
    write_pairs(tmp_path / "pairs.csv", dataset, rows)
    pairs = [line.split(",")[:2] for line in (tmp_path / "pairs.csv").read_text().splitlines()[1:]]
    text = "".join(f"{user}.0,{image},piaa-mir,{i}\n" for i, (user, image) in enumerate(pairs))
    (tmp_path / "scores.csv").write_text("user,image,scorer,score\n" + text)
    scores = read_personal(tmp_path / "scores.csv", dataset)["piaa-mir"]
    assert np.array_equal(of_rows("piaa-mir", scores, dataset, rows), np.arange(len(rows)))
    with pytest.raises(BaselineError, match=r"no score for 40 of the 40.*goes on"):
        of_rows("piaa-mir", scores, dataset, dataset.rows("val_unseen")[:40])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image,scorer,score\n", "expected user,image,scorer,score"),
        ("user,image,scorer,score\n1,1,a,much\n", "line 2 has the score"),
        ("user,image,scorer,score\nnobody,1,a,1\n", "for anybody of"),
    ],
)
def test_a_file_that_is_no_personal_scores_is_one_line(tmp_path, text, says):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(BaselineError, match=says):
        read_personal(tmp_path / "a.csv", tiny_ratings()[0])

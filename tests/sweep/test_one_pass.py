"""One pass over a folder of pictures: resumed where it was stopped, and never done twice."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import FakePerson
from PIL import Image

from steer.cli.app import run_command
from steer.errors import ResumeError, UsageError
from steer.record.png import encode_png
from steer.sweep import archive
from steer.sweep.archive import Task, begin, best, copy_best, parts_of, read, score_part

PEOPLE = [FakePerson("1"), FakePerson("2")]


class Meter:
    """Rates a picture by its first pixel, for the second person the other way round."""

    world, simulated, identity = "sandbox", True, "1f3a"

    def __init__(self):
        self.seen = []

    def score_people(self, images, prompt, people):
        self.seen += [(prompt, image.getpixel((0, 0))[0]) for image in images]
        values = np.array([image.getpixel((0, 0))[0] / 64 for image in images])
        return np.stack([values, 4 - values])


@pytest.fixture
def pictures(tmp_path):
    """Twenty pictures in two folders; every third says what it was to show, one cannot be read."""
    for number in range(20):
        folder = tmp_path / "archive" / ("a" if number < 10 else "b/c")
        folder.mkdir(parents=True, exist_ok=True)
        texts = [
            {"steer": json.dumps({"base_prompt": "own", "prompt": "rewritten"})},
            {"parameters": "theirs,\nin two lines\nNegative prompt: x\nSteps: 3, Seed: 1"},
            {},
        ][number % 3]
        data = encode_png(Image.new("RGB", (4, 4), (number, 0, 0)), texts)
        (folder / f"{number:02}.png").write_bytes(data)
    (tmp_path / "archive" / "torn.png").write_bytes(data[:60])
    (tmp_path / "archive" / "notes.txt").write_text("no picture")
    (tmp_path / "archive" / ".hidden.png").write_bytes(data)
    return tmp_path / "archive"


def task(pictures, prompt="a deer", out="scores"):
    return Task(pictures, pictures.parent / out, tuple(person.label for person in PEOPLE), prompt)


def do(one, meter, most=100):
    for count, part in enumerate(parts_of(one)):
        if count == most:
            return
        score_part(one, part, meter, PEOPLE)


@pytest.fixture(params=["parquet", "csv"])
def form(request, monkeypatch):
    """Tables as Parquet, and as CSV where pyarrow is missing."""
    monkeypatch.setattr(archive, "PART", 6)
    if request.param == "csv":
        monkeypatch.setattr(archive, "has_parquet", lambda: False)
    else:
        pytest.importorskip("pyarrow")
    return request.param


def test_a_pass_that_was_stopped_goes_on_and_looks_at_no_picture_twice(pictures, form):
    one, meter = task(pictures), Meter()
    begin(one, meter)
    do(one, meter, most=2)
    assert len(list(read(one.out))) == 12
    begin(one, meter)
    do(one, meter)
    assert sorted(value for _, value in meter.seen) == list(range(20))
    assert list(parts_of(one)) == []
    assert {path.suffix for path in one.out.glob("part-*")} == {f".{form}"}
    (pictures / "new.png").write_bytes((pictures / "a/01.png").read_bytes())
    assert list(parts_of(one)) == [["new.png"]]


def test_a_picture_is_judged_by_what_it_says_that_it_was_to_show(pictures, form):
    one, meter = task(pictures), Meter()
    begin(one, meter)
    do(one, meter)
    prompts = {value: prompt for prompt, value in meter.seen}
    assert [prompts[number] for number in range(3)] == ["own", "theirs, in two lines", "a deer"]
    errors = {row["image"]: row["error"] for row in read(one.out, ("image", "error")) if row["error"]}
    assert list(errors) == ["torn.png"]
    alone = task(pictures, prompt=None, out="other")
    begin(alone, meter)
    do(alone, meter)
    assert sum("give --prompt" in (row["error"] or "") for row in read(alone.out, ("error",))) == 6


def test_each_persons_best_are_named_and_copied(pictures, form, tmp_path):
    one, meter = task(pictures), Meter()
    begin(one, meter)
    do(one, meter)
    tops = best(one, 3)
    assert [image for _, image in tops["sandbox:1"]] == ["b/c/19.png", "b/c/18.png", "b/c/17.png"]
    assert [image for _, image in tops["sandbox:2"]] == ["a/00.png", "a/01.png", "a/02.png"]
    copies = copy_best(one, tops, tmp_path / "best")
    assert [path.name for path in copies[:2]] == ["1-0.30-19.png", "2-0.28-18.png"]
    assert copies[3].read_bytes() == (pictures / "a/00.png").read_bytes()
    assert {path.parent.name for path in copies} == {"sandbox-1", "sandbox-2"}


def test_a_table_of_another_pass_is_not_mixed_with_this_one(pictures, tmp_path):
    begin(task(pictures), Meter())
    with pytest.raises(ResumeError, match="prompt differs"):
        begin(task(pictures, prompt="a boat"), Meter())
    other = SimpleNamespace(world="sandbox", simulated=True, identity="other")
    with pytest.raises(ResumeError, match="predictor differs"):
        begin(task(pictures), other)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other things"):
        begin(task(pictures, out="mine"), Meter())


@pytest.mark.slow
def test_the_command_rates_a_folder_names_the_best_and_copies_them(pictures, capsys, isolated):
    words = ["reward", "score", str(pictures), "--users", "17,84", "--prompt", "a deer", "--json"]
    assert run_command([*words, "--top", "2", "--copy-to", "best"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scores"] == "scores/archive" and found["not_rated"] == 1 and found["copied"] == 4
    assert list(found["best"]) == ["sandbox:17", "sandbox:84"]
    assert len(list((isolated / "best").rglob("*.png"))) == 4
    assert run_command(words) == 0
    assert "0 pictures to rate for 2 people" in capsys.readouterr().err
    assert run_command([*words[:2], str(pictures / "a/00.png"), "--users", "17"]) == 2
    assert "are for a folder" in capsys.readouterr().err

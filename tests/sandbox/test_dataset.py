"""The data set keeps PAMELA's layout, its split sizes and its independence of taste."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steer.sandbox.make import dataset
from steer.sandbox.make.dataset import IMAGES, PEOPLE, SPLITS, STYLE_WEIGHTS, assign, make_scenes
from steer.sandbox.scene import STYLES, SUBJECTS

SEED = 5


@pytest.fixture(scope="module")
def assignment() -> dict[str, dataset.Assignment]:
    return assign(SEED)


@pytest.fixture(scope="module")
def scenes() -> list[dataset.Scene]:
    return make_scenes(SEED)


def test_the_sizes_are_pamelas(assignment: dict[str, dataset.Assignment]) -> None:
    assert sum(IMAGES.values()) == 5077
    assert sum(PEOPLE.values()) == 199
    assert {name: len(rows.people) for name, rows in assignment.items()} == {
        "train": 50_222,
        "val_seen": 6_551,
        "val_unseen": 926,
        "test_seen": 9_735,
        "test_unseen": 2_470,
    }
    assert sum(len(rows.people) for rows in assignment.values()) == 69_904


def test_each_split_has_its_own_people_and_images(assignment: dict[str, dataset.Assignment]) -> None:
    people = {name: set(rows.people.tolist()) for name, rows in assignment.items()}
    images = {name: set(rows.images.tolist()) for name, rows in assignment.items()}
    assert people["train"] == set(range(156))
    assert people["val_unseen"] == set(range(156, 172))
    assert people["test_unseen"] == set(range(172, 199))
    assert people["val_seen"] == people["test_seen"] < people["train"]
    assert len(people["test_seen"]) == 82
    assert {name: len(rated) for name, rated in images.items()} == {
        name: split.distinct for name, split in SPLITS.items()
    }
    assert images["val_unseen"] < images["val_seen"]
    assert not images["train"] & images["val_seen"]
    assert not images["test_seen"] & (images["train"] | images["val_seen"])


def test_nobody_rates_an_image_twice_and_images_are_covered_evenly(
    assignment: dict[str, dataset.Assignment],
) -> None:
    for rows in assignment.values():
        pairs = Counter(zip(rows.people.tolist(), rows.images.tolist(), strict=True))
        assert max(pairs.values()) == 1
        raters = Counter(rows.images.tolist()).values()
        assert max(raters) - min(raters) <= 2


def test_people_rate_a_few_hundred_images_each(assignment: dict[str, dataset.Assignment]) -> None:
    counts = Counter(assignment["train"].people.tolist()).values()
    assert min(counts) > 100
    assert np.mean(list(counts)) == pytest.approx(321.9, abs=0.1)


def test_subjects_and_styles_are_crossed_and_balanced_in_every_part(scenes: list[dataset.Scene]) -> None:
    assert len(scenes) == 5077
    for part in IMAGES:
        cells = Counter((scenes[i].subject, scenes[i].style) for i in dataset.image_range(part))
        assert len(cells) == len(SUBJECTS) * len(STYLES)
        total = sum(STYLE_WEIGHTS.values())
        for (_, style), count in cells.items():
            quota = IMAGES[part] * STYLE_WEIGHTS[style] / total / len(SUBJECTS)
            assert abs(count - quota) <= 1


def test_scenes_follow_from_their_seed(scenes: list[dataset.Scene]) -> None:
    assert make_scenes(SEED)[::500] == scenes[::500]
    assert len({scene.seed for scene in scenes}) > 5070


def test_annotations_have_pamelas_fields_and_nothing_else(tmp_path: Path) -> None:
    scenes = make_scenes(SEED, (4,))
    rows = {"train": dataset.Assignment(np.array([0, 1]), np.array([2, 3]))}
    demographics = [{"age": 30, "age_binned": "26-35", "gender": "female", "nationality": "Kenya"}] * 2
    ratings = {"train": np.array([3.25, 4.0])}
    dataset.write_annotations(tmp_path, scenes, ["a", "b", "c", "d"], rows, ratings, demographics)
    first, second = json.loads((tmp_path / "annotations" / "pamela_train.json").read_text())
    assert set(first) == {
        "participant_id",
        "original_score",
        "image_id",
        "image_path",
        "image_metadata",
        "user_demographics",
    }
    assert set(first["image_metadata"]) == {"prompt", "group", "style", "type"}
    assert first["user_demographics"] == demographics[0]
    assert (first["participant_id"], first["image_id"], first["image_path"]) == ("1", 3, "images/00003.png")
    assert (second["original_score"], second["image_metadata"]["prompt"]) == (4.0, "d")


def test_scene_records_survive_the_disk(tmp_path: Path) -> None:
    scenes = make_scenes(SEED, (12,))
    dataset.write_scenes(tmp_path / "scenes.json", scenes, [str(i) for i in range(12)])
    assert dataset.read_scenes(tmp_path / "scenes.json") == (scenes, [str(i) for i in range(12)])


def test_a_broken_rendering_resumes_without_painting_twice(tmp_path: Path) -> None:
    scenes = make_scenes(SEED, (3,))
    jobs = [(tmp_path / "images" / f"{i}.png", scene) for i, scene in enumerate(scenes)]
    unfinished = dataset.render(jobs, workers=1, size=32)
    assert [next(unfinished), next(unfinished)] == [(0, 3), (1, 3)]
    unfinished.close()
    before = (tmp_path / "images" / "0.png").stat().st_mtime_ns
    assert list(dataset.render(jobs, workers=1, size=32)) == [(1, 3), (2, 3), (3, 3)]
    assert (tmp_path / "images" / "0.png").stat().st_mtime_ns == before
    assert sorted(p.name for p in (tmp_path / "images").iterdir()) == ["0.png", "1.png", "2.png"]
    with Image.open(tmp_path / "images" / "2.png") as image:
        assert image.size == (32, 32)

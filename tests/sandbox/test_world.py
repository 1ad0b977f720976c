"""Every statement about the frozen world, checked on the measured paintings of its data set.

`data/measurements.safetensors` beside this file holds what the raters measured on the 5,077 paintings and on
the default look of every subject, so that no test has to paint them again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steer.sandbox.make import freeze
from steer.sandbox.make.dataset import assign, make_scenes
from steer.sandbox.scene import SUBJECTS, Scene
from steer.sandbox.truth import world
from steer.sandbox.truth.measure import NAMES, SETTINGS, measure, settings_of, statistics
from steer.sandbox.truth.raters import Raters, semantics_of_all
from steer.sandbox.truth.world import Table, Truth, World

MEASURED = Path(__file__).parents[1] / "data" / "measurements.safetensors"


@pytest.fixture(scope="module")
def frozen() -> World:
    return World.load()


@pytest.fixture(scope="module")
def scenes(frozen: World) -> list[Scene]:
    return make_scenes(frozen.scenes_seed)


@pytest.fixture(scope="module")
def table(scenes: list[Scene]) -> Table:
    return load("", scenes)


@pytest.fixture(scope="module")
def defaults() -> Table:
    return load("default_", freeze.default_scenes())


@pytest.fixture(scope="module")
def crowd(frozen: World, table: Table) -> np.ndarray:
    """Expected ratings of fresh people for the first 1,500 paintings."""
    return table.rows(slice(0, 1500)).expected(frozen.fresh())


def load(prefix: str, scenes: list[Scene]) -> Table:
    from safetensors.numpy import load_file

    stored = load_file(MEASURED)
    return Table(stored[f"{prefix}values"], stored[f"{prefix}unnamed"], semantics_of_all(scenes))


def test_the_world_names_its_version_and_holds_a_hash_of_all_ratings(frozen: World, table: Table) -> None:
    assert frozen.version == world.VERSION
    assert frozen.name == f"sandbox:{frozen.version}"
    assert frozen.ratings_sha256 == world.ratings_hash(
        assign(frozen.scenes_seed), world.rate_all(frozen, table)
    )


def test_both_oracles_are_where_they_were_calibrated_to(frozen: World, table: Table) -> None:
    reached = world.oracles(frozen, table)
    assert reached["population_oracle"] == pytest.approx(0.50, abs=0.03)
    assert reached["personal_oracle"] == pytest.approx(0.75, abs=0.03)
    assert reached == pytest.approx(frozen.figures["oracles"][str(frozen.raters_seed)], abs=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_each_measurement_follows_the_painters_setting(name: str, scenes: list[Scene], table: Table) -> None:
    setting = np.array([SETTINGS[name](scene) for scene in scenes])
    assert abs(world.spearman(table.values[:, NAMES.index(name)], setting)) >= 0.6


def test_there_are_at_least_twelve_measurements_and_all_matter(frozen: World, table: Table) -> None:
    assert len(NAMES) >= 12
    few = table.rows(slice(0, 300))
    people = frozen.fresh(200)
    whole = few.expected(people)
    for k in range(len(NAMES)):
        flat = few.values.copy()
        flat[:, k] = frozen.constants.mean[k]
        changed = Table(flat, few.unnamed, few.semantics).expected(people) - whole
        assert (changed - changed.mean(0)).std() > 0.02, NAMES[k]


def test_taste_has_no_clusters_and_many_dimensions(frozen: World, table: Table) -> None:
    own = world.personal_parts(table.rows(slice(0, 1000)), frozen.fresh())
    assert world.participation_ratio(own) >= 8


def test_a_fifth_of_personal_taste_is_a_function_that_nothing_names(frozen: World, table: Table) -> None:
    few = table.rows(slice(0, 1000))
    people = frozen.fresh(500)
    named = Table(few.values, np.zeros_like(few.unnamed), few.semantics)
    whole = world.personal_parts(few, people)
    rest = whole - world.personal_parts(named, people)
    assert 0.15 < rest.var() / whole.var() < 0.25


def test_what_is_unnamed_is_neither_a_measurement_nor_a_caption(table: Table, scenes: list[Scene]) -> None:
    settings = np.stack([settings_of(scene) for scene in scenes])
    for column in table.unnamed.T:
        named = [abs(np.corrcoef(column, other)[0, 1]) for other in (*table.values.T, *settings.T)]
        assert max(named) < 0.35


def test_most_of_personal_taste_is_looks_that_differ_within_a_subject(
    frozen: World, table: Table, scenes: list[Scene]
) -> None:
    few = table.rows(slice(0, 1500))
    own = world.personal_parts(few, frozen.fresh(500))
    subjects = np.array([scene.subject for scene in scenes[:1500]])
    within = np.mean([own[:, subjects == subject].var(1).mean() for subject in SUBJECTS])
    assert within / own.var() > 0.75


def test_demographics_explain_a_little(frozen: World, table: Table) -> None:
    assert 0.02 <= world.demographic_share(frozen, table.rows(slice(0, 300))) <= 0.06


def test_younger_groups_like_more_saturation(frozen: World, table: Table, crowd: np.ndarray) -> None:
    saturation = table.values[:1500, NAMES.index("saturation")]
    liking = np.array([np.corrcoef(saturation, row)[0, 1] for row in crowd])
    ages = np.array([d["age"] for d in frozen.fresh().demographics])
    groups = [
        liking[(low <= ages) & (ages <= high)].mean()
        for low, high in ((18, 25), (26, 35), (36, 45), (46, 60))
    ]
    assert groups == sorted(groups, reverse=True)
    assert groups[0] - groups[-1] > 0.1


def test_most_people_prefer_realism_to_the_ai_look(scenes: list[Scene], crowd: np.ndarray) -> None:
    style = np.array([scene.style for scene in scenes[:1500]])
    share = (crowd[:, style == "photo"].mean(1) > crowd[:, style == "digital"].mean(1)).mean()
    assert 0.6 < share < 0.98


def test_the_default_look_is_neither_ugly_nor_ideal(
    frozen: World, table: Table, scenes: list[Scene], defaults: Table
) -> None:
    subjects = np.array([scene.subject for scene in scenes])
    shown = np.array([scene.subject for scene in freeze.default_scenes()])
    percentiles = world.percentile_of_default(frozen, table, subjects, defaults, shown)
    assert set(percentiles) == set(SUBJECTS)
    assert all(25 <= value <= 60 for value in percentiles.values()), percentiles


def test_raters_are_assigned_regardless_of_taste(frozen: World, table: Table) -> None:
    t = table.expected(frozen.participants())
    t = (t - t.mean(1, keepdims=True)) / t.std(1, keepdims=True)
    for rows in assign(frozen.scenes_seed).values():
        chosen = t[rows.people, rows.images]
        part = np.unique(rows.images)
        everything = t[np.ix_(np.unique(rows.people), part)].mean()
        assert abs(chosen.mean() - everything) < 4 / np.sqrt(len(chosen))


def test_ratings_use_the_slider_without_piling_up_at_its_ends(frozen: World, table: Table) -> None:
    y = np.concatenate(list(world.rate_all(frozen, table).values()))
    assert len(y) == 69_904
    assert 3.0 < y.mean() < 3.3
    assert ((y == 1) | (y == 5)).mean() < 0.08


def test_other_seeds_give_other_people_of_the_same_world(frozen: World, table: Table) -> None:
    for seed in (2, 3):
        reached = world.oracles(frozen, table, seed)
        assert reached["population_oracle"] == pytest.approx(0.50, abs=0.06)
        assert reached["personal_oracle"] == pytest.approx(0.75, abs=0.04)
        assert frozen.participants(seed).demographics != frozen.participants().demographics


def test_the_truth_measures_pixels_and_answers_for_every_person(frozen: World) -> None:
    from steer.sandbox.paint.painter import paint

    painted = make_scenes(3, (2,))
    images = [paint(scene, 256) for scene in painted]
    truth = Truth(frozen)
    t = truth.expected(images, painted)
    assert t.shape == (199, 2) and np.isfinite(t).all()
    assert truth.ids[0] == "1" and truth.ids[-1] == "199"
    assert truth.population(images, ["a tree", "nothing known"]).shape == (2,)
    again = Truth(frozen, Raters.sample(3, 8, frozen.constants)).expected(images, painted)
    assert again.shape == (3, 2)


def test_a_painting_measures_the_same_at_both_sizes(frozen: World) -> None:
    from steer.sandbox.paint.painter import paint

    for scene in make_scenes(4, (3,)):
        large = paint(scene, 512)
        area = large.reshape(256, 2, 256, 2, 3).mean((1, 3)).round().astype(np.uint8)
        difference = (measure(large).values - measure(area).values) / np.array(frozen.constants.sd)
        assert np.abs(difference).max() < 0.1


def test_measuring_looks_at_pixels_only_and_never_fails() -> None:
    rng = np.random.default_rng(0)
    for image in (
        np.zeros((64, 64, 3), np.uint8),
        np.full((300, 200, 3), 255, np.uint8),
        rng.integers(0, 256, (512, 512, 3), dtype=np.uint8),
    ):
        bank, explicit = statistics(image)
        assert np.isfinite(bank).all() and np.isfinite(list(explicit.values())).all()
        assert np.isfinite(measure(image).values).all()

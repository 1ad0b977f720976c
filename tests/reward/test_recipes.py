"""Recipes: one table of differences, fields set by name, and a population of zeros or of no token."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_ratings import PLAIN, tiny_ratings, train_on

from reward.errors import TrainingError
from reward.predictor.checkpoint import read_checkpoint
from reward.predictor.network import Pamela, PamelaConfig
from reward.provenance import of_data
from reward.training.recipe import PAPER, STEER, Recipe, changed, differences

FIELDS = [each.name for each in fields(Recipe) if each.name != "name"]


@given(st.sampled_from(FIELDS))
def test_every_field_can_be_set_to_what_the_other_recipe_has(name):
    both = [f"{other}={getattr(STEER, other)}" for other in ("hidden", "heads")]
    made = changed(PAPER, [*both, f"{name}={getattr(STEER, name)}"])
    assert getattr(made, name) == getattr(STEER, name)


def test_setting_every_difference_turns_one_recipe_into_the_other():
    settings = [f"{name}={ours}" for name, _, ours in differences() if name != "name"]
    assert replace(changed(PAPER, settings), name="steer") == STEER
    assert {name for name, *_ in differences()} == {
        name for name, value in asdict(PAPER).items() if value != asdict(STEER)[name]
    }


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("width=3", "sets no field"),
        ("name=mine", "sets no field"),
        ("hidden", "sets no field"),
        ("hidden=0", "of 1 or more"),
        ("epochs=2.5", "a whole number"),
        ("drop_user=1.5", "between 0 and 1"),
        ("balance=2", "between 0 and 1"),
        ("learning_rate=nan", "a number"),
        ("schedule=linear", "constant or cosine"),
        ("interaction=maybe", "true or false"),
        ("hidden=9", "no multiple of heads"),
    ],
)
def test_what_no_recipe_can_be_is_said_with_what_can(setting, says):
    with pytest.raises(ValueError, match=says):
        changed(PAPER, [setting])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Pamela(PamelaConfig(6, 6, 5, hidden=8, heads=2, feedforward=8, zeroed=True), users=3).eval()


def tokens(network, **given):
    rng = np.random.default_rng(0)
    made = {"image": (4, 6), "text": (4, 6), "metadata": (4, 5)}
    features = {
        name: torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for name, shape in made.items()
    }
    return {**features, **given}


def test_the_population_of_the_paper_is_a_demographics_token_of_zeros(network):
    with torch.inference_mode():
        nobody = network(**tokens(network))
        zeros = network(**tokens(network, demographics=torch.zeros(4, 5)))
        masked = network.fuse(network.project(**tokens(network, demographics=torch.ones(4, 5))), torch.tensor(
            [[True, True, True, False, False]] * 4
        ))  # fmt: skip
        someone = network(**tokens(network, demographics=torch.ones(4, 5)))
    assert torch.allclose(nobody, zeros) and torch.allclose(nobody, masked)
    assert not torch.allclose(nobody, someone)


def test_without_zeros_nobody_has_no_token(network):
    plain = Pamela(replace(network.config, zeroed=False), users=3).eval()
    plain.load_state_dict(network.state_dict())
    with torch.inference_mode():
        assert not torch.allclose(plain(**tokens(plain)), network(**tokens(network)))
        told = tokens(network, demographics=torch.ones(4, 5))
        assert torch.allclose(plain(**told), network(**told))


def test_a_checkpoint_says_which_population_data_and_versions_it_was_trained_with(tmp_path):
    dataset, features = tiny_ratings()
    report = train_on((dataset, features), tmp_path, replace(PLAIN, population="zeroed", properties=0))
    card, _, _ = read_checkpoint(tmp_path)
    assert card.config.zeroed and "val_seen_as_in_loop" not in report["best"]
    assert card.trained["data"] == of_data(dataset) and card.trained["seed"] == 0
    assert card.trained["versions"]["torch"] == torch.__version__
    page = (tmp_path / "README.md").read_text()
    assert of_data(dataset)["sha256"] in page and "simulated" in page


def test_an_encoder_without_an_id_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(TrainingError, match="encoder has no id"):
        train_on(tiny_ratings(), tmp_path / "out", PLAIN, encoder={"sha256": "0"})
    assert not (tmp_path / "out").exists()

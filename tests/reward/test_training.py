"""A training that was broken off ends as it would have, on one process or two, and says what is wrong."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_ratings import PLAIN, SHORT, tiny_ratings, train_on

from reward.data import Dataset
from reward.errors import CheckpointError, DatasetError, TrainingError
from reward.evaluation.evaluate import predict
from reward.predictor.checkpoint import read_checkpoint
from reward.predictor.network import Pamela, PamelaConfig
from reward.training.fit import TrainingSet, fit
from reward.training.journal import METRICS_FILE, STATE_FILE, Journal
from reward.training.recipe import PAPER, RECIPES, STEER
from reward.training.train import validation

PAPER_LIKE = replace(PAPER, hidden=16, layers=2, heads=2, feedforward=32, epochs=3, learning_rate=1e-2)


@pytest.fixture(scope="module")
def ratings():
    return tiny_ratings()


def kill_after(monkeypatch, saves):
    """Let a training be killed right after it saved its state for the n-th time."""
    save, count = Journal.save, 0

    def killed(self, state):
        nonlocal count
        save(self, state)
        count += 1
        if count == saves:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "save", killed)


def lines(folder):
    """The metrics, less what the clock decides."""
    clock = ("seconds", "ratings_per_second")
    read = [json.loads(line) for line in (folder / METRICS_FILE).read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in clock} for line in read]


@pytest.fixture(scope="module")
def unbroken(ratings, tmp_path_factory):
    """Recipe name -> folder and report of a training that nothing broke off."""
    found = {}
    for recipe in (SHORT, PAPER_LIKE):
        folder = tmp_path_factory.mktemp(recipe.name)
        report = train_on(ratings, folder, recipe, journal=folder, save_every=7)
        found[recipe.name] = (folder, report)
    return found


@pytest.mark.parametrize("recipe", [SHORT, PAPER_LIKE], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("saves", [1, 2, 4], ids=["in the first epoch", "between epochs", "later"])
def test_a_resumed_training_equals_an_unbroken_one_to_the_last_bit(
    ratings, unbroken, tmp_path, monkeypatch, recipe, saves
):
    folder, report = unbroken[recipe.name]
    with monkeypatch.context() as patch:
        kill_after(patch, saves)
        with pytest.raises(KeyboardInterrupt):
            train_on(ratings, tmp_path, recipe, journal=tmp_path, save_every=7)
    torch.manual_seed(999)  # whatever else happens before the training goes on
    torch.rand(17)
    again = train_on(ratings, tmp_path, recipe, journal=tmp_path, save_every=7, resume=True)
    expected, found = load_file(folder / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert (tmp_path / "predictor.json").read_text() == (folder / "predictor.json").read_text()
    assert lines(tmp_path) == lines(folder)
    clockless = [[{**epoch, "seconds": 0} for epoch in r["epochs"]] for r in (report, again)]
    assert clockless[0] == clockless[1]


@pytest.fixture(scope="module")
def joint(ratings):
    """Six of the eight known people, and so three quarters of the training ratings, are PARA's."""
    dataset, features = ratings
    sources = tuple("pamela" if row in (2, 5) else "para" for row in range(len(dataset.user_ids)))
    return replace(dataset, name="pamela+para", sources=sources), features


def test_a_balanced_training_that_was_broken_off_ends_as_it_would_have(joint, tmp_path, monkeypatch):
    recipe = replace(SHORT, balance=0.6, networks=1)
    train_on(joint, tmp_path / "whole", recipe, journal=tmp_path / "whole", save_every=7)
    with monkeypatch.context() as patch:
        kill_after(patch, 3)  # in the second epoch
        with pytest.raises(KeyboardInterrupt):
            train_on(joint, tmp_path / "killed", recipe, journal=tmp_path / "killed", save_every=7)
    torch.rand(5)
    train_on(joint, tmp_path / "killed", recipe, journal=tmp_path / "killed", save_every=7, resume=True)
    expected, found = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    train_on(joint, tmp_path / "plain", replace(recipe, balance=0.0), journal=tmp_path / "plain")
    plain = load_file(tmp_path / "plain" / "model.safetensors")
    assert not torch.equal(plain["model.members.0.head.weight"], found["model.members.0.head.weight"])


@pytest.mark.parametrize(
    ("balance", "shares"),
    [(0.0, (240, 80)), (1.0, (160, 160)), (0.5, (320 * 3**0.5 / (3**0.5 + 1), 320 / (3**0.5 + 1)))],
)
def test_an_epoch_takes_of_each_data_set_what_the_balance_says(balance, shares):
    torch.manual_seed(0)
    users = torch.arange(8).repeat_interleave(40)
    sources = (torch.arange(8) < 2).long()  # two people of eight are the second data set's
    nothing = torch.zeros(8, 1)
    data = TrainingSet(
        *[nothing] * 5, nothing[:, None], torch.zeros(320).long(), users, torch.zeros(320), sources
    )
    order = data.order(balance)
    assert len(order) == 320
    counts = np.bincount(sources[users[order]].numpy(), minlength=2)
    np.testing.assert_allclose(counts, shares, atol=1)
    for name in (0, 1):
        rows = torch.nonzero(sources[users] == name).squeeze(1)
        taken = torch.bincount(order, minlength=320)[rows]
        assert taken.max() - taken.min() <= 1  # every rating as often as the others, or once more
    assert len(torch.unique(data.users[order[:40]])) > 4  # mixed, not one data set after the other
    assert not torch.equal(order, data.order(balance))


def test_where_nothing_can_be_balanced_the_order_is_that_of_a_plain_shuffle():
    nothing, users = torch.zeros(3, 1), torch.tensor([0, 1, 2, 0])
    data = TrainingSet(*[nothing] * 5, nothing[:, None], users, users, users.float(), torch.zeros(3).long())
    for balance in (0.0, 1.0):
        torch.manual_seed(1)
        expected = torch.randperm(4)
        torch.manual_seed(1)
        assert torch.equal(data.order(balance), expected)


def test_a_finished_training_leaves_its_metrics_and_no_state(unbroken):
    folder, report = unbroken["short"]
    names = sorted(path.name for path in folder.iterdir())
    files = ["model.safetensors", "network-2", "people.safetensors", "predictor.json"]
    assert names == ["README.md", METRICS_FILE, *files]
    epochs = [line for line in lines(folder) if "validation" in line]
    assert [line["epoch"] for line in epochs] == [1, 2, 3]
    first = report["epochs"][:3]  # of the first network; the second has a folder of its own
    assert [line["loss"] for line in epochs] == [epoch["loss"] for epoch in first]


def test_an_early_stop_is_remembered_by_a_resumed_training(ratings, tmp_path, monkeypatch):
    recipe = replace(SHORT, learning_rate=1.0, average=0.0, epochs=12, patience=1)
    whole = train_on(ratings, tmp_path / "whole", recipe, journal=tmp_path / "whole")
    assert len(whole["epochs"]) < 12
    with monkeypatch.context() as patch:
        kill_after(patch, len(whole["epochs"]))  # after the last epoch, before the checkpoint
        with pytest.raises(KeyboardInterrupt):
            train_on(ratings, tmp_path / "killed", recipe, journal=tmp_path / "killed")
    again = train_on(ratings, tmp_path / "killed", recipe, journal=tmp_path / "killed", resume=True)
    assert len(again["epochs"]) == len(whole["epochs"])


@pytest.fixture
def interrupted(ratings, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train_on(ratings, tmp_path, SHORT, journal=tmp_path, save_every=7)
    return tmp_path


def test_an_interrupted_training_is_not_written_over(ratings, interrupted):
    before = (interrupted / STATE_FILE).read_bytes()
    with pytest.raises(CheckpointError, match="go on with --resume, or name another --out"):
        train_on(ratings, interrupted, SHORT, journal=interrupted)
    assert (interrupted / STATE_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("recipe", "options", "complaint"),
    [
        (replace(SHORT, epochs=4), {}, r"another recipe \(epochs 3, now 4\)"),
        (SHORT, {"seed": 5}, r"another seed \(0, now 5\)"),
        (SHORT, {"resample": True}, "another data set"),
        (SHORT, {"encoder": {"id": "elsewhere", "sha256": "1"}}, r"another encoder \(id"),
    ],
)
def test_a_training_goes_on_only_with_what_it_was_started_with(
    ratings, interrupted, recipe, options, complaint
):
    with pytest.raises(CheckpointError, match=complaint) as error:
        train_on(ratings, interrupted, recipe, journal=interrupted, resume=True, **options)
    assert "name another --out" in str(error.value) and "\n" not in str(error.value)
    assert (interrupted / STATE_FILE).exists()


@pytest.mark.parametrize("damage", ["torn", "of another program", "empty"])
def test_a_damaged_state_is_one_clear_error(ratings, interrupted, damage):
    file = interrupted / STATE_FILE
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:-1000])
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        from safetensors.torch import save_file

        save_file({"weights": torch.zeros(2)}, file, {"training": json.dumps({"version": 99})})
    with pytest.raises(CheckpointError, match="cannot be read") as error:
        train_on(ratings, interrupted, SHORT, journal=interrupted, resume=True)
    assert "\n" not in str(error.value)


def test_resume_without_anything_saved_starts_from_the_beginning(ratings, unbroken, tmp_path):
    train_on(ratings, tmp_path, SHORT, journal=tmp_path, save_every=7, resume=True)
    assert lines(tmp_path) == lines(unbroken["short"][0])


def test_a_disk_that_is_full_is_one_clear_error_and_keeps_the_last_state(ratings, interrupted, monkeypatch):
    before = (interrupted / STATE_FILE).read_bytes()

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reward.training.resume.save_file", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*--resume"):
        train_on(ratings, interrupted, SHORT, journal=interrupted, resume=True, save_every=7)
    assert (interrupted / STATE_FILE).read_bytes() == before


def test_tensorboard_gets_the_same_metrics(ratings, tmp_path):
    pytest.importorskip("tensorboard")
    train_on(ratings, tmp_path, SHORT, journal=tmp_path, tensorboard=True)
    assert any((tmp_path / "tensorboard").iterdir())


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(ratings, tmp_path):
    """For one epoch without dropout and dropped tokens, as every process draws random numbers of its own."""
    script = Path(__file__).parents[1] / "support" / "tiny_ratings.py"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    found = {**os.environ, "PYTHONPATH": str(script.parents[2])}
    subprocess.run(
        [*launch, script, tmp_path / "two"], check=True, capture_output=True, env=found, timeout=300
    )
    train_on(ratings, tmp_path / "one", PLAIN)
    predicted = []
    for name in ("one", "two"):
        _, model, _ = read_checkpoint(tmp_path / name)
        taste = model.users.weight.detach().numpy()[[3]].repeat(60, axis=0)
        predicted.append(predict(model.eval(), ratings[1], np.arange(60), taste))
    assert np.ptp(predicted[0]) > 0.1
    np.testing.assert_allclose(predicted[1], predicted[0], rtol=1e-4)


# ---- what cannot be learned from


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda scores: np.full_like(scores, 3.0),
            "all 320 training ratings of .* are 3, so there is nothing",
        ),
        (lambda scores: np.where(np.arange(len(scores)) == 7, np.nan, scores), "1 training ratings are not"),
    ],
)
def test_ratings_that_teach_nothing_are_one_clear_error(ratings, tmp_path, change, complaint):
    dataset, features = ratings
    broken = replace(dataset, scores=change(dataset.scores).astype(np.float32))
    with pytest.raises(DatasetError, match=complaint) as error:
        train_on((broken, features), tmp_path, SHORT)
    assert "\n" not in str(error.value) and not (tmp_path / "predictor.json").exists()


def test_features_that_are_not_numbers_or_of_other_data_are_one_clear_error(ratings, tmp_path):
    dataset, features = ratings
    image = features.image.copy()
    image[4, 2] = np.nan
    with pytest.raises(DatasetError, match=r"1 rows of the image features are not numbers.*encode again"):
        train_on((dataset, replace(features, image=image)), tmp_path, SHORT)
    with pytest.raises(DatasetError, match="the features are of 3 images"):
        train_on((dataset, replace(features, image=features.image[:3])), tmp_path, SHORT)


def test_a_loss_that_is_no_number_stops_the_training_and_names_the_remedy(ratings, tmp_path):
    with pytest.raises(TrainingError, match="--learning-rate"):
        train_on(ratings, tmp_path, replace(SHORT, learning_rate=1e30, warmup_steps=0))


# ---- recipes


def test_recipes_are_known_by_their_names():
    assert RECIPES == {"paper": PAPER, "steer": STEER}
    assert PAPER.clip == 0  # the paper names none


def test_the_shipped_predictor_was_trained_by_our_recipe():
    card = Path(__file__).parents[2] / "steer" / "sandbox" / "weights" / "predictor" / "predictor.json"
    recipe = json.loads(card.read_text(encoding="utf-8"))["trained"]["recipe"]
    assert {name: getattr(STEER, name, None) for name in recipe} == recipe | {
        "name": "steer"
    }  # once "sandbox"


def test_without_validation_the_last_epoch_is_kept(ratings):
    dataset, features = ratings
    torch.manual_seed(0)
    model = Pamela(PamelaConfig(6, 6, 5, hidden=8, layers=1, heads=2, feedforward=8), users=8)
    data = TrainingSet(
        **{
            name: torch.from_numpy(getattr(features, name))
            for name in ("image", "text", "subject", "metadata", "inferred", "demographics")
        },
        images=torch.from_numpy(dataset.images[:64]),
        users=torch.from_numpy(dataset.users[:64]),
        scores=torch.from_numpy(dataset.scores[:64]),
        sources=torch.zeros(len(dataset.user_ids), dtype=torch.long),
    )
    weights = []
    for _ in fit(model, data, replace(SHORT, average=0.0, patience=1), 0, lambda current: {}):
        weights.append(model.head.bias.item())
    assert len(weights) == 3
    assert model.head.bias.item() == weights[-1] != weights[0]


def test_each_data_set_counts_the_same_in_the_validation_of_a_joint_training(ratings):
    dataset, features = ratings
    sources = tuple("lapis" if row < 2 else "pamela" for row in range(len(dataset.user_ids)))

    class Joint(Dataset):
        def source(self, user):
            return sources[user]

    joint = Joint(**vars(dataset))
    torch.manual_seed(0)
    model = Pamela(PamelaConfig(6, 6, 5, hidden=8, layers=1, heads=2, feedforward=8), users=8).eval()
    table = np.arange(8)
    profiles = features.image[:8]
    alone = validation(model, table, profiles, dataset, features, 0)
    both = validation(model, table, profiles, joint, features, 0)
    assert set(both) - set(alone) == {
        f"{name}/{source}" for name in ("val_seen", "val_seen_as_in_loop") for source in ("lapis", "pamela")
    }
    mean = (both["val_seen/lapis"] + both["val_seen/pamela"]) / 2
    assert both["val_seen"] == pytest.approx(mean)
    assert alone["val_seen"] != pytest.approx(mean)

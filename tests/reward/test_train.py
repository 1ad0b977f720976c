"""Training learns what people like, stops when it should, and writes what inference needs."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import tiny_dataset, tiny_encoder
from tiny_ratings import SHORT, tiny_ratings

from reward.data import load
from reward.encoders.features import encode_dataset
from reward.encoders.image_text import SENTENCE_ENCODER_ID, ImageTextEncoder, sentence_encoder
from reward.encoders.sentences import forget_sentence_encoders
from reward.errors import DatasetError
from reward.evaluation.evaluate import predict, profiles_of, seen_users, unseen_users
from reward.people.newcomer import DEFAULT_PRIOR
from reward.predictor.checkpoint import read_checkpoint
from reward.predictor.predictor import Predictor
from reward.training import linear_tastes, pipeline
from reward.training.pipeline import EncoderNames, train_predictor
from reward.training.train import (
    PAPER,
    STEER,
    Recipe,
    TrainingSet,
    _initial_model,
    _linear_tastes,
    _training_set,
    train,
)

QUICK = replace(
    STEER,
    hidden=32,
    heads=2,
    feedforward=32,
    epochs=15,
    batch_size=32,
    learning_rate=5e-3,
    average=0.9,
    user_decay=0.0,
    dropout=0.0,
    warmup_steps=5,
    patience=0,
    networks=1,
    properties=0,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A data set of coloured squares, its features, and where they lie."""
    folder = tmp_path_factory.mktemp("world")
    dataset = load(tiny_dataset(folder / "PAMELA"))
    encoder = ImageTextEncoder.load(tiny_encoder(folder / "encoder"))
    subjects = dict.fromkeys(dataset.image_ids[::2], "mossy rocks")
    features = encode_dataset(dataset, encoder, sentence_encoder(), folder / "store", subjects)
    return folder, dataset, features, encoder


def run(world, name, recipe=QUICK, **options):
    folder, dataset, features, encoder = world
    return train(
        dataset,
        features,
        recipe,
        folder / name,
        world="sandbox:0",
        simulated=True,
        encoder={"id": "../encoder", "revision": None, "sha256": encoder.hash},
        sentence_encoder={"id": SENTENCE_ENCODER_ID},
        **options,
    )


@pytest.fixture(scope="module")
def trained(world):
    report = run(world, "predictor", licences=("Apache-2.0",))
    return Predictor.load(world[0] / "predictor"), report


def batch_of(rows=4000, recipe=STEER):
    """A batch of one image and one user, whose sources are told apart by their values."""
    data = TrainingSet(
        image=torch.ones(1, 2),
        text=torch.full((1, 2), 1.0),
        subject=torch.full((1, 2), 2.0),
        metadata=torch.full((1, 2), 1.0),
        inferred=torch.full((1, 2), 2.0),
        demographics=torch.tensor([[[1.0, 1.0], [2.0, 2.0]]]),
        images=torch.zeros(rows, dtype=torch.long),
        users=torch.zeros(rows, dtype=torch.long),
        scores=torch.ones(rows),
        sources=torch.zeros(1, dtype=torch.long),
    )
    torch.manual_seed(0)
    return data.batch(torch.arange(rows), recipe)


def test_the_paper_recipe_is_the_papers():
    assert Recipe() == PAPER
    assert (PAPER.learning_rate, PAPER.batch_size, PAPER.epochs) == (2e-5, 32, 10)
    assert (PAPER.schedule, PAPER.warmup_steps) == ("constant", 100)
    assert (PAPER.networks, PAPER.properties, PAPER.population) == (1, 0, "zeroed")


def test_by_the_papers_recipe_every_rating_has_its_five_tokens_as_released():
    batch = batch_of(rows=500, recipe=PAPER)
    assert batch["present"].all() and not PAPER.in_loop
    assert {float(batch[name].unique()) for name in ("text", "metadata", "demographics")} == {1.0}


def test_text_and_metadata_are_the_loops_in_four_rows_of_ten_and_mostly_together():
    batch = batch_of()
    text, metadata = (batch[name][:, 0] == 2 for name in ("text", "metadata"))
    for share, expected in ((text, 0.42), (metadata, 0.42), (text & metadata, 0.37)):
        assert float(share.float().mean()) == pytest.approx(expected, abs=0.05)


def test_tokens_are_dropped_at_random_but_the_image_never():
    recipe = replace(
        STEER, drop_text=0.2, drop_metadata=0.3, drop_user=0.0, drop_demographics=0.0, drop_both=0.4
    )
    present = batch_of(recipe=recipe)["present"].float().mean(0)
    assert present[0] == 1
    np.testing.assert_allclose(present[1:], [0.8, 0.7, 0.6, 0.6], atol=0.04)


def test_dropping_both_makes_the_population():
    present = batch_of(recipe=replace(STEER, drop_user=0.0, drop_demographics=0.0, drop_both=0.5))["present"]
    assert torch.equal(present[:, 3], present[:, 4])


def test_what_nobody_knows_is_absent():
    recipe = replace(PAPER, drop_demographics=0.0, drop_both=0.0, drop_metadata=0.0)
    data = TrainingSet(
        *(torch.ones(1, 2) for _ in range(3)),
        metadata=torch.zeros(1, 2),
        inferred=torch.zeros(1, 2),
        demographics=torch.zeros(1, 1, 2),
        images=torch.zeros(5, dtype=torch.long),
        users=torch.zeros(5, dtype=torch.long),
        scores=torch.ones(5),
        sources=torch.zeros(1, dtype=torch.long),
    )
    present = data.batch(torch.arange(5), recipe)["present"]
    assert not present[:, 2].any() and not present[:, 3].any()


def test_training_learns_each_persons_own_taste(world, trained):
    _, dataset, features, _ = world
    predictor, report = trained
    table = np.unique(dataset.users[dataset.rows("train")])
    own = seen_users(predictor.model, table, dataset, features, "test_seen").user_level(dataset)
    everyone = seen_users(predictor.model, table, dataset, features, "test_seen", population=True)
    assert own.srocc.mean() > 0.6
    assert own.srocc.mean() > everyone.user_level(dataset).srocc.mean() + 0.1
    assert report["epochs"][-1]["loss"] < report["epochs"][0]["loss"]


def test_the_checkpoint_says_who_was_trained_and_how(world, trained):
    _, dataset, features, _ = world
    predictor, report = trained
    assert [person.id for person in predictor.people] == [str(i) for i in range(1, 9)]
    assert all(person.ratings == 40 for person in predictor.people)
    assert predictor.people[0].demographics["age"] == 19
    trained_with = predictor.card.trained
    assert trained_with["recipe"]["name"] == "steer" and trained_with["rows"] == 320
    assert trained_with["metrics"]["validation"] == pytest.approx(report["best"]["validation"], abs=1e-4)
    assert predictor.card.licences == ("Apache-2.0",)
    table = np.unique(dataset.users[dataset.rows("train")])
    expected = profiles_of(dataset, features, dataset.rows("train"), table)
    np.testing.assert_allclose(predictor.tables.profiles, expected, rtol=1e-6)


def test_the_checkpoint_says_how_to_judge_new_people_and_what_to_compare_people_on(world, trained):
    calibration = trained[0].calibration
    assert calibration.image.shape == (40, 32) and calibration.metadata.shape == (40, 384)
    assert calibration.prior == DEFAULT_PRIOR  # two people are too few to estimate it from


def test_the_saved_predictor_scores_images_as_the_evaluation_does(world, trained):
    from PIL import Image

    _, dataset, features, _ = world
    predictor, _ = trained
    images = []
    for path in dataset.image_paths[:4]:
        with Image.open(path) as image:
            images.append(image.convert("RGB"))
    by_loop = predictor.score(images[:1], "mossy rocks", predictor.person("3"))
    embeddings = predictor.model.users.weight.numpy()[[2]]
    sentence = features.demographics[[2], 0]
    by_table = predict(predictor.model, features, np.array([0]), embeddings, sentence, as_in_loop=True)
    np.testing.assert_allclose(by_loop, by_table, rtol=1e-4)
    population = predictor.score(images[:1], "mossy rocks", predictor.population())
    by_table = predict(predictor.model, features, np.array([0]), as_in_loop=True)
    np.testing.assert_allclose(population, by_table, rtol=1e-4)


def test_unseen_users_are_placed_by_a_context_that_is_not_evaluated(world, trained):
    _, dataset, features, _ = world
    predictor, _ = trained
    rows = dataset.rows("test_unseen")
    found = unseen_users(
        predictor.model, predictor.tables.profiles, dataset, features, "test_unseen", seed=3, context=5
    )
    people = len(np.unique(dataset.users[rows]))
    assert len(found.rows) == len(rows) - 5 * people
    assert set(found.rows) <= set(rows)
    larger = unseen_users(
        predictor.model, predictor.tables.profiles, dataset, features, "test_unseen", seed=3, context=9
    )
    assert set(larger.rows) < set(found.rows)  # contexts are nested
    assert np.isfinite(found.scores).all()


def test_the_same_seed_trains_the_same_predictor_and_another_a_different_one(world):
    short = replace(QUICK, epochs=2)
    reports = [run(world, f"seed{i}", short, seed=seed) for i, seed in enumerate((4, 4, 5))]
    losses = [[epoch["loss"] for epoch in report["epochs"]] for report in reports]
    assert losses[0] == losses[1] != losses[2]


def test_a_judge_sees_other_rows_of_the_same_people(world):
    run(world, "judge", replace(QUICK, epochs=1), seed=1, resample=True)
    judge = Predictor.load(world[0] / "judge")
    predictor_profiles = profiles_of(world[1], world[2], world[1].rows("train"), np.arange(8))
    assert judge.card.trained["resampled"] and judge.card.trained["rows"] == 320
    assert [person.ratings for person in judge.people] == [40] * 8
    assert not np.allclose(judge.tables.profiles, predictor_profiles)


def test_training_stops_when_validation_no_longer_improves_and_keeps_the_best(world):
    hopeless = replace(QUICK, learning_rate=1.0, epochs=15, patience=2, average=0.0)
    report = run(world, "hopeless", hopeless)
    epochs = report["epochs"]
    assert len(epochs) < 30
    assert len(epochs) == report["best"]["epoch"] + 2


def test_a_data_set_without_training_rows_is_a_clear_error(world, tmp_path):
    folder, dataset, features, encoder = world
    empty = replace(dataset, splits=np.full(len(dataset.splits), "test_seen"))
    with pytest.raises(DatasetError, match="no training ratings"):
        run((folder, empty, features, encoder), "empty")


def test_encoders_have_given_their_memory_back_when_training_begins(tmp_path, monkeypatch):
    dataset = load(tiny_dataset(tmp_path / "PAMELA"), quiet=True)
    names = EncoderNames(str(tiny_encoder(tmp_path / "encoder")), SENTENCE_ENCODER_ID)
    forget_sentence_encoders()  # other tests may hold the one that is in memory
    load_encoders, begin = EncoderNames.load, pipeline.train
    held, alive = [], []

    def remembered(self, device):
        found = load_encoders(self, device)
        held.extend(weakref.ref(encoder.model) for encoder in found)
        return found

    def begun(*data, **options):
        alive.extend(model for model in held if model() is not None)
        return begin(*data, **options)

    monkeypatch.setattr(EncoderNames, "load", remembered)
    monkeypatch.setattr(pipeline, "train", begun)
    recipe = replace(SHORT, epochs=1, networks=1, properties=3)
    train_predictor(dataset, tmp_path / "out", recipe, names, tmp_path / "features")
    assert len(held) == 2 and not alive
    card, _, _ = read_checkpoint(tmp_path / "out")
    again, _ = load_encoders(names, "cpu")
    assert card.encoder["sha256"] == again.hash


def test_features_are_standardised_and_mapped_as_if_all_were_in_memory_at_once(monkeypatch):
    dataset, features = tiny_ratings()
    absent = np.random.default_rng(0).random(len(features.text)) < 0.3
    features = replace(features, text=np.where(absent[:, None], 0, features.text).astype(np.float32))
    rows, table = dataset.rows("train"), np.arange(8)
    data = _training_set(dataset, features, rows, table, torch.device("cpu"))
    whole = []
    for at_once, columns in ((4096, 256), (7, 4)):
        monkeypatch.setattr(linear_tastes, "AT_ONCE", at_once)
        monkeypatch.setattr(linear_tastes, "COLUMNS", columns)
        torch.manual_seed(0)
        model = _initial_model(features, SHORT, data, users=8)
        tastes = _linear_tastes(model.config, replace(SHORT, properties=4), data, users=8)
        images = torch.arange(20)
        given = {name: getattr(data, name)[images] for name in ("image", "text", "metadata")}
        everyone = tastes(**given, user=torch.arange(20) % 8)
        whole.append((model.text[0].mean, model.text[0].scale, everyone))
    shown = np.unique(dataset.images[rows])
    told = np.concatenate([part[shown][part[shown].any(1)] for part in (features.text, features.subject)])
    np.testing.assert_allclose(whole[0][0], told.mean(0), atol=1e-6)
    np.testing.assert_allclose(1 / whole[0][1], told.std(0), rtol=1e-5)
    for once, by_parts in zip(*whole, strict=True):
        np.testing.assert_allclose(once, by_parts, rtol=1e-4, atol=1e-5)

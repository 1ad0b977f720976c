"""Linear tastes and ensembles: closed forms by hand, and one predictor whatever is in it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny_checkpoint, tiny_dataset, tiny_encoder

from reward.data import load
from reward.encoders.features import encode_dataset
from reward.encoders.image_text import SENTENCE_ENCODER_ID, ImageTextEncoder, sentence_encoder
from reward.errors import ScoreError
from reward.evaluation.evaluate import seen_users, variances
from reward.people.known import Calibration, Errors, read_calibration, write_calibration
from reward.people.newcomer import TastePrior
from reward.predictor.checkpoint import CARD_FILE, read_checkpoint
from reward.predictor.ensemble import Ensemble
from reward.predictor.linear_tastes import LinearTastes
from reward.predictor.network import Pamela, PamelaConfig
from reward.predictor.predictor import Predictor
from reward.training.calibrate import errors_of, errors_of_new
from reward.training.linear_tastes import NOISE, expectation_maximisation
from reward.training.recipe import STEER
from reward.training.train import train

CONFIG = PamelaConfig(image_dim=6, text_dim=5, profile_dim=4, hidden=8, layers=1, heads=2, feedforward=8)
PEOPLE, N = 7, 9


def tokens(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "image": torch.randn(N, 6, generator=generator),
        "text": torch.randn(N, 5, generator=generator),
        "metadata": torch.randn(N, 4, generator=generator),
        "demographics": torch.randn(N, 4, generator=generator),
    }


def model(networks=2, properties=3, seed=0):
    torch.manual_seed(seed)
    made = Ensemble.of(CONFIG, PEOPLE, networks, properties).eval().requires_grad_(False)
    for name, values in made.state_dict().items():
        if "users" in name or name.endswith(("members.2.average", "uncertainty")):
            values.normal_()
    return made


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)) for _ in range(count)]


def test_a_linear_taste_is_the_sum_of_what_is_known_of_a_picture_weighed():
    linear = model().members[2]
    given = tokens()
    person = linear.users.weight[3]
    z = sum(given[name] @ linear.maps[name].weight.T for name in ("image", "text", "metadata"))
    expected = torch.cat([torch.ones(N, 1), z], 1) @ (linear.average + person)
    torch.testing.assert_close(linear(**given, user=torch.full((N,), 3)), expected)
    text_less = linear(given["image"], metadata=given["metadata"])
    z = z - given["text"] @ linear.maps["text"].weight.T
    torch.testing.assert_close(text_less, torch.cat([torch.ones(N, 1), z], 1) @ linear.average)


def test_an_ensemble_is_the_networks_mean_and_the_linear_tastes_half_and_half():
    whole, given, users = model(), tokens(), torch.arange(N) % PEOPLE
    first, second, linear = (member(**given, user=users) for member in whole.members)
    torch.testing.assert_close(whole(**given, user=users), (first + second) / 4 + linear / 2)
    by_row = whole(**given, user=whole.users.weight[users])  # embeddings instead of rows of the table
    torch.testing.assert_close(by_row, whole(**given, user=users))
    two = Ensemble(list(whole.members[:2]))
    torch.testing.assert_close(two(**given), (whole.members[0](**given) + whole.members[1](**given)) / 2)


def test_a_token_left_out_by_row_is_a_token_not_given():
    whole, given = model(), tokens()
    present = torch.ones(N, 5, dtype=torch.bool)
    present[:, [1, 4]] = False
    without = {name: token for name, token in given.items() if name != "text"}
    torch.testing.assert_close(
        whole(**given, user=torch.arange(N) % PEOPLE, present=present), whole(**without)
    )


def test_a_grid_of_people_and_pictures_scores_as_each_pair_would_alone():
    whole, given = model(), tokens()
    content = whole.project(given["image"], given["text"], given["metadata"])
    people = whole.project(demographics=given["demographics"][:4], user=whole.users.weight[:4])
    grid = whole.grid(content, people, 4, batch_size=10)
    for person in range(4):
        alone = {**given, "demographics": given["demographics"][person].expand(N, -1)}
        torch.testing.assert_close(grid[person], whole(**alone, user=torch.full((N,), person)))


def test_the_variance_is_the_posteriors_and_the_distance_between_members():
    whole, given = model(), tokens()
    projected = whole.project(**given)
    opinions = torch.stack([member(**given) for member in whole.members])
    shares = torch.tensor([0.25, 0.25, 0.5])
    linear = whole.members[2]
    z = sum(given[name] @ linear.maps[name].weight.T for name in ("image", "text", "metadata"))
    posterior = ((torch.cat([torch.ones(N, 1), z], 1) @ linear.uncertainty) ** 2).sum(1)
    apart = (opinions - shares @ opinions) ** 2
    torch.testing.assert_close(whole.variance(projected), posterior / 2 + shares @ apart)


def test_expectation_maximisation_finds_the_weights_that_ratings_were_made_with():
    rng = np.random.default_rng(0)
    people, properties, ratings = 150, 12, 120
    average = np.append(0.1, rng.normal(0, 0.15, properties))
    directions = rng.normal(0, 0.3, (2, properties + 1)) * np.append(0, np.ones(properties))
    true = average + rng.normal(size=(people, 2)) @ directions + rng.normal(0, 0.03, (people, properties + 1))
    squares, products = np.zeros((people, 13, 13)), np.zeros((people, 13))
    for i in range(people):
        shown = np.insert(rng.normal(size=(ratings, properties)), 0, 1, axis=1)
        y = shown @ true[i] + rng.normal(0, NOISE**0.5, ratings)
        squares[i], products[i] = shown.T @ shown, shown.T @ y
    found, mean, covariance = expectation_maximisation(squares, products, directions=2)
    alone = np.stack(
        [np.linalg.solve(s + 1e-6 * np.eye(13), p) for s, p in zip(squares, products, strict=True)]
    )
    error, before = ((found - true) ** 2).mean(), ((alone - true) ** 2).mean()
    assert error < 0.5 * before  # everyone's ratings help to tell each one's taste
    np.testing.assert_allclose(mean, true.mean(0), atol=0.05)
    np.testing.assert_allclose(np.trace(covariance) / 13, error, rtol=0.5)  # as sure as it says


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    dataset = load(tiny_dataset(folder / "PAMELA"))
    encoder = ImageTextEncoder.load(tiny_encoder(folder / "encoder"))
    features = encode_dataset(dataset, encoder, sentence_encoder(), folder / "store")
    recipe = replace(
        STEER, hidden=16, heads=2, feedforward=16, epochs=2, batch_size=64, networks=2, properties=10
    )
    train(
        dataset,
        features,
        recipe,
        folder / "predictor",
        world="sandbox:0",
        simulated=True,
        encoder={"id": "../encoder", "revision": None, "sha256": encoder.hash},
        sentence_encoder={"id": SENTENCE_ENCODER_ID},
        journal=folder / "journal",
    )
    return folder, dataset, features


def test_training_makes_all_members_and_one_checkpoint(world):
    folder, dataset, features = world
    card, found, _ = read_checkpoint(folder / "predictor")
    assert (card.networks, card.properties) == (2, 10)
    assert [type(member) for member in found.members] == [Pamela, Pamela, LinearTastes]
    assert not torch.equal(found.members[0].users.weight, found.members[1].users.weight)
    table = np.arange(len(card.people))
    alone = [
        seen_users(member, table, dataset, features, "train").user_level(dataset).srocc.mean()
        for member in (found, found.members[2])
    ]
    assert alone[1] > 0.5  # tastes here are linear in colour
    assert (folder / "journal" / "network-2" / "metrics.jsonl").is_file()
    assert not list((folder / "journal").rglob("training.safetensors"))


def test_an_ensemble_predicts_for_known_new_and_grouped_people(world):
    predictor = Predictor.load(world[0] / "predictor")
    images = pictures(5)
    people = [
        predictor.person("1"),
        predictor.population(),
        predictor.group(age=(0, 99)),
        *(predictor.newcomer(images, [1, 2, 3, 4, 5], method=m) for m in ("mix", "knn", "ridge")),
    ]
    scores = predictor.score_people(images, "a red car", people)
    for person, row in zip(people, scores, strict=True):
        np.testing.assert_allclose(predictor.score(images, "a red car", person), row, rtol=1e-4)
    assert np.isfinite(scores).all() and len({person.hash for person in people}) == 6


def test_a_checkpoint_of_the_first_version_loads_to_the_same_scores(tmp_path):
    folder = tiny_checkpoint(tmp_path)
    now = Predictor.load(folder)
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    for name in ("networks", "properties"):
        del card[name]
    (folder / CARD_FILE).write_text(json.dumps(card | {"schema_version": 1}), encoding="utf-8")
    before = Predictor.load(folder)
    images = pictures(3)
    assert before.identity == now.identity
    assert before.score(images, "moss", before.person("1")) == now.score(images, "moss", now.person("1"))


# --- intervals


def test_intervals_hold_the_share_of_ratings_that_they_say(world):
    folder, dataset, features = world
    _, found, _ = read_checkpoint(folder / "predictor")
    rng = np.random.default_rng(0)
    # ratings made from predictions, by people who are more and less steady
    table = np.arange(8)
    rows = np.flatnonzero(dataset.users < 8)
    split = replace(dataset, splits=np.where(dataset.users < 8, "val_seen", ""))
    scores = seen_users(found, table, split, features, "val_seen").scores
    steady = np.linspace(0.2, 1.0, 8)[dataset.users[rows]]
    made = dataset.scores.copy()
    made[rows] = scores + rng.normal(0, 1, len(rows)) * steady
    errors = errors_of(found, table, replace(split, scores=made), features, "val_seen", {0: 1.0})
    assert np.corrcoef(errors.known, np.linspace(0.2, 1.0, 8))[0, 1] > 0.8
    assert errors.of_new(3) == 1.0
    users = dataset.users[rows]
    unsure = variances(
        found,
        features,
        dataset.images[rows],
        found.users.weight.numpy()[users],
        features.demographics[users, 0],
    )
    spread = errors.widened * np.sqrt(errors.known[users] ** 2 + unsure)
    assert np.mean(np.abs(made[rows] - scores) < 1.2816 * spread) == pytest.approx(0.8, abs=0.06)


def test_errors_of_new_people_are_those_of_known_people_left_out(world):
    folder, dataset, features = world
    _, found, _ = read_checkpoint(folder / "predictor")
    table, prior = np.arange(8), TastePrior()
    every = replace(dataset, splits=np.where(dataset.users < 8, "val_seen", ""))
    # everyone gives what their neighbour in the table is predicted to: one that stays when they are left out
    shifted = replace(features, demographics=np.roll(features.demographics, 1, axis=0))
    neighbours = seen_users(found, np.roll(table, 1), every, shifted, "val_seen")
    made = dataset.scores.copy()
    made[neighbours.rows] = neighbours.scores
    errors = errors_of_new(found, table, replace(every, scores=made), features, prior, None, "val_seen")
    assert list(errors) == [0, 5, 10, 15, 25] and errors[25] < 0.8 * errors[0]
    assert errors_of_new(found, table, dataset, features, prior, None, "val_seen") == {}  # 10 ratings each


def test_an_interval_is_around_the_score_and_wider_for_a_larger_share(tmp_path):
    folder = tiny_checkpoint(tmp_path, networks=2, properties=3)
    images = pictures(4)
    with pytest.raises(ScoreError, match="train it again"):
        Predictor.load(folder).interval(images, "moss", Predictor.load(folder).person("1"))
    errors = Errors(np.linspace(0.1, 0.5, 20).astype(np.float32), 1.1, {0: 0.9, 10: 0.5}, 0.8)
    write_calibration(folder, Calibration(errors=errors))
    read = read_calibration(folder).errors
    np.testing.assert_array_equal(read.known, errors.known)
    assert (read.widened, read.new, read.anyone) == (1.1, {0: 0.9, 10: 0.5}, 0.8)
    predictor = Predictor.load(folder)
    for person in (
        predictor.person("1"),
        predictor.population(),
        predictor.newcomer(images, [1, 2, 4, 5]),
    ):
        score = np.clip(predictor.score(images, "moss", person), 1, 5)
        low, high = predictor.interval(images, "moss", person)
        wider = predictor.interval(images, "moss", person, share=0.95)
        assert (wider[0] <= low).all() and (low <= score).all()
        assert (score <= high).all() and (high <= wider[1]).all()
        assert (low >= 1).all() and (high <= 5).all()


def test_someone_whose_ratings_contradict_the_known_people_has_the_interval_of_no_ratings(tmp_path):
    folder = tiny_checkpoint(tmp_path, networks=2, properties=3)
    errors = Errors(np.full(20, 0.3, np.float32), 1.0, {0: 0.9, 10: 0.5}, 0.8)
    write_calibration(folder, Calibration(errors=errors))
    predictor, images = Predictor.load(folder), pictures(4)
    someone = predictor.newcomer(images, [1, 2, 4, 5])
    odd = replace(someone, other_kind=0.9)
    score = np.array(predictor.score(images, "moss", someone))
    near, far = (predictor.interval(images, "moss", one, share=0.2) for one in (someone, odd))
    assert odd.contradicts and not someone.contradicts
    inside = (far[0] > 1) & (far[1] < 5)
    assert inside.any()
    half = 0.2533 * errors.of_new(0)
    np.testing.assert_allclose((far[1] - far[0])[inside], 2 * half, atol=1e-3)
    assert ((near[1] - near[0])[inside] < (far[1] - far[0])[inside]).all()
    np.testing.assert_allclose((score - far[0])[inside], half, atol=1e-3)

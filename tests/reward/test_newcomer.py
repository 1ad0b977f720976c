"""A new person from a few ratings: the mix is the mean it claims to be, and says when it knows nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny import tiny_checkpoint, tiny_predictor

from reward.data import Dataset
from reward.encoders.features import Features
from reward.errors import BadContext, CheckpointError
from reward.evaluation.evaluate import known_ratings, predict, unseen_users
from reward.people.descriptions import MetadataVocabulary
from reward.people.known import PEOPLE_FILE, Calibration, read_calibration, write_calibration
from reward.people.newcomer import (
    METHODS,
    OtherKinds,
    TastePrior,
    mix_start,
    mix_weights,
    others_of,
    own_weights,
    ridge_residual,
)
from reward.people.person import interpolate_user, preference_profile
from reward.predictor.ensemble import Ensemble
from reward.predictor.network import Pamela, PamelaConfig
from reward.predictor.predictor import Predictor
from reward.training.calibrate import accuracy_curve, calibrate, estimate
from steer.cli.app import run_command

HIDDEN = 16
PROFILES = np.random.default_rng(1).normal(size=(40, 12)).astype(np.float32)
CONFIG = PamelaConfig(
    image_dim=12, text_dim=6, profile_dim=5, hidden=HIDDEN, layers=1, heads=2, feedforward=24
)


def network(known=30, interaction=True, seed=0):
    torch.manual_seed(seed)
    model = Pamela(replace(CONFIG, interaction=interaction), users=known).eval().requires_grad_(False)
    torch.nn.init.normal_(model.users.weight, std=0.5)
    return model


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)) for _ in range(count)]


# --- the mix of known people


def test_the_mix_is_what_conditioning_a_joint_gaussian_gives():
    """Of k rated and m other images, by the textbook's formula on the whole covariance."""
    rng, prior = np.random.default_rng(0), TastePrior(noise=0.5, bias=0.3)
    known, start = rng.normal(3, 1, size=(40, 11)), rng.dirichlet(np.ones(40))
    k, y = 6, rng.uniform(1, 5, 6)
    weights = mix_weights(known[:, :k], y, prior, start)
    mean = start @ known
    covariance = np.cov(known.T, bias=True) + prior.bias
    observed = covariance[:k, :k] + prior.noise * np.eye(k)
    expected = mean[k:] + covariance[k:, :k] @ np.linalg.inv(observed) @ (y - mean[:k])
    np.testing.assert_allclose(weights[:-1] @ known[:, k:] + weights[-1], expected, rtol=1e-9)


@given(
    k=st.integers(0, 12),
    seed=st.integers(0, 99),
    noise=st.floats(0.01, 3),
    bias=st.floats(0, 1),
)
def test_weights_of_the_known_people_sum_to_1(k, seed, noise, bias):
    rng = np.random.default_rng(seed)
    known, y = rng.normal(3, 1, size=(9, k)), rng.uniform(1, 5, k)
    weights = mix_weights(known, y, TastePrior(noise, bias))
    assert weights.shape == (10,) and weights[:-1].sum() == pytest.approx(1)


def test_someone_who_rates_as_a_known_person_does_becomes_that_person():
    rng = np.random.default_rng(0)
    known = rng.normal(3, 1, size=(12, 60))
    weights = mix_weights(known[:, :50], known[4, :50], TastePrior(noise=1e-4, bias=0.0))
    np.testing.assert_allclose(weights[:-1] @ known[:, 50:], known[4, 50:], atol=0.01)


def test_someone_generous_is_not_taken_for_someone_of_another_taste():
    rng = np.random.default_rng(0)
    known, y = rng.normal(3, 1, size=(12, 20)), rng.uniform(1, 4, 20)
    prior = TastePrior(bias=1e6)
    stern, kind = (mix_weights(known, ratings, prior) for ratings in (y, y + 1))
    np.testing.assert_allclose(kind[:-1], stern[:-1], atol=1e-3)
    assert kind[-1] - stern[-1] == pytest.approx(1, abs=1e-3)


def test_noisier_ratings_move_a_person_less():
    rng = np.random.default_rng(0)
    known, y = rng.normal(3, 1, size=(12, 20)), rng.uniform(1, 4, 20)
    moved = [np.abs(mix_weights(known, y, TastePrior(noise))[:-1] - 1 / 12).sum() for noise in (0.1, 1, 10)]
    assert moved == sorted(moved, reverse=True)


def test_before_any_rating_people_of_like_demographics_weigh_more_and_the_unknown_like_the_average():
    known = np.array([[1.0, 0], [0.9, 0.4], [0, 1], [0, 0]])
    start = mix_start(known, np.array([1.0, 0.05]))
    assert start.sum() == pytest.approx(1)
    assert start[0] > start[1] > start[3] > start[2] > 0
    for nothing in (None, np.zeros(2)):
        np.testing.assert_allclose(mix_start(known, nothing), 0.25)
    np.testing.assert_allclose(mix_start(np.zeros((4, 2)), np.ones(2)), 0.25)


def test_the_ridge_is_the_normal_equations_on_standardised_embeddings():
    rng = np.random.default_rng(0)
    images, missed = rng.normal(size=(7, 12)), rng.normal(size=7)
    mean, scale = rng.normal(size=12), rng.uniform(0.5, 2, 12)
    found = ridge_residual(images, missed, mean, scale, penalty=2.0)
    design = np.column_stack([(images - mean) * scale / 12**0.5, np.ones(7)])
    beta = np.linalg.solve(design.T @ design + 2.0 * np.eye(13), design.T @ missed)
    np.testing.assert_allclose(images @ found[:-1] + found[-1], design @ beta)


# --- people of a predictor


@pytest.fixture
def predictor(tmp_path):
    return tiny_predictor(tmp_path)


def test_the_default_is_the_mix_and_the_papers_way_is_there_by_name(predictor):
    images, ratings = pictures(6), [1, 2, 3, 4, 5, 5]
    users = predictor.model.users.weight.numpy()
    default = predictor.newcomer(images, ratings)
    np.testing.assert_array_equal(default.mix, predictor.newcomer(images, ratings, method="mix").mix)
    paper = predictor.newcomer(images, ratings, method="knn")
    profile = preference_profile(predictor.image_features(images), ratings)
    expected = interpolate_user(profile, predictor.tables.profiles, users)
    np.testing.assert_allclose(paper.user, expected, rtol=1e-5)
    ridge = predictor.newcomer(images, ratings, method="ridge")
    assert ridge.user is None and ridge.residual.shape == (33,)
    assert len({default.hash, paper.hash, ridge.hash}) == 3
    assert {p.ratings for p in (default, paper, ridge)} == {6}


@pytest.mark.parametrize("method", METHODS)
def test_every_way_gives_finite_scores_that_do_not_depend_on_the_order_of_ratings(predictor, method):
    images, ratings = pictures(5), [1.5, 4, 2, 5, 3]
    prompts = ["mossy rocks", "a red car", "a landscape", "a painting", "a photograph"]
    one = predictor.newcomer(images, ratings, prompts=prompts, method=method)
    other = predictor.newcomer(images[::-1], ratings[::-1], prompts=prompts[::-1], method=method)
    scores = predictor.score(pictures(4, seed=1), "mossy rocks", one)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, predictor.score(pictures(4, seed=1), "mossy rocks", other), atol=1e-3)


def test_a_mix_scores_as_the_known_people_do_by_their_weights(predictor):
    images, prompts = pictures(5), ["mossy rocks"] * 5
    person = predictor.newcomer(images, [1, 2, 3, 4, 5], prompts=prompts)
    shown = pictures(3, seed=1)
    crowd = [predictor.person(known.id) for known in predictor.people]
    everyone = predictor.score_people(shown, "a red car", crowd)
    expected = person.mix[:-1] @ everyone + person.mix[-1]
    np.testing.assert_allclose(predictor.score(shown, "a red car", person), expected, rtol=1e-4)


def test_the_mix_brings_scores_closer_to_the_ratings_it_was_given(predictor):
    images, ratings = pictures(8), np.array([1, 5, 2, 4, 1, 5, 3, 4.0])
    before = predictor.score(images, "mossy rocks", predictor.newcomer([], []))
    after = predictor.score(
        images, "mossy rocks", predictor.newcomer(images, ratings, prompts=["mossy rocks"] * 8)
    )
    assert np.corrcoef(after, ratings)[0, 1] > np.corrcoef(before, ratings)[0, 1]


@pytest.mark.parametrize("ratings", [[], [4], [2, 2, 2]])
def test_ratings_that_tell_nothing_fall_back_and_say_so(predictor, ratings):
    images = pictures(len(ratings))
    person = predictor.newcomer(images, ratings)
    np.testing.assert_allclose(person.mix, [1 / 20] * 20 + [0])
    assert "the known people stand in" in person.note
    described = predictor.newcomer(images, ratings, {"age": 30})
    assert "those of like demographics first" in described.note and np.ptp(described.mix[:-1]) > 0
    ridge = predictor.newcomer(images, ratings, method="ridge")
    assert "the population stands in" in ridge.note
    shown = pictures(3, seed=2)
    everyone = predictor.score(shown, "mossy rocks", predictor.population())
    assert predictor.score(shown, "mossy rocks", ridge) == everyone


def test_ratings_that_tell_something_need_no_note(predictor):
    assert predictor.newcomer(pictures(2), [1, 5]).note == ""


def test_equation_1_without_ratings_is_an_error_because_it_is_not_defined(predictor):
    with pytest.raises(BadContext, match="rate at least one"):
        predictor.newcomer([], [], method="knn")


@pytest.mark.parametrize(
    ("ratings", "options", "says"),
    [
        ([1, 2, 3], {}, "one rating for each"),
        ([1, 9], {}, "from 1 to 5"),
        ([1, float("nan")], {}, "from 1 to 5"),
        ([1, "good"], {}, "from 1 to 5"),
        ([1, 2], {"prompts": ["one"]}, "2 images but 1 prompts"),
        ([1, 2], {"method": "guess"}, "choose mix, knn, ridge"),
    ],
)
def test_a_context_that_makes_no_sense_is_one_clear_error(predictor, ratings, options, says):
    with pytest.raises(BadContext, match=says):
        predictor.newcomer(pictures(2), ratings, **options)


def test_people_with_and_without_a_correction_can_be_scored_together(predictor):
    images = pictures(4)
    ridge = predictor.newcomer(pictures(5, seed=3), [1, 2, 3, 4, 5], method="ridge")
    crowd = [predictor.person("1"), ridge, predictor.population()]
    together = predictor.score_people(images, "mossy rocks", crowd)
    for row, person in zip(together, crowd, strict=True):
        np.testing.assert_allclose(row, predictor.score(images, "mossy rocks", person), rtol=1e-5)


# --- measured on people outside the table


@pytest.fixture(scope="module")
def ratings():
    """12 people outside the table of a random network, whose ratings it explains but for noise 0.2."""
    model, rng = network(known=40), np.random.default_rng(0)
    people, images, each = 12, 120, 60
    features = Features(
        image=rng.normal(size=(images, 12)).astype(np.float32),
        text=rng.normal(size=(images, 6)).astype(np.float32),
        subject=np.zeros((images, 6), np.float32),
        metadata=rng.normal(size=(images, 5)).astype(np.float32),
        inferred=np.zeros((images, 5), np.float32),
        demographics=rng.normal(size=(people, 1, 5)).astype(np.float32),
        vocabulary=MetadataVocabulary((), (), ()),
        combinations=np.zeros((1, 5), np.float32),
        queries=np.zeros((0, 6), np.float32),
    )
    users = np.repeat(np.arange(people), each)
    shown = np.concatenate([rng.permutation(images)[:each] for _ in range(people)])
    tastes = rng.normal(0, 0.5, (people, HIDDEN)).astype(np.float32)[users]
    truth = predict(model, features, shown, tastes, features.demographics[users, 0])
    scores = (truth + rng.normal(0, 0.2**0.5, len(truth))).astype(np.float32)
    dataset = Dataset(
        root=None,
        user_ids=tuple(map(str, range(people))),
        demographics=({},) * people,
        image_ids=tuple(map(str, range(images))),
        image_paths=(),
        metadata=({},) * images,
        users=users,
        images=shown,
        scores=scores,
        splits=np.full(len(users), "val_unseen"),
    )
    known = known_ratings(model, rng.normal(size=(40, 5)).astype(np.float32), features, shown)
    return model, known, dataset, features


@pytest.mark.parametrize("zeroed", [False, True], ids=["masked", "zeroed"])
def test_the_known_peoples_ratings_are_those_of_predicting_one_by_one(zeroed):
    rng, people, images = np.random.default_rng(1), 7, 40
    config = PamelaConfig(12, 6, 5, hidden=8, layers=1, heads=2, feedforward=16, zeroed=zeroed)
    torch.manual_seed(2)
    model = Ensemble.of(config, people, networks=2, properties=3).eval()
    for weights in (model.members[2].users.weight, model.members[2].average):
        torch.nn.init.normal_(weights.data)
    arrays = {name: rng.normal(size=(images, dim)).astype(np.float32)
              for name, dim in (("image", 12), ("text", 6), ("metadata", 5))}  # fmt: skip
    arrays["text"][::2] = 0  # a photograph without a prompt
    arrays["metadata"][::3] = 0
    described = rng.normal(size=(people, 5)).astype(np.float32)
    described[4] = 0  # who told nothing
    features = Features(
        **arrays,
        subject=arrays["text"],
        inferred=arrays["metadata"],
        demographics=described[:, None],
        vocabulary=MetadataVocabulary((), (), ()),
        combinations=np.zeros((1, 5), np.float32),
        queries=np.zeros((0, 6), np.float32),
    )
    asked = np.array([31, 3, 3, 8, 0, 12, 21])
    known = known_ratings(model, described, features, asked)
    table = model.users.weight.numpy()
    for row in range(people):
        users, sentences = table[[row] * len(asked)], described[[row] * len(asked)]
        expected = predict(model, features, asked, users, sentences)
        np.testing.assert_allclose(known.of(asked)[row], expected, rtol=1e-5)
    assert known.ratings.shape == (people, 6)  # nobody is asked for more
    with pytest.raises(ValueError, match="not the images"):
        known.of(np.array([5]))


def test_someone_new_is_expected_to_be_like_the_known_people_of_their_own_data_set(ratings):
    model, _, dataset, features = ratings
    sources = np.repeat(["lapis", "para"], 20)
    demographics, shown = np.random.default_rng(3).normal(size=(40, 5)).astype(np.float32), dataset.images
    joint = replace(dataset, sources=("lapis",) * 6 + ("elsewhere",) * 6)
    sample = known_ratings(model, demographics, features, np.arange(30)).ratings
    both = known_ratings(model, demographics, features, shown, sample, sources)
    lapis = replace(both, ratings=both.ratings[:20], demographics=demographics[:20], parts={},
                    others=others_of(sample[:20]))  # fmt: skip
    everybody = replace(both, parts={})
    rated, judged = np.flatnonzero(dataset.users == 2)[:10], shown[:5]
    prior = TastePrior()
    for user, like in ((2, lapis), (8, everybody)):
        found = both.mixed(joint, features, user, rated, judged, prior)
        np.testing.assert_array_equal(found, like.mixed(joint, features, user, rated, judged, prior))
    start = both.mixed(joint, features, 2, rated[:0], judged, prior)
    weights = mix_start(demographics[:20], features.demographics[2, 0])
    np.testing.assert_allclose(start, weights @ both.of(judged)[:20], rtol=1e-6)


def test_each_data_set_has_the_prior_that_is_read_off_its_own_people(ratings, tmp_path):
    model, _, dataset, features = ratings
    loud = np.random.default_rng(0).normal(0, 1.2, len(dataset.users)) * (dataset.users >= 6)
    splits = np.where(np.arange(len(dataset.users)) % 10, "val_unseen", "train")
    table = np.arange(12).repeat(4)[:40]  # all 12 are known as well, so that there are sources to be like
    joint = replace(
        dataset,
        scores=(dataset.scores + loud).astype(np.float32),
        splits=splits,
        name="para+lapis",
        sources=("para",) * 6 + ("lapis",) * 6,
    )
    made = calibrate(model, table, joint, features)
    assert made.priors.keys() == {"lapis", "para"}
    assert made.prior_of("lapis").noise > made.prior_of("para").noise
    assert made.prior_of("pamela") == made.prior
    folder = tiny_checkpoint(tmp_path, config=model.config)
    write_calibration(folder, made)
    assert read_calibration(folder).priors == made.priors


def test_someone_new_to_a_joint_predictor_is_like_those_who_rated_generated_pictures(predictor):
    rng, given = np.random.default_rng(0), np.array([1.0, 4.0, 2.0, 5.0])
    count = len(predictor.people)
    known = rng.normal(3, 1, (count, 4))
    names = ["pamela" if row % 2 else "para" for row in range(count)]
    joint = Predictor(
        predictor.model,
        replace(
            predictor.card,
            world="pamela+para",
            people=tuple(
                replace(p, id=f"{name}:{p.id}") for p, name in zip(predictor.people, names, strict=True)
            ),
        ),
        predictor.tables,
        predictor.encoder,
        replace(predictor.calibration, priors={"pamela": TastePrior(0.2, 0.1)}),
    )
    person = joint.mixed(known, given)
    theirs = np.array(names) == "pamela"
    assert (person.mix[:-1][~theirs] == 0).all()
    like, sample = known[theirs], joint.sample_ratings
    others = others_of(None if sample is None else sample[theirs])
    expected, _ = own_weights(like, given, TastePrior(0.2, 0.1), None, others)
    np.testing.assert_allclose(person.mix[[*np.flatnonzero(theirs), -1]], expected)
    alone = predictor.mixed(known, given)
    assert (alone.mix[:-1] != 0).all()


def test_the_prior_is_read_off_the_ratings_of_people_outside_the_table(ratings):
    _, known, dataset, features = ratings
    prior = estimate(known, dataset, features, "val_unseen")
    assert 0.1 <= prior.noise <= 0.4 and prior.bias <= 0.15


def test_too_few_people_leave_the_default_prior(ratings):
    _, known, dataset, features = ratings
    nobody = replace(dataset, splits=np.full(len(dataset.users), "train"))
    assert estimate(known, nobody, features, "val_unseen") == TastePrior()


def test_more_ratings_predict_better_and_the_mix_better_than_the_nearest_people(ratings):
    model, known, dataset, features = ratings
    prior = TastePrior(noise=0.2, bias=0.0)
    curve, people = accuracy_curve(model, known, dataset, features, prior, "val_unseen")
    assert people == 12 and list(curve) == [0, 5, 10, 15, 25]
    assert curve[25] > curve[5] > curve[0]

    def at_15(method):
        options = {"reserved": 25, "method": method, "prior": prior, "known": known}
        found = unseen_users(model, PROFILES, dataset, features, "val_unseen", 0, 15, **options)
        return float(found.user_level(dataset).srocc.mean()), found

    mixed, nearest, ridge = (at_15(method) for method in METHODS)
    assert mixed[0] > nearest[0] + 0.1
    np.testing.assert_array_equal(mixed[1].rows, nearest[1].rows)
    np.testing.assert_array_equal(mixed[1].rows, ridge[1].rows)


def test_a_mix_without_the_known_peoples_ratings_is_a_mistake_of_the_caller(ratings):
    model, _, dataset, features = ratings
    with pytest.raises(ValueError, match="known_ratings"):
        unseen_users(model, PROFILES, dataset, features, "val_unseen", 0, method="mix")


def test_a_ridge_evaluates_as_its_slopes_say(ratings):
    model, _, dataset, features = ratings
    found = unseen_users(model, PROFILES, dataset, features, "val_unseen", 3, 10, method="ridge")
    row = found.rows[0]
    rated = np.setdiff1d(np.flatnonzero(dataset.users == dataset.users[row]), found.rows)
    population = predict(model, features, dataset.images)
    images = features.image[dataset.images[rated]]
    added = ridge_residual(images, dataset.scores[rated] - population[rated], *model.image[0].arrays())
    expected = population[row] + features.image[dataset.images[row]] @ added[:-1] + added[-1]
    assert found.scores[0] == pytest.approx(expected, abs=1e-4)


def test_a_calibration_is_read_back_as_it_was_written(ratings, tmp_path):
    model, _, dataset, features = ratings
    splits = np.where(np.arange(len(dataset.users)) % 10, "val_unseen", "train")
    folder = tiny_checkpoint(tmp_path, config=model.config)
    made = calibrate(model, np.arange(12).repeat(4)[:40], replace(dataset, splits=splits), features)
    write_calibration(folder, made)
    read = read_calibration(folder)
    assert (read.prior, dict(read.accuracy), read.measured_on) == (made.prior, made.accuracy, 12)
    np.testing.assert_array_equal(read.image, made.image)


# --- the file beside a checkpoint


def sampled(predictor, count=40):
    rng = np.random.default_rng(0)
    return Calibration(
        prior=TastePrior(0.5, 0.2),
        accuracy={0: 0.3, 5: 0.4, 15: 0.5},
        measured_on=16,
        image=rng.normal(size=(count, 32)).astype(np.float32),
        text=rng.normal(size=(count, 32)).astype(np.float32),
        metadata=rng.normal(size=(count, 384)).astype(np.float32),
    )


def test_expected_accuracy_is_interpolated_and_unknown_where_nobody_measured(predictor):
    assert predictor.expected_accuracy(15) is None
    calibration = sampled(predictor)
    assert calibration.expected_accuracy(0) == 0.3
    assert calibration.expected_accuracy(10) == pytest.approx(0.45)
    assert calibration.expected_accuracy(100) == 0.5


def test_a_predictor_takes_its_prior_from_the_file_beside_it(tmp_path):
    plain = tiny_predictor(tmp_path)
    write_calibration(tmp_path / "predictor", sampled(plain))
    informed = Predictor.load(tmp_path / "predictor")
    assert informed.calibration.prior == TastePrior(0.5, 0.2)
    assert informed.expected_accuracy(15) == 0.5
    images, ratings = pictures(4), [1, 2, 4, 5]
    assert informed.newcomer(images, ratings).hash != plain.newcomer(images, ratings).hash


def test_a_file_of_other_weights_is_not_believed_and_a_damaged_one_is_an_error(tmp_path):
    predictor = tiny_predictor(tmp_path)
    folder = tmp_path / "predictor"
    write_calibration(folder, sampled(predictor))
    tiny_checkpoint(tmp_path / "other", seed=1)
    (folder / PEOPLE_FILE).replace(tmp_path / "other" / "predictor" / PEOPLE_FILE)
    assert read_calibration(tmp_path / "other" / "predictor").image is None
    (folder / PEOPLE_FILE).write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="train again"):
        read_calibration(folder)


def test_agreement_is_the_correlation_of_predicted_ratings(predictor):
    calibration = sampled(predictor)
    agreement = calibration.agreement(predictor.model, predictor.tables.demographics)
    assert agreement.shape == (20, 20)
    np.testing.assert_allclose(np.diag(agreement), 1)
    tensors = [torch.from_numpy(a) for a in (calibration.image, calibration.text, calibration.metadata)]
    alone = []
    for row in (0, 19):  # the last person tells nothing, so has no demographics token
        told = torch.from_numpy(predictor.tables.demographics[[row]]).expand(40, -1) if row == 0 else None
        alone.append(predictor.model(*tensors, told, torch.full((40,), row)).numpy())
    assert agreement[0, 19] == pytest.approx(np.corrcoef(*alone)[0, 1], abs=1e-4)
    assert Calibration().agreement(predictor.model, predictor.tables.demographics) is None


# --- steer people list --opposed


@pytest.fixture
def shown(tmp_path, capsys):
    """Run `steer people list` on a tiny predictor that people can be compared with."""
    folder = tiny_checkpoint(tmp_path)

    def run(*words, sample=True):
        if sample:
            write_calibration(folder, sampled(Predictor.load(folder)))
        code = run_command(["people", "list", "--reward", str(folder), *words])
        return code, *capsys.readouterr()

    return run


def test_the_most_opposed_people_come_first_and_nobody_is_their_own_opposite(shown):
    code, out, err = shown("--opposed", "17")
    assert code == 0 and "agreement with 17" in err and "--json" in err
    lines = [line.split("\t") for line in out.splitlines()]
    assert len(lines) == 10 and [float(line[-1]) for line in lines] == sorted(float(x[-1]) for x in lines)
    code, out, _ = shown("--opposed", "17", "--json")
    found = json.loads(out)
    assert found["opposed"] == "17" and len(found["people"]) == 19
    assert "17" not in [person["id"] for person in found["people"]]
    assert [p["id"] for p in found["people"][:10]] == [line[1] for line in lines]


def test_opposed_people_can_be_narrowed_to_a_group(shown):
    found = json.loads(shown("--opposed", "17", "--gender", "female", "--json")[1])["people"]
    assert found and all(person["demographics"]["gender"] == "female" for person in found)


def test_a_predictor_without_a_sample_names_the_command_that_makes_one(shown):
    code, out, err = shown("--opposed", "17", sample=False)
    assert code == 1 and not out and "steer sandbox build" in err


def test_the_list_says_how_accurate_scores_of_someone_new_are(shown):
    code, out, err = shown()
    assert code == 0 and len(out.splitlines()) == 20
    assert "0.40 after 5, 0.50 after 15 ratings (measured on 16 people)" in err
    assert json.loads(shown("--json")[1])["new_people"]["accuracy"]["15"] == 0.5


def test_an_unknown_person_has_no_opposite(shown):
    code, _, err = shown("--opposed", "nobody")
    assert code == 2 and "steer people list" in err


# --- people of other kinds


def crowd(seed=0, people=40, count=300):
    """What known people would give pictures [people, pictures]: they differ much in 2 of 8 ways."""
    rng = np.random.default_rng(seed)
    properties = rng.normal(size=(8, count))
    spread = np.array([0.5, 0.4, *[0.05] * 6])
    average = np.array([0.4, 0.3, *[0.0] * 6])
    return 3 + (average + rng.normal(size=(people, 8)) * spread) @ properties, properties


def test_someone_of_another_kind_is_learnt_from_their_own_ratings_and_nobody_else_loses():
    known, properties = crowd()
    rng = np.random.default_rng(1)
    others = OtherKinds.of(known[:, 200:])
    found = {}
    for kind in ("like", "other"):
        gains, shares = [], []
        for _ in range(40):
            taste = np.array([0.4, 0.3, *[0.0] * 6]) + rng.normal(size=8) * [0.5, 0.4, *[0.05] * 6]
            if kind == "other":
                taste = rng.normal(size=8) * [0, 0, *[0.5] * 6] - [0.4, 0.3, *[0.0] * 6]
            t = 3 + taste @ properties
            y = t[:25] + rng.normal(0, 0.4, 25)
            prior = TastePrior(noise=0.16, bias=0.05)
            mix = mix_weights(known[:, :25], y, prior)
            own, share = own_weights(known[:, :25], y, prior, None, others)
            accuracy = [np.corrcoef(w[:-1] @ known[:, 25:200], t[25:200])[0, 1] for w in (mix, own)]
            gains.append(accuracy[1] - accuracy[0])
            shares.append(share)
        found[kind] = np.mean(gains), np.mean(shares)
    assert found["other"][0] > 0.05 and found["other"][1] > 0.5
    assert found["like"][0] > -0.01 and found["like"][1] < 0.2


def test_without_others_or_ratings_it_is_the_mix():
    known, _ = crowd()
    y = np.array([1.0, 4.0, 2.0])
    others = OtherKinds.of(known[:, 200:])
    without, share = own_weights(known[:, :3], y)
    assert share == 0
    np.testing.assert_array_equal(without, mix_weights(known[:, :3], y))
    nothing, share = own_weights(known[:, :0], y[:0], others=others)
    assert share == 0
    np.testing.assert_array_equal(nothing, mix_weights(known[:, :0], y[:0]))


def test_ratings_that_contradict_the_known_people_are_said_to(tmp_path):
    predictor = tiny_predictor(tmp_path)
    predictor.calibration = replace(sampled(predictor), prior=TastePrior(0.05, 0.05))
    images = pictures(25)
    known = predictor.known_ratings(images)
    fits = predictor.mixed(known, np.clip(known[3], 1, 5))
    rng = np.random.default_rng(0)
    against = predictor.mixed(known, rng.permutation(np.clip(3 + 40 * (known[3] - known[3].mean()), 1, 5)))
    assert fits.note == "" and fits.other_kind < 0.5
    assert "contradict" in against.note and against.other_kind > 0.5

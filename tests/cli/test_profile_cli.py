"""Profiles on the command line: import, export, delete, show, list, and runs that steer for one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fake_run import crowd_parts
from PIL import Image
from tiny import tiny_checkpoint, tiny_predictor

from reward.people.known import Calibration, write_calibration
from reward.people.newcomer import TastePrior
from reward.predictor.predictor import Predictor
from steer import Record
from steer.cli.app import run_command
from steer.profiles import Demographics, Profiles

SMALL = ["--iterations", "1", "--proposals", "3", "--confirm", "2", "--no-gate"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return tiny_predictor(tmp_path_factory.mktemp("judge"), seed=1)


@pytest.fixture
def steer(capsys, monkeypatch, checkpoint, judge):
    """Run one command line with two small predictors; gives exit code, standard output, standard error."""
    scorer = Predictor.load(checkpoint)
    parts = crowd_parts(scorer=scorer, judge=judge)
    monkeypatch.setattr("steer.machine.loading.load", lambda *args, **options: parts)

    def run(*words):
        code = run_command(list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def ratings(tmp_path):
    """A CSV file of eight rated pictures."""
    rows = ["image,rating,prompt"]
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{1 + number / 2},a red car")
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(rows))
    return path


def test_imported_ratings_make_a_profile_that_can_be_steered_for(steer, ratings):
    code, out, err = steer("people", "import", "me", str(ratings))
    assert code == 0, err
    profile = Profiles().open("me")
    assert f"profile:me@{profile.hash}: 8 ratings taken, 8 count" in out
    assert "steer run --user me" in err
    assert {r.prompt for r in profile.ratings} == {"a red car"}
    code, out, _ = steer("people", "import", "me", str(ratings), "--json")
    assert json.loads(out)["ratings"] == 8, "the same pictures again"


def test_a_faulty_file_leaves_no_profile_behind(steer, ratings):
    ratings.write_text("image,rating\n0.png,3\n1.png,7\n")
    code, _, err = steer("people", "import", "me", str(ratings))
    assert code == 1 and "row 3" in err and Profiles().list() == []
    code, _, err = steer("people", "import", "17", str(ratings))
    assert code == 2 and "no letter" in err


def test_a_run_for_a_profile_names_the_exact_state(steer, ratings, isolated):
    steer("people", "import", "me", str(ratings))
    code, out, err = steer("run", "--user", "me", "--prompt", "a deer", *SMALL)
    assert code == 0, err
    profile = Profiles().open("me")
    assert f"steering for profile:me@{profile.hash} (8 ratings)" in err
    assert "choose pictures while it searches: steer studio" in err
    assert err.startswith("simulated people: the preset sandbox learns a taste from people of a simulated")
    config = Record(out.splitlines()[-1]).config
    assert config["person"]["kind"] == "new" and config["person"]["label"] == f"profile:me@{profile.hash}"
    assert config["recipe"]["who"]["user"] == f"me@{profile.hash}"
    assert config["argv"][:3] == ["run", "--user", f"me@{profile.hash}"]
    result = Record(out.splitlines()[-1]).result
    assert result["specificity"]["of"] == 21 and result["confirm"]["held_out"] is not None


def test_lost_lines_of_a_profile_are_told_wherever_it_speaks(steer, ratings, checkpoint):
    steer("people", "import", "me", str(ratings))
    with (Profiles().open("me").folder / "ratings.jsonl").open("ab") as log:
        log.write(b"half a line\n\0\0\n")
    for words in (("run", "--user", "me", *SMALL), ("people", "show", "me"), ("people", "list")):
        reward = () if words[0] == "run" else ("--reward", str(checkpoint))
        code, _, err = steer(*words, *reward)
        assert code == 0 and "2 lines in " in err and "cannot be read and do not count" in err, words


def test_a_run_is_resumed_with_the_state_that_it_was_started_with(steer, ratings, isolated, monkeypatch):
    steer("people", "import", "me", str(ratings))
    profile = Profiles().open("me")
    before = profile.hash
    with monkeypatch.context() as patch:
        patch.setattr("steer.loop.run.confirm", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        assert steer("run", "--user", "me", "--prompt", "a deer", *SMALL)[0] == 130
    [folder] = (isolated / "runs").iterdir()
    profile.rate(Path("0.png"), 1, source="test")
    assert Profiles().open("me").hash != before
    code, _, err = steer("runs", "resume", str(folder))
    assert code == 0, err
    assert Record(folder).result["person"]["label"] == f"profile:me@{before}"
    assert steer("run", "--user", f"me@{before}", *SMALL)[0] == 0, "and can be named again"
    code, _, err = steer("run", "--user", "me@000000000000", *SMALL)
    assert code == 1 and "never was in the state" in err


def test_pictures_are_scored_for_a_profile_as_for_anybody(steer, ratings, checkpoint):
    steer("people", "import", "me", str(ratings))
    words = ["0.png", "--prompt", "a deer", "--checkpoint", str(checkpoint), "--json"]
    code, out, err = steer("reward", "score", *words, "--user", "me")
    assert code == 0, err
    assert json.loads(out)["person"] == f"profile:me@{Profiles().open('me').hash}"


def test_demographics_never_get_into_a_run_or_an_export(steer, ratings, isolated):
    steer("people", "import", "me", str(ratings))
    Profiles().open("me").tell(Demographics(61, "nonbinary", "Kyrgyzstan"))
    _, out, err = steer("run", "--user", "me", "--prompt", "a deer", *SMALL)
    folder = Path(out.splitlines()[-1])
    assert steer("people", "export", "me", "--out", "out")[0] == 0
    written = b"".join(p.read_bytes() for p in [*folder.rglob("*"), *Path("out").rglob("*")] if p.is_file())
    assert b"Kyrgyz" not in written and b"nonbinary" not in written and "Kyrgyz" not in out + err


def test_an_exact_participant_goes_before_a_profile_and_a_profile_before_a_position(steer, isolated):
    Profiles().create("p7")
    code, out, _ = steer("run", "--user", "7", "--prompt", "a deer", *SMALL)
    assert code == 0 and Record(out.splitlines()[-1]).config["person"]["label"] == "sandbox:7"
    _, out, err = steer("run", "--user", "p7", "--prompt", "a deer", *SMALL)
    assert "no ratings yet" in err
    assert Record(out.splitlines()[-1]).config["person"]["label"].startswith("profile:p7@")


def test_someone_unknown_is_told_which_profiles_there_are(steer):
    code, _, err = steer("run", "--user", "mee", *SMALL)
    assert code == 2 and "steer rate me" in err
    Profiles().create("me")
    code, _, err = steer("run", "--user", "mee", *SMALL)
    assert code == 2 and "profiles are me" in err


def test_an_export_can_be_imported_again(steer, ratings):
    steer("people", "import", "me", str(ratings))
    code, out, _ = steer("people", "export", "me")
    assert code == 0 and out.strip() == "me-ratings/ratings.csv"
    assert steer("people", "import", "again", out.strip())[0] == 0
    assert len(Profiles().open("again").ratings) == 8
    code, _, err = steer("people", "export", "me")
    assert code == 1 and "--out" in err


def test_a_profile_is_not_deleted_without_being_asked(steer, monkeypatch):
    Profiles().create("me")
    code, _, err = steer("people", "delete", "me")
    assert code == 2 and "steer people delete me --yes" in err and "me" in Profiles()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda *args, **options: False)
    assert steer("people", "delete", "me")[0] == 0 and "me" in Profiles()
    assert steer("people", "delete", "me", "--yes")[0] == 0 and "me" not in Profiles()
    assert steer("people", "delete", "me", "--yes")[0] == 2


def test_profiles_are_listed_before_the_known_people(steer, ratings, checkpoint):
    steer("people", "import", "me", str(ratings))
    code, out, _ = steer("people", "list", "--reward", str(checkpoint))
    assert code == 0 and out.splitlines()[0].split("\t") == ["profile", "me", "8"]
    assert len(out.splitlines()) == 21
    _, out, _ = steer("people", "list", "--reward", str(checkpoint), "--json")
    assert json.loads(out)["profiles"][0]["ratings"] == 8


def test_a_profile_is_shown_with_what_was_learnt(steer, ratings, checkpoint):
    steer("people", "import", "me", str(ratings))
    Profiles().open("me").tell(Demographics(nationality="Kyrgyzstan"))
    code, out, err = steer("people", "show", "me", "--reward", str(checkpoint))
    assert code == 0, err
    assert "profile me: 8 ratings" in out and "Kyrgyzstan" in out
    _, out, _ = steer("people", "show", "me", "--reward", str(checkpoint), "--json")
    shown = json.loads(out)
    assert shown["learnt"]["ratings"] == 8 and shown["profile"]["name"] == "me"
    assert "Kyrgyzstan" not in out


def test_a_profile_whose_ratings_contradict_the_known_people_is_shown_with_a_word_on_it(
    steer, tmp_path, checkpoint
):
    folder = Path(shutil.copytree(checkpoint.parent, tmp_path / "odd")) / checkpoint.name
    rng = np.random.default_rng(0)
    dims = {"image": 32, "text": 32, "metadata": 384}
    sample = {name: rng.normal(size=(40, dim)).astype(np.float32) for name, dim in dims.items()}
    prior = TastePrior(noise=0.05, bias=0.05)
    write_calibration(folder, Calibration(prior=prior, accuracy={0: 0.3, 15: 0.5}, measured_on=16, **sample))
    rows = ["image,rating"]
    for number in range(25):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{(1, 5, 4, 1, 5, 2)[number % 6]}")
    (tmp_path / "odd.csv").write_text("\n".join(rows))
    steer("people", "import", "odd", str(tmp_path / "odd.csv"))
    code, out, err = steer("people", "show", "odd", "--reward", str(folder))
    assert code == 0, err
    assert "contradict what is known of people" in out and "measured on nobody" in out
    assert "to expect" not in out
    _, out, _ = steer("people", "show", "odd", "--reward", str(folder), "--json")
    assert json.loads(out)["learnt"]["contradicted"] is True

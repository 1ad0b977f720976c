"""`steer people taste`: everyone's can be read, one's own corrected, and nothing that was written is lost."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from panel import Panel
from rate_app import make_pictures

from steer.cli.app import run_command
from steer.profiles import Profiles


@pytest.fixture
def steer(capsys, monkeypatch):
    panel = Panel()
    monkeypatch.setattr("steer.cli.rate.load_scorer", lambda reward: panel)

    def run(*words):
        code = run_command(["people", "taste", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def me(tmp_path):
    profile = Profiles().create("me")
    for number, path in enumerate(sorted(make_pictures(tmp_path / "pictures", 12).iterdir())):
        profile.rate(path, 1 + 4 * (number * 7 % 12) / 11, source="test")
    return profile


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """An editor that does what a script says with the text."""

    def use(script: str) -> None:
        path = tmp_path / "editor.py"
        path.write_text(
            f"import sys, pathlib\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text()\n{script}\n"
        )
        monkeypatch.setenv("EDITOR", f"{sys.executable} {path}")

    monkeypatch.delenv("VISUAL", raising=False)
    return use


def test_a_taste_is_printed_for_people_and_for_scripts(steer, me):
    code, out, err = steer("me")
    assert code == 0, err
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows and all(len(row) == 3 and "sure" in row[2] for row in rows)
    assert "12 ratings" in err and "--edit" in err
    _, out, _ = steer("me", "--json")
    found = json.loads(out)
    assert found["ratings"] == 12 and found["likes"] and found["likes"][0]["since"]["t"] > 0


def test_corrections_are_one_step_and_go_back_as_one(steer, me):
    code, out, err = steer("me", "--never", "neon", "--always", "soft fog")
    assert code == 0, err
    assert out.startswith("always\tsoft fog\tyour words") and "\nnever\tneon\t" in out
    code, out, err = steer("me", "--undo")
    assert code == 0 and "taken back: always soft fog, never neon" in err and "neon" not in out
    code, _, err = steer("me", "--undo")
    assert code == 2 and "no correction to take back" in err


def test_what_is_thought_is_struck_and_pinned_by_its_words(steer, me):
    first = json.loads(steer("me", "--json")[1])["likes"][0]["phrase"]
    assert f"struck\t{first}" in steer("me", "--strike", first.upper())[1]
    _, out, _ = steer("me", "--pin", first)
    assert f"likes\t{first}\tpinned" in out
    code, _, err = steer("me", "--strike", "golden howr")
    assert code == 2 and "did you mean 'golden hour'" in err
    assert steer("me", "--clear", "golden hour")[0] == 2


def test_others_are_read_only(steer):
    code, out, err = steer("3")
    assert code == 0 and out, err
    code, _, err = steer("3", "--never", "neon")
    assert code == 2 and "read-only" in err
    code, _, err = steer("nobody")
    assert code == 2 and "nobody" in err


def test_an_edited_text_is_read_back(steer, me, editor):
    editor("path.write_text(text + 'never neon\\n')")
    code, out, err = steer("me", "--edit")
    assert code == 0, err
    assert "never\tneon" in out and not list(me.folder.glob("taste*"))


def test_a_text_with_a_mistake_is_kept_and_opened_again(steer, me, editor):
    editor("path.write_text(text + 'never neon\\nsometimes fog\\n')")
    code, _, err = steer("me", "--edit")
    assert code == 2 and "'sometimes' is none of" in err and "kept" in err
    assert not me.corrections.in_force, "nothing was taken"
    assert oct((me.folder / "taste.txt").stat().st_mode)[-3:] == "600"
    editor("path.write_text(text.replace('sometimes', 'never'))")
    code, out, err = steer("me", "--edit")
    assert code == 0 and "never\tneon" in out and "never\tfog" in out, err


def test_what_another_window_said_meanwhile_is_not_lost(steer, me, editor):
    root, folder = str(Path(__file__).parents[2]), str(me.folder)
    editor(
        f"sys.path.insert(0, {root!r})\nfrom steer.profiles.corrections import Change, Corrections\n"
        f"Corrections(pathlib.Path({folder!r})).say(Change('never', 'dust'))\n"
        "path.write_text(text + 'never neon\\n')"
    )
    assert steer("me", "--edit")[0] == 0
    assert [str(one) for one in me.corrections.in_force] == ["never dust", "never neon"]


def test_without_an_editor_or_with_a_broken_one_it_is_said(steer, me, monkeypatch):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "no-such-editor")
    code, _, err = steer("me", "--edit")
    assert code == 2 and "no-such-editor cannot be started" in err
    monkeypatch.setenv("EDITOR", "false")
    assert "ended with 1" in steer("me", "--edit")[2]

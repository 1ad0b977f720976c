"""`steer run --approve`: what is typed becomes choices on disk, and a pipe is told to do without."""

from __future__ import annotations

import pytest
from fakes import PROMPT, FakePerson, FakeScorer, fake_parts

from steer.cli import approve as module
from steer.cli.app import run_command
from steer.cli.approve import ask_from_now, wait_for_a_word
from steer.loop.run import Run
from steer.record.events import Rendered, Review
from steer.record.folder import Record
from steer.record.picks import Picks
from steer.settings import Settings

SETTINGS = Settings(iterations=2, proposals=4, patience=0, confirm=0, search="paper")


@pytest.fixture
def typed(monkeypatch):
    """Lines that somebody at a terminal types."""
    lines: list[str] = []
    monkeypatch.setattr(module.typer, "prompt", lambda *args, **more: lines.pop(0))
    monkeypatch.setattr(module.sys.stdin, "isatty", lambda: True, raising=False)
    return lines


def run_by(folder, typed, recipe=None):
    parts = fake_parts(scorer=FakeScorer())
    run = Run.start(PROMPT, FakePerson(), parts, SETTINGS, folder, recipe=recipe)
    ask_from_now(run.folder, "terminal")
    asked = []
    for event in run:
        if isinstance(event, Review):
            asked.append(event)
            wait_for_a_word(run.folder, PROMPT, event)
    return Record.read(run.folder), asked


def test_rewrites_are_struck_changed_and_added_and_wrong_lines_are_asked_again(tmp_path, typed, capsys):
    typed += ["what?", "-9", "-1 2", f"1 {PROMPT}, my way", f"+ {PROMPT}, in chalk", "+", "", "all"]
    record, asked = run_by(tmp_path, typed)
    first = [e.prompt for e in record.events if isinstance(e, Rendered) and e.iteration == 1]
    assert first == [f"{PROMPT}, my way", asked[0].prompts[3], f"{PROMPT}, in chalk"]
    said = capsys.readouterr().err
    assert "none of these" in said and "there is no rewrite 9" in said and "the prompt is empty" in said
    assert [pick.by for pick in Picks(record.folder).read()] == ["terminal"] * 7
    assert not typed and len(asked) == 2


def test_words_that_say_what_is_never_wanted_are_refused_and_asked_again(tmp_path, typed, capsys):
    typed += [f"+ {PROMPT}, neon glow", f"1 {PROMPT}, neon", f"+ {PROMPT}, in chalk", "", "all"]
    never = {"corrections": [{"verb": "never", "phrase": "neon", "t": 1.0}]}
    record, _ = run_by(tmp_path, typed, never)
    assert [c.prompt for c in record.candidates if c.own] == [f"{PROMPT}, in chalk"]
    assert capsys.readouterr().err.count('says "neon", which is never wanted in this run') == 2
    assert [pick.pick for pick in Picks(record.folder).read()] == ["review", "add", "go", "review"]


def test_what_was_answered_before_a_kill_is_not_asked_again(tmp_path, typed):
    typed += ["", ""]
    record, asked = run_by(tmp_path, typed)
    wait_for_a_word(record.folder, PROMPT, asked[0])
    assert not typed, "a third question would have found no answer"


def test_a_pipe_is_told_in_one_line_before_anything_is_loaded(capsys):
    assert run_command(["run", "--population", "--prompt", "a boat", "--approve"]) == 2
    assert "--approve asks at a terminal" in capsys.readouterr().err


def test_a_name_that_would_leave_the_folder_of_runs_is_refused(capsys):
    assert run_command(["run", "--population", "--prompt", "a boat", "--name", "../elsewhere"]) == 2
    assert "is no name of a folder" in capsys.readouterr().err

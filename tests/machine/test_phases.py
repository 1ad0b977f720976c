"""Parts that hold much memory wake for their phase, rest where there is no room, and are closed."""

from __future__ import annotations

import pytest
from fakes import PROMPT, FakePerson, FakeProposer, FakeRenderer, FakeScorer, fake_parts

from steer.errors import ProposerError, RendererError
from steer.loop.run import Run
from steer.machine.loading import TOGETHER
from steer.pages.gallery_view import build
from steer.record.folder import Record
from steer.settings import Settings

SMALL = Settings(iterations=2, proposals=3, confirm=2, patience=0, search="paper")


def heavy(kind, diary, seat, **more):
    """A fake part that writes down what it is told."""

    class Heavy(kind):
        def wake(self):
            diary.append(f"{seat} wakes")

        def rest(self):
            diary.append(f"{seat} rests")

        def close(self):
            diary.append(f"{seat} closes")

        def notes(self):
            noted, self.noted = getattr(self, "noted", []), []
            return noted

        def keep_log(self, folder):
            diary.append(f"{seat} logs to {folder.name}")

    return Heavy(**more)


def parts(diary, beside=None, **seats):
    made = {
        "proposer": heavy(FakeProposer, diary, "proposer"),
        "renderer": heavy(FakeRenderer, diary, "renderer"),
        "scorer": heavy(FakeScorer, diary, "scorer"),
    }
    return fake_parts(**{**made, **seats}, beside=beside or {})


def steps(diary):
    return [line for line in diary if "logs" not in line]


def finish(run):
    for _ in run:
        pass
    return Record.read(run.folder)


def test_only_the_part_at_work_is_awake(tmp_path):
    diary = []
    finish(Run.start(PROMPT, FakePerson(), parts(diary), SMALL, tmp_path))
    awake = set()
    for line in steps(diary):
        seat, what = line.split()
        awake = awake | {seat} if what == "wakes" else awake - {seat}
        assert len(awake) <= 1
    order = [line.split()[0] for line in steps(diary) if line.endswith("wakes")]
    once = ["renderer", "scorer"]
    assert order == [*once, *["proposer", *once] * 2, *once]  # base, two iterations, confirmation


def test_where_there_is_room_for_everyone_nobody_rests(tmp_path):
    diary = []
    finish(Run.start(PROMPT, FakePerson(), parts(diary, TOGETHER), SMALL, tmp_path))
    assert not [line for line in diary if line.endswith("rests")]


def test_a_part_rests_only_in_the_phases_that_have_no_room_for_it(tmp_path):
    diary = []
    beside = {"renderer": ("scorer",), "scorer": ("renderer",)}
    finish(Run.start(PROMPT, FakePerson(), parts(diary, beside), SMALL, tmp_path))
    before = "proposer wakes"
    for i, line in enumerate(steps(diary)):
        if line in ("renderer rests", "scorer rests"):
            assert before in steps(diary)[i : i + 3]  # to make room for the language model
    assert "proposer rests" in diary


def test_every_part_is_closed_at_the_end_and_after_an_error(tmp_path):
    diary = []
    finish(
        Run.start(
            PROMPT, FakePerson(), parts(diary, judge=heavy(FakeScorer, diary, "judge")), SMALL, tmp_path
        )
    )
    assert diary[-4:] == ["proposer closes", "renderer closes", "scorer closes", "judge closes"]
    diary.clear()
    broken = heavy(FakeRenderer, diary, "renderer", fail=["rocks"])
    with pytest.raises(RendererError):
        finish(Run.start(PROMPT, FakePerson(), parts(diary, renderer=broken), SMALL, tmp_path))
    assert "renderer closes" in diary and "scorer closes" in diary


def test_a_part_that_cannot_be_closed_keeps_neither_the_others_open_nor_the_run_from_its_end(
    tmp_path, caplog
):
    diary = []
    made = parts(diary)
    made.proposer.close = lambda: 1 / 0
    record = finish(Run.start(PROMPT, FakePerson(), made, SMALL, tmp_path))
    assert record.complete and diary[-1] == "scorer closes" and "closing the proposer" in caplog.text


def test_a_part_that_cannot_wake_ends_the_run_with_one_line_and_it_can_be_resumed(tmp_path):
    diary = []
    made = parts(diary)
    made.proposer.wake = lambda: 1 / 0
    run = Run.start(PROMPT, FakePerson(), made, SMALL, tmp_path)
    with pytest.raises(ProposerError, match=r"failed to wake: division by zero.*steer runs resume"):
        finish(run)
    assert finish(Run.resume(run.folder, FakePerson(), parts([]))).complete


def test_nobody_wakes_for_what_the_record_holds(tmp_path):
    diary = []
    run = Run.start(PROMPT, FakePerson(), parts(diary), SMALL, tmp_path)
    for event in run:
        if event.event == "confirmed":
            break
    again = []
    finish(Run.resume(run.folder, FakePerson(), parts(again)))
    assert not [line for line in again if line.endswith("wakes")]


def test_notes_are_in_the_record_the_result_and_the_page(tmp_path):
    made = parts([])
    made.renderer.noted = ["out of memory at batch 8, went on with 4"]
    record = finish(Run.start(PROMPT, FakePerson(), made, SMALL, tmp_path))
    [note] = [event for event in record.events if event.event == "note"]
    said = {"part": "renderer", "text": "out of memory at batch 8, went on with 4"}
    assert {"part": note.part, "text": note.text} == said and record.result["notes"] == [said]
    [table] = [table for table in build(record).tables if table["title"] == "What the parts report"]
    assert table["rows"] == [["renderer", "out of memory at batch 8, went on with 4"]]


def test_a_part_is_told_where_the_run_is_for_its_own_log(tmp_path):
    diary = []
    run = Run.start(PROMPT, FakePerson(), parts(diary), SMALL, tmp_path)
    run.close()
    assert f"proposer logs to {run.folder.name}" in diary

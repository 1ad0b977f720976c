"""A run that was killed, interrupted or robbed of its disk ends exactly as if nothing had happened."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import PROMPT, FakePerson, FakeProposer, FakeRenderer, FakeScorer, fake_parts
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from steer.errors import RecordError, RendererError, ResumeError, RunLocked
from steer.loop.run import Run
from steer.record.folder import Record, Recorder
from steer.settings import Settings

KILLABLE = Path(__file__).parents[1] / "support" / "killable.py"
SETTINGS = Settings(iterations=3, proposals=4, confirm=2, patience=0, seed=7, search="paper")


def parts(**more: Any) -> Any:
    # Some images off the prompt, some without a score: rejections have to survive too.
    return fake_parts(**{"scorer": FakeScorer(off=0.15, nan=0.12), "judge": FakeScorer(), **more})


def outcome(folder: Path) -> dict[str, Any]:
    """All that must not depend on interruptions: everything but names, times and how often it was started."""
    record = Record.read(folder)
    result = {key: value for key, value in record.result.items() if key not in ("run", "seconds")}
    once = [
        {key: value for key, value in event.to_json().items() if key not in ("t", "seconds")}
        for event in record.events
        if event.event != "started"
        and getattr(event, "status", None) != "interrupted"
        and event.event != "error"
    ]
    images = {path.name: path.read_bytes() for path in (folder / "images").iterdir()}
    pixels = {name: _without_run_name(data, folder.name) for name, data in images.items()}
    return {"result": result, "events": [e for e in once if "sha256" not in e], "images": pixels}


def _without_run_name(png: bytes, run: str) -> bytes:
    from io import BytesIO

    from PIL import Image

    return Image.open(BytesIO(png)).convert("RGB").tobytes()


@pytest.fixture(scope="module", params=["paper", "guided"])
def unbroken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = replace(SETTINGS, search=request.param, gate_by="base")  # so that the gate has teeth on fakes
    run = Run.start(PROMPT, FakePerson(), parts(), settings, tmp_path_factory.mktemp("unbroken"))
    assert [event.replayed for event in run] == [False] * len(Record.read(run.folder).events)
    rejected = run.result.data["rejected"]
    assert rejected["image"] and rejected["score"]
    return run.folder


def cut(unbroken: Path, folder: Path, length: int, spare: int = 0) -> list[str]:
    """The run as a kill would have left it: `length` bytes of log, and `spare` images without a line.

    Returns the names of the images that are there.
    """
    shutil.copytree(unbroken, folder)
    (folder / "result.json").unlink()
    log = (unbroken / "events.jsonl").read_bytes()
    (folder / "events.jsonl").write_bytes(log[:length])
    order = [event.id for event in Record.read(unbroken).events if event.event == "rendered"]
    done = sum(event.event == "rendered" for event in Record.read(folder).events)
    for id in order[done + spare :]:
        (folder / "images" / f"{id}.png").unlink()
    return [str(id) for id in order[: done + spare]]


@hypothesis_settings(max_examples=20)
@given(share=st.floats(0, 1), spare=st.integers(0, 1))
def test_killed_after_any_byte_of_the_log_it_resumes_to_the_same_result(
    unbroken, tmp_path_factory, share, spare
):
    folder = tmp_path_factory.mktemp("runs") / "killed"
    there = cut(unbroken, folder, round(share * (unbroken / "events.jsonl").stat().st_size), spare)
    again = parts()
    run = Run.resume(folder, FakePerson(), again)
    for _ in run:
        pass
    assert outcome(folder) == outcome(unbroken)
    everything = sum(event.event == "rendered" for event in Record.read(unbroken).events)
    assert len(again.renderer.rendered) == everything - len(there)  # nothing is rendered twice


def test_raw_replies_in_the_log_are_not_asked_for_again(unbroken, tmp_path):
    log = (unbroken / "events.jsonl").read_bytes()
    cut(unbroken, tmp_path / "killed", log.index(b'"r02c01"'))
    again = parts(proposer=FakeProposer())
    list(Run.resume(tmp_path / "killed", FakePerson(), again))
    assert len(again.proposer.asked) == sum(
        event.event == "proposed" and event.iteration == 3 for event in Record.read(unbroken).events
    )


def test_events_found_in_the_log_are_marked_as_replayed(unbroken, tmp_path):
    log = (unbroken / "events.jsonl").read_bytes()
    cut(unbroken, tmp_path / "killed", log.index(b"\n", len(log) // 2) + 1)
    events = list(Run.resume(tmp_path / "killed", FakePerson(), parts()))
    flags = [event.replayed for event in events[1:]]
    assert events[0].event == "started" and events[0].resumed is True
    assert flags == sorted(flags, reverse=True) and set(flags) == {True, False}


def test_a_whole_image_without_its_line_is_adopted(unbroken, tmp_path):
    log = (unbroken / "events.jsonl").read_bytes()
    line_start = log.rindex(b"\n", 0, log.index(b'"rendered", "id": "r02c01"')) + 1
    cut(unbroken, tmp_path / "killed", line_start, spare=1)
    again = parts()
    list(Run.resume(tmp_path / "killed", FakePerson(), again))
    prompts = {c.id: c.prompt for c in Record.read(unbroken).candidates}
    assert prompts["r02c01"] not in [prompt for prompt, _ in again.renderer.rendered]


@pytest.mark.parametrize("damage", ["torn", "gone", "foreign"])
def test_an_image_that_is_not_whole_or_not_its_own_is_rendered_again(unbroken, tmp_path, damage):
    folder = tmp_path / "killed"
    log = (unbroken / "events.jsonl").read_bytes()
    cut(unbroken, folder, log.index(b"\n", log.index(b'"rendered", "id": "r02c01"')) + 1)
    path = folder / "images" / "r02c01.png"
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "gone":
        path.unlink()
    else:
        shutil.copy(folder / "images" / "r02c00.png", path)
    list(Run.resume(folder, FakePerson(), parts()))
    assert outcome(folder) == outcome(unbroken)


def test_a_complete_run_is_left_untouched(unbroken, tmp_path):
    shutil.copytree(unbroken, tmp_path / "done")
    before = {path: path.read_bytes() for path in (tmp_path / "done").rglob("*") if path.is_file()}
    again = parts()
    assert list(Run.resume(tmp_path / "done", FakePerson(), again)) == []
    assert {path: path.read_bytes() for path in (tmp_path / "done").rglob("*") if path.is_file()} == before
    assert not again.renderer.rendered and not again.proposer.asked


def test_a_run_killed_between_its_last_event_and_its_result_is_finished_on_resume(unbroken, tmp_path):
    shutil.copytree(unbroken, tmp_path / "killed")
    (tmp_path / "killed" / "result.json").unlink()
    assert Record.read(tmp_path / "killed").status == "interrupted"
    list(Run.resume(tmp_path / "killed", FakePerson(), parts()))
    assert outcome(tmp_path / "killed") == outcome(unbroken)


def test_who_stops_listening_at_the_last_event_has_a_complete_run(tmp_path):
    run = Run.start(
        PROMPT, FakePerson(), fake_parts(), Settings(iterations=1, proposals=2, confirm=0), tmp_path
    )
    for event in run:
        if event.event == "stopped":
            break
    record = Record.read(run.folder)
    assert record.status == "complete" and record.events[-1].status == "complete"


def test_resume_keeps_the_settings_of_the_run(tmp_path):
    run = Run.start(PROMPT, FakePerson(), fake_parts(), Settings(iterations=1, proposals=3, seed=5), tmp_path)
    next(iter(run))
    run = Run.resume(run.folder, FakePerson(), fake_parts())
    list(run)
    assert run.result.data["candidates"] == 3
    assert {c.seed for c in Record.read(run.folder).candidates} == {5}


def test_another_person_is_refused(unbroken, tmp_path):
    cut(unbroken, tmp_path / "killed", 5000)
    with pytest.raises(ResumeError, match=r"steers for sandbox:17 .* steer run"):
        Run.resume(tmp_path / "killed", FakePerson("18"), parts())


def test_another_part_is_refused(unbroken, tmp_path):
    cut(unbroken, tmp_path / "killed", 5000)
    other = FakeRenderer()
    other.name = "another renderer"
    with pytest.raises(ResumeError, match=r"renderer was .*fake renderer.*another renderer"):
        Run.resume(tmp_path / "killed", FakePerson(), parts(renderer=other))


def test_a_judge_that_is_gone_is_refused_in_words(unbroken, tmp_path):
    cut(unbroken, tmp_path / "killed", 5000)
    with pytest.raises(ResumeError, match=r"judge was fake [^{}]+, and is now none;"):
        Run.resume(tmp_path / "killed", FakePerson(), parts(judge=None))


def test_a_run_in_work_is_refused_and_free_again_afterwards(tmp_path):
    run = Run.start(PROMPT, FakePerson(), parts(), SETTINGS, tmp_path)
    events = iter(run)
    next(events)
    assert Record.read(run.folder).status == "running"
    with pytest.raises(RunLocked, match="steer runs show"):
        Run.resume(run.folder, FakePerson(), parts())
    events.close()
    assert Record.read(run.folder).status == "interrupted"
    list(Run.resume(run.folder, FakePerson(), parts()))
    assert Record.read(run.folder).status == "complete"


def test_ctrl_c_in_the_middle_of_a_batch_keeps_what_was_rendered(tmp_path, unbroken):
    class Interrupted(FakeRenderer):
        def render(self, prompts, seeds):
            for image in super().render(prompts, seeds):
                if len(self.rendered) == 8:
                    raise KeyboardInterrupt
                yield image

    interrupted = parts(renderer=Interrupted())
    run = Run.start(PROMPT, FakePerson(), interrupted, Record.read(unbroken).settings, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        list(run)
    record = Record.read(run.folder)
    assert record.status == "interrupted"
    assert record.events[-1].status == "interrupted"
    assert len(list((run.folder / "images").iterdir())) == 7
    again = parts()
    list(Run.resume(run.folder, FakePerson(), again))
    assert outcome(run.folder) == outcome(unbroken)
    assert len(again.renderer.rendered) == len(list((unbroken / "images").iterdir())) - 7


def test_ctrl_c_in_the_program_that_reads_the_events_is_recorded_too(tmp_path):
    run = Run.start(PROMPT, FakePerson(), parts(), SETTINGS, tmp_path)

    def watch() -> None:
        for event in run:
            if event.event == "iteration":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch()
    assert Record.read(run.folder).status == "interrupted"


def test_a_part_that_failed_can_be_mended_and_the_run_resumed(tmp_path, unbroken):
    class Broken(FakeRenderer):
        def render(self, prompts, seeds):
            if len(self.rendered) >= 11:
                raise RuntimeError("the card fell off the bus")
            yield from super().render(prompts, seeds)

    run = Run.start(PROMPT, FakePerson(), parts(renderer=Broken()), Record.read(unbroken).settings, tmp_path)
    with pytest.raises(RendererError, match="fell off the bus"):
        list(run)
    assert Record.read(run.folder).status == "error"
    assert "fell off the bus" in Record.read(run.folder).result["error"]
    list(Run.resume(run.folder, FakePerson(), parts()))
    assert outcome(run.folder) == outcome(unbroken)


@pytest.mark.parametrize("limit", [6_000, 12_000])
def test_a_full_disk_is_one_clear_line_and_loses_nothing(tmp_path, unbroken, limit):
    run = Run.start(PROMPT, FakePerson(), parts(), Record.read(unbroken).settings, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # writes beyond it fail as on a full disk
    try:
        with pytest.raises(RecordError) as error:
            list(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(run.folder) in str(error.value) and "steer runs resume" in str(error.value)
    assert "\n" not in str(error.value)
    assert (run.folder / "events.jsonl").read_bytes().endswith(b"\n")
    list(Run.resume(run.folder, FakePerson(), parts()))
    assert outcome(run.folder) == outcome(unbroken)


def test_an_image_that_does_not_fit_on_the_disk_leaves_no_trace(tmp_path):
    big = fake_parts(renderer=FakeRenderer(size=96))
    run = Run.start(PROMPT, FakePerson(), big, SETTINGS, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(RecordError, match="cannot write to"):
            list(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((run.folder / "images").iterdir()) == []
    assert Record.read(run.folder).status == "error"
    list(Run.resume(run.folder, FakePerson(), fake_parts(renderer=FakeRenderer(size=96))))
    assert Record.read(run.folder).status == "complete"


# --- real processes


def spawn(*args: object) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(KILLABLE.parent), str(KILLABLE.parents[2])])
    return subprocess.Popen(
        [sys.executable, str(KILLABLE), *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


@pytest.mark.slow
def test_killed_with_signal_9_again_and_again_it_ends_as_if_unbroken(tmp_path):
    finish(spawn("start", tmp_path / "whole" / "runs"))
    [whole] = (tmp_path / "whole" / "runs").iterdir()
    process = spawn("start", tmp_path / "killed" / "runs")
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    kills = 0
    # Further each time, at whatever it is doing then: the folder's name is out before the first event.
    for lines, delay in ((0, 0.0), (4, 0.003), (9, 0.007), (18, 0.012), (27, 0.001), (40, 0.015)):
        for _ in range(lines):
            process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        kills += 1
        assert Record.read(folder).status == "interrupted"
        process = spawn("resume", folder)
        assert process.stdout is not None
        process.stdout.readline()
    finish(process)
    assert outcome(folder) == outcome(whole)
    once = Counter((tmp_path / "whole" / "renders.txt").read_text().splitlines())
    renders = Counter((tmp_path / "killed" / "renders.txt").read_text().splitlines())
    assert set(renders) == set(once)
    # A kill can take only the image that is not on the disk yet.
    assert renders.total() <= once.total() + kills


def test_ctrl_c_leaves_a_run_that_can_be_resumed(tmp_path):
    process = spawn("start", tmp_path / "runs")
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    for _ in range(12):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert Record.read(folder).status == "interrupted"
    assert json.loads((folder / "events.jsonl").read_text().splitlines()[-1])["event"] == "stopped"
    finish(spawn("resume", folder))
    counted = (tmp_path / "renders.txt").read_text().splitlines()
    assert len(counted) - len(set(counted)) <= 1


def test_a_run_held_by_another_process_is_refused_until_that_process_dies(tmp_path):
    process = spawn("start", tmp_path / "runs")
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    try:
        assert Record.read(folder).status == "running"
        with pytest.raises(RunLocked):
            Recorder.resume(folder, FakePerson(), fake_parts(judge=FakeScorer()))
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert Record.read(folder).status == "interrupted"

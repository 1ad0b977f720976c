"""A run folder is all that is needed to read and judge a run, and nothing can break its name or its files."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fakes import PROMPT, FakePerson, FakeProposer, FakeScorer, fake_parts
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from steer.errors import LogGone, PromptError, RecordError
from steer.loop.run import Run
from steer.pages.gallery import write_gallery
from steer.parts import BASE_ID, Job
from steer.record.events import Event
from steer.record.files import person_slug, slug
from steer.record.folder import Record, Recorder, list_runs
from steer.settings import Settings, clean_prompt

SMALL = Settings(iterations=2, proposals=3, confirm=2, search="paper")
NASTY = [
    "🪨✨ floating 🌋",
    "<script>alert('x')</script> rocks",
    "rocks \"quoted\" and 'single' `ticks` $(rm -rf /)",
    "two\nlines\r\nand\ttabs",
    "плавающие мшистые камни",
    "浮遊する苔むした岩",
    "صخور عائمة",
    "../../etc/passwd",
    "a" * 2000,
    "naïve café, 50% off; rocks & moss | more",
    "CON",
    "\u202eskcor",
]


def run(out: Path, prompt: str = PROMPT, settings: Settings = SMALL, **parts: Any) -> Record:
    running = Run.start(prompt, FakePerson(), fake_parts(**parts), settings, out)
    for _ in running:
        pass
    return Record.read(running.folder)


def any_rewrites(prompt: str) -> FakeProposer:
    prompt = clean_prompt(prompt)
    return FakeProposer([[f"{prompt}, at {time}" for time in ("dawn", "noon", "dusk")], [], [], []] * 2)


# --- the folder


def test_the_folder_is_named_after_time_prompt_and_person(tmp_path):
    folder = run(tmp_path).folder.name
    assert re.fullmatch(r"\d{8}-\d{6}-floating-mossy-rocks-u17-[0-9a-f]{4}", folder)
    datetime.strptime(folder[:15], "%Y%m%d-%H%M%S")


@pytest.mark.parametrize("prompt", NASTY)
def test_any_prompt_makes_a_safe_folder_and_comes_back_as_it_was(tmp_path, prompt):
    record = run(tmp_path, prompt, proposer=any_rewrites(prompt))
    assert re.fullmatch(r"[a-z0-9-]+", record.folder.name) and len(record.folder.name) < 100
    assert record.folder.parent == tmp_path
    assert record.result["status"] == "complete"
    assert record.result["prompt"] == clean_prompt(prompt)
    with Image.open(record.folder / record.result["baseline"]["image"]) as image:
        assert json.loads(image.info["steer"])["prompt"] == clean_prompt(prompt)
        assert image.info["parameters"].startswith(clean_prompt(prompt) + "\nSteps: ")


@given(st.text())
def test_a_slug_holds_nothing_but_letters_digits_and_dashes(text):
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", slug(text))
    assert len(slug(text)) <= 40


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("17", "u17"),
        ("me", "me"),
        ("age 18-25, female", "age-18-25-female"),
        ("population", "population"),
        ("p_042", "p-042"),
        ("🙂", "person"),
    ],
)
def test_a_person_has_a_short_name_in_folders(id, expected):
    assert person_slug(FakePerson(id)) == expected


@pytest.mark.parametrize(
    ("label", "world", "id"),
    [
        ("sandbox:17", "sandbox", "17"),
        ("profile:me@0123456789ab", "profile", "me"),
        ("sandbox:age 18-25, female (34 people)", "sandbox", "age 18-25, female"),
        ("pamela:population", "pamela", "population"),
        ("somebody", "", "somebody"),
    ],
)
def test_a_record_that_kept_only_a_label_still_says_who_it_was(tmp_path, label, world, id):
    run = Run.start(PROMPT, FakePerson(), fake_parts(), SMALL, tmp_path)
    run.close()
    path = run.folder / "config.json"
    config = json.loads(path.read_text())
    old = {"kind": "known", "label": label, "hash": "hash-17"}
    path.write_text(json.dumps({**config, "person": old}))
    assert Record.read(run.folder).config["person"] == {**old, "world": world, "id": id}


def test_two_runs_at_once_get_folders_of_their_own(tmp_path, monkeypatch):
    tokens = iter(["aaaa", "aaaa", "aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff"])
    lock = threading.Lock()

    def token(size: int) -> str:
        with lock:
            return next(tokens)

    monkeypatch.setattr(secrets, "token_hex", token)
    records: list[Record] = []
    threads = [threading.Thread(target=lambda: records.append(run(tmp_path))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({record.folder for record in records}) == 3
    assert {record.status for record in records} == {"complete"}
    assert len(list_runs(tmp_path)) == 3


def test_a_runs_folder_that_cannot_be_written_is_named_with_a_way_out(tmp_path):
    if os.geteuid() == 0:
        closed = Path("/sys")  # where even root may make nothing
    else:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
    with pytest.raises(RecordError, match=rf"run folder in {closed}.*--out") as error:
        run(closed)
    assert "\n" not in str(error.value)


def test_a_runs_folder_that_is_a_file_is_named_with_a_way_out(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(RecordError, match=r"runs is not a folder.*--out"):
        run(tmp_path / "runs")


# --- what is in it


def test_config_is_written_first_and_result_last(tmp_path):
    running = Run.start(PROMPT, FakePerson(), fake_parts(), SMALL, tmp_path)
    assert {path.name for path in running.folder.iterdir()} == {"config.json", "images", "events.jsonl"}
    assert (running.folder / "events.jsonl").read_bytes() == b""
    for event in running:
        assert (running.folder / "result.json").exists() == (event.event == "stopped")


def test_config_says_how_to_do_it_again(tmp_path):
    running = Run.start(
        PROMPT,
        FakePerson(),
        fake_parts(),
        SMALL,
        tmp_path,
        argv=["run", "--user", "17"],
        recipe={"user": "17"},
    )
    running.close()
    config = Record.read(running.folder).config
    assert Settings.from_json(config["settings"]) == SMALL
    person = {"kind": "known", "id": "17", "world": "sandbox", "label": "sandbox:17", "hash": "hash-17"}
    assert config["person"] == person
    assert config["argv"] == ["run", "--user", "17"] and config["recipe"] == {"user": "17"}
    assert config["parts"]["renderer"] == {"name": "fake renderer"}
    assert config["seeds"]["confirm"] == list(SMALL.confirm_seeds)
    assert config["versions"]["python"] and config["versions"]["numpy"]


def test_demographics_never_enter_a_run(tmp_path):
    person = FakePerson()
    person.demographics = {"nationality": "Ruritanian"}
    running = Run.start(PROMPT, person, fake_parts(), SMALL, tmp_path)
    list(running)
    for path in running.folder.rglob("*"):
        assert not path.is_file() or b"Ruritanian" not in path.read_bytes()


def test_the_result_has_every_key_that_other_programs_rely_on(tmp_path):
    result = run(tmp_path, judge=FakeScorer()).result
    assert json.loads((tmp_path / result["run"] / "result.json").read_text()) == result
    keys = [
        "schema_version",
        "status",
        "stop_reason",
        "prompt",
        "person",
        "preset",
        "iterations",
        "candidates",
    ]
    for key in (*keys, "baseline", "best", "confirm", "specificity", "seconds"):
        assert result[key] is not None, key
    assert set(result["baseline"]) == {"id", "prompt", "image", "score"}
    assert set(result["best"]) == {"id", "prompt", "image", "score", "iteration"}
    assert {"seeds", "baseline", "best", "gain_mean", "gain_ci95", "held_out", "verdict"} <= set(
        result["confirm"]
    )
    assert set(result["specificity"]) == {"gain_person", "gain_others_mean", "rank", "of"}
    assert set(result["seconds"]) == {"propose", "render", "score", "other", "total"}


def test_a_run_that_is_not_complete_shows_the_same_object(tmp_path):
    running = Run.start(PROMPT, FakePerson(), fake_parts(), SMALL, tmp_path)
    events = iter(running)
    empty = Record.read(running.folder).result
    assert empty["status"] == "running" and empty["best"] is None
    for event in events:
        if event.event == "iteration":
            break
    events.close()
    partial, full = Record.read(running.folder).result, run(tmp_path).result
    assert partial["status"] == "interrupted" and partial["best"]["score"] >= partial["baseline"]["score"]
    assert set(empty) == set(partial) == set(full)


def test_every_event_carries_time_and_kind_and_the_documented_data(tmp_path):
    settings = Settings(iterations=2, proposals=6, confirm=2, seed=7, search="paper")
    record = run(tmp_path, settings=settings, judge=FakeScorer(), scorer=FakeScorer(off=0.2))
    keys = {
        "started": {"resumed"},
        "rendered": {"role", "iteration", "prompt", "seed", "parents", "image", "sha256", "seconds"},
        "scored": {"iteration", "score", "adherence", "seconds"},
        "proposed": {"iteration", "attempt", "asked", "seed", "replies", "seconds"},
        "iteration": {"iteration", "asked", "accepted", "missing", "scored", "rejected", "improved", "stale"}
        | {"best", "best_score", "memory"},
        "confirmed": {"confirm", "specificity", "seconds"},
        "stopped": {"status", "stop_reason", "best", "winner_is_base"},
    }
    seen = set()
    for line in (record.folder / "events.jsonl").read_text().splitlines():
        data = json.loads(line)
        assert data.pop("t") > 1.7e9
        kind = data.pop("event")
        id = data.pop("id", None)
        if kind == "rejected":
            where = {"attempt", "index"} if id is None else {"seed"}
            assert set(data) == {"stage", "iteration", "prompt", "reason"} | where
        else:
            assert set(data) - {"gate"} == keys[kind]
            assert (id is not None) == (kind in ("rendered", "scored"))
        seen.add(kind)
    assert seen == {*keys, "rejected"}


def test_every_kind_of_event_survives_the_way_to_disk_and_back(tmp_path):
    for event in run(tmp_path, scorer=FakeScorer(off=0.2)).events:
        line = json.loads(json.dumps(event.to_json()))
        assert Event.from_json(line) == event and Event.from_json(line).to_json() == line


def test_what_a_newer_steer_writes_beside_the_known_fields_is_kept():
    line = {"t": 1.5, "event": "note", "part": "renderer", "text": "hm", "colour": ["blue"]}
    assert Event.from_json(line).to_json() == line


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"event": "teleported"}, "no event 'teleported'"),
        ({"t": None}, "without its time"),
        ({"score": "high"}, "the score of a scored event is wrong"),
        ({"score": float("nan")}, "the score of a scored event is wrong"),
        ({"iteration": True}, "the iteration of a scored event is wrong"),
        ({"id": "../../etc/passwd"}, "no id of a picture"),
    ],
)
def test_a_line_that_is_no_event_says_what_is_wrong(change, complaint):
    line = {
        **{"t": 1.0, "event": "scored", "id": "r01c02", "iteration": 1, "score": 3.1, "adherence": None},
        **{"seconds": 0.5, **change},
    }
    with pytest.raises(ValueError, match=complaint):
        Event.from_json(line)


def test_a_picture_is_named_by_its_id_and_lies_in_the_run():
    about = {"id": "r01c02", "role": "candidate", "iteration": 1, "prompt": "p", "seed": 0, "parents": []}
    line = {"t": 1.0, "event": "rendered", **about, "image": "../secret.png", "sha256": "", "seconds": 0.1}
    with pytest.raises(ValueError, match="secret"):
        Event.from_json(line)


def test_candidates_tell_fate_rank_and_reason(tmp_path):
    settings = Settings(iterations=3, proposals=6, confirm=0, seed=7, search="paper")
    record = run(tmp_path, settings=settings, scorer=FakeScorer(off=0.2))
    candidates = record.candidates
    assert candidates[0].id == BASE_ID and candidates[0].prompt == PROMPT
    ranked = sorted((c for c in candidates if c.rank), key=lambda c: c.rank or 0)
    assert [c.rank for c in ranked] == list(range(1, len(ranked) + 1))
    assert [c.score for c in ranked] == sorted((c.score for c in ranked), reverse=True)
    assert [c.fate for c in candidates].count("best") == 1 and ranked[0].fate == "best"
    rejected = [c for c in candidates if c.fate == "rejected"]
    assert rejected and all(c.rank is None and c.reason for c in rejected)
    assert ranked[0].id == record.result["best"]["id"]


# --- images


def test_a_png_says_how_it_was_made(tmp_path):
    record = run(tmp_path)
    best = record.result["best"]
    with Image.open(record.folder / best["image"]) as image:
        chunk, text = json.loads(image.info["steer"]), image.info["parameters"]
    assert (chunk["id"], chunk["prompt"], chunk["base_prompt"]) == (best["id"], best["prompt"], PROMPT)
    assert chunk["seed"] == 0 and chunk["run"] == record.folder.name and chunk["parents"]
    assert text == f"{best['prompt']}\nSteps: 1, Seed: 0, Size: 16x16, Model: fake renderer, Version: steer"


def test_a_run_for_a_profile_that_was_open_to_others_is_closed_when_it_goes_on(tmp_path):
    for world, mode in (("profile", 0o700), ("pamela", 0o755)):
        anna = FakePerson("anna", kind="new", world=world)
        with Recorder.create(tmp_path, PROMPT, anna, fake_parts(), SMALL) as record:
            record.folder.chmod(0o755)
        with Recorder.resume(record.folder, anna, fake_parts()):
            assert stat.S_IMODE(record.folder.stat().st_mode) == mode


def test_a_run_for_a_profile_is_private_and_its_pictures_do_not_name_the_person(tmp_path):
    anna = FakePerson("anna", kind="new", world="profile")
    with Recorder.create(tmp_path, PROMPT, anna, fake_parts(), SMALL) as record:
        job = Job(BASE_ID, PROMPT, 0)
        record.save_image(job, Image.new("RGB", (8, 8)))
    assert stat.S_IMODE(record.folder.stat().st_mode) == 0o700
    for path in (record.folder / "images").iterdir():
        assert b"anna" not in path.read_bytes().replace(anna.hash.encode(), b"")
        with Image.open(path) as image:
            assert json.loads(image.info["steer"])["person"] == f"profile@{anna.hash}"


def test_without_metadata_a_png_says_nothing(tmp_path):
    record = run(tmp_path, settings=Settings(iterations=1, proposals=2, confirm=1, metadata=False))
    for path in (record.folder / "images").iterdir():
        with Image.open(path) as image:
            assert image.info == {}
        assert b"floating" not in path.read_bytes()


def test_every_image_is_as_it_was_rendered(tmp_path):
    parts = fake_parts()
    running = Run.start(PROMPT, FakePerson(), parts, SMALL, tmp_path)
    for event in running:
        if event.event == "rendered":
            with Image.open(running.folder / event.image) as image:
                expected = parts.renderer.image(event.prompt, event.seed)
                assert image.tobytes() == expected.tobytes()


# --- reading


def test_a_torn_last_line_does_not_count(tmp_path):
    record = run(tmp_path)
    path = record.folder / "events.jsonl"
    whole = len(record.events)
    path.write_bytes(path.read_bytes() + b'{"t": 1.0, "event": "rend')
    assert len(Record.read(record.folder).events) == whole


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"\0\0garbage", b"[]", b'{"t": 1.0, "event": "flew"}', b'{"event": "started", "resumed": true}',
        b'{"t": 1.0, "event": "note", "part": "scorer", "text": 3}',
        b'{"t": 1.0, "event": "rejected", "id": "../x", "stage": "image", "iteration": 1, "prompt": "",'
        b' "seed": 0, "reason": ""}',
        b'{"t": 1.0, "event": "confirmed", "confirm": {}, "specificity": null, "seconds": 0}',
        b'{"t": 1e400, "event": "started", "resumed": true}',
    ],
)  # fmt: skip
def test_a_damaged_line_of_the_log_is_counted_and_costs_itself_alone(tmp_path, damage):
    record = run(tmp_path)
    path = record.folder / "events.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:3], damage, *lines[3:]]))
    again = Record.read(record.folder)
    assert again.events == record.events and again.unreadable == 1
    assert "1 line of the log cannot be read" in write_gallery(record.folder).read_text()


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b"[]", b"{}", b"\0" * 700, b"[" * 100_000, None])
def test_a_result_that_is_lost_or_damaged_is_written_again_from_the_log(tmp_path, damage):
    record = run(tmp_path)
    path = record.folder / "result.json"
    whole, images = path.read_bytes(), {p: p.stat().st_mtime_ns for p in record.folder.glob("images/*")}
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    again = Record.read(record.folder)
    assert again.status == "interrupted" and again.result["best"] == record.result["best"]
    parts = fake_parts()
    assert list(Run.resume(record.folder, FakePerson(), parts)) == []
    assert path.read_bytes() == whole and Record.read(record.folder).complete
    assert {p: p.stat().st_mtime_ns for p in record.folder.glob("images/*")} == images


def test_a_result_is_not_made_from_a_log_that_may_have_lost_the_best_score(tmp_path):
    record = run(tmp_path)
    best = record.result["best"]
    log = record.folder / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lost = [b"x" + line if b'"scored"' in line and best["id"].encode() in line else line for line in lines]
    log.write_bytes(b"".join(lost))
    (record.folder / "result.json").unlink()
    assert Record.read(record.folder).result["best"] != best
    list(Run.resume(record.folder, FakePerson(), fake_parts()))
    assert Record.read(record.folder).result["best"] == best


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("person", {"kind": "known", "hash": "h"}, "person.label is missing"),
        ("person", "sandbox:17", "person is no object"),
        ("prompt", 3, "prompt is wrong"),
        ("seeds", None, "seeds is no object"),
        ("argv", ["run", 3], "an entry of argv is wrong"),
        ("parts", {"proposer": {"name": "a"}, "renderer": {}, "scorer": {"name": "b"}, "judge": None},
         "parts.renderer.name is missing"),
        ("parts", {"proposer": {"name": "a"}, "renderer": {"name": "b"}, "scorer": {"name": "c"},
                   "judge": None, "studio": "d"}, "parts is wrong"),
        ("settings", {"seed": "0"}, "seed is wrong"),
        ("settings", {"colour": 1}, "there is no colour"),
        ("settings", {"confirm": 101}, "--confirm is 101"),
    ],
)  # fmt: skip
def test_a_damaged_config_is_one_line_that_says_what_is_wrong(tmp_path, key, value, told):
    record = run(tmp_path)
    path = record.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(RecordError, match=re.escape(told)) as error:
        Record.read(record.folder)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_pictures_that_lie_elsewhere_are_not_taken_for_the_runs_own(tmp_path):
    record = run(tmp_path)
    (record.folder / "images").rename(tmp_path / "elsewhere")
    (record.folder / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="images is a link to another place"):
        Record.read(record.folder)


def test_config_and_result_survive_a_power_cut_like_the_log(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink().name)
    )
    record = run(tmp_path)
    for name in ("config.json", "result.json"):
        assert any(one.startswith(f".{name}.") for one in synced)
    assert synced.count(record.folder.name) == 3  # the names of config.json, events.jsonl and result.json


def test_a_clock_that_is_set_back_takes_no_time_away(tmp_path, monkeypatch):
    hours = iter([10.0] * 12 + [-5.0] * 1000)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600 * next(hours))
    seconds = run(tmp_path).result["seconds"]
    assert all(value >= 0 for value in seconds.values()) and seconds["total"] < 3600


def test_a_log_that_another_program_replaces_during_a_run_is_told(tmp_path):
    running = Run.start(PROMPT, FakePerson(), fake_parts(), SMALL, tmp_path)
    log = running.folder / "events.jsonl"

    def watch() -> None:
        for event in running:
            if event.event == "iteration":
                log.with_name("copy").write_bytes(log.read_bytes())
                log.with_name("copy").replace(log)

    with pytest.raises(LogGone, match="put another file there"):
        watch()
    list(Run.resume(running.folder, FakePerson(), fake_parts()))
    assert Record.read(running.folder).complete


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"no run in .* steer runs list"):
        Record.read(tmp_path)


def test_a_run_of_another_schema_is_refused(tmp_path):
    record = run(tmp_path)
    config = {**record.config, "schema_version": 99}
    (record.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(RecordError, match="schema version 99"):
        Record.read(record.folder)


def test_runs_are_listed_oldest_first_and_other_folders_ignored(tmp_path):
    (tmp_path / "notes").mkdir()
    first, second = run(tmp_path), run(tmp_path)
    names = [record.folder.name for record in list_runs(tmp_path)]
    assert sorted(names) == names and set(names) == {first.folder.name, second.folder.name}
    assert list_runs(tmp_path / "nowhere") == []


# --- the prompt


@pytest.mark.parametrize("empty", ["", "   ", "\n\t", "\x00\x07", "\u202e"])
def test_an_empty_prompt_is_refused_with_an_example(tmp_path, empty):
    with pytest.raises(
        PromptError, match='the prompt is empty; try: steer run --prompt "floating mossy rocks"'
    ):
        run(tmp_path, empty)
    assert list(tmp_path.iterdir()) == []


def test_a_prompt_of_ten_thousand_characters_is_refused(tmp_path):
    with pytest.raises(PromptError, match=r"10,000 characters, but at most 2,000"):
        run(tmp_path, "x" * 10_000)
    assert list(tmp_path.iterdir()) == []


def test_newlines_become_spaces_and_control_characters_go():
    assert clean_prompt("floating\r\n mossy\u2028rocks\x00\x1b[31m") == "floating mossy rocks[31m"
    assert clean_prompt('👩‍🚀 naïve 岩 "quoted" <b>') == '👩‍🚀 naïve 岩 "quoted" <b>'


@given(st.text())
def test_cleaning_a_clean_prompt_changes_nothing(text):
    try:
        once = clean_prompt(text)
    except PromptError:
        return
    assert clean_prompt(once) == once and "\n" not in once
    once.encode()

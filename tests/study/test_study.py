"""Blind studies: what is asked, that nothing tells, that nothing is lost, and what comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from study_runs import PEOPLE, make_runs
from web_client import TOKEN, client_of

from steer.cli.app import run_command
from steer.errors import StudyError, UsageError
from steer.pages.server import create_app
from steer.pages.study import study_pages
from steer.pages.study_report import write_report
from steer.study.answers import AnsweredElsewhere, OpenStudy, clean_name, key_of, read_raters
from steer.study.design import BASE, OTHERS, OWN, Design, make_design, read_design
from steer.study.report import compare, make_report, to_json


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def design(runs: list[Path], tmp_path: Path) -> Design:
    return make_design(runs, tmp_path / "studies")


def app_of(desk: OpenStudy) -> FastAPI:
    pages = study_pages(desk, restart="steer study open x", report="steer study report x")
    return create_app([pages], TOKEN, "/study")


def answer_all(desk: OpenStudy, name: str, who: str | None, prefer: Callable[[str], float]) -> None:
    """Answer every pair by how much a condition is liked."""
    rater = desk.begin(name, who)
    while (number := rater.next) is not None:
        pair = rater.pairs[number]
        left, right = (prefer(picture.condition(rater.person)) for picture in (pair.left, pair.right))
        desk.answer(rater.key, number, "tie" if left == right else "left" if left > right else "right", 1.5)


LIKED = {OWN: 3, OTHERS: 2, "population": 1, BASE: 0}


# --- the design


def test_a_picture_is_own_to_the_one_it_was_made_for_and_others_to_everybody_else(design: Design):
    conditions = {p.maker: p.condition("profile:me") for p in design.pictures}
    assert conditions == {
        "profile:me": OWN, "profile:anna": OTHERS, "sandbox:17": OTHERS, "population": "population",
        "base": BASE,
    }  # fmt: skip
    assert {p.condition(None) for p in design.pictures} == {OTHERS, "population", BASE}
    assert design.people == PEOPLE and design.claimable == {"profile:me": "me", "profile:anna": "anna"}


def test_every_two_pictures_of_a_prompt_and_of_unlike_conditions_are_asked_once(design: Design):
    pairs = design.pairs("Anna", "profile:me")
    assert all(p.left.group == p.right.group for p in pairs)
    assert all(p.left.condition("profile:me") != p.right.condition("profile:me") for p in pairs)
    assert len({frozenset((p.left.id, p.right.id)) for p in pairs}) == len(pairs)
    # a prompt has base, own, two others' and the population's: 10 pairs, less the one of the two others'
    assert len(pairs) == 2 * 9
    assert len(design.pairs("Anna", None)) == 2 * 7


def test_sides_and_order_are_drawn_anew_for_every_rater_and_stay_the_same_for_one(design: Design):
    one, again, other = (design.pairs(name, "profile:me") for name in ("Anna", "Anna", "Bo"))
    assert one == again != other
    sides = [
        pair.left.condition("profile:me") == OWN
        for i in range(40)
        for pair in design.pairs(str(i), "profile:me")
        if OWN in (pair.left.condition("profile:me"), pair.right.condition("profile:me"))
    ]
    assert 0.4 < np.mean(sides) < 0.6


def test_a_limit_asks_fewer_pairs_and_not_of_one_prompt_only(runs: list[Path], tmp_path: Path):
    limited = make_design(runs, tmp_path / "studies", limit=8)
    pairs = limited.pairs("Anna", None)
    assert len(pairs) == 8 and len({p.left.group for p in pairs}) == 2


def test_a_study_is_read_back_as_it_was_made_and_only_its_owner_may_read_it(design: Design):
    assert read_design(design.folder) == design
    assert (design.folder / "study.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data["pictures"][0].update(id="../../../secret"),
        lambda data: data["pictures"][0].update(group=99),
        lambda data: data.update(prompts=None),
        lambda data: data.update(limit=-1),
        lambda data: data.pop("seed"),
    ],
)
def test_a_study_from_elsewhere_is_checked_where_it_is_read(design: Design, damage: Callable[[dict], None]):
    path = design.folder / "study.json"
    data = json.loads(path.read_text())
    damage(data)
    path.write_text(json.dumps(data))
    with pytest.raises(StudyError, match=r"cannot read .*make a new study"):
        read_design(design.folder)
    path.write_text("[" * 10**5)
    with pytest.raises(StudyError, match="nested too deeply"):
        read_design(design.folder)


def test_nothing_of_a_study_is_for_others_to_read_or_to_lock(design: Design, tmp_path: Path):
    (design.folder / ".lock").touch(0o644)  # as earlier versions left it
    with OpenStudy(design) as desk:
        answer_all(desk, "Anna", None, lambda condition: LIKED[condition])
    write_report(make_report(design))
    for path in (design.folder, *design.folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_runs_without_two_different_pictures_or_not_finished_are_refused(tmp_path: Path):
    [run] = make_runs(tmp_path / "runs", people=("profile:me",), prompts=("a deer",))
    (run / "result.json").unlink()
    with pytest.raises(UsageError, match=r"is not finished.*steer runs resume"):
        make_design([run], tmp_path)


# --- blind


def test_nothing_that_the_page_gets_tells_how_a_picture_was_made(design: Design):
    secrets = {word for p in design.pictures for word in (p.id, p.maker, p.run, p.pixels)} | {
        "population", "own", "others", "base", "sandbox", "person", "prompt", "generic",
    }  # fmt: skip
    secrets |= {p.prompt for p in design.pictures if p.kind != "base"}
    with OpenStudy(design) as desk:
        client = client_of(app_of(desk))
        address = client.post("/study/raters", json={"name": "Judge", "person": "profile:me"}).json()[
            "address"
        ]
        for path in (address, f"{address}/state"):
            # the words that people read say nothing of conditions either
            text = client.get(path, headers={"accept": "text/html"}).text.lower()
            assert not [word for word in secrets if re.search(rf"\b{re.escape(word.lower())}\b", text)], path
        answers = [
            client.get(f"{address}/pictures/{n}/{side}") for n in range(18) for side in ("left", "right")
        ]
    names = {frozenset(response.headers) - {"content-length"} for response in answers}
    assert len(names) == 1
    assert not names.pop() & {"etag", "last-modified", "content-disposition"}


def test_the_bytes_of_a_picture_are_its_pixels_and_nothing_else(design: Design):
    for picture in design.pictures:
        data = design.picture_file(picture).read_bytes()
        chunks, at = [], 8
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            chunks.append(data[at + 4 : at + 8])
            at += 12 + length
        assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
        run = next(Path(run) for run in design.runs if Path(run).name == picture.run)
        result = json.loads((run / "result.json").read_text())
        original = result["baseline" if picture.kind == "base" else "best"]["image"]
        with Image.open(design.picture_file(picture)) as copy, Image.open(run / original) as there:
            assert copy.tobytes() == there.tobytes() and "steer" in there.info and not copy.info


def test_nobody_can_say_that_they_are_one_of_the_sandboxs_people(design: Design):
    with OpenStudy(design) as desk, pytest.raises(UsageError):
        desk.begin("Judge", "sandbox:17")


# --- answers


def test_an_answer_is_on_disk_before_the_page_is_told_so(design: Design, monkeypatch: pytest.MonkeyPatch):
    synced = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(descriptor))
    with OpenStudy(design) as desk:
        client = client_of(app_of(desk))
        address = client.post("/study/raters", json={"name": "Judge"}).json()["address"]
        before = len(synced)
        answer = client.post(f"{address}/answers", json={"number": 0, "answer": "left", "seconds": 2})
        assert answer.json()["done"] == 1 and len(synced) == before + 1
    [file] = (design.folder / "answers").iterdir()
    assert json.loads(file.read_text().splitlines()[-1])["answer"] == "left"


def test_a_study_that_was_killed_goes_on_where_it_was_even_with_a_torn_line(design: Design):
    desk = OpenStudy(design)
    rater = desk.begin("Judge", "profile:me")
    for number in range(5):
        desk.answer(rater.key, number, "right", 1.0)
    desk._held.close()  # as a kill does
    file = design.folder / "answers" / f"{rater.key}.jsonl"
    with file.open("ab") as log:
        log.write(b'{"t": 1, "left": "ab')

    with OpenStudy(read_design(design.folder)) as again:
        back = again.begin(" Judge ", "profile:me")
        assert back.next == 5 and back.pairs == rater.pairs
        again.answer(back.key, 5, "tie", 1.0)
    assert read_raters(design)[rater.key].next == 6


def test_two_raters_keep_their_answers_apart(design: Design):
    with OpenStudy(design) as desk:
        for name, who in (("Judge", "profile:me"), ("judge", None)):
            answer_all(desk, name, who, lambda condition: LIKED[condition])
    raters = read_raters(design)
    assert len(raters) == 2 and {len(rater.given) for rater in raters.values()} == {18, 14}
    assert {rater.person for rater in raters.values()} == {"profile:me", None}


def test_two_tabs_give_one_answer_to_a_pair(design: Design):
    with OpenStudy(design) as desk:
        rater = desk.begin("Judge")
        desk.answer(rater.key, 0, "left", 1.0)
        assert desk.answer(rater.key, 0, "left", 1.0).next == 1  # the same request again is harmless
        with pytest.raises(AnsweredElsewhere):
            desk.answer(rater.key, 0, "right", 1.0)
        with pytest.raises(AnsweredElsewhere):
            desk.answer(rater.key, 7, "right", 1.0)
        client = client_of(app_of(desk))
        reply = client.post(f"/study/{rater.key}/answers", json={"number": 0, "answer": "tie", "seconds": 1})
        assert reply.status_code == 409 and "another tab" in reply.json()["error"]


def test_the_last_answer_can_be_taken_back_once_and_is_asked_again(design: Design):
    with OpenStudy(design) as desk:
        rater = desk.begin("Judge")
        for number in range(3):
            desk.answer(rater.key, number, "left", 1.0)
        desk.undo(rater.key, 3)
        desk.undo(rater.key, 3)  # a tab that is behind takes nothing back
        assert rater.next == 2
        desk.answer(rater.key, 2, "right", 1.0)
    again = next(iter(read_raters(design).values()))
    assert [given.answer for given in again.given.values()] == ["left", "left", "right"]


def test_a_full_disk_loses_nothing_and_is_said(design: Design, monkeypatch: pytest.MonkeyPatch):
    with OpenStudy(design) as desk:
        rater = desk.begin("Judge")
        desk.answer(rater.key, 0, "left", 1.0)
        file = design.folder / "answers" / f"{rater.key}.jsonl"
        before = file.read_bytes()

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            reply = client_of(app_of(desk)).post(
                f"/study/{rater.key}/answers", json={"number": 1, "answer": "left", "seconds": 1}
            )
        assert reply.status_code == 507 and "No space left" in reply.json()["error"]
        assert rater.next == 1 and file.read_bytes() == before
        assert desk.answer(rater.key, 1, "left", 1.0).next == 2


def test_a_second_process_is_told_that_the_study_is_open(design: Design):
    with OpenStudy(design), pytest.raises(StudyError, match="open in another process"):
        OpenStudy(design)
    OpenStudy(design)._held.close()


def test_who_has_answered_stays_who_they_said_they_are(design: Design):
    with OpenStudy(design) as desk:
        assert desk.begin("Judge").person is None
        rater = desk.begin("Judge", "profile:me")  # nothing answered yet: they may still say so
        desk.answer(rater.key, 0, "left", 1.0)
        assert desk.begin("Judge", "profile:anna").person == "profile:me"


def test_names_are_cleaned_and_never_paths():
    assert clean_name(" Anna \n Bo\x00 ") == "Anna Bo"
    for text in ("", " \u202e ", "x" * 61):
        with pytest.raises(UsageError):
            clean_name(text)
    assert re.fullmatch(r"[a-z0-9-]+", key_of("../../etc/passwd"))
    assert key_of("日本") != key_of("日本語")


@pytest.mark.parametrize(
    "path",
    ["/study/nobody", "/study/nobody/state", "/study/..%2f..%2fstudy.json/state", "/study/x/pictures/0/left"],
)
def test_addresses_of_nobody_lead_nowhere(design: Design, path: str):
    with OpenStudy(design) as desk:
        reply = client_of(app_of(desk)).get(path)
    assert reply.status_code in (400, 404) and "schema_version" not in reply.text


def test_answers_that_make_no_sense_are_refused(design: Design):
    with OpenStudy(design) as desk:
        client = client_of(app_of(desk))
        address = client.post("/study/raters", json={"name": "<script>alert(1)</script>"}).json()["address"]
        assert "<script>alert" not in client.get(address, headers={"accept": "text/html"}).text
        for body in (
            {"number": -1, "answer": "left", "seconds": 1},
            {"number": 0, "answer": "both", "seconds": 1},
            {},
        ):
            assert client.post(f"{address}/answers", json=body).status_code == 422
        assert client.get(f"{address}/pictures/999/left").status_code == 404
        assert client.get(f"{address}/pictures/0/study.json").status_code == 422


@pytest.mark.parametrize(
    "line",
    [
        "not json", "", "[]", "{}", '{"rater": "Somebody else"}', '{"undo": 3}', '{"undo": ["a", "b"]}',
        '{"left": [], "right": "b", "answer": "left", "seconds": 1}', "\0" * 512,
    ],
)  # fmt: skip
def test_a_damaged_line_is_counted_and_takes_no_other_answer_along(design: Design, line: str):
    with OpenStudy(design) as desk:
        rater = desk.begin("Judge")
        desk.answer(rater.key, 0, "left", 1.0)
    path = design.folder / "answers" / f"{rater.key}.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with OpenStudy(design) as desk:
        desk.answer(rater.key, 1, "right", 1.0)
    raters = read_raters(design)
    assert raters[rater.key].next == 2 and raters.unreadable == 1
    assert to_json(make_report(design, 20))["unreadable_lines"] == 1


def test_answers_whose_first_line_is_lost_count_again_when_the_rater_comes_back(design: Design):
    with OpenStudy(design) as desk:
        rater = desk.begin("Judge", "profile:me")
        for number in range(3):
            desk.answer(rater.key, number, "left", 1.0)
    path = design.folder / "answers" / f"{rater.key}.jsonl"
    path.write_text("x" + path.read_text())
    with OpenStudy(design) as desk:
        assert desk.raters == {} and desk.raters.unreadable == 4
        assert desk.begin("Judge", "profile:me").next == 3
    assert read_raters(design)[rater.key].next == 3


# --- the report


def test_the_report_ranks_what_the_raters_prefer(design: Design):
    with OpenStudy(design) as desk:
        answer_all(desk, "Me", "profile:me", lambda condition: LIKED[condition])
        answer_all(desk, "Anna", "profile:anna", lambda condition: LIKED[condition])
    report = make_report(design, 50)
    assert report.ranking.conditions == (OWN, OTHERS, "population", BASE)
    assert report.ranking.limited and report.ranking.win_rate(OWN, OTHERS) == 1
    page = write_report(report).read_text()
    assert "“own” is preferred to “others”" in page
    data = json.loads((design.folder / "report.json").read_text())
    assert data["paper"]["elo"]["own"] == 1065 and len(data["raters"]) == 2


def test_one_rater_is_one_rater_however_clear_the_answers(design: Design):
    with OpenStudy(design) as desk:
        answer_all(desk, "Me", "profile:me", lambda condition: LIKED[condition])
    report = make_report(design, 20)
    assert all(score.by_rater is None for score in report.ranking.elo.values())
    assert "One rater&#39;s answers" in write_report(report).read_text()


def test_a_study_from_before_worlds_were_kept_is_read_the_same(design: Design):
    path = design.folder / "study.json"
    data = json.loads(path.read_text())
    for picture in data["pictures"]:
        del picture["world"]
    path.write_text(json.dumps(data))
    assert read_design(design.folder) == design


def test_equal_pictures_are_a_tie_that_nobody_is_asked(runs: list[Path], tmp_path: Path):
    design = make_design(runs, tmp_path / "studies")
    base, own = (
        design.pictures[0],
        next(p for p in design.pictures if p.maker == "profile:me" and p.group == 0),
    )
    data = json.loads((design.folder / "study.json").read_text())
    for picture in data["pictures"]:
        if picture["id"] == own.id:
            picture["pixels"] = base.pixels
    (design.folder / "study.json").write_text(json.dumps(data))
    same = read_design(design.folder)
    assert len(same.pairs("Me", "profile:me")) == len(design.pairs("Me", "profile:me")) - 1
    with OpenStudy(same) as desk:
        answer_all(desk, "Me", "profile:me", lambda condition: LIKED[condition])
    found = compare(same, list(read_raters(same).values()))
    assert len(found) == 18 and (found.won == 0.5).sum() == 1


def test_the_page_of_the_report_runs_nothing_and_escapes_prompts(tmp_path: Path):
    runs = make_runs(tmp_path / "runs", prompts=('<script>alert("1")</script> & "deer"',))
    design = make_design(runs, tmp_path / "studies")
    with OpenStudy(design) as desk:
        answer_all(desk, "<b>Me</b>", "profile:me", lambda condition: LIKED[condition])
    page = write_report(make_report(design, 20)).read_text()
    assert "<script" not in page and "<b>Me" not in page and "&lt;script&gt;" in page
    assert not re.search(r"https?://", page)


def test_without_answers_the_report_says_what_to_do(design: Design):
    with pytest.raises(StudyError, match="steer study open"):
        make_report(design)


# --- the commands


def test_new_report_and_their_errors(runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command(["study", "new", *map(str, runs), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["pictures"] == 10 and made["pairs"] == 18 and Path(made["study"]).is_dir()
    with OpenStudy(read_design(Path(made["study"]))) as desk:
        answer_all(desk, "Me", "profile:me", lambda condition: LIKED[condition])
    assert run_command(["study", "report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ranking"]["comparisons"] == 18
    assert run_command(["study", "report"]) == 0
    assert "1065" in capsys.readouterr().out

    for words, message in (
        (["study", "report", "nothing"], "steer study new"),
        (["study", "new", "nothing"], "no run"),
        (["study", "open", "--out", "elsewhere"], "steer study new"),
    ):
        assert run_command(words) == 2
        assert message in capsys.readouterr().err


def test_runs_alone_make_a_study_and_open_it_and_the_same_runs_open_the_same_one(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch
):
    opened = []
    monkeypatch.setattr("steer.cli.study._serve", lambda design, port, browser: opened.append(design.folder))
    assert run_command(["study", str(runs[0]), str(runs[1])]) == 0
    assert run_command(["study", str(runs[1]), str(runs[0])]) == 0
    assert run_command(["study", str(runs[0]), str(runs[2])]) == 0
    assert opened[0] == opened[1] != opened[2]

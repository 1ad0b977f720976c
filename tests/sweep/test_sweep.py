"""Sweeps: one ordinary run for each person and prompt, made once, whoever works on it and however often."""

import csv
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeProposer, FakeRenderer
from sweep_parts import PEOPLE, PROMPTS, SMALL, Town, lines, make_plan, people, sweep_parts, words

from steer import Record
from steer.errors import RecordError, ResumeError, ServerDown, SteerError, UsageError
from steer.library import Run
from steer.record.folder import Recorder, list_runs
from steer.record.png import load_whole
from steer.settings import Settings
from steer.sweep.plan import Shard, extend_plan, prompt_id, read_plan
from steer.sweep.prompts import Line
from steer.sweep.table import write_csv, write_parquet
from steer.sweep.work import make_run, missing, tidy, work

LATER = ("run", "seconds", "notes")  # of a result: its folder's name and how long it took


def do(plan, parts=None, cells=None):
    parts = parts or sweep_parts()
    return list(work(plan, missing(plan, plan.cells if cells is None else cells), parts, words))


def outcome(record):
    return {key: value for key, value in record.result.items() if key not in LATER}


def events(record):
    """The log without its clock."""
    found = []
    for event in record.events:
        line = event.to_json()
        found.append({key: line[key] for key in line if key not in ("t", "seconds", "sha256")})
    return found


def test_every_pair_is_an_ordinary_run_that_the_other_commands_know(tmp_path):
    plan = make_plan(tmp_path / "s")
    done = do(plan)
    assert [one.status for one in done] == ["complete"] * 6
    records = list_runs(plan.runs)
    assert sorted(record.folder.name for record in records) == sorted(cell.name for cell in plan.cells)
    assert {(r.config["person"]["id"], r.config["prompt"]) for r in records} == {
        (who, what) for who in PEOPLE for what in PROMPTS
    }
    assert all(record.complete for record in records)


def test_a_sweeps_runs_are_those_that_are_made_one_by_one_but_for_name_and_time(tmp_path):
    plan = make_plan(tmp_path / "s")
    do(plan)
    for cell in plan.cells:
        alone = Run.start(
            cell.line.prompt, cell.somebody.who, sweep_parts(), cell.line.settings, tmp_path / "alone",
            argv=words(cell), recipe={**plan.head["asked"], "who": cell.somebody.who.to_json()},
        )  # fmt: skip
        list(alone)
        one, other = Record(alone.folder), plan.record(cell)
        assert outcome(one) == outcome(other)
        assert events(one) == events(other)
        assert {**one.config, "created": ""} == {**other.config, "created": ""}
        for path in (one.folder / "images").iterdir():
            (image, chunk), (again, told) = load_whole(path), load_whole(other.folder / "images" / path.name)
            assert image.tobytes() == again.tobytes()
            assert {**chunk, "run": ""} == {**told, "run": ""}
        assert len(list((one.folder / "images").iterdir())) == len(list((other.folder / "images").iterdir()))


def test_what_is_the_same_for_everybody_is_rendered_once(tmp_path):
    names = [f"p{number}" for number in range(1, 7)]
    prompts = [f"a deer, number {number}" for number in range(18)]
    renderer = FakeRenderer()
    parts = sweep_parts(renderer=renderer)
    plan = make_plan(tmp_path / "s", names, prompts, parts)
    done = do(plan, parts)
    assert len(renderer.rendered) == len(set(renderer.rendered)) == sum(one.made for one in done)
    plain = 18 * 6 * (1 + 4 + SMALL.confirm)  # the base prompt's pictures in all runs
    made = sum(prompt in prompts for prompt, _ in renderer.rendered)
    assert 1 - made / plain >= 0.8


def test_a_sweep_that_was_stopped_goes_on_and_renders_nothing_again(tmp_path):
    class Stopped(FakeRenderer):
        def render(self, prompts, seeds):
            for image in super().render(prompts, seeds):
                if len(self.rendered) == 20:
                    raise KeyboardInterrupt
                yield image

    first, second = Stopped(), FakeRenderer()
    plan = make_plan(tmp_path / "s")
    with pytest.raises(KeyboardInterrupt):
        do(plan, sweep_parts(renderer=first))
    states = [plan.state(cell) for cell in plan.cells]
    assert "interrupted" in states and "waiting" in states and "running" not in states
    do(plan, sweep_parts(renderer=second))
    assert all(plan.state(cell) == "complete" for cell in plan.cells)
    assert not set(first.rendered[:-1]) & set(second.rendered)
    assert do(plan) == []


def test_people_and_prompts_that_are_added_are_all_that_is_done(tmp_path):
    plan = make_plan(tmp_path / "s")
    do(plan)
    before = {path: path.stat().st_mtime_ns for path in plan.runs.rglob("*")}
    renderer = FakeRenderer()
    more = make_plan(tmp_path / "s", ["p2", "p9"], ["a deer", "a boat"])
    done = do(more, sweep_parts(renderer=renderer))
    assert [one.name for one in more.people] == ["p1", "p2", "p3", "p9"] and len(more.lines) == 3
    assert sorted((one.row, one.column) for one in done) == [(0, 2), (1, 2), (2, 2), (3, 0), (3, 1), (3, 2)]
    assert all(path.stat().st_mtime_ns == before[path] for path in before if path.is_file())
    assert ("a deer", 0) not in renderer.rendered  # the pictures of the base prompts were kept


def test_a_plan_is_whole_before_the_first_run_and_only_grows(tmp_path):
    plan = make_plan(tmp_path / "s")
    assert not plan.runs.exists() and read_plan(tmp_path / "s") == plan
    assert make_plan(tmp_path / "s") == plan
    assert [plan.state(cell) for cell in plan.cells] == ["waiting"] * 6


def test_a_sweep_goes_on_only_with_what_it_was_begun_with(tmp_path):
    make_plan(tmp_path / "s")
    with pytest.raises(ResumeError, match="begun with --iterations 2, and this says 3"):
        extend_plan(tmp_path / "s", sweep_parts(), replace(SMALL, iterations=3), people(), lines())
    other = sweep_parts(proposer=type("Other", (FakeProposer,), {"name": "another"})())
    with pytest.raises(ResumeError, match="the proposer of the sweep"):
        extend_plan(tmp_path / "s", other, SMALL, people(), lines())


def test_a_folder_that_holds_other_things_takes_no_sweep(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other things"):
        make_plan(tmp_path / "s")
    with pytest.raises(RecordError, match="no sweep in"):
        read_plan(tmp_path / "s")


@pytest.mark.parametrize(
    "line", ['{"who": 3}', '{"prompt": "a", "settings": {"seed": -1}}', "[]", '{"a": 1}']
)
def test_a_damaged_plan_is_said_to_be_one(tmp_path, line):
    make_plan(tmp_path / "s")
    with (tmp_path / "s" / "plan.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RecordError, match="is damaged"):
        read_plan(tmp_path / "s")


def test_a_run_that_always_fails_costs_itself_and_is_tried_again_next_time(tmp_path):
    plan = make_plan(tmp_path / "s", prompts=("a deer", "a cursed idol", "a boat"))
    broken = sweep_parts(renderer=FakeRenderer(fail=["cursed"]))
    cells = [cell for cell in plan.cells if cell.row == 0]
    done = do(plan, broken, cells)
    assert [one.status for one in done] == ["complete", "error", "complete"]
    assert "out of paint" in done[1].error and plan.state(cells[1]) == "error"
    assert [one.status for one in do(plan, None, cells)] == ["complete"]


def test_a_prompt_whose_runs_all_fail_is_left_and_the_others_are_made(tmp_path):
    names = [f"p{number}" for number in range(1, 7)]
    plan = make_plan(tmp_path / "s", names, ("a cursed idol", "a deer"))
    done = do(plan, sweep_parts(renderer=FakeRenderer(fail=["cursed"])))
    assert [one.status for one in done] == ["error"] * 3 + ["complete"] * 6


def test_parts_that_fail_prompt_after_prompt_stop_the_sweep(tmp_path):
    plan = make_plan(tmp_path / "s", ["p1"], [f"a deer, number {number}" for number in range(9)])
    with pytest.raises(SteerError, match=r"runs of 3 prompts failed in a row.*steer sweep resume"):
        do(plan, sweep_parts(renderer=FakeRenderer(fail=["deer"])))
    assert len(list_runs(plan.runs)) == 3


def test_a_language_model_that_gives_no_answer_stops_the_sweep_at_once(tmp_path):
    class Down(FakeProposer):
        def propose(self, prompt, memory, n, seed):
            raise ServerDown("nobody answers")

    plan = make_plan(tmp_path / "s")
    with pytest.raises(SteerError, match=r"nobody answers.*steer sweep resume"):
        do(plan, sweep_parts(proposer=Down()))
    assert len(list_runs(plan.runs)) == 1


def test_a_run_that_another_process_works_on_is_left_to_it(tmp_path):
    plan, parts = make_plan(tmp_path / "s"), sweep_parts()
    first, second, *_ = plan.cells
    person = first.somebody.who.find(parts.scorer)
    settings = first.line.settings
    held = Recorder.create(plan.runs, first.line.prompt, person, parts, settings, name=first.name)
    plan.run_folder(second).mkdir()
    code = (
        "import sys, fcntl; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    log = plan.run_folder(second) / "events.jsonl"  # another process has just begun, and written nothing yet
    with subprocess.Popen(
        [sys.executable, "-c", code, str(log)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        assert plan.state(second) == "running"
        assert [one.status for one in do(plan, cells=[first, second])] == ["elsewhere"] * 2
        other.communicate()
    held.close()
    assert [one.status for one in do(plan, cells=[first, second])] == ["complete"] * 2


def test_shards_are_disjoint_and_everything_and_keep_a_prompt_together(tmp_path):
    names = [f"p{number}" for number in range(1, 8)]
    plan = make_plan(tmp_path / "s", names, [f"prompt {number}" for number in range(5)])
    for of in (1, 2, 3, 5, 7, 8, 40):
        shards = [
            [cell.name for cell in plan.cells if Shard(number, of).holds(plan, cell)]
            for number in range(1, of + 1)
        ]
        together = [name for shard in shards for name in shard]
        assert len(together) == len(set(together)) == len(plan)
        if of <= 5:
            columns = [
                {cell.column for cell in plan.cells if Shard(i, of).holds(plan, cell)}
                for i in range(1, of + 1)
            ]
            assert sum(map(len, columns)) == 5  # no prompt is in two of them
        else:
            assert max(map(len, shards)) <= 7
    more = make_plan(tmp_path / "s", ["p9"], ["one more"])
    for shard in (Shard(1, 3), Shard(3, 3)):
        before = {cell.name for cell in plan.cells if shard.holds(plan, cell)}
        assert before <= {cell.name for cell in more.cells if shard.holds(more, cell)}


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "-1/4", "1/0", "a/b", "1/2/3", "²/4"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(UsageError):
        Shard.parse(text)


def test_two_processes_on_the_same_part_make_no_run_twice(tmp_path):
    plan = make_plan(tmp_path / "s", prompts=("a deer", "a boat", "a house"))
    code = (
        "import sys; from pathlib import Path; from sweep_parts import *\n"
        "from steer.sweep.plan import read_plan\n"
        "from steer.sweep.work import missing, work\n"
        "plan = read_plan(Path(sys.argv[1])); cells = list(missing(plan, plan.cells))\n"
        "print([one.status for one in work(plan, cells, sweep_parts(), words)])"
    )
    here = Path(__file__).parents[1] / "support"
    path = f"{here}:{here.parents[1]}"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(plan.folder)], stdout=subprocess.PIPE, text=True,
            env={"PYTHONPATH": path, "HOME": str(tmp_path)},
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    do(plan)  # what was left to a process that had just let go of it
    assert all(plan.state(cell) == "complete" for cell in plan.cells)
    for record in list_runs(plan.runs):
        kept = [event.id for event in record.events if event.event == "rendered"]
        assert len(kept) == len(set(kept)) and record.unreadable == 0


def test_pictures_that_are_kept_belong_to_one_renderer_with_its_settings(tmp_path):
    class Other(FakeRenderer):
        steps = 7

        def image(self, prompt, seed):
            return super().image(prompt, seed + 1)

    plan = make_plan(tmp_path / "s")
    cell, *_ = plan.cells
    make_run(plan, cell, sweep_parts(), words(cell))
    assert Record(plan.run_folder(cell)).complete
    other = make_plan(tmp_path / "t", parts=sweep_parts(renderer=Other()))
    (tmp_path / "t" / "shared").symlink_to(plan.folder / "shared")
    assert make_run(other, cell, sweep_parts(renderer=Other()), words(cell)).found == 0


def test_a_kept_picture_that_is_damaged_is_made_again(tmp_path):
    plan = make_plan(tmp_path / "s")
    first, second, *_ = plan.cells
    make_run(plan, first, sweep_parts(), words(first))
    for path in (plan.folder / "shared" / prompt_id(first.line)).glob("*.png"):
        path.write_bytes(path.read_bytes()[:100])
    done = make_run(plan, second, sweep_parts(), words(second))
    assert done.status == "complete" and done.made >= 7


def test_rewrites_are_let_go_of_once_all_runs_of_a_prompt_are_complete(tmp_path):
    plan = make_plan(tmp_path / "s")
    cells = list(plan.cells)
    do(plan, cells=cells[:-1])
    tidy(plan)
    folders = [plan.folder / "shared" / prompt_id(line) for line in plan.lines]
    assert [(folder / "rewrites").exists() for folder in folders] == [False, True]
    do(plan)
    tidy(plan)
    assert not (folders[1] / "rewrites").exists() and list(folders[1].glob("*.png"))


def test_a_sweep_that_names_a_person_of_this_machine_is_private(tmp_path):
    plan = make_plan(tmp_path / "s")
    assert stat.S_IMODE(plan.folder.stat().st_mode) != 0o700
    me = replace(people(["p1"])[0], person={**people(["p1"])[0].person, "world": "profile"})
    extend_plan(plan.folder, sweep_parts(), SMALL, [me], [])
    assert stat.S_IMODE(plan.folder.stat().st_mode) == 0o700


def test_somebody_whose_taste_has_changed_is_not_steered_for_under_the_old_name(tmp_path):
    class Moody(Town):
        def person(self, id):
            found = super().person(id)
            found.hash = "another"
            return found

    plan = make_plan(tmp_path / "s")
    cell, *_ = plan.cells
    done = make_run(plan, cell, sweep_parts(scorer=Moody()), words(cell))
    assert done.status == "error" and "another taste by now" in done.error


def test_the_parts_are_closed_by_whoever_made_them_and_not_by_a_run(tmp_path):
    class Server(FakeProposer):
        closed = 0

        def close(self):
            self.closed += 1

    parts = sweep_parts(proposer=Server())
    do(make_plan(tmp_path / "s"), parts)
    assert parts.proposer.closed == 0


def test_the_table_has_a_row_for_each_candidate(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    plan = make_plan(tmp_path / "s", prompts=("a deer", '=1+1, "quoted"\u2028'))
    do(plan, cells=list(plan.cells)[:-1])
    with write_csv(plan).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * (1 + 2 * 4)
    best = [row for row in rows if row["fate"] == "best"]
    assert len(best) == 5 and all(row["rank"] == "1" for row in best)
    assert all((plan.folder / row["image"]).is_file() for row in rows)
    table = parquet.read_table(write_parquet(plan)).to_pylist()
    assert [row["score"] for row in table] == [float(row["score"]) if row["score"] else None for row in rows]
    assert {row["run_status"] for row in table} == {"complete"}


def test_lines_of_one_prompt_with_other_settings_are_other_runs(tmp_path):
    settings = [SMALL, replace(SMALL, seed=1), replace(SMALL, iterations=1)]
    plan = extend_plan(
        tmp_path / "s", sweep_parts(), SMALL, people(["p1"]), [Line("a deer", one) for one in settings]
    )
    assert len({cell.name for cell in plan.cells}) == 3
    assert isinstance(plan.lines[0].settings, Settings)

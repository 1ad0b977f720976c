"""`steer sweep`: a file of prompts, people, and everything that is still missing."""

import json
import shutil
import signal
import threading
from types import SimpleNamespace

import pytest
from fakes import FakeRenderer
from sweep_parts import Town, sweep_parts

from steer.cli.app import run_command
from steer.record.folder import list_runs

SMALL = ["--iterations", "1", "--proposals", "3", "--confirm", "2"]


@pytest.fixture
def steer(capsys, monkeypatch, isolated):
    """Run one command line with fakes in every seat; gives exit code, standard output, standard error."""
    (isolated / "prompts.txt").write_text("floating mossy rocks\na deer\n")
    seats = {}
    monkeypatch.setattr("steer.machine.loading.load", lambda preset="auto", **_: sweep_parts(**seats))
    monkeypatch.setattr("steer.machine.loading.load_scorer", lambda *_: Town())

    def run(*words, **parts):
        seats.clear()
        seats.update(parts)
        code = run_command(["sweep", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_sweep_ends_with_its_sheet_its_table_and_its_folder(steer, isolated):
    code, out, err = steer("prompts.txt", "--users", "p1,p2", "--population", *SMALL)
    assert code == 0, err
    folder = isolated / "sweeps" / "prompts"
    assert out.splitlines()[-1] == "sweeps/prompts" and "sweeps/prompts/sweep.html" in out
    assert len(list_runs(folder / "runs")) == 6
    assert all((record.folder / "gallery.html").exists() for record in list_runs(folder / "runs"))
    assert "3 people × 2 prompts" in err and "6/6" in err
    assert (folder / "sweep.csv").read_text().count("\n") == 1 + 6 * 4
    assert len(list((folder / "thumbs").glob("*.webp"))) == 2 + 6


def test_the_same_command_again_does_what_is_new_and_nothing_else(steer, isolated):
    assert steer("prompts.txt", "--users", "p1,p2", "--no-galleries", *SMALL)[0] == 0
    with (isolated / "prompts.txt").open("a") as file:
        file.write("a boat\n")
    code, out, _ = steer("prompts.txt", "--users", "p1,p3", "--no-galleries", "--json", *SMALL)
    found = json.loads(out)
    assert code == 0 and found["status"] == "complete" and found["complete"] == found["runs"] == 9
    assert found["made"] < 5 * 10


def test_a_failed_run_is_named_at_the_end_and_tried_again_by_resume(steer):
    code, out, err = steer(
        "prompts.txt", "--users", "p1", "--json", *SMALL, renderer=FakeRenderer(fail=["deer"])
    )
    assert code == 1 and [one["prompt"] for one in json.loads(out)["failed"]] == ["a deer"]
    assert "go on with: steer sweep resume sweeps/prompts" in err
    code, out, _ = steer("status", "--json")
    found = json.loads(out)
    assert (
        code == 0
        and (found["complete"], found["error"]) == (1, 1)
        and "out of paint" in found["failed"][0]["error"]
    )
    code, out, err = steer("resume", "prompts", "--quiet")
    assert code == 0 and "1 to do" in err
    assert json.loads(steer("status", "--json")[1])["complete"] == 2


def test_parts_of_a_sweep_are_done_apart_and_the_last_one_writes_the_sheet(steer, isolated):
    words = ["prompts.txt", "--users", "all", "--quiet", "--no-galleries", *SMALL]
    code, _, err = steer(*words, "--shard", "1/2")
    assert code == 0 and "20 runs in part 1 of 2" in err
    assert not (isolated / "sweeps/prompts/sweep.html").exists()
    assert steer(*words, "--shard", "2/2")[0] == 0
    assert (isolated / "sweeps/prompts/sweep.html").exists()


def test_an_interrupt_says_how_to_go_on(steer):
    class Stopped(FakeRenderer):
        def render(self, prompts, seeds):
            raise KeyboardInterrupt
            yield

    code, out, err = steer("prompts.txt", "--users", "p1", "--json", *SMALL, renderer=Stopped())
    assert code == 130 and "steer sweep resume sweeps/prompts" in err
    assert json.loads(out)["status"] == "incomplete"


def test_with_workers_the_first_interrupt_lets_them_finish_and_the_second_does_not(capsys):
    from steer.cli.on_ray import _interrupts

    spreading, before = SimpleNamespace(stopping=False), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), _interrupts(spreading):
        signal.raise_signal(signal.SIGINT)
        assert spreading.stopping
        signal.raise_signal(signal.SIGINT)
    assert "Ctrl-C again leaves them as they are" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_what_rays_threads_print_is_not_among_our_words(capsys):
    import sys

    from steer.cli.on_ray import _OursOnly

    stream = _OursOnly(sys.stdout)
    stream.write("ours\n")
    thread = threading.Thread(target=stream.write, args=("theirs\n",))
    thread.start()
    thread.join()
    stream.flush()
    assert capsys.readouterr().out == "ours\n"


def test_a_plan_says_what_it_takes_and_starts_nothing(steer, isolated):
    code, out, _ = steer("prompts.txt", "--users", "all", "--group", "18-25", "--plan", "--price", "2.5")
    assert code == 0 and "42: 21 people × 2 prompts" in out and "money" in out and "GB" in out
    assert not (isolated / "sweeps").exists()
    code, out, _ = steer("prompts.txt", "--users", "p1,p2", "--plan", "--json", "--shard", "1/2")
    plan = json.loads(out)["plan"]
    assert plan["runs"] == 4 and plan["shared"] == 2 * 5 and plan["seconds_each"] < plan["seconds"]


def test_export_makes_sheet_and_table_again_at_any_time(steer, isolated):
    steer("prompts.txt", "--users", "p1", "--no-galleries", *SMALL)
    folder = isolated / "sweeps" / "prompts"
    before = (folder / "sweep.html").read_bytes()
    shutil.rmtree(folder / "thumbs")
    (folder / "sweep.html").unlink()
    assert steer("export")[0] == 0
    assert (folder / "sweep.html").read_bytes() == before and len(list((folder / "thumbs").iterdir())) == 4


def test_a_sweep_runs_no_interpreter_of_its_plan(steer, isolated):
    steer("prompts.txt", "--users", "p1", "--no-galleries", *SMALL)
    plan = isolated / "sweeps/prompts/plan.jsonl"
    head, *rest = plan.read_text().splitlines()
    asked = {**json.loads(head), "asked": {"preset": "sandbox", "vllm_python": "/bin/evil"}}
    plan.write_text("\n".join([json.dumps(asked), *rest, ""]))
    code, _, err = steer("resume")
    assert code == 2 and "a record starts no program" in err


def test_a_study_takes_a_sweep_for_its_complete_runs(steer, isolated, capsys):
    steer("prompts.txt", "--users", "p1,p2", "--no-galleries", *SMALL)
    shutil.rmtree(next((isolated / "sweeps/prompts/runs").glob("a-deer-p2-*")))
    assert run_command(["study", "new", "sweeps/prompts", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["prompts"] == ["floating mossy rocks", "a deer"]
    assert "1 runs of sweeps/prompts are not complete, and left out" in captured.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prompts.txt"], "say whose tastes"),
        (["prompts.txt", "--users", "nobody"], "nobody"),
        (["none.txt", "--users", "p1"], "cannot read none.txt"),
        (["prompts.txt", "--users", "p1", "--shard", "3/2"], "--shard 3/2"),
        (["status"], "there is no sweep"),
        (["resume", "elsewhere"], "there is no sweep 'elsewhere'"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(steer, words, said):
    code, _, err = steer(*words)
    assert code == 2 and said in err.splitlines()[-1]


def test_without_pyarrow_the_error_names_the_command_that_installs_it(steer, monkeypatch):
    steer("prompts.txt", "--users", "p1", "--no-galleries", *SMALL)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    code, _, err = steer("export", "--parquet")
    assert code == 2 and "pip install 'steer[research]'" in err


def test_a_file_of_defaults_for_runs_serves_a_sweep_too(steer, isolated):
    (isolated / "steer.toml").write_text('user = "p2"\nout = "elsewhere"\niterations = 1\nproposals = 3\n')
    code, _, err = steer("prompts.txt", "--users", "p1", "--no-galleries", "--confirm", "2")
    assert code == 0, err
    [one, _] = list_runs(isolated / "sweeps/prompts/runs")
    assert one.settings.proposals == 3 and one.config["person"]["id"] == "p1"

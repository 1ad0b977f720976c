"""The command line: two streams, four exit codes, one line for every mistake."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_run import Crowd, Devoted, crowd_parts, fake_run
from fakes import FakeProposer, FakeRenderer

from steer import Record
from steer.cli.app import run_command
from steer.cli.options import parameters_of, take
from steer.machine.overrides import Overrides
from steer.machine.presets import PRESETS, WEIGHTS
from steer.settings import Settings

SMALL = ["--iterations", "1", "--proposals", "3", "--confirm", "2"]


@pytest.fixture
def steer(capsys, monkeypatch):
    """Run one command line with fakes in every seat; gives exit code, standard output, standard error."""
    parts = {}
    asked = {}

    def load(preset="auto", **options):
        asked.update(preset=preset, **options)
        return crowd_parts(options, **parts)

    monkeypatch.setattr("steer.machine.loading.load", load)

    def run(*words, **seats):
        parts.clear()
        parts.update(seats)
        code = run_command(list(words))
        captured = capsys.readouterr()
        run.asked = dict(asked)
        return code, captured.out, captured.err

    return run


def only_run(isolated):
    return next((isolated / "runs").iterdir())


# --- run


def test_a_run_ends_with_its_path_as_the_last_line_of_standard_output(steer, isolated):
    code, out, err = steer("run", "--user", "17", "--prompt", "floating mossy rocks", *SMALL)
    assert code == 0, err
    folder = only_run(isolated)
    assert out.splitlines()[-1] == str(folder)
    assert (folder / "gallery.html").is_file() and (folder / "result.json").is_file()


def test_the_first_line_says_that_the_person_is_simulated_and_which_command_tells_more(steer):
    _, _, err = steer("run", "--user", "17", *SMALL)
    first = err.splitlines()[0]
    assert first.startswith("simulated person") and "steer doctor" in first


def test_without_a_prompt_the_papers_is_used_and_said(steer, isolated):
    _, _, err = steer("run", "--user", "3", *SMALL)
    assert 'no --prompt given, so the paper\'s is used: "floating mossy rocks"' in err
    assert Record(only_run(isolated)).config["prompt"] == "floating mossy rocks"


def test_marks_of_other_programs_are_named_and_alternatives_taken_by_the_seed(steer, isolated):
    prompt = "<lora:ink:0.8> a {red|blue} boat without people --ar 16:9"
    _, out, err = steer("run", "--user", "3", "--prompt", prompt, "--json", *SMALL)
    [line] = [line for line in err.splitlines() if "does not understand" in line]
    assert "--lora ink=0.8" in line and "--size" in line and "an empty street" in line
    config = Record(only_run(isolated)).config
    assert prompt in config["argv"]
    assert config["prompt"] in (prompt.replace("{red|blue}", "red"), prompt.replace("{red|blue}", "blue"))
    assert config["prompt"] in line and json.loads(out)["prompt"] == config["prompt"]
    code, again, _ = steer(*config["argv"], "--json")
    assert code == 0 and json.loads(again)["prompt"] == config["prompt"]


def test_the_run_says_whom_a_position_stands_for(steer):
    _, _, err = steer("run", "--user", "3", *SMALL)
    assert "steering for sandbox:p3 (position 3 of 20)" in err
    _, _, err = steer("run", "--user", "p3", *SMALL)
    assert "steering for sandbox:p3 (participant id)" in err


def test_the_report_says_predicted_and_never_promises(steer):
    _, out, err = steer("run", "--user", "17", *SMALL)
    assert "predicted rating: base" in out and "fresh seeds" in out
    assert "you will like" not in (out + err).lower()


def test_a_base_prompt_that_wins_is_said(steer):
    _, out, _ = steer("run", "--user", "17", *SMALL, scorer=Devoted(), judge=None)
    assert "No rewrite was rated higher than the base prompt" in out


def test_json_is_one_object_on_standard_output_and_nothing_else(steer, isolated):
    code, out, _ = steer("run", "--user", "17", "--json", *SMALL)
    assert code == 0
    assert json.loads(out) == json.loads((only_run(isolated) / "result.json").read_text())


def test_quiet_leaves_out_the_progress(steer):
    _, _, loud = steer("run", "--user", "17", *SMALL)
    _, _, quiet = steer("run", "--user", "17", "--quiet", *SMALL)
    assert "iteration 1" in loud and "iteration 1" not in quiet


def test_the_population_is_a_person_too(steer, isolated):
    assert steer("run", "--population", *SMALL)[0] == 0
    assert Record(only_run(isolated)).config["person"]["kind"] == "population"


def test_the_recorded_command_makes_the_same_run_again(steer, isolated):
    steer("run", "--user", "17", "--prompt", "it's a <test>", "--seed", "7", "--no-gate", *SMALL)
    first = Record(only_run(isolated))
    assert first.config["argv"][:5] == ["run", "--user", "17", "--prompt", "it's a <test>"]
    code, out, _ = steer(*first.config["argv"])
    again = Record(out.splitlines()[-1])
    assert code == 0 and again.config["settings"] == first.config["settings"]
    assert again.result["best"]["score"] == first.result["best"]["score"]


@pytest.mark.parametrize("words", [["run"], ["run", "--user", "1", "--population"]])
def test_whose_taste_must_be_said_once(steer, words):
    code, _, err = steer(*words)
    assert code == 2 and "steer people list" in err


def test_an_unknown_user_is_wrong_usage_and_names_the_list(steer, isolated):
    code, out, err = steer("run", "--user", "nobody", *SMALL)
    assert code == 2 and out == "" and "steer people list" in err
    assert len([line for line in err.splitlines() if line.startswith("error")]) == 1
    assert not (isolated / "runs").exists()


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t", "x" * 10_000])
def test_a_prompt_that_is_empty_or_too_long_is_wrong_usage(steer, prompt, isolated):
    code, _, err = steer("run", "--user", "17", "--prompt", prompt, *SMALL)
    assert code == 2 and err.startswith("error: the prompt")
    assert not (isolated / "runs").exists()


@pytest.mark.parametrize(
    "prompt",
    ["🪨🌿 rocks", "say \"hi\" & 'bye'", "<script>alert(1)</script>", "two\nlines", "浮く岩", "--help?"],
)
def test_any_other_prompt_runs_to_a_page(steer, isolated, prompt):
    class Echo(FakeProposer):
        def propose(self, prompt, memory, n, seed):
            return [f"{prompt} in golden light, {word}" for word in ("low", "wide", "close")]

    code, _, err = steer("run", "--user", "17", f"--prompt={prompt}", *SMALL, proposer=Echo())
    assert code == 0, err
    assert (only_run(isolated) / "gallery.html").is_file()


def test_an_error_in_the_middle_is_one_line_and_can_be_resumed(steer, isolated):
    code, out, err = steer("run", "--user", "17", *SMALL, renderer=FakeRenderer(fail=["rocks"]))
    assert code == 1 and out == "" and "Traceback" not in err
    assert "steer runs resume" in err and Record(only_run(isolated)).status == "error"


def test_an_error_with_json_still_prints_one_object(steer):
    code, out, _ = steer("run", "--user", "17", "--json", *SMALL, renderer=FakeRenderer(fail=["rocks"]))
    assert code == 1 and json.loads(out)["status"] == "error"
    code, out, _ = steer("run", "--json")
    assert code == 2 and json.loads(out)["status"] == "error"


def test_ctrl_c_is_130_loses_nothing_and_names_the_command_to_go_on(steer, isolated):
    class Interrupted(FakeRenderer):
        def render(self, prompts, seeds):
            for image in super().render(prompts, seeds):
                if len(self.rendered) > 6:
                    raise KeyboardInterrupt
                yield image

    code, out, err = steer("run", "--user", "17", *SMALL, renderer=Interrupted())
    folder = only_run(isolated)
    assert code == 130 and out == "" and f"steer runs resume {folder}" in err
    assert Record(folder).status == "interrupted"
    code, out, err = steer("runs", "resume", "last", renderer=FakeRenderer())
    assert code == 0, err
    assert Record(folder).status == "complete" and out.splitlines()[-1] == str(folder)


def test_ctrl_c_with_json_prints_the_object_as_far_as_it_got(steer):
    class Interrupted(FakeRenderer):
        def render(self, prompts, seeds):
            raise KeyboardInterrupt
            yield

    code, out, _ = steer("run", "--user", "17", "--json", *SMALL, renderer=Interrupted())
    assert code == 130 and json.loads(out)["status"] == "interrupted"


def test_a_runs_folder_that_cannot_be_written_is_one_line(steer, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    code, _, err = steer("run", "--user", "17", "--out", str(tmp_path / "file"), *SMALL)
    assert code == 1 and "--out" in err and "Traceback" not in err


def test_an_unexpected_error_is_one_line_and_debug_shows_where(steer, monkeypatch):
    def broken(**_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("steer.machine.estimate.estimate", lambda *_: broken())
    code, _, err = steer("run", "--user", "17", "--plan", "--preset", "sandbox")
    assert code == 1 and "STEER_DEBUG=1" in err and "Traceback" not in err
    monkeypatch.setenv("STEER_DEBUG", "1")
    assert "Traceback" in steer("run", "--user", "17", "--plan", "--preset", "sandbox")[2]


# --- plan


def test_the_plan_says_images_time_memory_and_disk_and_starts_nothing(steer, isolated):
    code, out, _ = steer("run", "--user", "17", "--plan", "--preset", "sandbox")
    assert code == 0 and not (isolated / "runs").exists() and not steer.asked
    for word in ("images", "time", "memory", "disk"):
        assert re.search(rf"^{word} +.*\d", out, re.M)
    assert "117" in out  # 1 + 5 x 20 candidates, 4 x 2 for the finals, 2 x 4 fresh seeds


def test_a_plan_needs_no_person_because_it_is_the_same_for_all(steer):
    of_one, of_nobody = (
        steer("run", *who, "--plan", "--preset", "sandbox", "--json") for who in (("--user", "17"), ())
    )
    assert of_one == of_nobody and of_nobody[0] == 0


def test_the_plan_counts_what_a_run_then_renders(steer, isolated):
    options = ["--user", "17", "--preset", "sandbox", "--patience", "0", *SMALL]
    _, out, _ = steer("run", *options, "--plan", "--json")
    steer("run", *options)
    assert json.loads(out)["plan"]["images"] == Record(only_run(isolated)).result["renders"]


# --- where values come from


def test_a_flag_beats_the_environment_beats_the_config_file_beats_the_default(steer, isolated, monkeypatch):
    def settings(*flags):
        code, out, err = steer("run", "--user", "17", "--prompt", "rocks", "--confirm", "0", *flags)
        assert code == 0, err
        return Record(out.splitlines()[-1]).config["settings"]

    (isolated / "steer.toml").write_text('iterations = 1\nproposals = 2\nseed = 1\n"llm-seed" = 1\n')
    monkeypatch.setenv("STEER_SEED", "2")
    monkeypatch.setenv("STEER_LLM_SEED", "2")
    found = settings("--llm-seed", "3")
    assert (found["iterations"], found["proposals"]) == (1, 2)
    assert (found["seed"], found["llm_seed"], found["patience"]) == (2, 3, 2)
    (isolated / "other.toml").write_text("iterations = 1\nproposals = 1\nseed = 5\n")
    monkeypatch.delenv("STEER_SEED")
    assert settings("--config", "other.toml")["seed"] == 5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("sed = 3", "unknown key 'sed'"), ("seed = ", "cannot read"), ("[run]\nseed = 3", "unknown key 'run'")],
)
def test_a_config_file_with_a_mistake_is_wrong_usage(steer, isolated, text, complaint):
    (isolated / "steer.toml").write_text(text)
    code, _, err = steer("run", "--user", "17", *SMALL)
    assert code == 2 and complaint in err


def test_a_config_file_that_was_named_must_exist(steer):
    code, _, err = steer("run", "--user", "17", "--config", "nowhere.toml")
    assert code == 2 and "nowhere.toml" in err


def test_the_file_of_one_command_serves_the_other(steer, isolated):
    (isolated / "steer.toml").write_text('user = "17"\nage = "18-25"\npopulation = false\njson = true\n')
    for words in (["run"], ["demographic"]):
        code, out, err = steer(*words, "--plan")
        assert code == 0 and json.loads(out)["status"] == "planned", err


@pytest.mark.parametrize("of", [Settings, Overrides])
def test_every_field_of_the_settings_is_an_option_and_comes_back_as_its_default(of):
    parameters = {parameter.name: parameter.default for parameter in parameters_of(of)}
    assert of(**take(of, parameters)) == of() and not parameters


def test_a_switch_that_is_off_leaves_no_gate_and_no_metadata():
    parameters = {parameter.name: parameter.default for parameter in parameters_of(Settings)}
    found = Settings(**take(Settings, parameters | {"gate": False, "metadata": False}))
    assert found.gate_sd is None and found.metadata is False


@pytest.mark.parametrize(
    "words", [["--iterations", "0"], ["--seed", "-1"], ["--target", "nan"], ["--seed", "x"]]
)
def test_a_setting_out_of_range_is_wrong_usage_and_names_the_help(steer, words):
    code, _, err = steer("run", "--user", "17", *words)
    assert code == 2 and words[0].strip("-") in err and "steer run --help" in err


def test_an_unknown_option_or_command_is_one_line(steer):
    for words in (["run", "--bogus"], ["bogus"], ["runs", "bogus"]):
        code, out, err = steer(*words)
        assert code == 2 and out == "" and "--help" in err and len(err.splitlines()) == 1


# --- demographic


def test_a_demographic_group_works_with_an_age_alone(steer, isolated):
    code, _, err = steer("demographic", "--age", "18-25", *SMALL)
    assert code == 0, err
    config = Record(only_run(isolated)).config
    assert config["person"]["kind"] == "group" and "age 18-25" in config["person"]["label"]
    assert config["argv"][:3] == ["demographic", "--age", "18-25"]


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--age", "90-99"], "steer people list"),
        (["--age", "25-18"], "--age 18-25"),
        (["--age", "young"], "--age 18-25"),
        ([], "--age 18-25"),
    ],
)
def test_a_group_that_makes_no_sense_is_wrong_usage_with_a_remedy(steer, words, remedy):
    code, _, err = steer("demographic", *words, *SMALL)
    assert code == 2 and remedy in err and "Traceback" not in err


def test_a_groups_run_can_be_resumed(steer, isolated):
    class Broken(FakeRenderer):
        def render(self, prompts, seeds):
            yield from super().render(prompts[:1], seeds[:1])
            raise KeyboardInterrupt

    assert steer("demographic", "--age", "18-25", *SMALL, renderer=Broken())[0] == 130
    assert steer("runs", "resume", "last", renderer=FakeRenderer())[0] == 0
    assert Record(only_run(isolated)).complete


# --- runs


@pytest.mark.parametrize(
    "command", ["run", "demographic", "runs list", "runs show", "runs resume", "runs gallery", "doctor"]
)
def test_the_folder_of_the_runs_is_named_out_everywhere(steer, command):
    code, out, _ = steer(*command.split(), "--help")
    assert code == 0
    assert re.search(r"--out\s", out)


def test_runs_are_listed_shown_and_found_by_part_of_their_name(steer, isolated):
    done = fake_run(isolated / "runs", prompt="quiet harbour")
    cut = fake_run(isolated / "runs", stop_after=9)
    code, out, _ = steer("runs", "list")
    assert code == 0 and done.name in out and re.search(rf"{cut.name}\tinterrupted", out)
    code, out, _ = steer("runs", "list", "--json")
    assert {row["run"]: row["status"] for row in json.loads(out)["runs"]} == {
        done.name: "complete",
        cut.name: "interrupted",
    }
    assert steer("runs", "path", "harbour")[1].strip() == str(done)
    code, out, _ = steer("runs", "show", "harbour")
    assert code == 0 and out.splitlines()[-1] == str(done) and "predicted rating" in out
    code, out, _ = steer("runs", "show", cut.name)
    assert code == 0 and f"steer runs resume {cut}" in out
    assert json.loads(steer("runs", "show", cut.name, "--json")[1])["status"] == "interrupted"


def test_a_complete_run_is_left_untouched_by_resume(steer, isolated):
    folder = fake_run(isolated / "runs")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, out, err = steer("runs", "resume", str(folder))
    assert code == 0 and out.splitlines()[-1] == str(folder) and "complete" in err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert not steer.asked


def test_a_run_from_python_is_resumed_in_python(steer, isolated):
    folder = fake_run(isolated / "runs", stop_after=9)
    code, _, err = steer("runs", "resume", folder.name)
    assert code == 2 and "steer.resume(" in err


def test_resume_takes_no_other_settings(steer, isolated):
    fake_run(isolated / "runs", stop_after=9)
    assert steer("runs", "resume", "last", "--seed", "3")[0] == 2


def test_a_gallery_can_be_made_again(steer, isolated):
    folder = fake_run(isolated / "runs")
    code, out, _ = steer("runs", "gallery", "last")
    assert code == 0 and out.strip() == str(folder / "gallery.html") and (folder / "gallery.html").is_file()


@pytest.mark.parametrize("words", [["show", "nowhere"], ["resume", "last"], ["gallery", "x"], ["path", "x"]])
def test_a_run_that_is_not_there_is_wrong_usage_with_a_remedy(steer, words):
    code, _, err = steer("runs", *words)
    assert code == 2 and re.search("steer run(s list)?", err)


def test_a_damaged_run_does_not_hide_the_others(steer, isolated):
    good = fake_run(isolated / "runs")
    (isolated / "runs" / "0-broken").mkdir()
    (isolated / "runs" / "0-broken" / "config.json").write_text("{")
    code, out, err = steer("runs", "list")
    damaged, whole = out.splitlines()
    assert code == 0 and not err and whole.startswith(good.name)
    assert damaged.startswith("0-broken\tdamaged\t") and "cannot read" in damaged
    rows = json.loads(steer("runs", "list", "--json")[1])["runs"]
    assert [row["status"] for row in rows] == ["damaged", "complete"] and rows[0].keys() > rows[1].keys()
    assert steer("runs", "gallery", "last")[0] == steer("runs", "show", "last")[0] == 0


# --- people and doctor


@pytest.fixture
def predictor(isolated):
    people = [
        {"id": person.id, "demographics": dict(person.demographics), "ratings": person.ratings}
        for person in Crowd.people
    ]
    folder = isolated / "predictor"
    folder.mkdir()
    card = json.loads((WEIGHTS / "predictor" / "predictor.json").read_text(encoding="utf-8"))
    card |= {"world": "sandbox:1", "people": people}
    (folder / "predictor.json").write_text(json.dumps(card))
    return str(folder)


def test_people_are_listed_and_shown(steer, predictor):
    code, out, err = steer("people", "list", "--reward", predictor)
    assert code == 0 and len(out.splitlines()) == 20 and "simulated people" in err
    code, out, _ = steer(
        "people", "list", "--reward", predictor, "--age", "18-25", "--gender", "male", "--json"
    )
    assert [person["id"] for person in json.loads(out)["people"]] == ["p1", "p3"]
    code, out, _ = steer("people", "show", "3", "--reward", predictor)
    assert code == 0 and "id p3" in out and "male" in out
    assert steer("people", "show", "99", "--reward", predictor)[0] == 2


def test_a_missing_predictor_names_the_command_that_makes_it(steer, isolated):
    code, _, err = steer("people", "list", "--reward", str(isolated))
    assert code == 1 and "steer sandbox build" in err


def test_a_baseline_has_no_people_to_list(steer):
    code, _, err = steer("people", "list", "--reward", "hpsv3")
    assert code == 2 and "hpsv3 knows no people" in err


def test_doctor_says_what_each_preset_lacks_and_who_may_use_it(steer):
    code, out, _ = steer("doctor", "--json")
    assert code == 0
    found = json.loads(out)
    assert [preset["name"] for preset in found["presets"]] == list(PRESETS)
    for preset in found["presets"]:
        assert preset["ready"] == all(need["met"] for need in preset["needs"])
        assert all(need["fix"] for need in preset["needs"] if not need["met"])
    licences = {row["what"]: row["licence"] for row in found["licences"]}
    assert "non-commercial" in licences["black-forest-labs/FLUX.2-dev"]
    assert "Apache-2.0" in licences["SmolLM2-135M-Instruct"]
    code, out, _ = steer("doctor")
    assert code == 0 and "Licences" in out and "--preset auto takes" in out
    assert "Memory plans of the GPU presets (estimates, not measured)" in out and "s a picture" in out


def test_doctor_and_plan_say_what_fits_on_which_card_and_what_takes_turns(steer, monkeypatch):
    monkeypatch.setattr("steer.machine.gpus.here", lambda: None)
    found = json.loads(steer("doctor", "--json")[1])["memory"]
    fits = {(row["preset"], row["plan"]): row["fits"] for row in found if row["class"] == "24 GB"}
    assert fits["klein", "bf16"] and fits["flux2", "nf4"] and not fits["flux2", "bf16"]
    code, out, _ = steer("run", "--user", "17", "--plan", "--preset", "flux2", "--batch", "2")
    assert code == 0 and "GB by phase: propose" in out and "take turns" in out
    assert "not measured" in out and "32.2 B" in out and "assuming 55% of 989 TFLOP/s" in out
    planned = json.loads(steer("run", "--user", "17", "--plan", "--preset", "klein", "--json")[1])["plan"]
    assert planned["gpu"]["fits"] and planned["gpu"]["seconds_per_image"] > 0


# --- the process itself

HEAVY = ["torch", "transformers", "scipy", "numpy", "PIL", "jinja2", "diffusers", "tokenizers"]


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom steer.cli.app import run_command\ncode = run_command(['--help'])\n"
        f"print(code, [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "0 []" and "Usage" in done.stdout


@pytest.mark.parametrize("words", [["--help"], ["run", "-h"], ["runs", "resume", "--help"], ["people", "-h"]])
def test_every_help_text_ends_well_and_shows_an_example(steer, words):
    code, out, _ = steer(*words)
    assert code == 0 and "Usage" in out and "steer " in out


def test_version_is_the_packages(steer):
    assert re.fullmatch(r"steer \d+\.\d+\.\d+\n", steer("--version")[1])


def test_a_signal_in_the_middle_leaves_a_run_that_can_be_resumed(isolated):
    """A real process, a real Ctrl-C."""
    script = isolated / "slow.py"
    script.write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        f"sys.path.insert(0, {str(Path(__file__).parents[1] / 'support')!r})\n"
        "import steer.machine.loading\nfrom fake_run import crowd_parts\nfrom fakes import FakeRenderer\n"
        "class Slow(FakeRenderer):\n"
        "    def render(self, prompts, seeds):\n"
        "        for image in super().render(prompts, seeds):\n"
        "            time.sleep(0.05)\n            yield image\n"
        "steer.machine.loading.load = lambda *a, **k: crowd_parts(renderer=Slow())\n"
        "from steer.cli.app import run_command\n"
        "sys.exit(run_command(['run', '--user', '17', '--prompt', 'rocks']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((isolated / "runs").glob("*/images/r01c02.png")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == "" and "steer runs resume" in err and "Traceback" not in err
    assert Record(only_run(isolated)).status == "interrupted"


# --- sandbox


def test_the_sandbox_is_built_stage_by_stage_and_says_how_long_it_took(steer, isolated, monkeypatch):
    from steer.sandbox.make.build import Built
    from steer.sandbox.make.encoder_pairs import StepDone

    def build(folder, stages, workers):
        assert stages == ("paintings", "ratings") and workers == 1
        yield StepDone("paintings", 0, 2, 0.0)
        yield StepDone("paintings", 2, 2, 61.0)
        yield Built(folder, {"paintings": 61.0, "ratings": 1.5})

    monkeypatch.setattr("steer.sandbox.make.build.build", build)
    words = ["--folder", "here", "--stage", "paintings", "--stage", "ratings", "--workers", "1"]
    code, out, err = steer("sandbox", "build", *words)
    assert code == 0 and out == "here\n" and "1 min 01 s" in err and "--reward here/weights/predictor" in err
    code, out, _ = steer("sandbox", "build", *words, "--json")
    assert json.loads(out)["seconds"] == {"paintings": 61.0, "ratings": 1.5}


def test_an_unknown_stage_is_wrong_usage(steer):
    code, _, err = steer("sandbox", "build", "--stage", "lunch")
    assert code == 2 and "paintings" in err

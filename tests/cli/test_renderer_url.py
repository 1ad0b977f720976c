"""`--renderer-url`: what is asked before money is spent, and what a record may not do by its word."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from fake_image_servers import FakeComfy, FakeImages, FakeSdApi, all_closed

from steer import Record
from steer.cli.app import run_command
from steer.cli.session import Request, consent
from steer.errors import UsageError
from steer.machine.overrides import Overrides
from steer.machine.presets import requirements, resolve
from steer.renderer.servers.finding import on_this_machine
from steer.settings import Settings
from steer.whom import Who

BFL = Overrides(renderer_url=("bfl://flux-2-klein-4b",))
SMALL = Settings(iterations=1, proposals=4, confirm=1, gate_sd=None)  # 15 pictures


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    with all_closed(monkeypatch):
        yield


def steer(capsys, *words: str) -> tuple[int, str, str]:
    code = run_command(list(words))
    return code, *capsys.readouterr()


def test_a_plan_says_how_many_pictures_are_paid_for(capsys):
    words = (
        "run",
        "--plan",
        "--preset",
        "sandbox",
        "--renderer-url",
        "bfl://flux-2-klein-4b",
        "--iterations",
        "1",
    )
    code, out, _ = steer(capsys, *words)
    assert code == 0 and "paid     at most 37 pictures of a hosted model" in out
    assert json.loads(steer(capsys, *words, "--json")[1])["plan"]["paid"] == 37
    assert "paid" not in steer(capsys, "run", "--plan", "--preset", "sandbox")[1]


def test_more_than_the_limit_is_asked_for_first(monkeypatch, capsys):
    request = Request(
        Who("population"), preset="sandbox", settings=SMALL, overrides=replace(BFL, paid_limit=6)
    )
    with pytest.raises(
        UsageError, match="up to 15 pictures, each of which is paid for, more than --paid-limit 6"
    ):
        consent(request)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, err: "up to 15 pictures" in text)
    assert consent(request).overrides.paid_limit == 15
    enough = replace(request, overrides=replace(BFL, paid_limit=15))
    assert consent(enough) is enough
    assert "up to 15 pictures" in capsys.readouterr().err


def test_no_picture_is_paid_for_by_the_word_of_a_record():
    with pytest.raises(UsageError, match="no picture is paid for by the word of a record; name it again"):
        BFL.by_word(None, None)
    assert BFL.by_word(None, None, ["bfl://flux-2-pro"]).renderer_url == ("bfl://flux-2-pro",)


def test_no_key_is_sent_by_the_word_of_a_record(monkeypatch):
    recorded = Overrides(renderer_url=("comfyui://elsewhere:1",), workflow="sd")
    assert recorded.by_word(None, None) == recorded
    monkeypatch.setenv("STEER_RENDERER_API_KEY", "sesame")
    with pytest.raises(UsageError, match="no key is sent to an address"):
        recorded.by_word(None, None)
    monkeypatch.setenv("STEER_RENDERER_URL", "comfyui://mine:1 comfyui://mine:2")
    assert recorded.by_word(None, None).renderer_url == ("comfyui://mine:1", "comfyui://mine:2")


def test_a_file_that_lies_here_may_not_say_where_a_key_or_money_goes(isolated, monkeypatch, capsys):
    (isolated / "steer.toml").write_text('renderer_url = ["bfl://flux-2-klein-4b"]\n')
    monkeypatch.setenv("BFL_API_KEY", "sesame")
    code, _, err = steer(capsys, "run", "--plan", "--preset", "sandbox")
    assert code == 2 and "give --renderer-url yourself" in " ".join(err.split())


def test_a_preset_whose_pictures_come_from_a_server_needs_no_gpu_and_no_weights_for_them():
    url, model = "comfyui://127.0.0.1:8188", "http://127.0.0.1:8000/v1"
    needs = requirements(resolve("klein", Overrides.given(renderer_url=url, llm_url=model)))
    assert [need.what.partition(" in ")[0] for need in needs] == ["a predictor trained on real ratings"]
    assert resolve("klein", Overrides.given(renderer_url=url)).steps is None, "those are the pipeline's"


def test_comfyuis_options_need_comfyui():
    with pytest.raises(UsageError, match="--workflow and --node are for ComfyUI"):
        Overrides(workflow="sd")


@pytest.mark.parametrize(
    "option", [("--steps", "4"), ("--size", "256"), ("--negative-prompt", "fog"), ("--lora", "ink")]
)
def test_the_painter_refuses_what_it_cannot_be_told(option, capsys):
    code, _, err = steer(capsys, "run", "--user", "17", "--preset", "sandbox", *option)
    assert code == 2 and f"the sandbox's painter takes no {option[0]}, it takes seed" in " ".join(err.split())


def test_doctor_lists_what_answers_on_this_machine(monkeypatch):
    monkeypatch.setattr("steer.renderer.servers.finding.QUICK", 20.0)  # a busy machine
    with FakeComfy() as comfy, FakeSdApi() as sd, FakeImages() as images, FakeImages() as other:
        other.route = lambda *_: None
        found = on_this_machine([each.port for each in (comfy, sd, images, other)])
    assert [(one.kind, one.url) for one in found] == [
        ("comfyui", comfy.url),
        ("sdapi", sd.url),
        ("images", images.url),
    ]
    assert found[0].option == f"--renderer-url comfyui://127.0.0.1:{comfy.port}"


@pytest.mark.slow
def test_a_run_on_a_server_from_the_command_line(capsys, isolated):
    words = [
        "run",
        "--user",
        "17",
        "--preset",
        "sandbox",
        "--iterations",
        "1",
        "--proposals",
        "2",
        "--confirm",
        "1",
    ]
    with FakeSdApi() as sd:
        code, _, err = steer(capsys, *words, "--no-gate", "--size", "64", "--renderer-url", sd.url)
        assert code == 0, err
        [folder] = (isolated / "runs").iterdir()
        config = Record.read(folder).config
        assert config["parts"]["renderer"]["server"] == "sdapi/v1" and config["recipe"]["renderer_url"] == [
            sd.url
        ]
        rendered = [event for event in Record.read(folder).events if event.event == "rendered"]
        assert len(sd.asked) == 3 + len(rendered) >= 3 + 1 + 2 + 2  # at first the server is tried out
        assert steer(capsys, "runs", "resume", "last")[0] == 0

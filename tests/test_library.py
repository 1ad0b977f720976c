"""`from steer import steer` does in ten lines what the command line does, with anybody's parts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import PROMPT, FakePerson, FakeProposer, FakeRenderer, FakeScorer, fake_parts

import steer as package
from steer import Parts, Result, Run, Settings, SteerError, resume, steer
from steer.errors import PresetError, UsageError
from steer.machine.gpus import by_name
from steer.machine.loading import load
from steer.machine.overrides import Overrides
from steer.machine.presets import PRESETS, choose, predictor_folder, requirements, resolve

SMALL = Settings(iterations=1, proposals=3, confirm=2)


def test_ten_lines_are_enough(tmp_path):
    result = steer(
        PROMPT,
        FakePerson(),
        proposer=FakeProposer(),
        renderer=FakeRenderer(),
        scorer=FakeScorer(),
        settings=SMALL,
        out=tmp_path,
    )
    assert isinstance(result, Result) and result.status == "complete"
    assert result.best["score"] >= result.baseline["score"]
    assert result.confirm["verdict"] in ("better", "no_evidence", "worse")
    assert result.specificity["of"] == 20
    assert (result.folder / result.best["image"]).is_file()
    assert result.stop_reason == "iterations" and result.seconds["total"] >= 0


def test_one_part_can_be_replaced_alone(tmp_path):
    mine = FakeRenderer(size=24)
    result = steer(PROMPT, FakePerson(), fake_parts(), renderer=mine, settings=SMALL, out=tmp_path)
    assert len(mine.rendered) == result.data["renders"]


def test_a_part_that_is_missing_is_named():
    with pytest.raises(UsageError, match=r"lacks a renderer and a scorer: .*steer\.load\('sandbox'\)"):
        steer(PROMPT, FakePerson(), proposer=FakeProposer())


def test_the_events_can_be_followed_and_left_and_taken_up_again(tmp_path):
    run = Run.start(PROMPT, FakePerson(), fake_parts(), SMALL, tmp_path)
    for event in run:
        if event.event == "proposed":
            break
    assert run.result.status in ("interrupted", "running")
    assert resume(run.folder, FakePerson(), fake_parts()).status == "complete"


def test_parts_of_any_class_fit_as_long_as_they_have_the_one_method(tmp_path):
    class Proposer:
        name = "mine"

        def propose(self, prompt, memory, n, seed):
            return [f"{prompt}, {time}" for time in ("dawn", "noon", "dusk")][:n]

    class Renderer:
        name = "mine"

        def render(self, prompts, seeds):
            return [FakeRenderer().image(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    class Scorer:
        name = "mine"

        def score(self, images, prompt, person):
            return [float(sum(image.getpixel((0, 0)))) for image in images]

    mine = Parts(Proposer(), Renderer(), Scorer())
    result = steer(PROMPT, FakePerson(), mine, settings=SMALL, out=tmp_path)
    assert result.status == "complete" and result.data["candidates"] == 3


def test_everything_exported_is_there():
    assert all(getattr(package, name) is not None for name in package.__all__)
    assert issubclass(PresetError, SteerError)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, steer, steer.errors, steer.settings, steer.parts\n"
        "import steer.record.folder, steer.machine.loading, steer.machine.estimate\n"
        "heavy = {'torch', 'transformers', 'scipy', 'numpy', 'PIL'} & set(sys.modules)\n"
        "light = {'reward.checked', 'reward.errors', 'reward.files', 'reward.hub_files', 'reward.licences'}\n"
        "heavy |= {name for name in sys.modules if name.startswith('reward.')} - light\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr


# --- presets


def test_auto_takes_the_sandbox_here_and_says_what_the_larger_ones_lack(monkeypatch):
    monkeypatch.setattr("steer.machine.gpus.here", lambda: None)
    chosen = choose()
    assert chosen.name == "sandbox"
    assert "flux2 lacks a GPU with 64 GB" in chosen.reason and "klein lacks a GPU with 21 GB" in chosen.reason
    assert "laptop lacks weights of IDKiro/sdxs" in chosen.reason


@pytest.mark.parametrize("name", ["flux2", "klein"])
def test_a_preset_that_cannot_run_here_is_refused_with_the_way_to_find_out_more(monkeypatch, name):
    monkeypatch.setattr("steer.machine.gpus.here", lambda: None)
    with pytest.raises(PresetError, match=rf"{name} cannot run here.*FLUX\.2.*steer doctor") as error:
        load(name)
    assert "\n" not in str(error.value)


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(
        UsageError, match="auto, flux2, qwen-image, klein-9b, z-image-turbo, klein, laptop, sandbox"
    ):
        load("flux3")


def test_a_large_gpu_weights_vllm_and_a_predictor_make_the_papers_preset_ready(tmp_path, monkeypatch):
    monkeypatch.setattr("steer.machine.gpus.here", lambda: by_name("H100"))
    monkeypatch.setattr("steer.machine.main_memory.available", lambda: 200 * 2**30)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert sum(not need.met for need in requirements(resolve("flux2"))) == 3
    for model in (PRESETS["flux2"].renderer, PRESETS["flux2"].llm):
        snapshot = tmp_path / "hub" / f"models--{model.replace('/', '--')}" / "snapshots" / "abc"
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text("{}")
        (snapshot / "model.safetensors").write_text("")
    predictor = predictor_folder(PRESETS["flux2"])
    [lacking] = [need for need in requirements(resolve("flux2")) if not need.met]
    assert (
        str(predictor) in lacking.what
        and "steer setup flux2" in lacking.fix
        and "--reward laion-aesthetics" in lacking.fix
    )
    predictor.mkdir(parents=True)
    (predictor / "predictor.json").write_text("{}")
    assert (choose().name, choose().reason) == ("flux2", "the largest preset runs here")


def test_what_replaces_a_part_lifts_what_that_part_needed():
    chosen = Overrides(llm_url="http://127.0.0.1:1/v1", renderer="mine", reward="mine")
    assert len(requirements(resolve("laptop", chosen))) == 1  # diffusers
    assert [need.what for need in requirements(resolve("flux2", chosen))][1:] == ["the package diffusers"]


def test_a_plan_that_does_not_fit_names_those_that_do(monkeypatch):
    monkeypatch.setattr("steer.machine.gpus.here", lambda: by_name("RTX 4090"))
    need = requirements(resolve("flux2"))[0]
    assert not need.met and "--memory nf4" in need.fix and "--memory fp8" not in need.fix
    assert "--preset klein" in need.fix and "\n" not in need.fix
    assert requirements(resolve("flux2", Overrides(memory="nf4")))[0].met
    assert requirements(resolve("klein"))[0].met
    with pytest.raises(PresetError, match=r"lacks 64 GB on the GPU .*RTX 4090.*--memory nf4"):
        load("flux2", reward="laion-aesthetics")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"memory": "int8"}, "bf16, fp8, nf4"),
        ({"steps": 0}, "--steps"),
        ({"size": 500}, "multiple of 16"),
        ({"guidance": -1.0}, "--guidance"),
        ({"llm_url": "127.0.0.1:8000"}, "http://127.0.0.1:8000/v1"),
        ({"llm_url": "http://h/v1", "vllm_python": "python"}, "one of them"),
        ({"colour": "red"}, "takes no 'colour'"),
    ],
)
def test_a_choice_that_makes_no_sense_is_wrong_usage(values, complaint):
    with pytest.raises(UsageError, match=complaint):
        load("sandbox", **values)


def test_overrides_survive_config_json():
    chosen = Overrides(renderer="a/b@c", lora=("x=0.8",), steps=4, compile=True)
    assert Overrides.of(json.loads(json.dumps({**chosen.to_json(), "who": {}}))) == chosen
    assert Overrides.of({"llm": None, "reward": None, "judge": None, "threads": 2}) == Overrides(threads=2)


def test_what_is_missing_comes_with_the_command_that_gets_it(monkeypatch):
    monkeypatch.setattr("steer.machine.gpus.here", lambda: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    fixes = [need.fix for need in requirements(resolve("klein")) if not need.met]
    assert "steer setup black-forest-labs/FLUX.2-klein-4B" in fixes
    [gated] = [fix for fix in fixes if "Llama" in fix]
    assert gated.startswith("accept its terms on https://") and "hf auth login" in gated


def test_parts_are_frozen_and_replaced_by_name():
    parts = fake_parts()
    assert replace(parts, preset="mine").renderer is parts.renderer

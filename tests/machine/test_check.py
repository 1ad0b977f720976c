"""What `steer check` finds with parts that are good, and with parts that are broken in one way each."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tiny_pipelines as tiny
from fakes import FakeProposer, fake_parts
from hub_releases import encoder_of_photographs
from PIL import Image
from single_files import as_gguf

from reward.encoders.image_text import ImageTextEncoder
from steer.cli.setup import _as_values
from steer.machine import doctor, gpus, main_memory
from steer.machine.check import PICTURES, Checked, _without_paths, checks, photographs, report_of
from steer.machine.estimate import estimate
from steer.machine.gpus import GIB, Gpu, by_name
from steer.machine.overrides import Overrides
from steer.machine.presets import PRESETS, least_gpu, requirements, resolve
from steer.machine.setup import Plan
from steer.renderer import RenderSettings, open_renderer
from steer.settings import Settings


class Painter:
    """Pictures of noise that follows from prompt and seed, and of `trouble`."""

    name = "painter"

    def __init__(self, trouble=""):
        self.trouble, self.made = trouble, 0

    def render(self, prompts, seeds):
        for prompt, seed in zip(prompts, seeds, strict=True):
            self.made += 1
            if self.trouble == "fails":
                raise RuntimeError("CUDA error: an illegal memory access in /home/somebody/kernel.cu")
            if self.trouble == "flat":
                yield Image.new("RGB", (16, 16), (90, 90, 90))
                continue
            other = self.made if self.trouble == "restless" else 0
            other = len(prompts) if self.trouble == "company" else other
            rng = np.random.default_rng([seed, len(prompt), other])
            yield Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))


class Photographer:
    """A scorer whose encoder knows the photographs, or mixes up cases."""

    name, simulated = "photographer", False

    def __init__(self, encoder, shouts=False):
        self.encoder, self.shouts = encoder, shouts

    def adherence(self, images, prompt):
        text = prompt if not self.shouts or prompt.islower() else "a"
        return list(self.encoder.images(images) @ self.encoder.texts([text])[0])

    def score(self, images, prompt, person):
        return [3.0] * len(images)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return ImageTextEncoder.load(encoder_of_photographs(tmp_path_factory.mktemp("siglip") / "encoder"))


def found(encoder, trouble="", shouts=False, **parts):
    made = fake_parts(**{"renderer": Painter(trouble), "scorer": Photographer(encoder, shouts), **parts})
    return {each.what: each for each in checks(replace(made, simulated=False), resolve("laptop"))}


def test_good_parts_pass_every_question_that_they_can_be_asked(encoder):
    answers = found(encoder)
    assert all(answer.ok and not answer.fix for answer in answers.values()), answers
    assert set(answers) == {"language model", "pictures", "batch", "image-text encoder", "scores"}
    assert "5 of 5 photographs" in answers["image-text encoder"].found


@pytest.mark.parametrize(
    ("trouble", "what", "line"),
    [
        ("fails", "pictures", "RuntimeError: CUDA error"),
        ("flat", "pictures", "4 of 4 pictures are of one colour"),
        ("restless", "pictures", "mean difference"),
        ("company", "batch", "mean difference"),
    ],
)
def test_a_renderer_that_is_broken_in_one_way_fails_at_that_and_names_what_to_do(
    trouble, what, line, encoder
):
    answers = found(encoder, trouble)
    assert next(name for name, answer in answers.items() if not answer.ok) == what
    assert line in answers[what].found and answers[what].fix


def test_an_encoder_that_takes_capital_letters_for_something_else_is_found_out(encoder):
    answer = found(encoder, shouts=True)["image-text encoder"]
    assert not answer.ok and "capital letters" in answer.found


def test_a_language_model_that_repeats_the_prompt_is_found_out(encoder):
    class Parrot(FakeProposer):
        def propose(self, prompt, memory, n, seed):
            return [prompt] * n

    answer = found(encoder, proposer=Parrot())["language model"]
    assert not answer.ok and "0 different prompts" in answer.found


def test_a_cut_text_encoder_that_is_another_one_is_found_out(tmp_path):
    small = RenderSettings(width=32, height=32, steps=1, max_sequence_length=16)
    renderer = open_renderer(tiny.save(tiny.klein(), tmp_path / "klein"), settings=small)
    assert renderer.cut_error("a red car") == 0.0
    whole = renderer._pipes.whole_text
    renderer._give_up = lambda: None

    def other():
        pipe = whole()
        pipe.text_encoder = tiny.qwen(seed=1)
        return pipe

    renderer._pipes.whole_text = other
    assert renderer.cut_error("a red car") > 0.01


def test_the_report_for_a_bug_names_nobody_and_no_place():
    home = "/home/somebody/models/my model"
    told = report_of(resolve("laptop"), [Checked("pictures", False, f"cannot read {home}: broken")])
    assert "somebody" not in json.dumps(told) and told["status"] == "failed"
    assert _without_paths("see /a/b.txt, or https://example.org/x") == "see …, or https://example.org/x"
    assert told["versions"]["torch"] and told["preset"] == "laptop"


def test_the_photographs_are_free_small_and_named():
    images, captions = photographs()
    listed = json.loads((PICTURES / "captions.json").read_text())
    assert len(images) == len(captions) == 5
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 300_000
    assert all(each["licence"] in ("CC0-1.0", "public domain") and each["source"] for each in listed.values())


MACHINES = {
    "L4": [by_name("L4")],
    "RTX 4090": [by_name("RTX 4090")],
    "H100": [by_name("H100")],
    "an H100 that others use": [replace(by_name("H100"), free=40.0)],
    "GB10, whose memory is the machine's": [by_name("GB10")],
    "two RTX 4090": [replace(by_name("RTX 4090"), device=f"cuda:{i}") for i in (0, 1)],
    "Apple's": [Gpu("Apple GPU", 48, unified=True, device="mps")],
    "no GPU": [],
}
NUMBERS = (
    *("peak_gb", "main_memory_gb", "phases_gb", "models", "fits", "why_not", "swaps", "swap_seconds"),
    *("seconds_per_image", "assumed", "card", "card_gb"),
)


def told_by_all(resolved):
    """What `steer run --plan`, `setup` and `check` say of memory; what they share is the same."""
    run, check = estimate(Settings(), resolved), report_of(resolved, [])
    setup = _as_values(Plan(resolved, ()))
    assert run.gpu == setup["memory"] and run.llm_gpu == setup["llm_memory"]
    if run.gpu:
        assert (run.gpu_gb, run.memory_gb) == (run.gpu["peak_gb"], run.gpu["main_memory_gb"])
    assert (check["planned_gb"] or 0) == run.gpu_gb
    assert check["planned_main_memory_gb"] == run.gpu.get("main_memory_gb")
    assert check["planned_llm_gb"] == run.llm_gpu.get("peak_gb")
    return run.gpu


@pytest.mark.parametrize("machine", list(MACHINES))
def test_doctor_plan_setup_and_check_tell_the_same_numbers(machine, tmp_path, monkeypatch):
    cards = MACHINES[machine]
    monkeypatch.setattr(gpus, "all_here", lambda: cards)
    monkeypatch.setattr(main_memory, "available", lambda: 60 * GIB)
    monkeypatch.setattr(doctor, "on_this_machine", lambda: [])
    examined = doctor.examine(tmp_path)
    rows = {(row["preset"], row["class"], row["plan"]): row for row in examined["memory"]}
    needs = {each["name"]: each for each in examined["presets"]}
    for name, preset in PRESETS.items():
        for precision in ("bf16", "fp8", "nf4") if preset.gpu else ("bf16",):
            resolved = resolve(name, Overrides(memory=precision))
            told = told_by_all(resolved)
            if preset.gpu:  # without a card of one's own the plan is of the H100, and says so
                row = rows[name, "here" if cards else "80 GB", precision]
                assert {key: told[key] for key in NUMBERS} == {key: row[key] for key in NUMBERS}
        lines = {need["what"]: need for need in needs[name]["needs"]}
        plan = resolve(name).memory_plan
        if plan is None or not cards:
            continue
        if preset.gpu:
            [line] = [what for what in lines if "on the GPU with --memory bf16" in what]
            assert line.startswith(f"{plan.peak / GIB:.0f} GB ") and lines[line]["met"] == plan.fits
        [line] = [what for what in lines if "of main memory" in what]
        assert line == f"{plan.main_memory / GIB:.0f} GB of main memory (60 GB free)"
        assert lines[line]["met"] == (plan.main_memory <= 60 * GIB)
        assert needs[name]["ready"] <= plan.fits


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.gpu])
def test_what_a_preset_needs_where_there_is_no_gpu_is_the_smallest_on_which_its_plan_fits(name, monkeypatch):
    monkeypatch.setattr(gpus, "all_here", lambda: [])
    resolved = resolve(name)
    size = least_gpu(resolved)
    assert any(f"a GPU with {size} GB of memory" in need.what for need in requirements(resolved))
    assert resolved.memory_plan_on(Gpu("", size)).fits and not resolved.memory_plan_on(Gpu("", size - 1)).fits


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.llm])
def test_two_cards_are_planned_apart_and_everybody_tells_both_plans(name, monkeypatch):
    monkeypatch.setattr(gpus, "all_here", lambda: MACHINES["two RTX 4090"])
    resolved = resolve(name, Overrides(render_gpu=0, llm_gpu=1))
    told = told_by_all(resolved)
    assert "language model" not in [each["what"] for each in told["models"]]
    assert [part.what for part in resolved.llm_plan.components] == ["language model"]
    assert (resolved.memory_plan.gpu.device, resolved.llm_plan.gpu.device) == ("cuda:0", "cuda:1")
    lines = [need.what for need in requirements(resolved)]
    for plan in (resolved.memory_plan, resolved.llm_plan):
        assert any(line.startswith(f"{plan.peak / GIB:.0f} GB on the GPU") for line in lines)


def test_a_single_file_is_told_in_the_same_numbers_by_all(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "all_here", lambda: MACHINES["RTX 4090"])
    file = as_gguf(tmp_path / "flux2-klein-4b.gguf", tiny.transformer(guidance=False).state_dict())
    asked = Overrides(renderer=str(file), renderer_base="black-forest-labs/FLUX.2-klein-4B")
    told = told_by_all(resolve("klein", asked))
    sizes = {each["what"]: each["gb"] for each in told["models"]}
    assert sizes["transformer"] == 0.0 and sizes["text encoder"] > 1

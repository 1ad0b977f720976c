"""The renderer on diffusers, at tiny size with random weights: the same code as for the released models."""

from __future__ import annotations

import gc
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tiny
import torch
from PIL import Image

from steer.errors import RendererError, SettingsError, UsageError
from steer.renderer import RenderSettings, open_renderer
from steer.renderer.load import Pipelines, quantization, short_text_encoder, without_head
from steer.renderer.source import components, find_source
from steer.renderer.stage import HEADROOM, Stage

SMALL = RenderSettings(width=32, height=32, steps=2, batch_size=4, max_sequence_length=16)
STOCK = {"width": 32, "height": 32, "num_inference_steps": 2, "max_sequence_length": 16}
PROMPTS = [
    "floating mossy rocks",
    "a red car",
    "a blue landscape painting",
    "rocks in the style of a photograph",
]


@pytest.fixture(scope="module")
def flux2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tiny.flux2(), tmp_path_factory.mktemp("models") / "flux2")


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tiny.klein(), tmp_path_factory.mktemp("models") / "klein")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=int)


def furthest(ours: Sequence[Image.Image], theirs: Sequence[Image.Image]) -> int:
    """The largest difference of any pixel, 0..255."""
    return max(np.abs(pixels(a) - pixels(b)).max() for a, b in zip(ours, theirs, strict=True))


def one_by_one(pipe: Any, prompts: Sequence[str], seeds: Sequence[int], **more: Any) -> list[Image.Image]:
    """What everybody does: the pipeline called once for each prompt."""
    pipe.set_progress_bar_config(disable=True)
    return [
        pipe(prompt=prompt, generator=torch.Generator().manual_seed(seed), **more).images[0]
        for prompt, seed in zip(prompts, seeds, strict=True)
    ]


def counted(renderer: Any) -> list[list[str | int]]:
    """Fills with the batches that the renderer hands to its model, by seed, and with prompts as encoded."""
    seen: list[list[str | int]] = []
    denoise, embed = renderer._denoise, renderer._embed

    def count_images(jobs, encoded, stop):
        seen.append([seed for _, seed in jobs])
        return denoise(jobs, encoded, stop)

    def count_prompts(prompts):
        seen.append(list(prompts))
        return embed(prompts)

    renderer._denoise, renderer._embed = count_images, count_prompts
    return seen


# --- the same images, for less work


def test_flux2_renders_what_the_pipeline_renders_when_called_once_per_prompt(flux2):
    seeds = [0, 1, 2, 3]
    ours = list(open_renderer(flux2, settings=SMALL).render(PROMPTS, seeds))
    stock = one_by_one(tiny.flux2(), PROMPTS, seeds, **STOCK)
    assert furthest(ours, stock) <= 1
    same_noise = one_by_one(tiny.flux2(), PROMPTS[:2], [0, 0], **STOCK)
    assert furthest(same_noise[:1], same_noise[1:]) > 8  # the prompt shows, so the comparison means something


def test_an_image_is_the_same_at_any_batch_size_and_in_any_company(flux2):
    together = list(open_renderer(flux2, settings=SMALL).render(PROMPTS, [5, 6, 7, 8]))
    for size in (1, 3):
        renderer = open_renderer(flux2, settings=replace(SMALL, batch_size=size))
        backwards = list(renderer.render(PROMPTS[::-1], [8, 7, 6, 5]))[::-1]
        assert furthest(together, backwards) <= 1


@pytest.mark.parametrize("distilled", [True, False])
def test_klein_renders_what_its_pipeline_renders_guided_or_not(distilled, tmp_path):
    folder = tiny.save(tiny.klein(distilled), tmp_path / "klein")
    renderer = open_renderer(folder, settings=SMALL)
    assert renderer.guidance_scale == (1.0 if distilled else 4.0)
    stock = one_by_one(
        tiny.klein(distilled), PROMPTS, [0, 1, 2, 3], **STOCK, guidance_scale=renderer.guidance_scale
    )
    assert furthest(list(renderer.render(PROMPTS, [0, 1, 2, 3])), stock) <= 1


@pytest.mark.parametrize("guidance", [5.0, 0.0])
def test_stable_diffusion_renders_what_its_pipeline_renders_at_its_own_size(guidance, tmp_path):
    folder = tiny.save(tiny.stable_diffusion(), tmp_path / "sd")
    renderer = open_renderer(folder, settings=RenderSettings(steps=2, guidance_scale=guidance, batch_size=3))
    assert (renderer.width, renderer.height) == (32, 32)
    stock = one_by_one(
        tiny.stable_diffusion(), PROMPTS, [0, 1, 2, 3], num_inference_steps=2, guidance_scale=guidance
    )
    assert furthest(list(renderer.render(PROMPTS, [0, 1, 2, 3])), stock) <= 1


def test_a_pipeline_that_is_not_known_gets_its_prompts_as_text(tmp_path, monkeypatch):
    folder = tiny.save(tiny.stable_diffusion(), tmp_path / "sd")
    monkeypatch.delitem(tiny_families(), "StableDiffusionPipeline")
    renderer = open_renderer(folder, settings=RenderSettings(steps=2))
    stock = one_by_one(tiny.stable_diffusion(), PROMPTS[:2], [0, 1], num_inference_steps=2)
    assert furthest(list(renderer.render(PROMPTS[:2], [0, 1])), stock) <= 1


def tiny_families() -> dict[str, Any]:
    from steer.renderer import settings

    return settings.FAMILIES


def test_all_new_prompts_of_a_call_are_encoded_once_in_one_batch(flux2):
    renderer = open_renderer(flux2, settings=SMALL)
    seen = counted(renderer)
    list(renderer.render([PROMPTS[0], PROMPTS[1], PROMPTS[0]], [0, 0, 1]))
    assert seen == [PROMPTS[:2], [0, 0, 1]]
    seen.clear()
    list(renderer.render([PROMPTS[1], PROMPTS[2], PROMPTS[1]], [3, 3, 0]))
    assert seen == [[PROMPTS[2]], [3, 3]]  # seed 0 of the second prompt is there already


def test_caches_on_disk_outlive_the_process_and_other_settings_do_not_share_them(flux2, tmp_path):
    first = open_renderer(flux2, settings=SMALL, cache=tmp_path / "cache")
    images = list(first.render(PROMPTS[:2], [0, 1]))
    second = open_renderer(flux2, settings=SMALL, cache=tmp_path / "cache")
    seen = counted(second)
    assert furthest(list(second.render(PROMPTS[:2], [0, 1])), images) == 0
    assert seen == []
    other = open_renderer(flux2, settings=replace(SMALL, steps=3), cache=tmp_path / "cache")
    seen = counted(other)
    list(other.render(PROMPTS[:1], [0]))
    assert seen == [[0]]  # the embedding fits, the image does not


# --- the text encoder without what nobody reads


def source_of(folder: Path) -> Any:
    return find_source(folder, device="cpu")


@pytest.mark.parametrize("kind", ["Mistral3ForConditionalGeneration", "Qwen3ForCausalLM"])
def test_the_short_text_encoder_computes_the_same_bits_with_fewer_weights(kind, flux2, klein):
    folder, whole, depths = (
        (flux2, tiny.mistral(), (10, 20, 30))
        if kind.startswith("Mistral")
        else (klein, tiny.qwen(), (9, 18, 27))
    )
    short = short_text_encoder(source_of(folder), kind, depths[-1], {})
    ids = torch.arange(2, 50).repeat(3, 1)
    mask = torch.ones_like(ids)
    mask[0, :20] = 0
    mask[1, 30:] = 0
    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "output_hidden_states": True,
        "use_cache": False,
    }
    with torch.no_grad():
        expected, found = whole(**inputs).hidden_states, short(**inputs).hidden_states
    assert len(found) == depths[-1] + 1 < len(expected)
    for depth in depths:
        assert torch.equal(found[depth], expected[depth])
    weights = [sum(p.numel() for p in model.parameters()) for model in (short, whole)]
    assert weights[0] < 0.8 * weights[1]


def test_the_last_norm_has_to_go_with_the_layers_above_it():
    ids = torch.arange(2, 12)[None]
    with torch.no_grad():
        normed = tiny.qwen(layers=27)(input_ids=ids, output_hidden_states=True).hidden_states
        bare = without_head(tiny.qwen(layers=27))(input_ids=ids, output_hidden_states=True).hidden_states
    assert torch.equal(bare[-2], normed[-2])
    assert not torch.equal(bare[-1], normed[-1])


def test_a_text_encoder_that_is_too_short_is_refused(tmp_path):
    pipe = tiny.klein()
    pipe.text_encoder = tiny.qwen(layers=20)
    renderer = open_renderer(tiny.save(pipe, tmp_path / "klein"), settings=SMALL)
    with pytest.raises(RendererError, match=r"20 layers of 27 needed"):
        list(renderer.render(["a"], [0]))


# --- what goes wrong


def out_of_memory_once(renderer: Any, method: str) -> None:
    work, calls = getattr(renderer, method), []

    def fail_once(items, *rest):
        calls.append(items)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return work(items, *rest)

    setattr(renderer, method, fail_once)


@pytest.mark.parametrize(
    ("method", "note"),
    [
        ("_denoise", "out of memory at 4 images at once, went on with 2"),
        ("_embed", "out of memory at 4 prompts at once, went on with 2"),
    ],
)
def test_out_of_memory_halves_the_batch_and_says_so(method, note, flux2):
    expected = list(open_renderer(flux2, settings=SMALL).render(PROMPTS, [0, 1, 2, 3]))
    renderer = open_renderer(flux2, settings=SMALL)
    out_of_memory_once(renderer, method)
    seen = counted(renderer)
    assert furthest(list(renderer.render(PROMPTS, [0, 1, 2, 3])), expected) <= 1
    assert renderer.notes() == [note]
    assert renderer.notes() == []
    assert [len(batch) for batch in seen if isinstance(batch[0], str) == (method == "_embed")] == [4, 2, 2]


def test_one_image_that_does_not_fit_alone_names_the_smaller_plan(flux2):
    renderer = open_renderer(flux2, settings=replace(SMALL, batch_size=1))
    out_of_memory_once(renderer, "_denoise")
    with pytest.raises(RendererError, match=r"out of memory with a single one .*try --memory nf4"):
        list(renderer.render(["a"], [0]))


def spoiled(renderer: Any, seeds: dict[int, float]) -> None:
    """The pipeline returns images that are all NaN or all black for these seeds."""
    pipe = renderer._pipes.image

    class Spoiled:
        def __getattr__(self, name):
            return getattr(pipe, name)

        def __call__(self, generator, **arguments):
            made = pipe(generator=generator, **arguments)
            for i, one in enumerate(generator):
                if one.initial_seed() in seeds:
                    made.images[i] = seeds[one.initial_seed()]
            return made

    renderer._pipes._halves["image"] = Spoiled()


def test_a_nan_or_black_image_fails_alone_and_its_neighbours_are_not_made_twice(flux2):
    expected = list(open_renderer(flux2, settings=SMALL).render(PROMPTS, [0, 1, 2, 3]))
    renderer = open_renderer(flux2, settings=SMALL)
    spoiled(renderer, {1: float("nan"), 2: 0.0})
    seen = counted(renderer)
    images = renderer.render(PROMPTS, [0, 1, 2, 3])
    assert furthest([next(images)], expected[:1]) <= 1
    with pytest.raises(RendererError, match=r"not numbers"):
        next(images)
    with pytest.raises(RendererError, match=r"black"):
        next(renderer.render(PROMPTS[2:], [2, 3]))
    assert furthest(list(renderer.render(PROMPTS[3:], [3])), expected[3:]) <= 1
    assert [batch for batch in seen if isinstance(batch[0], int)] == [[0, 1, 2, 3]]


def test_a_prompt_that_cannot_be_encoded_fails_alone(flux2):
    renderer = open_renderer(flux2, settings=SMALL)
    embed = renderer._embed

    def fussy(prompts):
        if "a red car" in prompts:
            raise ValueError("no cars")
        return embed(prompts)

    renderer._embed = fussy
    images = renderer.render(PROMPTS[:3], [0, 0, 0])
    next(images)
    with pytest.raises(RendererError, match=r"ValueError: no cars"):
        next(images)
    assert len(list(renderer.render(PROMPTS[2:3], [0]))) == 1


@pytest.mark.parametrize("broken", ["denoiser's latents", "decoder's pixels"])
def test_the_half_whose_numbers_are_not_finite_is_named(broken, flux2):
    renderer = open_renderer(flux2, settings=SMALL)
    pipe = renderer._pipes.image
    module = pipe.transformer if broken.startswith("denoiser") else pipe.vae.decoder
    module.register_forward_hook(lambda module, given, made: torch.full_like(first(made), torch.nan)[None])
    with pytest.raises(RendererError, match=rf"the {broken} are not numbers \(NaN\)"):
        list(renderer.render(["a"], [0]))


def first(made: Any) -> torch.Tensor:
    return made if torch.is_tensor(made) else made[0]


def text_encoder_that_makes_nan(renderer: Any, rows: slice, plain_too: bool) -> list[bool]:
    """Its hidden states are NaN in these rows, unless attention is plain; says when cuDNN's was allowed."""
    pipe, cudnn = renderer._pipes.text, []
    encode = type(pipe).encode_prompt

    def encode_prompt(prompt, device=None, num_images_per_prompt=1, max_sequence_length=512):
        made = encode(pipe, prompt, device, num_images_per_prompt, None, max_sequence_length)
        cudnn.append(torch.backends.cuda.cudnn_sdp_enabled())
        if plain_too or torch.backends.cuda.flash_sdp_enabled():
            made[0][rows] = torch.nan
        return made

    pipe.encode_prompt = encode_prompt
    return cudnn


def test_prompts_are_encoded_again_with_plain_attention_where_the_fast_one_made_nan(flux2):
    expected = list(open_renderer(flux2, settings=SMALL).render(PROMPTS, [0, 1, 2, 3]))
    renderer = open_renderer(flux2, settings=SMALL)
    cudnn = text_encoder_that_makes_nan(renderer, slice(1, 3), plain_too=False)
    assert furthest(list(renderer.render(PROMPTS, [0, 1, 2, 3])), expected) <= 1
    assert renderer.notes() == ["the text encoder's fast attention made NaN, went on with the plain one"]
    list(renderer.render(["something new"], [0]))
    assert cudnn == [False, False, False] and renderer.notes() == []  # the third was plain at once


def test_a_text_encoder_that_makes_nan_all_the_same_is_named_and_its_neighbours_are_rendered(flux2):
    renderer = open_renderer(flux2, settings=SMALL)
    text_encoder_that_makes_nan(renderer, slice(1, 2), plain_too=True)
    with pytest.raises(RendererError, match=r"text encoder's hidden states are not numbers \(NaN\)"):
        list(renderer.render(PROMPTS[:2], [0, 1]))
    assert len(list(renderer.render(PROMPTS[:1], [0]))) == 1
    assert renderer.notes() == []


def test_whoever_stops_looking_does_not_wait_for_the_next_batch(flux2):
    renderer = open_renderer(flux2, settings=replace(SMALL, steps=100, batch_size=1))
    steps = []
    pipe = renderer._pipes.image
    step = pipe.scheduler.step
    pipe.scheduler.step = lambda *a, **k: (steps.append(1), step(*a, **k))[1]
    images = renderer.render(["a", "b"], [0, 0])
    next(images)
    images.close()
    assert len(steps) < 195


# --- LoRA


def lora(folder: Path, name: str = "style.safetensors") -> Path:
    """A LoRA on the transformer's attention, strong enough to show."""
    from peft import LoraConfig, get_peft_model_state_dict

    pipe = tiny.flux2()
    pipe.transformer.add_adapter(LoraConfig(r=2, init_lora_weights=False, target_modules=["to_v", "to_q"]))
    with torch.no_grad():
        for key, weight in pipe.transformer.named_parameters():
            if "lora_B" in key:
                weight.fill_(3.0)
    layers = get_peft_model_state_dict(pipe.transformer)
    pipe.save_lora_weights(folder, transformer_lora_layers=layers, weight_name=name)
    return folder / name


def test_a_lora_changes_the_image_as_strongly_as_asked_and_is_part_of_the_identity(flux2, tmp_path):
    file = lora(tmp_path / "lora")
    plain = open_renderer(flux2, settings=SMALL)
    full = open_renderer(flux2, settings=SMALL, lora=(str(file),))
    none = open_renderer(flux2, settings=SMALL, lora=(f"{file}=0",))
    images = [next(iter(r.render(["a red car"], [0]))) for r in (plain, full, none)]
    assert furthest(images[:1], images[1:2]) > 1
    assert furthest(images[:1], images[2:]) <= 1
    assert len({r.sha256 for r in (plain, full, none)}) == 3
    assert (plain.lora, full.lora, none.lora) == (None, "style.safetensors", "style.safetensors=0")


def test_a_lora_that_is_missing_damaged_or_made_for_another_model_is_named(flux2, klein, tmp_path):
    from safetensors.torch import save_file

    file = lora(tmp_path / "lora")
    with pytest.raises(RendererError, match=r"no LoRA owner/style .*steer setup owner/style"):
        open_renderer(flux2, lora=("owner/style",))
    with pytest.raises(UsageError, match=r"strength"):
        open_renderer(flux2, lora=(f"{file}=strong",))
    other = tmp_path / "other.safetensors"
    save_file({"transformer.nothing.lora_A.weight": torch.ones(2, 2)}, other)
    renderer = open_renderer(flux2, settings=SMALL, lora=(str(other),))
    with pytest.raises(RendererError, match=r"other\.safetensors"):
        list(renderer.render(["a"], [0]))
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(RendererError, match=r"not a whole safetensors file"):
        open_renderer(flux2, lora=(str(file),))


# --- settings


def test_dev_has_the_papers_settings_and_the_others_their_own(flux2, klein):
    dev, small = open_renderer(flux2), open_renderer(klein)
    assert (dev.steps, dev.guidance_scale, dev.width, dev.height) == (50, 4.0, 512, 512)
    assert (small.steps, small.guidance_scale, small.width) == (4, 1.0, 512)
    assert dev.memory == "bf16"
    assert dev.sha256 != open_renderer(flux2, settings=RenderSettings(steps=20)).sha256
    assert dev.sha256 == open_renderer(flux2, settings=RenderSettings(batch_size=1)).sha256


@pytest.mark.parametrize(
    "wrong", [{"width": 500}, {"height": 0}, {"steps": 0}, {"guidance_scale": -1}, {"batch_size": 0}]
)
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(SettingsError, match=f"{next(iter(wrong))} is "):
        RenderSettings(**wrong)


# --- weights that are not there, not whole, or not for this machine


def test_weights_that_are_not_here_are_named_with_the_command_that_fetches_them():
    with pytest.raises(RendererError, match=r"steer setup stabilityai/sd-turbo$"):
        open_renderer("stabilityai/sd-turbo")
    with pytest.raises(RendererError, match=r"accept its terms .*hf auth login.*steer setup black-forest"):
        open_renderer("black-forest-labs/FLUX.2-dev")
    with pytest.raises(RendererError, match=r"steer setup a/b@abc$"):
        open_renderer("a/b", revision="abc")
    with pytest.raises(UsageError, match=r"neither a folder nor a hub id"):
        open_renderer("what is this")
    with pytest.raises(RendererError, match=r"there is no folder /nowhere/at/all"):
        open_renderer("/nowhere/at/all")


def test_weights_in_the_hubs_cache_are_found_with_their_commit(flux2, tmp_path, monkeypatch):
    commit = "0123456789" * 4
    cache = tmp_path / "hub"
    model = cache / "models--owner--model"
    shutil.copytree(flux2, model / "snapshots" / commit)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    found = find_source("owner/model", device="cpu")
    assert (found.model, found.revision) == ("owner/model", commit)
    (model / "snapshots" / commit / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(RendererError, match=r"incomplete: transformer .*steer setup owner/model"):
        find_source("owner/model", device="cpu")


def damaged(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_half_downloaded_weights_are_named_file_by_file(flux2, tmp_path):
    copy = damaged(flux2, tmp_path)
    weights = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RendererError, match=r"transformer/diffusion_pytorch_model\.safetensors is cut short"):
        open_renderer(copy)
    weights.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(RendererError, match=r"cut short"):
        open_renderer(copy)
    weights.rename(weights.with_name("diffusion_pytorch_model-00001-of-00002.safetensors"))
    listing = {"weight_map": {"a": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
    (copy / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(listing))
    with pytest.raises(RendererError, match=r"00001-of-00002\.safetensors is cut short"):
        open_renderer(copy)
    weights.with_name("diffusion_pytorch_model-00001-of-00002.safetensors").write_bytes(whole)
    with pytest.raises(RendererError, match=r"00002-of-00002\.safetensors is missing"):
        open_renderer(copy)
    shutil.rmtree(copy / "transformer")
    with pytest.raises(RendererError, match=r"the folder transformer is missing"):
        open_renderer(copy)


def test_pickled_weights_are_not_read(flux2, tmp_path):
    copy = damaged(flux2, tmp_path)
    for weights in (copy / "vae").glob("*.safetensors"):
        weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    with pytest.raises(RendererError, match=r"diffusion_pytorch_model\.bin, and only safetensors are read"):
        open_renderer(copy)


def test_what_is_no_pipeline_is_named(tmp_path, flux2):
    with pytest.raises(
        RendererError, match=r"not a pipeline of diffusers \(model_index\.json: there is none\)"
    ):
        open_renderer(tmp_path)
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(RendererError, match=r"cannot be read"):
        open_renderer(tmp_path)
    copy = damaged(flux2, tmp_path)
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps({**index, "_class_name": "ShapEPipeline"}))
    with pytest.raises(RendererError, match=r"makes no images of texts alone"):
        open_renderer(copy)


def test_a_model_too_big_for_a_cpu_and_plans_that_need_a_gpu_are_refused(flux2, monkeypatch):
    with pytest.raises(RendererError, match=r"--memory nf4 needs an NVIDIA GPU"):
        open_renderer(flux2, memory="nf4", device="cpu")
    with pytest.raises(UsageError, match=r"choose --memory bf16, fp8, nf4"):
        open_renderer(flux2, memory="int3")
    monkeypatch.setattr("steer.renderer.source.CPU_LIMIT", 1000)
    with pytest.raises(RendererError, match=r"needs a GPU, and none was found"):
        open_renderer(flux2, device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(flux2):
    with pytest.raises(RendererError, match=r"no GPU was found; see: steer doctor"):
        open_renderer(flux2, device="cuda")


def test_a_plan_names_the_package_it_lacks(flux2, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    found = {"torchao": None, "bitsandbytes": None}
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: found[name] if name in found else find(name)
    )
    with pytest.raises(RendererError, match=r"pip install torchao"):
        open_renderer(flux2, memory="fp8", device="cuda")
    with pytest.raises(RendererError, match=r"pip install bitsandbytes"):
        open_renderer(flux2, memory="nf4", device="cuda")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A100")
    with pytest.raises(RendererError, match=r"A100 is too old for fp8.*--memory nf4"):
        open_renderer(flux2, memory="fp8", device="cuda")
    found["diffusers"] = None
    with pytest.raises(RendererError, match=r"needs the package diffusers; run: pip install 'steer\[gpu\]'"):
        open_renderer(flux2)


def test_unets_are_float16_on_a_gpu_and_transformers_bfloat16(flux2, tmp_path):
    unet = find_source(tiny.save(tiny.stable_diffusion(), tmp_path / "sd"), device="cpu")
    dit = find_source(flux2, device="cpu")
    assert (unet.dtype, dit.dtype) == ("float32", "float32")
    on_gpu = [replace(source, device="cuda") for source in (unet, dit)]
    assert [source.dtype for source in on_gpu] == ["float16", "bfloat16"]
    assert replace(unet, device="cuda", memory="fp8").dtype == "bfloat16"  # torchao's products give no other
    pipes = [Pipelines(source).image for source in on_gpu]
    assert (pipes[0].unet.dtype, pipes[0].vae.dtype) == (torch.float16, torch.float16)
    assert (pipes[1].transformer.dtype, pipes[1].vae.dtype) == (torch.bfloat16, torch.bfloat16)


def test_fp8_never_divides_by_the_scale_of_a_row_of_zeros(flux2, monkeypatch):
    quantized = SimpleNamespace(Float8DynamicActivationFloat8WeightConfig=SimpleNamespace, PerRow=object)
    monkeypatch.setitem(sys.modules, "torchao", SimpleNamespace(quantization=quantized))
    monkeypatch.setitem(sys.modules, "torchao.quantization", quantized)
    for library in ("diffusers", "transformers"):
        monkeypatch.setattr(f"{library}.TorchAoConfig", lambda config: config)
    source = replace(source_of(flux2), memory="fp8", device="cuda")
    found = quantization(source, components(source.index))
    assert found.keys() == {"transformer", "text_encoder"}
    assert all(config.activation_value_lb > 0 for config in found.values())


# --- memory


class Cudart:
    """Page-locks what it is asked to, and remembers it; or refuses."""

    def __init__(self, refuses: int = 0) -> None:
        self.refuses, self.locked, self.calls = refuses, {}, 0

    def cudaHostRegister(self, address: int, size: int, flags: int) -> int:
        self.calls += 1
        if not self.refuses:
            self.locked[address] = size
        return self.refuses

    def cudaHostUnregister(self, address: int) -> int:
        del self.locked[address]
        return 0


@pytest.fixture
def cudart(monkeypatch: pytest.MonkeyPatch) -> Cudart:
    made = Cudart()
    monkeypatch.setattr(torch.cuda, "cudart", lambda: made)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    return made


def awake(sizes: Sequence[int]) -> tuple[Stage, Any]:
    module = torch.nn.ParameterList(torch.nn.Parameter(torch.randn(3, size)) for size in sizes)
    stage = Stage([module], "cuda")
    stage.awake = True
    return stage, module


def test_resting_weights_lie_in_one_page_locked_block_that_is_no_larger_than_they_are(cudart):
    stage, module = awake([1000, 70_001, 33])  # torch's own would take 2.1 MB for these 852 kB
    before = [parameter.detach().clone() for parameter in module]
    stage.rest()
    [size] = cudart.locked.values()
    assert sum(p.nbytes for p in before) <= size <= sum(p.nbytes for p in before) + 256 * len(before)
    assert all(torch.equal(*pair) for pair in zip(before, module, strict=True))
    assert all(any(a <= p.data_ptr() < a + size for a in cudart.locked) for p in module)
    stage.awake = True  # as if it had been on the device
    for parameter in module:
        parameter.data = torch.zeros_like(parameter)
    stage.rest()
    assert cudart.calls == 1 and all(torch.equal(*pair) for pair in zip(before, module, strict=True))
    del stage
    gc.collect()
    assert not cudart.locked


def test_memory_that_cannot_be_page_locked_is_used_as_it_is_and_said(cudart, flux2, monkeypatch):
    cudart.refuses = 2

    def zeros(*size, device):
        raise RuntimeError("CUDA error: out of memory")  # of the registration, reported by the next call

    stage, module = awake([100])
    before = module[0].detach().clone()
    monkeypatch.setattr(torch, "zeros", zeros)
    stage.rest()
    assert torch.equal(module[0], before)
    renderer = open_renderer(flux2, settings=SMALL)
    renderer._stages["text"] = stage
    assert renderer.notes() == [
        "main memory could not be page-locked (0 GB, CUDA error 2): models come back more slowly"
    ]
    assert renderer.notes() == []


def test_rest_and_close_give_memory_back_and_rendering_goes_on_afterwards(flux2):
    renderer = open_renderer(flux2, settings=SMALL)
    first = list(renderer.render(PROMPTS[:1], [0]))
    renderer.rest()
    renderer.rest()
    list(renderer.render(PROMPTS[1:2], [0]))
    renderer.close()
    renderer.close()
    assert renderer._pipes._halves == {}
    assert furthest(list(renderer.render(PROMPTS[:1], [0])), first) == 0
    assert renderer._pipes._halves == {}  # it was in the cache
    assert len(list(renderer.render(PROMPTS[2:3], [4]))) == 1


class Device(torch.nn.Module):
    """A module that a full device cannot take, or only after another has left."""

    def __init__(self, room: list[int]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4))
        self.room = room

    def to(self, device):
        if str(device) != "cpu":
            if self.room[0] < 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            self.room[0] -= 1
        return self


def test_a_half_that_does_not_fit_says_what_fits():
    stage = Stage([Device([0])], "mps")
    with pytest.raises(RendererError, match=r"do not fit into the memory of mps.*--memory nf4"):
        stage.wake()
    assert not stage.awake


def test_one_half_leaves_the_device_only_if_both_do_not_fit(monkeypatch, cudart):
    free = [2 * HEADROOM]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[0], 0))
    text, image = Stage([Device([9])], "cuda"), Stage([Device([9])], "cuda")
    text.wake()
    image.wake(text)
    assert (text.awake, image.awake) == (True, True)
    image.rest()
    free[0] = HEADROOM
    image.wake(text)
    assert (text.awake, image.awake) == (False, True)

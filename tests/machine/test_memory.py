"""Sizes counted from configs are those of the models built from them; plans say what fits on which card."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward.encoders import weights
from reward.errors import CheckpointError
from steer.errors import PresetError, RendererError, UsageError
from steer.machine import hub, main_memory
from steer.machine.doctor import _python
from steer.machine.estimate import describe, estimate
from steer.machine.gpu_memory import Models, components_of, plan_memory, vllm_share
from steer.machine.gpus import GIB, GPUS, TYPICAL, Gpu, by_name, from_driver, here, only
from steer.machine.loading import beside, load
from steer.machine.model_sizes import (
    LAYERS_READ,
    decode_flops,
    encode_flops,
    known,
    look_flops,
    read,
    size_of,
    step_flops,
)
from steer.machine.overrides import Overrides
from steer.machine.presets import least_gpu, requirements, resolve
from steer.renderer.settings import PROMPTS_AT_ONCE
from steer.renderer.source import find_source
from steer.settings import Settings

DEV, KLEIN = "black-forest-labs/FLUX.2-dev", "black-forest-labs/FLUX.2-klein-4B"
TINY = {
    "_class_name": "Flux2Transformer2DModel", "patch_size": 1, "in_channels": 16, "num_layers": 2,
    "num_single_layers": 3, "attention_head_dim": 16, "num_attention_heads": 2, "joint_attention_dim": 24,
    "timestep_guidance_channels": 32, "mlp_ratio": 3.0,
    "axes_dims_rope": [4, 4, 4, 4], "guidance_embeds": True,
}  # fmt: skip


def built(model_class, **config):
    """A model on the meta device: shapes without memory."""
    with torch.device("meta"):
        return model_class(**config)


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def transformer(config):
    from diffusers import Flux2Transformer2DModel

    return built(Flux2Transformer2DModel, **{k: v for k, v in config.items() if not k.startswith("_")})


def autoencoder(config):
    from diffusers import AutoencoderKLFlux2

    kinds = len(config["block_out_channels"])
    return built(
        AutoencoderKLFlux2,
        down_block_types=["DownEncoderBlock2D"] * kinds,
        up_block_types=["UpDecoderBlock2D"] * kinds,
        **{k: v for k, v in config.items() if not k.startswith("_")},
    )


def decoder(config, layers):
    """The text encoder as the renderer keeps it: its first layers and embeddings, no norm, no head."""
    from transformers import AutoConfig, AutoModel

    text = dict(config.get("text_config", config))
    own = AutoConfig.for_model(text.pop("model_type"), **{**text, "num_hidden_layers": layers})
    with torch.device("meta"):
        model = AutoModel.from_config(own)
    model.norm = torch.nn.Identity()
    return model


# --- counts


@pytest.mark.parametrize("guidance", [True, False])
def test_a_tiny_transformers_count_is_that_of_the_model_built_from_the_same_config(guidance):
    config = {**TINY, "guidance_embeds": guidance}
    model = transformer(config)
    assert size_of(config).parameters == parameters(model)
    blocks = [*model.transformer_blocks, *model.single_transformer_blocks]
    linear = [m for block in blocks for m in block.modules() if isinstance(m, torch.nn.Linear)]
    assert size_of(config).linear == sum(parameters(layer) for layer in linear)


@pytest.mark.parametrize(
    ("model", "billions"), [(DEV, 32.2), ("black-forest-labs/FLUX.2-klein-9B", 9.1), (KLEIN, 3.9)]
)
def test_the_full_transformers_have_the_published_sizes_and_are_built_to_the_last_parameter(model, billions):
    config = known()[model]["transformer"]
    counted = size_of(config).parameters
    assert round(counted / 1e9, 1) == billions
    assert counted == parameters(transformer({**config, "axes_dims_rope": [32, 32, 32, 32]}))


def test_the_autoencoder_is_counted_to_the_last_parameter():
    config = known()[DEV]["vae"]
    assert size_of(config).parameters == parameters(autoencoder(config))
    small = {
        **config,
        "block_out_channels": [8, 16],
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 4,
    }
    assert size_of(small).parameters == parameters(autoencoder(small))


@pytest.mark.parametrize("model", [DEV, KLEIN, "black-forest-labs/FLUX.2-klein-9B"])
def test_text_encoders_are_counted_as_the_renderer_cuts_them(model):
    config, layers = known()[model]["text_encoder"], LAYERS_READ[known()[model]["pipeline"]]
    assert size_of(config, layers).parameters == parameters(decoder(config, layers))


def test_the_cut_text_encoder_of_dev_takes_the_known_34_7_gigabytes():
    assert size_of(known()[DEV]["text_encoder"], 30).bytes("bf16") / 1e9 == pytest.approx(34.7, abs=0.1)


@pytest.mark.parametrize("model", ["meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-Embedding-0.6B"])
def test_language_models_are_counted_to_the_last_parameter(model):
    from transformers import AutoConfig, AutoModelForCausalLM

    config = dict(known()[model])
    own = AutoConfig.for_model(config.pop("model_type"), **config)
    with torch.device("meta"):
        assert size_of(known()[model]).parameters == parameters(AutoModelForCausalLM.from_config(own))


@pytest.mark.parametrize("model", ["google/siglip2-so400m-patch14-384", "google/siglip2-base-patch16-224"])
def test_image_text_encoders_are_counted_to_the_last_parameter(model):
    from transformers import SiglipConfig, SiglipModel

    config = known()[model]
    heads = {"num_attention_heads": 16 if config["vision_config"]["hidden_size"] == 1152 else 12}
    own = SiglipConfig(
        text_config={
            **config["text_config"],
            **heads,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 0,
        },
        vision_config={**config["vision_config"], **heads},
    )
    with torch.device("meta"):
        assert size_of(config).parameters == parameters(SiglipModel(own))


@pytest.mark.parametrize(
    ("model", "kind", "billions"),
    [
        ("Qwen/Qwen-Image", "QwenImageTransformer2DModel", 20.4),
        ("Tongyi-MAI/Z-Image-Turbo", "ZImageTransformer2DModel", 6.2),
    ],
)
def test_transformers_of_other_families_are_counted_to_the_last_parameter(model, kind, billions):
    import diffusers

    config = known()[model]["transformer"]
    made = built(getattr(diffusers, kind), **{k: v for k, v in config.items() if not k.startswith("_")})
    assert size_of(config).parameters == parameters(made)
    assert round(size_of(config).parameters / 1e9, 1) == billions
    names = ("transformer_blocks", "layers", "noise_refiner", "context_refiner")
    blocks = [part for name, part in made.named_children() if name in names]
    linear = [m for block in blocks for m in block.modules() if isinstance(m, torch.nn.Linear)]
    assert size_of(config).linear == sum(parameters(layer) for layer in linear)


def test_what_belongs_to_other_families_is_counted_to_the_last_parameter():
    from diffusers import AutoencoderKL, AutoencoderKLQwenImage
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    config = known()["Qwen/Qwen-Image"]["text_encoder"]
    text = {**config["text_config"], "model_type": "qwen2_5_vl_text"}
    eyes = {**config["vision_config"], "num_heads": 16}
    with torch.device("meta"):
        whole = Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(text_config=text, vision_config=eyes, tie_word_embeddings=False)
        )
        films = AutoencoderKLQwenImage()
    assert size_of(config).parameters == parameters(whole)
    assert size_of(known()["Qwen/Qwen-Image"]["vae"]).parameters == parameters(films)
    config = known()["Tongyi-MAI/Z-Image-Turbo"]["vae"]
    kinds = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    asked = {k: v for k, v in config.items() if not k.startswith("_")}
    assert size_of(config).parameters == parameters(built(AutoencoderKL, **kinds, **asked))


def test_the_new_presets_fit_where_they_are_meant_to():
    assert on("24 GB", "bf16", "z-image-turbo").peak < 26 * GIB
    assert [on(card, "bf16", "qwen-image").fits for card in TYPICAL] == [False, True, True]
    assert on("24 GB", "nf4", "qwen-image").fits and on("80 GB", "bf16", "klein-9b").fits
    assert on("80 GB", "bf16", "qwen-image").image_seconds is None  # nobody has counted what it computes


def test_a_kind_that_is_not_counted_says_so():
    assert size_of({"_class_name": "UNet2DConditionModel"}) is None and size_of({}) is None


# --- floating point operations


def measured(run):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device("meta"):
        run()
    return counter.get_total_flops()


def test_a_step_computes_what_the_built_transformer_computes():
    size, text = 512, 512
    model = transformer(TINY)
    tokens = (size // 16) ** 2
    places = {
        "img_ids": torch.zeros(tokens, 4, device="meta"),
        "txt_ids": torch.zeros(text, 4, device="meta"),
    }

    def run():
        model(
            hidden_states=torch.zeros(1, tokens, 16), encoder_hidden_states=torch.zeros(1, text, 24),
            timestep=torch.zeros(1), guidance=torch.zeros(1), **places,
        )  # fmt: skip

    # Embeddings of time and the modulation are left out: they do not grow with the picture.
    assert step_flops(TINY, size, text) == pytest.approx(measured(run), rel=0.01)


def test_a_step_of_dev_has_the_known_floor():
    assert step_flops(known()[DEV]["transformer"], 512) / 1e12 == pytest.approx(87.8, abs=0.1)


def test_decoding_computes_what_the_built_autoencoder_computes():
    config = known()[DEV]["vae"]
    model = autoencoder(config)
    run = lambda: model.decode(torch.zeros(1, 32, 16, 16))  # noqa: E731
    assert decode_flops(config, 128) == pytest.approx(measured(run), rel=0.02)


def test_encoding_and_looking_cost_about_two_operations_per_parameter_and_token():
    text = known()[DEV]["text_encoder"]
    assert encode_flops(text, 30) == pytest.approx(2 * size_of(text, 30).linear * 512, rel=0.02)
    assert look_flops(known()["google/siglip2-so400m-patch14-384"]) == pytest.approx(0.65e12, rel=0.1)


# --- plans


def on(name, memory, preset="flux2", **overrides):
    return resolve(preset, Overrides(**overrides)).memory_plan_on(by_name(TYPICAL[name]), memory)


def test_dev_in_bf16_needs_an_80_gb_card_and_takes_turns_there():
    assert not on("24 GB", "bf16").fits
    here = on("80 GB", "bf16")
    assert here.fits and here.turns and "proposer" not in here.beside["renderer"]
    assert here.swap_seconds < 0.05 * 20 * here.image_seconds


def test_everything_stays_together_on_a_141_gb_card():
    plan = on("141 GB", "bf16")
    assert plan.fits and not plan.turns and not plan.swaps and plan.moved == 0
    assert all(len(others) == 2 for others in plan.beside.values())


def test_a_24_gb_card_runs_klein_as_released_and_dev_only_in_nf4():
    assert on("24 GB", "bf16", "klein").fits
    assert [on("24 GB", memory).fits for memory in ("bf16", "fp8", "nf4")] == [False, False, True]
    assert "64 GB to render" in on("24 GB", "bf16").why_not


def test_fp8_needs_a_card_that_has_it():
    plan = resolve("klein").memory_plan_on(by_name("A100"), "fp8")
    assert not plan.fits and "no fp8" in plan.why_not


@given(st.integers(8, 200), st.sampled_from(["bf16", "fp8", "nf4"]), st.sampled_from(["flux2", "klein"]))
def test_no_phase_of_a_plan_that_fits_needs_more_than_the_card_has(memory, name, preset):
    plan = resolve(preset).memory_plan_on(Gpu("any", memory), name)
    assert plan.fits == (plan.peak <= memory * GIB)
    assert all(seat not in others for seat, others in plan.beside.items())


@given(st.sampled_from(["bf16", "fp8", "nf4"]), st.sampled_from(["flux2", "klein"]))
def test_a_plan_that_fits_on_a_card_fits_on_every_larger_one(name, preset):
    least = least_gpu(resolve(preset, Overrides(memory=name)))
    for more in (0, 1, 3, 9, 40, 100):
        assert resolve(preset).memory_plan_on(Gpu("any", least + more), name).fits


@pytest.mark.parametrize("preset", ["flux2", "klein"])
def test_a_size_and_a_batch_that_no_card_holds_still_have_a_least_card(preset):
    resolved = resolve(preset, Overrides(size=4096, batch=256))
    least = least_gpu(resolved)
    assert least > 1000
    fits = [resolved.memory_plan_on(Gpu("any", size)).fits for size in (least - 1, least)]
    assert fits == [False, True]


def test_smaller_numbers_take_less_memory():
    sizes = [
        sum(part.bytes(memory) for part in on("80 GB", memory).components)
        for memory in ("bf16", "fp8", "nf4")
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_what_runs_elsewhere_takes_no_memory_here():
    plan = on("24 GB", "bf16", "klein", llm_url="http://127.0.0.1:1/v1")
    assert "propose" not in plan.needs and vllm_share(plan) is None
    assert 0.5 < vllm_share(on("24 GB", "bf16", "klein")) < 0.95


def test_larger_pictures_and_batches_need_more_and_take_longer():
    small, large = on("80 GB", "bf16"), on("80 GB", "bf16", size=1024, batch=8)
    assert large.needs["render"] > small.needs["render"]
    assert 2.5 < large.image_seconds / small.image_seconds < 4.5
    assert on("80 GB", "bf16", steps=25).image_seconds < 0.55 * small.image_seconds


def test_an_unknown_card_is_planned_without_seconds():
    plan = resolve("klein").memory_plan_on(from_driver("Some Card", 48.0))
    assert plan.fits and plan.image_seconds is None
    assert "not known" in describe(plan)["assumed"]


def test_cards_are_told_apart_by_their_drivers_names():
    assert from_driver("NVIDIA H100 80GB HBM3", 79.6).bf16 == 989
    assert from_driver("NVIDIA H100 PCIe", 79.6).bf16 == 756
    assert from_driver("NVIDIA L40S", 44.5).bf16 == 362 and from_driver("NVIDIA L4", 22.0).bf16 == 121
    assert from_driver("NVIDIA L40", 44.5).bf16 == 181
    assert from_driver("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 95).fp8 == 1007
    assert from_driver("AMD Instinct MI300X", 192).bf16 == 1307 and from_driver("NVIDIA GB10", 119).unified
    assert (
        from_driver("NVIDIA B300 SXM6 AC", 268).fp8 == 4500 and from_driver("NVIDIA GB300", 277).bf16 == 2500
    )
    assert not from_driver("Tesla T4", 14.6).has_bf16
    assert len({each.name for each in GPUS}) == len(GPUS)


def test_the_plan_of_a_run_says_seconds_memory_and_what_they_assume(monkeypatch):
    monkeypatch.setattr("steer.machine.gpus.here", lambda: None)
    planned = estimate(Settings(), resolve("flux2"))
    assert planned.gpu["plan"] == "bf16" and planned.gpu["swaps"] and "TFLOP/s" in planned.gpu["assumed"]
    assert "assumed, there is no GPU here" in planned.machine and "not measured" in planned.machine
    assert planned.seconds > planned.images * planned.gpu["seconds_per_image"]
    assert all(estimate(Settings(), resolve(name)).gpu == {} for name in ("sandbox", "laptop"))


# --- main memory, planned as the card's is


def test_what_rests_is_planned_in_main_memory_and_rest_on_disk_keeps_none_of_it():
    turns, together = on("80 GB", "bf16"), on("141 GB", "bf16")
    dev = sum(part.bytes("bf16") for part in turns.components if part.phase in ("encode", "render"))
    llm = next(part.bytes("bf16") for part in turns.components if part.phase == "propose")
    assert turns.host > dev + 1.5 * llm  # vLLM asleep rounds its weights up
    assert together.host < dev  # nothing rests, and one half after the other passes through
    disk = on("80 GB", "bf16", rest="disk")
    assert disk.host < 0.7 * turns.host and disk.swap_seconds > 10 * turns.swap_seconds
    assert disk.peak == turns.peak


def test_a_plan_that_main_memory_cannot_hold_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.setattr("steer.machine.gpus.here", lambda: by_name("H100"))
    monkeypatch.setattr(main_memory, "available", lambda: 120 * GIB)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    need = next(need for need in requirements(resolve("flux2")) if "main memory" in need.what)
    assert not need.met and "--rest disk" in need.fix and "120 GB free" in need.what
    with pytest.raises(PresetError, match=r"lacks .* GB of main memory \(120 GB free\)"):
        load("flux2")
    need = next(n for n in requirements(resolve("flux2", Overrides(rest="disk"))) if "main memory" in n.what)
    assert need.met
    monkeypatch.setattr(main_memory, "available", lambda: 8 * GIB)
    need = next(n for n in requirements(resolve("flux2", Overrides(rest="disk"))) if "main memory" in n.what)
    assert not need.met and "--rest" not in need.fix


def test_the_plan_of_a_run_tells_the_same_main_memory(monkeypatch):
    monkeypatch.setattr("steer.machine.gpus.here", lambda: by_name("H100"))
    resolved = resolve("flux2")
    planned = estimate(Settings(), resolved)
    told = round(resolved.memory_plan.main_memory / GIB, 1)
    assert planned.memory_gb == planned.gpu["main_memory_gb"] == told
    assert f"{told:.0f} GB of main memory" in " ".join(need.what for need in requirements(resolved))


def test_a_containers_limit_counts_as_the_machines_memory(tmp_path, monkeypatch):
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(main_memory, "_GROUPS", ((limit, used),))
    whole = main_memory.total()
    limit.write_text("max"), used.write_text("1")
    assert main_memory.total() == whole
    limit.write_text(str(2**30)), used.write_text(str(2**29))
    assert (main_memory.total(), main_memory.available()) == (2**30, 2**29)


def test_a_text_encoder_keeps_no_more_hidden_states_than_planned():
    plan = on("141 GB", "bf16")
    weights = sum(part.bytes("bf16") for part in plan.components if part.phase in ("encode", "render"))
    states = PROMPTS_AT_ONCE * 512 * 5120 * 2 * 31
    nobody = plan.gpu.memory * GIB  # the language model and the scorer are beside it
    assert states < 2 * GIB and weights + states < nobody
    alone = resolve("flux2", Overrides(llm_url="http://h/v1")).memory_plan_on(by_name("H100"), "bf16")
    encoder = next(part.bytes("bf16") for part in alone.components if part.phase == "encode")
    scorer = next(part.bytes("bf16") for part in alone.components if part.phase == "score")
    assert alone.needs["encode"] - encoder - scorer >= states


# --- which GPU, and how much of it


def cards(monkeypatch, *gpus):
    monkeypatch.setattr("steer.machine.gpus.all_here", lambda: list(gpus))


def test_free_memory_decides_not_the_whole_cards(monkeypatch):
    busy = replace(by_name("H100"), free=10.0, device="cuda:0")
    idle = replace(by_name("RTX 4090"), free=23.5, device="cuda:1")
    cards(monkeypatch, busy, idle)
    assert here().device == "cuda:1"
    assert resolve("klein").memory_plan.fits
    on_busy = resolve("klein", Overrides(render_gpu=0)).memory_plan
    assert not on_busy.fits and "of which 10 are free: end what else uses it (nvidia-smi)" in on_busy.why_not


def test_the_language_model_may_have_a_gpu_of_its_own(monkeypatch):
    cards(
        monkeypatch,
        replace(by_name("RTX 4090"), device="cuda:0"),
        replace(by_name("RTX 4090"), device="cuda:1"),
    )
    both = resolve("klein", Overrides(render_gpu=0, llm_gpu=1))
    assert "propose" not in both.memory_plan.needs and both.memory_plan.gpu.device == "cuda:0"
    assert list(both.llm_plan.needs) == ["propose"] and both.llm_plan.gpu.device == "cuda:1"
    assert all("proposer" in others for seat, others in beside(both).items())
    assert resolve("klein", Overrides(render_gpu=1, llm_gpu=1)).llm_plan is None  # they share it
    with pytest.raises(UsageError, match="there is no GPU 2: on this machine there are numbered 0 to 1"):
        _ = resolve("klein", Overrides(render_gpu=2)).memory_plan


def test_a_program_sees_the_one_card_that_it_is_given(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert only(1) == {"CUDA_VISIBLE_DEVICES": "1"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert only(1) == {"CUDA_VISIBLE_DEVICES": "6"}


def test_a_server_of_somebody_elses_on_this_machine_rests_while_others_have_the_card(monkeypatch):
    cards(monkeypatch, replace(by_name("H200"), device="cuda:0"))
    local = beside(resolve("klein", Overrides(llm_url="http://127.0.0.1:11434/v1")))
    assert all("proposer" not in others for others in local.values())
    assert "proposer" in beside(resolve("klein", Overrides(llm_url="http://gpu.lan/v1")))["renderer"]


def test_klein_runs_on_apples_gpu_as_released_and_in_no_other_precision(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 48 * GIB)
    monkeypatch.setattr(main_memory, "available", lambda: 60 * GIB)
    chosen = Overrides(llm_url="http://127.0.0.1:1234/v1")
    resolved = resolve("klein", chosen)
    assert resolved.gpu.device == "mps" and resolved.memory_plan.fits
    assert resolved.memory_plan.main_memory > resolved.memory_plan.peak  # it is the same memory
    assert "no nf4" in resolve("klein", replace(chosen, memory="nf4")).memory_plan.why_not


def test_a_card_without_bfloat16_runs_no_model_that_needs_it(monkeypatch):
    cards(monkeypatch, replace(by_name("T4"), memory=40.0, device="cuda:0"))
    assert "computes no bfloat16" in resolve("klein").memory_plan.why_not
    assert resolve("laptop").memory_plan.fits


def test_a_build_of_torch_for_amd_is_called_so(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", "7.1.0")
    assert "ROCm 7.1.0" in next(check.found for check in _python() if check.what == "torch")


# --- configs on this machine


def pipeline(folder):
    """The files of a tiny pipeline, without weights."""
    (folder / "transformer").mkdir(parents=True)
    (folder / "transformer" / "config.json").write_text(json.dumps(TINY))
    index = {"_class_name": "Flux2Pipeline", "transformer": ["diffusers", "Flux2Transformer2DModel"],
             "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    return folder


def test_a_folders_own_configs_are_read(tmp_path):
    folder = pipeline(tmp_path / "mine")
    assert read(folder)["transformer"]["num_layers"] == 2
    [part] = components_of(Models(renderer=str(folder)))
    assert part.what == "transformer" and part.size == size_of(TINY)


def test_a_pipeline_of_another_kind_is_as_large_as_its_files(tmp_path):
    folder = tmp_path / "other"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    (folder / "unet" / "model.safetensors").write_bytes(b"0" * 4000)
    [part] = components_of(Models(renderer=str(folder)))
    assert part.bytes("bf16") == 4000
    assert plan_memory("bf16", Models(renderer=str(folder)), by_name("L4")).image_seconds is None
    [unknown] = components_of(Models(renderer="somebody/else"))
    assert unknown.size is None and unknown.bytes("nf4") == 0


# --- what is on this machine


@pytest.fixture
def snapshot(tmp_path):
    store = tmp_path / "hub" / "models--black-forest-labs--FLUX.2-dev"
    folder = pipeline(store / "snapshots" / "abc")
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text("abc")
    return folder


def test_a_snapshot_is_whole_only_with_every_shard_that_its_index_names(snapshot):
    assert hub.state(DEV) == "partial" and hub.missing(snapshot) == ["transformer/*.safetensors"]
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (snapshot / "transformer" / "model.safetensors.index.json").write_text(json.dumps(index))
    (snapshot / "transformer" / "model-00001-of-00002.safetensors").write_bytes(b"")
    assert hub.missing(snapshot) == ["transformer/model-00002-of-00002.safetensors"]
    (snapshot / "transformer" / "model-00002-of-00002.safetensors").write_bytes(b"")
    assert hub.state(DEV) == "present" and hub.local(DEV) == snapshot == hub.local(f"{DEV}@abc")
    assert hub.local(f"{DEV}@other") is None
    (snapshot / "scheduler" / "scheduler_config.json").unlink()
    assert hub.missing(snapshot) == ["scheduler/*.json"]
    (snapshot / "scheduler").rmdir()
    assert hub.missing(snapshot) == ["scheduler/"]


def test_a_part_is_a_model_by_its_files_whatever_its_class_is_called(snapshot):
    index = json.loads((snapshot / "model_index.json").read_text())
    index["tokenizer"] = ["transformers", "TokenizersBackend"]  # as transformers 5 saves them
    (snapshot / "model_index.json").write_text(json.dumps(index))
    (snapshot / "tokenizer").mkdir()
    (snapshot / "tokenizer" / "tokenizer_config.json").write_text("{}")
    assert hub.missing(snapshot) == ["transformer/*.safetensors"]


def test_a_download_that_never_finished_is_told_from_none(tmp_path):
    assert hub.state("some/model") == "absent"
    blobs = tmp_path / "hub" / "models--some--model" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "123.incomplete").write_bytes(b"")
    assert hub.state("some/model") == "partial"


def test_how_to_get_weights_depends_on_network_terms_and_revision(monkeypatch):
    assert hub.how_to_get(KLEIN).startswith("unset HF_HUB_OFFLINE and steer setup")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert hub.how_to_get(f"{KLEIN}@abc") == f"steer setup {KLEIN}@abc"
    assert "accept its terms" in hub.how_to_get(DEV) and "hf auth login" in hub.how_to_get(DEV)
    monkeypatch.setattr("reward.licences.has_token", lambda: True)
    assert hub.how_to_get(DEV) == f"steer setup {DEV}"


@pytest.mark.parametrize(
    "model",
    [DEV, "black-forest-labs/FLUX.1-dev", "meta-llama/Llama-3.1-8B", "stabilityai/stable-diffusion-3.5"],
)
def test_a_gated_model_is_so_for_who_renders_who_plans_and_who_encodes(model, monkeypatch):
    monkeypatch.setattr("reward.licences.has_token", lambda: False)
    told = f"accept its terms on https://huggingface.co/{model}, then: hf auth login && steer setup {model}"
    assert told in hub.how_to_get(model)
    for error, look in ((RendererError, find_source), (CheckpointError, weights.resolve)):
        with pytest.raises(error, match=re.escape(told)):
            look(model)


def test_the_encoder_that_a_checkpoint_names_is_the_one_that_is_counted(tmp_path):
    card_of = {"encoder": {"id": "google/siglip2-base-patch16-224", "sha256": "0"}}
    (tmp_path / "predictor.json").write_text(json.dumps(card_of))
    [encoder] = [
        part for part in on("80 GB", "bf16", reward=str(tmp_path)).components if part.phase == "score"
    ]
    assert encoder.model == "google/siglip2-base-patch16-224"
    assert encoder.bytes("bf16") == 4 * 375_187_970  # float32

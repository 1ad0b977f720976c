"""Which pipelines are let in, and what each wants where nothing was set: distilled models above all."""

from __future__ import annotations

import inspect
import json
from types import SimpleNamespace

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tiny
import torch

from steer.errors import RendererError, SettingsError, UsageError
from steer.renderer import RenderSettings, open_renderer
from steer.renderer.lacking import refuse_lacking
from steer.renderer.load import pipeline_class, text_to_image
from steer.renderer.settings import defaults, doubt
from steer.renderer.stage import Stage


def own(kind):
    call = inspect.signature(getattr(diffusers, kind).__call__).parameters
    return {name: None if p.default is p.empty else p.default for name, p in call.items()}


def wanted(kind, name, folder, asked=None, **index):
    found = defaults(asked or RenderSettings(), name, {"_class_name": kind, **index}, folder, own(kind))
    return found.steps, found.guidance_scale


@pytest.mark.parametrize(
    ("kind", "name", "index", "steps", "guidance"),
    [
        ("StableDiffusionPipeline", "IDKiro/sdxs-512-dreamshaper", {}, 1, 0.0),
        ("StableDiffusionPipeline", "stabilityai/sd-turbo", {}, 1, 0.0),
        ("StableDiffusionXLPipeline", "stabilityai/sdxl-turbo", {}, 1, 0.0),
        ("StableDiffusion3Pipeline", "stabilityai/stable-diffusion-3.5-large-turbo", {}, 4, 0.0),
        ("StableDiffusion3Pipeline", "stabilityai/stable-diffusion-3.5-large", {}, 28, 7.0),
        ("FluxPipeline", "black-forest-labs/FLUX.1-schnell", {}, 4, 0.0),
        ("ZImagePipeline", "Tongyi-MAI/Z-Image-Turbo", {}, 8, 0.0),
        ("ZImagePipeline", "Tongyi-MAI/Z-Image", {}, 50, 5.0),
        ("Krea2Pipeline", "krea/Krea-2", {"is_distilled": True}, 8, 0.0),  # at 1.0 it would be guided
        ("Krea2Pipeline", "krea/Krea-2", {"is_distilled": False}, 28, 4.5),
        ("Flux2KleinPipeline", "black-forest-labs/FLUX.2-klein-4B", {"is_distilled": True}, 4, 1.0),
        ("QwenImagePipeline", "Qwen/Qwen-Image", {}, 50, 4.0),
        ("HunyuanImagePipeline", "hunyuanvideo-community/HunyuanImage-2.1-Distilled-Diffusers", {}, 8, 3.25),
        ("SanaSprintPipeline", "Efficient-Large-Model/Sana_Sprint", {}, 2, 4.5),
    ],
)
def test_each_model_gets_the_steps_and_the_guidance_that_it_was_made_for(
    kind, name, index, steps, guidance, tmp_path
):
    assert wanted(kind, name, tmp_path, **index) == (steps, guidance)
    assert doubt(RenderSettings(), name, {"_class_name": kind, **index}, tmp_path) is None


def test_a_copied_folder_is_known_by_where_its_files_say_they_come_from_or_by_what_it_is_made_of(tmp_path):
    (tmp_path / "unet").mkdir()
    config = tmp_path / "unet" / "config.json"
    config.write_text(json.dumps({"_name_or_path": "stabilityai/sd-turbo"}))
    assert wanted("StableDiffusionPipeline", "mine", tmp_path) == (1, 0.0)
    config.write_text(json.dumps({"mid_block_type": None}))
    assert wanted("StableDiffusionPipeline", "mine", tmp_path, vae=["diffusers", "AutoencoderTiny"]) == (
        1,
        0.0,
    )
    config.write_text(json.dumps({"mid_block_type": "UNetMidBlock2DCrossAttn"}))
    assert wanted("StableDiffusionPipeline", "mine", tmp_path) == (50, 7.5)


def test_a_distilled_model_that_nobody_knows_gets_its_pipelines_own_and_a_line(tmp_path):
    index = {"_class_name": "StableDiffusionXLPipeline"}
    assert wanted("StableDiffusionXLPipeline", "someone/Lightning-4step", tmp_path) == (50, 5.0)
    line = doubt(RenderSettings(), "someone/Lightning-4step", index, tmp_path)
    assert "few steps" in line and "--steps" in line and "\n" not in line
    assert doubt(RenderSettings(steps=4), "someone/Lightning-4step", index, tmp_path) is None
    assert doubt(RenderSettings(), "stabilityai/sdxl-base", index, tmp_path / "abc") is None
    folder = tiny.save(tiny.stable_diffusion(), tmp_path / "my-turbo")
    [note] = open_renderer(folder, settings=RenderSettings(width=32, height=32)).notes()
    assert note.startswith("my-turbo looks like a model of few steps")


# --- negative prompts


def test_qwen_image_is_guided_since_it_gets_a_negative_prompt(tmp_path):
    index = {"_class_name": "QwenImagePipeline"}
    found = defaults(RenderSettings(), "Qwen/Qwen-Image", index, tmp_path, own("QwenImagePipeline"))
    assert (found.guidance_scale, found.negative_prompt) == (4.0, " ")
    renderer = rendered(index, found)
    assert renderer.asked["true_cfg_scale"] == 4.0 and renderer.asked["negative_prompt"] == [" ", " "]
    assert "guidance_scale" not in renderer.asked
    asked = RenderSettings(negative_prompt="blurry", guidance_scale=2.5)
    found = defaults(asked, "Qwen/Qwen-Image", index, tmp_path, own("QwenImagePipeline"))
    asked = rendered(index, found).asked
    assert asked["negative_prompt"] == ["blurry"] * 2 and asked["true_cfg_scale"] == 2.5


def rendered(index, settings):
    """The renderer's own call of a pipeline of this class, which only writes down what it was asked."""
    from steer.renderer.diffusion import DiffusersRenderer
    from steer.renderer.settings import FAMILIES

    made = object.__new__(DiffusersRenderer)
    made._settings, made._call = settings, frozenset(own(index["_class_name"]))
    made.memory = "bf16"

    def pipe(**asked):
        made.asked = asked
        return SimpleNamespace(images=torch.full((2, 3, 8, 8), 0.5))

    made._pipes = SimpleNamespace(family=FAMILIES[index["_class_name"]], image=pipe)
    made._source = SimpleNamespace(index=index, device="cpu")
    made._denoise([("a", 0), ("b", 1)], {}, None)
    return made


def test_a_negative_prompt_reaches_stable_diffusion_and_klein_as_their_pipelines_take_it(tmp_path):
    prompts, seeds = ["a red car", "mossy rocks"], [0, 1]
    for pipe, name in ((tiny.stable_diffusion, "sd"), (lambda: tiny.klein(distilled=False), "klein")):
        folder = tiny.save(pipe(), tmp_path / name)
        length = {} if name == "sd" else {"max_sequence_length": 16}
        asked = RenderSettings(
            width=32, height=32, steps=2, guidance_scale=4.0, negative_prompt="a blue landscape", **length
        )
        ours = list(open_renderer(folder, settings=asked).render(prompts, seeds))
        plain = RenderSettings(width=32, height=32, steps=2, guidance_scale=4.0, **length)
        without = list(open_renderer(folder, settings=plain).render(prompts, seeds))
        assert any(
            np.abs(np.asarray(a, int) - np.asarray(b, int)).max() > 1
            for a, b in zip(ours, without, strict=True)
        )
        if name == "sd":
            call = {"num_inference_steps": 2, "guidance_scale": 4.0, "negative_prompt": "a blue landscape"}
            noise = [torch.Generator().manual_seed(seed) for seed in seeds]
            stock = [pipe()(prompt, generator=g, **call) for prompt, g in zip(prompts, noise, strict=True)]
            assert furthest(ours, [made.images[0] for made in stock]) <= 1


def test_the_option_for_it_is_let_through_to_every_pipeline_that_a_negative_prompt_reaches(tmp_path):
    for pipe, takes in ((tiny.stable_diffusion, True), (tiny.qwen_image, True), (tiny.flux2, False)):
        has = open_renderer(tiny.save(pipe(), tmp_path / pipe.__name__)).capabilities
        assert has.negative == takes
        if takes:
            refuse_lacking("it", has, negative_prompt="blurry")
        else:
            with pytest.raises(UsageError, match="takes no --negative-prompt"):
                refuse_lacking("it", has, negative_prompt="blurry")


def furthest(ours, theirs):
    """The largest difference of any pixel, 0..255."""
    pairs = [(np.asarray(a, int), np.asarray(b, int)) for a, b in zip(ours, theirs, strict=True)]
    return max(np.abs(a - b).max() for a, b in pairs)


@pytest.mark.parametrize(
    ("kind", "asked", "line"),
    [
        ("Flux2Pipeline", {}, "takes no negative prompt"),
        ("FluxPipeline", {}, "takes no negative prompt"),
        ("StableDiffusionPipeline", {"guidance_scale": 0.0}, "nothing reads --negative-prompt at guidance 0"),
        ("Flux2KleinPipeline", {"guidance_scale": 1.0}, "nothing reads --negative-prompt"),
    ],
)
def test_a_negative_prompt_that_nothing_would_read_is_refused(kind, asked, line, tmp_path):
    settings = RenderSettings(negative_prompt="blurry", **asked)
    with pytest.raises(SettingsError, match=line):
        defaults(settings, "m", {"_class_name": kind}, tmp_path, own(kind))


def test_what_is_not_asked_away_from_changes_no_identity(tmp_path):
    folder = tiny.save(tiny.stable_diffusion(), tmp_path / "sd")
    plain, away = (
        open_renderer(folder, settings=RenderSettings(steps=2, negative_prompt=words)).sha256
        for words in (None, "blurry")
    )
    assert plain != away


# --- which classes


LET_IN = (
    *(
        "SanaSprint",
        "HiDreamImage",
        "HunyuanImage",
        "ErnieImage",
        "Bria",
        "LongCatImage",
        "Cosmos2TextToImage",
    ),
    *("Flux2", "Flux2Klein", "Flux", "StableDiffusion", "StableDiffusionXL", "StableDiffusion3", "QwenImage"),
    *("ZImage", "Sana", "Lumina2", "PixArtSigma", "Krea2", "Chroma", "CogView4", "Kandinsky5T2I", "AuraFlow"),
    "Cosmos2TextToImage",
)
REFUSED = (
    *(
        "FluxKontext",
        "StableDiffusionControlNet",
        "FluxControlNet",
        "FluxControl",
        "FluxFill",
        "QwenImageEdit",
    ),
    *("QwenImageControlNet", "ZImageControlNet", "StableDiffusionImg2Img", "StableDiffusionXLInpaint", "Wan"),
    *(
        "FluxPriorRedux",
        "StableDiffusionUpscale",
        "LongCatImageEdit",
        "HunyuanImageRefiner",
        "ShapE",
        "Helios",
    ),
    *("Kandinsky5I2I", "StableAudio", "AudioLDM2", "Cosmos2VideoToWorld", "StableDiffusionInstructPix2Pix"),
    *("StableDiffusionAttendAndExcite", "QwenImageEdit", "Helios"),
)


@pytest.mark.parametrize("name", LET_IN)
def test_text_to_image_classes_are_let_in(name):
    assert text_to_image(getattr(diffusers, f"{name}Pipeline"))


@pytest.mark.parametrize("name", REFUSED)
def test_classes_that_want_a_picture_or_make_something_else_are_refused(name):
    assert not text_to_image(getattr(diffusers, f"{name}Pipeline"))


def test_a_class_whose_packages_are_missing_names_them(monkeypatch):
    stand_in = type("KolorsPipeline", (), {"_backends": ["torch", "no_such_package"]})
    monkeypatch.setattr(diffusers, "KolorsPipeline", stand_in, raising=False)
    source = SimpleNamespace(index={"_class_name": "KolorsPipeline"}, model="Kwai-Kolors/Kolors-diffusers")
    with pytest.raises(RendererError, match="needs other packages; run: pip install no_such_package"):
        pipeline_class(source)


# --- memory


class Packed(torch.Tensor):
    """A quantized tensor as torchao makes them: it says that it is bfloat16, and holds bytes and scales."""

    @staticmethod
    def __new__(cls, data, scale):
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=torch.bfloat16)

    def __init__(self, data, scale):
        self.data_part, self.scale_part = data, scale

    def __tensor_flatten__(self):
        return ["data_part", "scale_part"], None

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return args[0] if func is torch.ops.aten.detach.default else NotImplemented


def test_quantized_weights_count_with_what_they_take_and_not_as_bfloat16():
    module = torch.nn.Module()
    packed = Packed(torch.zeros(64, 64, dtype=torch.uint8), torch.zeros(64, 1))
    module.weight = torch.nn.Parameter(packed, requires_grad=False)
    assert module.weight.nbytes == 2 * 64 * 64
    assert Stage([module], "cuda").bytes == 64 * 64 + 64 * 4


def test_what_rests_on_disk_is_given_up_and_read_again(tmp_path):
    folder = tiny.save(tiny.klein(), tmp_path / "klein")
    small = RenderSettings(width=32, height=32, steps=1, max_sequence_length=16)
    renderer = open_renderer(folder, settings=small, rest="disk")
    first = next(iter(renderer.render(["a red car"], [0])))
    stage = renderer._stages["text"]
    assert stage.awake and renderer._pipes._halves.keys() == {"text", "image"}
    stage.rest()
    assert stage.modules == [] and renderer._pipes._halves.keys() == {"image"}
    renderer.rest()
    assert renderer._pipes._halves == {} and renderer._stages == {}
    renderer._images.forget(), renderer._embeddings.forget()
    assert next(iter(renderer.render(["a red car"], [0]))).tobytes() == first.tobytes()

"""How to render: what can be set, and what each model wants where nothing was set."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from reward.checked import read_json
from steer.errors import SettingsError

MEMORY = ("bf16", "fp8", "nf4")  # how the weights of the big modules are kept
# Prompts encoded in one batch. A text encoder keeps the hidden states of every layer, 160 MB a prompt of
# FLUX.2-dev, and with 512 tokens each even a few prompts keep a GPU busy.
PROMPTS_AT_ONCE = 8


@dataclass(frozen=True)
class RenderSettings:
    """Settings of the renderer. None leaves it to the model: see `defaults`."""

    width: int | None = None  # pixels
    height: int | None = None
    steps: int | None = None  # denoising steps
    guidance_scale: float | None = None  # 0 or 1: none, where the model is guided by a second pass
    batch_size: int | None = None  # images at once; halved where they do not fit into memory
    max_sequence_length: int | None = None  # text tokens that the model reads
    negative_prompt: str | None = None  # what pictures are guided away from
    compile: bool = False  # torch.compile of the repeated blocks: minutes at the start, faster steps after it

    def __post_init__(self) -> None:
        bounds = {
            "width": (16, 4096),
            "height": (16, 4096),
            "steps": (1, 1000),
            "guidance_scale": (0, 100),
            "batch_size": (1, 256),
            "max_sequence_length": (8, 4096),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SettingsError(f"{name} is {value}; it must be {low} to {high}")
        for name in ("width", "height"):
            if (getattr(self, name) or 0) % 16:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must be a multiple of 16")


@dataclass(frozen=True)
class Family:
    """What is known of a pipeline class of diffusers."""

    # What `encode_prompt` returns, by the names under which the pipeline takes it back; "" is not handed
    # over. A class that is not listed gets its prompts as text.
    encoded: tuple[str, ...] = ()
    steps: int | None = None  # None: the pipeline's own default
    guidance_scale: float | None = None
    cut: bool = False  # the text encoder's last layers are not used: leave them out
    # A second, guiding pass reads the encoding of the negative prompt as `negative_prompt_embeds`.
    second_pass: bool = False
    guidance: str = "guidance_scale"  # the argument that says how strongly
    guided_above: float = 1.0  # the strength up to which there is no second pass
    negative: str | None = None  # without a negative prompt the class would leave the second pass out


_SD = ("prompt_embeds", "negative_prompt_embeds")
_POOLED = ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")

FAMILIES: dict[str, Family] = {
    # The paper, section 5: 50 steps, guidance 4.0, 512x512.
    "Flux2Pipeline": Family(("prompt_embeds", ""), 50, 4.0, cut=True),
    "Flux2KleinPipeline": Family(("prompt_embeds", ""), 50, 4.0, cut=True, second_pass=True),
    "FluxPipeline": Family(("prompt_embeds", "pooled_prompt_embeds", "")),
    "StableDiffusionPipeline": Family(_SD),
    "StableDiffusionXLPipeline": Family((*_SD, *_POOLED)),
    "StableDiffusion3Pipeline": Family((*_SD, *_POOLED)),
    "QwenImagePipeline": Family(guidance="true_cfg_scale", negative=" "),
    "QwenImage21Pipeline": Family(guidance="true_cfg_scale", negative=" "),
    "HunyuanImagePipeline": Family(guidance="distilled_guidance_scale"),
    "ZImagePipeline": Family(guided_above=0.0),
    "Krea2Pipeline": Family(guided_above=0.0),
}

# Distilled models by class and a part of a name: steps and guidance scale, as their model cards say. A class
# does not tell them from the models that they were distilled from, but for the few that say `is_distilled`.
VARIANTS: tuple[tuple[str, str, int, float], ...] = (
    ("StableDiffusionPipeline", "sdxs", 1, 0.0),
    ("StableDiffusionPipeline", "sd-turbo", 1, 0.0),
    ("StableDiffusionXLPipeline", "sdxl-turbo", 1, 0.0),
    ("StableDiffusion3Pipeline", "large-turbo", 4, 0.0),
    ("FluxPipeline", "schnell", 4, 0.0),
    ("ZImagePipeline", "turbo", 8, 0.0),
    ("Krea2Pipeline", "turbo", 8, 0.0),
    ("HiDreamImagePipeline", "i1-dev", 28, 0.0),
    ("HiDreamImagePipeline", "i1-fast", 16, 0.0),
    ("HunyuanImagePipeline", "distilled", 8, 3.25),
)
DISTILLED = {"Flux2KleinPipeline": (4, 1.0), "Krea2Pipeline": (8, 0.0)}
# Classes that are distilled as such, and whose own defaults are made for that.
FEW_BY_CLASS = ("SanaSprintPipeline", "LatentConsistencyModelPipeline", "Flux2KleinKVPipeline")
_FEW = re.compile(r"turbo|lightning|schnell|sprint|hyper-|\blcm\b|distill|few-?step|\b[1248]-?steps?\b")


def defaults(
    settings: RenderSettings, name: str, index: Mapping[str, Any], folder: Path, own: Mapping[str, Any]
) -> RenderSettings:
    """`settings` with every None replaced by what the model wants; a field it does not know stays None.

    `index` is model_index.json, `own` holds the default arguments of the pipeline's `__call__`.
    Raises `SettingsError` if something was set that this pipeline does not know.
    """
    kind = index["_class_name"]
    family = FAMILIES.get(kind, Family())
    arguments = {"guidance_scale": family.guidance, "max_sequence_length": "max_sequence_length"}
    for field, argument in arguments.items():
        if getattr(settings, field) is not None and argument not in own:
            raise SettingsError(f"{kind} takes no {field}: leave it out, or choose another --renderer")
    known = _variant(name, index, folder) or (family.steps, family.guidance_scale)
    steps, guidance = known
    size = _native_size(folder)
    wanted: dict[str, Any] = {
        "width": size,
        "height": size,
        "steps": steps if steps is not None else own.get("num_inference_steps", 50),
        "guidance_scale": guidance if guidance is not None else own.get(family.guidance),
        "batch_size": 4,
        "max_sequence_length": own.get("max_sequence_length"),
        "negative_prompt": None,
    }
    unset = {field.name for field in fields(settings) if getattr(settings, field.name) is None}
    chosen = replace(settings, **{field: value for field, value in wanted.items() if field in unset})
    if chosen.negative_prompt is not None:
        _check_negative(chosen, kind, family, own)
        return chosen
    return replace(chosen, negative_prompt=family.negative) if _guided(chosen, family) else chosen


def guided(settings: RenderSettings, index: Mapping[str, Any]) -> bool:
    """Whether a second pass, away from the negative prompt, guides the first one."""
    return _guided(settings, FAMILIES.get(index["_class_name"], Family())) and not index.get("is_distilled")


def doubt(settings: RenderSettings, name: str, index: Mapping[str, Any], folder: Path) -> str | None:
    """What to say of a model that looks distilled and whose settings nobody here knows; else None.

    `settings` are those that were asked for.
    """
    if settings.steps is not None or index["_class_name"] in FEW_BY_CLASS:
        return None
    if _variant(name, index, folder) is not None:
        return None
    few = any(_FEW.search(said) for said in _names(name, index, folder)) or index.get("is_distilled")
    if (
        not few
        and _json(folder / "scheduler" / "scheduler_config.json").get("timestep_spacing") != "trailing"
    ):
        return None
    return (
        f"{name} looks like a model of few steps, whose settings are not known here: its pipeline's own are "
        "taken; its page says better ones: --steps, --guidance"
    )


def _guided(settings: RenderSettings, family: Family) -> bool:
    return (settings.guidance_scale or 0) > family.guided_above


def takes_negative(kind: str, own: Container[str]) -> bool:
    """Whether a negative prompt reaches a pipeline of this class, whose call has the arguments `own`."""
    family = FAMILIES.get(kind, Family())
    takes = "negative_prompt" in own and (not family.encoded or "negative_prompt_embeds" in family.encoded)
    return takes or family.second_pass


def _check_negative(chosen: RenderSettings, kind: str, family: Family, own: Mapping[str, Any]) -> None:
    if not takes_negative(kind, own):
        raise SettingsError(f"{kind} takes no negative prompt: leave --negative-prompt out")
    if not _guided(chosen, family):
        raise SettingsError(
            f"nothing reads --negative-prompt at guidance {chosen.guidance_scale:g}: leave it out, or raise "
            "--guidance if the model is made for it"
        )


def _variant(name: str, index: Mapping[str, Any], folder: Path) -> tuple[int, float] | None:
    """Steps and guidance of a distilled model that is known; None of any other."""
    kind = index["_class_name"]
    if index.get("is_distilled") and kind in DISTILLED:
        return DISTILLED[kind]
    for of, part, steps, guidance in VARIANTS:
        if of == kind and any(part in said for said in _names(name, index, folder)):
            return steps, guidance
    # SDXS under another name: a tiny decoder behind a UNet that has no middle.
    unet = _json(folder / "unet" / "config.json")
    tiny = list(index.get("vae") or ())[1:] == ["AutoencoderTiny"]
    return (1, 0.0) if tiny and "mid_block_type" in unet and unet["mid_block_type"] is None else None


def _names(name: str, index: Mapping[str, Any], folder: Path) -> list[str]:
    """By what names a model goes: its own, its folder's, and where its files say that they come from."""
    configs = [index, *(_json(folder / part / "config.json") for part in ("unet", "transformer"))]
    found = [name, folder.name, *(config.get("_name_or_path") for config in configs)]
    return [said.lower() for said in found if isinstance(said, str)]


def _json(path: Path) -> dict[str, Any]:
    """What a config holds; nothing where there is none, or none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _native_size(folder: Path) -> int:
    """512, the paper's; of Stable Diffusion's kind, which goes wrong at others, the size of its training."""
    try:
        sample = read_json(folder / "unet" / "config.json")["sample_size"]
        vae = read_json(folder / "vae" / "config.json")
        return int(sample) * 2 ** (len(vae["block_out_channels"]) - 1)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return 512

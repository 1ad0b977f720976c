"""How to render: what can be set, and what each model wants where nothing was set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from reward.checked import read_json
from steer.errors import SettingsError

MEMORY = ("bf16", "fp8", "nf4")  # how the weights of the big modules are kept


@dataclass(frozen=True)
class RenderSettings:
    """Settings of the renderer. None leaves it to the model: see `defaults`."""

    width: int | None = None  # pixels
    height: int | None = None
    steps: int | None = None  # denoising steps
    guidance_scale: float | None = None  # 0 or 1: none, where the model is guided by a second pass
    batch_size: int | None = None  # images at once; halved where they do not fit into memory
    max_sequence_length: int | None = None  # text tokens that the model reads
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
    empty_negative: bool = (
        False  # a second, guiding pass reads the encoding of "" as `negative_prompt_embeds`
    )


_SD = ("prompt_embeds", "negative_prompt_embeds")
_POOLED = ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")

FAMILIES: dict[str, Family] = {
    # The paper, section 5: 50 steps, guidance 4.0, 512x512.
    "Flux2Pipeline": Family(("prompt_embeds", ""), 50, 4.0, cut=True),
    "Flux2KleinPipeline": Family(("prompt_embeds", ""), 50, 4.0, cut=True, empty_negative=True),
    "FluxPipeline": Family(("prompt_embeds", "pooled_prompt_embeds", "")),
    "StableDiffusionPipeline": Family(_SD),
    "StableDiffusionXLPipeline": Family((*_SD, *_POOLED)),
    "StableDiffusion3Pipeline": Family((*_SD, *_POOLED)),
}

# Distilled models by a part of their name: steps, guidance scale, as their model cards say. Their class does
# not tell them from the models that they were distilled from.
FEW_STEPS = {"sd-turbo": (1, 0.0), "sdxl-turbo": (1, 0.0), "schnell": (4, 0.0)}


def defaults(
    settings: RenderSettings, name: str, index: Mapping[str, Any], folder: Path, own: Mapping[str, Any]
) -> RenderSettings:
    """`settings` with every None replaced by what the model wants; a field it does not know stays None.

    `index` is model_index.json, `own` holds the default arguments of the pipeline's `__call__`.
    Raises `SettingsError` if something was set that this pipeline does not know.
    """
    for field in ("guidance_scale", "max_sequence_length"):
        if getattr(settings, field) is not None and field not in own:
            raise SettingsError(
                f"{index['_class_name']} takes no {field}: leave it out, or choose another --renderer"
            )
    family = FAMILIES.get(index["_class_name"], Family())
    steps, guidance = family.steps, family.guidance_scale
    for part, few in FEW_STEPS.items():
        if part in name.lower():
            steps, guidance = few
    if index.get("is_distilled"):
        steps, guidance = 4, 1.0
    size = _native_size(folder)
    wanted: dict[str, Any] = {
        "width": size,
        "height": size,
        "steps": steps if steps is not None else own.get("num_inference_steps", 50),
        "guidance_scale": guidance if guidance is not None else own.get("guidance_scale"),
        "batch_size": 4,
        "max_sequence_length": own.get("max_sequence_length"),
    }
    unset = {field.name for field in fields(settings) if getattr(settings, field.name) is None}
    return replace(settings, **{field: value for field, value in wanted.items() if field in unset})


def _native_size(folder: Path) -> int:
    """512, the paper's; of Stable Diffusion's kind, which goes wrong at others, the size of its training."""
    try:
        sample = read_json(folder / "unet" / "config.json")["sample_size"]
        vae = read_json(folder / "vae" / "config.json")
        return int(sample) * 2 ** (len(vae["block_out_channels"]) - 1)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return 512

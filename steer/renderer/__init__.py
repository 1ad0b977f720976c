"""Text-to-image models of diffusers behind `steer.parts.Renderer`: FLUX.2-dev, klein, and any other pipeline.

    renderer = open_renderer("black-forest-labs/FLUX.2-dev")      # finds the weights, loads nothing yet
    images = list(renderer.render(["floating mossy rocks"], [0])) # loads, encodes, renders

FLUX.2's released weights have never been run by this project; small random models of the same classes have,
through the same code (tests). See docs/renderers.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from steer.renderer.settings import MEMORY, RenderSettings

if TYPE_CHECKING:
    from steer.renderer.diffusion import DiffusersRenderer

__all__ = ["MEMORY", "RenderSettings", "open_renderer"]


def open_renderer(
    model: str | Path,
    *,
    revision: str | None = None,
    settings: RenderSettings | None = None,
    memory: str = "bf16",
    lora: tuple[str, ...] = (),
    device: str | None = None,
    cache: Path | None = None,
    rest: str = "memory",
    base: str | None = None,
) -> DiffusersRenderer:
    """The renderer for a diffusers pipeline: a folder, or a hub id whose weights are on this machine.

    Or one file, .gguf or .safetensors, that holds the denoiser of a known family; all else is then the
    released pipeline's, or that of `base`, which need not have a denoiser.

    `settings` override the model's own defaults. `memory` is one of `MEMORY`: bf16 (float32 on a CPU), fp8 or
    nf4, both of which need a GPU. `lora` are files, folders or hub ids, each with an optional strength as in
    "style.safetensors=0.8". `device` None takes a GPU if there is one. `cache` is a folder where embeddings
    and images are kept between runs, None keeps them in memory only. `rest` says where weights wait while
    others have the device: in "memory", or on "disk". Nothing is downloaded, and weights are
    loaded when they are first needed. Raises `UsageError`, `RendererError`.
    """
    from steer.renderer.diffusion import DiffusersRenderer
    from steer.renderer.source import find_source

    source = find_source(model, revision=revision, memory=memory, lora=lora, device=device, base=base)
    return DiffusersRenderer(source, settings or RenderSettings(), cache, rest)

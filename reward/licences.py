"""Who may use what the predictors, renderers and data sets are made of: one table, and who is asked first.

`steer doctor` prints it, and a checkpoint carries the lines of everything that went into it. The table
repeats what the model cards and download pages say; it is no legal advice.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """The terms of one model or data set."""

    id: str  # hub id, or the name of a data set
    terms: str
    commercial: bool | None  # whether commercial use is allowed at all; None where nothing is stated
    used_by: str  # presets, data sets or baselines that need it

    def __str__(self) -> str:
        return f"{self.id}: {self.terms}"


LICENCES = (
    Licence("SmolLM2-135M-Instruct", "Apache-2.0", True, "sandbox"),
    Licence("sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0", True, "sandbox"),
    Licence("sandbox weights and data", "Apache-2.0, made here", True, "sandbox"),
    Licence("black-forest-labs/FLUX.2-klein-4B", "Apache-2.0", True, "klein"),
    Licence("Qwen/Qwen-Image", "Apache-2.0", True, "qwen-image"),
    Licence("Tongyi-MAI/Z-Image-Turbo", "Apache-2.0", True, "z-image-turbo"),
    Licence(
        "black-forest-labs/FLUX.2-klein-9B",
        "FLUX non-commercial licence: no commercial use",
        False,
        "klein-9b",
    ),
    Licence("black-forest-labs/FLUX.2-dev", "FLUX non-commercial licence: no commercial use", False, "flux2"),
    Licence("meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1 Community License", True, "all GPU presets"),
    Licence("google/siglip2-so400m-patch14-384", "Apache-2.0", True, "all GPU presets"),
    Licence(
        "nvidia/llama-embed-nemotron-8b",
        "NVIDIA non-commercial licence and Llama 3.1 Community License: no commercial use",
        False,
        "flux2",
    ),
    Licence("Qwen/Qwen3-Embedding", "Apache-2.0", True, "GPU presets; any predictor, instead of nemotron"),
    Licence(
        "IDKiro/sdxs-512-dreamshaper", "CreativeML OpenRAIL++-M: free, with use restrictions", True, "laptop"
    ),
    Licence("google/siglip2-base-patch16-224", "Apache-2.0", True, "laptop"),
    Licence("PAMELA", "CC-BY-4.0", True, "data set"),
    Licence("LAPIS", "on request, no licence stated; images from WikiArt", None, "data set"),
    Licence("PARA", "research and learning only, no transfer: no commercial use", False, "data set"),
    Licence("openai/clip-vit-large-patch14", "MIT", True, "baseline laion-aesthetics"),
    Licence(
        "ttj/sac-logos-ava1-l14-linearMSE",
        "code Apache-2.0, weights not stated",
        None,
        "baseline laion-aesthetics",
    ),
    Licence("RE-N-Y/ImageReward", "Apache-2.0 (ImageReward)", True, "baseline imagereward"),
    Licence(
        "q-future/one-align",
        "code S-Lab non-commercial, pyiqa PolyForm Noncommercial: no commercial use",
        False,
        "baseline qalign",
    ),
    Licence("zhiyuanyou/DeQA-Score-Mix3", "MIT", True, "baseline deqa"),
    Licence("MizzenAI/HPSv3", "see its model card; base Qwen2-VL-7B Apache-2.0", None, "baseline hpsv3"),
)

# Downloaded only by who has accepted the terms on the model's page and said to the hub who they are.
GATED = (
    "black-forest-labs/FLUX.1",
    "black-forest-labs/FLUX.2-dev",
    "black-forest-labs/FLUX.2-klein-9B",
    "meta-llama/",
    "stabilityai/stable-diffusion-3",
)
_FAMILIES = ("google/siglip2-", "Qwen/Qwen3-Embedding")  # all sizes of one release have the same terms


def licences_of(*ids: str) -> tuple[str, ...]:
    """The lines that a checkpoint made of these models and data sets carries, in the order of `ids`.

    An id that is not in the table says so instead of passing for free.
    """
    return tuple(dict.fromkeys(_line(id) for id in ids))


def how_to_download(model: str, revision: str | None = None, command: str | None = None) -> str:
    """The command that brings a model here, after what its owner asks for where it is gated.

    It says first how much it fetches, which is what is read: many repositories hold the same weights twice.
    `command` brings less of it.
    """
    fetch = command or f"steer setup {model}" + (f"@{revision}" if revision else "")
    if not model.startswith(GATED) or has_token():
        return fetch
    return f"accept its terms on https://huggingface.co/{model}, then: hf auth login && {fetch}"


def has_token() -> bool:
    """Whether this machine has said to the hub who it is."""
    from huggingface_hub import get_token

    return get_token() is not None


def _line(id: str) -> str:
    for known in LICENCES:
        if known.id.lower() == id.lower():
            return str(known)
    for family in _FAMILIES:
        if id.startswith(family):
            return f"{id}: {next(known.terms for known in LICENCES if known.id.startswith(family))}"
    return f"{id}: terms not known here, see where it came from"

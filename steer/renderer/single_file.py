"""A denoiser in one file, GGUF or safetensors, and the pipeline that lends it everything else."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reward.hub_files import snapshot
from steer.errors import RendererError
from steer.renderer.weights_file import Tensor, tensors_in

SUFFIXES = (".gguf", ".safetensors")
PICKLED = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
INSTALL_GGUF = "pip install 'gguf>=0.17'"

FLUX2, Z_IMAGE = "Flux2Transformer2DModel", "ZImageTransformer2DModel"
QWEN_IMAGE, UNET = "QwenImageTransformer2DModel", "UNet2DConditionModel"


@dataclass(frozen=True)
class Base:
    """A released pipeline that a denoiser of its kind and width belongs to."""

    id: str
    kind: str  # class of the denoiser
    width: int  # of its blocks; of a UNet, of the texts that it reads
    words: tuple[str, ...]  # in the names of its files


# Of several with one width the one of whose words most are in the file's name; without any, the first.
BASES = (
    Base("black-forest-labs/FLUX.2-dev", FLUX2, 6144, ("flux2", "dev")),
    Base("black-forest-labs/FLUX.2-klein-9B", FLUX2, 4096, ("klein", "9b")),
    Base("black-forest-labs/FLUX.2-klein-base-9B", FLUX2, 4096, ("klein", "9b", "base")),
    Base("black-forest-labs/FLUX.2-klein-4B", FLUX2, 3072, ("klein", "4b")),
    Base("black-forest-labs/FLUX.2-klein-base-4B", FLUX2, 3072, ("klein", "4b", "base")),
    Base("Tongyi-MAI/Z-Image-Turbo", Z_IMAGE, 3840, ("zimage", "turbo")),
    Base("Tongyi-MAI/Z-Image", Z_IMAGE, 3840, ("zimage",)),
    Base("Qwen/Qwen-Image", QWEN_IMAGE, 3072, ("qwenimage",)),
    Base("stabilityai/stable-diffusion-xl-base-1.0", UNET, 2048, ("sdxl",)),
    Base("stable-diffusion-v1-5/stable-diffusion-v1-5", UNET, 768, ("sd15",)),
)

# Tensors that only this kind has, under the names of its makers or of diffusers.
_MARKS = {
    FLUX2: (
        ("single_stream_modulation.lin.weight",),
        ("single_stream_modulation.linear.weight",),
    ),
    Z_IMAGE: (("cap_embedder.0.weight", "layers.0.adaLN_modulation.0.weight"),),
    QWEN_IMAGE: (("txt_norm.weight", "transformer_blocks.0.img_mod.1.weight"),),
    UNET: (
        ("input_blocks.0.0.weight", "output_blocks.0.0.in_layers.0.weight"),
        ("conv_in.weight", "up_blocks.0.resnets.0.conv1.weight"),
    ),
}
_WIDE = re.compile(r"^(img_in|x_embedder|all_x_embedder\.2-1)\.weight$")
_READS_TEXT = re.compile(r"attn2\.to_k\.weight$")
_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "unet.", "")
_WHOLE = ("cond_stage_model.", "conditioner.", "first_stage_model.")  # of a Stable Diffusion in one file
_LORA = re.compile(r"lora|hada_w|lokr_w|dora_scale|\.alpha$", re.IGNORECASE)
# Scales beside the weights, which diffusers would leave out: ComfyUI's and its makers' fp8, nf4, SVDQuant.
_SCALED = re.compile(
    r"scale_weight$|weight_scale|input_scale$|scaled_fp8$|comfy_quant|absmax|wscales|qweight$"
)
_PLAIN = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
QUANTIZED = (
    *("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K", "IQ4_NL", "IQ4_XS"),
    "BF16",
)  # that diffusers keeps on the card as they are in the file
_UNUSED = ("norm_final.weight",)  # of Z-Image, which diffusers leaves out


@dataclass(frozen=True)
class SingleFile:
    """One file that holds a denoiser and nothing else that is read."""

    path: Path
    label: str  # as given, without the folders above a local file
    kind: str  # the denoiser's class in diffusers
    prefix: str  # of the names of its tensors
    width: int
    parameters: int
    bytes: int  # on the card: what is quantized as in the file, everything else in two bytes a number
    widest: int  # numbers of the largest quantized tensor, each of which is unpacked to be computed with

    @property
    def quantized(self) -> bool:
        """Whether it is GGUF, whose weights stay as they are in the file."""
        return self.path.suffix.lower() == ".gguf"

    @property
    def part(self) -> str:
        """Its name among the parts of a pipeline."""
        return "unet" if self.kind == UNET else "transformer"

    @property
    def base(self) -> str | None:
        """The released pipeline that it belongs to, by its width and its name; None if no known one does."""
        fitting = [base for base in BASES if (base.kind, base.width) == (self.kind, self.width)]
        return _named(self.label, fitting) or (fitting[0].id if fitting else None)


def names_a_file(model: str | Path) -> bool:
    """Whether a renderer is given as one file of weights, here or on the hub ("owner/name/file.gguf")."""
    given = Path(model).expanduser()
    name = given if given.is_file() else Path(str(model).partition("@")[0])
    return name.suffix.lower() in (*SUFFIXES, *PICKLED) and not given.is_dir()


def on_hub(model: str) -> tuple[str, str, str | None] | None:
    """Repository, file in it and revision of "owner/name/file@REVISION"; None of what is a path."""
    name, _, revision = model.partition("@")
    if Path(model).expanduser().is_file() or name.startswith((".", "~", "/")) or name.count("/") < 2:
        return None
    owner, repository, file = name.split("/", 2)
    return f"{owner}/{repository}", file, revision or None


def guess(model: str) -> str | None:
    """The pipeline that a file belongs to by its name alone, before it is here."""
    return _named(model, BASES)


def refuse_pickled(model: str) -> None:
    """Raises `RendererError` for a file of a kind that is never read."""
    given = Path(model).expanduser()
    suffix = (given if given.is_file() else Path(model.partition("@")[0])).suffix.lower()
    if suffix in PICKLED:
        raise RendererError(
            f"{model} is of a kind that can run programs when it is opened ({suffix}), and is not read; look "
            "for the same model as .safetensors or .gguf"
        )


def locate(model: str) -> Path:
    """The file of this path, or of this id where it was fetched. Raises `RendererError`."""
    given = Path(model).expanduser()
    refuse_pickled(model)
    if given.is_file():
        return given
    if (there := on_hub(model)) is None:
        raise RendererError(
            f"there is no file {model}: check the path, or give owner/name/file.gguf of the hub"
        )
    repository, name, revision = there
    folder = snapshot(repository, revision)
    if folder is None or not (folder / name).is_file():
        raise RendererError(f"{model} is not on this machine: check the path, or: steer setup {model}")
    return folder / name


def find(model: str) -> SingleFile:
    """The denoiser in a file, known by its header. Raises `RendererError` for what is none, or damaged."""
    path, there = locate(model), on_hub(model)
    label = f"{there[0]}/{there[1]}" if there else path.name
    if path.suffix.lower() == ".gguf" and importlib.util.find_spec("gguf") is None:
        raise RendererError(f"{label} needs the package gguf; run: {INSTALL_GGUF}")
    try:
        tensors = tensors_in(path)
    except (OSError, ValueError) as error:
        again = f"fetch it again: steer setup {model}" if there else "copy or download it again"
        raise RendererError(f"{label} is damaged ({error}); {again}") from error
    return _denoiser(path, label, tensors)


def _denoiser(path: Path, label: str, tensors: Mapping[str, Tensor]) -> SingleFile:
    if any(_LORA.search(name) for name in tensors):
        raise RendererError(
            f"{label} is a LoRA, no model of its own: --lora {label}, and leave --renderer out"
        )
    prefix = next(each for each in _PREFIXES if any(name.startswith(each) for name in tensors) or not each)
    own = {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
    kind = next(
        (kind for kind, marks in _MARKS.items() if any(own.keys() >= set(mark) for mark in marks)), None
    )
    if kind is None:
        raise RendererError(
            f"{label} holds no denoiser that is known here (FLUX.2, Z-Image, Qwen-Image, Stable Diffusion): "
            "give the folder of its whole pipeline, or a hub id"
        )
    _check_types(path, label, kind, tensors, own)
    width = _READS_TEXT if kind == UNET else _WIDE
    shapes = [each.shape for name, each in own.items() if width.search(name)]
    packed = {name for name, each in own.items() if each.type in QUANTIZED and path.suffix.lower() == ".gguf"}
    own = {name: each for name, each in own.items() if name not in _UNUSED}
    return SingleFile(
        path,
        label,
        kind,
        prefix,
        (shapes[0][-1] if kind == UNET else shapes[0][0]) if shapes and shapes[0] else 0,
        sum(each.count for each in own.values()),
        sum(each.bytes if name in packed else 2 * each.count for name, each in own.items()),
        max((own[name].count for name in packed & own.keys()), default=0),
    )


def _check_types(
    path: Path, label: str, kind: str, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> None:
    gguf = path.suffix.lower() == ".gguf"
    if gguf and kind == UNET:
        raise RendererError(
            f"{label} is a UNet as GGUF, which diffusers does not read: take its .safetensors"
        )
    if kind == UNET and any(name.startswith(_WHOLE) for name in tensors):
        raise RendererError(
            f"{label} is a whole Stable Diffusion in one file: make a folder of it once with diffusers "
            "(from_single_file, then save_pretrained), and give that folder"
        )
    known = (*QUANTIZED, "F32", "F16") if gguf else _PLAIN
    strange = sorted({each.type for each in own.values()} - set(known))
    if strange or any(_SCALED.search(name) for name in own):
        what = f"of the type {strange[0]}" if strange else "with scales beside them"
        raise RendererError(
            f"{label} has weights {what}, which diffusers cannot read: take a .gguf (Q8_0, Q4_K …), or the "
            "same in bf16"
        )


def _named(name: str, bases: Sequence[Base]) -> str | None:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    found = [base for base in bases if all(word in plain for word in base.words)]
    return max(found, key=lambda base: len(base.words)).id if found else None

"""Where a pipeline's weights are, whether they are whole, and whether this machine can run them.

Only local files are looked at: in a folder written by `save_pretrained`, or in the hub's cache, which
`steer setup` fills and which knows how to go on after a broken connection.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward.checked import read_json
from reward.hub_files import snapshot
from reward.licences import how_to_download
from steer.errors import RendererError, UsageError
from steer.renderer.settings import MEMORY
from steer.renderer.single_file import SingleFile, find, names_a_file
from steer.renderer.weights_file import tensors_in

INSTALL = "pip install 'steer[gpu]' (from a checkout: pip install -e '.[gpu]')"
CPU_LIMIT = 12 * 2**30  # bytes of weights of the denoiser: beyond, an image takes a CPU hours
LIBRARY = {"fp8": "torchao", "nf4": "bitsandbytes"}
DENOISERS = ("transformer", "unet")
INDEX = "model_index.json"
_SAMPLE = 1 << 20  # bytes read at either end of a file of weights to tell it from others of its size


@dataclass(frozen=True)
class Lora:
    """One LoRA file and how strongly it is applied."""

    file: Path
    strength: float
    label: str  # as given, without the folders above a local file


@dataclass(frozen=True)
class PipelineSource:
    """A pipeline that was found whole on this machine, and how to load it."""

    model: str  # hub id, or the folder's name; of a single file, with that of the pipeline around it
    folder: Path
    revision: str  # commit on the hub; of a folder or a single file, a hash of what is in it
    index: Mapping[str, Any]  # model_index.json
    memory: str
    device: str
    loras: tuple[Lora, ...] = ()
    file: SingleFile | None = None  # that the denoiser comes from, in the place of the folder's own

    @property
    def dtype(self) -> str:
        """torch's name of the type that is computed in.

        bfloat16 on GPUs, but float16 for UNets, whose models of one step show the rounding of bfloat16 as
        grain (SDXL's pipeline decodes in float32 by itself); float32 on a CPU, where it is faster and memory
        is not scarce. fp8 gives bfloat16 and nothing else.
        """
        if self.device == "cpu":
            return "float32"
        return "float16" if "unet" in components(self.index) and self.memory != "fp8" else "bfloat16"

    @property
    def identity(self) -> str:
        """sha256 over everything about the weights that can change an image."""
        precision = self.dtype if self.memory == "bf16" and self.dtype != "bfloat16" else self.memory
        loras = [(_fingerprint([lora.file]), lora.strength) for lora in self.loras]
        told = [self.model, self.revision, precision, loras]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def find_source(
    model: str | Path,
    revision: str | None = None,
    memory: str = "bf16",
    lora: tuple[str, ...] = (),
    device: str | None = None,
    base: str | None = None,
) -> PipelineSource:
    """The pipeline `model`, checked without loading it.

    Or the denoiser in one file within the pipeline `base`, or the released one that it belongs to. Raises
    `UsageError`, `RendererError`.
    """
    if importlib.util.find_spec("diffusers") is None:
        raise RendererError(f"the renderer {model} needs the package diffusers; run: {INSTALL}")
    if memory not in MEMORY:
        raise UsageError(f"there is no memory plan {memory!r}; choose --memory {', '.join(MEMORY)}")
    file = None
    whole: str | Path = model
    if names_a_file(model):
        file = find(f"{model}@{revision}" if revision else str(model))
        whole, revision = _base(file, base, memory)
    elif base is not None:
        raise UsageError(
            f"--renderer-base is for a renderer that is one file, and {model} is a whole pipeline"
        )
    fetch = f"steer setup {model}" + (f" --renderer-base {base}" if base else "")
    folder, commit = _locate(whole, revision, fetch if file else None)
    index = _index(folder, whole)
    remedy = f"finish the download: {fetch}" if commit else f"copy {folder} again"
    if missing := next(_damage(folder, index, file), None):
        raise RendererError(f"the weights of {whole} are incomplete: {missing}; {remedy}")
    device = device or _best_device()
    name = str(whole) if commit else folder.resolve().name
    own = commit or _fingerprint(
        sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors")), folder
    )
    if file is not None:
        name, own = f"{file.label} on {name}", f"{_fingerprint([file.path])}+{own}"
    weights = {part: weight_bytes(folder / part) for part in DENOISERS if part in components(index)}
    _check_device(str(model), index, memory, device, file.bytes if file else max(weights.values(), default=0))
    loras = tuple(_lora(given) for given in lora)
    return PipelineSource(name, folder, own, index, memory, device, loras, file)


def _base(file: SingleFile, asked: str | None, memory: str) -> tuple[str, str | None]:
    """The pipeline around a single file, and its revision."""
    if memory != "bf16" and not file.quantized:
        raise UsageError(
            f"--memory {memory} converts whole pipelines, and {file.label} is a single file: leave it out, "
            "or take the model as .gguf"
        )
    base = asked or file.base
    if base is None:
        raise RendererError(
            f"no pipeline is known that {file.label} belongs to ({file.kind}, {file.width} wide): name it, "
            "--renderer-base ID"
        )
    whole, _, revision = (base, "", "") if Path(base).is_dir() else base.partition("@")
    return whole, revision or None


def weight_bytes(folder: Path) -> int:
    """Size of the safetensors files in a folder."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _locate(model: str | Path, revision: str | None, fetch: str | None = None) -> tuple[Path, str | None]:
    """Folder and commit of a hub model; folder and None of a local one. `fetch` is what brings it here."""
    if (folder := Path(model).expanduser()).is_dir():
        if revision is not None:
            raise UsageError(f"{model} is a folder, which has no revisions: leave the revision out")
        return folder, None
    if Path(model).is_absolute() or str(model).startswith((".", "~")) or str(model).count("/") > 1:
        raise RendererError(f"there is no folder {model}: check the path, or give a hub id (owner/name)")
    found = _snapshot(str(model), revision)
    if found is None:
        raise RendererError(
            f"the weights of {model} are not on this machine: {how_to_download(str(model), revision, fetch)}"
        )
    return found, found.name


def _snapshot(model: str, revision: str | None = None) -> Path | None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(model)
    except HFValidationError as error:
        raise UsageError(f"{model!r} is neither a folder nor a hub id of the form owner/name") from error
    return snapshot(model, revision)


def _index(folder: Path, model: str | Path) -> dict[str, Any]:
    try:
        index = read_json(folder / INDEX)
        if isinstance(index.get("_class_name"), str):
            return dict(index)
        reason = "it names no _class_name"
    except FileNotFoundError:
        reason = "there is none"
    except (OSError, ValueError, AttributeError) as error:
        reason = f"it cannot be read: {error}"
    raise RendererError(
        f"{model} is not a pipeline of diffusers ({INDEX}: {reason}); give a folder written by "
        f"save_pretrained, or a hub id after: steer setup {model}"
    )


def components(index: Mapping[str, Any]) -> dict[str, str]:
    """Names of the pipeline's parts and their classes; parts that it was saved without are left out."""
    return {
        name: value[1]
        for name, value in index.items()
        if not name.startswith("_") and isinstance(value, list) and len(value) == 2 and value[0] is not None
    }


def _damage(folder: Path, index: Mapping[str, Any], file: SingleFile | None) -> Iterator[str]:
    """What is missing or cut short, one line each. Of the part that `file` has only the config counts."""
    for name in components(index):
        part = folder / name
        if not part.is_dir():
            yield f"the folder {name} is missing"
        elif file is not None and name == file.part:
            if not (part / "config.json").is_file():
                yield f"{name}/config.json is missing"
        elif (part / "config.json").is_file():  # a model; tokenizers and schedulers call theirs otherwise
            yield from _broken_weights(part)


def _broken_weights(part: Path) -> Iterator[str]:
    wanted: set[str] = set()
    for listing in part.glob("*.safetensors.index*.json"):
        try:
            wanted |= {str(name) for name in read_json(listing)["weight_map"].values()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            yield f"{part.name}/{listing.name} is damaged"
    names = wanted | {path.name for path in part.glob("*.safetensors")}
    if not names:
        pickled = next((path.name for path in part.glob("*.bin")), None)
        yield f"{part.name} holds {pickled or 'no weights'}, and only safetensors are read"
    for name in sorted(names):
        if not (part / name).exists():  # a link in the hub's cache whose file is not there yet counts too
            yield f"{part.name}/{name} is missing"
        elif not _whole(part / name):
            yield f"{part.name}/{name} is cut short"


def _whole(file: Path) -> bool:
    """True if a safetensors file is as long as its header says."""
    try:
        tensors_in(file)
    except ValueError:
        return False
    return True


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _check_device(model: str, index: Mapping[str, Any], memory: str, device: str, size: int) -> None:
    import torch

    gpu = device.startswith("cuda")
    if gpu and not torch.cuda.is_available():
        raise RendererError(
            f"the renderer {model} was asked for on {device}, and no GPU was found; see: steer doctor"
        )
    unet = "unet" in components(index)
    if gpu and not unet and not torch.version.hip and torch.cuda.get_device_capability(device) < (8, 0):
        raise RendererError(
            f"{torch.cuda.get_device_name(device)} computes no bfloat16 (compute capability below 8.0), "
            f"which {model} needs; take a Stable Diffusion, as --preset laptop does"
        )
    if memory != "bf16":
        if not gpu:
            raise RendererError(
                f"--memory {memory} needs an NVIDIA GPU, and none was found; leave it out; see: steer doctor"
            )
        if memory == "fp8" and torch.cuda.get_device_capability(device) < (8, 9):
            raise RendererError(
                f"{torch.cuda.get_device_name(device)} is too old for fp8 (compute capability below 8.9); "
                "use --memory nf4"
            )
        if importlib.util.find_spec(LIBRARY[memory]) is None:
            raise RendererError(f"--memory {memory} needs a package; run: pip install {LIBRARY[memory]}")
    if device == "cpu" and size > CPU_LIMIT:
        raise RendererError(
            f"{model} needs a GPU, and none was found: with its {size / 1e9:.0f} GB of weights "
            "an image takes a CPU hours; run it on a GPU machine, or choose a smaller one: "
            "--renderer stabilityai/sd-turbo"
        )


def _fingerprint(files: list[Path], root: Path | None = None) -> str:
    """A hash over names, sizes and both ends of files, which is enough: trained weights differ everywhere."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        name = file.relative_to(root).as_posix() if root else ""
        digest.update(f"{name}\0{size}\0".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_SAMPLE))
            stream.seek(max(0, size - _SAMPLE))
            digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()[:16]


def _lora(given: str) -> Lora:
    """Read "file.safetensors", a folder, "owner/name" or "owner/name/file.safetensors", maybe with "=0.8"."""
    source, _, number = given.rpartition("=") if "=" in given else (given, "", "1")
    try:
        strength = float(number)
    except ValueError:
        raise UsageError(
            f"the strength of the LoRA {given!r} is not a number; write --lora {source}=0.8"
        ) from None
    path = Path(source).expanduser()
    name = None
    if not path.exists():
        repository, name = "/".join(source.split("/")[:2]), "/".join(source.split("/")[2:]) or None
        if (found := _snapshot(repository)) is None:
            raise RendererError(
                f"there is no LoRA {source} on this machine: check the path, or: steer setup {repository}"
            )
        path = found
    if path.is_dir():
        files = [path / name] if name else sorted(path.glob("*.safetensors"))
        if len(files) != 1 or not files[0].is_file():
            listed = ", ".join(file.name for file in path.glob("*.safetensors")) or "none"
            raise RendererError(f"{path} must hold the LoRA: name one of its safetensors files ({listed})")
        path = files[0]
    if path.suffix != ".safetensors" or not _whole(path):
        raise RendererError(
            f"the LoRA {path} is not a whole safetensors file, and no other format is read; download it again"
        )
    label = path.name if Path(source).expanduser().exists() else source
    return Lora(path, strength, label if strength == 1 else f"{label}={strength:g}")

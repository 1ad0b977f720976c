"""Loading pipelines of diffusers: in two halves where the first can be made smaller, quantized, with LoRAs.

FLUX.2 reads its text encoder's hidden states at three depths (dev: layers 10, 20 and 30 of 40; klein: 9, 18
and 27 of 36) and nothing above: later layers, the last norm, the output layer and the eyes are left out. What
remains computes the same numbers in the same order; tests compare both, bit by bit.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from steer.errors import RendererError
from steer.renderer.settings import FAMILIES, Family
from steer.renderer.single_file import UNET, SingleFile
from steer.renderer.source import DENOISERS, INSTALL, PipelineSource, components


class Pipelines:
    """The pipeline of a source. Its two halves are loaded apart where they are not needed together.

    `text` encodes prompts, `image` makes images of the encodings; the same object for most models.
    """

    def __init__(self, source: PipelineSource) -> None:
        self.source = source
        self.kind = pipeline_class(source)
        self.family = FAMILIES.get(source.index["_class_name"], Family())
        self._halves: dict[str, Any] = {}
        if source.file is not None:
            with _readable(source):
                check_size(source, source.file)

    @property
    def text(self) -> Any:
        """The half that has the text encoder. Raises `RendererError`."""
        return self._half("text" if self.family.cut else "image")

    @property
    def image(self) -> Any:
        """The half that has the denoiser and the decoder. Raises `RendererError`."""
        return self._half("image")

    def whole_text(self) -> Any:
        """The half that has the text encoder, with all of its layers, to compare. Raises `RendererError`."""
        names = components(self.source.index)
        absent = {name: None for name in (*DENOISERS, "vae") if name in names}
        with _readable(self.source), quiet():
            return self.kind.from_pretrained(
                self.source.folder,
                dtype=getattr(torch, self.source.dtype),
                use_safetensors=True,
                local_files_only=True,
                **absent,
            )

    @property
    def layers(self) -> tuple[int, ...]:
        """Depths at which FLUX.2 reads its text encoder; 0 is the embedding of the tokens."""
        return tuple(inspect.signature(self.kind.encode_prompt).parameters["text_encoder_out_layers"].default)

    def forget(self, name: str) -> None:
        """Give the weights of "text" or "image" up; they are read again when they are next asked for."""
        self._halves.pop(name, None)

    def _half(self, name: str) -> Any:
        if name not in self._halves:
            with _readable(self.source), quiet(), self._device():
                self._halves[name] = self._load(name)
        return self._halves[name]

    def _device(self) -> AbstractContextManager[Any]:
        """Quantized weights are loaded onto whichever GPU is the current one: make it the source's."""
        device = self.source.device
        return torch.cuda.device(device) if device.startswith("cuda:") else nullcontext()

    def _load(self, half: str) -> Any:
        source = self.source
        names = components(source.index)
        mapping = quantization(source, names)
        if not self.family.cut:
            absent: dict[str, Any] = {}
        elif half == "text":
            absent = {name: None for name in (*DENOISERS, "vae") if name in names}
            encoder = short_text_encoder(source, names["text_encoder"], max(self.layers), mapping)
            absent["text_encoder"], mapping = encoder, {}
        else:
            absent = {"text_encoder": None, "tokenizer": None}
            mapping = {name: config for name, config in mapping.items() if name in DENOISERS}
        if source.file is not None and source.file.part not in absent:
            mapping = {name: config for name, config in mapping.items() if name != source.file.part}
            absent[source.file.part] = denoiser_of(source, source.file)
        if mapping:
            from diffusers import PipelineQuantizationConfig

            absent["quantization_config"] = PipelineQuantizationConfig(quant_mapping=mapping)
        pipe = self.kind.from_pretrained(
            source.folder,
            dtype=getattr(torch, source.dtype),
            use_safetensors=True,
            local_files_only=True,
            **absent,
        )
        pipe.set_progress_bar_config(disable=True)
        if half == "image":
            _add_loras(pipe, source)
        return pipe


# Words in the names of classes that want a picture, or make something else than one of a text.
_OTHER = re.compile(
    r"Img2Img|Image2Image|I2I|Inpaint|Control|Kontext|Edit|Upscale|SuperRes|Adapter|Fill|Redux|Prior|Decoder|"
    r"Refiner|Depth|Pix2Pix|Layered|GLIGEN|Variation|Blip|Onnx|LDM3D|Latte|Panorama|DiffusionGemma|LLaDA"
)
_TAKES = {"prompt", "num_inference_steps", "generator", "output_type", "height", "width"}
_MOVES = {"num_frames", "num_videos_per_prompt", "video", "video_length"}  # what only films have


def pipeline_class(source: PipelineSource) -> Any:
    """The text-to-image pipeline class for a folder. Raises `RendererError` where there is none."""
    import diffusers

    name = source.index["_class_name"]
    kind = getattr(diffusers, name, None)
    if backends := getattr(kind, "_backends", None):  # what stands in for a class whose packages are missing
        missing = [each for each in backends if importlib.util.find_spec(each) is None]
        raise RendererError(f"{source.model} needs other packages; run: pip install {' '.join(missing)}")
    if name in FAMILIES or (kind is not None and text_to_image(kind)):
        return kind
    raise RendererError(
        f"{source.model} is a {name}, which makes no images of texts alone; choose another --renderer"
    )


def text_to_image(kind: Any) -> bool:
    """Whether a pipeline class of diffusers makes pictures of texts alone, by its name and its arguments."""
    if _OTHER.search(kind.__name__) or not callable(kind):
        return False
    call = inspect.signature(kind.__call__).parameters
    needed = {name for name, p in call.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    return call.keys() >= _TAKES and not call.keys() & _MOVES and needed <= {"self", "prompt"}


def quantization(source: PipelineSource, names: Mapping[str, str]) -> dict[str, Any]:
    """A config for each module that the memory plan quantizes: denoiser and language models, not CLIP or VAE.

    fp8: weights and activations in float8 with a scale per row (torchao). nf4: 4-bit weights, computed in
    `source.dtype` (bitsandbytes; Dettmers et al. 2023). diffusers and transformers have a config class each.
    """
    if source.memory == "bf16":
        return {}
    import diffusers
    import transformers

    big = [name for name in names if name in DENOISERS] + [
        name
        for name, kind in names.items()
        if name.startswith("text_encoder") and not kind.startswith("CLIP")
    ]
    configs = {}
    for name in big:
        library: Any = diffusers if name in DENOISERS else transformers
        if source.memory == "fp8":
            from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow

            # A prompt padded on the left makes rows of zeros, and a scale of 0 would divide 0 by 0.
            configs[name] = library.TorchAoConfig(
                Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), activation_value_lb=1e-12)
            )
        else:
            configs[name] = library.BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_compute_dtype=getattr(torch, source.dtype),
            )
    return configs


def check_size(source: PipelineSource, file: SingleFile) -> None:
    """Raises `RendererError` for a denoiser that has not as many weights as the pipeline's own."""
    import diffusers
    from accelerate import init_empty_weights

    kind = getattr(diffusers, file.kind)
    if components(source.index).get(file.part) != file.kind:
        raise RendererError(
            f"{source.model} does not fit: the pipeline has no {file.kind}; another: --renderer-base"
        )
    with init_empty_weights(), quiet():
        model = kind.from_config(kind.load_config(source.folder / file.part, local_files_only=True))
    wanted = sum(tensor.numel() for tensor in model.state_dict().values())
    if wanted != file.parameters:
        raise RendererError(
            f"{source.model} does not fit: the file has {file.parameters:,} weights, the pipeline's own "
            f"{file.part} {wanted:,}; name the pipeline that it belongs to: --renderer-base"
        )


_ROWS = {"x_pad_token", "cap_pad_token"}  # of Z-Image: matrices of one row, which GGUF keeps as vectors


def denoiser_of(source: PipelineSource, file: SingleFile) -> Any:
    """The denoiser in a single file: of GGUF with its weights as they are there, else in `source.dtype`."""
    import diffusers

    dtype = getattr(torch, source.dtype)
    more = {}
    if file.quantized:
        from diffusers.models.model_loading_utils import load_gguf_checkpoint

        weights = load_gguf_checkpoint(file.path)
        more["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
    else:
        weights = load_file(file.path)
    # Its prefix is in the way, but for the makers' names of a UNet, which diffusers knows by one.
    theirs = file.kind == UNET and f"{file.prefix}input_blocks.0.0.weight" in weights
    prefix = "model.diffusion_model." if theirs else ""
    named = {prefix + k.removeprefix(file.prefix): v for k, v in weights.items() if k.startswith(file.prefix)}
    for name in named.keys() & _ROWS:
        named[name] = named[name].reshape(1, -1)
    try:
        model = getattr(diffusers, file.kind).from_single_file(
            named,
            config=str(source.folder),
            subfolder=file.part,
            dtype=dtype,
            local_files_only=True,
            **more,
        )
    except NotImplementedError as error:  # some of its weights are still empty
        raise RendererError(
            f"{file.label} has not all weights of a {file.kind}, or by other names: download it again"
        ) from error
    return model if not file.quantized else _unpacked(model, dtype)


def compile_blocks(denoiser: Any) -> None:
    """Compiles the blocks that repeat. Raises `RendererError` for a class that names none."""
    try:
        denoiser.compile_repeated_blocks(fullgraph=True)
    except ValueError as error:
        raise RendererError(
            f"{type(denoiser).__name__} cannot be compiled block by block: leave --compile out"
        ) from error


def _unpacked(model: Any, dtype: torch.dtype) -> Any:
    """Weights of a GGUF file that no linear layer unpacks as it computes are unpacked for good."""
    from diffusers.quantizers.gguf.utils import GGUFLinear, GGUFParameter, dequantize_gguf_tensor

    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            if isinstance(weight, GGUFParameter) and not (
                isinstance(module, GGUFLinear) and name == "weight"
            ):
                plain = dequantize_gguf_tensor(weight).to(dtype)
                setattr(module, name, torch.nn.Parameter(plain, requires_grad=False))
    return model


def short_text_encoder(source: PipelineSource, kind: str, layers: int, mapping: Mapping[str, Any]) -> Any:
    """The text encoder up to this layer; what lies above is not read from disk."""
    import transformers

    folder = source.folder / "text_encoder"
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    text = config.get_text_config()
    if text.num_hidden_layers < layers:
        raise RendererError(
            f"the text encoder of {source.model} has {text.num_hidden_layers} layers of {layers} needed: "
            f"{folder} is not the one that belongs to it"
        )
    text.num_hidden_layers = layers
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:layers]
    more = {"quantization_config": mapping["text_encoder"]} if "text_encoder" in mapping else {}
    model = getattr(transformers, kind).from_pretrained(
        folder,
        config=config,
        dtype=getattr(torch, source.dtype),
        use_safetensors=True,
        local_files_only=True,
        **more,
    )
    return without_head(model.eval())


def without_head(model: Any) -> Any:
    """Takes from a language model what only its own output needs; its hidden states stay as they are.

    The norm has to go because transformers reports the last hidden state after it, all others before.
    """
    decoder = model.get_decoder()
    decoder.norm = torch.nn.Identity()
    model.lm_head = torch.nn.Identity()
    for holder in (model, getattr(model, "model", model)):
        for eye in ("vision_tower", "multi_modal_projector"):
            if isinstance(getattr(holder, eye, None), torch.nn.Module):
                setattr(holder, eye, None)
    return model


def _add_loras(pipe: Any, source: PipelineSource) -> None:
    if not source.loras:
        return
    if not hasattr(pipe, "load_lora_weights"):
        raise RendererError(f"{type(pipe).__name__} takes no LoRA: leave --lora out")
    names = [f"lora{i}" for i in range(len(source.loras))]
    for name, lora in zip(names, source.loras, strict=True):
        try:
            pipe.load_lora_weights(
                lora.file.parent, weight_name=lora.file.name, adapter_name=name, use_safetensors=True
            )
            fits = any(name in present for present in pipe.get_list_adapters().values())
        except (ValueError, RuntimeError, LookupError) as error:
            if "PEFT" in str(error):
                raise RendererError(f"--lora needs the package peft; run: {INSTALL}") from error
            raise RendererError(
                f"the LoRA {lora.label} does not fit {source.model}: {_line(error)}"
            ) from error
        if not fits:
            raise RendererError(
                f"the LoRA {lora.label} has nothing for {source.model}: it was made for another model"
            )
    pipe.set_adapters(names, [lora.strength for lora in source.loras])


@contextmanager
def _readable(source: PipelineSource) -> Iterator[None]:
    """Whatever goes wrong while weights are read becomes one line."""
    try:
        yield
    except ImportError as error:  # PixtralProcessor wants torchvision, other tokenizers sentencepiece
        raise RendererError(
            f"{source.model} needs another package ({_line(error)}); run: {INSTALL}"
        ) from error
    except torch.OutOfMemoryError as error:
        raise RendererError(
            f"the weights of {source.model} do not fit into the GPU's memory with --memory {source.memory}; "
            "try --memory nf4 or a smaller --renderer; what fits: steer doctor"
        ) from error
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        raise RendererError(
            f"cannot load {source.model} from {source.folder}: {_line(error)}; "
            "is it a text-to-image pipeline of diffusers? see docs/renderers.md"
        ) from error


def _line(error: Exception) -> str:
    return next((line for line in str(error).strip().splitlines() if line.strip()), type(error).__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice while weights load; the caller's settings are restored."""
    import diffusers.utils.logging as of_diffusers
    import transformers.utils.logging as of_transformers

    libraries = (of_diffusers, of_transformers)
    before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, (verbosity, bars) in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()

"""What the GPU of this machine does with models of the released sizes, at random weights.

    python benchmarks/gpu.py quick      the parts below in at most 9 minutes, on one H100 or H200
    python benchmarks/gpu.py attention  FLUX.2-dev's text encoder on padded prompts: which kernels make NaN
    python benchmarks/gpu.py pinning    what page-locked main memory takes, and how fast it is
    python benchmarks/gpu.py plans      steer's renderer on a pipeline as large as klein-4B: bf16, fp8, nf4
    python benchmarks/gpu.py stock      FLUX.2-dev's pipeline called once per prompt, as everyone does
    python benchmarks/gpu.py ours       steer's renderer with the same transformer, batches of 1, 2, 4 and 8
    python benchmarks/gpu.py compile    the same with its repeated blocks compiled
    python benchmarks/gpu.py wake       what is compiled again after rest and wake, and for other batches
    python benchmarks/gpu.py scorer     SigLIP2 so400m alone, and while the renderer works
    python benchmarks/gpu.py gemm       the rate that dev's matrix products reach alone
    python benchmarks/gpu.py fp8        `ours` in fp8: speed and error only
    python benchmarks/gpu.py all --tiny the same code at a tiny size, on any CPU

Each part takes less than 8 minutes on an H100, and less than 2 with --short, as `quick` runs it: 10 steps
for 50, batches of 1 and 4. Nothing is downloaded: a bare machine with this repository, torch, diffusers and
transformers is enough (torchao for fp8, bitsandbytes for nf4). `stock`, `ours`, `compile` and `fp8` leave the
text encoder out: prompts come as random embeddings, equal for all, so seconds are those of denoising and
decoding. Weights follow from a seed, and so does the noise of each picture: these parts compare their final
latents with those that `stock` left in --out. Figures go to --out/gpu.json as soon as they are there.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib.metadata
import importlib.util
import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn.attention import SDPBackend, sdpa_kernel

sys.path.insert(0, str(Path(__file__).parent.parent))

from steer.machine.gpus import from_driver
from steer.machine.model_sizes import LAYERS_READ, decode_flops, known, look_flops, step_flops
from steer.renderer import MEMORY, RenderSettings, open_renderer
from steer.renderer.diffusion import ATTENTION, DiffusersRenderer
from steer.renderer.load import without_head
from steer.renderer.source import LIBRARY, PipelineSource
from steer.renderer.stage import Stage

# What `quick` runs, in the order of its worth, and how many seconds each may take.
QUICK = {
    "attention": 110,
    "pinning": 70,
    "plans": 180,
    "stock": 60,
    "ours": 90,
    "compile": 120,
    "wake": 90,
    "scorer": 70,
    "gemm": 40,
}
QUICK_SECONDS = 530
PARTS = (*QUICK, "fp8")
DEV, KLEIN = "black-forest-labs/FLUX.2-dev", "black-forest-labs/FLUX.2-klein-4B"
TOLERANCE = 0.03  # relative L2 error of final latents in bfloat16, against the stock loop from the same noise
STOCK_PICTURES = 4
LATENTS = "gpu-stock-latents.safetensors"


class Size:
    """Full or tiny: configs, pixels, steps, batches, and how many text tokens."""

    def __init__(self, tiny: bool, short: bool = False) -> None:
        self.tiny = tiny
        self.pixels, self.steps, self.text = (64, 2, 16) if tiny else (512, 10 if short else 50, 512)
        self.batches = (1, 2) if tiny else (1, 4) if short else (1, 2, 4, 8)
        dev = known()[DEV]
        small = {"in_channels": 16, "num_layers": 1, "num_single_layers": 2, "attention_head_dim": 16,
                 "num_attention_heads": 2, "joint_attention_dim": 24, "timestep_guidance_channels": 32,
                 "axes_dims_rope": (4, 4, 4, 4)}  # fmt: skip
        self.transformer = {**dev["transformer"], **(small if tiny else {})}
        narrow = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "head_dim": 16,
                  "num_key_value_heads": 1, "vocab_size": 200}  # fmt: skip
        few = {"num_hidden_layers": 4, "vocab_size": 4096}  # full width, of which 4 of 40 layers say enough
        self.mistral = {**dev["text_encoder"]["text_config"], **few, **(narrow if tiny else {})}
        klein = known()[KLEIN]
        read = {"num_hidden_layers": LAYERS_READ["Flux2KleinPipeline"]}
        self.qwen = {**klein["text_encoder"], **read, **(narrow if tiny else {})}
        context = {"joint_attention_dim": 3 * narrow["hidden_size"]}
        self.klein = {**klein["transformer"], **({**small, **context} if tiny else {})}
        self.vae = {**dev["vae"], "norm_num_groups": 4 if tiny else 32}
        if tiny:
            self.vae |= {"block_out_channels": [8, 8], "layers_per_block": 1, "latent_channels": 4}
        siglip = known()["google/siglip2-so400m-patch14-384"]
        tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
        self.siglip = {
            "vision_config": {
                **siglip["vision_config"],
                "num_attention_heads": 16,
                **(tower if tiny else {}),
            },
            "text_config": {**siglip["text_config"], "num_attention_heads": 16, **(tower if tiny else {})},
        }
        self.siglip["text_config"] |= {"projection_size": 32, "vocab_size": 99} if tiny else {}

    @property
    def width(self) -> int:
        return int(self.transformer["num_attention_heads"] * self.transformer["attention_head_dim"])

    @property
    def latent_side(self) -> int:
        """Tokens each way; the tiny autoencoder halves a picture once, the full one three times."""
        return self.pixels // 2 ** len(self.vae["block_out_channels"])

    @property
    def picture_flops(self) -> float:
        """Of one picture, decoding included."""
        if self.tiny:  # its tokens are smaller than those that `steer.machine.model_sizes` counts
            return math.nan
        return self.steps * step_flops(self.transformer, self.pixels) + decode_flops(self.vae, self.pixels)


class Machine:
    """Where it runs, and its clocks."""

    def __init__(self, tiny: bool) -> None:
        cuda = torch.cuda.is_available()
        if not cuda and not tiny:
            raise SystemExit("error: no GPU that torch can use; try the same code at a tiny size: --tiny")
        self.device = "cuda" if cuda and not tiny else "cpu"
        self.dtype = torch.bfloat16 if self.device == "cuda" else torch.float32
        if self.device == "cuda":
            found = torch.cuda.get_device_properties(0)
            self.card = from_driver(found.name, found.total_memory / 2**30)
        else:
            self.card = from_driver("CPU", 0.0)

    def about(self) -> dict[str, Any]:
        def version(package: str) -> str | None:
            try:
                return importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                return None

        return {
            "card": self.card.name,
            "memory_gib": round(self.card.memory, 1),
            "dense_peak_tflops": self.card.bf16 or None,
            "torch": torch.__version__,
            **{name: version(name) for name in ("diffusers", "transformers", "torchao", "bitsandbytes")},
        }

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object]) -> float:
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - start

    def reset_peak(self) -> None:
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak_gib(self) -> float:
        """Allocated on the card since `reset_peak`; on a CPU, of the process so far."""
        if self.device == "cuda":
            return round(torch.cuda.max_memory_allocated() / 2**30, 2)
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


# --- the models


def transformer(machine: Machine, config: dict[str, Any]) -> Any:
    """The transformer with random weights, made on the device: main memory never holds it."""
    from diffusers import Flux2Transformer2DModel

    own = {name: value for name, value in config.items() if not name.startswith("_")}
    with torch.device("meta"):
        model = Flux2Transformer2DModel(**own).to(machine.dtype)
    model = model.to_empty(device=machine.device)
    generator = torch.Generator(machine.device).manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)  # norms
                continue
            # Each product keeps the variance of what it multiplies, far from over- and underflow.
            gain = 0.5 if "to_out" in name else 1.0
            parameter.normal_(0.0, gain / math.sqrt(parameter.shape[1]), generator=generator)
    return model.eval().requires_grad_(False)


def decoder_and_scheduler(size: Size, machine: Machine) -> dict[str, Any]:
    from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler
    from diffusers.utils.logging import set_verbosity_error

    set_verbosity_error()
    kinds = len(size.vae["block_out_channels"])
    own = {name: value for name, value in size.vae.items() if not name.startswith("_")}
    torch.manual_seed(0)
    vae = AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * kinds, up_block_types=("UpDecoderBlock2D",) * kinds, **own
    )
    scheduler = FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000, use_dynamic_shifting=True, time_shift_type="exponential"
    )
    return {
        "scheduler": scheduler,
        "vae": vae.eval().requires_grad_(False).to(machine.device, machine.dtype),
    }


def pipeline(size: Size, machine: Machine, **transformers: Any) -> Any:
    """FLUX.2-dev's pipeline without its text encoder."""
    from diffusers import Flux2Pipeline

    pipe = Flux2Pipeline(
        text_encoder=None,
        tokenizer=None,
        transformer=transformer(machine, {**size.transformer, **transformers}),
        **decoder_and_scheduler(size, machine),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def mistral(size: Size, machine: Machine) -> Any:
    """FLUX.2-dev's text encoder as the renderer keeps it: no eyes, no head, no last norm."""
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration

    eyes = {"model_type": "pixtral", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "image_size": 32, "patch_size": 16}  # fmt: skip
    config = Mistral3Config(
        text_config={**size.mistral, "sliding_window": None}, vision_config=eyes, image_token_index=0
    )
    return without_head(_made(machine, lambda: Mistral3ForConditionalGeneration(config)))


def klein(size: Size, machine: Machine) -> Any:
    """A whole pipeline of klein-4B's size; of the text encoder, the layers that are read."""
    from diffusers import Flux2KleinPipeline
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    words = ["[PAD]", "[UNK]", *" ".join(prompts(100)).replace(",", " , ").split()]
    of_words = Tokenizer(WordLevel({word: i for i, word in enumerate(dict.fromkeys(words))}, "[UNK]"))
    of_words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=of_words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        chat_template="{% for message in messages %}{{ message['content'] }}{% endfor %}",
    )
    return Flux2KleinPipeline(
        text_encoder=_made(machine, lambda: Qwen3ForCausalLM(Qwen3Config(**size.qwen))),
        tokenizer=tokenizer,
        transformer=transformer(machine, size.klein),
        is_distilled=True,
        **decoder_and_scheduler(size, machine),
    )


def _made(machine: Machine, make: Callable[[], Any]) -> Any:
    """A model of transformers as it initializes itself, on the device and in its type from the start."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(machine.dtype)
    try:
        with torch.device(machine.device):
            return make().eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)


class Texts:
    """In the place of the text encoder: embeddings that follow from the prompt."""

    components: dict[str, Any] = {}  # noqa: RUF012 - nothing that could be moved

    def __init__(self, size: Size, machine: Machine) -> None:
        self.size, self.machine = size, machine

    def encode_prompt(self, prompt: Sequence[str]) -> tuple[torch.Tensor, None]:
        shape = (self.size.text, self.size.transformer["joint_attention_dim"])
        rows = []
        for text in prompt:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
            rows.append(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))
        return torch.stack(rows).to(self.machine.device, self.machine.dtype), None


def renderer(size: Size, machine: Machine, pipe: Any, **settings: Any) -> DiffusersRenderer:
    """steer's own renderer around a pipeline that is in memory already."""
    source = PipelineSource(
        "random", Path(), "random", {"_class_name": "Flux2Pipeline"}, "bf16", machine.device
    )
    wanted = {"width": size.pixels, "height": size.pixels, "steps": size.steps, "guidance_scale": 4.0}
    made = DiffusersRenderer(source, RenderSettings(**{**wanted, **settings}))
    made._pipes._halves |= {"image": pipe, "text": Texts(size, machine)}
    return made


def prompts(count: int, first: int = 0) -> list[str]:
    return [f"floating mossy rocks, take {i}" for i in range(first, first + count)]


class Watched:
    """Counts the seconds inside the transformer, and keeps the latents that reach the decoder."""

    def __init__(self, pipe: Any, machine: Machine) -> None:
        self.machine, self.latents = machine, []
        self.marks: list[tuple[Any, Any]] = []
        self._open: Any = None
        hooks = pipe.transformer
        self._handles = [
            hooks.register_forward_pre_hook(lambda *_: self._mark(True)),
            hooks.register_forward_hook(lambda *_: self._mark(False)),
        ]
        decode = pipe.vae.decode

        def watched(latents: torch.Tensor, *args: Any, **more: Any) -> Any:
            self.latents.append(latents.detach().float().cpu())
            return decode(latents, *args, **more)

        pipe.vae.decode = watched

    def _mark(self, start: bool) -> None:
        if self.machine.device == "cuda":
            now: Any = torch.cuda.Event(enable_timing=True)
            now.record()
        else:
            now = time.perf_counter()
        if start:
            self._open = now
        else:
            self.marks.append((self._open, now))

    def take(self) -> tuple[float, torch.Tensor]:
        """Seconds in the transformer and latents [n, ...] since the last call."""
        self.machine.wait()
        if self.machine.device == "cuda":
            inside = sum(start.elapsed_time(end) for start, end in self.marks) / 1000
        else:
            inside = sum(end - start for start, end in self.marks)
        latents = torch.cat(self.latents)
        self.marks, self.latents = [], []
        return inside, latents


# --- the parts: each yields figures as they come

Figures = Iterator[dict[str, Any]]


def attention(size: Size, machine: Machine, out: Path) -> Figures:
    """Left padding leaves rows of the mask empty. Which kernels make numbers of them, and which ones?"""
    kernels: dict[str, Any] = {"math": [SDPBackend.MATH], "efficient": [SDPBackend.EFFICIENT_ATTENTION]}
    kernels |= {"flash": [SDPBackend.FLASH_ATTENTION], "cudnn": [SDPBackend.CUDNN_ATTENTION]}
    kernels |= {"torch's choice": None, "the renderer's choice": list(ATTENTION[0]), "eager": None}
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(2, size.mistral["vocab_size"], (4, size.text), generator=generator)
    words = torch.ones_like(ids)
    for row, share in enumerate((0.02, 0.1, 0.4, 1.0)):
        words[row, : -max(1, int(share * size.text))] = 0
    words[3] = 1
    ids, words = ids.to(machine.device), words.to(machine.device)
    real = words.bool()

    def encode(model: Any, kernel: Any) -> torch.Tensor:
        with nullcontext() if kernel is None else sdpa_kernel(kernel):
            found = model(input_ids=ids, attention_mask=words, output_hidden_states=True, use_cache=False)
        return found.hidden_states[-1].float()

    plain: torch.Tensor | None = None

    def figures(model: Any, kernel: Any) -> dict[str, Any]:
        nonlocal plain
        hidden, again = encode(model, kernel), encode(model, kernel)
        if plain is None:
            plain = hidden
        bad = ~hidden.isfinite().all(-1)
        return {
            "finite": not bool(bad.any()),
            "words_not_finite": int((bad & real).sum()),
            "padding_not_finite": int((bad & ~real).sum()),
            "words_against_math": _error(hidden[real], plain[real]),
            "padding_against_math": _error(hidden[~real], plain[~real]),
            "repeatable": bool(torch.equal(hidden, again)),
            "seconds_per_prompt": round(machine.seconds(lambda: encode(model, kernel)) / len(ids), 5),
        }

    model = mistral(size, machine)
    yield {"prompts": len(ids), "words": int(real.sum()), "padding": int((~real).sum())}
    for name, kernel in kernels.items():
        if name == "eager":
            model.set_attn_implementation("eager")
        yield {name: _tried(lambda kernel=kernel: figures(model, kernel))}

    def fp8_figures(least: float | None) -> dict[str, Any]:
        model = mistral(size, machine)
        return _in_fp8(model, machine, least) or figures(model, list(ATTENTION[0]))

    for least in (None, 1e-12):
        yield {f"fp8, activation_value_lb {least}": _tried(lambda least=least: fp8_figures(least))}


def _in_fp8(model: Any, machine: Machine, least: float | None) -> dict[str, Any] | None:
    """Converts the linear layers of the blocks; why not, or None."""
    if not machine.card.fp8:
        return {"not measured": f"{machine.card.name} has no fp8"}
    try:
        from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, quantize_
    except ImportError:
        return {"not measured": "torchao is not installed: pip install torchao"}
    blocks = ("layers.", "transformer_blocks.", "single_transformer_blocks.")
    quantize_(
        model,
        Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), activation_value_lb=least),
        lambda module, name: isinstance(module, torch.nn.Linear) and any(part in name for part in blocks),
    )
    return None


def pinning(size: Size, machine: Machine, out: Path) -> Figures:
    """Main memory for weights of dev's sizes: torch's page-locked one, and one block as `Stage` keeps it."""
    width, hidden, text = size.width, int(size.width * size.transformer["mlp_ratio"]), size.mistral
    shapes = [(3 * width + 2 * hidden, width), (width, width + hidden), (2 * hidden, width), (width, hidden)]
    shapes += [(width, width)] * 4 + [(text["intermediate_size"], text["hidden_size"])] * 3
    shapes += [(text["num_attention_heads"] * text["head_dim"], text["hidden_size"])] * 2

    def weights(device: str, **more: Any) -> list[torch.Tensor]:
        return [torch.empty(shape, dtype=torch.bfloat16, device=device, **more) for shape in shapes]

    asked = sum(2 * rows * columns for rows, columns in shapes)
    yield {"asked_gib": round(asked / 2**30, 3)}
    there = weights(machine.device)
    for tensor in there:
        tensor.normal_()
    copy = machine.seconds

    def moved(host: list[torch.Tensor]) -> dict[str, float]:
        """GB/s, the second time: the first touches the pages."""
        pairs = list(zip(host, there, strict=True))
        for _ in range(2):
            down = copy(lambda: [mine.copy_(theirs) for mine, theirs in pairs])
            up = copy(lambda: [theirs.copy_(mine) for mine, theirs in pairs])
        return {"gb_s_to_card": round(asked / up / 1e9, 1), "gb_s_from_card": round(asked / down / 1e9, 1)}

    yield {"ordinary": _tried(lambda: moved(weights("cpu")))}
    if machine.device != "cuda":
        return

    def of_torch() -> dict[str, Any]:
        free = _main_memory()
        start = time.perf_counter()
        host = weights("cpu", pin_memory=True)
        seconds = time.perf_counter() - start
        stats = torch.cuda.host_memory_stats()
        taken = {"taken_gib": round((free - _main_memory()) / 2**30, 3), "seconds": round(seconds, 2)}
        rounded = stats.get("allocated_bytes.current", math.nan) / 2**30
        return {**taken, "rounded_gib": round(rounded, 3), **moved(host)}

    yield {"torch's pin_memory": _tried(of_torch)}
    _tried(torch._C._host_emptyCache)

    def registered() -> dict[str, Any]:
        module = torch.nn.ParameterList(torch.nn.Parameter(tensor, requires_grad=False) for tensor in there)
        stage = Stage([module], "cuda")
        stage.awake = True
        wanted = [tensor.clone() for tensor in there[-2:]]
        free = _main_memory()
        first = machine.seconds(stage.rest)
        taken = free - _main_memory()
        wake, rest = machine.seconds(stage.wake), machine.seconds(stage.rest)
        again = machine.seconds(stage.wake)
        same = all(torch.equal(*pair) for pair in zip(wanted, list(module)[-2:], strict=True))
        stage.rest()
        told = {"first_rest": first, "wake": wake, "rest": rest, "wake_again": again}
        host = list(stage._host.values())
        return {
            "taken_gib": round(taken / 2**30, 3),
            **{f"{name}_seconds": round(value, 3) for name, value in told.items()},
            "locked": stage.failure is None and host[0].is_pinned(),
            "same_weights": same,
            **moved(host),
        }

    yield {"one block, registered": _tried(registered)}

    def refused() -> dict[str, Any]:
        """Whether a refused registration makes what follows fail."""
        cuda: Any = torch.cuda.cudart()
        block = torch.empty(1 << 20, dtype=torch.uint8)
        codes = [int(cuda.cudaHostRegister(block.data_ptr(), block.nbytes, 0)) for _ in range(2)]
        after = _tried(lambda: {"works": float(torch.ones(3, device="cuda").sum()) == 3})
        cuda.cudaHostUnregister(block.data_ptr())
        return {"codes": codes, "next_kernel": after}

    yield {"registered twice": _tried(refused)}


def plans(size: Size, machine: Machine, out: Path) -> Figures:
    """The renderer as a run uses it, from a folder of weights: every memory plan."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 24 * 2**30
    with tempfile.TemporaryDirectory(dir=memory if roomy and not size.tiny else None) as name:
        folder = Path(name) / "klein"
        start = time.perf_counter()
        made = klein(size, machine)
        made.save_pretrained(folder)
        del made
        yield {"folder_gb": round(sum(file.stat().st_size for file in folder.rglob("*.*")) / 1e9, 2),
               "save_seconds": round(time.perf_counter() - start, 1)}  # fmt: skip
        for plan in MEMORY if machine.device == "cuda" else MEMORY[:1]:
            yield {plan: _tried(lambda plan=plan: _plan(size, machine, folder, plan))}


def _plan(size: Size, machine: Machine, folder: Path, plan: str) -> dict[str, Any]:
    import numpy as np

    if plan in LIBRARY and importlib.util.find_spec(LIBRARY[plan]) is None:
        return {"not measured": f"{LIBRARY[plan]} is not installed: pip install {LIBRARY[plan]}"}
    settings = RenderSettings(
        width=size.pixels, height=size.pixels, batch_size=4, max_sequence_length=size.text
    )
    made = open_renderer(folder, settings=settings, memory=plan, device=machine.device)
    machine.reset_peak()

    def pictures(first: int = 0, again: bool = False) -> np.ndarray:
        if again:
            made._images.forget()
        images = made.render(prompts(4, first), range(first, first + 4))
        return np.stack([np.asarray(image, int) for image in images])

    start = machine.seconds(pictures)
    one = pictures()
    seconds = machine.seconds(lambda: pictures(4)) / 4
    four = pictures(again=True)
    made._at_once["images"] = 1
    alone = pictures(again=True)

    def rested() -> dict[str, Any]:
        rest = machine.seconds(made.rest)
        seconds = machine.seconds(lambda: pictures(again=True))
        return {
            "rest_seconds": round(rest, 2),
            "wake_and_4_pictures_seconds": round(seconds, 2),
            "largest_difference": int(abs(pictures() - alone).max()),
        }

    figures = {
        "finite": True,  # the renderer raises otherwise
        "first_pictures_seconds": round(start, 1),
        "seconds_per_picture": round(seconds, 4),
        "standard_deviation": [round(float(picture.std()), 1) for picture in one],
        "repeated_largest_difference": int(abs(four - one).max()),
        "batch_1_largest_difference": int(abs(alone - one).max()),
        "batch_1_mean_difference": round(float(abs(alone - one).mean()), 4),
        "peak_gib": machine.peak_gib(),
        "after_rest": _tried(rested),
        "notes": made.notes(),
    }
    made.close()
    return figures


def gemm(size: Size, machine: Machine, out: Path) -> Figures:
    """The matrix products of one step, one after the other, with nothing between them."""
    width, text, image = size.width, size.text, size.latent_side**2
    c = size.transformer
    hidden = int(width * c["mlp_ratio"])
    for batch in size.batches:
        work: list[tuple[int, int, int, int]] = []  # rows, in, out, times
        both = batch * (text + image)
        work += [(both, width, 3 * width + 2 * hidden, c["num_single_layers"])]
        work += [(both, width + hidden, width, c["num_single_layers"])]
        for rows in (batch * image, batch * text):
            work += [(rows, width, width, 4 * c["num_layers"])]  # queries, keys, values, output
            work += [(rows, width, 2 * hidden, c["num_layers"]), (rows, hidden, width, c["num_layers"])]
        seconds = flops = 0.0
        for rows, before, after, times in work:
            a = torch.randn(rows, before, device=machine.device, dtype=machine.dtype)
            b = torch.randn(after, before, device=machine.device, dtype=machine.dtype)
            each = _repeat(lambda a=a, b=b: torch.nn.functional.linear(a, b), machine)
            seconds += times * each
            flops += times * 2 * rows * before * after
        heads = c["num_attention_heads"]
        qkv = torch.randn(
            3, batch, heads, text + image, width // heads, device=machine.device, dtype=machine.dtype
        )
        layers = c["num_layers"] + c["num_single_layers"]
        attend = _repeat(lambda qkv=qkv: torch.nn.functional.scaled_dot_product_attention(*qkv), machine)
        yield {
            f"batch {batch}": {
                "gemm_seconds_per_step": round(seconds, 5),
                "attention_seconds_per_step": round(layers * attend, 5),
                "gemm_tflops": round(flops / seconds / 1e12, 3),
                "share_of_peak": _share(flops / seconds, machine),
            }
        }


def stock(size: Size, machine: Machine, out: Path) -> Figures:
    """The pipeline as it comes, called once per prompt."""
    pipe = pipeline(size, machine)
    watched, texts = Watched(pipe, machine), Texts(size, machine)
    embeddings = [texts.encode_prompt([prompt])[0] for prompt in prompts(STOCK_PICTURES)]

    def render(i: int, steps: int) -> None:
        pipe(
            prompt_embeds=embeddings[i],
            width=size.pixels,
            height=size.pixels,
            num_inference_steps=steps,
            guidance_scale=4.0,
            generator=torch.Generator().manual_seed(i),
        )

    render(0, min(2, size.steps))  # the first call allocates
    watched.take()
    machine.reset_peak()
    seconds = machine.seconds(lambda: [render(i, size.steps) for i in range(STOCK_PICTURES)])
    inside, latents = watched.take()
    save_file({"latents": latents.contiguous()}, out / LATENTS)
    yield _speed(size, machine, seconds, inside, STOCK_PICTURES)


def ours(size: Size, machine: Machine, out: Path) -> Figures:
    """The renderer of this package, as it is used in a run, without compilation."""
    yield from _batches(size, machine, out, pipeline(size, machine), size.batches)


def compiled(size: Size, machine: Machine, out: Path) -> Figures:
    """The same with `torch.compile` of the repeated blocks."""
    batches = (1,) if size.tiny else (1, 4)
    yield from _batches(size, machine, out, pipeline(size, machine), batches, compile=not size.tiny)


def wake(size: Size, machine: Machine, out: Path) -> Figures:
    """Compiled blocks of dev's width: what is compiled anew after rest and wake, and for other batches."""
    from torch._dynamo.utils import counters

    pipe = pipeline(size, machine, num_layers=1, num_single_layers=2)
    made = renderer(size, machine, pipe, batch_size=4, steps=2, compile=not size.tiny)

    def figures(count: int, first: int) -> dict[str, Any]:
        before = counters["stats"]["unique_graphs"]
        seconds = machine.seconds(lambda: list(made.render(prompts(count, first), range(count))))
        graphs = counters["stats"]["unique_graphs"] - before
        return {"seconds_per_picture": round(seconds / count, 3), "graphs_compiled": graphs}

    yield {"first batch of 4": figures(4, 0)}
    yield {"second batch of 4": figures(4, 10)}
    rest = machine.seconds(made.rest)
    yield {"batch of 4 after rest and wake": {**figures(4, 20), "rest_seconds": round(rest, 2)}}
    yield {"batch of 3": figures(3, 30)}
    yield {"batch of 1": figures(1, 40)}
    yield {"batch of 2": figures(2, 50)}


def fp8(size: Size, machine: Machine, out: Path) -> Figures:
    """Weights and activations in fp8 (torchao), compiled. What it does to pictures only real weights tell."""
    pipe = pipeline(size, machine)
    if why_not := _in_fp8(pipe.transformer, machine, 1e-12):
        yield why_not
        return
    for found in _batches(size, machine, out, pipe, (1, 4), compile=True):
        for figures in found.values():
            figures.pop("within_tolerance", None)  # that of bfloat16 does not apply
        yield found


def scorer(size: Size, machine: Machine, out: Path) -> Figures:
    """PAMELA's image encoder: alone, after the renderer, and beside it."""
    import numpy as np
    from PIL import Image
    from transformers import SiglipConfig, SiglipModel

    from reward.encoders.image_text import ImageTextEncoder

    ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
    config = SiglipConfig(
        text_config={**size.siglip["text_config"], **ids}, vision_config=size.siglip["vision_config"]
    )
    side = config.vision_config.image_size
    preprocessing = {
        "size": {"height": side, "width": side},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    machine.reset_peak()
    with torch.device(machine.device):
        encoder = ImageTextEncoder(SiglipModel(config), None, preprocessing, "random")
    generator = np.random.default_rng(0)
    shape = (size.pixels, size.pixels, 3)
    looked_at = [Image.fromarray(generator.integers(0, 256, shape, np.uint8)) for _ in range(20)]
    encoder.images(looked_at)
    alone = machine.seconds(lambda: encoder.images(looked_at)) / len(looked_at)
    rate = None if size.tiny else look_flops(size.siglip) / alone / 1e12
    yield {
        "score_seconds_per_picture": round(alone, 4),
        "score_tflops": None if rate is None else round(rate, 1),
        "alone_peak_gib": machine.peak_gib(),
    }
    pipe, count, batch = pipeline(size, machine), 4, 2
    made = renderer(size, machine, pipe, batch_size=batch, steps=min(10, size.steps))
    list(made.render(prompts(count), range(count)))  # warms up

    def render_then_score() -> None:
        encoder.images(list(made.render(prompts(count, 100), range(count))))

    def score_beside() -> None:
        for image in made.render(prompts(count, 200), range(count)):
            encoder.images([image])

    after, beside = machine.seconds(render_then_score), machine.seconds(score_beside)
    yield {
        "steps": min(10, size.steps),
        "render_then_score_seconds": round(after, 3),
        "score_while_rendering_seconds": round(beside, 3),
        "peak_gib": machine.peak_gib(),
    }


RUN: dict[str, Callable[[Size, Machine, Path], Figures]] = {
    "attention": attention,
    "pinning": pinning,
    "plans": plans,
    "stock": stock,
    "ours": ours,
    "compile": compiled,
    "wake": wake,
    "scorer": scorer,
    "gemm": gemm,
    "fp8": fp8,
}


def _batches(
    size: Size, machine: Machine, out: Path, pipe: Any, batches: Sequence[int], **settings: Any
) -> Figures:
    """The renderer at several batch sizes: seconds per picture, and its latents against the stock ones."""
    watched = Watched(pipe, machine)
    for batch in batches:
        made = renderer(size, machine, pipe, batch_size=batch, **settings)
        warm = renderer(size, machine, pipe, batch_size=batch, **{**settings, "steps": min(2, size.steps)})
        start = machine.seconds(lambda warm=warm, n=batch: list(warm.render(prompts(n), range(n))))
        watched.take()
        made._stages = warm._stages  # made anew, they would be compiled anew
        machine.reset_peak()
        count = max(STOCK_PICTURES, batch)
        jobs = prompts(count), range(count)
        seconds = machine.seconds(lambda made=made, jobs=jobs: list(made.render(*jobs)))
        inside, latents = watched.take()
        figures = _speed(size, machine, seconds, inside, count)
        figures["first_call_seconds"] = round(start, 2)
        if (out / LATENTS).is_file():
            wanted = load_file(out / LATENTS)["latents"]
            error = _error(latents[: len(wanted)], wanted)
            figures |= {"latent_error": error, "within_tolerance": (error or 0.0) <= TOLERANCE}
        if notes := made.notes():
            figures["notes"] = notes
        made._stages.clear()
        yield {f"batch {batch}": figures}


def _speed(size: Size, machine: Machine, seconds: float, inside: float, count: int) -> dict[str, Any]:
    each = seconds / count
    denoising = 0.0 if size.tiny else count * size.steps * step_flops(size.transformer, size.pixels)
    return {
        "seconds_per_picture": round(each, 4),
        "outside_denoising": round(1 - inside / seconds, 4),
        "tflops": None if size.tiny else round(size.picture_flops / each / 1e12, 1),
        "mfu": None if size.tiny else _share(size.picture_flops / each, machine),
        "denoising_tflops": None if size.tiny else round(denoising / inside / 1e12, 1),
        "peak_gib": machine.peak_gib(),
    }


def _share(rate: float, machine: Machine) -> float | None:
    return round(rate / (machine.card.bf16 * 1e12), 3) if machine.card.bf16 else None


def _repeat(work: Callable[[], object], machine: Machine, least: float = 0.3) -> float:
    """Seconds of one call, over as many as fill `least` seconds."""
    least = least if machine.device == "cuda" else 0.005
    work()
    once = max(1e-6, machine.seconds(work))
    times = max(3, min(2000, int(least / once)))
    return machine.seconds(lambda: [work() for _ in range(times)]) / times


def conclusions(found: dict[str, Any]) -> dict[str, Any]:
    """Ours against the stock loop, and against the rate that the same products reach alone."""
    compiled_, eager = found.get("compile", {}), found.get("ours", {})
    best = {**{f"{k}": v for k, v in eager.items()}, **{f"{k}, compiled": v for k, v in compiled_.items()}}
    best = {name: figures for name, figures in best.items() if name.startswith("batch")}
    told: dict[str, Any] = {}
    if best and (base := found.get("stock", {}).get("seconds_per_picture")):
        told["speed_up_over_stock"] = {k: round(base / v["seconds_per_picture"], 3) for k, v in best.items()}
    if "gemm" in found:
        alone = {name: found["gemm"].get(name.partition(",")[0], {}).get("gemm_tflops") for name in best}
        for told_as, rate in (("share_of_gemm_rate", "denoising_tflops"), ("with_decoding", "tflops")):
            told[told_as] = {k: round(v[rate] / alone[k], 3) for k, v in best.items() if v[rate] and alone[k]}
    return told


def _error(found: torch.Tensor, wanted: torch.Tensor) -> float | None:
    """Relative L2 error; None where there is something that is not a number."""
    error = float((found - wanted).norm() / wanted.norm())
    return round(error, 6) if math.isfinite(error) else None


def _tried(work: Callable[[], Any]) -> Any:
    """What the work finds, or its error: the next figure is measured all the same."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - recorded
        return {
            "error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        }


def _main_memory() -> int:
    """Bytes of main memory that are available."""
    with Path("/proc/meminfo").open() as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def results(out: Path, tiny: bool) -> Path:
    return out / ("gpu-tiny.json" if tiny else "gpu.json")


def record(path: Path, figures: dict[str, Any]) -> None:
    """Adds keys to the file of figures."""
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found |= figures
    found["conclusions"] = conclusions(found)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measure(part: str, size: Size, machine: Machine, out: Path) -> None:
    """One part in this process."""
    start, path = time.perf_counter(), results(out, size.tiny)
    found: dict[str, Any] = {}
    record(path, {"machine": machine.about(), "steps": size.steps, "tokens": size.latent_side**2 + size.text})
    for figures in RUN[part](size, machine, out):
        found |= figures
        record(path, {part: found})
    print(f"{part}: {json.dumps(found)} ({time.perf_counter() - start:.0f} s)", flush=True)


def quick(parts: Sequence[str], out: Path, tiny: bool) -> None:
    """Every part in a process of its own, so that none takes another's memory, time or life."""
    end = time.monotonic() + QUICK_SECONDS
    for part in parts:
        start = time.monotonic()
        left = max(0.1, min(QUICK[part], end - start))
        command = [
            sys.executable,
            __file__,
            part,
            "--short",
            "--out",
            str(out),
            *(["--tiny"] if tiny else []),
        ]
        failed = None
        with tempfile.TemporaryFile("w+") as log:
            try:
                if subprocess.run(command, timeout=left, stderr=log).returncode:
                    log.seek(0)
                    failed = "\n".join(log.read().strip().splitlines()[-5:])
            except subprocess.TimeoutExpired:
                failed = f"stopped after {left:.0f} seconds"
        if failed:
            print(f"{part}: {failed}", flush=True)
        told = {"seconds": round(time.monotonic() - start, 1), "failed": failed}
        record(results(out, tiny), {f"{part}, as a whole": told})


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", choices=("quick", *PARTS, "all"))
    parser.add_argument("--tiny", action="store_true", help="the same code at a tiny size, on a CPU")
    parser.add_argument("--short", action="store_true", help="10 steps, batches of 1 and 4")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    asked: Any = parser.parse_args(argv, SimpleNamespace())
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.parts[0] == "quick":
        return quick([part for part in QUICK if part in asked.parts] or list(QUICK), asked.out, asked.tiny)
    torch.set_grad_enabled(False)
    for part in PARTS if asked.parts == ["all"] else asked.parts:
        measure(part, Size(asked.tiny, asked.short), Machine(asked.tiny), asked.out)


if __name__ == "__main__":
    main()

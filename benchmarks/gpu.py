"""FLUX.2-dev's transformer at full size, with random weights, on the GPU of this machine.

    python benchmarks/gpu.py gemm       the rate that its matrix products reach alone
    python benchmarks/gpu.py stock      the pipeline called once per prompt, as everyone does
    python benchmarks/gpu.py ours       steer's renderer at batches of 1, 2, 4 and 8
    python benchmarks/gpu.py compile    the same with its repeated blocks compiled
    python benchmarks/gpu.py fp8        the same in fp8: speed and error only, on random weights
    python benchmarks/gpu.py scorer     SigLIP2 so400m alone, and while the renderer works
    python benchmarks/gpu.py all --tiny the same code at a tiny size, on any CPU

Each part is a process of its own and takes less than 8 minutes on an H100. Nothing is downloaded: a bare
machine with this repository, torch, diffusers and transformers is enough (torchao for fp8). The text encoder
is left out: prompts come as random embeddings, equal for all parts, so seconds are those of denoising and
decoding. Weights follow from a seed, and so does the noise of each picture: `ours`, `compile` and `fp8`
compare their final latents with those that `stock` left in --out. Figures go to --out/gpu.json, a key a part.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent.parent))

from steer.machine.gpus import from_driver
from steer.machine.model_sizes import decode_flops, known, look_flops, step_flops
from steer.renderer import RenderSettings
from steer.renderer.diffusion import DiffusersRenderer
from steer.renderer.source import Source

PARTS = ("gemm", "stock", "ours", "compile", "fp8", "scorer")
DEV = "black-forest-labs/FLUX.2-dev"
TOLERANCE = 0.03  # relative L2 error of final latents in bfloat16, against the stock loop from the same noise
STOCK_PICTURES = 4
BATCHES = (1, 2, 4, 8)
LATENTS = "gpu-stock-latents.safetensors"


class Size:
    """Full or tiny: configs, pixels, steps, and how many text tokens."""

    def __init__(self, tiny: bool) -> None:
        self.tiny = tiny
        self.pixels, self.steps, self.text = (64, 2, 16) if tiny else (512, 50, 512)
        dev = known()[DEV]
        small = {"in_channels": 16, "num_layers": 1, "num_single_layers": 2, "attention_head_dim": 16,
                 "num_attention_heads": 2, "joint_attention_dim": 24, "timestep_guidance_channels": 32,
                 "axes_dims_rope": (4, 4, 4, 4)}  # fmt: skip
        self.transformer = {**dev["transformer"], **(small if tiny else {})}
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
        import diffusers

        return {
            "card": self.card.name,
            "memory_gib": round(self.card.memory, 1),
            "dense_peak_tflops": self.card.bf16 or None,
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
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
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def peak_gib(self) -> float:
        """Allocated on the card since `reset_peak`; on a CPU, of the process so far."""
        if self.device == "cuda":
            return round(torch.cuda.max_memory_allocated() / 2**30, 2)
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


# --- the models


def transformer(size: Size, machine: Machine) -> Any:
    """The transformer with random weights, made on the device: main memory never holds it."""
    from diffusers import Flux2Transformer2DModel

    own = {name: value for name, value in size.transformer.items() if not name.startswith("_")}
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


def pipeline(size: Size, machine: Machine) -> Any:
    """FLUX.2's pipeline without its text encoder."""
    from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2Pipeline
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
    pipe = Flux2Pipeline(
        scheduler=scheduler,
        vae=vae.eval().requires_grad_(False).to(machine.device, machine.dtype),
        text_encoder=None,
        tokenizer=None,
        transformer=transformer(size, machine),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


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
    source = Source("random", Path(), "random", {"_class_name": "Flux2Pipeline"}, "bf16", machine.device)
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


# --- the parts


def gemm(size: Size, machine: Machine, out: Path) -> dict[str, Any]:
    """The matrix products of one step, one after the other, with nothing between them."""
    width, text, image = size.width, size.text, size.latent_side**2
    c = size.transformer
    hidden = int(width * c["mlp_ratio"])
    found: dict[str, Any] = {}
    for batch in BATCHES if not size.tiny else (1, 2):
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
        attention = _repeat(
            lambda qkv=qkv: torch.nn.functional.scaled_dot_product_attention(*qkv), machine
        ) * (c["num_layers"] + c["num_single_layers"])
        found[f"batch {batch}"] = {
            "gemm_seconds_per_step": round(seconds, 5),
            "attention_seconds_per_step": round(attention, 5),
            "gemm_tflops": round(flops / seconds / 1e12, 3),
            "share_of_peak": _share(flops / seconds, machine),
        }
    return found


def stock(size: Size, machine: Machine, out: Path) -> dict[str, Any]:
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
    return _speed(size, machine, seconds, inside, STOCK_PICTURES)


def ours(size: Size, machine: Machine, out: Path) -> dict[str, Any]:
    """The renderer of this package, as it is used in a run, without compilation."""
    pipe = pipeline(size, machine)
    return _batches(size, machine, out, pipe, BATCHES if not size.tiny else (1, 2))


def compiled(size: Size, machine: Machine, out: Path) -> dict[str, Any]:
    """The same with `torch.compile` of the repeated blocks."""
    pipe = pipeline(size, machine)
    return _batches(size, machine, out, pipe, (1, 4) if not size.tiny else (1,), compile=not size.tiny)


def fp8(size: Size, machine: Machine, out: Path) -> dict[str, Any]:
    """Weights and activations in fp8 (torchao), compiled. What it does to pictures only real weights tell."""
    try:
        from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, quantize_
    except ImportError:
        return {"not measured": "torchao is not installed: pip install torchao"}
    if not machine.card.fp8:
        return {"not measured": f"{machine.card.name} has no fp8"}
    pipe = pipeline(size, machine)
    inside = ("transformer_blocks.", "single_transformer_blocks.")
    quantize_(
        pipe.transformer,
        Float8DynamicActivationFloat8WeightConfig(granularity=PerRow()),
        lambda module, name: isinstance(module, torch.nn.Linear) and name.startswith(inside),
    )
    found = _batches(size, machine, out, pipe, (1, 4), compile=True)
    for figures in found.values():
        figures.pop("within_tolerance", None)  # that of bfloat16 does not apply
    return found


def scorer(size: Size, machine: Machine, out: Path) -> dict[str, Any]:
    """PAMELA's image encoder: alone, after the renderer, and beside it."""
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
    with torch.device(machine.device):
        encoder = ImageTextEncoder(SiglipModel(config), None, preprocessing, "random")
    pipe, count, batch = pipeline(size, machine), 4, 2
    made = renderer(size, machine, pipe, batch_size=batch, steps=min(10, size.steps))
    images = list(made.render(prompts(count), range(count)))  # warms up too
    encoder.images(images)
    alone = machine.seconds(lambda: encoder.images(images)) / count

    def render_then_score() -> None:
        encoder.images(list(made.render(prompts(count, 100), range(count))))

    def score_beside() -> None:
        for image in made.render(prompts(count, 200), range(count)):
            encoder.images([image])

    after, beside = machine.seconds(render_then_score), machine.seconds(score_beside)
    rate = None if size.tiny else look_flops(size.siglip) / alone / 1e12
    return {
        "score_seconds_per_picture": round(alone, 4),
        "score_tflops": None if rate is None else round(rate, 1),
        "steps": min(10, size.steps),
        "render_then_score_seconds": round(after, 3),
        "score_while_rendering_seconds": round(beside, 3),
        "peak_gib": machine.peak_gib(),
    }


RUN: dict[str, Callable[[Size, Machine, Path], dict[str, Any]]] = {
    "gemm": gemm,
    "stock": stock,
    "ours": ours,
    "compile": compiled,
    "fp8": fp8,
    "scorer": scorer,
}


def _batches(
    size: Size, machine: Machine, out: Path, pipe: Any, batches: Sequence[int], **settings: Any
) -> dict[str, Any]:
    """The renderer at several batch sizes: seconds per picture, and its latents against the stock ones."""
    watched = Watched(pipe, machine)
    found: dict[str, Any] = {}
    for batch in batches:
        made = renderer(size, machine, pipe, batch_size=batch, **settings)
        warm = renderer(size, machine, pipe, batch_size=batch, **{**settings, "steps": min(2, size.steps)})
        start = machine.seconds(lambda warm=warm, n=batch: list(warm.render(prompts(n), range(n))))
        watched.take()
        machine.reset_peak()
        count = max(STOCK_PICTURES, batch)
        jobs = prompts(count), range(count)
        seconds = machine.seconds(lambda made=made, jobs=jobs: list(made.render(*jobs)))
        inside, latents = watched.take()
        figures = _speed(size, machine, seconds, inside, count)
        figures["first_call_seconds"] = round(start, 2)
        if (out / LATENTS).is_file():
            wanted = load_file(out / LATENTS)["latents"]
            error = float((latents[: len(wanted)] - wanted).norm() / wanted.norm())
            figures |= {"latent_error": round(error, 6), "within_tolerance": error <= TOLERANCE}
        found[f"batch {batch}"] = figures
        if notes := made.notes():
            figures["notes"] = notes
        made._stages.clear()
    return found


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
    best = {name: figures for name, figures in best.items() if "seconds_per_picture" in figures}
    told: dict[str, Any] = {}
    if "stock" in found and best:
        base = found["stock"]["seconds_per_picture"]
        told["speed_up_over_stock"] = {k: round(base / v["seconds_per_picture"], 3) for k, v in best.items()}
    if "gemm" in found:
        alone = {name: found["gemm"].get(name.partition(",")[0], {}).get("gemm_tflops") for name in best}
        for told_as, rate in (("share_of_gemm_rate", "denoising_tflops"), ("with_decoding", "tflops")):
            told[told_as] = {k: round(v[rate] / alone[k], 3) for k, v in best.items() if v[rate] and alone[k]}
    return told


@contextmanager
def results(path: Path) -> Iterator[dict[str, Any]]:
    """The figures so far, written back at the end."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    yield found
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=(*PARTS, "all"))
    parser.add_argument("--tiny", action="store_true", help="the same code at a tiny size, on a CPU")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    asked: Any = parser.parse_args(argv, SimpleNamespace())
    size, machine = Size(asked.tiny), Machine(asked.tiny)
    asked.out.mkdir(parents=True, exist_ok=True)
    torch.set_grad_enabled(False)
    for part in PARTS if asked.part == "all" else (asked.part,):
        start = time.perf_counter()
        figures = RUN[part](size, machine, asked.out)
        with results(asked.out / ("gpu-tiny.json" if asked.tiny else "gpu.json")) as found:
            found |= {
                "machine": machine.about(),
                part: figures,
                "tokens": size.latent_side**2 + size.text,
            }
            found["conclusions"] = conclusions(found)
        print(f"{part}: {json.dumps(figures)} ({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()

"""Memory plans: what a run's models take on a GPU, which of them stay there together, and how long it takes.

A run has four phases: propose all, encode all, render all, score all. A plan is made for one precision of
the renderer's two large models, the transformer and the text encoder; the language model and PAMELA's
encoders stay as they are.

    bf16   as released
    fp8    8-bit floating point weights and activations (torchao); needs a card that has fp8
    nf4    4-bit weights (bitsandbytes), computed with in bfloat16

What the four phases need decides who stays: a part keeps its memory during another part's phase if both fit
on the card together; otherwise it rests in main memory, and is brought back for its next phase. What main
memory must hold for that is planned as well; `--rest disk` keeps nothing there and reads the weights again
each time. Sizes are counted from the models' configs (`steer.machine.model_sizes`). Times follow from
floating point operations and an assumed share of the card's dense peak; they are estimates until
`benchmarks/gpu.py` has run on the card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from steer.machine import hub, model_sizes
from steer.machine.gpus import GIB, Gpu
from steer.machine.model_sizes import Size
from steer.parts import Seat
from steer.renderer.settings import PROMPTS_AT_ONCE
from steer.renderer.single_file import SingleFile

Phase = Literal["propose", "encode", "render", "score"]
PHASES: tuple[Phase, ...] = ("propose", "encode", "render", "score")
PRECISIONS = ("bf16", "fp8", "nf4")  # from the most exact to the smallest
SEATS: dict[Phase, Seat] = {
    "propose": "proposer",
    "encode": "renderer",
    "render": "renderer",
    "score": "scorer",
}

# Assumptions, all of them shown with what follows from them.
MFU = {"bf16": 0.55, "fp8": 0.40, "nf4": 0.35}  # share of the dense peak that the transformer reaches
MFU_FP32 = 0.4  # of the image encoder
BANDWIDTH = 0.7  # share of the memory's bandwidth that the language model reaches; it writes one list
LINK = 25e9  # bytes a second between main memory and card
CONTEXT = int(1.5 * GIB)  # the driver and what allocators lose
KV_CACHE = 2 * GIB  # of the language model
SERVING = 2 * GIB  # of vLLM beside weights and cache: it refuses to start with less than it may take
HEADROOM = 4 * GIB  # that the renderer leaves free beside its weights
WORKSPACE = GIB // 2  # while encoding and scoring
UNPACKING = 10  # bytes for each number of a GGUF weight while it is computed with
REPLY_TOKENS = 40  # of one proposed prompt
DISK = 1e9  # bytes a second at which weights are read
PROCESS = 4 * GIB  # main memory of steer without its weights: torch, CUDA's libraries, pictures
SERVER = 4 * GIB  # of vLLM's processes
ROUNDING = 1.6  # vLLM rests in torch's page-locked memory, which rounds each weight up to a power of two


@dataclass(frozen=True)
class Component:
    """One model of a run."""

    what: str  # "transformer"
    model: str  # hub id or folder
    phase: Phase
    size: Size | None  # None: unknown before it is loaded
    quantized: bool = False  # whether it is converted to the plan's precision
    wide: bool = False  # kept in float32
    fixed: int | None = None  # bytes at any precision, of a file that is used as it is

    def bytes(self, precision: str) -> int:
        """On the card at this precision; 0 where the size is unknown."""
        if self.fixed is not None:
            return self.fixed
        if self.size is None:
            return 0
        if self.wide:
            return 4 * self.size.parameters
        return self.size.bytes(precision if self.quantized else "bf16")


@dataclass(frozen=True)
class Models:
    """The models of a run by what they are for; None where a part runs elsewhere, or on the CPU."""

    renderer: str | None = None  # the pipeline
    file: SingleFile | None = None  # that its denoiser comes from
    llm: str | None = None
    encoder: str | None = None  # PAMELA's image-text encoder


def components_of(found: Models) -> tuple[Component, ...]:
    """Every model that visits the card. Configs are read from this machine where it has them."""
    parts: list[Component] = []
    if found.llm:
        config = config_of(found.llm)
        size = model_sizes.size_of(config) if config else None
        parts.append(Component("language model", found.llm, "propose", size))
    if found.renderer:
        parts += _renderer(found.renderer, config_of(found.renderer), found.file)
    if found.encoder:
        config = config_of(found.encoder)
        size = model_sizes.size_of(config) if config else None
        parts.append(Component("image-text encoder", found.encoder, "score", size, wide=True))
    return tuple(parts)


def _renderer(model: str, config: Mapping[str, Any] | None, file: SingleFile | None) -> list[Component]:
    own = []
    if file is not None:
        own = [Component(file.part, file.label, "render", Size(file.parameters, 0), fixed=file.bytes)]
    layers = model_sizes.LAYERS_READ.get(str(config.get("pipeline"))) if config else None
    known = config is not None and all(
        model_sizes.size_of(config[part]) is not None
        for part in ("transformer", "text_encoder")
        if part in config
    )
    if config is None or not known or "transformer" not in config:
        return [Component("pipeline", model, "render", on_disk(model, file.part if file else None)), *own]
    kinds: tuple[tuple[str, Phase, bool], ...] = (
        ("text_encoder", "encode" if layers is not None else "render", True),  # else all is at work at once
        ("transformer", "render", True),
        ("vae", "render", False),
    )
    return [
        Component(
            what.replace("_", " "),
            model,
            phase,
            model_sizes.size_of(config[what], layers if what == "text_encoder" else None),
            quantized,
        )
        for what, phase, quantized in kinds
        if what in config and not (file is not None and what == file.part)
    ] + own


def config_of(model: str) -> Mapping[str, Any] | None:
    """The configs of a model: of its folder, of its snapshot on this machine, or as the package has them."""
    name = model.partition("@")[0]
    folder = hub.local(model)
    if folder is not None:
        try:
            found_here = model_sizes.read(folder)
            model_sizes.check(found_here)
            return found_here
        except (OSError, ValueError, TypeError):
            pass  # half of a download, or damaged: what the package knows is better than nothing
    found: Mapping[str, Any] | None = model_sizes.known().get(name)
    return found


def on_disk(model: str, without: str | None = None) -> Size | None:
    """The size of a pipeline of another kind: what its files here hold, at two bytes a parameter.

    `without` is a part that comes from elsewhere.
    """
    folder = hub.local(model)
    if folder is None:
        return None
    files = [path for path in folder.rglob("*.safetensors") if ".fp16" not in path.suffixes]
    files = [path for path in files if path.parent.name != without]
    total = sum(path.stat().st_size for path in files)
    return Size(total // 2, 0) if total else None


@dataclass(frozen=True)
class MemoryPlan:
    """One precision on one GPU. Bytes; seconds follow from the assumptions above; None where unknown."""

    precision: str
    gpu: Gpu
    components: tuple[Component, ...]
    needs: Mapping[Phase, int]  # on the card in each phase, with what stays there beside the part at work
    beside: Mapping[Seat, tuple[Seat, ...]]  # who stays awake while this part works
    turns: bool  # whether the renderer's text encoder and transformer take turns on the card
    moved: int  # to the card and back in one iteration
    host: int  # of main memory at the most, what rests there included
    rest: str  # where parts rest: memory or disk
    why_not: str  # why it cannot be used; empty if it can
    image_seconds: float | None
    encode_seconds: float | None  # one prompt
    score_seconds: float | None  # one picture
    propose_seconds: float | None  # one prompt

    @property
    def fits(self) -> bool:
        """Whether it can be used on this card."""
        return not self.why_not

    @property
    def peak(self) -> int:
        """Bytes on the card at the most, the driver's own included."""
        return max(self.needs.values(), default=0) + CONTEXT

    @property
    def swap_seconds(self) -> float:
        """Spent moving models in one iteration."""
        return self.moved / (LINK if self.rest == "memory" else DISK)

    @property
    def main_memory(self) -> int:
        """Bytes of main memory at the most; where the card has none of its own, with what it takes."""
        return self.host + (self.peak if self.gpu.unified else 0)

    @property
    def swaps(self) -> list[str]:
        """What rests when, for people."""
        found = ["text encoder and transformer take turns"] if self.turns else []
        present = list(dict.fromkeys(SEATS[part.phase] for part in self.components))
        for seat in present:
            others = [_DOING[o] for o in present if o != seat and seat not in self.beside.get(o, ())]
            if others:
                found.append(f"the {seat} rests while {' and '.join(others)}")
        return found


_DOING: dict[Seat, str] = {"proposer": "proposing", "renderer": "rendering", "scorer": "scoring"}


def plan_memory(
    precision: str,
    found: Models,
    gpu: Gpu,
    *,
    size: int = 512,
    steps: int | None = None,
    batch: int = 1,
    rest: str = "memory",
) -> MemoryPlan:
    """One precision on one GPU, for pictures of `size` pixels each way, `batch` of them at once.

    `rest` says where parts wait while there is no room for them on the card: in "memory", or on "disk".
    """
    parts = components_of(found)
    config = config_of(found.renderer) if found.renderer else None
    weights = {phase: sum(part.bytes(precision) for part in parts if part.phase == phase) for phase in PHASES}
    extra = {
        "propose": KV_CACHE + SERVING,
        "encode": WORKSPACE + _hidden_states(config),
        "render": _activations(config, size, batch) + UNPACKING * (found.file.widest if found.file else 0),
        "score": WORKSPACE,
    }
    own = {phase: weights[phase] + extra[phase] for phase in PHASES if weights[phase]}
    room = gpu.room * GIB - CONTEXT
    together = weights["encode"] + weights["render"] + max(extra["encode"], extra["render"], HEADROOM)
    turns = bool(weights["encode"]) and together > room  # the renderer's own rule, see `steer.renderer.stage`
    if weights["encode"] and not turns:
        own |= {"encode": together, "render": together}
    stays: dict[Seat, int] = {
        "proposer": own.get("propose", 0),
        "renderer": weights["render"] + (0 if turns else weights["encode"]),
        "scorer": weights["score"],
    }
    beside: dict[Seat, tuple[Seat, ...]] = {}
    for phase, need in own.items():
        left, kept = room - need, []
        for other in sorted(stays, key=lambda seat: -stays[seat]):
            if other != SEATS[phase] and stays[other] <= left:
                left -= stays[other]
                kept.append(other)
        seat = SEATS[phase]  # the renderer's two phases: only who may stay through both
        beside[seat] = tuple(other for other in kept if other in beside.get(seat, kept))
    needs = {phase: need + sum(stays[other] for other in beside[SEATS[phase]]) for phase, need in own.items()}
    resting = [seat for seat in stays if any(seat != other and seat not in beside[other] for other in beside)]
    # The renderer's weights have a copy in main memory, so only their way to the card takes time.
    moved = sum(stays[seat] * (1 if seat == "renderer" else 2) for seat in resting)
    if turns:
        moved += weights["encode"] + (0 if "renderer" in resting else weights["render"])
    why_not = ""
    if needs and max(needs.values()) > room:
        worst = max(needs, key=lambda phase: needs[phase])
        short = (needs[worst] + CONTEXT) / GIB
        why_not = f"needs {short:.0f} GB to {worst}, the card has {gpu.memory:.0f}"
        if gpu.memory * GIB - CONTEXT >= needs[worst]:
            why_not += f", of which {gpu.room:.0f} are free: end what else uses it (nvidia-smi)"
    elif precision == "fp8" and gpu.bf16 and not gpu.fp8:
        why_not = "the card has no fp8"
    elif precision != "bf16" and gpu.device == "mps":
        why_not = f"Apple's GPUs have no {precision}"
    elif not gpu.has_bf16 and config is not None and "transformer" in config:
        why_not = "the card computes no bfloat16, which this model needs"
    return MemoryPlan(
        precision,
        gpu,
        parts,
        needs,
        beside,
        turns,
        moved,
        _host(weights, "proposer" in resting, "renderer" in resting or turns, "scorer" in resting, rest),
        rest,
        why_not,
        *_seconds(precision, found, config, gpu, size, steps),
    )


def _host(
    weights: Mapping[Phase, int], llm_rests: bool, renderer_rests: bool, scorer_rests: bool, rest: str
) -> int:
    """Main memory at the most. Weights pass through it on their way to the card, one half after the other."""
    passing = max(weights["encode"], weights["render"], weights["score"])
    server = SERVER if weights["propose"] else 0
    if rest == "disk":
        return PROCESS + server + passing
    held = weights["encode"] + weights["render"] if renderer_rests else 0
    held += weights["score"] if scorer_rests else 0
    asleep = int(ROUNDING * weights["propose"]) if llm_rests else 0
    return PROCESS + server + asleep + max(held, passing)


def _hidden_states(config: Mapping[str, Any] | None) -> int:
    """What a text encoder keeps of the prompts of one batch: the hidden states of every layer."""
    layers = model_sizes.LAYERS_READ.get(str(config.get("pipeline"))) if config else None
    if config is None or layers is None or "text_encoder" not in config:
        return 0
    text = config["text_encoder"].get("text_config", config["text_encoder"])
    kept = min(layers, text["num_hidden_layers"]) + 1
    return int(PROMPTS_AT_ONCE * model_sizes.TEXT_TOKENS * text["hidden_size"] * 2 * kept)


def _activations(config: Mapping[str, Any] | None, size: int, batch: int) -> int:
    """What rendering needs beside the weights: the widest layer, or decoding one picture."""
    decoding = 24 * 128 * size**2  # about a dozen bfloat16 maps of 128 channels at full size
    if config is None or "transformer" not in config or "num_attention_heads" not in config["transformer"]:
        return int(WORKSPACE + batch * decoding)
    transformer = config["transformer"]
    width = transformer["num_attention_heads"] * transformer["attention_head_dim"]
    tokens = model_sizes.image_tokens(size) + model_sizes.TEXT_TOKENS
    return int(WORKSPACE + max(batch * tokens * width * 2 * 24, decoding))


def _seconds(
    precision: str, found: Models, config: Mapping[str, Any] | None, gpu: Gpu, size: int, steps: int | None
) -> tuple[float | None, float | None, float | None, float | None]:
    """Seconds of one picture, one prompt's encoding, one score, one proposal; None where unknown."""
    if not gpu.bf16:
        return None, None, None, None
    rate = (gpu.fp8 if precision == "fp8" and gpu.fp8 else gpu.bf16) * 1e12 * MFU[precision]
    denoising = rate
    if found.file is not None:  # GGUF is unpacked as it is computed with, as nf4 is
        denoising = gpu.bf16 * 1e12 * MFU["nf4" if found.file.quantized else "bf16"]
    image = encode = score = propose = None
    if config and config.get("transformer", {}).get("_class_name") == "Flux2Transformer2DModel":
        count = steps or model_sizes.known().get(str(found.renderer).partition("@")[0], {}).get("steps", 50)
        image = count * model_sizes.step_flops(config["transformer"], size) / denoising
        if "vae" in config:
            image += model_sizes.decode_flops(config["vae"], size) / (gpu.bf16 * 1e12 * MFU["bf16"])
        layers = model_sizes.LAYERS_READ.get(str(config.get("pipeline")), 0)
        if layers and "text_encoder" in config:
            encode = model_sizes.encode_flops(config["text_encoder"], layers) / rate
    looks = config_of(found.encoder) if found.encoder else None
    if looks and "vision_config" in looks and gpu.fp32:
        score = model_sizes.look_flops(looks) / (gpu.fp32 * 1e12 * MFU_FP32)
    llm = config_of(found.llm) if found.llm else None
    if llm and gpu.bandwidth and (read := model_sizes.size_of(llm)):
        propose = REPLY_TOKENS * read.bytes("bf16") / (gpu.bandwidth * 1e12 * BANDWIDTH)
    return image, encode, score, propose


def language_model_bytes(plan: MemoryPlan) -> int:
    """What the language model's weights take on the card."""
    return sum(part.bytes(plan.precision) for part in plan.components if part.phase == "propose")


def vllm_share(plan: MemoryPlan) -> float | None:
    """The share of the card that vLLM may take: weights, cache and its work. None without a model."""
    weights = language_model_bytes(plan)
    share = (weights + KV_CACHE + SERVING) / (plan.gpu.memory * GIB)
    return round(min(0.95, share), 3) if weights else None

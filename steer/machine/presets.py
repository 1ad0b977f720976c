"""Presets: the same loop with parts of several sizes, and what each needs from the machine."""

from __future__ import annotations

import importlib.util
import os
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from reward.checked import read_json
from steer import paths
from steer.errors import RendererError, UsageError
from steer.machine import gpus, hub, main_memory
from steer.machine.gpu_memory import PRECISIONS, MemoryPlan, Models, plan_memory
from steer.machine.gpus import GIB, Gpu
from steer.machine.overrides import NO_OVERRIDES, Overrides
from steer.renderer import single_file
from steer.renderer.single_file import SingleFile

WEIGHTS = Path(__file__).parents[1] / "sandbox" / "weights"
INSTALL_GPU = "pip install 'steer[gpu]' (from a checkout: pip install -e '.[gpu]')"
INSTALL_VLLM = "python3 -m venv ~/vllm && ~/vllm/bin/pip install vllm, then --vllm-python ~/vllm/bin/python"
BATCH = 4  # pictures that the renderer makes at once, unless told otherwise
ASSUMED_GPU = "H100"  # for what needs a GPU, on a machine without one


@dataclass(frozen=True)
class Preset:
    """What a preset is made of."""

    name: str
    summary: str
    gpu: bool = False  # whether it needs one
    renderer: str | None = None  # pipeline on the hub; None: the sandbox's painter
    steps: int | None = None  # where the pipeline's own defaults are not what the model was made for
    guidance: float | None = None
    llm: str | None = None  # model that vLLM serves; None: SmolLM2-135M of the package, in process
    encoder: str | None = None  # PAMELA's image-text encoder, and
    sentences: str | None = None  # its sentence encoder, as `steer reward train` takes them


# From the largest to the smallest, which is the order in which "auto" tries them.
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "flux2",
            "the paper's: Llama-3.1-8B under vLLM, FLUX.2-dev, PAMELA on SigLIP2 so400m",
            gpu=True,
            renderer="black-forest-labs/FLUX.2-dev",
            llm="meta-llama/Llama-3.1-8B-Instruct",
            encoder="google/siglip2-so400m-patch14-384",
            sentences="nvidia/llama-embed-nemotron-8b",
        ),
        Preset(
            "qwen-image",
            "Qwen-Image, Llama-3.1-8B under vLLM or any server, PAMELA on SigLIP2 so400m",
            gpu=True,
            renderer="Qwen/Qwen-Image",
            llm="meta-llama/Llama-3.1-8B-Instruct",
            encoder="google/siglip2-so400m-patch14-384",
            sentences="Qwen/Qwen3-Embedding-0.6B",
        ),
        Preset(
            "klein-9b",
            "FLUX.2-klein-9B, Llama-3.1-8B under vLLM or any server, PAMELA on SigLIP2 so400m",
            gpu=True,
            renderer="black-forest-labs/FLUX.2-klein-9B",
            llm="meta-llama/Llama-3.1-8B-Instruct",
            encoder="google/siglip2-so400m-patch14-384",
            sentences="Qwen/Qwen3-Embedding-0.6B",
        ),
        Preset(
            "z-image-turbo",
            "Z-Image-Turbo, Llama-3.1-8B under vLLM or any server, PAMELA on SigLIP2 so400m",
            gpu=True,
            renderer="Tongyi-MAI/Z-Image-Turbo",
            llm="meta-llama/Llama-3.1-8B-Instruct",
            encoder="google/siglip2-so400m-patch14-384",
            sentences="Qwen/Qwen3-Embedding-0.6B",
        ),
        Preset(
            "klein",
            "FLUX.2-klein-4B, Llama-3.1-8B under vLLM or any server, PAMELA on SigLIP2 so400m",
            gpu=True,
            renderer="black-forest-labs/FLUX.2-klein-4B",
            llm="meta-llama/Llama-3.1-8B-Instruct",
            encoder="google/siglip2-so400m-patch14-384",
            sentences="Qwen/Qwen3-Embedding-0.6B",
        ),
        Preset(
            "laptop",
            "SDXS-512, one step, on a CPU or a small GPU; SmolLM2-135M in process, PAMELA on SigLIP2 base",
            renderer="IDKiro/sdxs-512-dreamshaper",
            steps=1,
            guidance=0.0,
            encoder="google/siglip2-base-patch16-224",
            sentences="sentence-transformers/all-MiniLM-L6-v2",
        ),
        Preset(
            "sandbox",
            "a simulated world on any CPU: SmolLM2-135M in process, a painter, PAMELA on simulated people",
        ),
    )
}


@dataclass(frozen=True)
class ResolvedPreset:
    """A preset with what replaces its parts, on this machine; see `resolve`."""

    preset: Preset
    overrides: Overrides
    gpu: Gpu | None  # of this machine; None without one, and where the renderer is the painter
    reason: str = "asked for"  # why this preset, for people

    @property
    def name(self) -> str:
        return self.preset.name

    @property
    def renderer(self) -> str | None:
        """The pipeline in this process; None: the sandbox's painter, or a server."""
        return None if self.overrides.renderer_url else self.overrides.renderer or self.preset.renderer

    @cached_property
    def file(self) -> SingleFile | None:
        """The one file that the denoiser comes from, where it is one and is here, whole and known."""
        if self.renderer is None or not single_file.names_a_file(self.renderer):
            return None
        try:
            return single_file.find(self.renderer)
        except RendererError:
            return None  # said in full when it is opened

    @property
    def pipeline(self) -> str | None:
        """The renderer; of a single file the pipeline around it, guessed by its name until it is here."""
        if self.renderer is None or not single_file.names_a_file(self.renderer):
            return self.renderer
        base = self.overrides.renderer_base or (self.file.base if self.file else None)
        return base or single_file.guess(self.renderer) or self.renderer

    @property
    def _own(self) -> bool:
        """Whether the renderer is the preset's, whose steps and guidance are made for it alone."""
        return self.overrides.renderer is None and not self.overrides.renderer_url

    @property
    def steps(self) -> int | None:
        """Denoising steps; None: the pipeline's own, or the server's."""
        own = self.preset.steps if self._own else None
        return own if self.overrides.steps is None else self.overrides.steps

    @property
    def guidance(self) -> float | None:
        """Guidance scale; None: the pipeline's own."""
        own = self.preset.guidance if self._own else None
        return own if self.overrides.guidance is None else self.overrides.guidance

    @property
    def precision(self) -> str:
        """Precision of the renderer's large models: one of `gpu_memory.PRECISIONS`.

        The smaller ones change the pictures, and nobody has compared them with bf16 on released weights yet,
        so `auto` leaves them to those who ask for them by name.
        """
        return "bf16" if self.overrides.memory == "auto" else self.overrides.memory

    @property
    def starts_vllm(self) -> bool:
        """Whether vLLM, started by steer, serves the language model."""
        return self.overrides.llm_url is None and (
            self.preset.llm is not None or self.overrides.vllm_python is not None
        )

    @property
    def llm(self) -> str | None:
        """The language model: hub id or folder; None: the package's own, or whatever a server has."""
        return self.overrides.llm or self.preset.llm

    @cached_property
    def llm_gpu(self) -> Gpu | None:
        """The GPU of the language model under vLLM; None where it shares the renderer's."""
        number = self.overrides.llm_gpu
        own = gpus.numbered(number) if number is not None and self.starts_vllm else None
        return None if own is None or (self.gpu and own.device == self.gpu.device) else own

    @cached_property
    def llm_plan(self) -> MemoryPlan | None:
        """On a GPU of its own; None where the language model has none."""
        return None if self.llm_gpu is None else plan_memory("bf16", Models(llm=self.llm), self.llm_gpu)

    @property
    def predictor(self) -> str:
        """A predictor's folder, or a baseline by name."""
        return self.overrides.reward or str(predictor_folder(self.preset))

    @cached_property
    def memory_plan(self) -> MemoryPlan | None:
        """On this machine's GPU, or on the assumed one for a preset that needs one; None on a CPU."""
        assumed = self.preset.gpu and not self.overrides.renderer_url
        gpu = self.gpu or (gpus.by_name(ASSUMED_GPU) if assumed else None)
        return None if gpu is None else self.memory_plan_on(gpu)

    def memory_plan_on(self, gpu: Gpu, precision: str | None = None) -> MemoryPlan:
        """What the models take on any GPU. `precision` overrules the one that was chosen."""
        models = Models(
            renderer=self.pipeline,
            file=self.file,
            llm=self.llm if self.starts_vllm and self.llm_gpu is None else None,
            encoder=_encoder_of(Path(self.predictor)) or self.preset.encoder,
        )
        return plan_memory(
            precision or self.precision,
            models,
            gpu,
            size=self.overrides.size or 512,
            steps=self.steps,
            batch=self.overrides.batch or BATCH,
            rest=self.overrides.rest,
        )


@dataclass(frozen=True)
class Requirement:
    """One thing that a preset needs, and how to get it."""

    what: str
    met: bool
    fix: str  # a command, or what to do; empty if met


def resolve(name: str = "auto", overrides: Overrides = NO_OVERRIDES) -> ResolvedPreset:
    """The preset of this name, on this machine; `auto` chooses. Raises `UsageError` for an unknown name."""
    if name == "auto":
        return choose(overrides)
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name!r}; the presets are auto, {', '.join(PRESETS)}")
    preset = PRESETS[name]
    renders = overrides.renderer or preset.renderer or overrides.renderer_url
    return ResolvedPreset(preset, overrides, _gpu(overrides) if renders else None)


def _gpu(overrides: Overrides) -> Gpu | None:
    return gpus.here() if overrides.render_gpu is None else gpus.numbered(overrides.render_gpu)


def choose(overrides: Overrides = NO_OVERRIDES) -> ResolvedPreset:
    """The largest preset that this machine can run now; `reason` tells why not a larger one."""
    *larger, smallest = PRESETS
    lacking: list[str] = []
    for name in larger:
        resolved = resolve(name, overrides)
        missing = [need.what for need in requirements(resolved) if not need.met]
        if not missing:
            return replace(resolved, reason="; ".join(lacking) or "the largest preset runs here")
        lacking.append(f"{name} lacks {missing[0]}")
    return replace(resolve(smallest, overrides), reason="; ".join(lacking))


def requirements(resolved: ResolvedPreset) -> list[Requirement]:
    """What the preset needs on this machine, met or not."""
    preset, overrides = resolved.preset, resolved.overrides
    needs: list[Requirement] = []
    if preset.gpu and not overrides.renderer_url:
        needs.append(_needs_gpu(resolved))
    if resolved.llm_plan is not None:
        needs.append(_needs_room(resolved.llm_plan, "take --llm-gpu of another, or a smaller --llm"))
    if resolved.gpu is not None and resolved.memory_plan is not None:
        needs.append(_needs_main_memory(resolved.memory_plan))
    if preset.renderer and not overrides.renderer_url:
        met = importlib.util.find_spec("diffusers") is not None
        needs.append(Requirement("the package diffusers", met, "" if met else INSTALL_GPU))
        if overrides.renderer is None:  # one that was named is checked when it is opened
            needs.append(_needs_weights(preset.renderer))
    if preset.llm and overrides.llm_url is None:
        needs += _needs_server(overrides.llm or preset.llm, overrides.vllm_python)
    if overrides.reward is None:
        needs.append(needs_predictor(preset))
    return needs


def what_fits(resolved: ResolvedPreset, plan: MemoryPlan) -> str:
    """What to take instead of a plan that cannot be used on its GPU."""
    others = [resolved.memory_plan_on(plan.gpu, other) for other in PRECISIONS if other != plan.precision]
    ways = [f"--memory {other.precision} ({other.peak / GIB:.0f} GB)" for other in others if other.fits]
    smaller = [resolve(name) for name in list(PRESETS)[list(PRESETS).index(resolved.name) + 1 :]]
    fitting = [r.name for r in smaller if not r.preset.gpu or r.memory_plan_on(plan.gpu, "bf16").fits]
    ways.append(f"--preset {fitting[0]}" if fitting else "a smaller --renderer")
    return f"take {' or '.join(ways)}"


def least_gpu(resolved: ResolvedPreset) -> int:
    """GiB of the smallest GPU that the memory plan fits on, whether or not there is such a card."""
    return 1 + bisect_left(
        range(1, 10**6), True, key=lambda size: resolved.memory_plan_on(Gpu("", size)).fits
    )


def predictor_folder(preset: Preset) -> Path:
    """Where a preset's predictor is looked for: the sandbox's ships; others are trained, by the user."""
    return WEIGHTS / "predictor" if preset.renderer is None else paths.predictor()


def _encoder_of(predictor: Path) -> str | None:
    """The image-text encoder that a checkpoint was trained with; None where there is no checkpoint."""
    try:
        id = str(read_json(predictor / "predictor.json")["encoder"]["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(predictor / id) if (predictor / id).is_dir() else id  # the sandbox's lies beside its predictor


def _needs_gpu(resolved: ResolvedPreset) -> Requirement:
    gpu, plan = resolved.gpu, resolved.memory_plan
    if gpu is None or plan is None:
        what = f"a GPU with {least_gpu(resolved)} GB of memory (none found)"
        return Requirement(what, False, "steer run --preset sandbox, or laptop: they need none")
    return _needs_room(plan, what_fits(resolved, plan))


def _needs_room(plan: MemoryPlan, instead: str) -> Requirement:
    gpu, free = plan.gpu, "" if plan.gpu.free is None else f", {plan.gpu.free:.0f} free"
    what = (
        f"{plan.peak / GIB:.0f} GB on the GPU with --memory {plan.precision} "
        f"({gpu.name}, {gpu.memory:.0f} GB{free})"
    )
    return Requirement(what, plan.fits, "" if plan.fits else f"{plan.why_not}; {instead}")


def _needs_main_memory(plan: MemoryPlan) -> Requirement:
    """What main memory must hold, of what it has free; the way that takes less where it has not."""
    free = main_memory.available()
    met = not free or plan.main_memory <= free
    what = f"{plan.main_memory / GIB:.0f} GB of main memory ({free / GIB:.0f} GB free)"
    if met:
        return Requirement(what, True, "")
    less = "end what else takes memory, or a smaller --preset"
    return Requirement(
        what, False, f"slower, with less: --rest disk; or {less}" if plan.rest == "memory" else less
    )


def _needs_weights(model: str) -> Requirement:
    state = hub.state(model)
    half = ", of which only a part was downloaded" if state == "partial" else ""
    met = state == "present"
    return Requirement(f"weights of {model}{half}", met, "" if met else hub.how_to_get(model))


def _needs_server(llm: str, python: str | None) -> list[Requirement]:
    python = python or os.environ.get("STEER_VLLM_PYTHON")
    if python is None and paths.vllm_python().is_file():  # what steer setup made
        python = str(paths.vllm_python())
    if python is not None:
        met = Path(python).expanduser().is_file()
        vllm = Requirement(f"the interpreter {python}", met, "" if met else INSTALL_VLLM)
    else:
        met = importlib.util.find_spec("vllm") is not None
        fix = f"{INSTALL_VLLM}; or name a server that runs: --llm-url"
        vllm = Requirement("vLLM, which serves the language model", met, "" if met else fix)
    return [vllm, _needs_weights(llm)]


def needs_predictor(preset: Preset) -> Requirement:
    """A predictor of ratings where it is looked for."""
    folder = predictor_folder(preset)
    met = (folder / "predictor.json").is_file()
    if preset.renderer is None:
        return Requirement("the sandbox's predictor", met, "" if met else "steer sandbox build")
    fix = f"steer setup {preset.name}; or steer without one: --population --reward laion-aesthetics"
    return Requirement(f"a predictor trained on real ratings in {folder}", met, "" if met else fix)

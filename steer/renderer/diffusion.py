"""A pipeline of diffusers as a renderer: the images of calling it once per prompt, for less work.

What is saved, all of it exact: every distinct prompt is encoded once, all new ones in one batch; layers of
the text encoder that nothing reads are left out; images are made in batches; what was rendered before is
kept; a thread makes the next batch while the caller looks at this one.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from PIL import Image
from torch.nn.attention import SDPBackend, sdpa_kernel

from steer.errors import RendererError
from steer.parts import Capabilities
from steer.renderer.cache import EMBEDDINGS, IMAGES, Cache
from steer.renderer.load import Pipelines, compile_blocks
from steer.renderer.settings import (
    PROMPTS_AT_ONCE,
    RenderSettings,
    defaults,
    doubt,
    guided,
    takes_negative,
)
from steer.renderer.source import DENOISERS, PipelineSource
from steer.renderer.stage import Stage

T = TypeVar("T")
R = TypeVar("R")
Job = tuple[str, int]  # prompt, seed
Embeddings = dict[str, torch.Tensor]  # arguments of the pipeline by name, each [1, ...]

GIB = 2**30

# Kernels for the attention of text encoders, the second choice where the first made NaN. FLUX.2-dev pads
# prompts on the left, where a token sees nothing at all; cuDNN's kernel, which torch may prefer, is left out.
ATTENTION: tuple[tuple[Any, ...], ...] = (
    (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH),
    (SDPBackend.MATH,),
)


class _Stopped(Exception):
    """Leaves the denoising loop: the caller wants no more images."""


class DiffusersRenderer:
    """Renders with any text-to-image pipeline; see `steer.parts.Renderer` and `open_renderer`.

    The noise of an image comes from a generator of its own on the CPU, so a seed means the same noise at any
    batch size and on any device. The pixels agree within rounding (tests: 1/255 in float32).
    """

    def __init__(
        self,
        source: PipelineSource,
        settings: RenderSettings,
        cache: Path | None = None,
        rest: str = "memory",
    ) -> None:
        self._source, self._pipes, self._rest = source, Pipelines(source), rest
        call = inspect.signature(self._pipes.kind.__call__).parameters
        own = {name: None if p.default is p.empty else p.default for name, p in call.items()}
        self._settings = defaults(settings, source.model, source.index, source.folder, own)
        self._call = frozenset(own)
        self.name = self.model = source.model
        self.revision, self.memory = source.revision, source.memory
        self.lora = ", ".join(lora.label for lora in source.loras) or None
        self.steps, self.guidance_scale = self._settings.steps, self._settings.guidance_scale
        self.width, self.height = self._settings.width, self._settings.height
        told = {key: value for key, value in asdict(self._settings).items() if key != "batch_size"}
        if told["negative_prompt"] is None:
            del told["negative_prompt"]
        self.sha256 = _hash(source.identity, told)  # of all that decides an image, beside prompt and seed
        images, texts = (cache / "images", cache / "embeddings") if cache else (None, None)
        self._images = Cache(IMAGES, images, memory=GIB // 4, disk=4 * GIB)
        self._embeddings = Cache(EMBEDDINGS, texts, memory=GIB, disk=4 * GIB)
        self._failed: dict[Job, str] = {}  # and why: the same noise would fail again
        self._at_once = {"images": self._settings.batch_size or 1, "prompts": PROMPTS_AT_ONCE}
        self._stages: dict[str, Stage] = {}
        self._attention = ATTENTION
        line = doubt(settings, source.model, source.index, source.folder)
        self._notes: list[str] = [line] if line else []

    @property
    def capabilities(self) -> Capabilities:
        """What can be told to this pipeline."""
        return Capabilities(
            negative=takes_negative(self._source.index["_class_name"], self._call),
            steps="num_inference_steps" in self._call,
            guidance="guidance_scale" in self._call,
            sizes="width" in self._call and "height" in self._call,
            batch=True,
            lora=hasattr(self._pipes.kind, "load_lora_weights"),
        )

    # --- what the loop calls

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image.Image]:
        """One RGB image per prompt, in order; the next batch is made while this one is looked at.

        Raises `RendererError` at the turn of an image that failed: black, not a number, or out of memory by
        itself. Asked anew for the others it goes on with them, and makes none twice.
        """
        jobs = list(zip(prompts, seeds, strict=True))
        ready: dict[Job, Image.Image | str] = {}
        for job in jobs:
            if (known := self._failed.get(job) or self._images.get(self._key(job))) is not None:
                ready[job] = known
        missing = [job for job in dict.fromkeys(jobs) if job not in ready]
        stop = threading.Event()
        made = _ahead(self._make(missing, stop), stop)
        try:
            for job in jobs:
                while job not in ready:
                    ready |= next(made)
                image = ready[job]
                if isinstance(image, str):
                    raise RendererError(image)
                yield image.copy()
        finally:
            made.close()

    def rest(self) -> None:
        """Gives the device's memory to others. The weights come back from main memory, or from disk."""
        if self._rest == "disk":
            self._give_up()
        for stage in self._stages.values():
            stage.rest()

    def close(self) -> None:
        """Gives all memory back. The caches stay; another `render` loads the weights again."""
        self._failed.clear()
        self._give_up()

    def forget(self) -> None:
        """Gives up what was rendered and encoded; a cache folder keeps it."""
        self._images.forget()
        self._embeddings.forget()
        self._failed.clear()

    def cut_error(self, prompt: str) -> float | None:
        """Relative error of the prompt's hidden states where the text encoder's last layers are left out.

        None for a model of which nothing is left out. Loads the whole text encoder, one after the other.
        """
        if not self._pipes.family.cut:
            return None
        self._give_up()
        found = []
        for whole in (False, True):
            pipe = self._pipes.whole_text() if whole else self._pipes.text
            pipe.text_encoder.to(self._source.device)
            found.append(self._encode_with(pipe, [prompt], self._attention[0])["prompt_embeds"].float().cpu())
            del pipe
            self._give_up()
        short, reference = found
        return float((short - reference).norm() / reference.norm())

    def _give_up(self) -> None:
        self._stages.clear()
        self._pipes = Pipelines(self._source)
        clear_device_cache(garbage_collection=True)

    def notes(self) -> list[str]:
        """What had to be done otherwise than asked, since the last call."""
        for cache in (self._images, self._embeddings):
            if cache.failure is not None:
                self._notes.append(f"{cache.failure}; went on without")
                cache.failure = None
        for stage in self._stages.values():
            if stage.failure is not None:
                self._notes.append(stage.failure)
                stage.failure = None
        notes, self._notes = self._notes, []
        return notes

    # --- images

    def _make(self, jobs: Sequence[Job], stop: threading.Event) -> Iterator[dict[Job, Image.Image | str]]:
        """The images of these jobs batch by batch, or why there is none."""
        encoded = self._encode([prompt for prompt, _ in jobs]) if jobs and self._pipes.family.encoded else {}
        lost = {job: reason for job in jobs if isinstance(reason := encoded.get(job[0]), str)}
        self._failed |= lost
        if lost:
            yield dict(lost)
        left = [job for job in jobs if job not in lost]
        if left:
            self._stage("image").wake(self._stages.get("text"))

        def work(batch: Sequence[Job]) -> list[Image.Image | str]:
            return self._denoise(batch, encoded, stop)

        for done in self._in_batches("images", left, work):
            for job, image in done.items():
                if isinstance(image, str):
                    self._failed[job] = image
                else:
                    self._images.put(self._key(job), image)
            yield done

    def _denoise(
        self, jobs: Sequence[Job], encoded: Mapping[str, Embeddings | str], stop: threading.Event
    ) -> list[Image.Image | str]:
        """One call of the pipeline."""
        settings, pipe = self._settings, self._pipes.image
        watch = _Watch(stop)
        arguments: dict[str, Any] = {
            "width": settings.width,
            "height": settings.height,
            "num_inference_steps": settings.steps,
            self._pipes.family.guidance: settings.guidance_scale,
            "callback_on_step_end": watch,
        }
        arguments = {k: v for k, v in arguments.items() if v is not None and k in self._call}
        if self._pipes.family.encoded:
            rows = [row for prompt, _ in jobs if not isinstance(row := encoded[prompt], str)]
            for name in rows[0]:
                arguments[name] = torch.cat([row[name] for row in rows]).to(self._source.device)
            if isinstance(away := encoded.get(self._away), dict) and self._second_pass:
                negative = away["prompt_embeds"].expand(len(jobs), -1, -1)
                arguments["negative_prompt_embeds"] = negative.to(self._source.device)
        else:
            arguments["prompt"] = [prompt for prompt, _ in jobs]
            if settings.negative_prompt is not None:
                arguments["negative_prompt"] = [settings.negative_prompt] * len(jobs)
            if settings.max_sequence_length is not None:
                arguments["max_sequence_length"] = settings.max_sequence_length
        generators = [torch.Generator().manual_seed(seed) for _, seed in jobs]
        made = pipe(**arguments, generator=generators, output_type="pt").images
        return [
            _image(pixels) or self._not_finite(watch.broken(i)) for i, pixels in enumerate(made.float().cpu())
        ]

    @property
    def _second_pass(self) -> bool:
        """Whether klein needs a second pass, with the negative prompt, as its base models do."""
        return self._pipes.family.second_pass and guided(self._settings, self._source.index)

    @property
    def _away(self) -> str:
        return self._settings.negative_prompt or ""

    # --- prompts

    def _encode(self, prompts: Sequence[str]) -> dict[str, Embeddings | str]:
        """Embeddings of each prompt, or why there are none; what is not in the cache in one batch."""
        wanted = dict.fromkeys([*prompts, self._away] if self._second_pass else prompts)
        encoded: dict[str, Embeddings | str] = {}
        for prompt in wanted:
            if (known := self._embeddings.get(self._text_key(prompt))) is not None:
                encoded[prompt] = known
        missing = [prompt for prompt in wanted if prompt not in encoded]
        if missing:
            self._stage("text").wake(self._stages.get("image"))
        for done in self._in_batches("prompts", missing, self._embed):
            for prompt, embeddings in done.items():
                if not isinstance(embeddings, str):
                    self._embeddings.put(self._text_key(prompt), embeddings)
            encoded |= done
        if isinstance(reason := encoded.get(self._away) if self._second_pass else None, str):
            return dict.fromkeys(encoded, reason)
        return encoded

    def _embed(self, prompts: Sequence[str]) -> list[Embeddings | str]:
        """One call of the text encoder; another with plain attention where it made NaN."""
        named = self._encoded(prompts, self._attention[0])
        finite = _finite(named.values())
        if not all(finite) and len(self._attention) > 1:
            self._attention = self._attention[1:]
            named = self._encoded(prompts, self._attention[0])
            if all(finite := _finite(named.values())):
                self._notes.append("the text encoder's fast attention made NaN, went on with the plain one")
        return [
            {name: tensor[i : i + 1].to("cpu", copy=True) for name, tensor in named.items()}
            if finite[i]
            else self._not_finite("text encoder's hidden states")
            for i in range(len(prompts))
        ]

    def _encoded(self, prompts: Sequence[str], attention: Sequence[Any]) -> Embeddings:
        """What the pipeline takes in the place of these prompts, each [prompts, ...], on the device."""
        return self._encode_with(self._pipes.text, prompts, attention)

    def _encode_with(self, pipe: Any, prompts: Sequence[str], attention: Sequence[Any]) -> Embeddings:
        offered = {
            "prompt": list(prompts),
            "prompt_2": None,
            "prompt_3": None,
            "device": torch.device(self._source.device),
            "num_images_per_prompt": 1,
            "do_classifier_free_guidance": (self._settings.guidance_scale or 0) > 1,
            "negative_prompt": self._negative(len(prompts)),
            "max_sequence_length": self._settings.max_sequence_length,
        }
        known = inspect.signature(pipe.encode_prompt).parameters
        with torch.no_grad(), sdpa_kernel(list(attention)):
            returned = pipe.encode_prompt(**{key: value for key, value in offered.items() if key in known})
        return {
            name: tensor
            for name, tensor in zip(self._pipes.family.encoded, returned, strict=True)
            if name and tensor is not None
        }

    def _negative(self, count: int) -> list[str] | None:
        """The negative prompt for each of `count` prompts, for classes that encode both at once."""
        negative = self._settings.negative_prompt
        return None if negative is None or self._pipes.family.second_pass else [negative] * count

    def _not_finite(self, what: str) -> str:
        remedy = "try another --renderer" if self.memory == "bf16" else "try --memory bf16"
        return f"the {what} are not numbers (NaN); {remedy}"

    # --- memory

    def _stage(self, name: str) -> Stage:
        """The modules of "text" or "image", loaded."""
        if name not in self._stages:
            other = self._stages.get("image" if name == "text" else "text")
            if other is not None and self.memory != "bf16":
                other.rest()  # quantized weights are loaded onto the device straight away
            pipe = self._pipes.text if name == "text" else self._pipes.image
            modules = {k: m for k, m in pipe.components.items() if isinstance(m, torch.nn.Module)}
            if self._pipes.family.encoded:  # else the whole pipeline is at work at once
                mine = name == "text"
                modules = {k: m for k, m in modules.items() if k.startswith("text_encoder") == mine}
            if self._settings.compile and name == "image":
                for part in DENOISERS:
                    if part in modules:
                        compile_blocks(modules[part])
            let_go = partial(self._forget, name) if self._rest == "disk" and self._pipes.family.cut else None
            self._stages[name] = Stage(list(modules.values()), self._source.device, let_go)
        return self._stages[name]

    def _forget(self, name: str) -> None:
        """The half that is to rest on disk: nobody holds its weights any more."""
        del self._stages[name]
        self._pipes.forget(name)

    def _in_batches(
        self, what: str, items: Sequence[T], work: Callable[[Sequence[T]], Sequence[R | str]]
    ) -> Iterator[dict[T, R | str]]:
        """`work` on batches of items: its result for each, or why there is none.

        A batch that does not fit into memory is halved, for good. A batch that fails otherwise is done one by
        one, so that nobody fails for a neighbour.
        """
        pending, alone = list(items), 0  # the first so many are done one by one
        while pending:
            batch = pending[: 1 if alone else self._at_once[what]]
            failure: Exception | None = None
            outcomes: Sequence[R | str] = ()
            try:
                outcomes = work(batch)
            except _Stopped:
                return
            except Exception as error:  # noqa: BLE001 - whatever a model raises becomes the item's reason
                failure = error.with_traceback(None)  # the frames hold tensors
            if failure is not None and should_reduce_batch_size(failure):
                clear_device_cache(garbage_collection=True)
                if len(batch) > 1:
                    self._at_once[what] = half = len(batch) // 2
                    self._notes.append(f"out of memory at {len(batch)} {what} at once, went on with {half}")
                    continue
                if self._make_room(what):
                    continue
                outcomes = [
                    f"out of memory with a single one of the {what} ({self.width}x{self.height}, --memory "
                    f"{self.memory}); try --memory nf4 or a smaller --renderer"
                ]
            elif failure is not None:
                if len(batch) > 1:
                    alone = len(batch)
                    continue
                outcomes = [f"{type(failure).__name__}: {failure}"]
            alone = max(0, alone - len(batch))
            del pending[: len(batch)]
            yield dict(zip(batch, outcomes, strict=True))

    def _make_room(self, what: str) -> bool:
        """Sends the half that is not at work off the device; False if it is not there."""
        other = self._stages.get("text" if what == "images" else "image")
        if other is None or not other.awake or self._source.device == "cpu":
            return False
        other.rest()
        return True

    def _key(self, job: Job) -> str:
        return _hash(self.sha256, *job)

    def _text_key(self, prompt: str) -> str:
        told: list[Any] = [self._source.identity, self._settings.max_sequence_length]
        told.append((self._settings.guidance_scale or 0) > 1)
        if (negative := self._negative(1)) is not None:
            told.append(negative)
        return _hash(*told, prompt)


def _image(pixels: torch.Tensor) -> Image.Image | str | None:
    """[3, height, width] in 0..1 as an RGB image, or what is wrong with it; None where it is not finite."""
    if not torch.isfinite(pixels).all():
        return None
    rounded = (pixels.clamp(0, 1) * 255).round().to(torch.uint8)
    if not rounded.any():
        return "the image is black (a numerical overflow, or the model's own safety filter)"
    return Image.fromarray(rounded.permute(1, 2, 0).contiguous().numpy())


def _finite(tensors: Iterable[torch.Tensor]) -> list[bool]:
    """For each row, whether all of its numbers in all of the tensors are finite."""
    rows = torch.stack([torch.isfinite(tensor).flatten(1).all(1) for tensor in tensors])
    return [bool(row) for row in rows.all(0)]


class _Watch:
    """A callback for the end of each denoising step: stops where asked to, and keeps the last latents."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._latents: torch.Tensor | None = None

    def __call__(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if self._stop.is_set():
            raise _Stopped
        self._latents = tensors.get("latents")
        return tensors

    def broken(self, i: int) -> str:
        """What went wrong with image `i`, whose pixels are not finite: its latents, or their decoding."""
        if self._latents is None:
            return "model's pixels"
        return "decoder's pixels" if torch.isfinite(self._latents[i]).all() else "denoiser's latents"


def _ahead(items: Iterator[T], stop: threading.Event) -> Generator[T, None, None]:
    """The same items, each made in a thread while the caller is busy with the one before.

    `stop` is set when the caller wants no more, so that nobody waits for an item that nobody will see.
    """
    with ThreadPoolExecutor(1, "steer-render") as thread:
        try:
            coming = thread.submit(next, items, None)
            while (item := coming.result()) is not None:
                coming = thread.submit(next, items, None)
                yield item
        finally:
            stop.set()


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

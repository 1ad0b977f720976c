"""What replaces or tunes the parts of a preset: one field for each option of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from steer.errors import UsageError
from steer.proposer.address import KEY_VARIABLE, refuse_secret
from steer.record.schema import built
from steer.renderer.servers.address import key_variable, read_address
from steer.settings import check_ranges, option

MEMORY = ("auto", "bf16", "fp8", "nf4")
REST = ("memory", "disk")
_MANY = ("lora", "renderer_url", "node")  # options that may be given again


@dataclass(frozen=True)
class Overrides:
    """Kept in config.json, so that a resumed run finds the same parts. None: as the preset says.

    Raises `UsageError`, naming the option, for a value that makes no sense.
    """

    llm: str | None = option(None, "Another language model: id or folder.")
    llm_url: str | None = option(None, "An OpenAI-compatible server that runs: http://127.0.0.1:8000/v1.")
    llm_mode: str = option("auto", "How a server is asked: list, fanout, few-shot, or auto.")
    vllm_python: str | None = option(
        None, "Python of the environment with vLLM, which steer then starts and stops."
    )
    renderer: str | None = option(
        None,
        "Another text-to-image pipeline: id, id@REVISION or folder; or its denoiser as one .gguf or "
        ".safetensors: FILE or owner/name/FILE; or the model on a server.",
    )
    renderer_base: str | None = option(
        None, "The pipeline around a renderer that is one file: id or folder; else the released one."
    )
    renderer_url: tuple[str, ...] = option(
        (), "A server that makes the pictures: comfyui://, sdapi://, images:// or http://HOST:PORT; may be "
        "given again. hf:// and bfl:// cost money.",
        type=list[str],
    )  # fmt: skip
    workflow: str | None = option(None, "ComfyUI: a file in API format; or sd, or flux2-klein.")
    node: tuple[str, ...] = option(
        (), "ComfyUI: where something goes, as in seed=3.seed; may be given again.", type=list[str]
    )
    paid_limit: int = option(100, "Pictures that may be paid for without a question.", 0, 100_000)
    lora: tuple[str, ...] = option(
        (), "LoRA for the renderer: file, folder or id, =0.8 for its strength; may be given again.",
        type=list[str],
    )  # fmt: skip
    memory: str = option(
        "auto", "Plan for the GPU's memory: bf16, fp8, nf4, or auto: the most exact one that fits."
    )
    rest: str = option(
        "memory",
        "Where models wait for the GPU: memory, or disk, which takes none and longer.",
    )
    render_gpu: int | None = option(None, "Number of the GPU that renders and scores.", 0, 63)
    llm_gpu: int | None = option(None, "Number of the GPU for the language model under vLLM.", 0, 63)
    steps: int | None = option(None, "Denoising steps.", 1, 1_000)
    guidance: float | None = option(None, "Guidance scale.", 0, 100)
    negative_prompt: str | None = option(None, "What pictures should not show, where a renderer can be told.")
    size: int | None = option(None, "Pixels each way.", 16, 4_096)
    batch: int | None = option(None, "Pictures rendered at once.", 1, 256)
    compile: bool = option(False, "Compile the denoiser: minutes at the start, faster steps.")
    cache: str | None = option(
        None, "Folder that keeps encoded prompts and pictures for later runs.", env="STEER_RENDER_CACHE"
    )
    reward: str | None = option(
        None, "Another predictor's folder, or a baseline: laion-aesthetics.", type=Path | None
    )
    judge: str | None = option(None, "Folder of a second predictor that only confirms.", type=Path | None)
    threads: int | None = option(None, "Renderer threads.", 1)

    def __post_init__(self) -> None:
        if self.memory not in MEMORY:
            raise UsageError(
                f"there is no memory plan {self.memory!r}; the plans are {', '.join(MEMORY)}: steer doctor"
            )
        if self.rest not in REST:
            raise UsageError(f"--rest is {self.rest!r}, but must be one of {', '.join(REST)}")
        check_ranges(self, UsageError)
        if self.size is not None and self.size % 16:
            raise UsageError(f"--size is {self.size}, but must be a multiple of 16, such as 512")
        if self.renderer_base is not None and (self.renderer is None or self.renderer_url):
            raise UsageError("--renderer-base goes with a renderer that is one file: name it with --renderer")
        if self.renderer_url:
            read_address(self.renderer_url)
        elif self.workflow is not None or self.node:
            raise UsageError(
                "--workflow and --node are for ComfyUI: name it too, as in --renderer-url comfyui://127.0.0.1:8188"
            )
        if self.llm_url is not None:
            refuse_secret(self.llm_url)
        if self.llm_url is not None and not self.llm_url.startswith(("http://", "https://")):
            raise UsageError(
                f"--llm-url {self.llm_url!r} is no web address; write it as in: --llm-url http://127.0.0.1:8000/v1"
            )
        if self.llm_url is not None and self.vllm_python is not None:
            raise UsageError(
                "--llm-url names a server that runs, --vllm-python one that steer starts; give one of them"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Overrides:
        """From a recipe of config.json; what it holds beside these fields is left alone.

        Raises `RecordError` where it is damaged.
        """
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        return built(
            cls, {**known, **{name: known.get(name) or () for name in _MANY}}, "the recipe of the run"
        )

    def by_word(
        self, vllm_python: str | None, llm_url: str | None, renderer_url: Sequence[str] = ()
    ) -> Overrides:
        """The recipe of a run that goes on, with the program and the servers that the user names now.

        A record may come from anybody: no program is started by its word, no key is sent to an address of its
        choice, and no picture is paid for. Raises `UsageError` with what to name.
        """
        self = self._renderer_by_word(renderer_url)
        if llm_url is not None or vllm_python is not None:
            return replace(self, vllm_python=vllm_python, llm_url=llm_url)
        mine = {name: os.environ.get(f"STEER_{name.upper()}") or None for name in ("vllm_python", "llm_url")}
        if self.vllm_python is not None and mine["vllm_python"] is None:
            raise UsageError(
                f"the run was started with the interpreter {self.vllm_python!r}, and a record starts no "
                "program; name it, or another: --vllm-python PYTHON"
            )
        if self.llm_url is not None and mine["llm_url"] is None and os.environ.get(KEY_VARIABLE):
            raise UsageError(
                f"the run was started with the server at {self.llm_url!r}, and {KEY_VARIABLE} goes to no "
                "address that stands only in a record; name it, or another: --llm-url URL"
            )
        named: dict[str, Any] = {name: mine[name] for name in mine if mine[name] and getattr(self, name)}
        return replace(self, **named)

    def _renderer_by_word(self, given: Sequence[str]) -> Overrides:
        named = tuple(given) or tuple((os.environ.get("STEER_RENDERER_URL") or "").split())
        if not self.renderer_url or named:
            return replace(self, renderer_url=named) if self.renderer_url else self
        address = read_address(self.renderer_url)
        if address.hosted or os.environ.get(key_variable(address.kind)):
            why = "no picture is paid for" if address.hosted else "no key is sent to an address"
            raise UsageError(
                f"the run was started with --renderer-url {' '.join(self.renderer_url)}, and {why} by the "
                "word of a record; name it again, or another: --renderer-url URL"
            )
        return self

    @classmethod
    def given(cls, **values: Any) -> Overrides:
        """From keyword arguments. Raises `UsageError` for one that does not exist."""
        names = [field.name for field in fields(cls)]
        if unknown := sorted(values.keys() - set(names)):
            raise UsageError(f"load() takes no {unknown[0]!r}; it takes {', '.join(names)}")
        paths: dict[str, Any] = {
            name: str(value) if isinstance(value, Path) else value for name, value in values.items()
        }
        given: dict[str, Any] = {name: paths.pop(name, None) or () for name in _MANY}
        many: dict[str, Any] = {
            name: (value,) if isinstance(value, str) else tuple(value) for name, value in given.items()
        }
        return cls(**paths, **many)

    def to_json(self) -> dict[str, Any]:
        """For the recipe of config.json."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in _MANY}}


NO_OVERRIDES = Overrides()  # every part as the preset says

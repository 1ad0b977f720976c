"""What replaces or tunes the parts of a preset: one field for each option of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from steer.errors import UsageError
from steer.proposer.address import refuse_secret

MEMORY = ("auto", "bf16", "fp8", "nf4")


@dataclass(frozen=True)
class Choices:
    """Kept in config.json, so that a resumed run finds the same parts. None: as the preset says.

    Raises `UsageError`, naming the option, for a value that makes no sense.
    """

    llm: str | None = None  # language model: hub id or folder
    llm_url: str | None = (
        None  # an OpenAI-compatible server that runs already, as in http://127.0.0.1:8000/v1
    )
    llm_mode: str = "auto"  # how it is asked: list, fanout or few-shot (see `steer.proposer.server`)
    vllm_python: str | None = None  # interpreter of the environment that holds vLLM; steer starts it there
    renderer: str | None = None  # text-to-image pipeline: folder, or hub id, @REVISION to pin it
    lora: tuple[str, ...] = ()  # LoRA weights for the renderer: folders, files or hub ids
    memory: str = "auto"  # memory plan: bf16, fp8 or nf4; auto takes the most exact one that fits
    steps: int | None = None  # denoising steps
    guidance: float | None = None  # guidance scale
    size: int | None = None  # width and height of the pictures, in pixels
    batch: int | None = None  # pictures rendered at once
    compile: bool = False  # torch.compile of the denoiser's repeated blocks
    cache: str | None = None  # folder that keeps encoded prompts and pictures for later runs
    reward: str | None = None  # a predictor's folder, or a baseline by name
    judge: str | None = None  # folder of a second predictor that only confirms
    threads: int | None = None  # CPU cores that the renderer may use

    def __post_init__(self) -> None:
        if self.memory not in MEMORY:
            raise UsageError(
                f"there is no memory plan {self.memory!r}; the plans are {', '.join(MEMORY)}: steer doctor"
            )
        for name, low, high in (("steps", 1, 1_000), ("size", 16, 4_096), ("batch", 1, 256)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(
                    f"--{name} is {value}, but must be from {low} to {high:,}; see: steer run --help"
                )
        if self.size is not None and self.size % 16:
            raise UsageError(f"--size is {self.size}, but must be a multiple of 16, such as 512")
        if self.guidance is not None and not 0 <= self.guidance <= 100:
            raise UsageError(
                f"--guidance is {self.guidance}, but must be from 0 to 100; see: steer run --help"
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
    def of(cls, values: Mapping[str, Any]) -> Choices:
        """From a recipe of config.json; what it holds beside these fields is left alone."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        return cls(**{**known, "lora": tuple(known.get("lora") or ())})

    @classmethod
    def given(cls, **values: Any) -> Choices:
        """From keyword arguments. Raises `UsageError` for one that does not exist."""
        names = [field.name for field in fields(cls)]
        if unknown := sorted(values.keys() - set(names)):
            raise UsageError(f"load() takes no {unknown[0]!r}; it takes {', '.join(names)}")
        paths = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
        return cls.of(paths)

    def to_json(self) -> dict[str, Any]:
        """For the recipe of config.json."""
        return {**asdict(self), "lora": list(self.lora)}


DEFAULT = Choices()  # every part as the preset says

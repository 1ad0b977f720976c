"""The options, each written once. Their values: flag > STEER_* variable > config file > default."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from steer.settings import Settings

DEFAULTS = Settings()
CONFIG_FILE = "steer.toml"
RUNS = Path("runs")

_SEARCH, _MODELS, _OUTPUT = "Search", "Models", "Output"


def read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Make the config file's values this command's defaults. Without a path, ./steer.toml if there is one."""
    chosen = path if path is not None else Path(CONFIG_FILE)
    try:
        values = tomllib.loads(chosen.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if path is None:
            return None
        raise typer.BadParameter(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise typer.BadParameter(f"cannot read {chosen}: {error}") from error
    defaults: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in KEYS:
            raise typer.BadParameter(
                f"{chosen} has an unknown key {key!r}; keys are {', '.join(sorted(KEYS))}"
            )
        if isinstance(value, dict) or (isinstance(value, list) and name != "lora"):
            raise typer.BadParameter(f"{chosen}: {key} must be a single value")
        defaults["as_json" if name == "json" else name] = value
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return path


KEYS = frozenset((
    "prompt", "user", "population", "age", "gender", "nationality", "versus", "iterations", "proposals",
    "keep", "patience", "target", "seed", "llm_seed", "confirm", "gate", "metadata", "preset", "llm",
    "reward", "judge", "threads", "out", "quiet", "json", "llm_url", "vllm_python", "renderer", "lora",
    "memory", "steps", "guidance", "size", "batch", "compile", "cache", "llm_mode",
))  # fmt: skip

Prompt = Annotated[
    str | None,
    typer.Option("--prompt", "-p", help="What to show.", envvar="STEER_PROMPT", show_default=False),
]
Iterations = Annotated[
    int,
    typer.Option(help="Rounds of rewriting, at most.", envvar="STEER_ITERATIONS", rich_help_panel=_SEARCH),
]
Proposals = Annotated[
    int, typer.Option(help="New prompts per round.", envvar="STEER_PROPOSALS", rich_help_panel=_SEARCH)
]
Keep = Annotated[
    int,
    typer.Option(
        help="Best prompts that the language model sees.", envvar="STEER_KEEP", rich_help_panel=_SEARCH
    ),
]
Patience = Annotated[
    int,
    typer.Option(
        help="Stop after this many rounds without a new best; 0 never stops early.",
        envvar="STEER_PATIENCE",
        rich_help_panel=_SEARCH,
    ),
]
Target = Annotated[
    float | None,
    typer.Option(
        help="Stop once the predicted rating is this high.", envvar="STEER_TARGET", rich_help_panel=_SEARCH
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        help="Image noise, the same for base and rewrites.", envvar="STEER_SEED", rich_help_panel=_SEARCH
    ),
]
LlmSeed = Annotated[
    int, typer.Option(help="Seed of the rewrites.", envvar="STEER_LLM_SEED", rich_help_panel=_SEARCH)
]
Confirm = Annotated[
    int,
    typer.Option(
        help="Fresh seeds on which base and best are compared; 0 skips it.",
        envvar="STEER_CONFIRM",
        rich_help_panel=_SEARCH,
    ),
]
Gate = Annotated[
    bool,
    typer.Option(
        "--gate/--no-gate",
        help="Reject pictures that left the subject.",
        envvar="STEER_GATE",
        rich_help_panel=_SEARCH,
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        help="sandbox, laptop, klein, flux2, or auto: the largest that runs here.",
        envvar="STEER_PRESET",
        rich_help_panel=_MODELS,
    ),
]
Llm = Annotated[
    str | None,
    typer.Option(help="Another language model: id or folder.", envvar="STEER_LLM", rich_help_panel=_MODELS),
]
LlmUrl = Annotated[
    str | None,
    typer.Option(
        help="An OpenAI-compatible server that runs: http://127.0.0.1:8000/v1.",
        envvar="STEER_LLM_URL",
        rich_help_panel=_MODELS,
    ),
]
LlmMode = Annotated[
    str,
    typer.Option(
        help="How a server is asked: list, fanout, few-shot, or auto.",
        envvar="STEER_LLM_MODE",
        rich_help_panel=_MODELS,
    ),
]
VllmPython = Annotated[
    str | None,
    typer.Option(
        help="Python of the environment with vLLM, which steer then starts and stops.",
        envvar="STEER_VLLM_PYTHON",
        rich_help_panel=_MODELS,
    ),
]
Renderer = Annotated[
    str | None,
    typer.Option(
        help="Another text-to-image pipeline: id, id@REVISION or folder.",
        envvar="STEER_RENDERER",
        rich_help_panel=_MODELS,
    ),
]
Lora = Annotated[
    list[str] | None,
    typer.Option(
        help="LoRA for the renderer: file, folder or id, =0.8 for its strength; may be given again.",
        envvar="STEER_LORA",
        show_default=False,
        rich_help_panel=_MODELS,
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        help="Plan for the GPU's memory: bf16, fp8, nf4, or auto: the most exact one that fits.",
        envvar="STEER_MEMORY",
        rich_help_panel=_MODELS,
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(help="Denoising steps.", envvar="STEER_STEPS", show_default=False, rich_help_panel=_MODELS),
]
Guidance = Annotated[
    float | None,
    typer.Option(
        help="Guidance scale.", envvar="STEER_GUIDANCE", show_default=False, rich_help_panel=_MODELS
    ),
]
Size = Annotated[
    int | None,
    typer.Option(help="Pixels each way.", envvar="STEER_SIZE", show_default=False, rich_help_panel=_MODELS),
]
Batch = Annotated[
    int | None,
    typer.Option(
        help="Pictures rendered at once.", envvar="STEER_BATCH", show_default=False, rich_help_panel=_MODELS
    ),
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the denoiser: minutes at the start, faster steps.",
        envvar="STEER_COMPILE",
        rich_help_panel=_MODELS,
    ),
]
CacheFolder = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="Folder that keeps encoded prompts and pictures for later runs.",
        envvar="STEER_RENDER_CACHE",
        rich_help_panel=_MODELS,
    ),
]
Reward = Annotated[
    Path | None,
    typer.Option(
        help="Another predictor's folder, or a baseline: laion-aesthetics.",
        envvar="STEER_REWARD",
        rich_help_panel=_MODELS,
    ),
]
Judge = Annotated[
    Path | None,
    typer.Option(
        help="Folder of a second predictor that only confirms.", envvar="STEER_JUDGE", rich_help_panel=_MODELS
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(help="Renderer threads.", envvar="STEER_THREADS", min=1, rich_help_panel=_MODELS),
]
Out = Annotated[
    Path, typer.Option("--out", help="Where runs land.", envvar="STEER_RUNS_DIR", rich_help_panel=_OUTPUT)
]
Metadata = Annotated[
    bool,
    typer.Option(
        "--metadata/--no-metadata",
        help="Prompt and settings inside each PNG.",
        envvar="STEER_METADATA",
        rich_help_panel=_OUTPUT,
    ),
]
Plan = Annotated[
    bool,
    typer.Option("--plan", help="Say what it would take, and start nothing.", rich_help_panel=_OUTPUT),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object on standard output.", rich_help_panel=_OUTPUT)
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress.", envvar="STEER_QUIET", rich_help_panel=_OUTPUT),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="File of defaults (TOML), by default ./steer.toml if it is there.",
        envvar="STEER_CONFIG",
        is_eager=True,
        callback=read_config,
        show_default=False,
        rich_help_panel=_OUTPUT,
    ),
]

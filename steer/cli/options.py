"""The options that commands share. Their values: flag > STEER_* variable > config file > default.

Those of `Settings` and `Overrides` are made of their fields, which say all that there is to say of them.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import typer

from reward.checked import LARGEST, open_plain
from steer.machine.overrides import Overrides
from steer.proposer.address import KEY_VARIABLE
from steer.renderer.servers.address import BFL_KEY, HF_KEY
from steer.renderer.servers.address import KEY_VARIABLE as RENDERER_KEY
from steer.settings import Settings

CONFIG_FILE = "steer.toml"
RUNS = Path("runs")
PANELS = ("Search", "Models", "Output")  # of the help, below the options that have none
_SEARCH, _MODELS, _OUTPUT = PANELS
_PANEL_OF: Mapping[type, str] = {Settings: _SEARCH, Overrides: _MODELS}


def option_of(of: type, name: str) -> Any:
    """The Typer option that a field of `Settings` or `Overrides` describes."""
    field = next(each for each in fields(of) if each.name == name)
    about, name = field.metadata, _name(field)
    flag = f"--{name.replace('_', '-')}"
    return typer.Option(
        f"{flag}/--no-{name}" if _is_switch(field) and field.default else flag,
        help=about["help"],
        envvar=about.get("env", f"STEER_{name.upper()}"),
        min=about["low"] if about["high"] == math.inf else None,  # the field checks a range with two ends
        rich_help_panel=about.get("panel", _PANEL_OF[of]),
    )


def parameters_of(of: Any) -> Iterator[Parameter]:
    """The parameters of a command that takes every field of a dataclass that is an option, however deep."""
    hints = get_type_hints(of, include_extras=True)
    for field in fields(of):
        name, default, hint = field.name, field.default, hints[field.name]
        if is_dataclass(hint):
            yield from parameters_of(hint)
        elif "help" in field.metadata:
            kind = field.metadata.get("type", hint)
            default = bool(default) if kind is bool else default
            annotation = Annotated[kind, option_of(of, name)]  # type: ignore[valid-type]
            yield Parameter(_name(field), Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        elif get_origin(hint) is Annotated:
            yield Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def by_panel(parameters: Iterable[Parameter]) -> list[Parameter]:
    """In the order in which the help has them."""
    panels = (None, *PANELS)
    return sorted(parameters, key=lambda each: panels.index(each.annotation.__metadata__[0].rich_help_panel))


def set_parameters(command: Callable[..., None], parameters: Iterable[Parameter]) -> None:
    """Make Typer see these instead of a command's own."""
    keyword = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in parameters]
    command.__signature__ = Signature(keyword)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in keyword}


def take(of: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The fields of `Settings` or `Overrides`, taken out of what a command was given."""
    values = {field.name: options.pop(_name(field)) for field in fields(of)}
    for field in fields(of):
        if _is_switch(field) and not isinstance(field.default, bool):  # on is the default, off is None
            values[field.name] = field.default if values[field.name] else None
    return values


def _name(field: Field[Any]) -> str:
    return str(field.metadata.get("name", field.name))


def _is_switch(field: Field[Any]) -> bool:
    return bool in (field.metadata.get("type"), type(field.default))


def read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Make the config file's values this command's defaults. Without a path, ./steer.toml if there is one."""
    chosen = path if path is not None else Path(CONFIG_FILE)
    try:
        if path is None and chosen.exists():  # somebody else may have put a pipe here
            os.close(open_plain(chosen, os.O_RDONLY))
        with chosen.open("rb") as stream:
            text = stream.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError(f"it is larger than {LARGEST >> 20} MB")
        values = tomllib.loads(text.decode())
    except FileNotFoundError:
        if path is None:
            return None
        raise typer.BadParameter(f"there is no file {path}") from None
    except (OSError, ValueError, RecursionError) as error:  # what TOML cannot be is a ValueError
        raise typer.BadParameter(f"cannot read {chosen}: {error}") from error
    known, defaults = _keys(ctx), {}
    for key, value in values.items():
        param = known.get(key.replace("-", "_"))
        if param is None:
            raise typer.BadParameter(
                f"{chosen} has an unknown key {key!r}; keys are {', '.join(sorted(known))}"
            )
        if path is None and param.name in _by_word_only():
            flag = f"--{param.name.replace('_', '-')}"
            raise typer.BadParameter(
                f"./{chosen} has the key {key!r}, which no file that merely lies here may say; "
                f"give {flag} yourself, or --config {chosen} if that file is yours"
            )
        if isinstance(value, dict) or (isinstance(value, list) and not param.multiple):
            raise typer.BadParameter(f"{chosen}: {key} must be a single value")
        defaults[param.name] = value
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return path


def _by_word_only() -> tuple[str, ...]:
    """Options that start a program, cost money or say where a secret goes: only a person says them."""
    llm = ("llm_url",) if os.environ.get(KEY_VARIABLE) else ()
    keys = (RENDERER_KEY, HF_KEY, BFL_KEY)
    renderer = ("renderer_url", "paid_limit") if any(os.environ.get(key) for key in keys) else ()
    return "vllm_python", *llm, *renderer


def _keys(ctx: typer.Context) -> dict[str, Any]:
    """The options of every command that reads the file, so that one file serves them all."""
    groups: list[Any] = [ctx.find_root().command, ctx.parent.command]  # type: ignore[union-attr]
    every = [command for group in groups for command in group.commands.values()]
    found = ({param.name: param for param in command.params} for command in every)
    keys = {name: param for options in found if "config" in options for name, param in options.items()}
    keys["json"] = keys.pop("as_json")
    return {name: param for name, param in keys.items() if name not in _NO_KEYS}


# Of what is asked for this once; and of the studio's own.
_NO_KEYS = ("plan", "config", "approve", "ask", "name", "watch", "run", "port", "open_")

Prompt = Annotated[
    str | None,
    typer.Option("--prompt", "-p", help="What to show.", envvar="STEER_PROMPT", show_default=False),
]
Preset = Annotated[
    str,
    typer.Option(
        help="From sandbox and laptop to flux2 (steer doctor), or auto: the largest that runs here.",
        envvar="STEER_PRESET",
        rich_help_panel=_MODELS,
    ),
]
Reward = Annotated[Path | None, option_of(Overrides, "reward")]
Threads = Annotated[int | None, option_of(Overrides, "threads")]
Out = Annotated[
    Path, typer.Option("--out", help="Where runs land.", envvar="STEER_RUNS_DIR", rich_help_panel=_OUTPUT)
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
Name = Annotated[
    str | None, typer.Option(help="Of the run's folder.", show_default=False, rich_help_panel=_OUTPUT)
]
Watch = Annotated[
    bool, typer.Option("--open", help="Watch it in the studio, and choose there.", rich_help_panel=_OUTPUT)
]
Ask = Annotated[bool, typer.Option("--ask", hidden=True, rich_help_panel=_OUTPUT)]  # on a page
Approve = Annotated[
    bool,
    typer.Option(
        "--approve", help="Show each round's rewrites before they are rendered.", rich_help_panel=_SEARCH
    ),
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

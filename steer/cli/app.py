"""The commands, put together, and the one place where an exception becomes a line and an exit code.

Exit codes: 0 done (an early stop is done), 1 failed, 2 wrong usage, 130 interrupted (resumable).
"""

from __future__ import annotations

import os
import reprlib
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from reward.errors import EmptyGroup, RewardError, UnknownPerson
from steer.cli import (
    check,
    doctor,
    people,
    rate,
    reproduce,
    reward,
    run,
    runs,
    sandbox,
    setup,
    studio,
    study,
    sweep,
)
from steer.cli.console import hint, print_json, say
from steer.errors import SteerError, UsageError

# Typer keeps Click to itself; the parent of BadParameter is what both raise for wrong usage.
_WrongUsage: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="steer",
    help="Personalize text-to-image generation to one person's taste by rewriting the prompt.",
    epilog='Start here: steer run --user 17 --prompt "floating mossy rocks"',
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("run")(run.run)
app.command("demographic")(run.demographic)
app.command("studio")(studio.studio)
app.command("rate")(rate.rate)
app.add_typer(people.app, name="people")
app.add_typer(runs.app, name="runs")
app.add_typer(reward.app, name="reward")
app.add_typer(reproduce.app, name="reproduce")
app.add_typer(sweep.app, name="sweep")
app.add_typer(study.app, name="study")
app.add_typer(sandbox.app, name="sandbox")
app.command("setup")(setup.setup)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"steer {version('steer')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Personalize text-to-image generation to one person's taste by rewriting the prompt."""


def run_command(args: Sequence[str]) -> int:
    """Run one command line; everything that goes wrong becomes one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without arrows shall not end a run
    warnings.filterwarnings("ignore", module=r"PIL\.")  # what is wrong with a picture is one line of ours
    as_json = "--json" in args
    try:
        code = app(args=list(args), prog_name="steer", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        hint("interrupted")
        return 130
    except _WrongUsage as error:
        message = str(error.format_message()) if hasattr(error, "format_message") else str(error)
        if not message:  # `steer` or `steer runs` alone: the help is already on the screen
            return 2
        where = getattr(getattr(error, "ctx", None), "command_path", "steer")
        return _fail(f"{message.rstrip('.')}; see: {where} --help", 2, as_json, error)
    except (UsageError, UnknownPerson, EmptyGroup) as error:
        return _fail(str(error), 2, as_json, error)
    except (SteerError, RewardError) as error:
        return _fail(str(error), 1, as_json, error)
    except BrokenPipeError:
        # The reader of our output has left, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a name that is too long, a disk that is full, a folder that may not be read
        name = "a file" if error.filename is None else reprlib.repr(str(error.filename))
        why = error.strerror or type(error).__name__
        return _fail(f"cannot use {name}: {why}; STEER_DEBUG=1 shows where", 1, as_json, error)
    except Exception as error:  # noqa: BLE001 - the last resort: one line instead of a traceback
        kind = type(error).__name__
        return _fail(f"unexpected {kind}: {error}; STEER_DEBUG=1 shows where", 1, as_json, error)


def _fail(message: str, code: int, as_json: bool, error: Exception) -> int:
    if os.environ.get("STEER_DEBUG"):
        import traceback

        traceback.print_exception(error)
    message = " ".join(message.split("\n"))  # what other libraries say may have several lines
    hint(f"error: {message}", style="bold red")
    if as_json:
        print_json({"schema_version": 1, "status": "error", "error": message})
    return code

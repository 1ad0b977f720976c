"""Command lines of hostile values, from a seed: `python tests/support/fuzz_commands.py --count 20000`.

Each is made of the real commands and their own options. Nothing starts real work: searches are only planned,
and what loads a model, serves a page or builds a world says no instead. Whatever is asked, a command ends
with words and an exit code: no traceback, no "unexpected" error, and not a second of work. A case is made
from its seed alone: `--only 1234` repeats number 1234.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from typer.main import get_command

from steer.cli.app import app, run_command
from steer.errors import UsageError

LONGEST = 1.0  # seconds of processor time that a command line may take
SEARCHES = ("run", "demographic")
VALUES = (
    "", " ", "0", "1", "-1", "17", "3.5", "nan", "inf", "-inf", "1e999", "1e-320", "9" * 400, "0x10", "१२",
    "²", "True", "none", "null", "a", "a" * 5000, "é" * 300, "🦊", "\ud800", "\x1b[31mred", "\0", "a\0b",
    "a\nb", "\u202egnp", "--", "-", "--help", "-x", "=", "[bold]", "[/]", "%s", "{}", "{0.__class__}",
    "$(id)", "`id`", "*", "?", ".", "..", "../..", "nowhere", "nowhere/deep/file", "file.txt",
    "file.txt/below", "folder", "locked", "~nobody", "last", "me", "me@123", "@", "18-25", "25-18", "18-",
    "999-1000", "gender:", "gender:male,age:3", "population", "sandbox", "klein", "flux2", "laptop", "auto",
    "http://", "http://[", "http://a:b@c/v1?k=1", "http://127.0.0.1:99999/v1", "file:///etc", "2026-11-28",
    "bf16", "nf4", "x=0.8", "x=nan", "id@", "@id", "4096", "2147483647", "2147483648", "256", "512", "513",
    "laion-aesthetics", "all", "list",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One command line and what became of it."""

    number: int
    words: list[str]
    code: int
    said: str
    seconds: float  # of the processor

    @property
    def wrong(self) -> str | None:
        """What should not have happened."""
        for line in self.said.splitlines():
            if "Traceback" in line or "error: unexpected " in line:
                return line[:300]
        if self.code not in (0, 1, 2, 130):  # 130: asked for a yes, with nobody there
            return f"exit code {self.code}"
        if self.code and not self.said.strip():
            return "failed without a word"
        return f"{self.seconds:.1f} s of work" if self.seconds > LONGEST else None


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """Every command that does something, with its parameters."""
    below = getattr(command, "commands", None)
    if not below:
        yield words, command.params
        return
    for name, each in below.items():
        yield from leaves(each, (*words, name))


BUILT = get_command(
    app
)  # which Typer otherwise makes anew for every command line, which costs 20 times as much
COMMANDS = list(leaves(BUILT))


def words_of(rng: random.Random) -> list[str]:
    """A command with some of its options, in any order, twice or without their value now and then."""
    command, parameters = rng.choice(COMMANDS)
    chosen = rng.choices(parameters, k=rng.randrange(6)) if parameters else []
    chosen += [each for each in parameters if each.required and rng.random() < 0.8]
    rest: list[str] = []
    for parameter in chosen:
        flags = [*parameter.opts, *parameter.secondary_opts]
        value = rng.choice(VALUES)
        if not flags[0].startswith("-"):
            rest.append(value)
        elif getattr(parameter, "is_flag", False):
            rest.append(rng.choice(flags) + (f"={value}" if rng.random() < 0.1 else ""))
        else:
            flag = rng.choice(flags)
            glued = [f"{flag}={value}"] if flag.startswith("--") else [flag + value]
            rest += rng.choice(([flag, value], [flag, value], glued, [flag]))
    if rng.random() < 0.1:
        rest.append(rng.choice(VALUES))
    plan = ["--plan"] if command[0] in SEARCHES else []
    return [*command, *plan, *rest]


def case(number: int, seed: int = 0) -> Case:
    """One command line, tried in the current folder; everything follows from the number and the seed."""
    words = words_of(random.Random(f"{seed}:{number}"))
    said = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)
    started = time.process_time()
    with ExitStack() as stack:
        built = mock.patch("steer.cli.app.app", BUILT)
        for each in (redirect_stdout(said), redirect_stderr(said), nothing_starts(), built):
            stack.enter_context(each)
        code = run_command(words)
    seconds = time.process_time() - started
    text = said.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]
    return Case(number, words, code, text, seconds)


@contextlib.contextmanager
def nothing_starts() -> Iterator[None]:
    """No model, no page, no browser, no world, no download, no program, and nobody at the keyboard."""

    def no(*_: object, **__: object) -> None:
        raise UsageError("this starts nothing")

    with ExitStack() as stack:
        for name in (
            "steer.machine.loading.load", "steer.machine.loading.load_scorer", "reward.baselines.load_reward",
            "reward.predictor.predictor.Predictor.load", "reward.predictor.checkpoint.read_checkpoint",
            "steer.pages.server.listen", "steer.sandbox.make.build.build", "steer.machine.setup._call",
            "steer.machine.downloads.look", "steer.machine.downloads.fetch", "reward.predictor.sharing.push",
        ):  # fmt: skip
            stack.enter_context(mock.patch(name, no))
        stack.enter_context(mock.patch("typer.launch"))
        stack.enter_context(mock.patch("sys.stdin", io.StringIO()))
        yield


def furnish(folder: Path) -> None:
    """What some of the values name."""
    (folder / "file.txt").write_bytes(b"\xff\x00 no picture, no table")
    (folder / "folder").mkdir()
    (folder / "locked").mkdir(mode=0o000)


def warm_up() -> None:
    """Import what the commands import, which is no command line's own work."""
    for command, _ in COMMANDS:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), nothing_starts():
            run_command([*command, *(["--plan"] if command[0] in SEARCHES else [])])


def main() -> None:
    """Try them all and say what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="repeat this case and say everything")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        for variable in [variable for variable in os.environ if variable.startswith("STEER_")]:
            if variable != "STEER_DEBUG":
                del os.environ[variable]
        os.environ |= {"HOME": f"{name}/home", "HF_HUB_OFFLINE": "1"}
        furnish(Path(name))
        warm_up()
        codes, wrong, slowest = Counter[int](), 0, 0.0
        for number in range(given.count) if given.only is None else [given.only]:
            found = case(number, given.seed)
            codes[found.code] += 1
            slowest = max(slowest, found.seconds)
            if found.wrong:
                wrong += 1
                print(f"{number} {found.words!r}: {found.wrong}", flush=True)
            if given.only is not None:
                print(found)
        print(
            f"{codes.total()} command lines, exit codes {dict(codes)}, {wrong} wrong, slowest {slowest:.2f} s"
        )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""`steer run --approve`: the rewrites of a round are shown in the terminal before they are rendered."""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path
from typing import Any

import typer

from steer.cli.console import err, hint
from steer.cli.report import prompt_text
from steer.errors import UsageError
from steer.record.events import Review
from steer.record.folder import Record
from steer.record.picks import By, Pick, Picks, edited
from steer.taste import check_wanted

HELP = "enter: render them; 2 TEXT: change the second; -2 5: strike two; + TEXT: add; all: ask no more"
_CHANGE = re.compile(r"(\d+)\s+(\S.*)")
_STRIKE = re.compile(r"-\s*\d+(?:[\s,]+\d+)*")
_EDITS = ("strike", "change", "add")


def check_terminal() -> None:
    """Raises `UsageError` where nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "--approve asks at a terminal, and this is none: leave it away, or choose on a page: steer studio"
        )


def ask_from_now(folder: Path, where: By) -> None:
    """Let the run wait for a word before each round."""
    Picks(folder).give(Pick(key=secrets.token_hex(8), pick="review", by=where, on=True))


def wait_for_a_word(folder: Path, base: str, event: Review) -> None:
    """The run waits: ask here, or say where else it is asked."""
    picks = Picks(folder)
    if any(one.pick == "go" and one.iteration == event.iteration for one in picks.read()):
        return  # said already, before a kill
    if event.by == "terminal" and sys.stdin.isatty():
        approve(picks, folder, base, event)
    else:
        hint(f"iteration {event.iteration} waits for a word on the page: steer studio", style="yellow")


def approve(picks: Picks, folder: Path, base: str, event: Review) -> None:
    """Ask for one round. Every answer is on disk before the next question, and counts after a kill."""

    config = Record(folder).config

    def give(kind: Any, **values: Any) -> None:
        check_wanted(config, values.get("to", ""))
        picks.give(Pick(key=secrets.token_hex(8), pick=kind, by="terminal", **values))

    while True:
        since = [one for one in picks.read() if one.t >= event.t]
        prompts = edited(event.prompts, [one for one in since if one.pick in _EDITS])
        _show(base, event.iteration, prompts)
        answer = typer.prompt(HELP, default="", show_default=False, err=True).strip()
        try:
            if not answer:
                give("go", iteration=event.iteration)
                return
            if answer == "all":
                give("review", on=False)
                return
            if answer.startswith("+"):
                give("add", to=answer[1:])
            elif _STRIKE.fullmatch(answer):
                for prompt in [_of(prompts, number) for number in re.findall(r"\d+", answer)]:
                    give("strike", iteration=event.iteration, prompt=prompt)
            elif found := _CHANGE.fullmatch(answer):
                give("change", iteration=event.iteration, prompt=_of(prompts, found[1]), to=found[2])
            else:
                hint(f"{answer!r} is none of these", style="yellow")
        except UsageError as error:
            hint(str(error), style="yellow")


def _of(prompts: list[str], number: str) -> str:
    if not 1 <= int(number) <= len(prompts):
        raise UsageError(f"there is no rewrite {number}: they are 1 to {len(prompts)}")
    return prompts[int(number) - 1]


def _show(base: str, iteration: int, prompts: list[str]) -> None:
    from rich.text import Text

    hint(f"iteration {iteration}: {len(prompts)} rewrites, not rendered yet")
    for number, prompt in enumerate(prompts, start=1):
        err().print(Text.assemble((f"{number:3} ", "dim"), prompt_text(base, prompt)))

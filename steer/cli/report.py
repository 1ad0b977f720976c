"""What a run found, for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from steer.cli.console import hint_unreadable, out, print_json, say
from steer.compare.prompt_diff import prompt_diff
from steer.pages import wording
from steer.pages.gallery import SIDE_BY_SIDE
from steer.parts import BASE_ID
from steer.record.folder import Record
from steer.record.summary import Candidate

if TYPE_CHECKING:
    from rich.text import Text

TOP = 5  # candidates in the table, the base prompt besides


def finish(folder: Path, as_json: bool) -> None:
    """The last words of a run: one JSON object, or a report whose last line is the run's path."""
    record = Record.read(folder)
    if as_json:
        print_json(record.result)
        return
    report(record)
    say(folder)


def report(record: Record) -> None:
    """Top candidates, base against best, what the checks say, and where to look."""
    console, result, candidates = out(), record.result, record.candidates
    ranked = sorted((c for c in candidates if c.rank is not None), key=lambda c: c.rank or 0)
    base = next((c for c in candidates if c.id == BASE_ID), None)
    if record.status != "complete":
        console.print(_status_line(record), markup=False, highlight=False, soft_wrap=True)
    hint_unreadable(record.unreadable, record.folder / "events.jsonl")
    if base is None or not ranked:
        console.print("nothing is rated yet", style="dim")
        return
    shown = ranked[:TOP] + ([base] if base.rank is not None and base.rank > TOP else [])
    console.print(_table(shown, len(ranked), record.config["prompt"]))
    console.print()
    best = ranked[0]
    if best.id == BASE_ID:
        console.print("No rewrite was rated higher than the base prompt, so the base prompt is the result.")
    else:
        gain = wording.gain((best.score or 0.0) - (base.score or 0.0))
        line = (
            f"predicted rating: base {wording.score(base.score)} → best {wording.score(best.score)} ({gain})"
        )
        console.print(line, style="bold", highlight=False)
        for sentence in _checks(result):
            console.print(sentence, markup=False, highlight=False)
    console.print(_times(result), style="dim", highlight=False)
    for name, file in (("side by side", SIDE_BY_SIDE), ("gallery", "gallery.html")):
        path = record.folder / file
        if path.exists():
            console.print(f"{name:<13}{path}", markup=False, highlight=False, soft_wrap=True)


def prompt_text(base: str, prompt: str) -> Text:
    """`prompt` with its added words underlined in green; what was removed is left to the gallery."""
    from rich.text import Text

    text = Text()
    for segment in prompt_diff(base, prompt):
        if segment.kind != "removed":
            text.append(segment.text, style="green underline" if segment.kind == "added" else "")
    return text


def _table(shown: list[Candidate], ranked: int, prompt: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    table.add_column("id")
    table.add_column("prompt", overflow="fold")
    for c in shown:
        text = prompt_text(prompt, c.prompt)
        if c.id == BASE_ID:
            text.append("  (base prompt)", style="dim")
        style = "bold" if c.rank == 1 else ""
        table.add_row(f"{c.rank}", wording.score(c.score), c.id, text, style=style)
    return table


def _checks(result: dict[str, Any]) -> list[str]:
    sentences = []
    if confirm := result["confirm"]:
        count = len(confirm["seeds"])
        sentences.append(
            f"{wording.verdict(confirm)} Mean gain {wording.gain(confirm['gain_mean'])} on {count} seeds, "
            f"{wording.interval(confirm['gain_ci95'])}."
        )
        sentences += [wording.gain_range(confirm), wording.held_out(confirm)]
    else:
        sentences.append("Not confirmed on fresh seeds (--confirm 0).")
    if figures := result["specificity"]:
        sentences.append(
            f"{wording.specificity(figures)} This person {wording.gain(figures['gain_person'])}, "
            f"others on average {wording.gain(figures['gain_others_mean'])}."
        )
    if finalists := result.get("finalists"):
        said = wording.finals(finalists)
        sentences.append(f"{said[0].upper()}{said[1:]}.")
    if hits := result.get("forecast"):
        sentences.append(f"Guided search: {wording.forecast(hits)}")
    return [sentence for sentence in sentences if sentence]


def _times(result: dict[str, Any]) -> str:
    seconds = result["seconds"]
    steps = ", ".join(
        f"{step} {wording.seconds(seconds[step])}" for step in ("propose", "render", "score", "other")
    )
    total = f"{result['renders']} images in {wording.seconds(seconds['total'])}"
    return f"{total}: {steps}"


def _status_line(record: Record) -> str:
    reason = f": {record.error}" if record.error else ""
    if record.status == "running":
        return "this run is still running"
    return f"{record.status}{reason}; go on with: steer runs resume {record.folder}"

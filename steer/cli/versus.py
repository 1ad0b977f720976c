"""`steer demographic --versus` and `steer runs compare`: two tastes on one prompt, side by side."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from steer.cli.console import hint, out, print_json, say
from steer.cli.session import Request, announce, begin, consent, follow, load, say_marks, show_plan
from steer.errors import UsageError
from steer.pages import wording
from steer.parts import people_of
from steer.settings import DEFAULT_PROMPT, clean_prompt
from steer.whom import GROUPS, Who

if TYPE_CHECKING:
    from steer.compare.versus import Side, Versus
    from steer.parts import Scorer


def versus(request: Request, other: Who) -> None:
    """Both groups' loops from the same seeds, then the comparison."""
    prompt = clean_prompt(DEFAULT_PROMPT if request.prompt is None else request.prompt)
    if request.plan:
        hint("two runs, one for each group; each of them:")
        show_plan(request)
        return
    request = consent(request, runs=2)
    parts = load(request.preset, request.overrides)
    both = (request.who, other)
    _check(both, parts.scorer)
    announce(parts, request.who)
    if request.prompt is None:
        hint(f'no --prompt given, so the paper\'s is used: "{prompt}"')
    say_marks(prompt, request.settings.seed)
    folders: list[Path] = []
    for who in both:
        if folders:  # a run closes its parts when it ends
            parts = load(request.preset, request.overrides)
        run = begin(replace(request, who=who), prompt, parts)
        folders.append(run.folder)
        try:
            follow(run, parts, request.settings, request.as_json, request.quiet, report=False)
        except typer.Exit:
            if len(folders) == 2:
                hint(f"then compare: steer runs compare {shlex.join(map(str, folders))}")
            raise
    deliver(folders[0], folders[1], parts.scorer, both, request.out, request.as_json)


def compare_runs(left: Path, right: Path, to: Path, as_json: bool) -> None:
    """Two finished runs, whoever they were made for."""
    from steer.library import by_name
    from steer.machine.loading import load_scorer
    from steer.record.folder import Record

    remedy = "compare it there: steer.compare.versus.compare"
    (preset, overrides, one), (_, _, other) = (by_name(Record.read(run), remedy) for run in (left, right))
    deliver(left, right, load_scorer(preset, overrides), (one, other), to, as_json)


def deliver(left: Path, right: Path, scorer: Scorer, whos: tuple[Who, ...], to: Path, as_json: bool) -> None:
    """Write the page; show the table, or one JSON object."""
    from steer.compare.versus import compare
    from steer.pages.versus import write_versus
    from steer.record.folder import Record

    people, members = _people(whos, scorer)
    found = compare(Record.read(left), Record.read(right), scorer, people, members)
    page = write_versus(to, left, right, found)
    if as_json:
        print_json({**found.to_json(), "page": str(page)})
        return
    _show(found)
    say(page)


def _people(whos: tuple[Who, ...], scorer: Scorer) -> tuple[Any, Any]:
    known = people_of(scorer)
    return tuple(who.find(scorer) for who in whos), tuple(who.members(known) for who in whos)


def _check(whos: tuple[Who, Who], scorer: Scorer) -> None:
    """Both groups exist, are not the same people, and a small one is said to be small."""
    from reward.people.groups import SMALL
    from steer.compare.versus import small_words

    people, members = _people(whos, scorer)
    if people[0].hash == people[1].hash or (members[0] is not None and members[0] == members[1]):
        size = len(members[0] or ())
        raise UsageError(
            f"both groups are the same {size} {'person' if size == 1 else 'people'}, so there is nothing to "
            f"compare; name others with --versus, as in: {GROUPS}"
        )
    for person, rows in zip(people, members, strict=True):
        if rows is not None and len(rows) < SMALL:
            hint(f"warning: {small_words(person, len(rows))}", style="yellow")


# ---- the terminal ----


def _show(found: Versus) -> None:
    from rich.table import Table
    from rich.text import Text

    from steer.compare.pixels import STATISTICS

    console = out()
    console.print(_sides(found))
    for side in (found.left, found.right):
        console.print(_changes(side), markup=False, highlight=False)
    console.print()
    table = Table(
        title=Text(f"What tells the two winners apart, over {len(found.seeds)} seeds"),
        title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim",
    )  # fmt: skip
    for name in ("", found.left.short, found.right.short, "difference", "95% interval", ""):
        table.add_column(name, justify="left" if not name else "right")
    for statistic, change in zip(STATISTICS, found.changes, strict=True):
        ci = "" if change.ci95 is None else f"{change.ci95[0]:+.2f} to {change.ci95[1]:+.2f}"
        cells = (f"{change.before:.2f}", f"{change.after:.2f}", f"{change.difference:+.2f}", ci)
        table.add_row(statistic.name, *cells, change.words or "no clear difference")
    console.print(table)
    if found.readings:
        read = ", ".join(change.words for change in found.readings[:5])
        console.print(f"{found.right.short} reads, to the predictor's encoder, {read}.", highlight=False)
    console.print()
    for sentence in (found.left.apart_words, found.right.apart_words, found.between_words):
        if sentence:
            console.print(sentence, markup=False, highlight=False)
    for side in (found.left, found.right):
        if side.warning:
            console.print(f"Warning: {side.warning}", style="yellow", markup=False, highlight=False)
    if found.simulated:
        hint(wording.SIMULATED_NOTICE, style="yellow")


def _sides(found: Versus) -> Any:
    from rich.table import Table

    from steer.cli.report import prompt_text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name, justify in (("steered for", "left"), ("people", "right"), ("base", "right"), ("best", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("winner", overflow="fold")
    for side in (found.left, found.right):
        size = "" if side.size is None else str(side.size)
        scores = wording.score(side.base_score), wording.score(side.best_score)
        table.add_row(side.short, size, *scores, prompt_text(found.prompt, side.prompt))
    return table


def _changes(side: Side) -> str:
    """Added words and what they did to the picture, in a line."""
    if side.winner_is_base:
        return f"{side.short}: no rewrite was rated higher than the base prompt."
    seen = [change.words for change in (*side.changes, *side.readings[:3]) if change.words]
    effect = ", ".join(seen) if seen else "no clear change in the figures of the picture"
    return f"{side.short}: against the base, {effect}."

"""`steer study`: blind comparisons in pairs, from finished runs to a ranking."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from steer.cli import options as opt
from steer.cli.console import hint, hint_unreadable, out, print_json, say
from steer.cli.open_pages import Open, Port, open_pages
from steer.errors import StudyError, UsageError

if TYPE_CHECKING:
    from steer.study.design import Design

STUDIES = Path("studies")


class _RunsMayComeFirst(TyperGroup):
    """`steer study RUN...` makes a study of these runs and opens it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["start", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Blind comparisons in pairs: whose pictures do people prefer, when nobody knows how they were made?",
    epilog="steer study RUN... makes a study of these runs and opens its page.",
    no_args_is_help=True,
    cls=_RunsMayComeFirst,
)

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Finished runs: folders, names, parts of names; or a sweep.",
        show_default=False,
    ),
]
Study = Annotated[
    str | None,
    typer.Argument(
        metavar="[STUDY]", help="Folder or part of its name; by default the newest.", show_default=False
    ),
]
Studies = Annotated[Path, typer.Option("--out", help="Where studies land.", envvar="STEER_STUDIES_DIR")]
RunsFolder = Annotated[
    Path, typer.Option("--runs", help="Where runs are looked for by name.", envvar="STEER_RUNS_DIR")
]
Limit = Annotated[
    int | None,
    typer.Option(help="Pairs that one rater is asked, at most; by default all.", min=1, show_default=False),
]


@app.command("new")
def new(
    runs: Runs,
    limit: Limit = None,
    runs_folder: RunsFolder = opt.RUNS,
    to: Studies = STUDIES,
    as_json: opt.Json = False,
) -> None:
    """Make a study of finished runs: of several people, of the population, of several prompts.

    [bold]Examples[/bold]

    steer study new runs/*-floating-mossy-rocks-*

    steer study new me-3f9a population-11c0 --limit 60

    steer study new sweeps/prompts --limit 60
    """
    design = _make(runs, runs_folder, to, limit)
    if as_json:
        print_json(_about(design))
        return
    hint(f"open it: {shlex.join(['steer', 'study', 'open', str(design.folder)])}")
    say(design.folder)


@app.command("open")
def open_(
    study: Study = None,
    to: Studies = STUDIES,
    port: Port = 0,
    browser: Open = True,
) -> None:
    """Open a study's page; several raters can answer, one after the other or at once.

    [bold]Example[/bold]

    steer study open
    """
    from steer.study.design import read_design

    _serve(read_design(_find(study, to)), port, browser)


@app.command("report")
def report(study: Study = None, to: Studies = STUDIES, as_json: opt.Json = False) -> None:
    """Rank what was answered so far, and write the report's page.

    [bold]Example[/bold]

    steer study report
    """
    from steer.pages.study_report import write_report
    from steer.study.design import read_design
    from steer.study.report import make_report, to_json

    found = make_report(read_design(_find(study, to)))
    page = write_report(found)
    hint_unreadable(found.unreadable, found.design.folder / "answers")
    if as_json:
        print_json({**to_json(found), "page": str(page)})
        return
    from steer.study.tables import tables

    for table in tables(found):
        out().print(table)
    say(page)


@app.command("start", hidden=True)
def start(
    runs: Runs,
    limit: Limit = None,
    runs_folder: RunsFolder = opt.RUNS,
    to: Studies = STUDIES,
    port: Port = 0,
    browser: Open = True,
) -> None:
    """Make a study of finished runs and open it; the same runs again open the same study."""
    from steer.study.design import list_studies, read_design

    folders = _runs(runs, runs_folder)
    for folder in reversed(list_studies(to)):
        try:
            design = read_design(folder)
        except StudyError as error:
            hint(f"left out: {error}")
            continue
        if set(design.runs) == {str(run.resolve()) for run in folders} and design.limit == limit:
            hint(f"these runs have a study already: {folder}")
            break
    else:
        design = _make(runs, runs_folder, to, limit)
    _serve(design, port, browser)


def _make(runs: list[str], runs_folder: Path, to: Path, limit: int | None) -> Design:
    from steer.study.design import make_design

    design = make_design(_runs(runs, runs_folder), to, limit)
    about = _about(design)
    hint(
        f"{about['pictures']} pictures of {len(design.prompts)} prompts, made for {about['kinds']}; "
        f"{about['pairs']} pairs for a rater"
    )
    return design


def _about(design: Design) -> dict[str, Any]:
    names = [*design.people, *dict.fromkeys(p.maker for p in design.pictures if p.kind == "generic")]
    return {
        "schema_version": 1,
        "study": str(design.folder),
        "prompts": list(design.prompts),
        "pictures": len(design.pictures),
        "kinds": ", ".join(names),
        "pairs": len(design.pairs("", next(iter(design.claimable), None))),
    }


def _runs(names: list[str], folder: Path) -> list[Path]:
    """The runs that are named, and those of a sweep that is."""
    from steer.cli.runs import find
    from steer.cli.sweep import runs_of

    return [run for name in names for run in runs_of(name) or [find(name, folder)]]


def _find(name: str | None, to: Path) -> Path:
    """A study by folder or part of its name; the newest without one. Raises UsageError."""
    from steer.study.design import list_studies

    if name is not None and (Path(name) / "study.json").is_file():
        return Path(name)
    studies = list_studies(to)
    if name is None and studies:
        return studies[-1]
    matching = [folder for folder in studies if name is not None and name in folder.name]
    if len(matching) == 1:
        return matching[0]
    if len(matching) > 1:
        raise UsageError(
            f"{len(matching)} studies in {to} have {name!r} in their names; name one of them whole"
        )
    what = "no study" if name is None else f"no study {name!r}"
    raise UsageError(f"there is {what} in {to}; make one: steer study new RUN...")


def _serve(design: Design, port: int, browser: bool) -> None:
    from steer.pages.server import require
    from steer.study.answers import OpenStudy

    require()
    from steer.pages.study import study_pages

    again = shlex.join(["steer", "study", "open", str(design.folder)])
    ranked = shlex.join(["steer", "study", "report", str(design.folder)])
    with OpenStudy(design) as desk:
        hint_unreadable(desk.raters.unreadable, design.folder / "answers")
        open_pages(
            [study_pages(desk, restart=again, report=ranked)],
            keep=design.folder / ".address.json",
            path="/study",
            port=port,
            open_=browser,
            goodbye=f"stopped; every answer is kept; go on: {again}; rank: {ranked}",
        )

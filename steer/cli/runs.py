"""`steer runs`: look at runs, go on with them, remake their pages."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from steer.cli import options as opt
from steer.cli.console import hint, out, print_json, say
from steer.cli.open_pages import Port, open_pages
from steer.errors import RecordError, UsageError
from steer.pages import wording as words

if TYPE_CHECKING:
    from steer.record.folder import Record

app = typer.Typer(help="Look at runs, go on with them, remake their pages.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(metavar="RUN", help="Folder, name, part of a name, or last.", show_default=False)
]


@app.command("list")
def list_(
    out_: opt.Out = opt.RUNS,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many, the newest.")] = 20,
    as_json: opt.Json = False,
) -> None:
    """List runs, the newest last.

    [bold]Example[/bold]

    steer runs list -n 5
    """
    from steer.record.folder import list_runs

    records = list_runs(out_)[-limit:]
    rows = [_row(record) for record in records]
    if as_json:
        print_json({"schema_version": 1, "runs": rows})
        return
    if not rows:
        hint(f"no runs in {out_} yet; make one: steer run --user 17")
        return
    if not sys.stdout.isatty():
        for row in rows:
            told = ("baseline", "best", "prompt") if row["status"] != "damaged" else ("error",)
            say("\t".join(str(row[key]) for key in ("run", "status", "person", *told)))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("run", "status", "person", "base", "best", "on fresh seeds"):
        table.add_column(column, overflow="fold", justify="right" if column in ("base", "best") else "left")
    for row in rows:
        gain = (
            "" if row["gain"] is None else f"{words.gain(row['gain'])} ({row['verdict'].replace('_', ' ')})"
        )
        style = "" if row["status"] == "complete" else "yellow"
        if row["status"] == "damaged":
            table.add_row(Text(row["run"]), Text("damaged", "red"), Text(row["error"]), "", "", "")
            continue
        table.add_row(
            Text(row["run"]), Text(row["status"], style), Text(row["person"]), words.score(row["baseline"]),
            words.score(row["best"]), gain,
        )  # fmt: skip
    out().print(table)


@app.command()
def show(run: Name, out_: opt.Out = opt.RUNS, as_json: opt.Json = False) -> None:
    """Show what a run found, or how far it got.

    [bold]Example[/bold]

    steer runs show last
    """
    from steer.cli.report import report
    from steer.record.folder import Record

    record = Record.read(find(run, out_))
    if as_json:
        print_json(record.result)
        return
    config = record.config
    who, when = config["person"]["label"], config["created"][:16].replace("T", " ")
    hint(f'"{config["prompt"]}" for {who}, preset {config["preset"]}, {when}')
    if config["simulated"]:
        hint(words.simulated_notice(config["person"]["kind"]), style="yellow")
    report(record)
    say(record.folder)


@app.command()
def resume(
    run: Name,
    vllm_python: Annotated[
        str | None, typer.Option(help="Python of vLLM's environment, where the run was started with one.")
    ] = None,
    llm_url: Annotated[
        str | None, typer.Option(help="Address of the language model's server, where it was or is another.")
    ] = None,
    renderer_url: Annotated[
        list[str] | None,
        typer.Option(help="Address of the server that makes the pictures, where it was or is another."),
    ] = None,
    out_: opt.Out = opt.RUNS,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Go on with an interrupted run, with exactly what it was started with.

    A complete run is left untouched. No program is started by the word of a record, and nothing is paid for:
    name vLLM's Python again, or the hosted renderer.

    [bold]Example[/bold]

    steer runs resume last
    """
    from steer.cli.session import resume as go_on

    go_on(find(run, out_), as_json, quiet, vllm_python, llm_url, renderer_url or ())


@app.command()
def gallery(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Folder, name, part of a name, or last.", show_default=False),
    ] = None,
    out_: opt.Out = opt.RUNS,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = False,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Serve it, or all runs, with a rating control for each picture."),
    ] = False,
    user: Annotated[
        str, typer.Option(metavar="NAME", help="With --serve: the profile that ratings go to.")
    ] = "me",
    port: Port = 0,
) -> None:
    """Make a run's page again, and say where it is; with --serve, rate its pictures into your profile.

    [bold]Examples[/bold]

    steer runs gallery last --open

    steer runs gallery --serve --open
    """
    if serve:
        _serve(find(run, out_) if run else None, out_, user, port, open_)
        return
    if run is None:
        raise UsageError(
            "name a run: steer runs gallery last; or serve all of them: steer runs gallery --serve"
        )
    from steer.pages.gallery import write_gallery

    page = write_gallery(find(run, out_))
    if open_:
        typer.launch(page.absolute().as_uri())
    say(page)


def _serve(folder: Path | None, out_: Path, user: str, port: int, open_: bool) -> None:
    """All runs, or one; `user` is the profile that ratings go to."""
    from steer.pages.server import require
    from steer.profiles import Profiles
    from steer.profiles.names import checked_name
    from steer.record.folder import list_runs

    require()
    from steer.pages.served_gallery import Book, gallery_pages

    def folders() -> dict[str, Path]:
        if folder is not None:
            return {folder.resolve().name: folder.resolve()}
        return {record.folder.name: record.folder for record in list_runs(out_)}

    profiles = Profiles()
    name = checked_name(user)
    words = ["steer", "runs", "gallery", *([str(folder)] if folder else []), "--serve"]
    words += ["--user", name] if name != "me" else []
    words += ["--out", str(out_)] if out_ != opt.RUNS else []
    restart = shlex.join(words)
    hint(f"ratings go to the profile {name}")
    open_pages(
        [gallery_pages(folders, Book(profiles, name), restart)],
        keep=profiles.folder / ".gallery.json",
        path=f"/runs/{quote(folder.resolve().name)}/" if folder else "/runs/",
        port=port,
        open_=open_,
        goodbye=f"stopped; every rating is kept; again: {restart}",
    )


@app.command()
def compare(left: Name, right: Name, out_: opt.Out = opt.RUNS, as_json: opt.Json = False) -> None:
    """Put two finished runs of one prompt side by side, whoever they were made for.

    [bold]Example[/bold]

    steer runs compare age-18-25 age-46-60
    """
    from steer.cli.versus import compare_runs

    compare_runs(find(left, out_), find(right, out_), out_, as_json)


@app.command()
def path(run: Name, out_: opt.Out = opt.RUNS) -> None:
    """Print a run's folder, for scripts.

    [bold]Example[/bold]

    cd "$(steer runs path last)"
    """
    say(find(run, out_))


def find(name: str, out_: Path) -> Path:
    """The folder of the run called `name`. Raises `UsageError` if there is none, or more than one."""
    from steer.record.folder import list_runs

    if (Path(name) / "config.json").exists():
        return Path(name)
    folders = [record.folder for record in list_runs(out_)]
    if not folders:
        raise UsageError(
            f"no runs in {out_} yet; make one: steer run --user 17, or name the folder with --out"
        )
    if name in ("last", "latest"):
        return folders[-1]
    exact = [folder for folder in folders if folder.name == name]
    found = exact or [folder for folder in folders if name and name in folder.name]
    if not found:
        raise UsageError(f"no run called {name!r} in {out_}; see: steer runs list")
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} runs match {name!r}, the newest is {found[-1].name}; see: steer runs list"
        )
    return found[0]


def _row(record: Record) -> dict[str, Any]:
    """One line of the list; a run that cannot be read says what is wrong with it."""
    try:
        result = record.result
        created, status = record.config["created"], record.status
    except RecordError as error:
        nothing = dict.fromkeys(
            ("created", "person", "preset", "baseline", "best", "gain", "verdict", "prompt")
        )
        return {"run": record.folder.name, "status": "damaged", **nothing, "error": str(error)}
    baseline, best, confirm = result["baseline"] or {}, result["best"] or {}, result["confirm"] or {}
    return {
        "run": record.folder.name,
        "status": status,
        "created": created,
        "person": result["person"]["label"],
        "preset": result["preset"],
        "baseline": baseline.get("score"),
        "best": best.get("score"),
        "gain": confirm.get("gain_mean"),
        "verdict": confirm.get("verdict"),
        "prompt": result["prompt"],
    }

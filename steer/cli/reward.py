"""`steer reward`: data sets, training, evaluation and scores of the predictor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import judging
from steer.cli import options as opt
from steer.cli.console import hint, print_json, say
from steer.cli.progress_bars import bar
from steer.cli.sweep import Gpus, Ray, Workers, users_of
from steer.cli.training import Fold, train
from steer.errors import UsageError

if TYPE_CHECKING:
    from reward.predictor.predictor import Predictor

app = typer.Typer(help="Data sets, training, evaluation and scores of the predictor.", no_args_is_help=True)

app.command("train")(train)
app.command("evaluate")(judging.evaluate)
app.command("compare")(judging.compare)
SCORED_AT_ONCE = 64  # images in memory


@app.command()
def prepare(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE…", help="Folders, PAMELA.zip or bethgelab/PAMELA.", show_default=False
        ),
    ],
    to: Annotated[Path, typer.Option("--out", help="Folder for the table.", show_default=False)],
    strict: Annotated[
        bool, typer.Option("--strict", help="Counts that differ from the published ones are an error.")
    ] = False,
    fold: Fold = None,
    as_json: opt.Json = False,
) -> None:
    """Check data sets and write them as one table that training and evaluation read.

    [bold]Examples[/bold]

    steer reward prepare PAMELA.zip --out ratings

    steer reward prepare PAMELA LAPIS PARA --out ratings --strict
    """
    from reward.data.prepare import prepare as check

    with bar() as progress:
        prepared = check(sources, to, strict=strict, fold=fold, progress=progress)
    for notice in prepared.notices:
        hint(notice, style="yellow")
    if as_json:
        print_json({"schema_version": 1, "table": str(prepared.table), **prepared.counts})
        return
    for name, counts in prepared.counts["datasets"].items():
        people = f"{counts['users']:,} people"
        repeated = f" ({counts['duplicates']:,} repeated)" if counts["duplicates"] else ""
        ratings = f"{counts['ratings']:,} of {counts['released']:,} ratings{repeated}"
        say(f"{name}: {ratings} of {counts['images']:,} images by {people}")
        for split, part in counts["splits"].items():
            say(f"  {split:<12}{part['ratings']:>9,} ratings {part['users']:>5,} people")
    if not prepared.written:
        hint("the table was there already, nothing to do")
    hint(f"train on it: steer reward train {to} --out weights")
    say(prepared.table)


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a trained predictor.")],
    id: Annotated[str, typer.Argument(metavar="ID", help="Its name on the hub: owner/name.")],
    private: Annotated[bool, typer.Option("--private", help="Only for you.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; for scripts.")] = False,
) -> None:
    """Share a trained predictor on the hub, so that others need not train one.

    What participants said of themselves is taken out. What is sent is written to a folder first and listed.

    [bold]Examples[/bold]

    steer reward push ~/.local/share/steer/predictor me/pamela-klein
    """
    from tempfile import TemporaryDirectory

    from reward.predictor.sharing import PAGE, make_ready
    from reward.predictor.sharing import push as upload

    with TemporaryDirectory(prefix="steer-push-") as scratch:
        ready = make_ready(folder, Path(scratch) / "ready", id)
        for file in sorted(ready.iterdir()):
            hint(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
        hint((ready / PAGE).read_text(encoding="utf-8"))
        if not yes and not typer.confirm(f"Send these to {id}?", default=False, err=True):
            hint("nothing was sent")
            raise typer.Exit(1)
        say(upload(ready, id, private))


@app.command()
def pull(
    id: Annotated[str, typer.Argument(metavar="ID", help="A predictor on the hub: owner/name[@REVISION].")],
    to: Annotated[
        Path | None, typer.Option("--out", help="Instead of where steer run looks.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; for scripts.")] = False,
) -> None:
    """Fetch a predictor that somebody has trained; `steer run` finds it.

    [bold]Examples[/bold]

    steer reward pull someone/pamela-klein
    """
    from reward.predictor.sharing import FILES
    from reward.predictor.sharing import pull as place
    from steer import paths
    from steer.machine.downloads import check_room, fetch, look

    found, folder = look(id, files=FILES), to or paths.predictor()
    hint(f"{found.id}: {found.bytes / 1e6:.1f} MB into {folder} ({found.page})")
    if not yes and not typer.confirm("Fetch it?", default=False, err=True):
        hint("nothing was fetched")
        raise typer.Exit(1)
    check_room([(folder, found.bytes), (paths.hub(), found.left)])
    say(place(fetch(found), folder))


@app.command()
def score(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE…", exists=True, help="Pictures, or one folder of them.", show_default=False
        ),
    ],
    prompt: opt.Prompt = None,
    user: Annotated[
        str | None,
        typer.Option("--user", "-u", help="Whose taste: participant id or position.", envvar="STEER_USER"),
    ] = None,
    population: Annotated[
        bool, typer.Option("--population", help="The average taste instead of one person's.")
    ] = False,
    age: Annotated[str | None, typer.Option(help="A group's range of ages, as in 18-25.")] = None,
    gender: Annotated[str | None, typer.Option(help="A group's, as participants wrote it.")] = None,
    nationality: Annotated[str | None, typer.Option(help="A group's, as participants wrote it.")] = None,
    users: Annotated[
        list[str] | None,
        typer.Option("--users", help="Of a folder: for several people, with commas; or all."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Of a folder: where its table lands; by default scores/ and its name.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="Of a folder: name each person's best.", min=0)] = 10,
    copy_to: Annotated[
        Path | None,
        typer.Option(help="Of a folder: copy those here.", show_default=False),
    ] = None,
    ray: Ray = None,
    gpus: Gpus = None,
    workers: Workers = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Folder of a predictor; by default the sandbox's.", show_default=False),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Predict how one person, a group or the population would rate pictures, on the 1-5 scale.

    A folder is rated once, whatever its size: what was interrupted goes on, and pictures that are added are
    all that is done the next time. Its pictures may say themselves what they were to show.

    [bold]Examples[/bold]

    steer reward score a.png b.png --user 17 --prompt "floating mossy rocks"

    steer reward score *.png --age 18-25 --prompt "a quiet harbour" --checkpoint weights

    steer reward score pictures --users 17,84 --top 50 --copy-to best
    """  # fmt: skip
    from steer.settings import clean_prompt
    from steer.whom import Who, parse_age

    group = any(value is not None for value in (age, gender, nationality))
    if sum((user is not None or bool(users), population, group)) != 1:
        raise UsageError(
            "say whose taste: --user ID, --population, or a group by --age, --gender, --nationality; "
            "who is known: steer people list"
        )
    who = Who("population") if population else Who("known", user=user)
    if group:
        who = Who("group", age=parse_age(age), gender=gender, nationality=nationality)
    if any(path.is_dir() for path in images):
        from steer.cli.archive import Pass, score_folder

        if len(images) > 1:
            raise UsageError("name one folder, or pictures: steer reward score FOLDER --user 17")
        asked = [*([who] if user or not users else []), *users_of(users or [])]
        workings = (ray, gpus, workers)
        score_folder(Pass(images[0], asked, prompt, to, checkpoint, top, copy_to, as_json), *workings)
        return
    if users or to or copy_to or ray:
        raise UsageError("--users, --out, --copy-to and --ray are for a folder: steer reward score FOLDER")
    if prompt is None:
        raise UsageError('say what the pictures were to show, as in: --prompt "floating mossy rocks"')
    text = clean_prompt(prompt)
    from reward.predictor.predictor import Predictor
    from steer.machine.presets import WEIGHTS

    predictor = Predictor.load(checkpoint or WEIGHTS / "predictor")
    person = who.resolved(predictor.people).find(predictor)
    scores = list(_scores(predictor, images, text, person))
    if as_json:
        about = {"world": predictor.world, "simulated": predictor.simulated, "person": person.label}
        listed = [{"image": str(path), "score": value} for path, value in zip(images, scores, strict=True)]
        print_json({"schema_version": 1, **about, "prompt": text, "scores": listed})
        return
    whose = "simulated person, " if predictor.simulated else ""
    hint(f"predicted ratings, {whose}{person.label}", style="yellow" if predictor.simulated else None)
    for path, value in zip(images, scores, strict=True):
        say(f"{value:.3f}\t{path}")


def _scores(predictor: Predictor, paths: Sequence[Path], prompt: str, person: Any) -> Iterator[float]:
    """Ratings in the order of the paths, a few pictures in memory at a time."""
    from reward.pictures import read_image

    advice = "render or download it again, or leave it out"
    for start in range(0, len(paths), SCORED_AT_ONCE):
        images = [read_image(path, advice) for path in paths[start : start + SCORED_AT_ONCE]]
        yield from predictor.score(images, prompt, person)

"""`steer reward score FOLDER`: one pass over an archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steer.cli.console import hint, print_json, say
from steer.cli.progress_bars import bar
from steer.whom import Who

if TYPE_CHECKING:
    from reward.people.person import Person
    from reward.predictor.predictor import Predictor

SCORES = Path("scores")


@dataclass(frozen=True)
class Pass:
    """What one command line asks for."""

    source: Path
    asked: Sequence[Who]
    prompt: str | None
    out: Path | None
    checkpoint: Path | None
    top: int
    copy_to: Path | None
    as_json: bool


def score_folder(one: Pass, ray: str | None, gpus: float | None, workers: int | None) -> None:
    """Rate every picture of a folder that is not rated yet, and say which are the best."""
    from steer.settings import clean_prompt
    from steer.sweep import archive

    out = one.out or SCORES / one.source.resolve().name
    prompt = None if one.prompt is None else clean_prompt(one.prompt)
    load = partial(load_people, one.checkpoint, list(one.asked))
    predictor, people = load()
    labels = tuple(person.label for person in people)
    task = archive.Task(one.source.resolve(), out.resolve(), labels, prompt)
    archive.begin(task, predictor)
    parts = list(archive.parts_of(task))
    total = sum(map(len, parts))
    whom = f"{len(people)} {'person' if len(people) == 1 else 'people'}"
    hint(f"{total:,} pictures to rate for {whom}{', simulated' if predictor.simulated else ''}")
    with bar() as progress:
        if ray is not None and parts:
            _on_ray(ray, gpus, workers, task, parts, load, progress)
        else:
            done = 0
            for part in parts:
                archive.score_part(task, part, predictor, people)
                done += len(part)
                progress("rated", done, total)
    _tell(one, task, out, predictor.simulated)


def load_people(checkpoint: Path | None, asked: Sequence[Who]) -> tuple[Predictor, list[Person]]:
    """The predictor, on a GPU where there is one, and everybody asked for as it knows them."""
    import torch

    from reward.predictor.predictor import Predictor
    from steer.machine.presets import WEIGHTS

    device = "cuda" if torch.cuda.is_available() else "cpu"
    predictor = Predictor.load(checkpoint or WEIGHTS / "predictor", device)
    names = []
    for who in asked:
        everybody = who.kind == "known" and who.user == "all"
        names += [Who("known", user=known.id) for known in predictor.people] if everybody else [who]
    found = [who.resolved(predictor.people).find(predictor) for who in names]
    return predictor, list({person.label: person for person in found}.values())


def _on_ray(
    address: str, gpus: float | None, workers: int | None, task: Any, parts: Any, load: Any, progress: Any
) -> None:
    from steer.cli.on_ray import connected
    from steer.sweep.archive import on_ray

    with connected(address, task.out) as cluster:
        size = cluster.size(gpus, cpu_only=False)
        places = cluster.places(size)
        count = max(1, places if workers is None else min(places, workers))
        done, total = 0, sum(map(len, parts))
        for pictures in on_ray(cluster, size, count, task, parts, load):
            done += pictures
            progress("rated", done, total)


def _tell(one: Pass, task: Any, out: Path, simulated: bool) -> None:
    """The best of each person, the copies, and where the table is."""
    from steer.sweep.archive import best, copy_best, read

    errors = [row for row in read(task.out, ("image", "error")) if row["error"] is not None]
    for row in errors[:3]:
        hint(f"not rated: {row['image']}: {row['error']}", style="yellow")
    if len(errors) > 3:
        hint(f"and {len(errors) - 3:,} more are not rated; the column error says why")
    tops = best(task, one.top)
    copies = copy_best(task, tops, one.copy_to) if one.copy_to else []
    if one.as_json:
        listed = {name: [{"image": i, "score": s} for s, i in top] for name, top in tops.items()}
        about = {"scores": str(out), "simulated": simulated, "not_rated": len(errors)}
        print_json({"schema_version": 1, **about, "best": listed, "copied": len(copies)})
        return
    for name, top in tops.items():
        hint(f"the best of {name}")
        for score, image in top:
            say(f"{score:.3f}\t{image}")
    if copies:
        hint(f"{len(copies)} pictures copied to {one.copy_to}")
    say(out)

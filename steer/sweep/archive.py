"""One pass over a folder of pictures: what would these people rate each of them?

    scores/archive/
      _about.json        whose ratings, by which predictor; a pass goes on only with the same
      part-1f3a….parquet   some hundred pictures each, whole or not there (CSV where pyarrow is missing)

`pandas.read_parquet` and its like take the folder as one table: image (path below the archive), prompt,
error, and a column for each person. A picture that is in a part is not looked at again; one that cannot be
read has its error in place of ratings. Memory holds no more of an archive than the names of its pictures.
"""

from __future__ import annotations

import csv
import hashlib
import heapq
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward.checked import read_json
from reward.errors import ImageError
from reward.files import whole
from steer.errors import RecordError, ResumeError, UsageError
from steer.record.files import PROFILE, named_folder, write_json, writing
from steer.sweep.table import INSTALL, has_parquet, parquet_writer

if TYPE_CHECKING:
    from PIL.Image import Image

    from reward.people.person import Person
    from reward.predictor.predictor import Predictor

ABOUT = "_about.json"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")
PART = 512  # pictures
_AT_ONCE = 64  # in memory
_READERS = 4  # threads that decode
_TEXTS = ("image", "prompt", "error")


@dataclass(frozen=True)
class Task:
    """What a pass does, the same for every process that takes part in it."""

    source: Path  # the archive
    out: Path
    people: tuple[str, ...]  # their labels, which are the names of the columns
    prompt: str | None  # for pictures that do not say themselves what they were to show


def begin(task: Task, predictor: Predictor) -> None:
    """Make the folder, or see that it is of the same pass. Raises ResumeError, RecordError."""
    about = {
        "schema_version": 1,
        "source": str(task.source.resolve()),
        "people": list(task.people),
        "prompt": task.prompt,
        "predictor": predictor.identity,
        "world": predictor.world,
        "simulated": predictor.simulated,
    }
    private = any(label.startswith(f"{PROFILE}:") for label in task.people)
    named_folder(task.out.parent, task.out.name, private=private)
    path = task.out / ABOUT
    try:
        before = read_json(path)
    except FileNotFoundError:
        if any(task.out.iterdir()):
            raise UsageError(f"{task.out} holds other things; name another folder with --out") from None
        with writing(task.out):
            write_json(path, about)
        return
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot read {path}: {error}; name another folder with --out") from error
    if before != about:
        changed = next((key for key in about if before.get(key) != about[key]), "it")
        raise ResumeError(
            f"the ratings in {task.out} are of another pass ({changed} differs); give the same command, or "
            "name another folder with --out"
        )


def parts_of(task: Task) -> Iterator[list[str]]:
    """The pictures that no part holds yet, by path below the archive, as many as make a part."""
    done = {str(row["image"]) for row in read(task.out)}
    names = (name for name in _names(task.source) if name not in done)
    while part := list(islice(names, PART)):
        yield part


def score_part(task: Task, names: Sequence[str], predictor: Predictor, people: Sequence[Person]) -> None:
    """Rate these pictures and write them as one part. Raises RecordError."""
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            found = list(pool.map(lambda name: _open(task.source / name, task.prompt), some))
            rows += _rated(task, some, found, predictor, people)
    key = hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()[:12]
    with writing(task.out):
        _write(task, key, rows)


def read(out: Path, columns: Sequence[str] = ("image",)) -> Iterator[dict[str, Any]]:
    """The rows of all parts, one after the other; empty cells are None."""
    for path in sorted(out.glob("part-*")):
        if path.suffix == ".parquet":
            yield from _parquet_rows(path, columns)
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    yield {name: row[name] or None for name in columns}


def _parquet_rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise UsageError(f"{path} needs the package pyarrow; run: {INSTALL}") from None
    try:
        return list(parquet.read_table(path, columns=list(columns)).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise RecordError(f"cannot read {path}: {error}; delete it, and give the command again") from error


def best(task: Task, count: int) -> dict[str, list[tuple[float, str]]]:
    """For each person the `count` pictures with the highest ratings, best first."""
    tops: dict[str, list[tuple[float, str]]] = {name: [] for name in task.people}
    for row in read(task.out, ("image", *task.people)):
        for name, top in tops.items():
            if row[name] is None:
                continue
            heapq.heappush(top, (float(row[name]), str(row["image"])))
            if len(top) > count:
                heapq.heappop(top)
    return {name: sorted(top, key=lambda one: (-one[0], one[1])) for name, top in tops.items()}


def copy_best(task: Task, tops: Mapping[str, Sequence[tuple[float, str]]], to: Path) -> list[Path]:
    """Copies named by rank and rating, a folder for each person where there are several. Raises OSError."""
    made = []
    for name, top in tops.items():
        folder = to if len(tops) == 1 else to / _folder_name(name)
        folder.mkdir(parents=True, exist_ok=True)
        width = len(str(len(top)))
        for rank, (rating, image) in enumerate(top, 1):
            path = folder / f"{rank:0{width}}-{rating:.2f}-{Path(image).name}"
            shutil.copyfile(task.source / image, path)
            made.append(path)
    return made


def _names(source: Path) -> Iterator[str]:
    """Pictures below a folder in a fixed order; hidden ones, and links to folders, are left out."""
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield (Path(folder) / name).relative_to(source).as_posix()


def _open(path: Path, prompt: str | None) -> tuple[Image | None, str | None, str | None]:
    """Picture, prompt and error of a file."""
    from reward.pictures import opened, seen

    try:
        with opened(path) as image:
            text = _prompt_of(image.info) or prompt
            return seen(image), text, None if text else "it does not say what it was to show; give --prompt"
    except ImageError as error:
        return None, prompt, str(error)


def _prompt_of(info: Mapping[Any, Any]) -> str | None:
    """What a picture of ours, or of a program that writes `parameters`, says of its prompt."""
    try:
        own = json.loads(info.get("steer") or "{}")
    except (TypeError, ValueError):
        own = {}
    if isinstance(own, dict) and isinstance(own.get("base_prompt"), str):
        return str(own["base_prompt"])
    text = info.get("parameters")
    if not isinstance(text, str):
        return None
    for end in ("\nNegative prompt:", "\nSteps:"):
        text = text.partition(end)[0]
    return " ".join(text.split())[:2000] or None


def _rated(
    task: Task, names: Sequence[str], found: Sequence[Any], predictor: Predictor, people: Sequence[Person]
) -> list[dict[str, Any]]:
    rows = [
        {"image": name, "prompt": prompt, "error": error, **dict.fromkeys(task.people)}
        for name, (_, prompt, error) in zip(names, found, strict=True)
    ]
    prompts: dict[str, list[int]] = {}
    for place, (_, prompt, error) in enumerate(found):
        if error is None:
            prompts.setdefault(prompt, []).append(place)
    for prompt, places in prompts.items():
        scores = predictor.score_people([found[place][0] for place in places], prompt, people)
        for column, place in enumerate(places):
            rows[place].update(zip(task.people, map(float, scores[:, column]), strict=True))
    return rows


def _write(task: Task, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if has_parquet():
        types = dict.fromkeys(_TEXTS, "string") | dict.fromkeys(task.people, "float32")
        with parquet_writer(task.out / f"part-{key}.parquet", types) as write:
            write({name: [row[name] for row in rows] for name in types})
        return
    with (
        whole(task.out / f"part-{key}.csv") as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        table = csv.DictWriter(file, (*_TEXTS, *task.people), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _folder_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip(".") or "person"


def on_ray(
    cluster: Any, size: Any, count: int, task: Task, parts: Iterable[Sequence[str]], load: Any
) -> Iterator[int]:
    """The same by Ray Data: each part goes through one of `count` workers; how many pictures, by part."""
    data = cluster.ray.data
    items = [{"names": json.dumps(list(part))} for part in parts]
    # A block for each part from the start: a task that cut them would wait for a CPU that the workers hold.
    scored = data.from_items(items, override_num_blocks=len(items)).map_batches(
        ScoresParts,
        fn_constructor_args=(task, load),
        compute=data.ActorPoolStrategy(size=count),
        batch_size=1,
        num_gpus=size.gpus or None,
        num_cpus=None if size.gpus else size.cpus,
    )
    for row in scored.iter_rows():
        yield int(row["pictures"])


class ScoresParts:
    """An actor of Ray Data: a predictor for its life."""

    def __init__(self, task: Task, load: Any) -> None:
        """`load()` gives the predictor and the people."""
        self._task = task
        self._predictor, self._people = load()

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[int]]:
        parts = [json.loads(str(names)) for names in batch["names"]]
        for part in parts:
            score_part(self._task, part, self._predictor, self._people)
        return {"pictures": [len(part) for part in parts]}

"""What a study compares: pictures of finished runs, copied bare, and which pairs of them somebody is asked.

    studies/20261122-0245-floating-mossy-rocks-3f9a/
      study.json            what every picture is; written first, never shown
      pictures/ID.png       pixels and nothing else, under random names
      answers/RATER.jsonl   append-only, one file for each rater (`steer.study.answers`)
      report.html, report.json

Blind means: no page, address or byte of a picture tells what it is. A picture that was made for the rater is
"own" to them, one made for another person "others", the unsteered one "base"; a generic reward goes by its
name. Pictures are compared within a prompt and an image seed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np

from reward.checked import problem, read_json
from reward.errors import ImageError
from reward.files import write_whole
from reward.pictures import read_image
from steer.errors import StudyError, UsageError
from steer.record.files import new_folder, slug, split_label, write_json
from steer.record.folder import Record

SCHEMA_VERSION = 1
OWN, OTHERS, BASE = "own", "others", "base"
Kind = Literal["base", "person", "generic"]


class _Picture(TypedDict):
    """An entry of `pictures` in study.json, as in `StudyPicture`."""

    id: Annotated[str, re.compile("[0-9a-z-]{1,40}").fullmatch]  # a file's name: no way out of the folder
    group: int
    kind: Kind
    maker: str
    prompt: str
    pixels: str
    run: str
    world: NotRequired[str]


class _Design(TypedDict):
    schema_version: int
    created: str
    runs: list[str]
    prompts: list[str]
    pictures: list[_Picture]
    seed: int
    limit: Annotated[int, lambda limit: limit > 0] | None
    simulated: bool


_Study = Annotated[
    _Design, lambda study: all(0 <= p["group"] < len(study["prompts"]) for p in study["pictures"])
]


@dataclass(frozen=True)
class StudyPicture:
    """One picture of a study, and what only the report may say of it."""

    id: str  # 16 random hex digits
    group: int  # pictures of one group are compared
    kind: Kind
    maker: str  # "base", the person it was made for ("profile:me", "sandbox:17"), or the generic reward
    prompt: str  # that was rendered
    pixels: str  # hash: pictures that are alike to the eye are alike here
    run: str  # name of its run
    world: str = ""  # of the person it was made for: "profile", "sandbox" …

    @property
    def name(self) -> str:
        """The maker without the world, for people: "me", "17"."""
        return self.maker.removeprefix(f"{self.world}:")

    def condition(self, person: str | None) -> str:
        """What the picture is to a rater who is this person; None: nobody whom pictures were made for."""
        if self.kind != "person":
            return self.maker
        return OWN if person is not None and self.maker == person else OTHERS


@dataclass(frozen=True)
class StudyPair:
    """Two pictures, as they are shown."""

    left: StudyPicture
    right: StudyPicture


@dataclass(frozen=True)
class Design:
    """A study as it was made."""

    folder: Path
    created: str
    runs: tuple[str, ...]
    prompts: tuple[str, ...]  # base prompts, by group
    pictures: tuple[StudyPicture, ...]
    seed: int  # of order and sides
    limit: int | None  # pairs that one rater is asked, at most
    simulated: bool  # the people whom pictures were made for are the sandbox's

    @property
    def people(self) -> tuple[str, ...]:
        """Whom pictures were made for."""
        return tuple(dict.fromkeys(p.maker for p in self.pictures if p.kind == "person"))

    @property
    def claimable(self) -> dict[str, str]:
        """Whom a rater can be, and their names: nobody is one of the sandbox's people."""
        return {p.maker: p.name for p in self.pictures if p.kind == "person" and p.world != "sandbox"}

    def picture_file(self, picture: StudyPicture) -> Path:
        """Its pixels, as PNG."""
        return self.folder / "pictures" / f"{picture.id}.png"

    def all_pairs(self, person: str | None) -> list[tuple[StudyPicture, StudyPicture]]:
        """Every two pictures of a group that are of different conditions to this rater."""
        return [
            (first, second)
            for i, first in enumerate(self.pictures)
            for second in self.pictures[i + 1 :]
            if first.group == second.group and first.condition(person) != second.condition(person)
        ]

    def pairs(self, rater: str, person: str | None) -> list[StudyPair]:
        """What this rater is asked, in order: always the same for the same name.

        Order and sides are drawn by chance. Nobody is asked to compare a picture with itself.
        """
        seed = int.from_bytes(hashlib.sha256(f"{self.seed}:{rater}:{person}".encode()).digest()[:8], "big")
        rng = np.random.default_rng(seed)
        asked = [pair for pair in self.all_pairs(person) if pair[0].pixels != pair[1].pixels]
        shown = [asked[i] for i in rng.permutation(len(asked))][: self.limit]
        return [
            StudyPair(second, first) if swap else StudyPair(first, second)
            for (first, second), swap in zip(shown, rng.random(len(shown)) < 0.5, strict=True)
        ]


def make_design(runs: Sequence[Path], out: Path, limit: int | None = None) -> Design:
    """A new study of complete runs, in a folder of its own below `out`.

    Raises UsageError where there is nothing to compare, RecordError for a run that cannot be read, StudyError
    if the study cannot be written.
    """
    records = [Record.read(run) for run in dict.fromkeys(path.resolve() for path in runs)]
    for record in records:
        if not record.complete:
            raise UsageError(
                f"{record.folder.name} is not finished ({record.status}); first: steer runs resume "
                f"{record.folder}"
            )
    pictures: dict[tuple[int, str], tuple[StudyPicture, Any]] = {}
    groups: dict[tuple[str, int, str], int] = {}
    for record in records:
        config, result = record.config, record.result
        kind = (config["prompt"], config["settings"]["seed"], config["parts"]["renderer"]["name"])
        group = groups.setdefault(kind, len(groups))
        base, best = result["baseline"], result["best"]
        maker, of = _maker(config)
        kinds: tuple[tuple[str, Kind, Any], ...] = ((BASE, "base", base), (maker, of, best))
        for name, what, shown in kinds:
            key = (group, name if what == BASE else f"{name} {record.folder.name}")
            if key not in pictures:
                image = _pixels(record, shown["image"])
                pixels = hashlib.sha256(image.tobytes() + repr(image.size).encode()).hexdigest()[:16]
                id, run = secrets.token_hex(8), record.folder.name
                world = config["person"]["world"] if what == "person" else ""
                picture = StudyPicture(id, group, what, name, shown["prompt"], pixels, run, world)
                pictures[key] = (picture, image)
    chosen = tuple(picture for picture, _ in pictures.values())
    if not any(a.group == b.group and a.pixels != b.pixels for a in chosen for b in chosen):
        raise UsageError(
            "these runs have no two different pictures of one prompt: every winner is the base prompt; "
            "choose other runs: steer runs list"
        )
    created = datetime.now().astimezone()
    try:
        name = f"{created:%Y%m%d-%H%M%S}-{slug(records[0].config['prompt']) or 'study'}"
        folder = new_folder(out, name, private=True)
        design = Design(
            folder,
            created.isoformat(timespec="seconds"),
            tuple(str(record.folder) for record in records),
            tuple(prompt for prompt, _, _ in groups),
            chosen,
            secrets.randbelow(2**31),
            limit,
            any(record.config["simulated"] for record in records),
        )
        for name in ("pictures", "answers"):
            (folder / name).mkdir(mode=0o700)
        for picture, image in pictures.values():
            write_whole(design.picture_file(picture), _png(image), private=True)
        data = {"schema_version": SCHEMA_VERSION, **asdict(design), "folder": folder.name}
        write_json(folder / "study.json", data, private=True, sync=True)
    except OSError as error:
        raise StudyError(
            f"cannot write a study to {out}: {error.strerror or error}; choose another folder with --out"
        ) from error
    return design


def read_design(folder: Path) -> Design:
    """The study in `folder`. Raises StudyError if there is none."""
    path = folder / "study.json"
    try:
        data = read_json(path)
        if wrong := problem(_Study, data):
            raise ValueError(wrong)
        if data["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {data['schema_version']}, this steer reads {SCHEMA_VERSION}")
        return Design(
            folder,
            data["created"],
            tuple(data["runs"]),
            tuple(data["prompts"]),
            tuple(_picture(picture) for picture in data["pictures"]),
            data["seed"],
            data["limit"],
            data["simulated"],
        )
    except FileNotFoundError:
        raise StudyError(f"no study in {folder}; make one: steer study new RUN...") from None
    except (OSError, ValueError) as error:
        raise StudyError(f"cannot read {path}: {error}; make a new study: steer study new RUN...") from error


def list_studies(out: Path) -> list[Path]:
    """Folders of studies in `out`, the newest last."""
    return sorted(path.parent for path in out.glob("*/study.json"))


def _picture(data: dict[str, Any]) -> StudyPicture:
    world = split_label(data["maker"])["world"] if data["kind"] == "person" else ""
    known = {name: data[name] for name in _Picture.__annotations__ if name in data}
    return StudyPicture(**{"world": world, **known})  # studies from before worlds were kept have none


def _maker(config: dict[str, Any]) -> tuple[str, Kind]:
    """By whose taste a run was steered: a person (without the state of the profile) or a generic reward."""
    from reward.baselines import BASELINES

    scorer, person = str(config["parts"]["scorer"]["name"]), config["person"]
    if scorer in BASELINES:  # the same opinion for everybody
        return scorer, "generic"
    if person["kind"] == "new":
        return f"{person['world']}:{person['id']}", "person"
    return (person["label"], "person") if person["kind"] == "known" else (person["id"], "generic")


def _pixels(record: Record, name: str) -> Any:
    try:
        return read_image(record.folder / name, "make the run again: steer run")
    except ImageError as error:
        raise StudyError(str(error)) from error


def _png(image: Any) -> bytes:
    """The pixels alone: no text, no profile, no date."""
    from PIL import Image

    from steer.record.png import encode_png

    return encode_png(Image.frombytes("RGB", image.size, image.tobytes()), {})

"""What a sweep makes: one run for each person and prompt, planned before the first of them begins.

    sweeps/prompts/
      plan.jsonl     how (first line), whom and what (a line each); append-only, so that a plan can only grow
      runs/NAME/     one ordinary run for each person and prompt, under a name that follows from the plan
      shared/ID/     pictures of a prompt that its runs share (`steer.sweep.shared`)
      sweep.html, sweep.csv, sweep.parquet

Nothing else says how far a sweep is: a run is done when its own folder says so. Several processes may work on
one sweep, on one machine or, where they share the folder and its locks, on many.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from reward.checked import problem
from steer.errors import RecordError, ResumeError, SettingsError, UsageError
from steer.machine.overrides import Overrides
from steer.parts import Parts, PersonLike, Scorer, people_of
from steer.record.files import PROFILE, id_slug, person_json, slug, writing
from steer.record.folder import Record, describe
from steer.record.log import Log
from steer.record.schema import Person as PersonSchema
from steer.record.schema import built
from steer.settings import Settings
from steer.sweep.prompts import Line
from steer.whom import Who

SCHEMA_VERSION = 1
PLAN = "plan.jsonl"


class _Head(TypedDict):
    """The first line."""

    schema_version: int
    created: str
    preset: str
    simulated: bool
    settings: dict[str, Any]
    asked: dict[str, Any]
    parts: dict[str, Any]


class _Somebody(TypedDict):
    """A line of a person."""

    who: dict[str, Any]
    person: PersonSchema


class _Something(TypedDict):
    """A line of a prompt."""

    prompt: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Somebody:
    """A person of a sweep: how they are found, and who they were when the plan was made."""

    who: Who
    person: Mapping[str, str]  # `steer.record.files.person_json`

    @property
    def name(self) -> str:
        """For people: me, 17, age 18-25, population."""
        return self.person["id"]

    @property
    def key(self) -> str:
        """What tells them from all others, in whatever state."""
        return _digest([self.person[name] for name in ("world", "kind", "id", "hash")])


@dataclass(frozen=True)
class Cell:
    """One run of a sweep: whose, and of what."""

    somebody: Somebody
    line: Line
    row: int  # place of the person in the plan, from 0
    column: int  # of the prompt

    @property
    def name(self) -> str:
        """The run's folder, the same for every process."""
        key = _digest([prompt_id(self.line), self.somebody.key])[:8]
        subject = slug(self.line.prompt, 32) or "prompt"
        return f"{subject}-{id_slug(self.somebody.name)}-{key}"


@dataclass(frozen=True)
class Plan:
    """A sweep as it stands on the disk."""

    folder: Path
    head: Mapping[str, Any]
    people: tuple[Somebody, ...]
    lines: tuple[Line, ...]

    @property
    def settings(self) -> Settings:
        """What the command line said for prompts that say nothing themselves."""
        return built(Settings, self.head["settings"], f"{self.folder / PLAN}")

    @property
    def overrides(self) -> Overrides:
        """Of the preset, as the parts were asked for."""
        return Overrides.of(self.head["asked"])

    @property
    def cells(self) -> Iterator[Cell]:
        """Every run, those of one prompt together: they share pictures."""
        for column, line in enumerate(self.lines):
            for row, somebody in enumerate(self.people):
                yield Cell(somebody, line, row, column)

    def __len__(self) -> int:
        return len(self.people) * len(self.lines)

    def run_folder(self, cell: Cell) -> Path:
        """Where the run is, or will be."""
        return self.runs / cell.name

    @property
    def runs(self) -> Path:
        """Its runs, as `steer runs list --out` takes them."""
        return self.folder / "runs"

    def record(self, cell: Cell) -> Record:
        """The run of a cell, which need not be there yet."""
        return Record(self.run_folder(cell))

    def state(self, cell: Cell) -> str:
        """complete | running | interrupted | error | waiting | damaged."""
        record = self.record(cell)
        if record.complete:
            return "complete"
        if not (record.folder / "config.json").exists():
            return "running" if record.locked else "waiting"
        return "damaged" if record.damage else record.status


@dataclass(frozen=True)
class Shard:
    """One part of `of` of a sweep, from 1. Parts are disjoint, and together everything."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """ "2/8". Raises UsageError."""
        number, _, of = text.partition("/")
        if not (number.isascii() and number.isdigit() and of.isascii() and of.isdigit()):
            raise UsageError(f"--shard {text!r} is no part of a whole; write the second of eight as 2/8")
        if not 1 <= int(number) <= int(of) <= 100_000:
            raise UsageError(f"--shard {text}: the parts of {of} are 1/{of} to {of}/{of}")
        return cls(int(number), int(of))

    def holds(self, plan: Plan, cell: Cell) -> bool:
        """Whether a run belongs to this part.

        Whole prompts stay together, because their runs share pictures; only where there are more parts than
        prompts are the people of a prompt spread. Prompts and people that are added move nothing as long as
        there are as many prompts as parts.
        """
        prompts = len(plan.lines)
        place = cell.column if prompts >= self.of else cell.column + prompts * cell.row
        return place % self.of == self.number - 1


def extend_plan(
    folder: Path,
    parts: Parts,
    settings: Settings,
    people: Sequence[Somebody],
    lines: Sequence[Line],
) -> Plan:
    """Write the plan of a sweep, or what is new in it; what it holds already stays in it.

    Raises RecordError where the folder cannot be written, ResumeError where the sweep was begun otherwise.
    """
    log = Log(folder / PLAN)
    with writing(folder):
        _make(folder, private=any(one.person["world"] == PROFILE for one in people))
        written = log.hold(wait=True, create=True)
        try:
            if not written:
                first = {
                    "schema_version": SCHEMA_VERSION,
                    "created": datetime.now().astimezone().isoformat(timespec="seconds"),
                    "preset": parts.preset,
                    "simulated": parts.simulated,
                    "settings": settings.to_json(),
                    "asked": dict(parts.loaded.asked) if parts.loaded else {"preset": parts.preset},
                    "parts": describe(parts),
                }
                log.append(first)
                written = [json.loads(json.dumps(first))]
            plan = _parsed(folder, written, log.skipped)
            _check_same(plan, parts, settings)
            known, there = {one.key for one in plan.people}, set(plan.lines)
            log.append(
                *({"who": one.who.to_json(), "person": one.person} for one in people if one.key not in known),
                *(
                    {"prompt": line.prompt, "settings": line.settings.to_json()}
                    for line in lines
                    if line not in there
                ),
            )
        finally:
            log.release()
    return read_plan(folder)


def read_plan(folder: Path) -> Plan:
    """The sweep in a folder. Raises RecordError."""
    log = Log(folder / PLAN)
    try:
        written = log.read(settled=True)
    except FileNotFoundError:
        raise RecordError(
            f"no sweep in {folder} (no {PLAN} there); make one: steer sweep PROMPTS --users 17"
        ) from None
    except OSError as error:
        raise RecordError(f"cannot read {log.path}: {error.strerror or error}; see: steer sweep") from error
    return _parsed(folder, written, log.skipped)


def check_parts(plan: Plan, parts: Parts) -> None:
    """All runs of a sweep are made with the same models. Raises ResumeError."""
    for seat, part in describe(parts).items():
        if part != plan.head["parts"].get(seat):
            raise ResumeError(
                f"the {seat} of the sweep in {plan.folder} is another one by now; give the same models, or "
                "begin another with --sweep FOLDER"
            )


def somebody(who: Who, scorer: Scorer, planned: Plan | None = None) -> Somebody:
    """A person as the scorer knows them now; of a profile that a plan has already, the planned state.

    Raises what `Who.find` raises.
    """
    if planned is not None and who.kind == "known":
        name = f"{str(who.user).strip()}@"
        for one in planned.people:
            if one.who.kind == "profile" and str(one.who.user).startswith(name):
                return one
    found = who.resolved(people_of(scorer))
    return Somebody(_plain(found, person := found.find(scorer)), person_json(person))


def everybody(asked: Sequence[Who], scorer: Scorer, folder: Path) -> list[Somebody]:
    """Everybody asked for, each once; the user "all" is all whom the scorer knows.

    `folder` is the sweep's, which may be there. Raises UsageError, and what `Who.find` raises.
    """
    planned = read_plan(folder) if (folder / PLAN).exists() else None
    found: dict[str, Somebody] = {}
    for who in asked:
        if who.kind == "known" and who.user == "all":
            each = [Who("known", user=one.id) for one in people_of(scorer)]
        else:
            each = [who]
        for one in each:
            person = somebody(one, scorer, planned)
            found.setdefault(person.key, person)
    if not found:
        raise UsageError(f"the reward {scorer.name} knows nobody by name; try --population")
    return list(found.values())


def prompt_id(line: Line) -> str:
    """What tells a prompt with its settings from all others."""
    return _digest([line.prompt, line.settings.to_json()])[:12]


def _plain(who: Who, person: PersonLike) -> Who:
    """A position becomes the id that it stands for: people that are added would shift it."""
    return replace(who, user=person.id) if who.kind == "known" else who


def _parsed(folder: Path, written: Sequence[Mapping[str, Any]], skipped: int) -> Plan:
    where = folder / PLAN
    head, *rest = written or [{}]
    damage = problem(_Head, head) or (f"{skipped} of its lines cannot be read" if skipped else None)
    if damage is None and head["schema_version"] != SCHEMA_VERSION:
        damage = f"it has schema version {head['schema_version']}, but this steer reads {SCHEMA_VERSION}"
    people: dict[str, Somebody] = {}
    lines: dict[Line, None] = {}
    for line in rest if damage is None else ():
        if problem(_Somebody, line) is None and {"id", "world"} <= line["person"].keys():
            one = Somebody(Who.from_json(line["who"]), line["person"])
            people[one.key] = one
        elif problem(_Something, line) is None:
            try:
                lines[Line(line["prompt"], built(Settings, line["settings"], str(where)))] = None
            except SettingsError as error:
                damage = str(error)
        else:
            damage = "a line of it is neither a person nor a prompt"
    if damage:
        raise RecordError(f"{where} is damaged: {damage}; begin another sweep with --sweep FOLDER")
    return Plan(folder, head, tuple(people.values()), tuple(lines))


def _check_same(plan: Plan, parts: Parts, settings: Settings) -> None:
    """A sweep goes on with what it was begun with. Raises ResumeError."""
    begun, now = asdict(plan.settings), asdict(settings)
    for name in now:
        if begun[name] != now[name]:
            flag = f"--{name.replace('_', '-')}"
            raise ResumeError(
                f"the sweep in {plan.folder} was begun with {flag} {begun[name]}, and this says {now[name]}; "
                "say the same, or begin another with --sweep FOLDER"
            )
    check_parts(plan, parts)


def _make(folder: Path, private: bool) -> None:
    """`private`: only its owner may look into a sweep that names people of this machine."""
    others = folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir())
    # The plan is looked for last: another process that has just begun this sweep wrote it before all else.
    if others and not (folder / PLAN).exists():
        raise UsageError(f"{folder} holds other things than a sweep; name another with --sweep FOLDER")
    folder.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
    if private:
        folder.chmod(0o700)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]

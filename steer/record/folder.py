"""The run folder: all that is needed to read, resume, reproduce and judge a run.

    20261121-142233-floating-mossy-rocks-u17-3f9a/
      config.json    resolved settings, person (see `person_json`), parts, seeds, versions; written first
      events.jsonl   append-only truth (`steer.record.log`): a line with `t` and `event` for each event
      picks.jsonl    what a person chose meanwhile, if anybody did (`steer.record.picks`)
      images/        r00c00.png (the base prompt), r01c00.png ..., r00c00-gate1.png, r02c05-confirm1.png
      result.json    written last, for complete runs only

`steer.record.events` has the kinds of events and their fields. Everything is checked where it is read: a line
that cannot be read does not count, a result.json that cannot be read is as one that is not there, and without
a whole config.json there is no run.

An iteration has three phases: propose all, render all, score all. A renderer may encode all prompts before
it renders the first. A part that is not at work in a phase may have been put to rest to make room.

An event that the log already holds is not written again: a resumed run replays its own log, gets its replies,
images and scores from it, and goes on where the log ends.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reward.checked import problem, read_json
from reward.files import make_private, write_whole
from steer.errors import RecordError, ResumeError, RunExists, RunLocked, SettingsError
from steer.parts import Job, Parts, PersonLike
from steer.record.events import (
    Confirmed,
    Event,
    Failed,
    Finals,
    Forecasted,
    IterationDone,
    Key,
    Picked,
    Proposed,
    Rendered,
    Stopped,
)
from steer.record.files import (
    PROFILE,
    named_folder,
    new_folder,
    person_json,
    person_slug,
    slug,
    split_label,
    write_json,
    writing,
)
from steer.record.log import Log
from steer.record.picks import Picks
from steer.record.schema import Config, Result, built
from steer.record.summary import SCHEMA_VERSION, Candidate, candidates_of, summarize
from steer.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

_VERSIONS = (
    *("steer", "numpy", "pillow", "torch", "transformers", "tokenizers", "safetensors", "scipy"),
    *("diffusers", "torchao", "bitsandbytes", "peft"),
)
_SYNCED = (
    Proposed,
    Forecasted,
    Picked,
    IterationDone,
    Finals,
    Confirmed,
    Stopped,
)  # a kill loses nothing; these survive a power cut
_E = TypeVar("_E", bound=Event)


class Record:
    """A run folder, read. Cheap to make: files are read when first asked for."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.unreadable = 0  # damaged lines of the log, which do not count; known once `events` is read
        self._log = Log(self.folder / "events.jsonl")

    @classmethod
    def read(cls, folder: str | Path) -> Record:
        """The run in `folder`. Raises `RecordError` if there is none."""
        record = cls(folder)
        _ = record.config
        return record

    @cached_property
    def config(self) -> dict[str, Any]:
        """What the run was started with."""
        path = self.folder / "config.json"
        try:
            config = read_json(path)
        except FileNotFoundError:
            raise RecordError(
                f"no run in {self.folder} (no config.json there); see: steer runs list"
            ) from None
        except (OSError, ValueError) as error:
            raise RecordError(f"cannot read {path}: {error}; see: steer runs list") from error
        if isinstance(config, dict) and (schema := config.get("schema_version")) != SCHEMA_VERSION:
            versions = config.get("versions")
            maker = versions.get("steer") if isinstance(versions, dict) else None
            raise RecordError(
                f"{path} has schema version {str(schema)[:20]}, but this steer reads {SCHEMA_VERSION}; "
                f"install the steer that made it ({str(maker or 'unknown')[:20]})"
            )
        damage = problem(Config, config)
        if damage is None and (self.folder / "images").is_symlink():
            damage = "images is a link to another place"
        if damage:
            raise RecordError(f"{path} is damaged: {damage}; start the run again: steer run")
        try:
            built(Settings, config["settings"], str(path))
        except SettingsError as error:
            raise RecordError(f"{path} is damaged: {error}") from error
        person = config["person"]
        return {**config, "person": {**person, **{**split_label(person["label"]), **person}}}

    @property
    def damage(self) -> str | None:
        """Why there is no run to be read here; None where there is one."""
        try:
            _ = self.config
        except RecordError as error:
            return str(error)
        return None

    @property
    def settings(self) -> Settings:
        """How the run searches."""
        return Settings.from_json(self.config["settings"])

    @cached_property
    def events(self) -> list[Event]:
        """The whole log, but for lines that cannot be read."""
        try:
            return self._parsed(self._log.read())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RecordError(f"cannot read {self._log.path}: {error}; see: steer runs list") from error

    def refresh(self) -> None:
        """Read what was written since `events` was read. Raises `RecordError`, `LogGone`."""
        known, skipped = self.events, self._log.skipped
        try:
            known.extend(self._parsed(self._log.read()))
            self.unreadable -= skipped  # which were counted then
        except FileNotFoundError:
            return
        except OSError as error:
            raise RecordError(f"cannot read {self._log.path}: {error}; see: steer runs list") from error

    def _parsed(self, lines: Sequence[Mapping[str, Any]]) -> list[Event]:
        events = []
        for line in lines:
            try:
                events.append(Event.from_json(line, replayed=True))
            except ValueError:
                self.unreadable += 1
        self.unreadable += self._log.skipped
        return events

    @property
    def locked(self) -> bool:
        """True while a live process works on the run."""
        return self._log.in_use

    @property
    def complete(self) -> bool:
        """True once a whole result.json is there."""
        return self._finished is not None

    @property
    def _finished(self) -> dict[str, Any] | None:
        """The object of result.json; None where it is not there, or damaged: the log can tell it again."""
        try:
            found = read_json(self.folder / "result.json")
        except (OSError, ValueError):
            return None
        return found if problem(Result, found) is None else None

    @property
    def status(self) -> str:
        """complete | running | interrupted | error."""
        if self.complete:
            return "complete"
        if self.locked:
            return "running"
        return "error" if self.events and isinstance(self.events[-1], Failed) else "interrupted"

    @property
    def result(self) -> dict[str, Any]:
        """The object of result.json; for a run that is not complete, the same object as far as it got."""
        return self._finished or summarize(self.folder.name, self.config, self.events, self.status)

    @property
    def candidates(self) -> list[Candidate]:
        """The base prompt and every rewrite that was rendered or lost on the way, in order."""
        return candidates_of(self.events)

    @property
    def error(self) -> str | None:
        """The message of the error that ended the run, if one did."""
        last = self.events[-1] if self.events else None
        return last.message if isinstance(last, Failed) else None

    def restore(self) -> bool:
        """Whether the run is complete; where a whole log says so, result.json is written again if it is lost.

        Raises `RecordError`, `RunLocked`.
        """
        if self.complete:
            return True
        if not any(isinstance(event, Stopped) and event.key is not None for event in self.events):
            return False
        if self.unreadable:  # the damaged line may hold the best score: a resumed run scores anew
            return False
        with Recorder(self.folder, self.config) as record:
            record.finish()
        return True


class Recorder(Record):
    """A run folder, held and written by this process. Close it, or use it as a context manager."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder)
        self.__dict__["config"] = dict(config)
        self.picks = Picks(folder)
        with writing(folder):  # read before the run is held: who sees that it is can ask for a pause
            self.picks_before = len(self.picks.read())  # picks of before this process
        with writing(folder):
            (folder / "images").mkdir(exist_ok=True)
            if config["person"].get("world") == PROFILE:  # one of before may be open to all
                make_private(folder)
        try:
            self.__dict__["events"] = self._parsed(self._log.hold(wait=False, create=True))
            for leftover in (self.folder / "images").glob(".*.tmp"):
                leftover.unlink()
        except BlockingIOError:
            raise RunLocked(
                f"{folder} is held by a process that is still working on it; wait for it, or look at it: "
                f"steer runs show {folder}"
            ) from None
        except OSError as error:
            self.close()
            raise RecordError(
                f"cannot lock and write {folder}: {error.strerror or error}; choose another disk with --out"
            ) from error
        self._seen: dict[Key, Event] = {key: event for event in self.events if (key := _key(event))}

    @classmethod
    def create(
        cls,
        out: str | Path,
        prompt: str,
        person: PersonLike,
        parts: Parts,
        settings: Settings,
        argv: Sequence[str] = (),
        recipe: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Recorder:
        """A new folder under `out`, config.json before any event.

        `recipe` is whatever the caller needs to find the same person and parts again on resume. `name` is the
        folder's, where several processes must agree on it: one of them makes the run. Raises `RunLocked`
        while another one is about to, and `RunExists` where it has.
        """
        private = person.world == PROFILE
        if name is None:
            name = f"{datetime.now():%Y%m%d-%H%M%S}-{slug(prompt) or 'prompt'}-{person_slug(person)}"
            folder = new_folder(Path(out), name, private=private)
        else:
            folder = named_folder(Path(out), name, private=private)
        config = {
            "schema_version": SCHEMA_VERSION,
            "created": datetime.now().astimezone().isoformat(timespec="seconds"),
            "prompt": prompt,
            "person": person_json(person),
            "preset": parts.preset,
            "preset_reason": parts.reason,
            "simulated": parts.simulated,
            "settings": settings.to_json(),
            "seeds": {
                "image": settings.seed,
                "gate": settings.gate_seeds,
                "final": settings.final_seeds,
                "confirm": settings.confirm_seeds,
                "llm": settings.llm_seed,
            },
            "parts": describe(parts),
            "recipe": dict(recipe or {}),
            "argv": list(argv),
            "versions": versions(),
        }
        record = cls(folder, json.loads(json.dumps(config)))  # from here on nobody else makes it
        try:
            if (folder / "config.json").exists():
                raise RunExists(f"there is a run in {folder}; go on with it: steer runs resume {folder}")
            with writing(folder):
                write_json(folder / "config.json", config, sync=True)
        except BaseException:
            record.close()
            raise
        return record

    @classmethod
    def resume(cls, folder: str | Path, person: PersonLike, parts: Parts) -> Recorder:
        """The run in `folder`, to go on with exactly what it was started with.

        Raises `RunLocked` if a live process holds it, `ResumeError` if the person or a part differs.
        """
        config = Record.read(folder).config
        if person.hash != config["person"]["hash"]:
            raise ResumeError(
                f"this run steers for {config['person']['label']} ({config['person']['hash']}), which is now "
                f"{person.label} ({person.hash}): the taste has changed since; start a new run: steer run"
            )
        for seat, now in describe(parts).items():
            if now != (then := config["parts"].get(seat)):
                raise ResumeError(
                    f"this run's {seat} was {_called(then)}, and is now {_called(now)}; a run goes on with "
                    "what it was started with; start a new one: steer run"
                )
        return cls(Path(folder), config)

    def append(self, event: Event) -> Event:
        """Write one event, or return the logged one if the log already holds it."""
        key = _key(event)
        if key is not None and key in self._seen:
            logged = self._seen[key]
            if isinstance(event, Rendered) and isinstance(logged, Rendered) and event.prompt != logged.prompt:
                why = "lines of it are lost" if self.unreadable else "another version of steer made it"
                raise ResumeError(
                    f"the log of {self.folder} has another prompt for {event.id}: {why}; start a new run: "
                    "steer run"
                )
            return logged
        line = replace(event, t=round(time.time(), 3)).to_json()
        event = Event.from_json(json.loads(json.dumps(line)))  # exactly what a reader of the log will see
        with writing(self.folder):
            self._log.append(line, sync=isinstance(event, _SYNCED))
        self.events.append(event)
        if key is not None:
            self._seen[key] = event
        return event

    def find(self, kind: type[_E], *key: str | int) -> _E | None:
        """The logged event of this kind about this id, or this (iteration, attempt)."""
        found = self._seen.get((kind.event, *key))
        return found if isinstance(found, kind) else None

    def save_image(self, job: Job, image: Image) -> dict[str, str]:
        """Write a render with its metadata; returns what its `rendered` event says of the file."""
        from steer.record.png import encode_png, parameters

        texts = {}
        if self.config["settings"]["metadata"]:
            renderer = self.config["parts"]["renderer"]
            person = self.config["person"]
            named = person["world"] == PROFILE  # pictures are passed on; who rated is nobody else's business
            chunk = {
                "schema_version": SCHEMA_VERSION,
                "run": None if named else self.folder.name,
                "id": job.id,
                "role": job.role,
                "iteration": job.iteration,
                "parents": job.parents,
                "prompt": job.prompt,
                "base_prompt": self.config["prompt"],
                "seed": job.seed,
                "person": f"{PROFILE}@{person['hash']}" if named else person["label"],
                "renderer": renderer["name"],
            }
            model, steps = renderer["name"], renderer.get("steps")
            texts = {
                "parameters": parameters(job.prompt, job.seed, image.size, model, steps),
                "steer": json.dumps(chunk, ensure_ascii=False),
            }
        with writing(self.folder):
            write_whole(self._image_path(job), encode_png(image, texts))
        return self.image_file(job)

    def image_file(self, job: Job) -> dict[str, str]:
        """What the `rendered` event says of the file of this job."""
        data = self._image_path(job).read_bytes()
        return {"image": f"images/{job.id}.png", "sha256": hashlib.sha256(data).hexdigest()}

    def load_image(self, job: Job) -> Image | None:
        """The render of this very job if its whole file is there, logged or not."""
        from steer.record.png import load_whole

        found = load_whole(self._image_path(job))
        if found is None:
            return None
        image, chunk = found
        mine = {"prompt": job.prompt, "seed": job.seed}
        return image if all(chunk.get(key, value) == value for key, value in mine.items()) else None

    def finish(self) -> None:
        """Write result.json, which makes the run complete."""
        with writing(self.folder):
            result = summarize(self.folder.name, self.config, self.events, "complete")
            write_json(self.folder / "result.json", result, sync=True)

    def close(self) -> None:
        """Let go of the folder."""
        self._log.release()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _image_path(self, job: Job) -> Path:
        return self.folder / "images" / f"{job.id}.png"


def list_runs(out: str | Path) -> list[Record]:
    """The runs under `out`, oldest first. Folders without a config.json are not runs."""
    return [Record(path.parent) for path in sorted(Path(out).glob("*/config.json"))]


def runs_by_name(out: str | Path) -> dict[str, Path]:
    """Their folders by name, oldest first."""
    return {record.folder.name: record.folder for record in list_runs(out)}


def describe(parts: Parts) -> dict[str, dict[str, Any] | None]:
    """Name and identity of every part, as config.json keeps them."""

    def one(part: Any) -> dict[str, Any]:
        keys = ("name", "model", "revision", "sha256", "world", "steps", "guidance_scale", "width", "height")
        found = {key: getattr(part, key, None) for key in (*keys, "memory", "lora", "server", "seeds")}
        return {key: value for key, value in found.items() if isinstance(value, str | int | float)}

    return {
        "proposer": one(parts.proposer),
        "renderer": one(parts.renderer),
        "scorer": one(parts.scorer),
        "judge": one(parts.judge) if parts.judge is not None else None,
    }


def _called(part: Mapping[str, Any] | None) -> str:
    """A described part in words: its name, then whatever else tells it from its like."""
    if part is None:
        return "none"
    name, *rest = (str(value)[:12] if key == "sha256" else str(value) for key, value in part.items())
    return f"{name} ({', '.join(rest)})" if rest else name


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that can change a result."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _VERSIONS:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _key(event: Event) -> Key | None:
    return None if event.key is None else (event.event, *event.key)

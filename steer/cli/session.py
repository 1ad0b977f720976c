"""From a request on the command line to a finished run: load, resolve, follow, report."""

from __future__ import annotations

import shlex
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from reward.errors import EmptyGroup, RewardError, UnknownPerson
from steer.cli.console import hint, print_json
from steer.cli.options import DEFAULTS
from steer.errors import SteerError, UsageError
from steer.settings import DEFAULT_PROMPT, Settings, clean_prompt

if TYPE_CHECKING:
    from reward.people import Person
    from steer.run import Run
    from steer.types import Parts


@dataclass(frozen=True)
class Who:
    """Whose taste, as asked for; kept in the record so that a resumed run finds the same person."""

    kind: Literal["known", "group", "population"]
    user: str | None = None
    age: tuple[int, int] | None = None
    gender: str | None = None
    nationality: str | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Who:
        """The inverse of `dataclasses.asdict`, after JSON made lists of tuples."""
        age = data.get("age")
        return cls(**{**data, "age": None if age is None else (int(age[0]), int(age[1]))})

    def find(self, scorer: Any) -> Person:
        """This person as `scorer` knows them. Raises `UnknownPerson`, `EmptyGroup`, `UsageError`."""
        method = {"known": "person", "group": "group", "population": "population"}[self.kind]
        if not hasattr(scorer, method):
            remedy = (
                "steer run --population" if hasattr(scorer, "population") else "name another with --reward"
            )
            raise UsageError(
                f"the reward {scorer.name} knows no people, its opinion is everybody's: {remedy}"
            )
        if self.kind == "known":
            return scorer.person(str(self.user))
        if self.kind == "group":
            return scorer.group(age=self.age, gender=self.gender, nationality=self.nationality)
        return scorer.population()


@dataclass(frozen=True)
class Request:
    """Everything that one command line asks for."""

    who: Who
    prompt: str | None
    settings: Settings
    preset: str = "auto"
    llm: str | None = None
    reward: Path | None = None
    judge: Path | None = None
    threads: int | None = None
    out: Path = Path("runs")
    plan: bool = False
    as_json: bool = False
    quiet: bool = False


def search(request: Request) -> None:
    """Run the whole request, or only plan it."""
    prompt = clean_prompt(DEFAULT_PROMPT if request.prompt is None else request.prompt)
    if request.plan:
        _show_plan(request)
        return
    recipe = {
        "llm": request.llm,
        "reward": _text(request.reward),
        "judge": _text(request.judge),
        "threads": request.threads,
        "who": asdict(request.who),
    }
    parts = _load(request.preset, recipe)
    person = request.who.find(parts.scorer)
    _announce(parts)
    if request.prompt is None:
        hint(f'no --prompt given, so the paper\'s is used: "{prompt}"')
    _say_who(request.who, parts.scorer, person)

    from steer.run import Run

    run = Run.start(
        prompt, person, parts, request.settings, request.out, _judge_person(request.who, parts.judge),
        argv=command_words(request, prompt, parts.preset), recipe={"preset": parts.preset, **recipe},
    )  # fmt: skip
    follow(run, parts, request.settings, as_json=request.as_json, quiet=request.quiet)


def resume(folder: Path, as_json: bool, quiet: bool) -> None:
    """Go on with an interrupted run, with exactly what it was started with."""
    from steer.cli.report import finish
    from steer.record import Record
    from steer.run import Run

    record = Record.read(folder)
    if record.complete:
        hint("this run is complete, nothing to do")
        finish(folder, as_json)
        return
    recipe = record.config["recipe"]
    if "who" not in recipe:
        raise UsageError(
            f"{folder.name} was started from Python; resume it there: steer.resume(folder, person, parts)"
        )
    parts = _load(recipe["preset"], recipe)
    who = Who.from_json(recipe["who"])
    person = who.find(parts.scorer)
    _announce(parts)
    run = Run.resume(folder, person, parts, _judge_person(who, parts.judge))
    follow(run, parts, Settings(**record.config["settings"]), as_json=as_json, quiet=quiet)


def follow(run: Run, parts: Parts, settings: Settings, as_json: bool, quiet: bool) -> None:
    """Show a run's events as they come, then what it found. Ctrl-C and errors leave it resumable."""
    from steer.cli.progress import Watch, display
    from steer.cli.report import finish
    from steer.plan import COSTS

    watch = Watch(settings, COSTS.get(parts.preset, COSTS["sandbox"]))
    again = f"steer runs resume {shlex.quote(str(run.folder))}"
    try:
        with display(watch, quiet) as show, closing(iter(run)) as events:
            for event in events:
                watch.update(event)
                show(event)
    except KeyboardInterrupt:
        hint(f"interrupted; nothing is lost, go on with: {again}")
        if as_json:
            print_json(dict(run.result.data))
        raise typer.Exit(130) from None
    except (SteerError, RewardError) as error:
        if as_json:
            print_json(dict(run.result.data))
        hint(f"error: {error}", style="bold red")
        if again not in str(error):
            hint(f"what was done is kept; go on with: {again}")
        raise typer.Exit(1) from error
    with nullcontext() if quiet else _status("writing the gallery"):
        from steer.gallery import write_gallery

        write_gallery(run.folder)
    finish(run.folder, as_json)


def command_words(request: Request, prompt: str, preset: str) -> list[str]:
    """The words after `steer` that make the same run again on any machine with the same parts."""
    who, settings = request.who, request.settings
    words = ["demographic" if who.kind == "group" else "run"]
    if who.kind == "population":
        words.append("--population")
    age = f"{who.age[0]}-{who.age[1]}" if who.age else None
    given: dict[str, Any] = {
        "user": who.user,
        "age": age,
        "gender": who.gender,
        "nationality": who.nationality,
    }
    given["prompt"] = prompt
    for name in ("iterations", "proposals", "keep", "patience", "target", "seed", "llm_seed", "confirm"):
        value = getattr(settings, name)
        given[name.replace("_", "-")] = value if value != getattr(DEFAULTS, name) else None
    given |= {"preset": preset, "llm": request.llm, "reward": request.reward, "judge": request.judge}
    for name, value in given.items():
        if value is not None:
            words += [f"--{name}", str(value)]
    if settings.gate_sd is None:
        words.append("--no-gate")
    if not settings.metadata:
        words.append("--no-metadata")
    return words


def _load(preset: str, recipe: dict[str, Any]) -> Parts:
    from steer.presets import load

    with _status(f"loading the models ({preset})"):
        return load(
            preset,
            llm=recipe["llm"],
            reward=recipe["reward"],
            judge=recipe["judge"],
            threads=recipe["threads"],
        )


def _announce(parts: Parts) -> None:
    """First line of a run: which preset and why, and whether the person is simulated."""
    if parts.simulated:
        hint(
            f"simulated person: the preset {parts.preset} steers for people of a simulated world "
            f"({parts.reason}). What real ones need here: steer doctor",
            style="yellow",
        )
    else:
        hint(f"preset {parts.preset} ({parts.reason})")


def _say_who(who: Who, scorer: Any, person: Person) -> None:
    if who.kind != "known":
        hint(f"steering for {person.label}")
        return
    ids = [known.id for known in getattr(scorer, "people", ())]
    found = person.label.partition(":")[2]
    how = "participant id" if str(who.user).strip() == found else f"position {who.user} of {len(ids)}"
    hint(f"steering for {person.label} ({how})")


def _judge_person(who: Who, judge: Any) -> Person | None:
    if judge is None:
        return None
    try:
        return who.find(judge)
    except (UnknownPerson, EmptyGroup, UsageError):
        hint("the second judge does not know this person, so nothing is held out")
        return None


def _show_plan(request: Request) -> None:
    from steer import words
    from steer.plan import plan
    from steer.presets import PRESETS, choose

    name, reason = choose() if request.preset == "auto" else (request.preset, "asked for")
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name!r}; the presets are auto, {', '.join(PRESETS)}")
    p = plan(request.settings, name)
    if request.as_json:
        print_json({"schema_version": 1, "status": "planned", "plan": asdict(p)})
        return
    most = "at most " if p.may_stop_early else ""
    gpu = f", {p.gpu_gb:.0f} GB on the GPU" if p.gpu_gb else ""
    print(f"preset   {name} ({reason})")
    print(
        f"images   {most}{p.images}: the base, {p.iterations} x {request.settings.proposals} rewrites, checks"
    )
    print(f"time     {most}about {words.seconds(p.seconds)} on {p.machine}")
    print(f"memory   about {p.memory_gb:.0f} GB{gpu}")
    print(f"disk     {most}{p.disk_mb:.0f} MB in {request.out}")


def _status(text: str) -> Any:
    """A spinner on a terminal, nothing elsewhere."""
    import sys

    if not sys.stderr.isatty():
        return nullcontext()
    from steer.cli.console import err

    return err().status(text)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)

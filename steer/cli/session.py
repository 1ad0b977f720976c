"""From a request on the command line to a finished run: load, resolve, follow, report."""

from __future__ import annotations

import shlex
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from reward.errors import EmptyGroup, RewardError, UnknownPerson
from steer.cli.console import hint, print_json
from steer.cli.options import DEFAULTS
from steer.errors import SteerError, UsageError
from steer.machine.overrides import DEFAULT as AS_IS
from steer.machine.overrides import Choices
from steer.settings import DEFAULT_PROMPT, Settings, clean_prompt

if TYPE_CHECKING:
    from reward.people.person import Person
    from steer.loop.run import Run
    from steer.parts import Parts


@dataclass(frozen=True)
class Who:
    """Whose taste, as asked for; kept in the record so that a resumed run finds the same person."""

    kind: Literal["known", "profile", "group", "population"]
    user: str | None = None  # id, name of a profile, or position; of a profile in full: me@1f3a5b7c9d0e
    age: tuple[int, int] | None = None
    gender: str | None = None
    nationality: str | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Who:
        """The inverse of `dataclasses.asdict`, after JSON made lists of tuples."""
        age = data.get("age")
        return cls(**{**data, "age": None if age is None else (int(age[0]), int(age[1]))})

    def resolved(self, scorer: Any) -> Who:
        """The same, with a profile named in its present state: an exact participant id goes before it."""
        name = str(self.user).strip()
        if self.kind != "known" or any(known.id == name for known in getattr(scorer, "people", ())):
            return self
        from steer.profiles import find_state

        state = find_state(name)
        return self if state is None else replace(self, kind="profile", user=f"{state.name}@{state.hash}")

    def find(self, scorer: Any) -> Person:
        """This person as `scorer` knows them.

        Raises `UnknownPerson`, `EmptyGroup`, `UsageError`, `ProfileError`.
        """
        if self.kind == "profile":
            from steer.profiles import Profiles

            name, _, hash = str(self.user).rpartition("@")
            return Profiles().open(name).at(hash).person(scorer)
        method = {"known": "person", "group": "group", "population": "population"}[self.kind]
        if not hasattr(scorer, method):
            remedy = (
                "steer run --population" if hasattr(scorer, "population") else "name another with --reward"
            )
            raise UsageError(
                f"the reward {scorer.name} knows no people, its opinion is everybody's: {remedy}"
            )
        if self.kind == "known":
            try:
                return scorer.person(str(self.user))
            except UnknownPerson as error:
                raise UnknownPerson(f"{error}; {_no_profile()}") from None
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
    choices: Choices = AS_IS
    out: Path = Path("runs")
    plan: bool = False
    as_json: bool = False
    quiet: bool = False


def search(request: Request) -> None:
    """Run the whole request, or only plan it."""
    prompt = clean_prompt(DEFAULT_PROMPT if request.prompt is None else request.prompt)
    if request.plan:
        show_plan(request)
        return
    parts = load(request.preset, request.choices)
    request = replace(request, who=request.who.resolved(parts.scorer))
    request.who.find(parts.scorer)  # a person that nobody knows is told of before anything else
    announce(parts, request.who)
    if request.prompt is None:
        hint(f'no --prompt given, so the paper\'s is used: "{prompt}"')
    run = begin(request, prompt, parts)
    follow(run, parts, request.settings, as_json=request.as_json, quiet=request.quiet)


def begin(request: Request, prompt: str, parts: Parts) -> Run:
    """A new run folder for this request; says for whom."""
    from steer.loop.run import Run

    person = request.who.find(parts.scorer)
    _say_who(request.who, parts.scorer, person)
    # Resuming on another machine must not choose another plan: what was chosen is kept, not "auto".
    memory = getattr(parts.renderer, "memory", request.choices.memory)
    choices = replace(request.choices, memory=memory)
    recipe = {"preset": parts.preset, **choices.to_json(), "who": asdict(request.who)}
    return Run.start(
        prompt, person, parts, request.settings, request.out, _judge_person(request.who, parts.judge),
        argv=command_words(request, prompt, parts.preset), recipe=recipe,
    )  # fmt: skip


def resume(folder: Path, as_json: bool, quiet: bool) -> None:
    """Go on with an interrupted run, with exactly what it was started with."""
    from steer.cli.report import finish
    from steer.loop.run import Run
    from steer.record.folder import Record

    record = Record.read(folder)
    if record.restore():
        hint("this run is complete, nothing to do")
        finish(folder, as_json)
        return
    recipe = record.config["recipe"]
    if "who" not in recipe:
        raise UsageError(
            f"{folder.name} was started from Python; resume it there: steer.resume(folder, person, parts)"
        )
    parts = load(recipe["preset"], Choices.of(recipe))
    who = Who.from_json(recipe["who"])
    person = who.find(parts.scorer)
    announce(parts, who)
    run = Run.resume(folder, person, parts, _judge_person(who, parts.judge))
    follow(run, parts, record.settings, as_json=as_json, quiet=quiet)


def follow(
    run: Run, parts: Parts, settings: Settings, as_json: bool, quiet: bool, report: bool = True
) -> None:
    """Show a run's events, then (`report`) what it found. Ctrl-C and errors leave it resumable."""
    from steer.cli.progress import Watch, display
    from steer.cli.report import finish
    from steer.machine.estimate import expected

    watch = Watch(settings, expected(parts))
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
        from steer.pages.gallery import write_gallery

        write_gallery(run.folder)
    if report:
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
    plain = AS_IS.to_json()
    chosen = {name: value for name, value in request.choices.to_json().items() if value != plain[name]}
    given |= {"preset": preset} | {name.replace("_", "-"): value for name, value in chosen.items()}
    for name, value in given.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None:
            for each in value if isinstance(value, list) else [value]:
                words += [f"--{name}", str(each)]
    if settings.gate_sd is None:
        words.append("--no-gate")
    if not settings.metadata:
        words.append("--no-metadata")
    return words


def load(preset: str, choices: Choices) -> Parts:
    """The parts of a preset, with a word on a terminal while they load."""
    from steer.machine import presets

    with _status(f"loading the models ({preset})"):
        return presets.load(preset, **choices.to_json())


def announce(parts: Parts, who: Who) -> None:
    """First line of a run: which preset and why, and whether the person is simulated."""
    if parts.simulated:
        own = who.kind == "profile"
        whom = (
            "simulated people: the preset {} learns a taste from"
            if own
            else "simulated person: the preset {} steers for"
        )
        hint(
            f"{whom.format(parts.preset)} people of a simulated world "
            f"({parts.reason}). What real ones need here: steer doctor",
            style="yellow",
        )
    else:
        hint(f"preset {parts.preset} ({parts.reason})")


def _say_who(who: Who, scorer: Any, person: Person) -> None:
    if who.kind == "profile":
        _say_profile(scorer, person)
        return
    if who.kind != "known":
        hint(f"steering for {person.label}")
        return
    ids = [known.id for known in getattr(scorer, "people", ())]
    found = person.label.partition(":")[2]
    how = "participant id" if str(who.user).strip() == found else f"position {who.user} of {len(ids)}"
    hint(f"steering for {person.label} ({how})")


def _say_profile(scorer: Any, person: Person) -> None:
    """How many ratings a profile stands on, and how far they carry."""
    hint(f"steering for {person.label} ({person.ratings} {'rating' if person.ratings == 1 else 'ratings'})")
    if person.note:
        hint(person.note)
    elif (expected := scorer.expected_accuracy(person.ratings)) is not None:
        hint(f"to expect from so many: a rank correlation of {expected:.2f} with this person's ratings")


def _no_profile() -> str:
    """Why it is no profile either, and which there are."""
    from steer.profiles import Profiles

    names = Profiles().list()
    if not names:
        return "to make a profile of your own: steer rate me"
    return f"profiles are {', '.join(names)}"


def _judge_person(who: Who, judge: Any) -> Person | None:
    if judge is None:
        return None
    try:
        return who.find(judge)
    except (UnknownPerson, EmptyGroup, UsageError):
        hint("the second judge does not know this person, so nothing is held out")
        return None


def show_plan(request: Request) -> None:
    """What one run would take; nothing is started."""
    from steer.machine.estimate import plan
    from steer.machine.presets import choose
    from steer.pages import wording as words

    name, reason = choose(request.choices) if request.preset == "auto" else (request.preset, "asked for")
    p = plan(request.settings, name, request.choices)
    if request.as_json:
        print_json({"schema_version": 1, "status": "planned", "plan": asdict(p)})
        return
    most = "at most " if p.may_stop_early else ""
    print(f"preset   {name} ({reason})")
    print(
        f"images   {most}{p.images}: the base, {p.iterations} x {request.settings.proposals} rewrites, checks"
    )
    print(f"time     {most}about {words.seconds(p.seconds)} on {p.machine}")
    print(f"memory   about {p.memory_gb:.0f} GB")
    if p.gpu:
        for line in words.memory_plan(p.gpu):
            print(f"         {line}")
    print(f"disk     {most}{p.disk_mb:.0f} MB in {request.out}")


def _status(text: str) -> Any:
    """A spinner on a terminal, nothing elsewhere."""
    import sys

    if not sys.stderr.isatty():
        return nullcontext()
    from steer.cli.console import err

    return err().status(text)

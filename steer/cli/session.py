"""From a request on the command line to a finished run: load, resolve, follow, report."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from reward.errors import RewardError
from steer.cli import options as opt
from steer.cli.approve import ask_from_now, check_terminal, wait_for_a_word
from steer.cli.console import hint, print_json, say
from steer.cli.people_profiles import say_unreadable
from steer.errors import SteerError, UsageError
from steer.loop.confirm import UNPAIRED_NOTE, with_enough_pictures
from steer.machine.overrides import NO_OVERRIDES, Overrides
from steer.parts import honours_seeds, people_of
from steer.profiles.picks import rate_picks
from steer.record.events import Review, Stopped
from steer.record.folder import Record
from steer.settings import DEFAULT_PROMPT, DEFAULTS, Settings, clean_prompt
from steer.whom import Who

if TYPE_CHECKING:
    from steer.library import Run
    from steer.parts import Parts, Scorer


FEW_RATINGS = 40  # of a profile: with fewer it is said that choosing inside the search teaches more


@dataclass(frozen=True)
class Request:
    """Everything that one command line asks for."""

    who: Who
    prompt: opt.Prompt = None
    preset: opt.Preset = "auto"
    out: opt.Out = opt.RUNS
    settings: Settings = DEFAULTS
    overrides: Overrides = NO_OVERRIDES
    plan: opt.Plan = False
    as_json: opt.Json = False
    quiet: opt.Quiet = False
    approve: opt.Approve = False
    ask: opt.Ask = False
    name: opt.Name = None
    watch: opt.Watch = False
    config: opt.Config = None


def search(request: Request, prepare: Callable[[Parts], Parts] = lambda parts: parts) -> None:
    """Run the whole request, or only plan it; `prepare` may replace parts once they are loaded."""
    prompt = clean_prompt(DEFAULT_PROMPT if request.prompt is None else request.prompt)
    if request.plan:
        show_plan(request)
        return
    if request.approve:
        check_terminal()
    if request.name is not None:
        check_name(request.name)
    request = consent(request)
    parts = prepare(load(request.preset, request.overrides))
    request = replace(request, who=request.who.resolved(people_of(parts.scorer)))
    request.who.find(parts.scorer)  # a person that nobody knows is told of before anything else
    announce(parts, request.who)
    if request.prompt is None:
        hint(f'no --prompt given, so the paper\'s is used: "{prompt}"')
    say_marks(prompt, request.settings.seed)
    run = begin(request, prompt, parts)
    if request.approve or request.ask:
        ask_from_now(run.folder, "terminal" if request.approve else "page")
    settings = with_enough_pictures(request.settings, parts.renderer)
    with watched(run.folder) if request.watch else nullcontext():
        follow(run, parts, settings, as_json=request.as_json, quiet=request.quiet)


def consent(request: Request, runs: int = 1) -> Request:
    """Says how many pictures cost money, and asks where they are more than the limit; then they are it."""
    from steer.machine.estimate import estimate
    from steer.machine.presets import resolve

    if not request.overrides.renderer_url:
        return request
    paid = runs * estimate(request.settings, resolve(request.preset, request.overrides)).paid
    if not paid:
        return request
    count, limit = f"up to {paid} pictures, each of which is paid for", request.overrides.paid_limit
    if paid <= limit:
        hint(f"this asks for {count}", style="yellow")
        return request
    if request.as_json or not sys.stdin.isatty():
        raise UsageError(f"this asks for {count}, more than --paid-limit {limit}: raise it, or look: --plan")
    if not typer.confirm(f"This asks for {count}. Go on?", err=True):
        raise typer.Exit(1)
    return replace(request, overrides=replace(request.overrides, paid_limit=paid))


def check_name(name: str) -> None:
    """Raises `UsageError` for what is no name of a folder in another."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", name):
        raise UsageError(f"--name {name!r} is no name of a folder: use letters, digits, dots and dashes")


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """A studio that shows this run, in a process of its own; it stays until Ctrl-C."""
    from steer.pages.server import require

    require()
    words = ["studio", str(folder), "--out", str(folder.parent)]
    studio = subprocess.Popen([sys.executable, "-m", "steer", *words], stdout=sys.stderr)
    try:
        yield
        hint("the page stays open until Ctrl-C")
        with suppress(KeyboardInterrupt):
            studio.wait()
    finally:
        studio.terminate()
        studio.wait()


def begin(request: Request, prompt: str, parts: Parts) -> Run:
    """A new run folder for this request; says for whom. Of alternatives in the prompt the seed takes one."""
    from steer.gates.marks import read_marks
    from steer.library import Run

    words = command_words(request, prompt, parts.preset)
    steered = read_marks(prompt).expanded(request.settings.seed)
    run = Run.start(steered, request.who, parts, request.settings, request.out, argv=words, name=request.name)
    _say_who(request.who, parts.scorer, run.person)
    _say_judge(run, parts)
    return run


def resume(
    folder: Path,
    as_json: bool,
    quiet: bool,
    vllm_python: str | None = None,
    llm_url: str | None = None,
    renderer_url: Sequence[str] = (),
) -> None:
    """Go on with an interrupted run, with exactly what it was started with."""
    from steer.cli.report import finish
    from steer.library import Run, by_name

    record = Record.read(folder)
    if record.restore():
        hint("this run is complete, nothing to do")
        finish(folder, as_json)
        return
    preset, overrides, who = by_name(record, f"resume it there: steer.resume({str(folder)!r}, person, parts)")
    parts = load(preset, overrides.by_word(vllm_python, llm_url, renderer_url))
    run = Run.resume(folder, who, parts)
    announce(parts, who)
    _say_judge(run, parts)
    follow(run, parts, record.settings, as_json=as_json, quiet=quiet)


def follow(
    run: Run, parts: Parts, settings: Settings, as_json: bool, quiet: bool, report: bool = True
) -> None:
    """Show a run's events, then (`report`) what it found. Ctrl-C and errors leave it resumable."""
    from steer.cli.progress import display
    from steer.cli.report import finish
    from steer.machine.estimate import expected
    from steer.pages.watch import Watch

    watch = Watch(settings, expected(parts))
    again = f"steer runs resume {shlex.quote(str(run.folder))}"
    prompt = Record.read(run.folder).config["prompt"]
    try:
        with display(watch, quiet) as show, closing(iter(run)) as events:
            for event in events:
                watch.update(event)
                show(event)
                if isinstance(event, Review):
                    wait_for_a_word(run.folder, prompt, event)
        if isinstance(event, Stopped) and event.status == "interrupted":  # somebody asked for a pause
            raise KeyboardInterrupt
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
    finally:
        rate_picks(Record(run.folder))
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
    plain = {**DEFAULTS.to_json(), "preset": None, **NO_OVERRIDES.to_json()}
    chosen = {**settings.to_json(), "preset": preset, **request.overrides.to_json()}
    switches = ("gate_sd", "metadata")
    changed = {name for name in chosen if chosen[name] != plain[name] and name not in switches}
    given |= {name.replace("_", "-"): value for name, value in chosen.items() if name in changed}
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


def load(preset: str, overrides: Overrides) -> Parts:
    """The parts of a preset, with a word on a terminal while they load."""
    from steer.machine import loading

    with _status(f"loading the models ({preset})"):
        return loading.load(preset, **overrides.to_json())


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
    if who.kind == "profile":
        say_unreadable(who.state)
    if not honours_seeds(parts.renderer):
        hint(UNPAIRED_NOTE, style="yellow")


def say_marks(prompt: str, seed: int) -> None:
    """Say what in the prompt was written for other programs, if anything was, and what to use instead."""
    from steer.gates.marks import read_marks

    if line := read_marks(prompt).line(seed):
        hint(line, style="yellow")


def _say_judge(run: Run, parts: Parts) -> None:
    if parts.judge is not None and run.judge_person is None:
        hint("the second judge does not know this person, so nothing is held out")


def _say_who(who: Who, scorer: Scorer, person: Any) -> None:
    if who.kind == "profile":
        _say_profile(scorer, person)
        return
    if who.kind != "known":
        hint(f"steering for {person.label}")
        return
    ids = [known.id for known in people_of(scorer)]
    how = "participant id" if str(who.user).strip() == person.id else f"position {who.user} of {len(ids)}"
    hint(f"steering for {person.label} ({how})")


def _say_profile(scorer: Scorer, person: Any) -> None:
    """How many ratings a profile stands on, and how far they carry."""
    from steer.profiles.snapshot import predictor_of

    hint(f"steering for {person.label} ({person.ratings} {'rating' if person.ratings == 1 else 'ratings'})")
    if person.note:
        hint(person.note)
    elif (expected := predictor_of(scorer).expected_accuracy(person.ratings)) is not None:
        hint(f"to expect from so many: a rank correlation of {expected:.2f} with this person's ratings")
    if person.ratings < FEW_RATINGS:
        hint("a taste that is unlike others' takes more; choose pictures while it searches: steer studio")


def show_plan(request: Request) -> None:
    """What one run would take; nothing is started."""
    from steer.machine.estimate import estimate
    from steer.machine.presets import resolve
    from steer.pages import wording as words

    resolved = resolve(request.preset, request.overrides)
    most = estimate(request.settings, resolved)
    if request.as_json:
        print_json({"schema_version": 1, "status": "planned", "plan": asdict(most)})
        return
    limit, rewrites = "at most " if most.may_stop_early else "", request.settings.proposals
    say(f"preset   {resolved.name} ({resolved.reason})")
    say(f"images   {limit}{most.images}: the base, {most.iterations} x {rewrites} rewrites, checks")
    if most.paid:
        say(f"paid     {limit}{most.paid} pictures of a hosted model, each for money")
    say(f"time     {limit}about {words.seconds(most.seconds)} on {most.machine}")
    say(f"memory   about {most.memory_gb:.0f} GB")
    if most.gpu:
        for line in words.memory_plan(most.gpu) + (words.memory_plan(most.llm_gpu) if most.llm_gpu else []):
            say(f"         {line}")
    say(f"disk     {limit}{most.disk_mb:.0f} MB in {request.out}")


def _status(text: str) -> Any:
    """A spinner on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext()
    from steer.cli.console import err

    return err().status(text)

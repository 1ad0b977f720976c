"""`from steer import steer`: a whole run by one call, with people in hand or by name.

What has a name is written into config.json as the run's recipe: the person (`steer.whom`), and what `load`
was asked for. `steer runs resume` finds both again by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from steer.errors import UsageError
from steer.loop import run as loop
from steer.loop.run import Result
from steer.machine.overrides import Overrides
from steer.parts import Parts, PersonLike, Proposer, Renderer, Scorer, people_of
from steer.record.folder import Record
from steer.settings import Settings
from steer.whom import Who

Whom = PersonLike | Who | str  # a string is what `--user` takes: participant id, profile or position


class Run(loop.Run):
    """The loop's run (`steer.loop.run.Run`), for people by name too."""

    @classmethod
    def start(
        cls,
        prompt: str,
        person: Whom,
        parts: Parts,
        settings: Settings | None = None,
        out: str | Path = "runs",
        judge_person: PersonLike | None = None,
        argv: Sequence[str] = (),
        recipe: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Self:
        """A new run folder under `out`. Raises `PromptError`, `RecordError`, and what `Who.find` raises.

        `judge_person` is the same person as the judge knows them; one who has a name is found. `recipe` is
        kept in config.json; by default it says all that has a name. `name` is the folder's.
        """
        found, judge_person, who = _find(person, parts, judge_person)
        recipe = dict(_recipe(parts, who) if recipe is None else recipe)
        if who is not None and (said := who.corrections):
            recipe["corrections"] = [one.to_json() for one in said]
        return super().start(prompt, found, parts, settings, out, judge_person, argv, recipe, name)

    @classmethod
    def resume(
        cls, folder: str | Path, person: Whom, parts: Parts, judge_person: PersonLike | None = None
    ) -> Self:
        """Go on with a run, with the settings it was started with. A complete run is left untouched.

        Raises `RecordError`, `RunLocked`, `ResumeError`, and what `Who.find` raises.
        """
        found, judge_person, _ = _find(person, parts, judge_person)
        return super().resume(folder, found, parts, judge_person)


def steer(
    prompt: str,
    person: Whom,
    parts: Parts | None = None,
    *,
    proposer: Proposer | None = None,
    renderer: Renderer | None = None,
    scorer: Scorer | None = None,
    judge: Scorer | None = None,
    judge_person: PersonLike | None = None,
    settings: Settings | None = None,
    out: str | Path = "runs",
) -> Result:
    """Find the rewrite of `prompt` whose image `person` would rate highest; keep everything in a run folder.

    `person` is one that a scorer knows, or a name: participant id, profile or position, as `--user` takes
    them; `steer.whom.Who` names groups. `parts` come from `load("sandbox")`; each can be replaced, or all
    three given alone. Raises `SteerError`, and `UnknownPerson` for a name that nobody has; what was done
    until then can be resumed with `resume`.
    """
    run = Run.start(
        prompt, person, _fill(parts, proposer, renderer, scorer, judge), settings, out, judge_person
    )
    for _ in run:
        pass
    return run.result


def resume(folder: str | Path, person: Whom, parts: Parts, judge_person: PersonLike | None = None) -> Result:
    """Finish an interrupted run; see `Run.resume`."""
    run = Run.resume(folder, person, parts, judge_person)
    for _ in run:
        pass
    return run.result


def by_name(record: Record, remedy: str) -> tuple[str, Overrides, Who]:
    """Preset, overrides and person that a run was started with.

    Raises `UsageError` where one of them has no name; `remedy` is what to do then.
    """
    config, recipe = record.config, record.config["recipe"]
    lost = [] if "who" in recipe else [f"person ({config['person']['label']})"]
    parts = {seat: part["name"] for seat, part in config["parts"].items() if part}
    own = recipe.get("own", []) if "preset" in recipe else parts
    lost += [f"{seat} ({parts.get(seat, 'none')})" for seat in own]
    if lost:
        raise UsageError(
            f"{record.folder.name} was started from Python, and its {', '.join(lost)} cannot be found by "
            f"name; {remedy}"
        )
    return recipe["preset"], Overrides.of(recipe), Who.from_json(recipe["who"])


def _find(
    person: Whom, parts: Parts, judge_person: PersonLike | None
) -> tuple[PersonLike, PersonLike | None, Who | None]:
    """Somebody as the scorer and the judge know them, and the name by which both find them again.

    There is no name for those who were made in Python, such as someone just fitted to rated pictures.
    """
    people = people_of(parts.scorer)
    if isinstance(person, str):
        person = Who("known", user=person)
    if isinstance(person, Who):
        who = person.resolved(people)
        return who.find(parts.scorer), judge_person or who.known_to(parts.judge), who
    if person.kind == "known" and any(known.id == person.id for known in people):
        return person, judge_person, Who("known", user=person.id)
    return person, judge_person, Who("population") if person.kind == "population" else None


def _recipe(parts: Parts, who: Who | None) -> dict[str, Any]:
    """What `by_name` reads."""
    recipe: dict[str, Any] = {} if who is None else {"who": who.to_json()}
    if parts.loaded is None:
        return recipe
    own = parts.loaded.replaced(parts)
    return {**parts.loaded.asked, **recipe, **({"own": own} if own else {})}


def _fill(
    parts: Parts | None,
    proposer: Proposer | None,
    renderer: Renderer | None,
    scorer: Scorer | None,
    judge: Scorer | None,
) -> Parts:
    given: dict[str, Any] = {"proposer": proposer, "renderer": renderer, "scorer": scorer, "judge": judge}
    given = {seat: part for seat, part in given.items() if part is not None}
    if parts is not None:
        return replace(parts, **given)
    if missing := [seat for seat in ("proposer", "renderer", "scorer") if seat not in given]:
        raise UsageError(
            f"steer() lacks a {' and a '.join(missing)}: pass it by name, or parts=steer.load('sandbox')"
        )
    return Parts(**given)

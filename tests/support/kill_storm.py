"""Kill -9 at random instants, again and again: `python kill_storm.py --kills 2000 --seed 0 record study`.

A child works and says through a pipe what it was told is done; it is killed, and another one goes on from the
disk. After each kill everything that was acknowledged must be on the disk (0 lost), and nothing may be there,
or be made, a second time (0 twice).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fake_image_servers import FakeComfy
from fakes import PROMPT, FakePerson, FakeProposer, FakeRenderer, FakeScorer, fake_parts
from PIL import Image
from study_runs import make_runs

from steer import Record, Run, Settings
from steer.machine.loading import TOGETHER
from steer.profiles import Profile, Profiles
from steer.record.events import Event, Proposed
from steer.record.folder import list_runs
from steer.record.png import load_whole
from steer.renderer.servers.comfyui import ComfyUI
from steer.renderer.servers.http import Http
from steer.renderer.servers.kind import Asked
from steer.renderer.servers.renderer import ServerRenderer
from steer.study.answers import OpenStudy, read_raters
from steer.study.design import Design, make_design, read_design
from steer.sweep.plan import Plan, extend_plan, read_plan, somebody
from steer.sweep.prompts import Line
from steer.sweep.work import missing
from steer.sweep.work import work as work_off
from steer.whom import Who

Say = Callable[[Any], None]
SETTINGS = Settings(iterations=2, proposals=4, confirm=2, patience=0, seed=7)


class Storm:
    """Children that are killed, and what was found after each."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._reach = 0.05  # seconds within which the next kill comes
        self.kills = self.acknowledged = 0

    def kill(self, *works: Callable[[Say], None]) -> tuple[list[Any], bool]:
        """Let children work, and kill them at once; what they said, and whether all had ended."""
        read, write = os.pipe()
        children = [child for work in works if (child := _child(work, read, write))]
        os.close(write)
        time.sleep(self._rng.uniform(0, self._reach))
        for child in children:
            os.kill(child, signal.SIGKILL)
        ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert set(ended) <= {0, -signal.SIGKILL}, f"a child failed: {ended}"
        with open(read, "rb") as pipe:  # noqa: PTH123 - a descriptor, not a path
            said = [json.loads(line) for line in pipe.read().split(b"\n")[:-1]]
        done = ended == [0] * len(children)
        self.kills += len(ended) - ended.count(0)
        self.acknowledged += len(said)
        # Neither only before anything happens nor only after: the machine may be busy.
        self._reach *= 1.3 if not said else 0.5 if done else 0.98
        self._reach = min(5.0, max(0.01, self._reach))
        return said, done


def _child(work: Callable[[Say], None], read: int, write: int) -> int:
    child = os.fork()
    if child:
        return child
    try:
        os.close(read)
        work(lambda what: _write(write, what))
    except BaseException:  # noqa: BLE001 - the child of a fork never returns
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _write(pipe: int, what: Any) -> None:
    os.write(pipe, json.dumps(what).encode() + b"\n")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


# --- a run


class Saying:
    """Parts that say what they are asked for."""

    def __init__(self, say: Say) -> None:
        outer = self
        self.say = say

        class Renderer(FakeRenderer):
            def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image.Image]:
                for image, prompt, seed in zip(super().render(prompts, seeds), prompts, seeds, strict=True):
                    outer.say(["render", prompt, seed])
                    yield image

        class Proposer(FakeProposer):
            def propose(self, prompt: str, memory: Any, n: int, seed: int) -> list[str]:
                outer.say(["propose", seed])
                return super().propose(prompt, memory, n, seed)

        self.parts = fake_parts(
            renderer=Renderer(),
            proposer=Proposer(),
            scorer=FakeScorer(off=0.15, nan=0.08),  # some pictures off the prompt, some without a score
            judge=FakeScorer(),
        )


def _outcome(folder: Path) -> dict[str, Any]:
    return {key: value for key, value in Record.read(folder).result.items() if key not in ("run", "seconds")}


def _name(event: Event) -> list[Any] | None:
    return None if event.key is None else [event.event, *event.key]


def storm_record(folder: Path, storm: Storm, kills: int) -> None:
    """Runs, from their first byte to their result."""
    unbroken = Run.start(PROMPT, FakePerson(), Saying(lambda _: None).parts, SETTINGS, folder / "unbroken")
    list(unbroken)
    expected = _outcome(unbroken.folder)
    out = folder / "runs"
    while storm.kills < kills:
        done = False
        shutil.rmtree(out, ignore_errors=True)
        while not done and storm.kills < kills:
            found = [path.parent for path in out.glob("*/config.json")]
            assert len(found) <= 1, "a run was begun twice"
            record = Record(found[0]) if found else None
            images = [load_whole(path) for path in record.folder.glob("images/*.png")] if record else []
            assert None not in images, "half a picture"
            there = {(chunk["prompt"], chunk["seed"]) for _, chunk in filter(None, images)}
            asked = [event.seed for event in record.events if isinstance(event, Proposed)] if record else []

            def work(say: Say, record: Record | None = record) -> None:
                parts = Saying(say).parts
                if record is None:
                    run = Run.start(PROMPT, FakePerson(), parts, SETTINGS, out)
                else:
                    run = Run.resume(record.folder, FakePerson(), parts)
                for event in run:
                    if not event.replayed:
                        say(["event", _name(event)])

            said, done = storm.kill(work)
            for what, *rest in said:
                if what == "render":
                    assert tuple(rest) not in there, f"rendered twice: {rest}"
                elif what == "propose":
                    assert rest[0] not in asked, f"asked twice: {rest}"
            found = [path.parent for path in out.glob("*/config.json")]
            again = Record(found[0]) if found else None
            names = [str(name) for event in again.events if (name := _name(event))] if again else []
            assert again is None or again.unreadable == 0, "a line is damaged"
            assert max(Counter(names).values(), default=1) == 1, "an event is there twice"
            told = {str(rest[0]) for what, *rest in said if what == "event" and rest[0] is not None}
            assert told <= set(names), f"lost: {told - set(names)}"
        if done:
            assert again is not None and _outcome(again.folder) == expected, "ends otherwise than unbroken"


# --- a run on a server


def storm_comfyui(folder: Path, storm: Storm, kills: int) -> None:
    """Runs whose pictures a ComfyUI makes, which goes on while they die: nothing is asked for twice."""
    unbroken = Run.start(PROMPT, FakePerson(), fake_parts(), SETTINGS, folder / "unbroken")
    list(unbroken)
    expected = _outcome(unbroken.folder)
    out = folder / "runs"
    with FakeComfy() as comfy:
        comfy.delay = 0.002
        while storm.kills < kills:
            done = False
            shutil.rmtree(out, ignore_errors=True)
            comfy.restart()
            comfy.posted.clear()
            while not done and storm.kills < kills:
                found = [path.parent for path in out.glob("*/config.json")]

                def work(say: Say, found: list[Path] = found) -> None:
                    kind = ComfyUI([Http(comfy.url)], None, Asked(16, 16), "sd")
                    parts = fake_parts(renderer=ServerRenderer(kind), beside=TOGETHER)
                    if found:
                        run = Run.resume(found[0], FakePerson(), parts)
                    else:
                        run = Run.start(PROMPT, FakePerson(), parts, SETTINGS, out)
                    for event in run:
                        if not event.replayed:
                            say(["event", _name(event)])

                said, done = storm.kill(work)
                twice = {id: count for id, count in Counter(comfy.posted).items() if count > 1}
                assert not twice, f"asked for twice: {twice}"
                found = [path.parent for path in out.glob("*/config.json")]
                names = [str(_name(event)) for event in Record(found[0]).events] if found else []
                told = {str(rest[0]) for what, *rest in said if what == "event" and rest[0] is not None}
                assert told <= set(names), f"lost: {told - set(names)}"
            if done:
                assert _outcome(found[0]) == expected, "ends otherwise than unbroken"


# --- a profile


def _picture(number: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (2, 2), (number % 256, number // 256 % 256, number // 65536)).save(data, "PNG")
    return data.getvalue()


def storm_profile(folder: Path, storm: Storm, kills: int) -> None:
    """Two processes that rate into one profile, from before there is one."""
    round_, told = 0, dict[int, float]()
    while storm.kills < kills:
        if len(told) > 300 or not round_:  # a fresh one now and then: the first moments count too
            round_, told = round_ + 1, {}
        profiles = Profiles(folder / f"profiles-{round_}")
        begun = len(profiles.open("me").ratings) if "me" in profiles else 0

        def work(say: Say, first: int, begun: int = begun, profiles: Profiles = profiles) -> None:
            profile = profiles.open_or_create("me")
            for number in range(first + 2 * begun, first + 2 * begun + 200, 2):
                value = 1 + number % 5
                profile.rate(_picture(number), value, source="storm", prompt=str(number))
                say([number, value])

        said, _ = storm.kill(lambda say: work(say, 0), lambda say: work(say, 1))
        told |= dict(said)
        if "me" not in profiles:
            assert not told, "a profile is lost"
            continue
        profile = profiles.open("me")
        lines = _lines(profile.folder / "ratings.jsonl")
        ids, numbers = Counter(line["id"] for line in lines), Counter(int(line["prompt"]) for line in lines)
        assert max(ids.values(), default=1) == 1, "an id was given twice"
        assert max(numbers.values(), default=1) == 1, "a rating is there twice"
        _all_there(profile, told)


def _all_there(profile: Profile, told: dict[int, float]) -> None:
    assert profile.unreadable == 0, "a line is damaged"
    kept = {int(rating.prompt): rating.rating for rating in profile.ratings}
    assert told.items() <= kept.items(), f"lost: {told.items() - kept.items()}"
    for rating in profile.ratings:
        assert profile.path(rating).read_bytes() == _picture(int(rating.prompt)), "a picture is lost or torn"


# --- a study


def storm_study(folder: Path, storm: Storm, kills: int) -> None:
    """Raters who answer all their pairs, one after the other."""
    design = make_design(make_runs(folder / "runs", size=16), folder / "studies")
    told: dict[tuple[str, int], str] = {}
    number = 0
    while storm.kills < kills:
        if number > 20:
            shutil.rmtree(design.folder / "answers")
            (design.folder / "answers").mkdir(mode=0o700)
            number, told = 0, {}

        def work(say: Say, first: int = number) -> None:
            with OpenStudy(read_design(design.folder)) as study:
                for rater_number in range(first, first + 20):
                    rater = study.begin(f"rater {rater_number}")
                    while (pair := rater.next) is not None:
                        answer = ("left", "right", "tie")[(pair + rater_number) % 3]
                        study.answer(rater.key, pair, answer, 1.0)
                        say([rater.key, pair, answer])

        said, _ = storm.kill(work)
        told |= {(key, pair): answer for key, pair, answer in said}
        number = max(number, _check_answers(design, told))


def _check_answers(design: Design, told: dict[tuple[str, int], str]) -> int:
    """How many raters have answered everything."""
    raters = read_raters(design)
    assert raters.unreadable == 0, "a line is damaged"
    kept = {(key, number): given.answer for key, r in raters.items() for number, given in r.given.items()}
    assert told.items() <= kept.items(), f"lost: {told.items() - kept.items()}"
    for path in (design.folder / "answers").glob("*.jsonl"):
        lines = _lines(path)
        pairs = Counter((line["left"], line["right"]) for line in lines if "left" in line)
        assert max(pairs.values(), default=1) == 1, "an answer is there twice"
        assert sum("rater" in line for line in lines) <= 1, "a rater is there twice"
    return sum(rater.next is None for rater in raters.values())


# --- a sweep


def storm_sweep(folder: Path, storm: Storm, kills: int) -> None:
    """Two processes on one sweep, from before there is a plan: they share pictures, and no run."""
    unbroken = _planned(folder / "unbroken", Saying(lambda _: None).parts)
    list(work_off(unbroken, unbroken.cells, Saying(lambda _: None).parts, lambda _: ()))
    expected = {cell.name: _outcome(unbroken.run_folder(cell)) for cell in unbroken.cells}
    out, done, told = folder / "sweep", True, set[str]()
    while storm.kills < kills:
        if done:
            shutil.rmtree(out, ignore_errors=True)
            told.clear()

        def work(say: Say) -> None:
            def watch(of: Any, happened: Event) -> None:
                if not happened.replayed and happened.key is not None:
                    say(f"{of.name} {_name(happened)}")

            parts = Saying(lambda _: None).parts
            plan = _planned(out, parts)
            for one in work_off(plan, list(missing(plan, plan.cells)), parts, lambda _: (), watch):
                assert one.status != "error", one.error

        said, _ = storm.kill(work, work)
        assert len(said) == len(set(said)) and not told & set(said), "something was done twice"
        told |= set(said)
        if not (out / "plan.jsonl").exists():
            assert not told, "a plan is lost"
            continue
        plan = read_plan(out)
        names: list[str] = []
        for record in list_runs(plan.runs):
            assert record.unreadable == 0 and all(map(load_whole, record.folder.glob("images/*.png")))
            names += [f"{record.folder.name} {name}" for event in record.events if (name := _name(event))]
        assert len(names) == len(set(names)), "an event is there twice"
        assert told <= set(names), f"lost: {told - set(names)}"
        done = bool(plan.lines) and all(plan.record(cell).complete for cell in plan.cells)
        if done:
            found = {cell.name: _outcome(plan.run_folder(cell)) for cell in plan.cells}
            assert found == expected, "ends otherwise than unbroken"


def _planned(folder: Path, parts: Any) -> Plan:
    people = [somebody(Who("known", user=name), parts.scorer) for name in ("3", "17")]
    lines = [Line(prompt, SETTINGS) for prompt in (PROMPT, "a deer")]
    return extend_plan(folder, parts, SETTINGS, people, lines)


SUBJECTS: dict[str, Callable[[Path, Storm, int], None]] = {
    "record": storm_record,
    "comfyui": storm_comfyui,
    "profile": storm_profile,
    "study": storm_study,
    "sweep": storm_sweep,
}


def main() -> None:
    """Kills of each subject; ends with 1 where something is lost or there twice."""
    parser = argparse.ArgumentParser(description="Kill what writes, and look at what is left.")
    parser.add_argument("subjects", nargs="*", default=list(SUBJECTS), help=", ".join(SUBJECTS))
    parser.add_argument("--kills", type=int, default=2000, help="of each subject")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for subject in given.subjects:
        storm = Storm(random.Random(f"{given.seed}:{subject}"))
        with tempfile.TemporaryDirectory() as folder:
            try:
                SUBJECTS[subject](Path(folder), storm, given.kills)
            except AssertionError as error:
                sys.exit(f"{subject}: after {storm.kills} kills: {error}")
        print(
            f"{subject}: {storm.kills} kills, {storm.acknowledged} acknowledged, 0 lost, 0 twice", flush=True
        )


if __name__ == "__main__":
    main()

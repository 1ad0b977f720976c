"""Do corrections of a taste move a search as they say, and are they gone once they are undone?

    python benchmarks/corrections.py --build FOLDER --out runs/corrections

FOLDER is what `steer sandbox build` made. A fresh simulated person, whom no data set holds, rates 20 of its
validation paintings into a profile on disk. One iteration of guided search (8 rewrites, 128x128) runs without
corrections; then with each of ten alone: never and strike of what the search used or told most, always in
words that are not in the bank, pin of what is not sure. Then with all ten, then after ten undos. Rewrites are
drawn from the bank by chance and not written by a language model: what is measured is what steer does with
them. Done steps are kept.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, machine, write_json

from steer.gates.looks import draw_looks, looks, with_look
from steer.gates.text import says
from steer.library import Run
from steer.machine.loading import load
from steer.parts import Parts, Scored
from steer.profiles import Profile, Profiles
from steer.profiles.corrections import Change
from steer.profiles.snapshot import predictor_of
from steer.profiles.taste import profile_taste
from steer.record.events import Forecasted, TasteRead
from steer.record.folder import Record
from steer.sandbox.make import dataset as sandbox
from steer.sandbox.make.build import Layout
from steer.sandbox.renderer import SandboxRenderer
from steer.sandbox.truth.raters import Raters
from steer.sandbox.truth.world import Table, World
from steer.settings import Settings
from steer.taste import Taste

SEED, RATINGS, SIDE = 900_006, 20, 128
PROMPT = "floating mossy rocks"
SETTINGS = Settings(iterations=1, proposals=8, confirm=0, finalists=0, patience=0)
OWN = ("soft fog", "chalk dust", "paper cutout")


class Bank:
    """Rewrites drawn from the bank of looks, the same for the same seed."""

    name = "the bank of looks, by chance"

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        return [f"1. {with_look(prompt, look)}" for look in draw_looks(looks(), n, random.Random(seed))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/corrections"))
    args = parser.parse_args()
    loaded = load("sandbox")
    renderer = loaded.renderer
    assert isinstance(renderer, SandboxRenderer)
    painter = SandboxRenderer(renderer.reader, renderer.threads, SIDE)
    parts = Parts(
        Bank(), painter, loaded.scorer, similarity=loaded.similarity, embed=loaded.embed, preset="sandbox"
    )
    profile = rated(Layout(args.build), args.out / "profiles")
    found = {"machine": machine(), **measure(parts, profile, args.out)}
    write_json(RESULTS / "corrections.json", found)
    print(json.dumps(found["summary"], indent=1))


def measure(parts: Parts, profile: Profile, out: Path) -> dict[str, Any]:
    """Every step's run, found or made."""
    while profile.corrections.undo():  # of a benchmark that was stopped
        pass
    person = profile.person(parts.scorer)

    def run(name: str) -> Record:
        said = [one.to_json() for one in profile.corrections.in_force]
        folder = out / "runs" / name
        if folder.exists() and Record(folder).complete:
            return Record(folder)
        recipe = {"corrections": said} if said else {}
        running = (
            Run.resume(folder, person, parts)
            if folder.exists()
            else Run.start(PROMPT, person, parts, SETTINGS, out / "runs", recipe=recipe, name=name)
        )
        for _ in running:
            pass
        print(name, flush=True)
        return Record(folder)

    before = run("before")
    ten = chosen(before, profile, parts)
    rows = []
    for number, change in enumerate(ten):
        profile.corrections.say(change)
        after = run(f"{number:02}-{change.verb}-{change.phrase.replace(' ', '-')}")
        rows.append({"said": str(change), **moved(change, before, after)})
        profile.corrections.undo()
    for change in ten:
        profile.corrections.say(change)
    everything = run("all")
    together = [{"said": str(change), **moved(change, before, everything)} for change in ten]
    undone = sum(bool(profile.corrections.undo()) for _ in range(10))
    again = run("undone")
    return {
        "summary": {
            "as_told_alone": sum(row["as_told"] for row in rows),
            "as_told_together": sum(row["as_told"] for row in together),
            "of": len(ten),
            "undone": undone,
            "the_same_after_undo": picture_prompts(again) == picture_prompts(before)
            and taste_of(again) == taste_of(before),
            "named_in_the_record": len(taste_of(everything).corrections),
        },
        "alone": rows,
        "together": together,
    }


def chosen(before: Record, profile: Profile, parts: Parts) -> list[Change]:
    """Ten corrections that go against what the search does by itself."""
    rewrites, taste = added(before), taste_of(before)
    used = sorted(taste.likings, key=lambda one: -sum(one.phrase in text for text in rewrites))
    never = [Change("never", one.phrase) for one in used[:3]]
    gone = {change.phrase for change in never}
    left = [one for one in sorted(taste.likings, key=lambda one: -one.strength) if one.phrase not in gone]
    strike = [Change("strike", one.phrase) for one in left[:2]]
    unsure = [one for one in left[2:] if not one.sure and all(one.phrase not in text for text in rewrites)]
    read = profile_taste(profile.state, predictor_of(parts.scorer))
    pin = [read.change("pin", one.phrase) for one in unsure if one.own > 0][:2]
    return [*never, *(Change("always", phrase) for phrase in OWN), *strike, *pin]


def moved(change: Change, before: Record, after: Record) -> dict[str, Any]:
    """How many rewrites say the phrase before and after, and whether that is what was asked for."""
    then, now = (sum(says(text, change.phrase) for text in added(one)) for one in (before, after))
    count, taste = len(added(after)), taste_of(after)
    told = any(says(line.partition(" ")[2], change.phrase) for line in taste.lines)
    expected = {
        "never": now == 0,
        "always": now >= 0.8 * count and told,
        "pin": told and now > then,
        "strike": not told and taste.strengths[change.phrase] == 0 and now <= then,
    }
    return {"rewrites": count, "before": then, "after": now, "told": told, "as_told": expected[change.verb]}


def added(record: Record) -> list[str]:
    """What the rewrites that were chosen add to the prompt."""
    event = next(one for one in record.events if isinstance(one, Forecasted))
    return [str(one["prompt"]).removeprefix(PROMPT) for one in event.chosen]


def picture_prompts(record: Record) -> list[tuple[str, float | None]]:
    return [(candidate.prompt, candidate.score) for candidate in record.candidates]


def taste_of(record: Record) -> Taste:
    event = next(one for one in record.events if isinstance(one, TasteRead))
    return Taste.from_json(event.likings, event.corrections)


def rated(layout: Layout, folder: Path) -> Profile:
    """The profile, made once."""
    profiles = Profiles(folder)
    if "simulated" in profiles and len(profiles.open("simulated").ratings) == RATINGS:
        return profiles.open("simulated")
    raters = Raters.sample(1, SEED, World.load().constants)
    _, prompts = sandbox.read_scenes(layout.scenes)
    rng = np.random.default_rng(SEED)
    pictures = rng.permutation(np.array(sandbox.image_range("val")))[:RATINGS]
    ratings = raters.rate(Table.load(layout.measured).rows(pictures).expected(raters), rng)[0]
    profile = profiles.open_or_create("simulated")
    for picture, rating in zip(pictures, ratings, strict=True):
        profile.rate(layout.image(int(picture)), float(rating), prompt=prompts[picture], source="sandbox")
    return profile


if __name__ == "__main__":
    main()

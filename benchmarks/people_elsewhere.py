"""Does steering help people of other kinds than the sandbox's, known by 15 noisy ratings each?

    python benchmarks/people_elsewhere.py --out runs/search --half choose --search guided
    python benchmarks/people_elsewhere.py --out runs/search --half report    # once all is chosen

The 40 people of `raters_elsewhere.py`, whose tastes are functions of pixels or of scene records and know
nothing of any predictor. Each rates 15 of 300 pictures, drawn at random, with a reliability of 0.6; a CSV
file of them is read into a profile as `steer people import` reads it. Then a run for each on two prompts, 3
x 12 and 5 x 20. Winner, base and the population's winner of the same search are judged on the 4
confirmation seeds by the person's own taste without noise, in standard deviations of that person over the
300 pictures. Beside it stand blind phrases at 40 renders, and the best of all prompts judged here.
Intervals draw people. Resumable; --out may be the folder of `search.py`, whose pictures and replies are
used.

With `--choosing` each of them also searches a second time and chooses after every round, by one look at each
picture as noisy as their ratings: up to two hearts, a quarter buried, more like the best (as in `picks.py`).
Beside it stands what they would take from the blind pictures by such a look, without predictor and search.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import picks
from arms import SEEDS, blind_course, blind_prompts, loop_settings
from common import RESULTS, clustered, machine, write_json
from raters_elsewhere import HALVES, RELIABILITY, SEED, Rater, Tastes, features_of, rated, raters

from steer.experiments.caches import digest, sources_of
from steer.experiments.lab import Lab, Reward, open_lab
from steer.profiles import Profile, Profiles
from steer.profiles.transfer import CSV, read_ratings
from steer.record.events import Rendered
from steer.record.files import slug
from steer.record.folder import Record
from steer.sandbox.read.captions import prompt as caption
from steer.sandbox.scene import draw
from steer.sandbox.truth.world import spearman
from steer.settings import Settings

PICTURES, PICTURES_SEED = 300, 900_011
RATINGS = 15
BUDGETS = ("3x12", "5x20")
BLIND = 40  # renders
COMPARED = ("gain", "less_population", "less_alone", "favourite", "looked", "blind", "blind_less_population")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/search"))
    parser.add_argument("--half", choices=HALVES, default=HALVES[0])
    parser.add_argument("--search", choices=("paper", "guided"), default="guided")
    parser.add_argument("--budgets", nargs="+", choices=BUDGETS, default=BUDGETS)
    parser.add_argument("--prompts", type=int, default=2)
    parser.add_argument("--people", type=int, help="the first few of each family", default=None)
    parser.add_argument("--choosing", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS / "people_elsewhere.json")
    args = parser.parse_args()
    lab = open_lab(args.out)
    people = [r for r in raters(args.half) if args.people is None or int(r.name[-1]) // 2 < args.people]
    gallery = Gallery(lab)
    tastes = gallery.tastes(people)
    profiles = [imported(gallery, tastes, i, args.out / "people-elsewhere") for i in range(len(people))]
    quality = [told(gallery, tastes, i, profile) for i, profile in enumerate(profiles)]
    rows: list[dict[str, Any]] = []
    for prompt in lab.plan.prompts[: args.prompts]:
        for budget in args.budgets:
            rows += steered(gallery, tastes, profiles, prompt, args.search, budget, args.choosing)
            found = summary(rows)
            report = {
                "machine": machine(),
                "predictor": lab.scorer.sha256,
                "half": args.half,
                "ratings": RATINGS,
                "reliability": RELIABILITY,
                "profile_rank_correlation": {r.name: q for r, q in zip(people, quality, strict=True)},
                "summary": found,
                "runs": rows,
            }
            write_json(args.results.with_stem(f"{args.results.stem}_{args.half}_{args.search}"), report)
    print("rank correlation of profiles with tastes, mean:", round(float(np.mean(quality)), 3))
    print(json.dumps(found, indent=1))


class Gallery:
    """The pictures that are rated, and what the families of raters see in any picture."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        rngs = [np.random.default_rng((PICTURES_SEED, i)) for i in range(PICTURES)]
        self.pairs = [(caption(draw(rng), rng), int(rng.integers(2**31 - 1))) for rng in rngs]
        self._names = sorted(features_of(np.zeros((64, 64, 3), np.uint8)))
        self.images = lab.images(self.pairs)
        self._made_by = sources_of("raters_elsewhere")

    def features(self, pairs: Sequence[tuple[str, int]]) -> list[dict[str, float]]:
        """Of the pictures of (prompt, seed); computed once."""
        keys = [digest(["features", self._made_by, self.lab.renderer.key(*pair)]) for pair in pairs]

        def measure(missing: list[int]) -> list[list[float]]:
            images = self.lab.images([pairs[i] for i in missing])
            found = [features_of(np.asarray(image)) for image in images]
            return [[one[name] for name in self._names] for one in found]

        rows = self.lab.store.rows(keys, measure)
        return [dict(zip(self._names, map(float, row), strict=True)) for row in rows]

    def tastes(self, people: Sequence[Rater]) -> Tastes:
        return Tastes(
            people, self.features(self.pairs), [self.lab.renderer.scene(*pair) for pair in self.pairs]
        )

    def judged(self, tastes: Tastes, prompts: Iterable[str]) -> dict[str, np.ndarray]:
        """Tastes [people] for each prompt, mean over the confirmation's seeds."""
        found: dict[str, np.ndarray] = {}
        for text in dict.fromkeys(prompts):
            pairs = [(text, seed) for seed in SEEDS]
            scenes = [self.lab.renderer.scene(*pair) for pair in pairs]
            found[text] = tastes.of(self.features(pairs), scenes).mean(1)
        return found


def imported(gallery: Gallery, tastes: Tastes, number: int, folder: Path) -> Profile:
    """One person's profile, made once: ratings by way of a CSV file, as `steer people import` reads it."""
    rater = tastes.people[number]
    rng = np.random.default_rng((SEED, 1, *rater.name.encode()))
    chosen = [gallery.pairs[i] for i in rng.choice(PICTURES, RATINGS, replace=False)]
    scenes = [gallery.lab.renderer.scene(*pair) for pair in chosen]
    ratings = rated(tastes.of(gallery.features(chosen), scenes)[number], rng)
    name = f"{rater.name}-{gallery._made_by}"
    profiles = Profiles(folder / "profiles")
    if name in profiles and len(profiles.open(name).ratings) == RATINGS:
        return profiles.open(name)
    table = folder / "ratings" / name
    table.mkdir(parents=True, exist_ok=True)
    with (table / CSV).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "rating", "prompt"))
        for place, (pair, rating) in enumerate(zip(chosen, ratings, strict=True)):
            gallery.lab.images([pair])[0].save(table / f"{place:02}.png")
            writer.writerow((f"{place:02}.png", rating, pair[0]))
    profile = profiles.open_or_create(name)
    profile.rate_all(read_ratings(table / CSV))
    return profile


def told(gallery: Gallery, tastes: Tastes, number: int, profile: Profile) -> float:
    """Rank correlation of the profile's predictions with the person's taste over the pictures."""
    reward = reward_of(gallery.lab, profile)
    scenes = [gallery.lab.renderer.scene(*pair) for pair in gallery.pairs]
    taste = tastes.of(gallery.features(gallery.pairs), scenes)[number]
    scores = [
        reward.scorer.score([image], text, reward.person)[0]
        for image, (text, _) in zip(gallery.images, gallery.pairs, strict=True)
    ]
    return round(spearman(taste, np.array(scores)), 3)


def reward_of(lab: Lab, profile: Profile) -> Reward:
    return Reward(profile.name, lab.scorer, profile.person(lab.predictor))


def steered(
    gallery: Gallery,
    tastes: Tastes,
    profiles: Sequence[Profile],
    prompt: str,
    search: str,
    budget: str,
    choosing: bool,
) -> list[dict[str, Any]]:
    """Every person's runs on one prompt, and what the person thinks of what they found."""
    lab, named = gallery.lab, f"{search} {budget}"
    settings = loop_settings(named)
    rewards = [*(reward_of(lab, profile) for profile in profiles), lab.population()]
    pool = blind_prompts(prompt, BLIND)
    images = lab.images([(text, Settings().seed) for text in pool])
    runs, blind = [], []
    for reward in rewards:
        runs.append(lab.run(reward, prompt, settings).result)
        scores = np.array(reward.scorer.score(images, prompt, reward.person))
        blind.append(blind_course(pool, scores, BLIND).winner)
    arms = {named: runs}
    looks = [look_of(gallery, tastes, i, settings.seed) for i in range(len(tastes.people))]
    favourites: list[str] = []
    if choosing:
        records = [chosen(gallery, rewards[i], prompt, settings, look) for i, look in enumerate(looks)]
        arms[f"{named}, choosing"] = [record.result for record in records]
        favourites = [liked_best(record, look) for record, look in zip(records, looks, strict=True)]
    winners = [str(run["best"]["prompt"]) for arm in arms.values() for run in arm]
    true = gallery.judged(tastes, [*pool, *winners, *favourites])
    everybodys = str(runs[-1]["best"]["prompt"])
    rows = []
    for arm, found in arms.items():
        for i, (rater, run) in enumerate(zip(tastes.people, found, strict=False)):  # the population is last
            gains = {text: float(taste[i] - true[prompt][i]) for text, taste in true.items()}
            winner = str(run["best"]["prompt"])
            rows.append(
                {
                    "search": arm,
                    "person": rater.name,
                    "family": rater.family,
                    "prompt": prompt,
                    "winner": winner,
                    "renders": run["renders"],
                    "gain": round(gains[winner], 4),
                    "less_population": round(gains[winner] - gains[everybodys], 4),
                    "blind": round(gains[blind[i]], 4),
                    "blind_less_population": round(gains[blind[i]] - gains[blind[-1]], 4),
                    "looked": round(gains[pool[int(np.argmax(looks[i](pool)))]], 4),
                    "best_known": round(max(gains.values()), 4),
                }
            )
            if found is not runs:
                alone = str(runs[i]["best"]["prompt"])
                rows[-1]["less_alone"] = round(gains[winner] - gains[alone], 4)
                rows[-1]["favourite"] = round(gains[favourites[i]], 4)
            print(json.dumps(rows[-1]), flush=True)
    return rows


def look_of(
    gallery: Gallery, tastes: Tastes, number: int, seed: int
) -> Callable[[Sequence[str]], np.ndarray]:
    """How pictures strike a person, by prompt: their taste, and noise as in a rating of theirs."""
    name = tastes.people[number].name

    def look(prompts: Sequence[str]) -> np.ndarray:
        pairs = [(text, seed) for text in prompts]
        scenes = [gallery.lab.renderer.scene(*pair) for pair in pairs]
        noise = [np.random.default_rng(picks.hash_of(name, text)).standard_normal() for text in prompts]
        taste = tastes.of(gallery.features(pairs), scenes)[number]
        return taste + np.sqrt(1 / RELIABILITY - 1) * np.array(noise)

    return look


def chosen(
    gallery: Gallery,
    reward: Reward,
    prompt: str,
    settings: Settings,
    look: Callable[[Sequence[str]], np.ndarray],
) -> Record:
    """One person's run with choices after every round."""
    folder = gallery.lab.folder / "picked" / f"elsewhere-{settings.iterations}x{settings.proposals}"
    who = reward.name.removesuffix(f"-{gallery._made_by}")
    name = f"{who}-{slug(prompt)}-{gallery._made_by}"
    return picks.choosing(gallery.lab, reward, prompt, settings, folder / name, look)


def liked_best(record: Record, look: Callable[[Sequence[str]], np.ndarray]) -> str:
    """The rewrite that struck the person best of all that the run painted, whatever was predicted of it."""
    shown = list(
        dict.fromkeys(e.prompt for e in record.events if isinstance(e, Rendered) and e.role == "candidate")
    )
    return shown[int(np.argmax(look(shown)))]


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Each search over all people and prompts, and by family; intervals draw people."""
    found: dict[str, Any] = {}
    for search in dict.fromkeys(row["search"] for row in rows):
        mine = [row for row in rows if row["search"] == search]
        people = [row["person"] for row in mine]

        def compared(name: str, mine: list = mine, people: list[str] = people) -> dict[str, float]:
            values = np.array([row[name] for row in mine])
            return {"beaten": round(float((values > 0).mean()), 4), **clustered(values, people)}

        found[search] = {
            "runs": len(mine),
            "renders": round(float(np.mean([row["renders"] for row in mine])), 1),
            **{name: compared(name) for name in COMPARED if name in mine[0]},
            "best_known": round(float(np.mean([row["best_known"] for row in mine])), 4),
            "gain_by_family": {
                family: round(float(np.mean([row["gain"] for row in mine if row["family"] == family])), 4)
                for family in dict.fromkeys(row["family"] for row in mine)
            },
        }
    return found


if __name__ == "__main__":
    main()

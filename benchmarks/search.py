"""How much taste does each way to search find per render? The sandbox knows.

    python benchmarks/search.py --out runs/search               # 20 users x 6 prompts, all arms
    python benchmarks/search.py --out runs/search --part 1/2    # only make runs; beside it --part 2/2
    python benchmarks/search.py --out runs/search --fill        # only pictures and replies
    python benchmarks/search.py --out runs/search --skip 3 --results benchmarks/results/search-4-6.json
    python benchmarks/search.py --together benchmarks/results/search.json benchmarks/results/search-4-6.json
    python benchmarks/search.py --population 2 --build FOLDER --users 10 --prompts 3

Arms: the paper's loop, 5 x 20 ("paper 5x20"); guided search at several budgets, once with rewrites drawn from
the bank of looks in place of the language model's; blind phrases, which know nobody: two to four strong look
phrases of a bank drawn at random, no language model and no image gate, the best predicted picture wins,
plainly or after the best few were rendered on two fresh seeds ("finalists"), also with exactly as many
renders as each guided run took. A render is every picture that a search looked at: base, gate, candidates,
finalists; not those of the confirmation. Every arm also searches for the population.

A winner is judged by the person's true expected rating, mean of the 4 confirmation seeds, less the base's.
Pictures have 256 pixels, what the raters measure at and more than the encoder sees; painting them at 512, as
`steer run` does, takes four times as long. Pictures, replies, scores and runs are kept in --out by what they
were made of: the script can be stopped and started at any time, in several processes, and a new predictor
finds all pictures there. Results are written after each prompt. `--population` takes a predictor that
`benchmarks/predictor.py --build FOLDER --populations 2 3` has trained, and writes results of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from arms import (
    BLIND,
    FRESH,
    GUIDED,
    LOOPS,
    NO_MODEL,
    PAPER,
    POPULATION,
    SEEDS,
    Course,
    blind_prompts,
    courses,
    lab_of,
    loop_settings,
    means,
    reward_of,
)
from common import RESULTS, clustered, machine, write_json
from predictor import beside
from steering import HALF

from reward.reproduce.plots import GREY, OTHER, OWN, THIRD, drawing, titled
from steer.experiments.figure8 import BASE, ComparedPicture, judge, unseen_seed
from steer.experiments.lab import Lab, open_lab
from steer.machine.loading import load
from steer.parts import Scored
from steer.sandbox.make.build import Layout
from steer.sandbox.truth.world import Truth, World
from steer.settings import Settings
from steer.study.bradley_terry import rank

USERS, PROMPTS = 20, 6
GRID = (*range(1, 11), 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120)  # renders


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/search"))
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--skip", type=int, help="leave out the first few prompts", default=0)
    parser.add_argument("--loops", nargs="+", help='as in "guided 3x12"', default=LOOPS)
    parser.add_argument("--part", help="i/n: make every n-th run, and no results", default="")
    parser.add_argument("--fill", action="store_true", help="only what no predictor is asked for")
    parser.add_argument("--population", type=int, default=1)
    parser.add_argument("--build", type=Path, help="of another population")
    parser.add_argument("--results", type=Path, help="file to write", default=None)
    parser.add_argument("--together", type=Path, nargs="+", help="only: gains of several results, as one")
    args = parser.parse_args()
    if args.together:
        print(json.dumps(together(args.together), indent=1))
        return
    if args.users < 2:
        parser.error("--users must be 2 or more: winners are compared with other users'")
    lab = open_population(args.out, args.population, args.build)
    prompts = lab.plan.prompts[args.skip : args.prompts]
    people = [*lab.users[: args.users], POPULATION]
    wanted = {name: loop_settings(name) for name in args.loops}
    if args.fill:
        for prompt in prompts:
            fill(lab, prompt)
        return
    if args.part:
        part, of = (int(number) for number in args.part.split("/"))
        for number, (prompt, who) in enumerate((prompt, who) for prompt in prompts for who in people):
            for name, settings in wanted.items() if number % of == part - 1 else ():
                run = lab_of(lab, name).run(reward_of(lab, who), prompt, settings)
                print(name, prompt, who, run.result["best"]["prompt"], flush=True)
        return
    name = "search" if args.population == 1 else f"search-{args.population}"
    measure(lab, people, prompts, wanted, args.results or RESULTS / f"{name}.json")


def measure(
    lab: Lab,
    people: Sequence[str],
    prompts: Sequence[str],
    wanted: dict[str, Settings],
    path: Path,
) -> None:
    """Make what is missing, judge it, and write what is known after each prompt."""
    rows: list[dict[str, Any]] = []
    lines: dict[str, list[np.ndarray]] = {}
    winners: dict[str, dict[str, dict[str, str]]] = {}
    users = people[:-1]
    for number, prompt in enumerate(prompts, 1):
        found = courses(lab, prompt, people, wanted)
        judged = Judged(lab, prompt, found)
        rows += judged.rows()
        for arm, of_arm in judged.curves().items():
            lines.setdefault(arm, []).append(of_arm)
        for arm, by_person in found.items():
            winners.setdefault(arm, {})[prompt] = {who: course.winner for who, course in by_person.items()}
        curves = {arm: curve(parts) for arm, parts in lines.items()}
        report: dict[str, Any] = {
            "machine": machine(),
            "predictor": lab.scorer.sha256,
            "people": len(users),
            "prompts": prompts[:number],
            "summary": summary(rows),
            "differences": differences(rows),
            "gain_after_renders": {
                arm: {str(n): round(float(line[n - 1]), 3) for n in GRID if n <= len(line)}
                for arm, line in curves.items()
            },
            "renders_to_the_gain_of_paper": reached(curves),
        }
        if number == len(prompts):
            report["elo"] = {arm: elo(lab, winners[arm], users) for arm in winners if arm in wanted}
        write_json(path, {**report, "gains": gains_of(rows)})
        draw(report, curves, path.with_suffix(".png"), lab.label)
        print(prompt, json.dumps({a: s["gain"]["mean"] for a, s in report["summary"].items()}), flush=True)
    print(json.dumps({key: report[key] for key in ("summary", "differences")}, indent=1))


def open_population(out: Path, population: int, build: Path | None) -> Lab:
    """The shipped predictor and its people, or those that `benchmarks/predictor.py` trained and drew."""
    if population == World.load().raters_seed:
        return open_lab(out)
    if build is None:
        raise SystemExit("--population needs --build: train it with benchmarks/predictor.py --populations")
    world = World.load()
    predictor = beside(Layout(build), population).predictor
    return Lab(out, load("sandbox", reward=str(predictor)), Truth(world, world.participants(population)))


def fill(lab: Lab, prompt: str) -> None:
    """Pictures, measurements and replies that every predictor will ask for again."""
    pool = blind_prompts(prompt, max(BLIND))
    seed = Settings().seed
    lab.images([(prompt, other) for other in (*Settings().gate_seeds, *FRESH)])
    means(lab, pool)
    at_first = lab.proposer.propose(prompt, [Scored(prompt, 0.0)], 20, Settings().llm_seed_of(1, 0))
    print(prompt, len(lab.images([(text, seed) for text in pool])), "pictures,", len(at_first), "replies")


# ---- what was found, judged ----


class Judged:
    """All courses of one prompt with the truth about their pictures."""

    def __init__(self, lab: Lab, prompt: str, found: dict[str, dict[str, Course]]) -> None:
        self.lab, self.prompt, self.found = lab, prompt, found
        everything = [course for one in found.values() for course in one.values()]
        self.true = means(lab, [prompt, *(text for course in everything for _, text in course.steps)])
        self.on_seed = means(lab, [t for course in everything for t in course.candidates], [Settings().seed])
        self.people = [who for who in next(iter(found.values())) if who != POPULATION]
        self.subjects = [lab.renderer.scene(prompt, seed).subject for seed in SEEDS]
        self._kept: dict[str, float] = {}

    def rows(self) -> list[dict[str, Any]]:
        """One for each arm and user."""
        found = []
        for arm, by_person in self.found.items():
            for who in self.people:
                course, row = by_person[who], self._row_of(who)
                gain = self._gain(who, course.winner)
                on_seed = np.array([self.on_seed[text][row] for text in course.candidates])
                on_seed_gain = self.on_seed[course.winner][row] - self.on_seed[self.prompt][row]
                others = [by_person[other].winner for other in self.people if other != who]
                less = [gain - self._gain(who, other) for other in others]
                found.append(
                    {
                        "arm": arm,
                        "prompt": self.prompt,
                        "user": who,
                        "winner": course.winner,
                        "winner_is_base": course.winner == self.prompt,
                        "renders": course.renders,
                        "gain": round(gain, 4),
                        "claimed": round(course.claimed, 4),
                        "confirmed": round(self._confirmed(who, course.winner), 4),
                        "less_population": round(gain - self._gain(who, by_person[POPULATION].winner), 4),
                        "less_others": round(float(np.mean(less)), 4),
                        "others_won": won(less),
                        "gain_on_seed": round(float(on_seed_gain), 4),
                        "attainable_on_seed": round(float(on_seed.max() - self.on_seed[self.prompt][row]), 4),
                        "best_known": round(
                            max(float(t[row]) for t in self.true.values())
                            - float(self.true[self.prompt][row]),
                            4,
                        ),
                        "same_subject": self._same_subject(course.winner),
                        "passed": len(course.candidates) - 1,
                        "gated": len(course.gated),
                        "falsely_gated": sum(self._shows_subject(text) for text in course.gated),
                    }
                )
        return found

    def curves(self) -> dict[str, np.ndarray]:
        """True gain after each render [users, renders], by arm; the last value of a search stays."""
        longest = max(course.renders for one in self.found.values() for course in one.values())
        found = {}
        for arm, by_person in self.found.items():
            lines = np.zeros((len(self.people), longest))
            for line, who in zip(lines, self.people, strict=True):
                for renders, text in by_person[who].steps:
                    line[renders - 1 :] = self._gain(who, text)
            found[arm] = lines
        return found

    def _row_of(self, who: str) -> int:
        return self.lab.raters.ids.index(who)

    def _gain(self, who: str, text: str) -> float:
        row = self._row_of(who)
        return float(self.true[text][row] - self.true[self.prompt][row])

    def _confirmed(self, who: str, text: str) -> float:
        """Predicted gain on the confirmation's seeds."""
        reward = reward_of(self.lab, who)
        pairs = [(one, seed) for one in (self.prompt, text) for seed in SEEDS]
        scores = np.array(reward.scorer.score(self.lab.images(pairs), self.prompt, reward.person))
        return float(scores[len(SEEDS) :].mean() - scores[: len(SEEDS)].mean())

    def _same_subject(self, text: str) -> float:
        """Share of the confirmation's pictures that show what the base's do, by the scene records."""
        if text not in self._kept:
            shown = [self.lab.renderer.scene(text, seed).subject for seed in SEEDS]
            self._kept[text] = float(np.mean([a == b for a, b in zip(shown, self.subjects, strict=True)]))
        return self._kept[text]

    def _shows_subject(self, text: str) -> bool:
        """What the image gate rejected, on the search's own seed."""
        seed = Settings().seed
        same = (
            self.lab.renderer.scene(text, seed).subject == self.lab.renderer.scene(self.prompt, seed).subject
        )
        return bool(same)


def won(differences: Sequence[float]) -> float:
    """Share above 0; a difference below `HALF` is half a win."""
    d = np.asarray(differences)
    return round(float(np.mean(np.where(np.abs(d) < HALF, 0.5, d > 0))), 4)


def share(part: Sequence[float], whole: Sequence[float], clusters: Sequence[str]) -> dict[str, float] | None:
    """Sum of `part` by sum of `whole` with a 95% percentile bootstrap that draws whole clusters.

    None where `whole` is no gain at all.
    """
    if np.sum(whole) <= 0:
        return None
    names, index = np.unique(clusters, return_inverse=True)
    drawn = np.random.default_rng(0).integers(0, len(names), (2000, len(names)))
    parts, wholes = (np.bincount(index, values)[drawn].sum(1) for values in (part, whole))
    low, high = np.quantile(parts[wholes > 0] / wholes[wholes > 0], (0.025, 0.975))
    mean = float(np.sum(part) / np.sum(whole))
    return {"mean": round(mean, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Each arm over all of its rows, intervals clustered by user."""
    found = {}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        users = [row["user"] for row in mine]

        def column(name: str, mine: list[dict[str, Any]] = mine) -> list[float]:
            return [row[name] for row in mine]

        found[arm] = {
            "runs": len(mine),
            "renders": round(float(np.mean(column("renders"))), 1),
            "gain": {"won": won(column("gain")), **clustered(column("gain"), users)},
            "less_population": {
                "won": won(column("less_population")),
                **clustered(column("less_population"), users),
            },
            "less_others": {
                "won": round(float(np.mean(column("others_won"))), 4),
                **clustered(column("less_others"), users),
            },
            "share_of_attainable_on_seed": share(column("gain_on_seed"), column("attainable_on_seed"), users),
            "share_of_best_known": share(column("gain"), column("best_known"), users),
            "survives": share(column("confirmed"), column("claimed"), users),
            "same_subject": round(float(np.mean([row["same_subject"] == 1 for row in mine])), 4),
            "winner_is_base": sum(column("winner_is_base")),
            "image_gate": {
                "rejected": sum(column("gated")),
                "of": sum(column("gated")) + sum(column("passed")),
                "falsely": sum(column("falsely_gated")),
            },
        }
    return found


def differences(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Gain of each arm less the paper's loop's; of guided ones, less blind phrases' at equal renders."""
    gains = {
        arm: {(prompt, user): gain for prompt, users in prompts.items() for user, gain in users.items()}
        for arm, prompts in gains_of(rows).items()
    }
    pairs = [(arm, PAPER) for arm in gains if PAPER in gains and arm != PAPER]
    pairs += [(GUIDED, NO_MODEL)] if GUIDED in gains and NO_MODEL in gains else []
    pairs += [(arm, blind) for arm in gains if (blind := f"blind with finalists, as {arm}") in gains]
    found = {}
    for first, second in pairs:
        both = [key for key in gains[first] if key in gains[second]]
        users = [user for _, user in both]
        of_first, of_second = ([gains[arm][key] for key in both] for arm in (first, second))
        found[f"{first} - {second}"] = {
            **clustered(np.subtract(of_first, of_second), users),
            "ratio": share(of_first, of_second, users),
        }
    return found


def gains_of(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """True gain by arm, prompt and user."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        found.setdefault(row["arm"], {}).setdefault(row["prompt"], {})[row["user"]] = row["gain"]
    return found


def together(results: Sequence[Path]) -> dict[str, Any]:
    """Gains and their differences over the prompts of several results, of the arms that all of them have."""
    rows: list[dict[str, Any]] = []
    found = [json.loads(path.read_text(encoding="utf-8"))["gains"] for path in results]
    for gains in found:
        for arm in set.intersection(*map(set, found)):
            rows += [
                {"arm": arm, "prompt": prompt, "user": user, "gain": gain}
                for prompt, users in gains[arm].items()
                for user, gain in users.items()
            ]
    rows.sort(key=lambda row: row["arm"])
    gains_by_arm: dict[str, Any] = {}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        gains = [row["gain"] for row in mine]
        gains_by_arm[arm] = {
            "runs": len(mine),
            "won": won(gains),
            **clustered(gains, [row["user"] for row in mine]),
        }
    return {"gain": gains_by_arm, "differences": differences(rows)}


def reached(curves: dict[str, np.ndarray]) -> dict[str, int]:
    """After how many renders each arm's mean true gain is first what the paper's loop ends with."""
    wanted = curves[PAPER][-1] if PAPER in curves else np.inf
    return {arm: int(np.argmax(line >= wanted)) + 1 for arm, line in curves.items() if line[-1] >= wanted}


def curve(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Mean true gain after 1, 2, ... renders, over prompts of [users, renders]."""
    longest = max(part.shape[1] for part in parts)
    lines = np.concatenate([np.pad(p, ((0, 0), (0, longest - p.shape[1])), "edge") for p in parts])
    return np.asarray(lines.mean(0))


def elo(lab: Lab, winners: dict[str, dict[str, str]], users: Sequence[str]) -> dict[str, Any]:
    """Figure 8's design with these owners and the population's winners, on a seed that no search saw."""
    pictures = {
        prompt: [
            ComparedPicture(BASE, prompt),
            *(ComparedPicture(who, by_person[who]) for who in (*users, POPULATION)),
        ]
        for prompt, by_person in winners.items()
    }
    ranking = rank(judge(lab, pictures, users, unseen_seed(Settings()), 0), resamples=300)
    return {
        "comparisons": ranking.comparisons,
        "elo": {name: asdict(score) for name, score in ranking.elo.items()},
        "differences": {name: asdict(score) for name, score in ranking.differences.items()},
    }


def draw(report: dict[str, Any], curves: dict[str, np.ndarray], path: Path, label: str) -> None:
    """True gain against renders: lines as if a search had been stopped, marks where it ended."""
    with drawing(path, 7.2, 4.4) as figure:
        axes = figure.subplots()
        for arm, line in curves.items():
            end = report["summary"][arm]
            if "finalists, as" in arm:
                continue
            guided, blind = arm.startswith("guided"), arm.startswith("blind")
            colour = OWN if guided else OTHER if blind else THIRD
            if "with finalists" in arm:
                axes.plot(end["renders"], end["gain"]["mean"], "D", color=colour, ms=5)
                at = end["renders"], end["gain"]["mean"]
                axes.annotate("finalists", at, (-14, 6), textcoords="offset points", fontsize=7, color=colour)
                continue
            shown = line[: max(1, round(end["renders"]))]
            axes.plot(range(1, len(shown) + 1), shown, color=colour, lw=1.4, alpha=0.8)
            axes.plot(end["renders"], end["gain"]["mean"], "o", color=colour, ms=4)
            if not blind or arm == f"blind {max(BLIND)}":
                name = "blind phrases" if blind else arm
                axes.annotate(name, (len(shown), shown[-1]), (4, -8), textcoords="offset points", fontsize=8)
        axes.axhline(0, color=GREY, lw=0.8)
        axes.set_xlabel("pictures rendered (base, gate and finalists counted)")
        axes.set_ylabel("true gain over the base, rating points")
        note = f"{report['people']} users, {len(report['prompts'])} prompts"
        titled(figure, "Taste found against renders", label, note)


if __name__ == "__main__":
    main()

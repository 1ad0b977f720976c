"""What steering does to pictures, iteration by iteration, under several rewards (section 5).

The same loop runs for people, for the population and for other rewards, none of which is built to fail. Each
of the paper's statements about it becomes a number with an interval; `claims` holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from reward.evaluation.metrics import Interval
from reward.reproduce.reproduction import Progress, silent
from steer.compare.pixels import NAMES, looks
from steer.loop.confirm import paired_interval
from steer.parts import BASE_ID
from steer.record.events import IterationDone
from steer.record.folder import Record
from steer.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from steer.experiments.lab import Lab, Reward

OWN, POPULATION, YOUNG, OLD, AGREEMENT = "own", "population", "youngest", "oldest", "agreement"
KINDS = (OWN, POPULATION, YOUNG, OLD, AGREEMENT)
GENERIC = (POPULATION, YOUNG, AGREEMENT)  # one opinion for everybody, as the paper's other rewards have
MEASURES = (
    "saturation",
    "contrast",
    "realism",
    "adherence",
    "subject kept",
    "true rating",
    "everyone's rating",
)
FRESH = 4  # seeds that no search saw, on which the winners are measured


@dataclass(frozen=True)
class Steered:
    """One run: what its best picture so far was like after each iteration, the base first."""

    kind: str
    user: str  # whom it was made for; "" where for nobody in particular
    prompt: str
    winner: str
    course: np.ndarray  # [iterations + 1, MEASURES] on the seed of the search; true ratings by `judges`
    fresh: np.ndarray  # [2, MEASURES] base and winner, means over the fresh seeds
    moved: bool  # the winner has another lighting, angle or distance than the base, on the search's seed
    moved_anyway: float  # share of all its scored rewrites that have
    others: float = float("nan")  # true rating of the other people's winners by this one, on the fresh seeds


@dataclass(frozen=True)
class Line:
    """Mean over prompts of a kind's change against the base prompt, by iteration; intervals over prompts."""

    kind: str
    measure: str
    change: list[Interval]  # iterations + 1; the first is 0


@dataclass(frozen=True)
class Figure6:
    """All runs, their courses, and what they say about the paper's statements."""

    users: list[str]
    prompts: list[str]
    iterations: int
    proposals: int
    runs: list[Steered]
    lines: list[Line]
    realism_slope: Interval  # see `_realism_slope`


def figure6(
    lab: Lab,
    users: Sequence[str],
    prompts: Sequence[str],
    settings: Settings,
    progress: Progress = silent,
) -> Figure6:
    """Run, or find, every reward's run of every prompt, and measure them.

    `users` are steered for, each with every prompt; generic rewards run once for each prompt and are judged
    by the same people. Everything that is made stays in the lab, from where an interrupted call goes on.
    """
    runs: list[Steered] = []
    slopes: list[float] = []
    total = len(prompts) * (len(users) + len(KINDS) - 1)
    for prompt in prompts:
        made = []
        for kind, user, reward in rewards(lab, users):
            record = lab.run(reward, prompt, settings)
            judges = [user] if user else list(users)
            made.append(_measure(lab, kind, user, judges, record))
            if kind == POPULATION:
                slopes.append(_realism_slope(lab, record))
            progress("runs", len(runs) + len(made), total)
        runs += _by_others(lab, made, fresh_seeds(record))
    lines = [
        Line(kind, measure, _course(runs, kind, place))
        for kind in KINDS
        for place, measure in enumerate(MEASURES)
    ]
    return Figure6(
        users=list(users),
        prompts=list(prompts),
        iterations=settings.iterations,
        proposals=settings.proposals,
        runs=runs,
        lines=lines,
        realism_slope=over(slopes),
    )


def rewards(lab: Lab, users: Sequence[str]) -> list[tuple[str, str, Reward]]:
    """(kind, user, reward) of everything that is steered by."""
    ages = sorted(int(age) for p in lab.predictor.people if (age := p.demographics.get("age")))
    oldest = lab.group(age=(ages[len(ages) - (len(ages) + 3) // 4], ages[-1]))
    agreement = lab.other(
        "agreement",
        Agreement(lab.scorer),
        lab.predictor.population(),
        f"agreement-{lab.scorer.sha256}",
    )
    return [
        *((OWN, user, lab.personal(user)) for user in users),
        (POPULATION, "", lab.population()),
        (YOUNG, "", lab.youngest()),
        (OLD, "", oldest),
        (AGREEMENT, "", agreement),
    ]


class Agreement:
    """A reward for how well a picture shows its prompt and nothing else: the encoder's cosine."""

    name = "image-text agreement"

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder

    def score(self, images: Sequence[Image], prompt: str, person: Any) -> list[float]:
        """See `steer.parts.Scorer`; cosines, the same for every person."""
        return [float(value) for value in self._encoder.adherence(images, prompt)]


def over(values: Sequence[float]) -> Interval:
    """Mean over prompts (or people) with a 95% t interval; infinitely wide for a single one."""
    ci = paired_interval([float(value) for value in values])
    low, high = ci if ci is not None else (float("-inf"), float("inf"))
    return Interval(float(np.mean(values)), low, high)


# ---- parts ----


def _measure(lab: Lab, kind: str, user: str, judges: Sequence[str], record: Record) -> Steered:
    prompt = str(record.config["prompt"])
    settings = record.config["settings"]
    seed = int(settings["seed"])
    by_id = {c.id: c for c in record.candidates}
    best = [e.best for e in record.events if isinstance(e, IterationDone)]
    ids = [BASE_ID, *best] + (best or [BASE_ID])[-1:] * (int(settings["iterations"]) - len(best))
    course = [by_id[id].prompt for id in ids]  # a search that stopped early stays where it was
    distinct = list(dict.fromkeys(course))
    rows = dict(zip(distinct, _figures(lab, prompt, [(p, seed) for p in distinct], judges), strict=True))
    winner = course[-1]
    seeds = fresh_seeds(record)
    fresh = [_figures(lab, prompt, [(p, s) for s in seeds], judges).mean(0) for p in (prompt, winner)]
    scored = [
        c.prompt for c in by_id.values() if c.id != BASE_ID and c.score is not None and c.reason is None
    ]
    moved = [_moved(lab, prompt, candidate, seed) for candidate in scored]
    return Steered(
        kind=kind,
        user=user,
        prompt=prompt,
        winner=winner,
        course=np.stack([rows[p] for p in course]),
        fresh=np.stack(fresh),
        moved=_moved(lab, prompt, winner, seed),
        moved_anyway=float(np.mean(moved)) if moved else 0.0,
    )


def _by_others(lab: Lab, runs: Sequence[Steered], seeds: Sequence[int]) -> list[Steered]:
    """The runs of one prompt, the personal ones with what their owners give the other people's winners."""
    own = [run for run in runs if run.kind == OWN]
    if len(own) < 2:
        return list(runs)
    pairs = [(run.winner, seed) for run in own for seed in seeds]
    by_winner = lab.truth(pairs).reshape(-1, len(own), len(seeds)).mean(2)  # [people, winners]
    filled = []
    for run in runs:
        if run.kind == OWN:
            rated = by_winner[lab.raters.ids.index(run.user)]
            run = replace(
                run, others=float(np.mean([t for t, o in zip(rated, own, strict=True) if o is not run]))
            )
        filled.append(run)
    return filled


def fresh_seeds(record: Record) -> tuple[int, ...]:
    """Seeds that the run never saw, whether it confirmed its winner or not."""
    return replace(Settings.from_json(record.config["settings"]), confirm=FRESH).confirm_seeds


def _figures(lab: Lab, prompt: str, pairs: Sequence[tuple[str, int]], judges: Sequence[str]) -> np.ndarray:
    """[pictures, MEASURES] of (candidate, seed)."""
    images = lab.images(pairs)
    scenes = [lab.renderer.scene(*pair) for pair in pairs]
    subjects = [lab.renderer.scene(prompt, seed).subject for _, seed in pairs]
    pixels = looks(images)
    truth = lab.truth(pairs)
    rows = [lab.raters.ids.index(judge) for judge in judges]
    columns = [
        pixels[:, NAMES.index("saturation")],
        pixels[:, NAMES.index("contrast")],
        [scene.realism for scene in scenes],
        lab.scorer.adherence(images, prompt),
        [float(scene.subject == subject) for scene, subject in zip(scenes, subjects, strict=True)],
        truth[rows].mean(0),
        truth.mean(0),
    ]
    return np.column_stack([np.asarray(column, np.float64) for column in columns])


def _moved(lab: Lab, prompt: str, candidate: str, seed: int) -> bool:
    base, scene = lab.renderer.scene(prompt, seed), lab.renderer.scene(candidate, seed)
    return (base.lighting, base.angle) != (scene.lighting, scene.angle) or abs(
        base.distance - scene.distance
    ) > 0.15


def _realism_slope(lab: Lab, record: Record) -> float:
    """By how much everyone's true rating rises from no realism to full, over a run's scored pictures."""
    seed = int(record.config["settings"]["seed"])
    prompts = list(dict.fromkeys(c.prompt for c in record.candidates if c.score is not None))
    pairs = [(prompt, seed) for prompt in prompts]
    realism = np.array([lab.renderer.scene(*pair).realism for pair in pairs])
    rating = lab.truth(pairs).mean(0)
    spread = float(((realism - realism.mean()) ** 2).sum())
    return float(((realism - realism.mean()) * rating).sum() / spread) if spread > 1e-9 else 0.0


def _course(runs: Sequence[Steered], kind: str, place: int) -> list[Interval]:
    """Mean change against the base by iteration, users averaged within a prompt, intervals over prompts."""
    mine = [run for run in runs if run.kind == kind]
    prompts = list(dict.fromkeys(run.prompt for run in mine))
    changes = np.array(
        [
            np.mean([run.course[:, place] - run.course[0, place] for run in mine if run.prompt == p], axis=0)
            for p in prompts
        ]
    )
    return [over(column) for column in changes.T]

"""Two finished runs of one prompt, side by side: what each winner changed, and whether the tastes differ.

Groups are the case that it is made for (paper, section 5 and Figure 7), but any two people can be compared.
Plain values only: `steer.pages.versus` draws them, the command line prints them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reward.errors import ImageError
from reward.people.groups import SMALL, Apart, apart
from reward.pictures import read_image
from steer.compare.pixels import STATISTICS, looks
from steer.compare.prompt_diff import Segment, prompt_diff
from steer.errors import RecordError, UsageError
from steer.loop.confirm import paired_interval
from steer.parts import BASE_ID, KnowsPopulation, MeasuresAdherence, PersonLike, Scorer, ScoresPeople
from steer.record.folder import Record

if TYPE_CHECKING:
    from PIL.Image import Image

SCHEMA_VERSION = 1
PICTURES = 48  # of both searches, on which tastes are compared
READ = 0.5  # sd over the pictures of both searches; a smaller change of a reading is not told


# What a picture is described by, along the axes on which taste moves: light, weather, angle, palette, medium.
LOOKS = (
    "golden hour light", "blue moonlight", "soft overcast light", "dramatic storm clouds", "thick fog",
    "low camera angle", "seen from above", "extreme close-up", "wide distant view",
    "vivid saturated colours", "muted earth colours", "black and white", "pastel palette",
    "realistic photograph", "oil painting", "watercolour", "ukiyo-e woodblock print",
    "shallow depth of field", "symmetrical composition", "high contrast",
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One figure of two sets of pictures, paired by seed."""

    name: str
    before: float
    after: float
    difference: float
    ci95: tuple[float, float] | None  # over seeds; None for a single one
    words: str  # "" where the change is too small to see or its interval holds 0


@dataclass(frozen=True)
class PairRatings:
    """What one person is predicted to give the three pictures; means over the seeds."""

    label: str
    base: float
    left: float
    right: float
    right_over_left: float
    ci95: tuple[float, float] | None  # of right_over_left, over seeds


@dataclass(frozen=True)
class Side:
    """One of the two runs."""

    label: str
    short: str  # without world and size
    kind: str
    size: int | None  # how many known people stand behind it; None where that has no meaning
    run: str  # name of its folder
    prompt: str  # the winner's
    winner_is_base: bool
    added: list[str]  # what the winner says beyond the base prompt
    diff: list[Segment]
    base_score: float  # predicted for this side on the seed of the search
    best_score: float
    verdict: str | None  # of the confirmation
    images: list[str]  # of the winner, relative to the run's folder: the search's seed, then the fresh ones
    changes: list[Change]  # of the winner against the base prompt
    readings: list[Change]
    apart: Apart | None  # from everybody else whom the predictor knows
    apart_words: str
    warning: str


@dataclass(frozen=True)
class Versus:
    """The whole comparison."""

    prompt: str
    simulated: bool
    seeds: list[int]
    base_images: list[str]  # relative to the left run's folder
    left: Side
    right: Side
    changes: list[Change]  # of the right winner against the left one
    readings: list[Change]
    ratings: list[PairRatings]  # by left, right and, where the scorer knows it, the population
    between: Apart | None  # the people of one side against those of the other
    between_words: str

    def to_json(self) -> dict[str, Any]:
        """One object, as `versus.json` holds it."""
        return {"schema_version": SCHEMA_VERSION, "status": "complete", **asdict(self)}


def compare(
    left: Record,
    right: Record,
    scorer: Scorer,
    people: tuple[PersonLike, PersonLike],
    members: tuple[Sequence[int] | None, Sequence[int] | None] = (None, None),
) -> Versus:
    """Compare two complete runs of one prompt from the same image seed.

    `members` are the rows of `scorer.people` that stand behind each person; None where it is no group.
    Raises `UsageError` for runs that have no common ground, `RecordError` for missing pictures.
    """
    _check(left, right)
    prompt = str(left.config["prompt"])
    runs = (left, right)
    base = _pictures(left, BASE_ID)
    best = [_pictures(run, run.result["best"]["id"]) for run in runs]
    opened = [_open(left, base), *(_open(run, names) for run, names in zip(runs, best, strict=True))]
    figures = [looks(images) for images in opened]
    sample = _sample(runs)
    readings = _readings(scorer, prompt, opened, sample)
    known = _known(scorer, prompt, sample, members)
    sides = []
    for i, (run, person) in enumerate(zip(runs, people, strict=True)):
        difference, sentence = _against_the_rest(known, members[i], _short(person))
        sides.append(
            _side(run, person, best[i], figures[0], figures[i + 1], readings, i + 1, difference, sentence)
        )
    between, between_words = _between(known, members, sides)
    return Versus(
        prompt=prompt,
        simulated=bool(left.config["simulated"]),
        seeds=_seeds(left),
        base_images=base,
        left=sides[0],
        right=sides[1],
        changes=changes(figures[1], figures[2]),
        readings=_reading_changes(readings, 1, 2),
        ratings=_ratings(scorer, prompt, people, opened),
        between=between,
        between_words=between_words,
    )


def changes(before: np.ndarray, after: np.ndarray) -> list[Change]:
    """What changed between pictures of the same seeds; both [seeds, statistics] as `pictures.looks` gives."""
    found = []
    for i, statistic in enumerate(STATISTICS):
        difference = after[:, i] - before[:, i]
        mean, ci = float(difference.mean()), paired_interval(difference.tolist())
        seen = abs(mean) >= statistic.visible and (ci is None or ci[0] > 0 or ci[1] < 0)
        say = (statistic.more if mean > 0 else statistic.less) if seen else ""
        found.append(
            Change(statistic.name, float(before[:, i].mean()), float(after[:, i].mean()), mean, ci, say)
        )
    return found


def apart_words(who: str, found: Apart, others: str = "the other known people") -> str:
    """Whether a group differs, in a sentence; one that is not shown to differ is said not to."""
    agreement = signed(found.correlation)
    if found.ci95 is not None:
        agreement += f" [{signed(found.ci95[0])}, {signed(found.ci95[1])}]"
    measured = (
        f"over {found.images} pictures the mean predicted ratings of {found.size} and of {found.others} "
        f"people correlate {agreement}; of random groups of these sizes, 95% correlate above "
        f"{signed(found.chance_limit)}"
    )
    who = who[:1].upper() + who[1:]
    if found.differs:
        return f"{who} differs from {others}: {measured}."
    meaning = "What its run found may be anybody's taste."
    return f"{who} is not shown to differ from {others}: {measured}. {meaning}"


def signed(value: float) -> str:
    """A correlation with two decimals and a true minus sign."""
    return f"{value:.2f}".replace("-", "−")


# ---- parts ----


def _check(left: Record, right: Record) -> None:
    for run in (left, right):
        if not run.complete:
            raise UsageError(
                f"{run.folder.name} is not complete; go on with it first: steer runs resume {run.folder}"
            )
    same = [
        ("prompt", left.config["prompt"], right.config["prompt"]),
        ("image seed", left.config["seeds"]["image"], right.config["seeds"]["image"]),
        ("renderer", left.config["parts"]["renderer"], right.config["parts"]["renderer"]),
        ("predictor", left.config["parts"]["scorer"], right.config["parts"]["scorer"]),
    ]
    for what, one, other in same:
        if one != other:
            raise UsageError(
                f"{left.folder.name} and {right.folder.name} have not the same {what}, so their pictures "
                "cannot be compared; see: steer runs list"
            )


def _seeds(run: Record) -> list[int]:
    confirm = run.result["confirm"]
    return [int(run.config["seeds"]["image"]), *(confirm["seeds"] if confirm else ())]


def _pictures(run: Record, id: str) -> list[str]:
    """The candidate's picture, then those on the fresh seeds."""
    result, seat = run.result, "baseline" if id == BASE_ID else "best"
    fresh = result["confirm"][f"{seat}_images"] if result["confirm"] else []
    return [str(result[seat]["image"]), *map(str, fresh)]


def _open(run: Record, names: Sequence[str]) -> list[Image]:
    advice = "copy the run folder again, or make the runs anew"
    try:
        return [read_image(run.folder / name, advice) for name in names]
    except ImageError as error:
        raise RecordError(str(error)) from error


def _sample(runs: tuple[Record, Record]) -> list[Image]:
    """Pictures that either search made, each once, evenly over both; those off the subject are taste too."""
    found: dict[str, tuple[Record, str]] = {}
    for run in runs:
        for c in run.candidates:
            if c.image is not None and c.score is not None:
                found.setdefault(c.prompt, (run, c.image))
    chosen = list(found.values())
    places = np.linspace(0, len(chosen) - 1, min(PICTURES, len(chosen))).round().astype(int)
    return [_open(chosen[i][0], [chosen[i][1]])[0] for i in places]


def _readings(
    scorer: Scorer, prompt: str, opened: Sequence[Sequence[Image]], sample: Sequence[Image]
) -> list[np.ndarray] | None:
    """How much pictures read like each look, [seeds, looks] for each set; in sd over the sample.

    By the predictor's image-text encoder, zero-shot. A picture's mean over all looks is taken off, so that
    showing more of the subject counts for none of them.
    """
    if not isinstance(scorer, MeasuresAdherence) or len(sample) < 3:
        return None
    every = [*sample, *(image for images in opened for image in images)]
    table = np.array([scorer.adherence(every, f"{prompt}, {words}") for words in LOOKS], float).T
    table = table - table.mean(1, keepdims=True)
    spread = table[: len(sample)].std(0)
    if not np.isfinite(table).all() or (spread < 1e-9).any():
        return None
    table = (table - table[: len(sample)].mean(0)) / spread
    found, start = [], len(sample)
    for images in opened:
        found.append(table[start : start + len(images)])
        start += len(images)
    return found


def _reading_changes(readings: list[np.ndarray] | None, before: int, after: int) -> list[Change]:
    """Looks that one set reads more or less like than the other, the clearest first."""
    if readings is None:
        return []
    found = []
    for i, name in enumerate(LOOKS):
        one, other = readings[before][:, i], readings[after][:, i]
        mean, ci = float((other - one).mean()), paired_interval((other - one).tolist())
        if abs(mean) >= READ and (ci is None or ci[0] > 0 or ci[1] < 0):
            say = f"{'more' if mean > 0 else 'less'} like {name}"
            found.append(Change(name, float(one.mean()), float(other.mean()), mean, ci, say))
    return sorted(found, key=lambda change: -abs(change.difference))


def _known(
    scorer: Scorer, prompt: str, sample: Sequence[Image], members: Sequence[Sequence[int] | None]
) -> np.ndarray | None:
    """Predicted ratings [known people, pictures], where there is a group to compare."""
    if all(rows is None for rows in members) or len(sample) < 3 or not isinstance(scorer, ScoresPeople):
        return None
    everyone = [scorer.person(known.id) for known in scorer.people]
    return np.asarray(scorer.score_people(sample, prompt, everyone))


def _against_the_rest(
    known: np.ndarray | None, rows: Sequence[int] | None, who: str
) -> tuple[Apart | None, str]:
    if known is None or rows is None:
        return None, ""
    rest = [row for row in range(len(known)) if row not in set(rows)]
    if not rest:
        return None, f"{who[:1].upper()}{who[1:]} is everybody whom the predictor knows."
    found = apart(known, rows, rest)
    return found, apart_words(who, found)


def _between(
    known: np.ndarray | None, members: Sequence[Sequence[int] | None], sides: Sequence[Side]
) -> tuple[Apart | None, str]:
    if known is None or members[0] is None or members[1] is None:
        return None, ""
    left, right = set(members[0]), set(members[1])
    both = len(left & right)
    if not left - right or not right - left:
        inner = sides[0 if not left - right else 1].short
        return None, f"All of {inner} are in the other group too, so the two are not compared directly."
    found = apart(known, sorted(left - right), sorted(right - left))
    sentence = apart_words(sides[0].short, found, sides[1].short)
    return found, f"{sentence} {both} people are in both and left out." if both else sentence


def _side(
    run: Record,
    person: PersonLike,
    images: list[str],
    base: np.ndarray,
    best: np.ndarray,
    readings: list[np.ndarray] | None,
    place: int,
    difference: Apart | None,
    sentence: str,
) -> Side:
    result, prompt = run.result, str(run.config["prompt"])
    winner = result["best"]
    diff = prompt_diff(prompt, winner["prompt"])
    size = int(getattr(person, "size", 1)) if person.kind in ("group", "population") else None
    few = person.kind == "group" and size is not None and size < SMALL
    return Side(
        label=person.label,
        short=_short(person),
        kind=person.kind,
        size=size,
        run=run.folder.name,
        prompt=winner["prompt"],
        winner_is_base=bool(result["winner_is_base"]),
        added=[text for s in diff if s.kind == "added" and (text := s.text.strip(" ,.;:"))],
        diff=diff,
        base_score=float(result["baseline"]["score"]),
        best_score=float(winner["score"]),
        verdict=result["confirm"]["verdict"] if result["confirm"] else None,
        images=images,
        changes=changes(base, best),
        readings=_reading_changes(readings, 0, place),
        apart=difference,
        apart_words=sentence,
        warning=small_words(person, size or 0) if few else "",
    )


def small_words(group: PersonLike, size: int) -> str:
    """The warning of a group that is hardly one."""
    people = "1 person" if size == 1 else f"{size} people"
    return f"{group.id}: only {people}, so this is mostly their own taste and little of a group's."


def _ratings(
    scorer: Scorer, prompt: str, people: tuple[PersonLike, PersonLike], opened: Sequence[Sequence[Image]]
) -> list[PairRatings]:
    """Every side's predicted ratings of all three pictures; on the fresh seeds where there are any."""
    fresh = [images[1:] or images for images in opened]
    flat = [image for images in fresh for image in images]
    everyone = [scorer.population()] if isinstance(scorer, KnowsPopulation) else []
    found = []
    for person in {person.hash: person for person in (*people, *everyone)}.values():
        base, left, right = np.asarray(scorer.score(flat, prompt, person), float).reshape(3, -1)
        gain = right - left
        found.append(
            PairRatings(
                _short(person), float(base.mean()), float(left.mean()), float(right.mean()),
                float(gain.mean()), paired_interval(gain.tolist()),
            )
        )  # fmt: skip
    return found


def _short(person: PersonLike) -> str:
    """Without world and size: "17", "age 18-25"; a profile with its state, of which two can be compared."""
    return person.label.removeprefix(f"{person.world}:") if person.kind == "new" else person.id

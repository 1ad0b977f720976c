"""What the search found, checked: on seeds that it never saw, by a judge, and for everybody else."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reward.errors import ScoreError
from steer.errors import ScorerError
from steer.loop.search import Found
from steer.loop.steps import Steps
from steer.parts import (
    BASE_ID,
    Job,
    PersonLike,
    Renderer,
    SaysHowSure,
    Scored,
    Scorer,
    ScoresPeople,
    honours_seeds,
)
from steer.record.events import Confirmed, Event
from steer.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

UNPAIRED = 3  # times as many confirmation pictures where base and best share no noise
MOST = 100  # that `Settings.confirm` takes
UNPAIRED_NOTE = (
    "the renderer ignores seeds: base and best are compared by the means of more pictures, not in pairs, and "
    "one picture alone says less about its prompt"
)


def confirm(steps: Steps, found: Found, judge_person: PersonLike | None) -> Generator[Event, None, Found]:
    """The winner, compared with the base; where a person buries it meanwhile, the next one and so on.

    A buried picture never wins; if nothing else is left, the base does.
    """
    while True:
        confirmed = yield from _compare(steps, found, judge_person)
        yield from steps.choices.take("confirm")
        order = tuple(one for one in found.order if one.id not in steps.choices.buried) or (found.base,)
        if order[0] == found.best:
            if confirmed is not None:
                yield confirmed
            return found
        found = replace(found, order=order)


def _compare(
    steps: Steps, found: Found, judge_person: PersonLike | None
) -> Generator[Event, None, Confirmed | None]:
    """Render base and best on unseen seeds, and compare them in pairs.

    With many tries the best beats the base on its own seed even if prompts do nothing; here it may not.
    Yields the renders, and returns the `confirmed` event; None if the settings ask for no seeds. A seed on
    which base or best has no finite score is left out, and named in `left_out`.
    """
    seeds = steps.settings.confirm_seeds
    if not seeds:
        return None
    baseline = [_job(found.base, seed, i) for i, seed in enumerate(seeds, start=1)]
    best = [_job(found.best, seed, i) for i, seed in enumerate(seeds, start=1)]
    # If the base won, its jobs are the best's too, and each is rendered once.
    jobs = list({job.id: job for job in (*baseline, *best)}.values())
    images = yield from steps.render(jobs)
    logged = steps.record.find(Confirmed)
    if logged is None:
        steps.enter("scorer")
        start = time.perf_counter()
        pairs = [(images[one.id], images[other.id]) for one, other in zip(baseline, best, strict=True)]
        own = _scores(steps.parts.scorer, pairs, steps.prompt, steps.person)
        kept = [place for place, scores in enumerate(own) if scores is not None]
        if not kept:
            raise ScorerError(
                f"the scorer {steps.parts.scorer.name} has no score for any pair of the confirmation; the "
                f"search is kept, mend the scorer and go on with: steer runs resume {steps.record.folder}"
            )
        judges: list[tuple[float, float]] = []
        if steps.parts.judge is not None and judge_person is not None:
            judged = _scores(steps.parts.judge, [pairs[i] for i in kept], steps.prompt, judge_person)
            judges = [each for each in judged if each is not None]
        scores = [one for one in own if one is not None]
        gains = [after - before for before, after in scores]
        paired = honours_seeds(steps.parts.renderer)
        interval = interval_of(scores, paired)
        data = {
            "seeds": [seeds[i] for i in kept],
            "baseline": [before for before, _ in scores],
            "best": [after for _, after in scores],
            "gain_mean": statistics.fmean(gains),
            "gain_ci95": interval,
            "verdict": verdict(interval),
            "held_out": statistics.fmean(after - before for before, after in judges) if judges else None,
            "held_out_ci95": interval_of(judges, paired),
            "winner_is_base": found.best.id == BASE_ID,
            "baseline_images": [f"images/{baseline[i].id}.png" for i in kept],
            "best_images": [f"images/{best[i].id}.png" for i in kept],
        }
        if len(kept) < len(seeds):
            data["left_out"] = [seed for place, seed in enumerate(seeds) if place not in kept]
        if not paired:
            data["paired"] = False
        if found.best.id != BASE_ID and (between := gain_range(steps, [pairs[i] for i in kept], scores)):
            data["gain_range80"] = between
        special = specificity(steps, [pairs[i] for i in kept], statistics.fmean(gains))
        seconds = time.perf_counter() - start
        logged = Confirmed(confirm=data, specificity=special, seconds=seconds)
        yield from steps.leave("scorer")
    return logged


def with_enough_pictures(settings: Settings, renderer: Renderer) -> Settings:
    """More confirmation pictures where the renderer ignores seeds, since luck no longer cancels out."""
    if honours_seeds(renderer):
        return settings
    return replace(settings, confirm=min(MOST, UNPAIRED * settings.confirm))


def interval_of(scores: Sequence[tuple[float, float]], paired: bool) -> tuple[float, float] | None:
    """Two-sided 95% interval of the mean gain from (base, best); None for fewer than two."""
    if paired:
        return paired_interval([after - before for before, after in scores])
    return unpaired_interval([before for before, _ in scores], [after for _, after in scores])


def paired_interval(gains: Sequence[float]) -> tuple[float, float] | None:
    """Two-sided 95% t interval of the mean gain; None for fewer than two pairs."""
    if len(gains) < 2:
        return None
    mean, n = statistics.fmean(gains), len(gains)
    half = _t(n - 1) * statistics.stdev(gains) / math.sqrt(n)
    return mean - half, mean + half


def unpaired_interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float] | None:
    """The same for two samples that share nothing (Welch 1947); None for fewer than two of each."""
    if min(len(before), len(after)) < 2:
        return None
    mean = statistics.fmean(after) - statistics.fmean(before)
    parts = [(statistics.variance(each) / len(each), len(each) - 1) for each in (before, after)]
    spread = sum(part for part, _ in parts)
    if not spread:
        return mean, mean
    freedom = spread**2 / sum(part**2 / count for part, count in parts)
    half = _t(freedom) * math.sqrt(spread)
    return mean - half, mean + half


def _t(freedom: float) -> float:
    from scipy.special import stdtrit  # the quantile alone; scipy.stats takes a second to import

    return float(stdtrit(freedom, 0.975))


def verdict(interval: tuple[float, float] | None) -> str:
    """better | worse | no_evidence: does the interval leave out zero?"""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return "no_evidence"
    return "better" if interval[0] > 0 else "worse"


def gain_range(
    steps: Steps, pairs: Sequence[tuple[Image, Image]], scores: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    """How much higher this person rates one picture of the best than one of the base, in 4 of 5 cases.

    `scores` are what is predicted of the pairs. Wider than the interval of the mean gain, which is of
    predictions: a rating has its noise, and a predictor is often wrong. Errors of base and best are taken
    for independent. None where the scorer does not say how sure it is.
    """
    scorer = steps.parts.scorer
    if not isinstance(scorer, SaysHowSure):
        return None
    try:
        low, high = scorer.interval(_images(pairs), steps.prompt, steps.person, 0.8)
    except ScoreError:  # nobody measured it
        return None
    except Exception as error:
        raise ScorerError(
            f"the scorer {scorer.name} failed to say how sure it is: {error}; the search is kept, mend the "
            f"scorer and go on with: steer runs resume {steps.record.folder}"
        ) from error
    predicted = [*(before for before, _ in scores), *(after for _, after in scores)]
    # An interval may be cut at an end of the scale; the other side is as far as it goes.
    halves = [max(s - float(a), float(b) - s) for s, a, b in zip(predicted, low, high, strict=True)]
    gains = [after - before for before, after in scores]
    gain, half = statistics.fmean(gains), math.sqrt(2 * statistics.fmean(half**2 for half in halves))
    return (gain - half, gain + half) if math.isfinite(half) else None


def specificity(
    steps: Steps, pairs: Sequence[tuple[Image, Image]], gain_person: float
) -> dict[str, Any] | None:
    """The same gain for every other person whom the scorer knows; None if it knows nobody.

    A gain that everyone gets is prettification, not personalization. Who has no score for a picture is left
    out.
    """
    scorer = steps.parts.scorer
    if not isinstance(scorer, ScoresPeople):
        return None
    everyone = [scorer.person(known.id) for known in scorer.people]
    others = [person for person in everyone if person.hash != steps.person.hash]
    if not others:
        return None
    count = len(pairs)
    table = scorer.score_people(_images(pairs), steps.prompt, others)  # [people, base then best]
    rows = [row for row in ([float(score) for score in row] for row in table) if all(map(math.isfinite, row))]
    if not rows:
        return None
    gains = [statistics.fmean(row[count:]) - statistics.fmean(row[:count]) for row in rows]
    return {
        "gain_person": gain_person,
        "gain_others_mean": statistics.fmean(gains),
        "rank": 1 + sum(gain > gain_person for gain in gains),
        "of": 1 + len(gains),
    }


def _job(entry: Scored, seed: int, number: int) -> Job:
    return Job(f"{entry.id}-confirm{number}", entry.prompt, seed, role="confirm")


def _images(pairs: Sequence[tuple[Image, Image]]) -> list[Image]:
    return [*(base for base, _ in pairs), *(best for _, best in pairs)]


def _scores(
    scorer: Scorer, pairs: Sequence[tuple[Image, Image]], prompt: str, person: PersonLike
) -> list[tuple[float, float] | None]:
    """Scores of base and best of each pair, in one batch so that equal images get equal scores.

    None where one of them is no finite number.
    """
    count = len(pairs)
    try:
        scores = [float(score) for score in scorer.score(_images(pairs), prompt, person)]
        if len(scores) != 2 * count:
            raise ValueError(f"{len(scores)} scores for {2 * count} images")
    except Exception as error:
        raise ScorerError(
            f"the scorer {scorer.name} failed on the confirmation: {error}; the search is kept, mend the "
            "scorer and go on with: steer runs resume"
        ) from error
    return [
        (before, after) if math.isfinite(before) and math.isfinite(after) else None
        for before, after in zip(scores[:count], scores[count:], strict=True)
    ]

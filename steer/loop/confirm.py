"""What the search found, checked: on seeds that it never saw, by a judge, and for everybody else."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from steer.errors import ScorerError
from steer.loop.search import Found
from steer.loop.steps import Steps
from steer.parts import BASE_ID, Job, PersonLike, Scored, Scorer, ScoresPeople
from steer.record.events import Confirmed, Event

if TYPE_CHECKING:
    from PIL.Image import Image


def confirm(steps: Steps, found: Found, judge_person: PersonLike | None) -> Generator[Event, None, None]:
    """Render base and best on unseen seeds, and compare them in pairs.

    With many tries the best beats the base on its own seed even if prompts do nothing; here it may not.
    Yields the renders and one `confirmed` event; nothing if the settings ask for no seeds. A seed on which
    base or best has no finite score is left out, and named in `left_out`.
    """
    seeds = steps.settings.confirm_seeds
    if not seeds:
        return
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
        held_out: list[float] = []
        if steps.parts.judge is not None and judge_person is not None:
            judged = _scores(steps.parts.judge, [pairs[i] for i in kept], steps.prompt, judge_person)
            held_out = [after - before for before, after in filter(None, judged)]
        scores = [one for one in own if one is not None]
        gains = [after - before for before, after in scores]
        interval = paired_interval(gains)
        data = {
            "seeds": [seeds[i] for i in kept],
            "baseline": [before for before, _ in scores],
            "best": [after for _, after in scores],
            "gain_mean": statistics.fmean(gains),
            "gain_ci95": interval,
            "verdict": verdict(interval),
            "held_out": statistics.fmean(held_out) if held_out else None,
            "held_out_ci95": paired_interval(held_out) if held_out else None,
            "winner_is_base": found.best.id == BASE_ID,
            "baseline_images": [f"images/{baseline[i].id}.png" for i in kept],
            "best_images": [f"images/{best[i].id}.png" for i in kept],
        }
        if len(kept) < len(seeds):
            data["left_out"] = [seed for place, seed in enumerate(seeds) if place not in kept]
        special = specificity(steps, [pairs[i] for i in kept], statistics.fmean(gains))
        seconds = time.perf_counter() - start
        logged = Confirmed(confirm=data, specificity=special, seconds=seconds)
        yield from steps.leave("scorer")
    yield logged


def paired_interval(gains: Sequence[float]) -> tuple[float, float] | None:
    """Two-sided 95% t interval of the mean gain; None for fewer than two pairs."""
    if len(gains) < 2:
        return None
    from scipy.special import stdtrit  # the quantile alone; scipy.stats takes a second to import

    mean, n = statistics.fmean(gains), len(gains)
    half = float(stdtrit(n - 1, 0.975)) * statistics.stdev(gains) / math.sqrt(n)
    return mean - half, mean + half


def verdict(interval: tuple[float, float] | None) -> str:
    """better | worse | no_evidence: does the interval leave out zero?"""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return "no_evidence"
    return "better" if interval[0] > 0 else "worse"


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

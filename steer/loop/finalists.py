"""Before a winner is called, the best few are rendered again on fresh seeds, and the best mean wins.

The best of a hundred on one seed owes part of its score to that seed; its mean over a few is less flattered.
The seeds are never those of the confirmation.

How sure the scorer is decides nothing here: among pictures of one prompt, what a predictor says that it is
unsure of tells hardly anything about its errors, and caution chose no better winners (benchmarks/sure.py).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Generator, Sequence

from steer.loop.steps import Steps
from steer.loop.strategy import best_of
from steer.parts import BASE_ID, Job, Scored
from steer.record.events import Event, Finals


def finalists(steps: Steps, pool: Sequence[Scored]) -> Generator[Event, None, list[Scored]]:
    """What may win, the winner first. It is the base only where nothing stands above it.

    A finalist of whose fresh pictures most have left the prompt is out, unless all are.
    """
    yield from steps.choices.take("finals")
    seeds, plain = steps.settings.final_seeds, {entry.id: entry for entry in pool}
    standing = best_of(steps.choices.standing(pool), len(pool))
    base = next((entry.score for entry in standing if entry.id == BASE_ID), -math.inf)
    above = [entry for entry in standing if entry.score > base]
    order = [plain[entry.id] for entry in standing]
    # Equal scores are equal pictures: other words for the same would only fill the finals.
    best = list({entry.score: entry for entry in reversed(above)}.values())[::-1][: steps.settings.finalists]
    if not seeds or len(best) < 2:
        return order
    jobs = [
        [
            Job(f"{entry.id}-final{i}", entry.prompt, seed, role="final")
            for i, seed in enumerate(seeds, start=1)
        ]
        for entry in best
    ]
    images = yield from steps.render([job for own in jobs for job in own])
    logged = steps.record.find(Finals)
    if logged is None:
        start = time.perf_counter()
        judged = iter(steps.judge([images[job.id] for own in jobs for job in own]))
        found: list[tuple[bool, float, int, Scored, list[float | None], float]] = []
        for entry, own in zip(best, jobs, strict=True):
            fresh = [next(judged) for _ in own]
            lost = sum(steps.gate.reject(adherence) is not None for _, adherence in fresh) > len(fresh) / 2
            raw = plain[entry.id].score  # a heart counts for the place, and is no prediction
            scores = [raw, *(score if isinstance(score, float) else None for score, _ in fresh)]
            kept = [score for score in scores if score is not None and math.isfinite(score)]
            mean = statistics.fmean(kept)
            found.append((lost, raw - entry.score - mean, len(found), entry, scores, mean))
        found.sort(key=lambda one: one[:3])
        rows = tuple({"id": e.id, "scores": scores, "mean": mean} for _, _, _, e, scores, mean in found)
        logged = Finals(seeds=seeds, finalists=rows, seconds=time.perf_counter() - start)
        yield from steps.leave("scorer")
    yield logged
    first = [plain[one["id"]] for one in logged.finalists]
    return [*first, *(entry for entry in order if entry.id not in {one.id for one in first})]

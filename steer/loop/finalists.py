"""Before a winner is called, the best few are rendered again on fresh seeds, and the best mean wins.

The best of a hundred on one seed owes part of its score to that seed; its mean over a few is less flattered.
The seeds are never those of the confirmation.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Generator, Sequence

from steer.loop.steps import Steps
from steer.loop.strategy import best_of
from steer.parts import Job, Scored
from steer.record.events import Event, Finals


def finalists(steps: Steps, pool: Sequence[Scored]) -> Generator[Event, None, Scored]:
    """The winner. It is the base only where nothing scored above it.

    A finalist of whose fresh pictures most have left the prompt is out, unless all are.
    """
    seeds = steps.settings.final_seeds
    above = [entry for entry in best_of(pool, len(pool)) if entry.score > pool[0].score]
    # Equal scores are equal pictures: other words for the same would only fill the finals.
    best = list({entry.score: entry for entry in reversed(above)}.values())[::-1][: steps.settings.finalists]
    if not seeds or len(best) < 2:
        return best_of(pool, 1)[0]
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
        found: list[tuple[bool, float, int, Scored, list[float | None]]] = []
        for entry, own in zip(best, jobs, strict=True):
            fresh = [next(judged) for _ in own]
            lost = sum(steps.gate.reject(adherence) is not None for _, adherence in fresh) > len(fresh) / 2
            scores = [entry.score, *(score if isinstance(score, float) else None for score, _ in fresh)]
            kept = [score for score in scores if score is not None and math.isfinite(score)]
            found.append((lost, -statistics.fmean(kept), len(found), entry, scores))
        found.sort(key=lambda one: one[:3])
        rows = tuple({"id": e.id, "scores": scores, "mean": -mean} for _, mean, _, e, scores in found)
        logged = Finals(seeds=seeds, finalists=rows, seconds=time.perf_counter() - start)
        yield from steps.leave("scorer")
    yield logged
    winner = logged.finalists[0]["id"]
    return next(entry for entry in best if entry.id == winner)

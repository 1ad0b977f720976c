"""Reward-driven prompt optimization (paper, section 5): the loop, as a generator of events.

    base prompt ──> render, score ──> memory of the best
          ┌────────────────────────────────┘
          └─> propose ─> text gate ─> render ─> image gate ─> score ─> keep, or stop

Between the steps a person may choose too (`steer.loop.choices`).

At each step a language model that has seen the best prompts so far proposes new ones; each is rendered from
the same image seed and scored as one person would rate it, against the *original* prompt. What is proposed
and rendered is the strategy's: the paper's (`steer.loop.paper`), or one that uses more of what is known
(`steer.loop.guided`). `steer.loop.steps` does the three steps and reuses what the record already holds, so a
resumed run is this same loop from the top.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from steer.gates.text import normalize
from steer.loop.finalists import finalists
from steer.loop.paper import Paper
from steer.loop.steps import Steps
from steer.loop.strategy import Strategy, best_of
from steer.parts import Job, Scored
from steer.record.events import Event, IterationDone
from steer.settings import Settings


@dataclass(frozen=True)
class Found:
    """What the search ended with."""

    base: Scored
    order: tuple[Scored, ...]  # what may win, the winner first; the base is among it
    stop_reason: str  # target | patience | iterations | person

    @property
    def best(self) -> Scored:
        """The winner, which may be the base."""
        return self.order[0]


def search(steps: Steps, settings: Settings) -> Generator[Event, None, Found]:
    """Look for the rewrite of the prompt whose image this person would rate highest."""
    strategy = strategy_of(steps, settings)
    base = yield from steps.baseline()
    pool = [base]  # everything scored, in order; what was rejected never enters
    tried = {normalize(base.prompt)}
    iteration = stale = 0
    choices, scores = steps.choices, {base.id: base.score}
    while True:
        yield from choices.take(f"round {iteration + 1}")
        before = best_of(choices.standing(pool), 1)[0]
        reached = replace(before, score=scores[before.id])
        reason = "person" if choices.stopped else stop_reason(settings, reached, iteration, stale)
        if reason is not None:
            break
        iteration += 1
        round = yield from strategy.propose(iteration, pool, tried)
        choices.parents.clear()
        prompts = yield from choices.review(iteration, round.prompts, tried)
        jobs = [
            Job(
                f"r{iteration:02}c{i:02}",
                prompt,
                settings.seed,
                iteration,
                parents=tuple(entry.id for entry in round.memory),
            )
            for i, prompt in enumerate(prompts)
        ]
        images = yield from steps.render(jobs)
        scored = yield from steps.score(jobs, images)
        pool = pool + scored
        scores |= {entry.id: entry.score for entry in scored}
        best = best_of(choices.standing(pool), 1)[0]
        improved = best.score > before.score
        stale = 0 if improved else stale + 1
        yield IterationDone(
            iteration=iteration,
            asked=settings.proposals,
            accepted=len(jobs),
            missing=max(0, settings.proposals - len(jobs)),
            scored=len(scored),
            rejected=len(jobs) - len(scored),
            improved=improved,
            stale=stale,
            best=best.id,
            best_score=scores[best.id],
            memory=tuple(entry.id for entry in best_of(choices.standing(pool), settings.memory)),
        )
    order = yield from finalists(steps, pool)
    return Found(base, tuple(order), reason)


def strategy_of(steps: Steps, settings: Settings) -> Strategy:
    """What `--search` names."""
    if settings.search == "paper":
        return Paper(steps)
    from steer.loop.guided import Guided  # brings numpy along

    return Guided(steps)


def stop_reason(settings: Settings, best: Scored, iteration: int, stale: int) -> str | None:
    """Why to stop now, or None. `stale` counts the iterations in a row without a new best."""
    if settings.target is not None and best.score >= settings.target:
        return "target"
    if settings.patience and stale >= settings.patience:
        return "patience"
    return "iterations" if iteration >= settings.iterations else None

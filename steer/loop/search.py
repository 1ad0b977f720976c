"""Reward-driven prompt optimization (paper, section 5): the loop, as a generator of events.

    base prompt ──> render, score ──> memory of the best
          ┌────────────────────────────────┘
          └─> propose ─> text gate ─> render ─> image gate ─> score ─> keep, or stop

At each step a language model that has seen the best prompts so far proposes new ones; each is rendered from
the same image seed and scored as one person would rate it, against the *original* prompt. `steer.loop.steps`
does the three steps and reuses what the record already holds, so a resumed run is this same loop from the
top.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import chain

from steer.gates.replies import MAX_REPLY, parse
from steer.gates.text import TextGate, normalize
from steer.loop.steps import Steps
from steer.parts import Job, Scored
from steer.record.events import Event, IterationDone, PromptRejected
from steer.settings import RETRIES, Settings


@dataclass(frozen=True)
class Found:
    """What the search ended with."""

    base: Scored
    best: Scored  # may be the base
    stop_reason: str  # target | patience | iterations


def search(steps: Steps, settings: Settings) -> Generator[Event, None, Found]:
    """Look for the rewrite of the prompt whose image this person would rate highest."""
    base, gate = yield from steps.baseline()
    pool = [base]  # everything scored, in order; what was rejected never enters
    tried = {normalize(base.prompt)}
    iteration = stale = 0
    while (reason := stop_reason(settings, best_of(pool, 1)[0], iteration, stale)) is None:
        iteration += 1
        memory = best_of(pool, settings.keep)
        prompts = yield from propose(steps, settings, iteration, memory, tried)
        jobs = [
            Job(
                f"r{iteration:02}c{i:02}",
                prompt,
                settings.seed,
                iteration,
                parents=tuple(m.id for m in memory),
            )
            for i, prompt in enumerate(prompts)
        ]
        images = yield from steps.render(jobs)
        scored = yield from steps.score(jobs, images, gate)
        pool += scored
        best = best_of(pool, 1)[0]
        improved = best.score > memory[0].score
        stale = 0 if improved else stale + 1
        yield IterationDone(
            iteration=iteration,
            asked=settings.proposals,
            accepted=len(prompts),
            missing=settings.proposals - len(prompts),
            scored=len(scored),
            rejected=len(prompts) - len(scored),
            improved=improved,
            stale=stale,
            best=best.id,
            best_score=best.score,
            memory=tuple(entry.id for entry in best_of(pool, settings.keep)),
        )
    return Found(base, best_of(pool, 1)[0], reason)


def propose(
    steps: Steps, settings: Settings, iteration: int, memory: list[Scored], tried: set[str]
) -> Generator[Event, None, list[str]]:
    """New prompts that pass the text gate; what is missing is asked for again, at most 3 times."""
    gate = TextGate(steps.prompt, steps.parts.similarity)
    accepted: list[str] = []
    for attempt in range(1 + RETRIES):
        missing = settings.proposals - len(accepted)
        if not missing:
            break
        replies = yield from steps.replies(iteration, attempt, memory, missing)
        read = [parse(reply) for reply in replies]
        if unread := sum(not prompts for prompts in read):
            text = f"round {iteration}, request {attempt + 1}: {unread} of {len(read)} replies hold no prompt"
            yield from steps.say_once("proposer", f"{text} that can be read; skipped")
        if any(len(reply) > MAX_REPLY for reply in replies):
            text = f"round {iteration}, request {attempt + 1}: of a long reply"
            yield from steps.say_once("proposer", f"{text} only the first {MAX_REPLY:,} characters are read")
        for index, prompt in enumerate(chain.from_iterable(read)):
            if len(accepted) == settings.proposals:
                break
            reason = gate.reject(prompt, tried)
            tried.add(normalize(prompt))
            if reason is None:
                accepted.append(prompt)
                continue
            yield PromptRejected(
                iteration=iteration, attempt=attempt, index=index, prompt=prompt, reason=reason
            )
    return accepted


def stop_reason(settings: Settings, best: Scored, iteration: int, stale: int) -> str | None:
    """Why to stop now, or None. `stale` counts the iterations in a row without a new best."""
    if settings.target is not None and best.score >= settings.target:
        return "target"
    if settings.patience and stale >= settings.patience:
        return "patience"
    return "iterations" if iteration >= settings.iterations else None


def best_of(pool: list[Scored], n: int) -> list[Scored]:
    """The `n` best by raw score, best first; of equal scores the earlier (sorting is stable)."""
    return sorted(pool, key=lambda entry: -entry.score)[:n]

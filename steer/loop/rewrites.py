"""Rewrites by the language model that pass the text gate: what is missing is asked for again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import chain

from steer.gates.replies import MAX_REPLY, parse
from steer.gates.text import normalize
from steer.loop.steps import Steps
from steer.parts import Guide, Scored
from steer.record.events import Event, PromptRejected
from steer.settings import RETRIES


def rewrites(
    steps: Steps,
    iteration: int,
    memory: Sequence[Scored],
    n: int,
    tried: set[str],
    guide: Guide | None = None,
) -> Generator[Event, None, list[str]]:
    """Up to `n` new prompts, after at most 4 requests. `tried` takes in all that was read, passed or not."""
    gate = steps.text_gate
    accepted: list[str] = []
    for attempt in range(1 + RETRIES):
        missing = n - len(accepted)
        if not missing:
            break
        replies = yield from steps.replies(iteration, attempt, memory, missing, guide)
        read = [parse(reply) for reply in replies]
        if unread := sum(not prompts for prompts in read):
            text = f"round {iteration}, request {attempt + 1}: {unread} of {len(read)} replies hold no prompt"
            yield from steps.say_once("proposer", f"{text} that can be read; skipped")
        if any(len(reply) > MAX_REPLY for reply in replies):
            text = f"round {iteration}, request {attempt + 1}: of a long reply"
            yield from steps.say_once("proposer", f"{text} only the first {MAX_REPLY:,} characters are read")
        for index, prompt in enumerate(chain.from_iterable(read)):
            if len(accepted) == n:
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

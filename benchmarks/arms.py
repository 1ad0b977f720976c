"""The arms of `search.py`: the loops, and blind phrases, which know nobody; each as its course of renders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from corrections import Bank

from steer.experiments.caches import CachedProposer
from steer.experiments.lab import Lab, Reward
from steer.record.events import Rated, Rejected, Rendered
from steer.record.folder import Record
from steer.settings import Settings

SEEDS = Settings().confirm_seeds
BLIND = (15, 20, 40, 100)  # renders, the base among them
FRESH = (7001, 7002)  # image seeds of blind finalists
FINALISTS = 4
POPULATION = "population"
PAPER = "paper 5x20"
GUIDED, NO_MODEL = "guided 5x20", "guided 5x20, no language model"
LOOPS = (PAPER, "guided 2x5/0", GUIDED, NO_MODEL)
BANK = (
    (
        *("realistic photograph", "oil painting", "ink drawing", "watercolor", "cubist painting"),
        *("digital art", "impressionist painting"),
    ),
    (
        *("golden hour", "moonlight", "soft overcast light", "harsh noon light", "backlit", "neon light"),
        "foggy morning",
    ),
    (
        *("vivid saturated colours", "muted earth colours", "black and white", "pastel palette"),
        *("warm orange tones", "cold blue tones"),
    ),
    ("seen from above", "low angle", "close-up", "distant wide shot", "centered"),
)


@dataclass(frozen=True)
class Course:
    """What one search found."""

    winner: str
    renders: int  # all that it looked at
    claimed: float  # predicted gain over the base, on what the search saw
    steps: tuple[tuple[int, str], ...]  # after so many renders this prompt was the best predicted
    candidates: tuple[str, ...] = ()  # that could have won, the base among them
    gated: tuple[str, ...] = ()  # rejected by the image gate


def reward_of(lab: Lab, who: str) -> Reward:
    return lab.population() if who == POPULATION else lab.personal(who)


def loop_settings(name: str) -> Settings:
    """The settings of an arm like "guided 5x20", or "guided 2x5/0" without finalists. Winners are confirmed
    here, not by the runs; the paper's image gate stays as it was."""
    search, _, budget = name.partition(" ")
    size, _, few = budget.partition(",")[0].partition("/")
    iterations, proposals = map(int, size.split("x"))
    settings = Settings(iterations=iterations, proposals=proposals, confirm=0)
    own: dict[str, Any] = {"keep": 1, "gate_sd": 2.0} if search == "paper" else {}
    return replace(settings, search=search, **own, **({"finalists": int(few)} if few else {}))


def lab_of(lab: Lab, arm: str) -> Lab:
    """The lab of an arm: where it has no language model, rewrites are drawn from the bank of looks."""
    if arm != NO_MODEL:
        return lab
    other = copy(lab)
    other.proposer = CachedProposer(Bank(), lab.folder / "replies")
    return other


def courses(
    lab: Lab, prompt: str, people: Sequence[str], wanted: dict[str, Settings]
) -> dict[str, dict[str, Course]]:
    """Every arm's search for everybody, by arm and person."""
    found: dict[str, dict[str, Course]] = {name: {} for name in wanted}
    for who in people:
        reward = reward_of(lab, who)

        def base(seeds: Sequence[int], reward: Reward = reward) -> list[float]:
            return reward.scorer.score(lab.images([(prompt, s) for s in seeds]), prompt, reward.person)

        for name, settings in wanted.items():
            found[name][who] = loop_course(lab_of(lab, name).run(reward, prompt, settings), base)
    guided = {name: found[name] for name in found if name != PAPER}
    counts = set(BLIND) | {c.renders for one in guided.values() for c in one.values()}
    pool = blind_prompts(prompt, max(counts))
    images = lab.images([(text, Settings().seed) for text in pool])
    for who in people:
        reward = reward_of(lab, who)
        scores = np.array(reward.scorer.score(images, prompt, reward.person))

        def again(text: str, reward: Reward = reward) -> list[float]:
            return reward.scorer.score(lab.images([(text, seed) for seed in FRESH]), prompt, reward.person)

        asked = {f"blind {n}": (n, 0) for n in BLIND}
        asked |= {f"blind {n} with finalists": (n, finalists(n)) for n in BLIND if finalists(n)}
        for name, one in guided.items():
            asked[f"blind with finalists, as {name}"] = (one[who].renders, finalists(one[who].renders))
        for name, (renders, few) in asked.items():
            found.setdefault(name, {})[who] = blind_course(pool, scores, renders, few, again)
    return found


def loop_course(record: Record, base: Callable[[Sequence[int]], list[float]]) -> Course:
    """What a run did, in the order of its renders. `base` gives the base's scores on image seeds."""
    scores = {e.id: e.score for e in record.events if isinstance(e, Rated)}
    lost = {e.id: e.stage for e in record.events if isinstance(e, Rejected)}
    prompts: dict[str, str] = {}
    steps: list[tuple[int, str]] = []
    renders, best = 0, -np.inf
    for event in record.events:
        if not isinstance(event, Rendered) or event.role == "confirm":
            continue
        renders += 1
        if event.role != "candidate" or event.id not in scores:
            continue
        prompts[event.id] = event.prompt
        if event.id not in lost and scores[event.id] > best:
            best = scores[event.id]
            steps.append((renders, event.prompt))
    winner = str(record.result["best"]["prompt"])
    if winner != steps[-1][1]:  # finalists have decided otherwise
        steps.append((renders, winner))
    seeds, claims = [record.settings.seed], [float(record.result["best"]["score"])]
    if finals := record.result.get("finalists"):  # the winner first
        seeds, claims = [*seeds, *record.settings.final_seeds], finals[0]["scores"]
    pairs = [(own, other) for own, other in zip(claims, base(seeds), strict=True) if own is not None]
    return Course(
        winner=winner,
        renders=renders,
        claimed=float(np.mean([own - other for own, other in pairs])),
        steps=tuple(steps),
        candidates=tuple(prompt for id, prompt in prompts.items() if id not in lost),
        gated=tuple(prompt for id, prompt in prompts.items() if lost.get(id) == "image"),
    )


def blind_prompts(prompt: str, count: int, seed: int = 5) -> list[str]:
    """The base and different rewrites by phrases of the bank; a short list is the start of a longer one."""
    rng, found = np.random.default_rng(seed), [prompt]
    while len(found) < count:
        kinds = sorted(rng.permutation(len(BANK))[: rng.integers(2, len(BANK) + 1)])
        text = ", ".join([prompt, *(BANK[kind][rng.integers(len(BANK[kind]))] for kind in kinds)])
        if text not in found:
            found.append(text)
    return found


def finalists(renders: int) -> int:
    """How many of the best are rendered again: up to four, where a fifth of the renders is enough for it."""
    few = min(FINALISTS, renders // (5 * len(FRESH)))
    return few if few > 1 else 0


def blind_course(
    pool: Sequence[str],
    scores: np.ndarray,
    renders: int,
    few: int = 0,
    again: Callable[[str], list[float]] | None = None,
) -> Course:
    """The best predicted of the first of `pool`, the base being its first; `few` of them rendered again.

    `again` gives scores of a prompt on the fresh seeds; the best mean of all of its scores wins.
    """
    shown = np.asarray(scores[: renders - few * len(FRESH)])
    leaders = [i for i in range(len(shown)) if i == 0 or shown[i] > shown[:i].max()]
    steps = [(i + 1, pool[i]) for i in leaders]
    winner, claimed = leaders[-1], float(shown[leaders[-1]] - shown[0])
    if few and again is not None:
        order = np.argsort(-shown, kind="stable")[:few]
        means = {int(i): float(np.mean([shown[i], *again(pool[i])])) for i in order}
        winner = max(means, key=means.__getitem__)
        claimed = means[winner] - float(np.mean([shown[0], *again(pool[0])]))
        steps.append((renders, pool[winner]))
    return Course(pool[winner], renders, claimed, tuple(steps), tuple(pool[: len(shown)]))


def means(lab: Lab, prompts: Iterable[str], seeds: Sequence[int] = SEEDS) -> dict[str, np.ndarray]:
    """True expected ratings [people] of each prompt, mean over image seeds."""
    found: dict[str, np.ndarray] = {}
    wanted = list(dict.fromkeys(prompts))
    for start in range(0, len(wanted), 50):  # so many pictures fit into memory at once
        part = wanted[start : start + 50]
        t = lab.truth([(text, seed) for text in part for seed in seeds])
        found |= zip(part, t.reshape(len(t), len(part), len(seeds)).mean(2).T, strict=True)
    return found

"""`--search guided`: what to render is decided by all that is known before a picture is made.

At each iteration the language model writes more rewrites than will be rendered, told what this person seems
to like and what worked so far. Looks recombined from the bank and its phrases are added. A forecast, fitted
to what this run has scored and to the person's taste, picks those that promise most or would teach most.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from steer.gates.looks import look_phrases, looks, with_look
from steer.gates.text import normalize, says
from steer.loop.forecast import Forecast, most_promising
from steer.loop.recombine import Library, recombine
from steer.loop.rewrites import rewrites
from steer.loop.steps import Steps
from steer.loop.strategy import Round, best_of
from steer.parts import Guide, Scored
from steer.record.events import Event, Forecasted, TasteRead
from steer.settings import RETRIES
from steer.taste import Taste, read_taste

MIXED = 15  # recombined looks that are forecast, for each that is rendered
CURIOSITY = 0.7  # standard deviations of the forecast that count as promise
FRESH = 0.1  # share of an iteration that has nothing of the memory, where there is as much
PARENTS = 6  # best looks that recombination starts from
NEAR = 0.4  # share of an iteration that keeps half of a look of which the person wants more
WANTED = 4  # times that a look counts among them of which the person wants more
ALIKE = 0.8  # from here on two prompts are the same idea, see `Forecast.alike`
WISH = 1.0  # standard deviations of the scores that a wish of the person's own is worth when choosing
TELLING = 0.2  # of the scores' spread: a phrase that does less is not told as the reason of a score


class Guided:
    """Taste, memory and forecast of one run."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._gate = steps.text_gate
        self._always = tuple(one.phrase for one in steps.corrections if one.verb == "always")
        bank = looks()
        self._bank = [phrase for phrases in bank.values() for phrase in phrases]
        never = self._gate.never
        wanted = {name: [p for p in own if not any(says(p, n) for n in never)] for name, own in bank.items()}
        self._library = Library({name: own for name, own in wanted.items() if own}, steps.parts.embed)
        self._library.add(self._always, own=True)
        self._waiting: dict[str, None] = {}  # rewrites of the language model that were not rendered yet
        self._taste: Taste | None = None

    def propose(
        self, iteration: int, pool: Sequence[Scored], tried: set[str]
    ) -> Generator[Event, None, Round]:
        """See `steer.loop.strategy.Strategy`."""
        steps = self._steps
        if self._taste is None:
            yield from self._read_taste()
        choices = steps.choices
        self._forecast.learn(choices.evidence(pool))
        standing = choices.standing(pool)
        memory = choices.with_parents(self._memory(standing), pool)
        guide = self._guide(memory)
        written = yield from rewrites(steps, iteration, memory, steps.settings.written, tried, guide)
        self._waiting |= dict.fromkeys(written)
        for prompt in written:
            self._library.add(look_phrases(steps.prompt, prompt))
        chosen = steps.record.find(Forecasted, iteration)
        if chosen is None:
            wanted = [entry for entry in memory if entry.id in choices.parents]
            chosen = self._choose(iteration, standing, memory, wanted, tried)
        yield chosen
        prompts = [str(one["prompt"]) for one in chosen.chosen]
        tried.update(map(normalize, prompts))
        for prompt in prompts:
            self._waiting.pop(prompt, None)
        return Round(memory, prompts)

    def _read_taste(self) -> Generator[Event, None, None]:
        """Once a run: what the scorer says of the looks of the bank, and of what the person adds to them."""
        logged = self._steps.record.find(TasteRead)
        if logged is None:
            phrases = list(dict.fromkeys([*self._bank, *self._always]))
            found = read_taste(self._steps.parts.scorer, self._steps.person, phrases)
            said = tuple(one.to_json() for one in self._steps.corrections) or None
            logged = TasteRead(likings=tuple(found.to_json()), corrections=said)
        yield logged
        self._taste = Taste.from_json(logged.likings, logged.corrections)
        self._forecast = Forecast(self._steps.prompt, self._steps.parts.embed, self._taste.strengths)

    def _memory(self, pool: Sequence[Scored]) -> list[Scored]:
        """Good prompts that are different ideas, best first."""
        ranked = best_of(pool, 4 * self._steps.settings.memory)
        alike = self._forecast.alike([entry.prompt for entry in ranked])
        kept: list[int] = []
        for place in range(len(ranked)):
            if len(kept) < self._steps.settings.memory and all(alike[place, k] < ALIKE for k in kept):
                kept.append(place)
        return [ranked[place] for place in kept]

    def _guide(self, memory: Sequence[Scored]) -> Guide:
        assert self._taste is not None
        why = {}
        for entry in memory:
            phrases = look_phrases(self._steps.prompt, entry.prompt)
            if phrases:
                effects = zip(phrases, self._forecast.effects(phrases), strict=True)
                least = TELLING * self._forecast.spread
                told = [f"{p} {'helps' if e > 0 else 'hurts'}" for p, e in effects if abs(e) >= least]
                why[entry.id] = ", ".join(told)
        return Guide(tuple(self._taste.lines), why, self._taste.weights)

    def _wish(self, look: Sequence[str]) -> int:
        """How many of the person's wishes a look fulfils, less those that it goes against."""
        assert self._taste is not None
        wishes = self._taste.wishes.items()
        return sum(wish for phrase, wish in wishes if any(says(part, phrase) for part in look))

    def _with_always(self, look: Sequence[str]) -> tuple[str, ...]:
        """The look with what the person always wants, which what is about the same gives way to."""
        about = self._library.about
        ours = {about(phrase) for phrase in self._always}
        return (*(phrase for phrase in look if about(phrase) not in ours), *self._always)

    def _may_render(self, prompt: str, tried: set[str]) -> bool:
        """What the language model wrote has been through the text gate already."""
        return prompt in self._waiting or not self._gate.reject(prompt, tried)

    def _choose(
        self,
        iteration: int,
        pool: Sequence[Scored],
        memory: Sequence[Scored],
        wanted: Sequence[Scored],
        tried: set[str],
    ) -> Forecasted:
        """Which of all rewrites to render. Of those `wanted` more is recombined than of the best."""
        base, count, forecast = self._steps.prompt, self._steps.settings.proposals, self._forecast
        phrases = self._library.phrases
        wished = {phrase: WISH * forecast.spread * self._wish([phrase]) for phrase in phrases}
        effects = {p: float(e) + wished[p] for p, e in zip(phrases, forecast.effects(phrases), strict=True)}
        best = [*WANTED * list(wanted), *best_of(pool, PARENTS)]
        parents = [look for e in best if (look := look_phrases(base, e.prompt))]
        rng = np.random.default_rng(self._steps.settings.llm_seed_of(iteration, RETRIES + 1))
        mixed = recombine(self._library, effects, parents, MIXED * count, forecast.scales.effect / 2, rng)
        mixed = [self._with_always(look) for look in mixed]
        new = [prompt for look in mixed if normalize(prompt := with_look(base, look)) not in tried]
        prompts = list(dict.fromkeys([*self._waiting, *new]))
        mean, covariance = forecast(prompts)
        # A wish decides what is rendered. What is expected of it, and later its score, stay the predictor's.
        wishes = np.array([self._wish(look_phrases(base, prompt)) for prompt in prompts])
        worth = mean + WISH * forecast.spread * wishes
        order = most_promising(worth, covariance, 2 * count, CURIOSITY, forecast.scales.noise)
        order = [i for i in order if self._may_render(prompts[i], tried)]
        seen = {phrase for entry in memory for phrase in look_phrases(base, entry.prompt)}
        if wanted:
            looks_wanted = [set(look_phrases(base, entry.prompt)) for entry in wanted]
            near = [
                i
                for i in np.argsort(-worth, kind="stable").tolist()
                if _keeps_half_of_one(looks_wanted, look_phrases(base, prompts[i]))
                and self._may_render(prompts[i], tried)
            ][: max(1, round(NEAR * count))]
            order = near + [i for i in order if i not in near]
        fresh = [i for i in order if seen.isdisjoint(look_phrases(base, prompts[i]))][: round(FRESH * count)]
        order = [i for i in order if i not in fresh][: count - len(fresh)] + fresh
        return Forecasted(
            iteration=iteration,
            forecast=len(prompts),
            chosen=tuple(
                {
                    "prompt": prompts[i],
                    "expected": round(float(mean[i]), 4),
                    "sd": round(float(np.sqrt(max(covariance[i, i], 0.0))), 4),
                    "by": "model" if prompts[i] in self._waiting else "recombined",
                }
                for i in order
            ),
        )


def _keeps_half_of_one(looks_wanted: Sequence[set[str]], look: Sequence[str]) -> bool:
    return any(2 * len(own.intersection(look)) >= len(own) > 0 for own in looks_wanted)

"""What a person likes, shown by example: the same prompt in a few looks, rated as they would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steer.errors import UsageError
from steer.parts import KnowsPopulation, Parts, ScoresPeople

if TYPE_CHECKING:
    from reward.people.person import Person

# Along the axes on which taste moves: light, weather, angle and distance, palette, medium, focus.
LOOKS = (
    "golden hour light", "blue moonlight", "soft overcast light", "dramatic storm clouds", "thick fog",
    "low camera angle", "seen from above", "extreme close-up", "wide distant view",
    "vivid saturated colours", "muted earth colours", "black and white", "pastel palette",
    "realistic photograph", "oil painting", "watercolour", "ukiyo-e woodblock print",
    "shallow depth of field", "symmetrical composition", "high contrast",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """Predicted change of the rating when the prompt gets these words; on the 1-5 scale."""

    words: str
    person: float
    everyone: float  # the same for the population

    @property
    def own(self) -> float:
        """What is this person's and not everybody's."""
        return self.person - self.everyone


def preferred_looks(
    parts: Parts, person: Person, prompt: str, looks: tuple[str, ...] = LOOKS, seed: int = 0
) -> list[Look]:
    """Render `prompt` plain and in every look, and compare; the most liked first.

    One render each, so a look is one picture's worth of evidence. Raises `UsageError` for a scorer that
    does not know people and their population.
    """
    scorer = parts.scorer
    if not isinstance(scorer, ScoresPeople) or not isinstance(scorer, KnowsPopulation):
        raise UsageError(f"the reward {scorer.name} knows no people to compare: give another --reward")
    prompts = [prompt, *(f"{prompt}, {look}" for look in looks)]
    images = list(parts.renderer.render(prompts, [seed] * len(prompts)))
    own, everyone = scorer.score_people(images, prompt, [person, scorer.population()])
    found = [
        Look(look, float(own[i] - own[0]), float(everyone[i] - everyone[0]))
        for i, look in enumerate(looks, 1)
    ]
    return sorted(found, key=lambda look: -look.person)

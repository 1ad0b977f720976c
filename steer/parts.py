"""The nouns of the loop: its three seams, and what moves between them.

A proposer, a renderer and a scorer are anything with the one method below; nothing needs to inherit from
these protocols. What a run tells while it goes on is in `steer.record.events`.

Parts that hold much memory may also have any of these, without arguments; calling one twice does no harm:

    wake()   before the part works: bring what it needs to the accelerator, start its server
    rest()   another part works now and needs the memory: give it up, keep what makes waking quick
    close()  the run is over, or failed: give up everything; a later run wakes the part again
    notes()  a list of what it had to do otherwise than asked since the last call, each a line for people

and `keep_log(folder)`, told once where the run's folder is, for what it writes down on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

BASE_ID = "r00c00"  # the base prompt is candidate 0 of iteration 0


class PersonLike(Protocol):
    """Whose taste. The loop hands it to the scorer and writes these three down; see `reward.people`."""

    @property
    def kind(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def hash(self) -> str: ...


@dataclass(frozen=True)
class Scored:
    """A prompt and the predicted rating of its image: one entry of the memory."""

    prompt: str
    score: float  # raw predicted rating, nominally 1-5, never clamped
    id: str = ""


class Proposer(Protocol):
    """The language model that rewrites the prompt."""

    @property
    def name(self) -> str: ...

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        """Ask for `n` rewrites of `prompt`; `memory` is the best so far, best first.

        Returns raw replies, each holding one prompt or a numbered list. The loop logs them before it parses
        them. The same arguments should give the same replies where the model allows it.
        """
        ...


class Renderer(Protocol):
    """The text-to-image model."""

    @property
    def name(self) -> str: ...

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterable[Image]:
        """One RGB image per prompt, in order, each from its own seed; may be lazy.

        An image depends on its prompt and seed alone, not on what else is in the batch.
        """
        ...


class Scorer(Protocol):
    """The predictor of how one person would rate an image.

    Optional methods switch features on: `adherence(images, prompt) -> [n]` the image gate, and
    `score_people(images, prompt, people) -> [people, n]` with `people` and `person(id)` the specificity.
    """

    @property
    def name(self) -> str: ...

    def score(self, images: Sequence[Image], prompt: str, person: Any) -> Sequence[float]:
        """Raw predicted ratings, one per image. `prompt` is always the run's original prompt."""
        ...


Seat = Literal["proposer", "renderer", "scorer"]
Role = Literal["candidate", "gate", "confirm"]  # of a render


@dataclass(frozen=True)
class Parts:
    """Everything that a run is made of. Replace one with `dataclasses.replace(parts, renderer=mine)`."""

    proposer: Proposer
    renderer: Renderer
    scorer: Scorer
    judge: Scorer | None = None  # a second predictor that has no part in the search; for `held_out` only
    similarity: Callable[[str, str], float] | None = None  # of two texts, -1 to 1; for the text gate
    preset: str = "custom"
    reason: str = ""  # why this preset was chosen, for people
    simulated: bool = False  # True where the people are the sandbox's
    # While the part of the key works, these may stay awake beside it; all others rest (see
    # `steer.machine.gpu_memory`).
    beside: Mapping[Seat, tuple[Seat, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One image to make."""

    id: str  # "r02c05"; calibration and confirmation renders add "-gate1", "-confirm1"
    prompt: str
    seed: int
    iteration: int = 0
    role: Role = "candidate"
    parents: tuple[str, ...] = ()  # ids of the memory that the language model saw

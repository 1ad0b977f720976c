"""The nouns of the loop: its three seams, and what moves between them.

A proposer, a renderer and a scorer are anything with the one method below; whatever else a part can do is
found by its methods, as the protocols after them say. Nothing needs to inherit from any of them. What a run
tells while it goes on is in `steer.record.events`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable
from weakref import ref

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from PIL.Image import Image

    from reward.people.person import KnownPerson, Person

BASE_ID = "r00c00"  # the base prompt is candidate 0 of iteration 0


class PersonLike(Protocol):
    """Whose taste. The loop hands it to the scorer and writes these five down; see `reward.people`."""

    @property
    def kind(self) -> str: ...  # known, new, group or population
    @property
    def id(self) -> str: ...  # a scorer that knows people finds them by it
    @property
    def world(self) -> str: ...  # where the id means somebody: "pamela", "sandbox", "profile" …
    @property
    def label(self) -> str: ...  # both of them, for people
    @property
    def hash(self) -> str: ...


@dataclass(frozen=True)
class Scored:
    """A prompt and the predicted rating of its image: one entry of the memory."""

    prompt: str
    score: float  # raw predicted rating, nominally 1-5, never clamped
    id: str = ""


@dataclass(frozen=True)
class Guide:
    """What a language model may be told beside prompts and scores; see `steer.loop.guided`."""

    taste: tuple[str, ...] = ()  # lines: "likes golden hour, low angle"
    why: Mapping[str, str] = field(
        default_factory=dict
    )  # id in the memory -> "golden hour helps, sepia hurts"
    strengths: Mapping[str, float] = field(
        default_factory=dict
    )  # phrase -> points that it is thought to bring


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
    """The predictor of how one person would rate an image."""

    @property
    def name(self) -> str: ...

    def score(self, images: Sequence[Image], prompt: str, person: Any) -> Sequence[float]:
        """Raw predicted ratings, one per image. `prompt` is always the run's original prompt."""
        ...


# --- what any part may do besides; calling one of these twice does no harm


@runtime_checkable
class Wakes(Protocol):
    """A part that is told before it works: it brings what it needs to the accelerator, starts its server."""

    def wake(self) -> None: ...


@runtime_checkable
class Rests(Protocol):
    """A part that gives its memory up while another one works, and keeps what makes waking quick."""

    def rest(self) -> None: ...


@runtime_checkable
class Closes(Protocol):
    """A part that gives everything up when the run is over, or failed; a later run wakes it again."""

    def close(self) -> None: ...


@runtime_checkable
class TakesNotes(Protocol):
    """A part that tells what it had to do otherwise than asked since the last call, in lines for people."""

    def notes(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Capabilities:
    """What a renderer can be told beside the prompt; everything else it decides itself."""

    seed: bool = True  # the same seed makes the same picture, another seed another one
    negative: bool = False  # a negative prompt
    steps: bool = False
    guidance: bool = False
    sizes: bool = False
    batch: bool = False  # several pictures at once
    lora: bool = False

    def __str__(self) -> str:
        """What there is, as in "seed, steps and size"."""
        words = {"negative": "negative prompt", "sizes": "size"}
        *most, last = [
            words.get(each.name, each.name) for each in fields(self) if getattr(self, each.name)
        ] or ["nothing but the prompt"]
        return f"{', '.join(most)} and {last}" if most else last


@runtime_checkable
class SaysWhatItCan(Protocol):
    """A renderer that declares its capabilities. One that does not is taken to honour seeds, and no more."""

    @property
    def capabilities(self) -> Capabilities: ...


def honours_seeds(renderer: object) -> bool:
    """Whether base and rewrite can be compared in pairs, on the same seed."""
    return not isinstance(renderer, SaysWhatItCan) or renderer.capabilities.seed


@runtime_checkable
class KeepsLog(Protocol):
    """A part that is told once where the run's folder is, for what it writes down on its own."""

    def keep_log(self, folder: Path) -> None: ...


@runtime_checkable
class TakesGuide(Protocol):
    """A proposer that can use what is known of someone's taste."""

    def propose_by(self, prompt: str, memory: Sequence[Scored], n: int, seed: int, guide: Guide) -> list[str]:
        """As `propose`, told more."""
        ...


# --- what a scorer may do besides


@runtime_checkable
class MeasuresAdherence(Protocol):
    """A scorer with an image-text similarity [n], which switches the image gate on."""

    def adherence(self, images: Sequence[Image], prompt: str) -> Sequence[float]: ...


@runtime_checkable
class SaysHowSure(Protocol):
    """A scorer that says how far someone's ratings may lie from its predictions."""

    def interval(
        self, images: Sequence[Image], prompt: str, person: Any, share: float = 0.8
    ) -> tuple[Sequence[float], Sequence[float]]:
        """From where to where a rating of each image lies with probability `share`: two [n].

        Raises `reward.errors.ScoreError` where nobody measured it.
        """
        ...


@runtime_checkable
class KnowsPopulation(Protocol):
    """A scorer that can be asked for nobody in particular."""

    def population(self) -> Person: ...


@runtime_checkable
class FindsPeople(Protocol):
    """A scorer that finds someone by id. Raises `UnknownPerson`."""

    def person(self, user: str) -> Person: ...


@runtime_checkable
class KnowsPeople(Protocol):
    """A scorer that says whom it knows."""

    @property
    def people(self) -> Sequence[KnownPerson]: ...


@runtime_checkable
class ScoresPeople(KnowsPeople, FindsPeople, Protocol):
    """A scorer that rates for many people at once [people, n], which switches specificity on."""

    def score_people(self, images: Sequence[Image], prompt: str, people: Sequence[Person]) -> np.ndarray: ...


@runtime_checkable
class KnowsGroups(KnowsPeople, Protocol):
    """A scorer that can be asked for a demographic group of those whom it knows. Raises `EmptyGroup`."""

    def group(
        self, age: tuple[int, int] | None = None, gender: str | None = None, nationality: str | None = None
    ) -> Person: ...


@runtime_checkable
class ReadsTaste(Protocol):
    """A scorer that can say which looks someone likes, before anything is rendered."""

    def likings(self, person: Any, phrases: Sequence[str]) -> np.ndarray:
        """[phrases, 3]: strength, own part and its standard error, in rating points (`reward.people.taste`).

        No row where it cannot tell.
        """
        ...


@runtime_checkable
class LearnsTaste(Protocol):
    """A scorer that learns the taste of someone new from a few ratings, as `reward`'s `Predictor` does."""

    def known_ratings(self, images: Sequence[Image], prompts: Sequence[str] | None = None) -> np.ndarray: ...


def people_of(scorer: object) -> Sequence[KnownPerson]:
    """Whom a scorer knows; nobody where it cannot say."""
    return scorer.people if isinstance(scorer, KnowsPeople) else ()


Seat = Literal["proposer", "renderer", "scorer"]
Role = Literal["candidate", "gate", "final", "confirm"]  # of a render
SEATS = ("proposer", "renderer", "scorer", "judge")


class Loaded:
    """What parts were loaded by, so that the same ones can be loaded again."""

    def __init__(self, asked: Mapping[str, Any], parts: Parts) -> None:
        self.asked = asked  # name of the preset and overrides, as config.json keeps them
        # Held weakly: a part that was replaced shall not stay in memory for this.
        self._parts = {seat: ref(part) for seat in SEATS if (part := getattr(parts, seat)) is not None}

    def replaced(self, parts: Parts) -> list[str]:
        """Seats of `parts` that were given another part since."""
        return [
            seat
            for seat in SEATS
            if getattr(parts, seat) is not (self._parts[seat]() if seat in self._parts else None)
        ]


@dataclass(frozen=True)
class Parts:
    """Everything that a run is made of. Replace one with `dataclasses.replace(parts, renderer=mine)`."""

    proposer: Proposer
    renderer: Renderer
    scorer: Scorer
    judge: Scorer | None = None  # a second predictor that has no part in the search; for `held_out` only
    similarity: Callable[[str, str], float] | None = None  # of two texts, -1 to 1; for the text gate
    embed: Callable[[Sequence[str]], np.ndarray] | None = None  # unit vectors [n, d] of texts; for forecasts
    preset: str = "custom"
    reason: str = ""  # why this preset was chosen, for people
    simulated: bool = False  # True where the people are the sandbox's
    # While the part of the key works, these may stay awake beside it; all others rest (see
    # `steer.machine.gpu_memory`).
    beside: Mapping[Seat, tuple[Seat, ...]] = field(default_factory=dict)
    loaded: Loaded | None = None  # None: put together by hand


@dataclass(frozen=True)
class Job:
    """One image to make."""

    id: str  # "r02c05"; renders for calibration, finals and confirmation add "-gate1", "-final1", "-confirm1"
    prompt: str
    seed: int
    iteration: int = 0
    role: Role = "candidate"
    parents: tuple[str, ...] = ()  # ids of the memory that the language model saw

"""The three steps of the loop (propose, render, score), each done once: what the record holds is reused."""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from steer.errors import ProposerError, RendererDown, RendererError, ScorerError, ServerDown, SteerError
from steer.gates.image import ImageGate
from steer.gates.looks import is_look, looks
from steer.gates.text import TextGate
from steer.loop.choices import Choices
from steer.parts import (
    BASE_ID,
    Guide,
    Job,
    MeasuresAdherence,
    Parts,
    PersonLike,
    Proposer,
    Renderer,
    Rests,
    Scored,
    Scorer,
    Seat,
    TakesGuide,
    TakesNotes,
    Wakes,
)
from steer.record.events import Event, Note, Proposed, Rated, Rejected, Rendered
from steer.record.folder import Recorder
from steer.settings import Settings
from steer.taste import Correction, never_of

if TYPE_CHECKING:
    from PIL.Image import Image

LOOKS = 7  # with the base: from here on the bank's looks alone calibrate the image gate
FAILURES_IN_A_ROW = 3  # from here on it is the renderer's failure and not the candidates'

_FAILURE: dict[Seat, type[SteerError]] = {
    "proposer": ProposerError,
    "renderer": RendererError,
    "scorer": ScorerError,
}


class Steps:
    """One run's parts, person and record, behind the steps that the loop is made of."""

    def __init__(self, person: PersonLike, parts: Parts, settings: Settings, record: Recorder) -> None:
        self.prompt: str = record.config["prompt"]
        self.person = person
        self.parts = parts
        self.settings = settings
        self.record = record
        # Of the person's own taste, as they were when the run was started.
        self.corrections = tuple(map(Correction.from_json, record.config["recipe"].get("corrections", ())))
        self.choices = Choices(record)
        self.gate = ImageGate(None)  # lets everything through until it is calibrated
        self._known: dict[str, tuple[float | str, float | None]] = {}  # score, adherence by pixels
        self._calibrated = False
        self._base_adherence: float | None = None
        self._at_work: Seat | None = None  # whose phase it is

    # --- phases

    def enter(self, seat: Seat) -> None:
        """The phase of this part begins: the others rest where memory asks for it, this one wakes."""
        if self._at_work == seat:
            return
        for other in _FAILURE:
            if other != seat and other not in self.parts.beside.get(seat, ()):
                self._tell(other, "rest")
        self._tell(seat, "wake")
        self._at_work = seat

    def leave(self, seat: Seat) -> Iterator[Event]:
        """What the part had to do otherwise than asked, as events. Its phase may go on afterwards."""
        for part in self._seated(seat):
            for text in part.notes() if isinstance(part, TakesNotes) else ():
                yield Note(part=seat, text=str(text))

    def say_once(self, seat: Seat, text: str) -> Iterator[Event]:
        """A note, which a resumed run does not repeat."""
        if not any(isinstance(event, Note) and event.text == text for event in self.record.events):
            yield Note(part=seat, text=text)

    def _tell(self, seat: Seat, method: Literal["wake", "rest"]) -> None:
        for part in self._seated(seat):
            try:
                if method == "wake" and isinstance(part, Wakes):
                    part.wake()
                elif method == "rest" and isinstance(part, Rests):
                    part.rest()
            except SteerError:  # it says itself what to do next
                raise
            except Exception as error:
                raise _FAILURE[seat](
                    f"the {seat} {part.name} failed to {method}: {error}; {self._again}"
                ) from error

    def _seated(self, seat: Seat) -> list[Proposer | Renderer | Scorer]:
        """The judge looks at pictures when the scorer does, and sleeps and wakes with it."""
        found = [getattr(self.parts, seat)]
        return [*found, self.parts.judge] if seat == "scorer" and self.parts.judge is not None else found

    # --- propose

    @property
    def text_gate(self) -> TextGate:
        """What every rewrite of this run must pass."""
        return TextGate(self.prompt, self.parts.similarity, never=never_of(self.record.config))

    def replies(
        self, iteration: int, attempt: int, memory: Sequence[Scored], n: int, guide: Guide | None = None
    ) -> Generator[Event, None, list[str]]:
        """Raw replies of the language model, logged before anyone reads them."""
        event = self.record.find(Proposed, iteration, attempt)
        if event is None:
            seed = self.settings.llm_seed_of(iteration, attempt)
            self.enter("proposer")
            start = time.perf_counter()
            try:
                proposer = self.parts.proposer
                if guide is not None and isinstance(proposer, TakesGuide):
                    replies = proposer.propose_by(self.prompt, memory, n, seed, guide)
                else:
                    replies = proposer.propose(self.prompt, memory, n, seed)
                replies = [replies] if isinstance(replies, str) else [str(reply) for reply in replies]
            except ServerDown as error:  # started again, it can go on from here
                raise ServerDown(f"{error}; {self._again}") from error
            except ProposerError:  # it says itself what to do next
                raise
            except Exception as error:
                name = self.parts.proposer.name
                raise ProposerError(f"the language model {name} failed: {error}; {self._again}") from error
            seconds = time.perf_counter() - start
            event = Proposed(
                iteration=iteration, attempt=attempt, asked=n, seed=seed, replies=tuple(replies),
                seconds=seconds,
            )  # fmt: skip
            yield from self.leave("proposer")
        yield event
        return list(event.replies)

    # --- render

    def render(self, jobs: Sequence[Job]) -> Generator[Event, None, dict[str, Image]]:
        """Images by id. A candidate that cannot be rendered is rejected and missing from them."""
        images: dict[str, Image] = {}
        pending: list[Job] = []
        for job in jobs:
            lost = self.record.find(Rejected, job.id)
            if lost is not None and lost.stage == "render":
                yield lost
            elif (image := self.record.load_image(job)) is not None:
                images[job.id] = image
                yield self.record.find(Rendered, job.id) or _rendered(job, self.record.image_file(job), 0.0)
            else:
                pending.append(job)

        if not pending:
            return images
        self.enter("renderer")
        failures: list[tuple[Job, Exception]] = []
        saving: deque[tuple[Job, Future[dict[str, str]], float]] = deque()
        # One image is written while the next one is made; leaving this block waits for the last.
        with ThreadPoolExecutor(1, "steer-disk") as disk:
            for job, outcome, seconds in self._make(pending):
                if isinstance(outcome, Exception):
                    failures.append((job, outcome))
                    continue
                images[job.id] = outcome
                saving.append((job, disk.submit(self.record.save_image, job, outcome), seconds))
                if len(saving) > 1:
                    yield _saved(saving)
            while saving:
                yield _saved(saving)
        yield from self.leave("renderer")

        for job, error in failures:
            if job.id == BASE_ID or job.role != "candidate" or not images:
                name = self.parts.renderer.name
                raise RendererError(f"the renderer {name} failed: {error}; {self._again}") from error
            yield _rejected(job, "render", f"the render failed: {error}")
        return images

    def _make(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Image | Exception, float]]:
        """Each job with its image, or with what went wrong, as soon as there is one; and the seconds."""
        name, pending, failed = self.parts.renderer.name, list(jobs), 0
        while pending:
            source: Iterator[Image] | None = None
            while pending:
                start = time.perf_counter()
                outcome: Image | Exception
                try:
                    source = source or iter(
                        self.parts.renderer.render(
                            [job.prompt for job in pending], [job.seed for job in pending]
                        )
                    )
                    outcome = next(source).convert("RGB")
                except StopIteration:
                    raise RendererError(
                        f"the renderer {name} returned too few images, {len(pending)} of {len(jobs)} are "
                        f"missing; {self._again}"
                    ) from None
                except RendererDown as error:  # no fault of any candidate
                    raise RendererDown(f"{error}; {self._again}") from error
                except Exception as error:  # noqa: BLE001 - whatever a renderer raises is recorded by the caller
                    outcome = error
                yield pending.pop(0), outcome, time.perf_counter() - start
                failed = failed + 1 if isinstance(outcome, Exception) else 0
                if isinstance(outcome, Exception):
                    if failed == FAILURES_IN_A_ROW:
                        raise RendererError(
                            f"the renderer {name} failed {failed} times in a row: {outcome}; {self._again}"
                        ) from outcome
                    break  # a generator that raised is finished: ask anew for the rest

    # --- score

    def baseline(self) -> Generator[Event, None, Scored]:
        """Render and score the base prompt; where the image gate goes by its renders, calibrate the gate."""
        base = Job(BASE_ID, self.prompt, self.settings.seed)
        sd = self.settings.gate_sd if isinstance(self.parts.scorer, MeasuresAdherence) else None
        seeds = self.settings.gate_seeds[: self.settings.gate_renders] if sd is not None else ()
        extra = [
            Job(f"{BASE_ID}-gate{i}", self.prompt, seed, role="gate") for i, seed in enumerate(seeds, start=1)
        ]
        images = yield from self.render([base, *extra])
        event = self.record.find(Rated, BASE_ID)
        if event is None:
            self.enter("scorer")
            start = time.perf_counter()
            adherence = self._adherence([images[job.id] for job in (base, *extra)])
            if sd is not None and None in adherence:
                raise ScorerError(f"{self._scorer} found no image-text similarity; {self._again}")
            score = self._predict([images[BASE_ID]])[0]
            if isinstance(score, str):
                raise ScorerError(f"{self._scorer} cannot score the base prompt: {score}; {self._again}")
            known = [value for value in adherence[1:] if value is not None]
            gate = ImageGate.calibrate_paper(known, sd) if extra and sd is not None else ImageGate(None)
            calibration = {"adherence": known, "threshold": gate.threshold}
            event = _rated(base, score, adherence[0], time.perf_counter() - start, calibration)
            yield from self.leave("scorer")
        self._known[_content(images[BASE_ID])] = event.score, event.adherence
        yield event
        self.gate = ImageGate((event.gate or {}).get("threshold"))
        self._calibrated = sd is None or bool(extra)
        self._base_adherence = event.adherence
        return Scored(self.prompt, event.score, BASE_ID)

    def score(self, jobs: Sequence[Job], images: Mapping[str, Image]) -> Generator[Event, None, list[Scored]]:
        """The candidates that have a score and stayed on the prompt. The others are rejected."""
        rendered = [job for job in jobs if job.id in images]
        passed: list[Scored] = []
        events = self._score_events(rendered, [images[job.id] for job in rendered])
        for event in events if self._calibrated else self._calibrate(rendered, list(events)):
            yield event
            if not isinstance(event, Rated):
                continue
            job = next(job for job in rendered if job.id == event.id)
            reason = self.gate.reject(event.adherence)
            if reason is None:
                passed.append(Scored(job.prompt, event.score, job.id))
            else:
                yield _rejected(job, "image", reason)
        return passed

    def _calibrate(self, jobs: Sequence[Job], events: list[Event]) -> list[Event]:
        """The first iteration's pictures calibrate the image gate, before it judges them; the first says so.

        They show the base prompt's subject in many looks. Where enough of the looks are the bank's own, only
        those count: a language model may have lost the subject, the bank has none to lose it to.
        """
        rated = {event.id: event for event in events if isinstance(event, Rated)}
        if not rated:
            return events
        bank = looks()
        own = [rated[job.id] for job in jobs if job.id in rated and is_look(bank, self.prompt, job.prompt)]
        shown = [event.adherence for event in (own if len(own) >= LOOKS else rated.values())]
        known = [value for value in (self._base_adherence, *shown) if value is not None]
        first = next(iter(rated.values()))
        gate = first.gate or {"adherence": known, "threshold": ImageGate.calibrate(known).threshold}
        self.gate, self._calibrated = ImageGate(gate["threshold"]), True
        return [replace(first, gate=gate) if event is first else event for event in events]

    def _score_events(self, jobs: Sequence[Job], images: Sequence[Image]) -> Iterator[Event]:
        find = self.record.find
        logged: list[Event | None] = [find(Rated, job.id) or find(Rejected, job.id) for job in jobs]
        keys = [_content(image) for image in images]
        if not all(logged):
            self.enter("scorer")
        start = time.perf_counter()
        if not all(logged):
            # One missing: the whole batch again, because a score may depend in its last digits on the batch.
            # For the same reason equal pixels are judged once in a run: otherwise noise would rank them.
            fresh = {key: image for key, image in zip(keys, images, strict=True) if key not in self._known}
            self._known |= zip(fresh, self._judge(list(fresh.values())), strict=True)
            yield from self.leave("scorer")
        seconds = (time.perf_counter() - start) / max(1, len(jobs))
        for job, key, event in zip(jobs, keys, logged, strict=True):
            if event is None:
                score, adherence = self._known[key]
                if isinstance(score, str):
                    event = _rejected(job, "score", score)
                else:
                    event = _rated(job, score, adherence, seconds)
            elif isinstance(event, Rated):
                self._known[key] = event.score, event.adherence
            yield event

    def judge(self, images: Sequence[Image]) -> list[tuple[float | str, float | None]]:
        """Score, or the reason why there is none, and adherence of each picture."""
        self.enter("scorer")
        return self._judge(images)

    def _judge(self, images: Sequence[Image]) -> list[tuple[float | str, float | None]]:
        if not images:
            return []
        return list(zip(self._predict(images), self._adherence(images), strict=True))

    def _predict(self, images: Sequence[Image]) -> list[float | str]:
        """A score for each image, or the reason why there is none. Raises if no image can be scored."""
        try:
            scores = self._ask(images)
        except Exception as error:
            if len(images) == 1:
                raise ScorerError(f"{self._scorer} failed: {error}; {self._again}") from error
            # One bad image must not take the others with it.
            scores = [self._ask_one(image) for image in images]
            if all(isinstance(score, str) for score in scores):
                raise ScorerError(f"{self._scorer} failed: {error}; {self._again}") from error
        return [
            score if isinstance(score, str) or math.isfinite(score) else f"the score is {score}, not a number"
            for score in scores
        ]

    def _ask(self, images: Sequence[Image]) -> list[float | str]:
        scores = [float(score) for score in self.parts.scorer.score(images, self.prompt, self.person)]
        if len(scores) != len(images):
            raise ValueError(f"{len(scores)} scores for {len(images)} images")
        return list(scores)

    def _ask_one(self, image: Image) -> float | str:
        try:
            return self._ask([image])[0]
        except Exception as error:  # noqa: BLE001 - whatever a scorer raises becomes the candidate's reason
            return f"the scorer failed: {error}"

    def _adherence(self, images: Sequence[Image]) -> list[float | None]:
        """Image-text similarity to the original prompt; None where there is no such thing."""
        scorer = self.parts.scorer
        if not isinstance(scorer, MeasuresAdherence):
            return [None] * len(images)
        try:
            values = [float(value) for value in scorer.adherence(images, self.prompt)]
            if len(values) != len(images):
                raise ValueError(f"{len(values)} similarities for {len(images)} images")
        except Exception as error:
            raise ScorerError(
                f"{self._scorer} cannot compare image and text: {error}; {self._again}"
            ) from error
        return [value if math.isfinite(value) else None for value in values]

    @property
    def _scorer(self) -> str:
        return f"the scorer {self.parts.scorer.name}"

    @property
    def _again(self) -> str:
        return f"what was done is kept, go on with: steer runs resume {self.record.folder}"


def _content(image: Image) -> str:
    return hashlib.blake2b(image.tobytes() + repr(image.size).encode(), digest_size=16).hexdigest()


def _rendered(job: Job, file: Mapping[str, str], seconds: float) -> Rendered:
    return Rendered(
        id=job.id, role=job.role, iteration=job.iteration, prompt=job.prompt, seed=job.seed,
        parents=job.parents, image=file["image"], sha256=file["sha256"], seconds=seconds,
    )  # fmt: skip


def _saved(saving: deque[tuple[Job, Future[dict[str, str]], float]]) -> Rendered:
    job, file, seconds = saving.popleft()
    return _rendered(job, file.result(), seconds)


def _rated(
    job: Job, score: float, adherence: float | None, seconds: float, gate: Mapping[str, Any] | None = None
) -> Rated:
    return Rated(
        id=job.id, iteration=job.iteration, score=score, adherence=adherence, gate=gate, seconds=seconds
    )


def _rejected(job: Job, stage: Literal["render", "score", "image"], reason: str) -> Rejected:
    return Rejected(
        id=job.id, stage=stage, iteration=job.iteration, prompt=job.prompt, seed=job.seed, reason=reason
    )

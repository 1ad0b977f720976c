"""Known answers on the user's own machine: each part is asked what it must be able to answer.

    language model       its reply can be read, and it makes different prompts
    sleep                vLLM gives the GPU back
    pictures             finite, not of one colour, the same for the same seed
    batch                one picture alone and among others agree within `BATCH_TOLERANCE`
    text encoder         cut where it is last read, it encodes a prompt as the whole one does
    image-text encoder   finds the caption of each of five photographs, in any case of its letters
    scores               finite, and in the range of ratings

What they take stands beside what the memory plan says.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward.errors import RewardError
from steer.errors import SteerError
from steer.gates.replies import parse
from steer.machine.gpus import GIB
from steer.machine.presets import ResolvedPreset
from steer.parts import (
    Closes,
    KnowsPopulation,
    MeasuresAdherence,
    Parts,
    Rests,
    Scored,
    Seat,
    TakesNotes,
    Wakes,
)

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

PICTURES = Path(__file__).parent / "pictures"
PROMPTS = (
    "floating mossy rocks",
    "a wooden boat on a quiet lake",
    "a red car in the rain",
    "a quiet harbour",
)
SAME_TOLERANCE = 1.0  # mean difference, of 255, of a picture made twice
BATCH_TOLERANCE = 4.0  # alone and in a batch: other kernels round otherwise, and a sampler amplifies that
CUT_TOLERANCE = 0.01  # relative, of the cut text encoder's hidden states
ASKED = 4  # proposals


@dataclass(frozen=True)
class Checked:
    """One answer."""

    what: str
    ok: bool
    found: str
    fix: str = ""
    seconds: float | None = None
    planned_seconds: float | None = None
    gb: float | None = None  # peak on the GPU
    planned_gb: float | None = None


@dataclass(frozen=True)
class _Answer:
    """What a question found: whether it is right, in words, and how many things it made."""

    ok: bool
    found: str
    count: int = 1


def checks(parts: Parts, resolved: ResolvedPreset) -> Iterator[Checked]:
    """Ask the parts one after the other; an error of a part is an answer too. Closes the parts at the end."""
    machine, plan = _Machine(parts, resolved), resolved.memory_plan
    llm_plan = resolved.llm_plan or plan
    propose, image, score = (
        llm_plan.propose_seconds if llm_plan else None,
        plan.image_seconds if plan else None,
        plan.score_seconds if plan else None,
    )
    again = f"steer setup {resolved.name}"
    made: list[Image] = []
    try:
        log = "another model: --llm; what it said: the log of its server"
        yield machine.ask("language model", "proposer", lambda: _language_model(parts), log, propose)
        if resolved.starts_vllm and plan is not None and resolved.llm_plan is None:
            yield machine.ask("sleep", "proposer", lambda: _sleep(parts, resolved), "--rest disk")
        other = "--memory bf16; else another --renderer"
        yield machine.ask("pictures", "renderer", lambda: _pictures(parts, made), other, image)
        if made:
            yield machine.ask("batch", "renderer", lambda: _batch(parts, made), "--batch 1")
        if hasattr(parts.renderer, "cut_error"):
            yield machine.ask("text encoder", "renderer", lambda: _cut(parts), f"fetch it again: {again}")
        if isinstance(parts.scorer, MeasuresAdherence) and not parts.simulated:
            fetch = f"delete the encoder's folder, then {again}"
            yield machine.ask("image-text encoder", "scorer", lambda: _captions(parts), fetch)
        if made:
            yield machine.ask("scores", "scorer", lambda: _scores(parts, made), again, score)
    finally:
        for part in (parts.proposer, parts.renderer, parts.scorer):
            if isinstance(part, Closes):
                part.close()


def report_of(resolved: ResolvedPreset, found: Sequence[Checked]) -> dict[str, Any]:
    """The answers as plain values for a bug report: no names of people, no paths."""
    plan, llm = resolved.memory_plan, resolved.llm_plan
    return {
        "schema_version": 1,
        "status": "ok" if all(each.ok for each in found) else "failed",
        "preset": resolved.name,
        "own_parts": sorted(k for k, v in resolved.overrides.to_json().items() if v and k in _PARTS),
        "memory": resolved.precision,
        "rest": resolved.overrides.rest,
        "gpu": resolved.gpu.name if resolved.gpu else None,
        "gpu_gb": round(resolved.gpu.memory, 1) if resolved.gpu else None,
        "planned_gb": round(plan.peak / GIB, 1) if plan else None,
        "planned_llm_gb": round(llm.peak / GIB, 1) if llm else None,
        "planned_main_memory_gb": round(plan.main_memory / GIB, 1) if plan else None,
        "versions": {name: _version(name) for name in ("steer", "torch", "transformers", "diffusers")},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "checks": [{**asdict(each), "found": _without_paths(each.found)} for each in found],
    }


_PARTS = ("llm", "llm_url", "renderer", "renderer_base", "lora", "reward", "judge", "vllm_python")


class _Machine:
    """Wakes who is asked, rests who is in the way, and measures."""

    def __init__(self, parts: Parts, resolved: ResolvedPreset) -> None:
        self._seats: dict[Seat, Any] = {
            "proposer": parts.proposer, "renderer": parts.renderer, "scorer": parts.scorer
        }  # fmt: skip
        self._beside, self._plan = parts.beside, resolved.memory_plan

    def ask(
        self,
        what: str,
        seat: Seat,
        question: Callable[[], _Answer],
        fix: str,
        planned: float | None = None,
    ) -> Checked:
        peak = _Peak()
        started = time.monotonic()
        try:
            for other, part in self._seats.items():
                if other != seat and other not in self._beside.get(seat, ()) and isinstance(part, Rests):
                    part.rest()
            if isinstance(self._seats[seat], Wakes):
                self._seats[seat].wake()
            started = time.monotonic()
            answer = question()
        except (SteerError, RewardError) as error:
            answer = _Answer(False, str(error))
        except Exception as error:  # noqa: BLE001 - whatever a model raises is the answer
            answer = _Answer(False, f"{type(error).__name__}: {error}")
        seconds = (time.monotonic() - started) / max(1, answer.count)
        gb = peak.gb()
        planned_gb = self._plan.peak / GIB if self._plan is not None and gb is not None else None
        fix = "" if answer.ok else fix
        return Checked(what, answer.ok, answer.found, fix, round(seconds, 3), planned, gb, planned_gb)


class _Peak:
    """What this process takes of the GPU at the most, from now on."""

    def __init__(self) -> None:
        import torch

        self._cuda = torch.cuda if torch.cuda.is_available() else None
        if self._cuda is not None:
            self._cuda.reset_peak_memory_stats()

    def gb(self) -> float | None:
        return None if self._cuda is None else round(self._cuda.max_memory_reserved() / GIB, 2)


# --- the questions


def _language_model(parts: Parts) -> _Answer:
    base = PROMPTS[0]
    replies = parts.proposer.propose(base, [Scored(base, 3.0, "r00c00")], ASKED, 0)
    prompts = {prompt for reply in replies for prompt in parse(reply)} - {base}
    return _Answer(len(prompts) >= 2, f"{len(prompts)} different prompts of {ASKED} asked for", ASKED)


def _sleep(parts: Parts, resolved: ResolvedPreset) -> _Answer:
    from steer.machine.gpus import free_bytes

    gpu, proposer = resolved.gpu, parts.proposer
    if gpu is None or not isinstance(proposer, Rests):
        return _Answer(True, "nothing to put to sleep")
    before = free_bytes(gpu)
    proposer.rest()
    freed = (free_bytes(gpu) - before) / GIB
    notes = proposer.notes() if isinstance(proposer, TakesNotes) else ()
    return _Answer(not notes and freed > 1, "; ".join(notes) or f"freed {freed:.1f} GB")


def _pictures(parts: Parts, made: list[Image]) -> _Answer:
    seeds = list(range(len(PROMPTS)))
    first = list(parts.renderer.render(PROMPTS, seeds))
    _forget(parts)
    again = list(parts.renderer.render(PROMPTS, seeds))
    made += first
    flat = [prompt for prompt, image in zip(PROMPTS, first, strict=True) if _spread(image) < 1]
    if flat:
        return _Answer(False, f"{len(flat)} of {len(first)} pictures are of one colour", 2 * len(first))
    furthest = max(_difference(a, b) for a, b in zip(first, again, strict=True))
    words = f"{len(first)} made twice: mean difference {furthest:.2f} of 255 (at most {SAME_TOLERANCE:g})"
    return _Answer(furthest <= SAME_TOLERANCE, words, 2 * len(first))


def _batch(parts: Parts, made: Sequence[Image]) -> _Answer:
    _forget(parts)
    alone = [next(iter(parts.renderer.render([prompt], [seed]))) for seed, prompt in enumerate(PROMPTS)]
    furthest = max(_difference(a, b) for a, b in zip(alone, made, strict=True))
    words = f"alone and four at once: mean difference {furthest:.2f} of 255 (at most {BATCH_TOLERANCE:g})"
    return _Answer(furthest <= BATCH_TOLERANCE, words, len(alone))


def _cut(parts: Parts) -> _Answer:
    renderer: Any = parts.renderer
    error = renderer.cut_error(PROMPTS[1])
    if error is None:
        return _Answer(True, "nothing is cut of this model's")
    return _Answer(error <= CUT_TOLERANCE, f"relative error {error:.1e} (at most {CUT_TOLERANCE:g})")


def _captions(parts: Parts) -> _Answer:
    import numpy as np

    scorer: Any = parts.scorer
    images, captions = photographs()
    table = np.array([scorer.adherence(images, caption) for caption in captions])  # [captions, pictures]
    shouted = np.array([scorer.adherence(images, caption.upper()) for caption in captions])
    right = int((table.argmax(0) == np.arange(len(images))).sum())
    case = float(np.abs(table - shouted).max())
    words = f"{right} of {len(images)} photographs find their caption"
    if case > 1e-3:
        return _Answer(False, f"{words}; capital letters change it by {case:.2f}", 2 * len(images) ** 2)
    return _Answer(right == len(images), words, 2 * len(images) ** 2)


def _scores(parts: Parts, made: Sequence[Image]) -> _Answer:
    scorer = parts.scorer
    person: Any = scorer.population() if isinstance(scorer, KnowsPopulation) else None
    scores = [float(score) for score in scorer.score(made, PROMPTS[0], person)]
    ok = len(scores) == len(made) and all(math.isfinite(score) for score in scores)
    words = f"{min(scores):.2f} to {max(scores):.2f}" if ok else f"{scores}"
    return _Answer(ok and min(scores) > -5 and max(scores) < 15, words, len(made))


def photographs() -> tuple[list[Image], list[str]]:
    """The five shipped photographs, all in the public domain or CC0, and their captions."""
    from reward.pictures import read_image

    listed = json.loads((PICTURES / "captions.json").read_text(encoding="utf-8"))
    images = [read_image((PICTURES / name).read_bytes()) for name in sorted(listed)]
    return images, [listed[name]["caption"] for name in sorted(listed)]


def _forget(parts: Parts) -> None:
    """Makes the renderer make its pictures anew, where it keeps them."""
    if hasattr(parts.renderer, "forget"):
        parts.renderer.forget()


def _pixels(image: Image) -> np.ndarray:
    import numpy as np

    return np.asarray(image.convert("RGB"), np.float32)


def _spread(image: Image) -> float:
    return float(_pixels(image).std())


def _difference(a: Image, b: Image) -> float:
    import numpy as np

    return float(np.abs(_pixels(a) - _pixels(b)).mean())


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _without_paths(text: str) -> str:
    """`text` without anything that looks like a path of this machine."""
    return re.sub(r"(?<![\w.:/])(?:~|[A-Za-z]:)?(?:[/\\][^\s,;:)'\"]+)+", "…", text)

"""The settings of a run, the check of its prompt, and the seeds that follow from them."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from dataclasses import asdict, dataclass
from typing import Any

from steer.errors import PromptError, SettingsError

DEFAULT_PROMPT = "floating mossy rocks"  # the paper's Figure 6
MAX_PROMPT = 2_000  # characters
MAX_SEED = 2**31 - 1  # what every renderer's generator takes
GATE_RENDERS = 4  # of the base prompt, to calibrate the image gate
RETRIES = 3  # how often what is missing of an iteration is asked for again

# Bidirectional overrides would let a prompt rewrite the look of the text around it.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Settings:
    """How a run searches. The defaults are the paper's (section 5).

    Raises `SettingsError`, naming the option, for a value out of its range.
    """

    iterations: int = 5  # at most this many rounds of proposals
    proposals: int = 20  # new prompts per iteration (the paper's T)
    keep: int = 1  # scored prompts that the language model sees (the paper's t)
    patience: int = 2  # stop after this many iterations in a row without a new best; 0 = never
    target: float | None = None  # stop when the predicted rating reaches this
    seed: int = 0  # image noise of the base prompt and of every candidate
    llm_seed: int = 0  # proposals
    confirm: int = 4  # renders of base and best on seeds that the search never saw; 0 = none
    gate_sd: float | None = 2.0  # image gate: mean - this many sd of the base's own renders; None = off
    metadata: bool = True  # prompt and settings inside each PNG

    def __post_init__(self) -> None:
        for name, low, high in (
            ("iterations", 1, 1_000),
            ("proposals", 1, 1_000),
            ("keep", 1, 1_000),
            ("patience", 0, 1_000),
            ("seed", 0, MAX_SEED),
            ("llm_seed", 0, MAX_SEED),
            ("confirm", 0, 100),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                option = name.replace("_", "-")
                raise SettingsError(
                    f"--{option} is {value!r}, but must be a whole number from {low} to {high:,}; "
                    "see: steer run --help"
                )
        for name in ("target", "gate_sd"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise SettingsError(f"{name} is {value!r}, but must be a number; see: steer run --help")
        if self.gate_sd is not None and self.gate_sd < 0:
            raise SettingsError(f"gate_sd is {self.gate_sd}, but must be 0 or more; see: steer run --help")

    @property
    def gate_seeds(self) -> tuple[int, ...]:
        """Seeds of the base prompt's calibration renders; none equals `seed`."""
        return derive_seeds(self.seed, "gate", GATE_RENDERS, avoid={self.seed})

    @property
    def confirm_seeds(self) -> tuple[int, ...]:
        """Seeds that the search never saw: neither `seed` nor the gate's."""
        return derive_seeds(self.seed, "confirm", self.confirm, avoid={self.seed, *self.gate_seeds})

    def llm_seed_of(self, iteration: int, attempt: int) -> int:
        """Seed of one request to the language model."""
        return _hash_seed(f"llm:{self.llm_seed}:{iteration}:{attempt}")

    def to_json(self) -> dict[str, Any]:
        """For config.json; `Settings(**...)` reads it back."""
        return asdict(self)


def derive_seeds(seed: int, purpose: str, n: int, avoid: set[int]) -> tuple[int, ...]:
    """`n` different seeds that follow from `seed` and are not in `avoid`."""
    seeds: list[int] = []
    counter = 0
    while len(seeds) < n:
        candidate = _hash_seed(f"{purpose}:{seed}:{counter}")
        counter += 1
        if candidate not in avoid and candidate not in seeds:
            seeds.append(candidate)
    return tuple(seeds)


def _hash_seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & MAX_SEED


def clean_prompt(text: str) -> str:
    """`text` on one line, without control characters. Emoji, quotes and any script survive.

    Raises `PromptError` if nothing is left or more than 2,000 characters are.
    """
    kept = (
        " " if unicodedata.category(c) in ("Zl", "Zp") or c in "\t\n\r\v\f\x85" else c
        for c in text
        if c in "\t\n\r\v\f\x85" or (unicodedata.category(c) not in ("Cc", "Cs") and c not in _BIDI)
    )
    prompt = " ".join("".join(kept).split())
    if not prompt:
        raise PromptError(f'the prompt is empty; try: steer run --prompt "{DEFAULT_PROMPT}"')
    if len(prompt) > MAX_PROMPT:
        raise PromptError(
            f"the prompt has {len(prompt):,} characters, but at most {MAX_PROMPT:,} are taken; "
            "shorten it to what the image should show"
        )
    return prompt

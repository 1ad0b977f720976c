"""The settings of a run, the check of its prompt, and the seeds that follow from them."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from steer.errors import PromptError, SettingsError, SteerError

DEFAULT_PROMPT = "floating mossy rocks"  # the paper's Figure 6
MAX_PROMPT = 2_000  # characters
MAX_SEED = 2**31 - 1  # what every renderer's generator takes
GATE_RENDERS = 4  # of the base prompt, where the image gate is calibrated on them
FINAL_RENDERS = 2  # of each finalist
WRITTEN = 2  # rewrites that guided search asks for, for each that it renders
RETRIES = 3  # how often what is missing of an iteration is asked for again

# Bidirectional overrides would let a prompt rewrite the look of the text around it.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def option(default: Any, help: str, low: int | None = None, high: float = math.inf, **spelling: Any) -> Any:
    """A dataclass field that is an option too: a flag, a variable and a key of the config file by its name.

    `low` and `high` are included; `spelling` says where the command line differs: name, env, type, panel.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, **spelling})


def check_ranges(options: Any, error: type[SteerError]) -> None:
    """Raises `error`, naming the option, for the first value that is out of its field's range."""
    for each in fields(options):
        low, high, value = each.metadata["low"], each.metadata["high"], getattr(options, each.name)
        if low is None or value is None is each.default:
            continue
        whole = str(each.type).startswith("int")
        wrong = whole and (not isinstance(value, int) or isinstance(value, bool))
        if wrong or not low <= value <= high:
            kind = "a whole number " if whole else ""
            bounds = f"{low} or more" if high == math.inf else f"from {low} to {high:,}"
            raise error(
                f"--{each.name.replace('_', '-')} is {value!r}, but must be {kind}{bounds}; "
                "see: steer run --help"
            )


SEARCHES = ("guided", "paper")
GATES = ("looks", "base")


@dataclass(frozen=True)
class Settings:
    """How a run searches. The defaults are the paper's (section 5) but for the search itself.

    Raises `SettingsError`, naming the option, for a value out of its range.
    """

    iterations: int = option(5, "Rounds of rewriting, at most.", 1, 1_000)
    proposals: int = option(20, "New prompts per round.", 1, 1_000)  # the paper's T
    keep: int | None = option(  # the paper's t
        None, "Best prompts that the language model sees; 4, or 1 as in the paper.", 1, 1_000
    )
    patience: int = option(
        2, "Stop after this many rounds without a new best; 0 never stops early.", 0, 1_000
    )
    target: float | None = option(None, "Stop once the predicted rating is this high.")
    seed: int = option(0, "Image noise, the same for base and rewrites.", 0, MAX_SEED)
    llm_seed: int = option(0, "Seed of the rewrites.", 0, MAX_SEED)
    confirm: int = option(4, "Fresh seeds on which base and best are compared; 0 skips it.", 0, 100)
    # None: no gate. By the base: a picture is rejected below the mean - this many sd of its own renders.
    gate_sd: float | None = option(2.0, "Reject pictures that left the subject.", name="gate", type=bool)
    gate_by: Literal["looks", "base"] | None = option(
        None, "Gate by the first round's looks, or by 4 renders of the base, as --search paper does."
    )
    search: Literal["guided", "paper"] = option(
        "guided", "guided: taste and a forecast choose what to render; paper: the paper's loop."
    )
    finalists: int = option(4, "Best prompts tried on fresh seeds before one wins (guided search).", 0, 100)
    metadata: bool = option(True, "Prompt and settings inside each PNG.", panel="Output")

    def __post_init__(self) -> None:
        check_ranges(self, SettingsError)
        if self.search not in SEARCHES:
            raise SettingsError(
                f"there is no search {self.search!r}: choose {' or '.join(SEARCHES)}; see: steer run --help"
            )
        if self.gate_by not in (None, *GATES):
            raise SettingsError(
                f"there is no gate by {self.gate_by!r}: choose {' or '.join(GATES)}; see: steer run --help"
            )
        for name in ("target", "gate_sd"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise SettingsError(f"{name} is {value!r}, but must be a number; see: steer run --help")
        if self.gate_sd is not None and self.gate_sd < 0:
            raise SettingsError(f"gate_sd is {self.gate_sd}, but must be 0 or more; see: steer run --help")

    @property
    def memory(self) -> int:
        """How many of the best prompts the language model sees."""
        return self.keep if self.keep is not None else 1 if self.search == "paper" else 4

    @property
    def final_seeds(self) -> tuple[int, ...]:
        """Seeds on which the finalists are compared; none in the paper's search."""
        count = FINAL_RENDERS if self.search == "guided" and self.finalists else 0
        return derive_seeds(self.seed, "final", count, avoid={self.seed, *self.gate_seeds})

    @property
    def gate_renders(self) -> int:
        """Renders that serve the image gate alone: none where the first iteration's looks calibrate it."""
        by_base = (self.gate_by or ("base" if self.search == "paper" else "looks")) == "base"
        return GATE_RENDERS if by_base and self.gate_sd is not None else 0

    @property
    def written(self) -> int:
        """Rewrites that the language model is asked for in an iteration; guided search renders the best."""
        return WRITTEN * self.proposals if self.search == "guided" else self.proposals

    @property
    def final_renders(self) -> int:
        """Renders of the finals, at most."""
        return min(self.finalists, self.iterations * self.proposals) * len(self.final_seeds)

    @property
    def gate_seeds(self) -> tuple[int, ...]:
        """Seeds of the base prompt's calibration renders; none equals `seed`."""
        return derive_seeds(self.seed, "gate", GATE_RENDERS, avoid={self.seed})

    @property
    def confirm_seeds(self) -> tuple[int, ...]:
        """Seeds that the search never saw: neither `seed` nor those of gate and finals."""
        seen = {self.seed, *self.gate_seeds, *self.final_seeds}
        return derive_seeds(self.seed, "confirm", self.confirm, avoid=seen)

    def llm_seed_of(self, iteration: int, attempt: int) -> int:
        """Seed of one request to the language model."""
        return _hash_seed(f"llm:{self.llm_seed}:{iteration}:{attempt}")

    def to_json(self) -> dict[str, Any]:
        """For config.json; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What a record holds; the first ones knew no search but the paper's. Raises SettingsError."""
        return cls(**{"search": "paper", **values})


DEFAULTS = Settings()


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

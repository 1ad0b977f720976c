"""How to train PAMELA: the paper's recipe as the paper states it, and ours, which the loop needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args, get_type_hints


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's, where it names a value."""

    name: str = "paper"
    hidden: int = 512  # width of a token
    layers: int = 1  # of the fusion transformer
    heads: int = 8  # attention heads
    feedforward: int = 2048  # inner width of a fusion layer
    dropout: float = 0.1  # in the fusion transformer
    feature_dropout: float = 0.0  # of the image, text and metadata features
    interaction: bool = False  # [CLS] starts from taste * content
    learning_rate: float = 2e-5  # AdamW (section 4)
    batch_size: int = 32  # over all processes (section 4)
    epochs: int = 10  # (section 4)
    balance: float = 0.0  # between data sets: 0 draws every rating once an epoch, 1 as many of each data set
    warmup_steps: int = 100  # linear, then the schedule (section 4)
    schedule: Literal["constant", "cosine"] = "constant"  # (section 4)
    weight_decay: float = 0.01  # of all weights but the user table
    user_decay: float = 0.01  # of the user table: pulls everyone towards the average taste
    user_learning_rate: float = 1.0  # of the user table, as a multiple
    user_init: float = 0.02  # standard deviation of the user table before training
    average: float = 0.0  # decay of the exponential moving average of the weights; 0 keeps the last weights
    drop_user: float = 0.0  # chance that a row loses its user token
    drop_demographics: float = 0.0  # … its demographics token
    drop_both: float = 0.0  # … both: the population
    drop_text: float = 0.0  # … its text token
    drop_metadata: float = 0.0  # … its metadata token
    as_in_loop: float = 0.0  # chance that the text is the bare subject, and metadata inferred from the image
    mixed: float = 0.0  # chance that a row tosses a coin for each of the two instead
    partial_demographics: float = 0.0  # chance that one field stands for all, as in a demographic group
    population: Literal["zeroed", "masked"] = "zeroed"  # token of no demographics: zeros (section 4) or none
    patience: int = 0  # epochs without a better validation before stopping; 0 runs all of them
    clip: float = 0.0  # largest norm of a step's gradient; 0 leaves it alone, as the paper names none
    networks: int = 1  # trained from seeds of their own; a predictor is the mean of its members
    properties: int = 0  # of a picture, over which linear tastes join the networks; 0: they do not
    image_statistics: bool = False  # generic statistics of a picture's pixels, beside its image features
    fused: bool = True  # AdamW in one pass over the weights: the same formula, several times as fast

    @property
    def in_loop(self) -> bool:
        """Whether training sees what the loop has: bare subjects and inferred metadata."""
        return self.as_in_loop > 0 or self.mixed > 0


PAPER = Recipe()
STEER = Recipe(
    name="steer",
    hidden=128,
    heads=4,
    feedforward=512,
    feature_dropout=0.2,
    interaction=True,
    learning_rate=2e-3,
    batch_size=256,
    epochs=8,
    schedule="cosine",
    weight_decay=0.2,
    user_decay=1.0,
    user_init=0.3,
    average=0.99,
    drop_user=0.1,
    drop_demographics=0.1,
    drop_both=0.1,
    drop_text=0.1,
    drop_metadata=0.1,
    as_in_loop=0.4,
    mixed=0.2,
    partial_demographics=0.5,
    population="masked",
    patience=3,
    clip=1.0,
    networks=2,
    properties=200,
    fused=False,  # its published weights were trained without, which differs in the last digits
)
RECIPES = {recipe.name: recipe for recipe in (PAPER, STEER)}

_SIZES = ("hidden", "layers", "heads", "feedforward", "batch_size", "epochs", "networks")  # 1 and more
_SHARES = (
    *("dropout", "feature_dropout", "average", "drop_user", "drop_demographics", "drop_both", "drop_text"),
    *("drop_metadata", "as_in_loop", "mixed", "partial_demographics", "balance"),
)  # 0 to 1


def changed(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """A recipe with fields set, each written `field=value`. Raises ValueError, saying what is possible."""
    hints = get_type_hints(Recipe)
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or name not in hints or name == "name":
            fields = ", ".join(field for field in hints if field != "name")
            raise ValueError(
                f"{setting!r} sets no field of a recipe; write field=value, the fields are {fields}"
            )
        values[name] = _value(name, text, hints[name])
    made = replace(recipe, **values)
    if made.hidden % made.heads:
        raise ValueError(f"hidden={made.hidden} is no multiple of heads={made.heads}: set both")
    return made


def differences() -> list[tuple[str, Any, Any]]:
    """Field, the paper's value, ours, where they differ."""
    ours = asdict(STEER)
    return [(name, value, ours[name]) for name, value in asdict(PAPER).items() if value != ours[name]]


def agreements() -> list[tuple[str, Any]]:
    """Field and value, where both recipes have the same."""
    ours = asdict(STEER)
    return [(name, value) for name, value in asdict(PAPER).items() if value == ours[name]]


def _value(name: str, text: str, hint: Any) -> Any:
    if choices := get_args(hint):
        if text not in choices:
            raise ValueError(f"{name}={text} is not possible; choose {' or '.join(choices)}")
        return text
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{name}={text} is not possible; choose true or false")
        return text.lower() == "true"
    kind = "a whole number" if hint is int else "a number"
    least, most = (1 if name in _SIZES else 0), (1 if name in _SHARES else 1e9)
    try:
        value = hint(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        bounds = f"between {least} and 1" if name in _SHARES else f"of {least} or more"
        raise ValueError(f"{name}={text} is not possible; it is {kind} {bounds}")
    return value

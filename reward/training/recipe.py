"""How to train PAMELA: the paper's recipe, and the one that suits the sandbox's small encoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
    warmup_steps: int = 100  # linear, then the schedule (section 4)
    schedule: Literal["constant", "cosine"] = "constant"  # (section 4)
    weight_decay: float = 0.01  # of all weights but the user table
    user_decay: float = 0.01  # of the user table: pulls everyone towards the average taste
    user_learning_rate: float = 1.0  # of the user table, as a multiple
    user_init: float = 0.02  # standard deviation of the user table before training
    average: float = 0.0  # decay of the exponential moving average of the weights; 0 keeps the last weights
    drop_user: float = 0.1  # chance that a row loses its user token
    drop_demographics: float = 0.1  # … its demographics token
    drop_both: float = 0.1  # … both: the population
    drop_text: float = 0.1  # … its text token
    drop_metadata: float = 0.1  # … its metadata token
    as_in_loop: float = 0.4  # chance that the text is the bare subject, and metadata inferred from the image
    mixed: float = 0.2  # chance that a row tosses a coin for each of the two instead
    partial_demographics: float = 0.5  # chance that one field stands for all, as in a demographic group
    patience: int = 0  # epochs without a better validation before stopping; 0 runs all of them
    clip: float = 0.0  # largest norm of a step's gradient; 0 leaves it alone, as the paper names none
    networks: int = 1  # trained from seeds of their own; a predictor is the mean of its members
    properties: int = 0  # of a picture, over which linear tastes join the networks; 0: they do not
    fused: bool = True  # AdamW in one pass over the weights: the same formula, several times as fast


PAPER = Recipe()
SANDBOX = Recipe(
    name="sandbox",
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
    patience=3,
    clip=1.0,
    networks=2,
    properties=200,
    fused=False,  # its published weights were trained without, which differs in the last digits
)
RECIPES = {recipe.name: recipe for recipe in (PAPER, SANDBOX)}

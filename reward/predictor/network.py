"""The PAMELA predictor: five tokens in, one expected rating out (paper, section 3.2 and Figure 3).

    [CLS] | image | text | metadata | demographics | user   ->  transformer encoder  ->  linear head on [CLS]

A token can be absent: a population score has neither user nor demographics, a new person may give no
demographics. Absent tokens are masked out of the attention, and training drops tokens at random, so that
absence is nothing new.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor, nn

TOKENS = ("image", "text", "metadata", "demographics", "user")  # their order in the sequence, after [CLS]


@dataclass(frozen=True)
class PamelaConfig:
    """Sizes of a predictor."""

    image_dim: int  # of the image-text encoder's image features
    text_dim: int  # of its text features
    profile_dim: int  # of the sentence encoder
    hidden: int = 512  # width of every token
    layers: int = 1  # of the fusion transformer
    heads: int = 8  # attention heads
    feedforward: int = 2048  # inner width of a fusion layer
    dropout: float = 0.1  # inside the fusion transformer, while training
    feature_dropout: float = 0.0  # of the standardised image, text and metadata features, while training
    interaction: bool = False  # start [CLS] from taste * content, see `Pamela`
    statistics: int = 0  # of a picture's pixels, behind its image features; 0: they are no input
    zeroed: bool = False  # who tells nothing has a demographics token, of a sentence of zeros; else none

    @property
    def picture_dim(self) -> int:
        """Of what is read of a picture: the encoder's image features, and the statistics behind them."""
        return self.image_dim + self.statistics


class Standardise(nn.Module):
    """Features to zero mean and unit variance by statistics of the training set.

    Encoder features share a large common part and differ by little; without this, optimisation has to find
    the difference first. It is affine, so it changes what the linear projection starts from, not what it
    can be.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def fit(self, features: Tensor, columns: slice = slice(None)) -> None:
        """features: [n, dim] of the training set, or only some columns of them."""
        self.mean[columns] = features.mean(0)
        self.scale[columns] = 1.0 / features.std(0, correction=0).clamp_min(1e-6)

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) * self.scale

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and scale [dim], float64."""
        return self.mean.cpu().numpy().astype(np.float64), self.scale.cpu().numpy().astype(np.float64)


def _linear(inputs: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(Standardise(inputs), nn.Dropout(dropout), nn.Linear(inputs, hidden))


def _mlp(inputs: int, hidden: int, dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(*_linear(inputs, hidden, dropout), nn.GELU(), nn.Linear(hidden, hidden))


def masked(tokens: dict[str, Tensor], present: Tensor | None) -> dict[str, Tensor]:
    """The tokens [B, hidden] with zeros where `present`, bool [B, 5] in the order of TOKENS, says absent."""
    if present is None:
        return tokens
    return {name: token * present[:, TOKENS.index(name), None] for name, token in tokens.items()}


def content(tokens: dict[str, Tensor]) -> Tensor:
    """What is known of a picture: the sum [B, hidden] of its own tokens."""
    found = [tokens[name] for name in ("image", "text", "metadata") if name in tokens]
    return reduce(torch.add, found)


class TasteModel(nn.Module, ABC):
    """What every predictor of ratings can be asked: tokens from features, ratings from tokens.

    `hidden` is the width of its tokens, `users` the table of its known people, one embedding each.
    """

    hidden: int
    score_mean: Tensor
    users: nn.Embedding

    @abstractmethod
    def project(
        self,
        image: Tensor | None = None,
        text: Tensor | None = None,
        metadata: Tensor | None = None,
        demographics: Tensor | None = None,
        user: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Name of each token that is given -> [B, hidden]; `user` as in `forward`."""

    @abstractmethod
    def fuse(self, tokens: dict[str, Tensor], present: Tensor | None = None) -> Tensor:
        """Tokens [B, hidden] by name -> expected ratings [B]."""

    def variance(self, tokens: dict[str, Tensor], present: Tensor | None = None) -> Tensor:
        """Of the expected ratings of known people, in squared rating units [B]; 0 where it cannot tell."""
        return torch.zeros_like(tokens["image"][:, 0])

    def forward(
        self,
        image: Tensor,
        text: Tensor | None = None,
        metadata: Tensor | None = None,
        demographics: Tensor | None = None,
        user: Tensor | None = None,
        present: Tensor | None = None,
    ) -> Tensor:
        """Expected ratings [B] on the 1-5 scale.

        image [B, picture_dim], text [B, text_dim], metadata and demographics [B, profile_dim], user either
        [B, hidden] embeddings or [B] integer rows of the table; None leaves a token out for the whole batch.
        `present`, bool [B, 5] in the order of TOKENS, leaves tokens out row by row.
        """
        tokens = self.project(image, text, metadata, demographics, user)
        return self.fuse(tokens, present)

    def grid(
        self, images: dict[str, Tensor], people: dict[str, Tensor], count: int, batch_size: int = 4096
    ) -> Tensor:
        """Every person on every image: ratings [count, N].

        images: projected image, text and metadata tokens [N, hidden]; people: projected demographics and user
        tokens [count, hidden], neither for the population. Nothing is projected twice.
        """
        n = len(images["image"])
        per_call = max(1, batch_size // n)
        rows = []
        for start in range(0, count, per_call):
            size = min(per_call, count - start)
            pairs = {name: tokens.repeat(size, 1) for name, tokens in images.items()}
            for name, tokens in people.items():
                pairs[name] = tokens[start : start + size].repeat_interleave(n, 0)
            rows.append(self.fuse(pairs).view(size, n))
        return torch.cat(rows)

    def known(self, images: dict[str, Tensor], demographics: Tensor) -> Tensor:
        """Every person of the user table on every image: ratings [users, N].

        images: projected image, text and metadata tokens [N, hidden]; demographics [users, profile_dim] of
        the same people, zeros where nothing is known.
        """
        ratings = demographics.new_zeros(len(demographics), len(images["image"]))
        told = demographics.any(1)
        for rows in (told, ~told):
            if rows.any():
                described = demographics[rows] if rows is told else None
                people = self.project(demographics=described, user=self.users.weight[rows])
                ratings[rows] = self.grid(images, people, int(rows.sum()))
        return ratings


class Pamela(TasteModel):
    """Predicts ratings on the 1-5 scale; never clamped, because ranking needs the raw value.

    With `interaction`, [CLS] starts from taste times content: the user embedding plus the average taste,
    times a linear map of the image, text and metadata tokens; and no final norm stands between it and the
    head. A taste is a weight for each property of an image: the product says this directly, while attention
    has to discover it, which takes more ratings than a few hundred for each person. Without, the network is
    the paper's.
    """

    score_scale: Tensor

    def __init__(self, config: PamelaConfig, users: int) -> None:
        super().__init__()
        self.config = config
        self.hidden = hidden = config.hidden
        self.image = _linear(config.picture_dim, hidden, config.feature_dropout)
        self.text = _linear(config.text_dim, hidden, config.feature_dropout)
        self.metadata = _mlp(config.profile_dim, hidden, config.feature_dropout)
        self.demographics = _mlp(config.profile_dim, hidden)
        self.users = nn.Embedding(users, hidden)
        self.cls = nn.Parameter(torch.randn(hidden) * 0.02)
        self.positions = nn.Parameter(torch.randn(len(TOKENS), hidden) * 0.02)  # also the token types
        layer = nn.TransformerEncoderLayer(
            hidden,
            config.heads,
            config.feedforward,
            config.dropout,
            "gelu",
            batch_first=True,
            norm_first=True,
        )
        norm = nn.Identity() if config.interaction else nn.LayerNorm(hidden)
        self.fusion = nn.TransformerEncoder(layer, config.layers, norm, enable_nested_tensor=False)
        self.gate = nn.Linear(hidden, hidden, bias=False) if config.interaction else None
        self.average = nn.Parameter(torch.randn(hidden) * 0.3) if config.interaction else None
        self.head = nn.Linear(hidden, 1)
        # the head works on standardised ratings; these two bring it back to the 1-5 scale
        self.register_buffer("score_mean", torch.tensor(3.0))
        self.register_buffer("score_scale", torch.tensor(1.0))
        nn.init.normal_(self.users.weight, std=0.1)

    def project(
        self,
        image: Tensor | None = None,
        text: Tensor | None = None,
        metadata: Tensor | None = None,
        demographics: Tensor | None = None,
        user: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Name of each token that is given -> [B, hidden], position included."""
        if user is not None and not user.is_floating_point():
            user = self.users(user)
        given = {
            "image": None if image is None else self.image(image),
            "text": None if text is None else self.text(text),
            "metadata": None if metadata is None else self.metadata(metadata),
            "demographics": None if demographics is None else self.demographics(demographics),
            "user": user,
        }
        return {n: t + self.positions[TOKENS.index(n)] for n, t in given.items() if t is not None}

    def fuse(self, tokens: dict[str, Tensor], present: Tensor | None = None) -> Tensor:
        """Tokens [B, hidden] by name -> expected ratings [B]."""
        names = [name for name in TOKENS if name in tokens]
        batch = len(tokens["image"])
        if self.config.zeroed:
            tokens, present = self._with_zeros(tokens, present)
            names = [name for name in TOKENS if name in tokens]
        absent = None
        if present is not None:
            columns = present[:, [TOKENS.index(name) for name in names]]
            tokens = masked(tokens, present)
            absent = torch.cat([columns.new_zeros(batch, 1), ~columns], dim=1)
        cls = self.cls.expand(batch, -1)
        if self.gate is not None:
            taste = self.average + tokens["user"] if "user" in tokens else self.average
            cls = cls + taste * self.gate(content(tokens))
        state = self._cls_state(torch.stack([cls, *(tokens[name] for name in names)], dim=1), absent)
        return self.score_mean + self.score_scale * self.head(state).squeeze(-1)

    def _with_zeros(
        self, tokens: dict[str, Tensor], present: Tensor | None
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """A demographics token for everyone: that of zeros where there was none (paper, section 4)."""
        place = TOKENS.index("demographics")
        nothing = self.cls.new_zeros(1, self.config.profile_dim)
        token = (self.demographics(nothing) + self.positions[place]).expand(len(tokens["image"]), -1)
        if present is not None:
            if "demographics" in tokens:
                token = torch.where(present[:, place, None], tokens["demographics"], token)
            present = present.clone()
            present[:, place] = True
        elif "demographics" in tokens:
            token = tokens["demographics"]
        return tokens | {"demographics": token}, present

    def _cls_state(self, sequence: Tensor, absent: Tensor | None) -> Tensor:
        """`self.fusion(sequence)[:, 0]`; the last layer computes [CLS] alone, since nothing else is read."""
        *layers, last = self.fusion.layers
        for layer in layers:
            sequence = layer(sequence, src_key_padding_mask=absent)
        cls, keys = sequence[:, :1], last.norm1(sequence)
        attended, _ = last.self_attn(keys[:, :1], keys, keys, key_padding_mask=absent, need_weights=False)
        cls = cls + last.dropout1(attended)
        inner = last.dropout(last.activation(last.linear1(last.norm2(cls))))
        cls = cls + last.dropout2(last.linear2(inner))
        return self.fusion.norm(cls).squeeze(1)

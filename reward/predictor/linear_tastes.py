"""Hierarchical linear tastes: everyone weighs the same few properties of a picture, each in their own way.

A picture's properties z are a linear map of its standardised image, text and metadata features. A person's
rating is w . [1, z], with weights w ~ N(average, spread); `reward.training.linear_tastes` learns both, and
the weights of every known person, in closed form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reward.predictor.network import PamelaConfig, Standardise, TasteModel, content, masked


class LinearTastes(TasteModel):
    """Predicts ratings on the 1-5 scale. Tokens have the width 1 + properties; a user's is w - average."""

    score_mean: Tensor
    average: Tensor
    uncertainty: Tensor

    def __init__(self, config: PamelaConfig, properties: int, users: int) -> None:
        """`config` names the sizes of the features."""
        super().__init__()
        self.hidden = 1 + properties
        self.standardise = nn.ModuleDict()
        self.maps = nn.ModuleDict()
        for name, dim in (
            ("image", config.picture_dim),
            ("text", config.text_dim),
            ("metadata", config.profile_dim),
        ):
            self.standardise[name] = Standardise(dim)
            self.maps[name] = nn.Linear(dim, properties, bias=False)
        self.users = nn.Embedding(users, self.hidden)
        self.register_buffer("average", torch.zeros(self.hidden))
        # a square root of the mean posterior covariance of the known people's weights
        self.register_buffer("uncertainty", torch.zeros(self.hidden, self.hidden))
        self.register_buffer("score_mean", torch.tensor(3.0))

    def project(
        self,
        image: Tensor | None = None,
        text: Tensor | None = None,
        metadata: Tensor | None = None,
        demographics: Tensor | None = None,
        user: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The tokens of a picture sum up to [1, z]; what is absent is taken for average."""
        tokens = {}
        for name, features in (("image", image), ("text", text), ("metadata", metadata)):
            if features is not None:
                properties = self.maps[name](self.standardise[name](features))
                first = torch.full_like(properties[:, :1], float(name == "image"))
                tokens[name] = torch.cat([first, properties], dim=1)
        if demographics is not None:
            tokens["demographics"] = demographics.new_zeros(len(demographics), self.hidden)
        if user is not None:
            tokens["user"] = user if user.is_floating_point() else self.users(user)
        return tokens

    def fuse(self, tokens: dict[str, Tensor], present: Tensor | None = None) -> Tensor:
        tokens = masked(tokens, present)
        taste = self.average + tokens["user"] if "user" in tokens else self.average
        return (taste * content(tokens)).sum(1)

    def variance(self, tokens: dict[str, Tensor], present: Tensor | None = None) -> Tensor:
        """What the ratings of a known person leave open: the posterior's, the same for everyone."""
        return ((content(masked(tokens, present)) @ self.uncertainty) ** 2).sum(1)

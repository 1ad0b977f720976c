"""Several predictors of the same people as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reward.predictor.linear_tastes import LinearTastes
from reward.predictor.network import Pamela, PamelaConfig, TasteModel


class Ensemble(TasteModel):
    """The networks' mean rating and the linear tastes', which count as much as all networks together.

    Its tokens and its people's embeddings are those of all members, side by side. So a group's mean
    embedding, or a mix by equation 1, means the same as with one network.
    """

    def __init__(self, members: Sequence[TasteModel]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.widths = [member.hidden for member in members]
        self.hidden = sum(self.widths)
        linear = sum(isinstance(member, LinearTastes) for member in members)
        counts = {True: linear, False: len(members) - linear}
        kinds = sum(count > 0 for count in counts.values())
        self.shares = [1 / kinds / counts[isinstance(member, LinearTastes)] for member in members]

    @classmethod
    def of(cls, config: PamelaConfig, users: int, networks: int = 1, properties: int = 0) -> TasteModel:
        """`networks` of one size, and linear tastes over `properties` of a picture (0: none); one alone is
        no ensemble."""
        members: list[TasteModel] = [Pamela(config, users) for _ in range(networks)]
        if properties:
            members.append(LinearTastes(config, properties, users))
        return members[0] if len(members) == 1 else cls(members)

    @property
    def score_mean(self) -> Tensor:
        return self.members[0].score_mean

    @property
    def image(self) -> nn.Module:
        """How the first member reads a picture."""
        return self.members[0].image

    @property
    def users(self) -> nn.Embedding:
        """Everyone's embeddings side by side: a copy."""
        tables = [member.users.weight.detach() for member in self.members]
        return nn.Embedding.from_pretrained(torch.cat(tables, dim=1))

    def project(
        self,
        image: Tensor | None = None,
        text: Tensor | None = None,
        metadata: Tensor | None = None,
        demographics: Tensor | None = None,
        user: Tensor | None = None,
    ) -> dict[str, Tensor]:
        if user is None or not user.is_floating_point():
            users = [user] * len(self.members)
        else:
            users = list(user.split(self.widths, dim=1))
        found = [
            member.project(image, text, metadata, demographics, own)
            for member, own in zip(self.members, users, strict=True)
        ]
        return {name: torch.cat([tokens[name] for tokens in found], dim=1) for name in found[0]}

    def fuse(self, tokens: dict[str, Tensor], present: Tensor | None = None) -> Tensor:
        opinions = self._opinions(tokens, present)
        return opinions.new_tensor(self.shares) @ opinions

    def variance(self, tokens: dict[str, Tensor], present: Tensor | None = None) -> Tensor:
        """The members' own, and how far they are apart."""
        opinions = self._opinions(tokens, present)
        shares = opinions.new_tensor(self.shares)
        own = torch.stack(
            [m.variance(part, present) for m, part in zip(self.members, self._parts(tokens), strict=True)]
        )
        return shares @ (own + (opinions - shares @ opinions) ** 2)

    def _opinions(self, tokens: dict[str, Tensor], present: Tensor | None) -> Tensor:
        """Each member's expected ratings [members, B]."""
        parts = zip(self.members, self._parts(tokens), strict=True)
        return torch.stack([member.fuse(part, present) for member, part in parts])

    def _parts(self, tokens: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """Each member's tokens."""
        split = {name: token.split(self.widths, dim=1) for name, token in tokens.items()}
        return [{name: part[i] for name, part in split.items()} for i in range(len(self.members))]

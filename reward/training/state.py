"""Where a training stands: all that an exact continuation needs, in one safetensors file.

The file's header holds the numbers as JSON, so that weights and numbers can never be of different moments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reward.errors import CheckpointError
from reward.files import whole
from reward.predictor.network import Pamela

VERSION = 1


@dataclass
class TrainingState:
    """A training between two of its steps."""

    model: Pamela
    averaged: Pamela  # the model itself where the recipe averages nothing
    optimizer: torch.optim.Optimizer
    order: Tensor  # [n] the ratings in the order of this epoch; empty before its first batch
    losses: Tensor  # [batches] of this epoch
    best: dict[str, Tensor]  # weights of the best epoch so far
    epoch: int = 1  # the one that runs
    batch: int = 0  # batches of it that are done
    best_epoch: int = 0  # 0 before the first validation
    seconds: float = 0.0  # spent on this epoch
    history: list[dict[str, float]] = field(default_factory=list)  # metrics of each whole epoch

    @classmethod
    def start(
        cls, model: Pamela, optimizer: torch.optim.Optimizer, average: bool, batches: int
    ) -> TrainingState:
        """A training before its first step."""
        device = model.score_mean.device
        return cls(
            model=model,
            averaged=deepcopy(model) if average else model,
            optimizer=optimizer,
            order=torch.zeros(0, dtype=torch.long, device=device),
            losses=torch.zeros(batches, device=device),
            best=deepcopy(model.state_dict()),
        )

    @property
    def step(self) -> int:
        """Steps done in all."""
        return (self.epoch - 1) * len(self.losses) + self.batch

    def tensors(self) -> dict[str, Tensor]:
        """Name -> tensor, the inverse of `restore`."""
        named = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        if self.averaged is not self.model:
            named |= {f"averaged.{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        named |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            named |= {f"optimizer.{number}.{name}": tensor for name, tensor in moments.items()}
        return named | {"order": self.order, "losses": self.losses}

    def numbers(self) -> dict[str, Any]:
        """What is not a tensor, for JSON."""
        names = ("epoch", "batch", "best_epoch", "seconds", "history")
        return {name: getattr(self, name) for name in names}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up another state in place. Raises KeyError, TypeError, ValueError or RuntimeError."""

        def named(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}

        self.model.load_state_dict(named("model."))
        if self.averaged is not self.model:
            self.averaged.load_state_dict(named("averaged."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in named("optimizer.").items():
            number, _, what = name.partition(".")
            moments.setdefault(int(number), {})[what] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        device = self.losses.device
        self.best = {name: tensor.to(device) for name, tensor in named("best.").items()}
        self.order, self.losses = tensors["order"].to(device), tensors["losses"].to(device)
        for name in self.numbers():
            setattr(self, name, numbers[name])


def write_state(file: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """A kill leaves the last state whole. Raises CheckpointError."""
    header = {"training": json.dumps({"version": VERSION, **numbers})}
    try:
        with whole(file) as temporary:
            stored = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
            save_file(stored, temporary, header)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"the training cannot be saved to {file} ({error}): free some space, then go on with --resume"
        ) from error


def read_state(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The inverse of `write_state`. Raises CheckpointError."""
    try:
        with safe_open(file, "pt") as stored:
            numbers = json.loads(stored.metadata()["training"])
            if numbers["version"] != VERSION:
                raise ValueError(f"version {numbers['version']}, this program reads {VERSION}")
            return {name: stored.get_tensor(name) for name in stored.keys()}, numbers  # noqa: SIM118
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise damaged(file, error) from error


def damaged(file: Path, error: Exception) -> CheckpointError:
    """What to say of a state that cannot be taken up."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return CheckpointError(
        f"the training saved in {file} cannot be read ({reason}): copy it again, or delete it and train anew"
    )

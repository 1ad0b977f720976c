"""Modules that come onto the device together and leave it together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch

from steer.errors import RendererError

HEADROOM = 4 * 2**30  # bytes beside the weights for what is computed with them


class Stage:
    """The text encoder is one, denoiser and decoder are the other.

    A stage that makes room keeps its weights in page-locked main memory: leaving a second time copies
    nothing, and coming back is one copy at the speed of the bus. Quantized weights are of types of
    their own and move as their library moves them.
    """

    def __init__(self, modules: Sequence[Any], device: str) -> None:
        self.modules, self.device = list(modules), torch.device(device)
        self.awake = False
        self._host: dict[torch.nn.Parameter, torch.Tensor] = {}

    @property
    def bytes(self) -> int:
        """Size of the weights."""
        tensors = chain.from_iterable(chain(module.parameters(), module.buffers()) for module in self.modules)
        return sum(tensor.nbytes for tensor in tensors)

    def wake(self, other: Stage | None = None) -> None:
        """Onto the device; `other` leaves it first if both do not fit. Raises `RendererError`."""
        if self.awake:
            return
        if other is not None and other.awake and self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            if free < self.bytes + HEADROOM:
                other.rest()
        try:
            for module in self.modules:
                module.to(self.device)
        except torch.OutOfMemoryError as error:
            self.awake = True  # in part: take it back
            self.rest()
            raise RendererError(
                f"{self.bytes / 1e9:.0f} GB of weights do not fit into the memory of {self.device}; "
                "try --memory nf4 or a smaller --renderer; what fits: steer doctor"
            ) from error
        self.awake = True

    def rest(self) -> None:
        """Off the device."""
        if self.awake and self.device.type != "cpu":
            for module in self.modules:
                if not _quantized(module):
                    for parameter in module.parameters():
                        parameter.data = self._kept(parameter)
                module.to("cpu")  # the rest: buffers, and weights that only their library can move
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        self.awake = False

    def _kept(self, parameter: torch.nn.Parameter) -> torch.Tensor:
        """The weight in main memory. It never changes, so one copy is enough."""
        if parameter not in self._host:
            copy = _locked if self.device.type == "cuda" else torch.Tensor.cpu
            self._host[parameter] = copy(parameter.data)
        return self._host[parameter]


def _locked(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in page-locked memory; in ordinary memory where the system grants no more of the other."""
    try:
        host = torch.empty_like(tensor, device="cpu", pin_memory=True)
    except RuntimeError:
        return tensor.cpu()
    return host.copy_(tensor)


def _quantized(module: Any) -> bool:
    return getattr(module, "hf_quantizer", None) is not None

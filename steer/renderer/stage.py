"""Modules that come onto the device together and leave it together."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import torch
from accelerate.utils.memory import clear_device_cache

from steer.errors import RendererError

HEADROOM = 4 * 2**30  # bytes beside the weights for what is computed with them
ALIGNED = 256  # bytes: where each weight begins in main memory


class Stage:
    """The text encoder is one, denoiser and decoder are the other.

    A stage that makes room keeps its weights in page-locked main memory: leaving a second time copies
    nothing, and coming back is one copy at the speed of the bus. Quantized weights are of types of
    their own and move as their library moves them. With `let_go` nothing is kept: to rest is to give the
    weights up for good, and `let_go` is called so that whoever holds them forgets them too.
    """

    def __init__(self, modules: Sequence[Any], device: str, let_go: Callable[[], None] | None = None) -> None:
        self.modules, self.device = list(modules), torch.device(device)
        self._let_go = let_go
        self.awake = False
        self.failure: str | None = None  # what could not be had; no reason to stop
        self._host: dict[torch.nn.Parameter, torch.Tensor] = {}

    @property
    def bytes(self) -> int:
        """Size of the weights."""
        tensors = chain.from_iterable(chain(module.parameters(), module.buffers()) for module in self.modules)
        return sum(_bytes(tensor) for tensor in tensors)

    def wake(self, other: Stage | None = None) -> None:
        """Onto the device; `other` leaves it first if both do not fit. Raises `RendererError`."""
        if self.awake:
            return
        if other is not None and other.awake and self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            if free < self.bytes + HEADROOM:
                other.rest()
        size = self.bytes
        try:
            for module in self.modules:
                module.to(self.device)
        except torch.OutOfMemoryError as error:
            self.awake = True  # in part: take it back
            self.rest()
            raise RendererError(
                f"{size / 1e9:.0f} GB of weights do not fit into the memory of {self.device}; "
                "try --memory nf4 or a smaller --renderer; what fits: steer doctor"
            ) from error
        self.awake = True

    def rest(self) -> None:
        """Off the device."""
        if self.awake and self._let_go is not None:
            self.modules = []
            self._let_go()
            clear_device_cache(garbage_collection=True)
        elif self.awake and self.device.type != "cpu":
            self._host = self._host or self._copies()
            for parameter, host in self._host.items():
                parameter.data = host
            for module in self.modules:
                module.to("cpu")  # the rest: buffers, and weights that only their library can move
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        self.awake = False

    def _copies(self) -> dict[torch.nn.Parameter, torch.Tensor]:
        """The weights in main memory. They never change, so one copy is enough.

        All lie in one block: torch's own page-locked memory would round each weight up to a power of two,
        which makes 94 GiB of FLUX.2-dev's 60.
        """
        modules = [module for module in self.modules if not _quantized(module)]
        weights = list(dict.fromkeys(chain.from_iterable(module.parameters() for module in modules)))
        sizes = [math.ceil(weight.nbytes / ALIGNED) * ALIGNED for weight in weights]
        block = torch.empty(sum(sizes), dtype=torch.uint8)
        if self.device.type == "cuda" and weights:
            self._lock(block)
        copies = {}
        for weight, part in zip(weights, block.split(sizes), strict=True):
            host = part[: weight.nbytes].view(weight.dtype).view(weight.shape)
            copies[weight] = host.copy_(weight.data)
        return copies

    def _lock(self, block: torch.Tensor) -> None:
        """Page-locks the block for as long as this stage lives."""
        cuda: Any = torch.cuda.cudart()
        refused = int(cuda.cudaHostRegister(block.data_ptr(), block.nbytes, 0))
        if refused:
            self.failure = (
                f"main memory could not be page-locked ({block.nbytes / 1e9:.0f} GB, CUDA error {refused}): "
                "models come back more slowly"
            )
            with suppress(RuntimeError):  # CUDA keeps an error until another call reports it
                torch.zeros(1, device=self.device)
        else:
            weakref.finalize(self, _unlock, block).atexit = False  # the system does it when a process ends


def _unlock(block: torch.Tensor) -> None:
    cuda: Any = torch.cuda.cudart()
    cuda.cudaHostUnregister(block.data_ptr())


def _bytes(tensor: torch.Tensor) -> int:
    """What a tensor takes. A quantized one reports the size it would have in bfloat16, so its parts count."""
    if hasattr(tensor, "__tensor_flatten__"):
        names, _ = tensor.__tensor_flatten__()
        return sum(_bytes(getattr(tensor, name)) for name in names)
    return tensor.nbytes


def _quantized(module: Any) -> bool:
    return getattr(module, "hf_quantizer", None) is not None

"""What tensors a file of weights holds, by its header: safetensors and GGUF. No other format is read."""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reward.checked import load_json, open_plain

_LONGEST = 100_000_000  # bytes of a header of safetensors, as its own library has it
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of GGUF's plain values
_STRING, _ARRAY, _UINT32 = 8, 9, 4


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file."""

    shape: tuple[int, ...]
    type: str  # "BF16", "Q4_K", as its format calls it
    bytes: int  # in the file

    @property
    def count(self) -> int:
        """Of numbers."""
        return math.prod(self.shape)


def tensors_in(file: Path) -> dict[str, Tensor]:
    """The tensors of a whole .safetensors or .gguf, by name. Raises `ValueError`, `OSError` for any other."""
    size = file.stat().st_size
    with open(open_plain(file, os.O_RDONLY), "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        try:
            return _gguf(stream, size) if file.suffix.lower() == ".gguf" else _safetensors(stream, size)
        except (KeyError, TypeError, IndexError, AttributeError, UnicodeDecodeError, struct.error) as error:
            raise ValueError("its header is damaged") from error


def _safetensors(stream: IO[bytes], size: int) -> dict[str, Tensor]:
    length = int.from_bytes(stream.read(8), "little")
    if length > min(_LONGEST, size):
        raise ValueError("it is no safetensors file")
    listed = {name: each for name, each in load_json(stream.read(length)).items() if name != "__metadata__"}
    end = max((each["data_offsets"][1] for each in listed.values()), default=0)
    if size != 8 + length + end:
        raise ValueError("it is cut short")
    return {
        name: Tensor(tuple(each["shape"]), each["dtype"], each["data_offsets"][1] - each["data_offsets"][0])
        for name, each in listed.items()
    }


def _gguf(stream: IO[bytes], size: int) -> dict[str, Tensor]:
    """The package gguf reads the same, but believes every length: a damaged one would fill the memory."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    header = _Header(stream, size)
    if header.take(4) != b"GGUF" or header.number("<I") not in (2, 3):
        raise ValueError("it is no GGUF file")
    count, values, alignment = header.number("<Q"), header.number("<Q"), 32
    for _ in range(values):
        name, kind = header.text(), header.number("<I")
        if name == "general.alignment" and kind == _UINT32:
            alignment = header.number("<I")
        else:
            header.skip(kind)
    found, ends = dict[str, Tensor](), [0]
    for _ in range(count):
        name, dimensions = header.text(), header.number("<I")
        shape = tuple(header.number("<Q") for _ in range(min(dimensions, 8)))[::-1]
        try:
            kind = GGMLQuantizationType(header.number("<I"))
        except ValueError as error:
            raise ValueError("it has weights of a type that is not known") from error
        per_block, width = GGML_QUANT_SIZES[kind]
        found[name] = Tensor(shape, kind.name, math.prod(shape) // per_block * width)
        ends.append(header.number("<Q") + found[name].bytes)
    if size < math.ceil(header.at / max(1, alignment)) * alignment + max(ends):
        raise ValueError("it is cut short")
    return found


class _Header:
    """Reads numbers and texts in turn, none beyond the end of the file."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._size, self.at = stream, size, 0

    def take(self, count: int) -> bytes:
        if count > self._size - self.at:
            raise ValueError("it is cut short, or its header is damaged")
        self.at += count
        return self._stream.read(count)

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def text(self) -> str:
        return self.take(self.number("<Q")).decode()

    def skip(self, kind: int) -> None:
        """A value of this kind."""
        if kind == _STRING:
            self.take(self.number("<Q"))
        elif kind == _ARRAY:
            inner, count = self.number("<I"), self.number("<Q")
            if inner in _WIDTHS:
                self.take(_WIDTHS[inner] * count)
            elif inner == _STRING:
                for _ in range(count):
                    self.skip(inner)
            else:
                raise ValueError("its header is damaged")
        else:
            self.take(_WIDTHS[kind])

"""Where the encoder's training starts: a vision transformer that already looks at places.

From random weights a small transformer takes hundreds of thousands of images to find out that neighboring
patches belong together. So its patch filters start as whitened principal components of the paintings'
patches, a few channels carry each patch's place, and attention heads start as shifts by a patch or two, like
the taps of a convolution. All of it is free to change in training.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F
from transformers import SiglipModel

PLACE = 16  # the last channels: sine and cosine at four frequencies for column and row
_FREQUENCIES = math.pi / 8 * torch.tensor([1.0, 2.0, 4.0, 6.0])  # radians a patch
_SHARPNESS = 1.3  # of a head's look at one patch
_DILATIONS = (1, 1, 2, 2)  # patches that a layer's heads look away, by layer


def structure(model: SiglipModel, pixels: torch.Tensor, seed: int) -> None:
    """Set the image tower's weights; pixels [n, 3, size, size] are paintings to take patches from."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        _patches(model, pixels, generator)
        side = math.isqrt(model.vision_model.embeddings.num_patches)
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        place = _code(columns.flatten().float(), rows.flatten().float())
        position = model.vision_model.embeddings.position_embedding.weight
        position.zero_()
        position[:, -PLACE:] = place * math.sqrt(2.0)
        for depth, layer in enumerate(model.vision_model.encoder.layers):
            _attention(layer, _DILATIONS[min(depth, len(_DILATIONS) - 1)])
        _pooling(model, side)


def _patches(model: SiglipModel, pixels: torch.Tensor, generator: torch.Generator) -> None:
    """Filters that make every kind of patch detail equally loud; a mean color is by far the loudest else."""
    filters = model.vision_model.embeddings.patch_embedding
    size, count = filters.kernel_size[0], filters.out_channels - PLACE
    patches = F.unfold(pixels, size, stride=size).transpose(1, 2).flatten(0, 1)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    values, vectors = values.flip(0)[:count].clamp_min(0), vectors.flip(1)[:, :count]
    whitened = vectors / torch.sqrt(values + values[count // 2] + 1e-6)
    # any rotation is as white; this one gives no channel to one component alone
    rotation, _ = torch.linalg.qr(torch.randn(count, count, generator=generator))
    basis = rotation @ whitened.T
    filters.weight.zero_()
    filters.bias.zero_()
    filters.weight[:count] = basis.reshape(count, 3, size, size)
    filters.bias[:count] = -basis @ patches.mean(0)


def _attention(layer: torch.nn.Module, dilation: int) -> None:
    """Nine heads that look at the 3 x 3 neighbors `dilation` apart; further heads at everything."""
    attention = layer.self_attn
    size = attention.head_dim
    shifts = [(x * dilation, y * dilation) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight.mul_(0.1)
    for head, (x, y) in enumerate(shifts[: attention.num_heads]):
        rows = slice(head * size, head * size + PLACE)
        attention.q_proj.weight[rows, -PLACE:] += _SHARPNESS * torch.eye(PLACE)
        attention.k_proj.weight[rows, -PLACE:] += _SHARPNESS * _shift(-x, -y)
    # nothing writes over the places at first
    attention.out_proj.weight[-PLACE:] = 0
    layer.mlp.fc2.weight[-PLACE:] = 0


def _pooling(model: SiglipModel, side: int) -> None:
    """Heads that gather from places spread over the picture."""
    head = model.vision_model.head
    width, heads = head.attention.embed_dim, head.attention.num_heads
    size = width // heads
    across = math.ceil(math.sqrt(heads))
    down = math.ceil(heads / across)
    head.attention.in_proj_weight[: 2 * width].mul_(0.1)
    for i in range(heads):
        column = (i % across + 0.5) * side / across - 0.5
        row = (i // across + 0.5) * side / down - 0.5
        rows = slice(i * size, i * size + PLACE)
        head.attention.in_proj_bias[rows] = 1.5 * _code(torch.tensor(column), torch.tensor(row))
        keys = slice(width + i * size, width + i * size + PLACE)
        head.attention.in_proj_weight[keys, -PLACE:] += torch.eye(PLACE)


def _code(column: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """[..., PLACE] for columns and rows counted in patches."""
    turns = torch.cat([column[..., None] * _FREQUENCIES, row[..., None] * _FREQUENCIES], dim=-1)
    return torch.cat([turns.sin(), turns.cos()], dim=-1)


def _shift(columns: float, rows: float) -> torch.Tensor:
    """The matrix that turns the code of a place into that of the place `columns` and `rows` further on."""
    angles = torch.cat([columns * _FREQUENCIES, rows * _FREQUENCIES])
    cos, sin = torch.diag(angles.cos()), torch.diag(angles.sin())
    return torch.cat([torch.cat([cos, sin], dim=1), torch.cat([-sin, cos], dim=1)])


def spread(n: int, count: int) -> np.ndarray:
    """`count` positions spread evenly over n."""
    return np.linspace(0, n - 1, min(count, n)).astype(int)

"""LAION-Aesthetics v2 in this process: CLIP ViT-L/14 and a small head, both through safetensors.

The head is the improved aesthetic predictor (sac+logos+ava1, linear MSE): a chain of linear layers without
activations on the unit-length image embedding, about 1 to 10. It sees no text. The released weights have not
been run here; the classes have, at small sizes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import linear, normalize
from transformers import AutoTokenizer, CLIPModel

from reward.encoders.image_text import pil_processor
from reward.encoders.weights import quiet, readable, resolve
from reward.errors import CheckpointError, ScoreError
from reward.people.person import Person, make_person
from reward.pictures import read_image

NAME = "laion-aesthetics"
# Pinned, because scores of two versions must not be compared.
CLIP_ID, CLIP_REVISION = "openai/clip-vit-large-patch14", "32bd64288804d66eefd0ccbe215aa642df71cc41"
HEAD_ID, HEAD_REVISION = "ttj/sac-logos-ava1-l14-linearMSE", "1e77fa05081323d99725fc40a9bf9f88180490e7"

Head = list[tuple[torch.Tensor, torch.Tensor]]  # weight and bias of each layer


class LaionAesthetics:
    """Scores images by LAION-Aesthetics v2: the same opinion for everybody."""

    name = NAME
    simulated = False
    world = "everyone"

    def __init__(
        self, clip: Any, tokenizer: Any, processor: Any, head: Head, model: str = HEAD_ID, revision: str = ""
    ) -> None:
        self._clip = clip.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._processor = processor
        self._head = head
        self.model, self.revision = model, revision  # for the record of a run

    @classmethod
    def load(
        cls,
        clip: str | Path | None = None,
        head: str | Path | None = None,
        device: str = "cpu",
    ) -> LaionAesthetics:
        """Load the pinned releases, or others from folders or by hub id. Raises CheckpointError."""
        tower = resolve(clip or CLIP_ID, None if clip else CLIP_REVISION)
        top = resolve(head or HEAD_ID, None if head else HEAD_REVISION)
        with readable(tower), quiet():
            settings = json.loads((tower / "preprocessor_config.json").read_text(encoding="utf-8"))
            model = CLIPModel.from_pretrained(tower, local_files_only=True, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(tower, local_files_only=True, trust_remote_code=False)
            processor = pil_processor("CLIPImageProcessor").from_dict(settings)
        with readable(top):
            layers = _head(load_file(top / "model.safetensors"), model.config.projection_dim, top)
        layers = [(weight.to(device), bias.to(device)) for weight, bias in layers]
        return cls(
            model.to(device),
            tokenizer,
            processor,
            layers,
            str(head or HEAD_ID),
            "" if head else HEAD_REVISION,
        )

    def population(self) -> Person:
        """The only person that a baseline knows."""
        return make_person("population", "population", self.world, None, None)

    def score(self, images: Sequence[Image.Image], prompt: str = "", person: Any = None) -> list[float]:
        """Aesthetic score of each image, about 1 to 10, raw; `prompt` and `person` change nothing.

        Raises ImageError, ScoreError.
        """
        x = self._images(images)
        with torch.inference_mode():
            for weight, bias in self._head:
                x = linear(x, weight, bias)
        scores = x[:, 0].cpu().numpy()
        if not np.isfinite(scores).all():
            raise ScoreError(f"{NAME} returned a score that is not a number: download its weights again")
        return [float(score) for score in scores]

    def adherence(self, images: Sequence[Image.Image], prompt: str) -> list[float]:
        """CLIP's cosine of each image with the text, -1 to 1."""
        longest = self._clip.config.text_config.max_position_embeddings
        tokens = self._tokenizer([prompt], truncation=True, max_length=longest, return_tensors="pt")
        with torch.inference_mode():
            text = _tensor(self._clip.get_text_features(**tokens.to(self._clip.device)))
            cosines = self._images(images) @ normalize(text, dim=-1)[0]
        return [float(cosine) for cosine in cosines]

    def _images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Unit-length image embeddings [n, projection_dim]."""
        if not images:
            return torch.zeros((0, self._clip.config.projection_dim), device=self._clip.device)
        inputs = self._processor([read_image(image) for image in images], return_tensors="pt")
        pixels = inputs["pixel_values"].to(self._clip.device)
        with torch.inference_mode():
            return normalize(_tensor(self._clip.get_image_features(pixel_values=pixels)), dim=-1)


def _tensor(output: Any) -> torch.Tensor:
    """transformers 4 returns the tensor, transformers 5 an object around it."""
    return output if torch.is_tensor(output) else output.pooler_output


def _head(tensors: dict[str, torch.Tensor], width: int, folder: Path) -> Head:
    """The linear layers in order, whatever the module around them was called. Raises CheckpointError."""
    names = sorted(
        (name for name in tensors if name.endswith(".weight")),
        key=lambda name: [int(part) for part in name.split(".") if part.isdigit()],
    )
    layers = []
    for name in names:
        weight, bias = tensors[name], tensors.get(f"{name.removesuffix('.weight')}.bias")
        if bias is None or weight.ndim != 2 or weight.shape[1] != width:
            raise CheckpointError(
                f"{folder} holds no aesthetic head for embeddings of {width} numbers ({name} is "
                f"{tuple(weight.shape)}): download {HEAD_ID}"
            )
        layers.append((weight.float(), bias.float()))
        width = weight.shape[0]
    if not layers or width != 1:
        raise CheckpointError(f"{folder} holds no aesthetic head that ends in one score: download {HEAD_ID}")
    return layers

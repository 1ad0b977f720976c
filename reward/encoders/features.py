"""Every distinct image and sentence of a data set through the frozen encoders, once.

The store is a folder of safetensors shards, each named after its encoder and holding rows under the hash of
what was encoded; `index.json` says in words what each encoder's name stands for. A shard is renamed into
place when it is complete, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reward.checked import load_json
from reward.data import Dataset
from reward.encoders.image_text import ImageTextEncoder, SentenceEncoder
from reward.encoders.statistics import NAMES, VERSION, image_statistics
from reward.errors import CheckpointError, ImageError
from reward.files import whole, write_whole
from reward.people.descriptions import MetadataVocabulary, demographics_variants, metadata_sentence
from reward.pictures import pixels_key, read_image

SHARD = 512  # sentences encoded and saved at a time
IMAGE_SHARD = 64  # images: slower by far, so less is lost when a run is killed
IMAGE_BATCH = 32  # images decoded together, while the batch before is encoded
DECODERS = 4  # threads that decode
# Tokenizers differ between major versions of transformers; rows of this one carry no mark in their name.
TOKENIZERS = "5"
ADVICE = "unpack the data set again"  # for a picture that cannot be read
INDEX_FILE = "index.json"
KEYS_FILE = "keys.json"
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
    statistics: np.ndarray | None = None  # [images, statistics] of the pixels, if asked for

    @cached_property
    def pictures(self) -> np.ndarray:
        """What a model reads of each picture: `image`, and the statistics behind it [images, picture_dim]."""
        return beside(self.image, self.statistics)


def beside(image: np.ndarray, statistics: np.ndarray | None) -> np.ndarray:
    """Image embeddings [n, image_dim] and, where there are any, statistics [n, …] of the same pictures."""
    return image if statistics is None else np.concatenate([image, statistics], axis=1)


class FeatureStore:
    """Encoded rows on disk, by encoder and by content."""

    def __init__(
        self,
        folder: Path,
        encoder: str,
        dim: int,
        about: Mapping[str, Any] | None = None,
        shard: int | None = None,
    ) -> None:
        """`encoder`: what makes its rows different from others', in file-name characters.

        `about` is what the index says of it, `shard` how many rows are saved at a time. A shard that cannot
        be read is encoded again. Raises CheckpointError for rows of another length.
        """
        self._folder = folder
        self._encoder = encoder
        self._dim = dim
        self._shard = shard or SHARD
        self._rows: dict[str, np.ndarray] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.glob(f"{encoder}-*.safetensors")):
            self._read(file)
        if about is not None:
            index = _read_json(folder / INDEX_FILE)
            if index.get(encoder) != about:
                _write_json(folder / INDEX_FILE, {**index, encoder: dict(about)})

    def rows(
        self, keys: Sequence[str], encode: Callable[[list[int]], np.ndarray], progress: Progress, what: str
    ) -> np.ndarray:
        """[len(keys), dim]; `encode` gets the positions of distinct contents that are not stored yet."""
        missing = [i for i in {key: i for i, key in enumerate(keys)}.values() if keys[i] not in self._rows]
        for start in range(0, len(missing), self._shard):
            progress(what, start, len(missing))
            chosen = missing[start : start + self._shard]
            self._add([keys[i] for i in chosen], encode(chosen))
        progress(what, len(missing), len(missing))
        return np.stack([self._rows[key] for key in keys]) if keys else np.zeros((0, self._dim), np.float32)

    def _read(self, file: Path) -> None:
        if len(file.stem) != len(self._encoder) + 17:  # of an encoder whose name starts like this one's
            return
        try:
            with safe_open(file, "numpy") as shard:
                keys = load_json(shard.metadata()["keys"].encode())
                features = shard.get_tensor("features")
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            return
        if features.shape != (len(keys), self._dim):
            raise CheckpointError(
                f"{file} holds features {features.shape}, expected {(len(keys), self._dim)}: they are of "
                "another encoder, remove the file"
            )
        self._rows.update(zip(keys, features, strict=True))

    def _add(self, keys: list[str], features: np.ndarray) -> None:
        name = f"{self._encoder}-{hashlib.sha256(''.join(keys).encode()).hexdigest()[:16]}.safetensors"
        with whole(self._folder / name) as temporary:
            save_file({"features": np.ascontiguousarray(features)}, temporary, {"keys": json.dumps(keys)})
        self._rows.update(zip(keys, features, strict=True))


def encode_dataset(
    dataset: Dataset,
    encoder: ImageTextEncoder,
    sentences: SentenceEncoder,
    store: Path,
    subjects: Mapping[str, str] | None = None,
    progress: Progress = lambda what, done, of: None,
    *,
    statistics: bool = False,
) -> Features:
    """Encode a data set. `subjects`: image id -> what it shows in a few words. Raises ImageError.

    With `statistics`, the pixels' (`reward.encoders.statistics`) too.
    """
    paths = dataset.image_paths
    images = image_rows(paths, encoder, store, progress)
    text_store = FeatureStore(
        store,
        f"text-{encoder.hash[:16]}{_tokenizers()}",
        encoder.text_dim,
        {"what": "texts, lowercased, 64 tokens", **_about(encoder)},
    )

    def texts(values: Sequence[str]) -> np.ndarray:
        return _rows_of(values, text_store, encoder.texts, encoder.text_dim, progress, "texts")

    sentence_store = FeatureStore(
        store,
        f"sentence-{sentences.key}{_tokenizers()}",
        sentences.dim,
        {"what": "sentences", "model": sentences.id, **_versions()},
    )

    def described(values: Sequence[str | None]) -> np.ndarray:
        return _rows_of(values, sentence_store, sentences.encode, sentences.dim, progress, "sentences")

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
        statistics=statistics_rows(paths, store, progress) if statistics else None,
    )


def _rows_of(
    values: Sequence[str | None],
    store: FeatureStore,
    encode: Callable[[list[str]], np.ndarray],
    dim: int,
    progress: Progress,
    what: str,
) -> np.ndarray:
    """[len(values), dim]; zeros where there is nothing to encode, as for a photograph without a prompt."""
    known = [value for value in values if value]
    rows = np.zeros((len(values), dim), np.float32)
    rows[[bool(value) for value in values]] = store.rows(
        [_hash(value) for value in known],
        lambda chosen: encode([known[i] for i in chosen]),
        progress,
        what,
    )
    return rows


def image_rows(
    paths: Sequence[Path],
    encoder: ImageTextEncoder,
    store: Path,
    progress: Progress = lambda what, done, of: None,
) -> np.ndarray:
    """Features of image files [len(paths), image_dim], through the store. Raises ImageError."""
    images = FeatureStore(
        store,
        f"image-{encoder.hash[:16]}",
        encoder.image_dim,
        {"what": "images", **_about(encoder)},
        IMAGE_SHARD,
    )

    def encode(chosen: list[int]) -> np.ndarray:
        return np.concatenate([encoder.images(batch) for batch in _opened([paths[i] for i in chosen])])

    return images.rows(content_keys(paths, store), encode, progress, "images")


def statistics_rows(
    paths: Sequence[Path], store: Path, progress: Progress = lambda what, done, of: None
) -> np.ndarray:
    """Pixel statistics of image files [len(paths), statistics], through the store. Raises ImageError."""
    about = {"what": "statistics of pixels", "version": str(VERSION)}
    stored = FeatureStore(store, f"statistics-{VERSION}", len(NAMES), about)

    def measure(chosen: list[int]) -> np.ndarray:
        return np.concatenate([image_statistics(batch) for batch in _opened([paths[i] for i in chosen])])

    return stored.rows(content_keys(paths, store), measure, progress, "image statistics")


def content_keys(paths: Sequence[Path], store: Path) -> list[str]:
    """`pixels_key` of each file. The store remembers it by size and time: an unchanged file is read once."""
    store.mkdir(parents=True, exist_ok=True)
    known = _read_json(store / KEYS_FILE)
    fresh = dict(known)
    for path in paths:
        try:
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns]
        except OSError as error:
            raise ImageError(f"{path} cannot be read ({error}): {ADVICE}") from error
        if fresh.get(str(path), [])[:2] != stamp:
            fresh[str(path)] = [*stamp, pixels_key(path, ADVICE)]
    if fresh != known:
        _write_json(store / KEYS_FILE, fresh)
    return [fresh[str(path)][2] for path in paths]


def _opened(paths: Sequence[Path]) -> Iterator[list[Image.Image]]:
    """Decoded images in batches; the next batch is decoded while the caller works on one."""
    batches = [paths[start : start + IMAGE_BATCH] for start in range(0, len(paths), IMAGE_BATCH)]
    ahead: deque[list[Future[Image.Image]]] = deque()
    with ThreadPoolExecutor(DECODERS, "decode") as pool:
        for batch in batches:
            ahead.append([pool.submit(read_image, path, ADVICE) for path in batch])
            if len(ahead) > 1:
                yield [image.result() for image in ahead.popleft()]
        while ahead:
            yield [image.result() for image in ahead.popleft()]


def _tokenizers() -> str:
    major = transformers.__version__.partition(".")[0]
    return "" if major == TOKENIZERS else f"-transformers{major}"


def _about(encoder: ImageTextEncoder) -> dict[str, str]:
    return {"model": encoder.source, "sha256": encoder.hash, **_versions()}


def _versions() -> dict[str, str]:
    return {"transformers": transformers.__version__}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read_json(file: Path) -> dict[str, Any]:
    """The object in a file; empty where there is none. Both files here can be made again."""
    try:
        found = load_json(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_json(file: Path, data: Mapping[str, Any]) -> None:
    write_whole(file, json.dumps(data, indent=1).encode())

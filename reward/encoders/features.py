"""Every distinct image and sentence of a data set through the frozen encoders, once.

The store is a folder of safetensors shards, each named after its encoder and holding rows under the hash of
what was encoded; `index.json` says in words what each encoder's name stands for. A shard is renamed into
place when it is complete, so an interrupted run goes on where it stopped.

What a data set needs of it is brought into one file for each kind of feature, which is mapped into memory:
three data sets together have 2 GB of features, of which a step reads a few megabytes. Which of it stays in
memory is the system's choice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
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
PART = 1024  # rows written to a mapped file at a time
# Tokenizers differ between major versions of transformers; rows of this one carry no mark in their name.
TOKENIZERS = "5"
ADVICE = "unpack the data set again"  # for a picture that cannot be read
INDEX_FILE = "index.json"
KEYS_FILE = "keys.json"
Progress = Callable[[str, int, int], None]  # what, done, of


@dataclass(frozen=True)
class Features:
    """What training and evaluation read: one row per image or user, float32.

    A row of zeros stands for an absent token. The large ones lie on disk, see `mapped`.
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
        self,
        keys: Sequence[str | None],
        encode: Callable[[list[int]], np.ndarray],
        progress: Progress,
        what: str,
    ) -> np.ndarray:
        """[len(keys), dim], see `mapped`; a key of None has a row of zeros.

        `encode` gets the positions of distinct contents that are not stored yet.
        """
        last = {key: i for i, key in enumerate(keys) if key is not None and key not in self._rows}
        missing = list(last.items())
        for start in range(0, len(missing), self._shard):
            progress(what, start, len(missing))
            chosen = missing[start : start + self._shard]
            self._add([key for key, _ in chosen], encode([i for _, i in chosen]))
        progress(what, len(missing), len(missing))
        return mapped([None if key is None else self._rows[key] for key in keys], self._dim, self._folder)

    def _read(self, file: Path) -> None:
        if len(file.stem) != len(self._encoder) + 17:  # of an encoder whose name starts like this one's
            return
        try:
            with safe_open(file, "pt") as shard:  # torch maps the file, numpy would read it
                keys = load_json(shard.metadata()["keys"].encode())
                features = shard.get_tensor("features").numpy()
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
        self._read(self._folder / name)  # as what is in the file: that needs no memory


def mapped(rows: Sequence[np.ndarray | None], dim: int, folder: Path) -> np.ndarray:
    """Rows [n, dim] as one array, float32, whose numbers lie in a file; those of None are zeros.

    The file is in `folder`, has no name and goes with the array. What is written to the array stays in
    memory. Raises CheckpointError where there is no room.
    """
    if not rows:
        return np.zeros((0, dim), np.float32)
    nothing = np.zeros(dim, np.float32)
    try:
        with TemporaryFile(dir=folder if os.access(folder, os.W_OK) else None) as file:
            for start in range(0, len(rows), PART):
                part = [nothing if row is None else row for row in rows[start : start + PART]]
                file.write(np.stack(part).astype(np.float32).tobytes())
            file.flush()
            return np.asarray(np.memmap(file, np.float32, "c", shape=(len(rows), dim)))
    except OSError as error:
        size = 4 * len(rows) * dim / 1e6
        raise CheckpointError(
            f"{folder} has no room for {size:.0f} MB of features ({error.strerror or error}): make room there"
        ) from error


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
    text = texts(prompts)
    subject = text
    if subjects:
        subject = texts([subjects.get(id) or own for id, own in zip(dataset.image_ids, prompts, strict=True)])
    trained = np.unique(dataset.images[dataset.rows("train")])
    vocabulary = MetadataVocabulary.of([dataset.metadata[i] for i in trained])
    combinations = described([metadata_sentence(values) for values in vocabulary.combinations()])
    queries = texts(vocabulary.queries())
    variants = [demographics_variants(known) for known in dataset.demographics]
    most = max(map(len, variants), default=0)
    padded = [(v * most)[:most] if v else [None] * max(most, 1) for v in variants]
    demographics = described([sentence for person in padded for sentence in person])
    guessed = vocabulary.infer(images, queries)
    return Features(
        image=images,
        text=text,
        subject=subject,
        metadata=described([metadata_sentence(values) for values in dataset.metadata]),
        inferred=mapped([combinations[place] for place in guessed], sentences.dim, store),
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
    keys = [_hash(value) if value else None for value in values]
    return store.rows(keys, lambda chosen: encode([str(values[i]) for i in chosen]), progress, what)


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

"""Small real models with random weights: the same classes and files as the trained ones, made in a second."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPConfig,
    CLIPModel,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2Model,
    SiglipConfig,
    SiglipModel,
)

from reward.encoders.image_text import SENTENCE_ENCODER_ID, ImageTextEncoder
from reward.people.descriptions import MetadataVocabulary
from reward.people.person import KnownPerson
from reward.predictor.checkpoint import CheckpointCard, Tables, write_checkpoint
from reward.predictor.ensemble import Ensemble
from reward.predictor.network import PamelaConfig
from reward.predictor.predictor import Predictor

WORDS = [
    "a",
    "picture",
    "of",
    "mossy",
    "rocks",
    "floating",
    "red",
    "blue",
    "car",
    "landscape",
    "painting",
    "in",
    "the",
    "style",
    "photograph",
]
VOCABULARY = MetadataVocabulary(
    group=("automotive", "landscape"), style=("Impressionism", "Pop_Art"), type=("Art", "Photorealism")
)
PROFILE_DIM = 384  # of the sentence encoder that comes with the package


def tiny_encoder(folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """A random SigLIP encoder (32 dimensions, 16-pixel images) in the layout of a released checkpoint.

    It reads `words` beside its own.
    """
    config = SiglipConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 16,
            "patch_size": 8,
        },
        text_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "vocab_size": len(WORDS) + len(words) + 2,
            "max_position_embeddings": 64,
            "projection_size": 32,
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": 0,
        },
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        SiglipModel(config).save_pretrained(folder)
    word_tokenizer(folder, words)
    preprocessing = {
        "image_processor_type": "SiglipImageProcessor",
        "size": {"height": 16, "width": 16},
        "resample": 3,
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing), encoding="utf-8")
    return folder


def tiny_naflex(folder: Path, seed: int = 0) -> Path:
    """A random SigLIP2 of the kind that keeps an image's aspect, in the layout of a released checkpoint."""
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Siglip2Config(
        vision_config={**tower, "num_patches": 16, "patch_size": 8},
        text_config={
            **tower,
            "vocab_size": len(WORDS) + 2,
            "max_position_embeddings": 64,
            "projection_size": 32,
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": 0,
        },
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        Siglip2Model(config).save_pretrained(folder)
    word_tokenizer(folder)
    settings = {"image_processor_type": "Siglip2ImageProcessor", "patch_size": 8, "max_num_patches": 16}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def tiny_clip(folder: Path, seed: int = 0) -> Path:
    """A random CLIP (16 dimensions, 32-pixel images) in the layout of a released checkpoint."""
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        vision_config={**tower, "image_size": 32, "patch_size": 16},
        text_config={**tower, "vocab_size": 32, "max_position_embeddings": 16, "eos_token_id": 1},
        projection_dim=16,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        CLIPModel(config).save_pretrained(folder)
    word_tokenizer(folder)
    settings = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
        "image_mean": [0.48, 0.46, 0.41],
        "image_std": [0.27, 0.26, 0.28],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def tiny_head(folder: Path, sizes: Sequence[int] = (16, 8, 4, 1)) -> Path:
    """A random aesthetic head; its layers are numbered with gaps, as dropout leaves them."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for number, (before, after) in zip((0, 2, 10), pairwise(sizes), strict=False):
        tensors[f"layers.{number}.weight"] = torch.randn(after, before, generator=generator)
        tensors[f"layers.{number}.bias"] = torch.randn(after, generator=generator)
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors")
    return folder


def word_tokenizer(folder: Path, special: Sequence[str] = ()) -> None:
    """A tokenizer of whole words, saved into a folder; `special` are tokens of its own."""
    listed = ["[PAD]", "[UNK]", *WORDS, *special]
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(listed)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        additional_special_tokens=list(special),
    ).save_pretrained(folder)


def tiny_people(count: int = 20) -> tuple[KnownPerson, ...]:
    """Participants 1, 2 …: ages 19-60, two genders, three countries; the last tells nothing."""
    people = [
        KnownPerson(
            str(i + 1),
            {
                "age": 19 + (i * 7) % 42,
                "gender": ("female", "male")[i % 2],
                "nationality": ("Germany", "Ghana", "Japan")[i % 3],
            },
            ratings=10 + i,
        )
        for i in range(count - 1)
    ]
    return (*people, KnownPerson(str(count), {"age": None, "gender": None, "nationality": None}, ratings=10))


def tiny_checkpoint(tmp_path: Path, people: int = 20, seed: int = 0, **card: Any) -> Path:
    """A checkpoint folder `predictor` and its encoder folder `encoder` beside it, both random."""
    encoder = ImageTextEncoder.load(tiny_encoder(tmp_path / "encoder", seed))
    config = PamelaConfig(
        image_dim=32, text_dim=32, profile_dim=PROFILE_DIM, hidden=16, layers=2, heads=2, feedforward=32
    )
    rng = np.random.default_rng(seed)

    def unit_rows(n: int, dim: int) -> np.ndarray:
        rows = rng.normal(size=(n, dim))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    known = tiny_people(people)
    demographics = unit_rows(people, PROFILE_DIM)
    demographics[-1] = 0  # the last person tells nothing
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Ensemble.of(config, people, card.get("networks", 1), card.get("properties", 0))
        for name, weights in model.named_parameters():
            if name.endswith("users.weight"):
                torch.nn.init.normal_(weights)  # people who differ visibly
    write_checkpoint(
        tmp_path / "predictor",
        model,
        CheckpointCard(
            **{
                "world": "sandbox:0",
                "simulated": True,
                "config": config,
                "encoder": {"id": "../encoder", "revision": None, "sha256": encoder.hash},
                "sentence_encoder": {"id": SENTENCE_ENCODER_ID},
                "people": known,
                "metadata_vocabulary": VOCABULARY,
                "trained": {"recipe": "random weights"},
                **card,
            }
        ),
        Tables(
            profiles=unit_rows(people, 32),
            demographics=demographics,
            metadata=unit_rows(len(VOCABULARY.combinations()), PROFILE_DIM),
            queries=encoder.texts(VOCABULARY.queries()),
        ),
    )
    return tmp_path / "predictor"


def tiny_predictor(tmp_path: Path, people: int = 20, seed: int = 0) -> Predictor:
    """The predictor of `tiny_checkpoint`, loaded."""
    return Predictor.load(tiny_checkpoint(tmp_path, people, seed))


def tiny_dataset(root: Path, people: int = 12, images: int = 60, seed: int = 0) -> Path:
    """PAMELA's layout with pictures of one colour, which people like by their own warmth and brightness.

    Two thirds of the people are in the training set; the rest are split between the two unseen sets.
    """
    rng = np.random.default_rng(seed)
    (root / "annotations").mkdir(parents=True)
    (root / "images").mkdir()
    looks = rng.uniform(0, 1, (images, 2))  # warmth, brightness
    metadata: list[dict[str, str | None]] = []
    for i, (warmth, brightness) in enumerate(looks):
        colour = np.array([warmth, 0.5, 1 - warmth]) * (0.2 + 0.8 * brightness) * 255
        Image.fromarray(np.full((16, 16, 3), colour, np.uint8)).save(root / "images" / f"{i:03d}.png")
        art = bool(rng.random() < 0.5)
        metadata.append(
            {
                "prompt": str(rng.choice(["floating mossy rocks", "a red car", "a blue landscape"])),
                "group": str(rng.choice(VOCABULARY.group)),
                "style": str(rng.choice(VOCABULARY.style)) if art else None,
                "type": "Art" if art else "Photorealism",
            }
        )
    taste = rng.normal(size=(people, 2))
    demographics = [dict(person.demographics) for person in tiny_people(people)]

    def rows(raters: range, shown: range) -> list[dict[str, Any]]:
        made = []
        for user in raters:
            for image in shown:
                liking = 3 + taste[user] @ (looks[image] - 0.5) * 2 + 0.1 * rng.normal()
                made.append(
                    {
                        "participant_id": str(user + 1),
                        "original_score": float(np.clip(liking, 1, 5).round(2)),
                        "image_id": image,
                        "image_path": f"images/{image:03d}.png",
                        "image_metadata": metadata[image],
                        "user_demographics": demographics[user],
                    }
                )
        return made

    known, cut = people * 2 // 3, images * 2 // 3
    half = known + (people - known) // 2
    splits = {
        "train": rows(range(known), range(cut)),
        "val_seen": rows(range(known), range(cut, cut + images // 6)),
        "val_unseen": rows(range(known, half), range(cut, images)),
        "test_seen": rows(range(known), range(cut + images // 6, images)),
        "test_unseen": rows(range(half, people), range(cut, images)),
    }
    for name, made in splits.items():
        (root / "annotations" / f"pamela_{name}.json").write_text(json.dumps(made), encoding="utf-8")
    return root

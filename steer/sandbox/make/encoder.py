"""Train the sandbox's image-text encoder: SigLIP's shape and loss, a few million weights, two CPU cores.

Besides the sigmoid contrastive loss between paintings and texts (Zhai et al. 2023, "Sigmoid Loss for Language
Image Pre-Training", section 3.2), the image embedding must tell what a full caption names, each axis through
a linear layer of its own: contrast alone would keep only what tells the paintings of a batch apart, while a
predictor of taste needs every axis. The layers are thrown away after training.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipModel

from reward.encoders.weights import content_hash
from reward.files import whole
from steer.sandbox.make.encoder_pairs import Pairs, StepDone
from steer.sandbox.make.encoder_start import spread, structure
from steer.sandbox.make.encoder_texts import (
    AXES,
    UNNAMED,
    Texts,
    as_hub_tokenizer,
    axis_values,
    corpus,
    describes,
    train_tokenizer,
)

PARTS = 2  # of a batch, computed side by side; a constant, or the machine would change the sums


@dataclass(frozen=True)
class EncoderSettings:
    """The encoder's size and training; the defaults are the embedded one's."""

    patch_size: int = 16  # pixels a side; the image's size comes with the pairs
    width: int = 192  # of image tokens and of both embeddings
    depth: int = 4  # image layers
    heads: int = 12  # many and small: nine start as the taps of a 3 x 3 convolution
    text_width: int = 128  # of text tokens
    text_depth: int = 2
    text_heads: int = 2
    text_length: int = 64  # tokens, all used: SigLIP attends to its padding
    vocabulary: int = 4096  # at most
    epochs: int = 14
    batch: int = 128
    learning_rate: float = 2e-3  # peak, after a linear warmup, then a cosine to zero
    warmup: float = 0.05  # share of all steps
    weight_decay: float = 0.1
    # of the mean axis cross-entropy against the contrastive loss: less, and its noise hides all shapes
    axis_weight: float = 200.0
    shift: int = 2  # pixels; more would contradict what captions say about place and distance
    bare: float = 0.0  # share of texts that name the subject alone
    emphasis: tuple[tuple[str, float], ...] = ()  # axes whose cross-entropy counts more than once
    seed: int = 0


# A second stage, which goes on from the first, on other paintings: of its own it tells the subject of 87%,
# of new ones of 63%. What a picture shows counts more here, and is named alone more often, as prompts do.
SECOND = EncoderSettings(
    epochs=8,
    learning_rate=1.5e-3,
    axis_weight=120.0,
    shift=4,
    bare=0.2,
    emphasis=(("subject", 5.0), ("weather", 2.0), ("detail", 2.0), ("ground", 2.0), ("distance", 2.0)),
    seed=1,
)


def train_encoder(
    pairs_folder: str | Path,
    out_folder: str | Path,
    settings: EncoderSettings | None = None,
    start: str | Path | None = None,
) -> Iterator[StepDone]:
    """Train on a folder of `build_pairs` and write the encoder to `out_folder`, replacing what is there.

    With `start`, a folder that an earlier training wrote, its weights and tokenizer are where this one
    begins; the optimizer and the schedule begin anew. Resumable: a checkpoint after every epoch in the pairs'
    folder, used if settings, pairs and start are the same; a resumed training ends exactly as an unbroken
    one. Yields a StepDone per step with the losses and the share of axes named right. Raises PairsError if
    there are no whole pairs.
    """
    settings = settings or EncoderSettings()
    pairs = Pairs.open(pairs_folder)
    checkpoint = Path(pairs_folder) / "training.safetensors"
    begun = {} if start is None else {"start": content_hash(Path(start))}
    identity = json.dumps(asdict(settings) | {"pairs": pairs.identity} | begun, sort_keys=True)
    saved = _read_checkpoint(checkpoint, identity)
    if saved is not None:
        trained = saved.tokenizer
    elif start is not None:
        trained = Tokenizer.from_file(str(Path(start) / "tokenizer.json"))
    else:
        trained = train_tokenizer(corpus(pairs.scenes), settings.vocabulary)
    tokenizer = as_hub_tokenizer(trained, settings.text_length)
    paintings = _Paintings(pairs, settings.bare)
    steps = len(pairs) // settings.batch
    started = time.monotonic()
    with _one_thread_each() as pool:
        learner = _Learner(settings, pairs.image_size, len(tokenizer), pool)
        if saved is None and start is not None:
            learner.model.load_state_dict(load_file(Path(start) / "model.safetensors"))
        elif saved is None:
            sample = pairs.images(spread(len(pairs), 600))
            structure(learner.model, _pixels(sample), settings.seed)
        else:
            learner.restore(saved.tensors)
        for epoch in range(saved.epoch if saved else 0, settings.epochs):
            for step, batch in enumerate(paintings.epoch(tokenizer, settings, epoch), epoch * steps + 1):
                figures = learner.step(batch, step / (steps * settings.epochs))
                yield StepDone("training", step, steps * settings.epochs, time.monotonic() - started, figures)
            _write_checkpoint(checkpoint, identity, epoch + 1, tokenizer, learner.tensors())
    facts = {"settings": asdict(settings), "paintings": len(pairs), "pairs": pairs.identity} | begun
    _write_encoder(Path(out_folder), learner.model, tokenizer, pairs.image_size, facts)


@dataclass(frozen=True)
class Batch:
    """Paintings and one text each."""

    pixels: torch.Tensor  # float32 [n, 3, size, size], -1 to 1
    tokens: torch.Tensor  # int64 [n, text_length]
    true: np.ndarray  # bool [n, n]: text (column) describes painting (row); the diagonal always does
    axes: np.ndarray  # int64 [n, axes]: what can be said of each painting

    def __len__(self) -> int:
        return len(self.pixels)


@contextmanager
def _one_thread_each() -> Iterator[ThreadPoolExecutor]:
    """A thread for each part of a batch, and torch kept to one core in each.

    Two halves of a batch meet twice a step, torch's own threads thousands of times: on a machine that does
    anything else, halves learn twice as fast.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(PARTS, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


class _Paintings:
    """Draws the batches of an epoch: new texts, half of the paintings mirrored, all moved by a pixel or two.

    A mirrored painting is a true painting of the scene with its subject on the other side.
    """

    def __init__(self, pairs: Pairs, bare: float) -> None:
        self.pairs, self.texts = pairs, Texts(bare)
        self.scenes = (pairs.scenes, tuple(replace(scene, place=-scene.place) for scene in pairs.scenes))
        self.truths = [np.stack([self.texts.everything(scene) for scene in side]) for side in self.scenes]

    def epoch(
        self, tokenizer: PreTrainedTokenizerFast, settings: EncoderSettings, epoch: int
    ) -> Iterator[Batch]:
        """Every painting once, but for what does not fill a batch."""
        rng, n = np.random.default_rng([settings.seed, epoch]), len(self.pairs)
        mirror = rng.random(n) < 0.5
        truth = np.where(mirror[:, None], self.truths[1], self.truths[0])
        drawn = [self.texts.draw(self.scenes[int(side)][i], rng) for i, side in enumerate(mirror)]
        tokens = _tokens(tokenizer, [text for text, _ in drawn])
        named = np.stack([values for _, values in drawn])
        order = rng.permutation(n)
        for start in range(0, n - settings.batch + 1, settings.batch):
            rows = order[start : start + settings.batch]
            images = self.pairs.images(rows)
            images[mirror[rows]] = images[mirror[rows], :, ::-1]
            pixels = _pixels(_shifted(images, settings.shift, rng))
            yield Batch(pixels, tokens[rows], describes(named[rows], truth[rows]), truth[rows])


class _Learner:
    """The model, the axis layers and the optimizer."""

    def __init__(
        self, settings: EncoderSettings, image_size: int, vocabulary: int, pool: ThreadPoolExecutor
    ) -> None:
        self.settings = settings
        values = axis_values()
        self.spans = np.cumsum([0] + [len(values[axis]) for axis in AXES])
        self.emphasis = [dict(settings.emphasis).get(axis, 1.0) for axis in AXES]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.model = _model(settings, image_size, vocabulary).train()
            self.axes = nn.Linear(settings.width, int(self.spans[-1]))
        self.towers = [*self.model.vision_model.parameters(), *self.model.text_model.parameters()]
        self.pool = pool
        hidden: list[nn.Parameter] = []  # matrices inside layers: Muon learns them in half of AdamW's steps
        rest: list[nn.Parameter] = []
        for name, parameter in self._parameters().items():
            (hidden if ".layers." in name and parameter.ndim == 2 else rest).append(parameter)
        rate, decay = settings.learning_rate, settings.weight_decay
        muon = (
            torch.optim.Muon(hidden[i::PARTS], lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
            for i in range(PARTS)
        )
        adam = torch.optim.AdamW(rest, lr=rate, weight_decay=0.0, betas=(0.9, 0.98))
        self.optimizers: tuple[torch.optim.Optimizer, ...] = (*muon, adam)

    def step(self, batch: Batch, progress: float) -> tuple[tuple[str, float], ...]:
        """One update; `progress` is 0-1 over the whole training."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.learning_rate * schedule(progress, self.settings.warmup)
            optimizer.zero_grad()
        parts = list(self.pool.map(self._embed, batch.pixels.chunk(PARTS), batch.tokens.chunk(PARTS)))
        image, text = (torch.cat([part[i].detach() for part in parts]).requires_grad_() for i in (0, 1))
        logits = image @ text.T * self.model.logit_scale.exp() + self.model.logit_bias
        contrastive = sigmoid_loss(logits, torch.from_numpy(batch.true))
        # read from the unit vector, which is all that the predictor sees
        seen = self.axes(image * math.sqrt(image.shape[1]))
        axis, right = self._axis_loss(seen, torch.from_numpy(batch.axes))
        (contrastive + self.settings.axis_weight * axis).backward()
        assert image.grad is not None and text.grad is not None
        shares = self.pool.map(self._gradients, parts, image.grad.chunk(PARTS), text.grad.chunk(PARTS))
        for parameter, *gradients in zip(self.towers, *shares, strict=True):
            parameter.grad = torch.stack(gradients).sum(0)
        nn.utils.clip_grad_norm_(self._parameters().values(), 1.0)
        list(self.pool.map(lambda optimizer: optimizer.step(), self.optimizers))
        return ("contrastive", contrastive.item()), ("axes", axis.item()), ("axes right", right)

    def _embed(self, pixels: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors of images and texts, [n, width] each."""
        image = self.model.vision_model(pixel_values=pixels).pooler_output
        text = self.model.text_model(input_ids=tokens).pooler_output
        return F.normalize(image, dim=-1), F.normalize(text, dim=-1)

    def _gradients(
        self, outputs: tuple[torch.Tensor, ...], image: torch.Tensor, text: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """What one part of a batch adds to the towers' gradients, given the loss's by its vectors."""
        return torch.autograd.grad(outputs, self.towers, (image, text))

    def _axis_loss(self, logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Weighted cross-entropy of the named axes, over their number, and the share of them read right."""
        total, right = logits.new_zeros(()), 0
        for i, weight in enumerate(self.emphasis):
            part = logits[:, self.spans[i] : self.spans[i + 1]]
            loss = F.cross_entropy(part, targets[:, i], ignore_index=UNNAMED, reduction="sum")
            total = total + weight * loss
            right += int((part.argmax(1) == targets[:, i]).sum())
        named = int((targets != UNNAMED).sum())
        return total / named, right / named

    def _parameters(self) -> dict[str, nn.Parameter]:
        named = [*self.model.named_parameters(prefix="model"), *self.axes.named_parameters(prefix="axes")]
        return dict(named)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that the next epoch depends on."""
        held = {name: parameter.detach() for name, parameter in self._parameters().items()}
        for name, parameter in self._parameters().items():
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(parameter, {}).items():
                    held[f"{name}|{key}"] = value
        return held

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        parameters = self._parameters()
        for full_name, tensor in tensors.items():
            name, _, key = full_name.partition("|")
            parameter = parameters[name]
            if not key:
                with torch.no_grad():
                    parameter.copy_(tensor)
                continue
            for optimizer in self.optimizers:
                if any(parameter is known for group in optimizer.param_groups for known in group["params"]):
                    optimizer.state[parameter][key] = tensor


def sigmoid_loss(logits: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """SigLIP's loss of logits [images, texts]: each pair is judged by itself.

    Unlike there, a text may be true of several images of the batch: "a picture of landscape" is no mistake
    beside the second landscape.
    """
    signs = 2.0 * true.to(logits.dtype) - 1.0
    return -F.logsigmoid(signs * logits).sum() / len(logits)


def schedule(progress: float, warmup: float) -> float:
    """Share of the peak learning rate at `progress` (0-1): linear warmup, then a cosine to zero."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def _model(settings: EncoderSettings, image_size: int, vocabulary: int) -> SiglipModel:
    config = SiglipConfig(
        vision_config={
            "image_size": image_size,
            "patch_size": settings.patch_size,
            "hidden_size": settings.width,
            "intermediate_size": 3 * settings.width,
            "num_hidden_layers": settings.depth,
            "num_attention_heads": settings.heads,
        },
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": settings.text_width,
            "intermediate_size": 3 * settings.text_width,
            "num_hidden_layers": settings.text_depth,
            "num_attention_heads": settings.text_heads,
            "max_position_embeddings": settings.text_length,
            "projection_size": settings.width,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 1,
        },
    )
    model = SiglipModel(config)
    with torch.no_grad():
        # the starting point of the SigLIP paper, section 3.2: almost all pairs of a batch are negative
        model.logit_scale.fill_(math.log(10.0))
        model.logit_bias.fill_(-10.0)
        # a word that no caption uses keeps its first vector: small, so that it says little
        model.text_model.embeddings.token_embedding.weight.mul_(0.02 * math.sqrt(settings.text_width))
    return model


def _tokens(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> torch.Tensor:
    """int64 [n, text_length]."""
    return tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")["input_ids"]


def _shifted(images: np.ndarray, shift: int, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by up to `shift` pixels both ways, its edge repeated."""
    size = images.shape[1]
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="edge")
    offsets = rng.integers(0, 2 * shift + 1, (len(images), 2))
    return np.stack(
        [image[y : y + size, x : x + size] for image, (y, x) in zip(padded, offsets, strict=True)]
    )


def _pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 [n, size, size, 3] -> float32 [n, 3, size, size] in -1 to 1, as the preprocessing file says."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float().div_(127.5).sub_(1.0)


@dataclass(frozen=True)
class _Checkpoint:
    epoch: int
    tokenizer: Tokenizer
    tensors: Mapping[str, torch.Tensor]


def _read_checkpoint(path: Path, identity: str) -> _Checkpoint | None:
    """The last finished epoch of the same training, if there is one."""
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
        if facts["identity"] != identity:
            return None
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    return _Checkpoint(int(facts["epoch"]), Tokenizer.from_str(facts["tokenizer"]), tensors)


def _write_checkpoint(
    path: Path,
    identity: str,
    epoch: int,
    tokenizer: PreTrainedTokenizerFast,
    tensors: dict[str, torch.Tensor],
) -> None:
    facts = {"identity": identity, "epoch": str(epoch), "tokenizer": tokenizer.backend_tokenizer.to_str()}
    with whole(path) as temporary:
        save_file(tensors, temporary, metadata=facts)


def _write_encoder(
    folder: Path,
    model: SiglipModel,
    tokenizer: PreTrainedTokenizerFast,
    image_size: int,
    facts: dict[str, Any],
) -> None:
    """A folder as the hub has them, in half precision."""
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    model.config.architectures = ["SiglipModel"]
    model.config.dtype = "float16"
    model.config.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    preprocessing = {
        "image_processor_type": "SiglipImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": image_size, "width": image_size},
        "resample": 2,  # bilinear, as the pairs were made
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    for name, content in (("preprocessor_config.json", preprocessing), ("training.json", facts)):
        (partial / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)

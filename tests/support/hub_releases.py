"""Released repositories on a `FakeHub`: their layouts, classes and duplicates, with tiny random weights."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import tiny_pipelines as pipelines
import torch
from fake_hub import FakeHub
from tiny import WORDS, tiny_dataset, tiny_encoder, word_tokenizer
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3Model

DUPLICATE = bytes(range(256)) * 400  # of weights that nobody reads


def laptop(hub: FakeHub, scratch: Path, siglip: Path | None = None) -> None:
    """What `steer setup laptop` fetches. `siglip` is its image-text encoder; else one that knows nothing."""
    folder = pipelines.save(pipelines.stable_diffusion(), scratch / "sdxs")
    for part in ("unet", "vae", "text_encoder"):
        weights = next((folder / part).glob("*.safetensors"))
        shutil.copyfile(weights, weights.with_suffix("").with_suffix(".fp16.safetensors"))
    hub.add("IDKiro/sdxs-512-dreamshaper", folder, **{"sdxs.safetensors": DUPLICATE})
    bin = {"pytorch_model.bin": DUPLICATE}
    hub.add("google/siglip2-base-patch16-224", siglip or tiny_encoder(scratch / "siglip"), **bin)
    pamela(hub, scratch)


# Of each preset for a GPU: the pipeline, its class at a tiny size, weights beside it that nobody reads, and
# whether its terms must be accepted.
PIPELINES = {
    "flux2": ("black-forest-labs/FLUX.2-dev", pipelines.flux2, "flux2-dev.safetensors", True),
    "qwen-image": ("Qwen/Qwen-Image", pipelines.qwen_image, "transformer/model.fp16.safetensors", False),
    "klein-9b": (
        "black-forest-labs/FLUX.2-klein-9B",
        pipelines.klein,
        "flux-2-klein-9b.safetensors",
        True,
    ),
    "z-image-turbo": ("Tongyi-MAI/Z-Image-Turbo", pipelines.z_image, "assets/model.bin", False),
    "klein": ("black-forest-labs/FLUX.2-klein-4B", pipelines.klein, "flux-2-klein-4b.safetensors", False),
}


def release(name: str, hub: FakeHub, scratch: Path, siglip: Path | None = None) -> None:
    """What `steer setup` fetches for a preset for a GPU; `siglip` as `laptop` has it."""
    id, make, duplicate, gated = PIPELINES[name]
    folder = pipelines.save(make(), scratch / "pipeline")
    hub.add(id, folder, gated=gated, **{duplicate: DUPLICATE})
    llama(hub, scratch)
    hub.add("google/siglip2-so400m-patch14-384", siglip or tiny_encoder(scratch / "so400m"))
    (nemotron if name == "flux2" else qwen3)(hub, scratch)
    pamela(hub, scratch)


def nemotron(hub: FakeHub, scratch: Path) -> None:
    """The paper's sentence encoder."""
    config = LlamaConfig(vocab_size=200, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                         num_attention_heads=2, num_key_value_heads=1)  # fmt: skip
    folder = scratch / "nemotron"
    LlamaForCausalLM(config).model.save_pretrained(folder)
    word_tokenizer(folder)
    hub.add("nvidia/llama-embed-nemotron-8b", folder)


def qwen3(hub: FakeHub, scratch: Path) -> None:
    """Qwen3-Embedding."""
    qwen = Qwen3Config(vocab_size=200, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                       num_attention_heads=2, num_key_value_heads=1, head_dim=8)  # fmt: skip
    Qwen3Model(qwen).save_pretrained(scratch / "qwen3")
    word_tokenizer(scratch / "qwen3", special=["<|endoftext|>"])
    hub.add("Qwen/Qwen3-Embedding-0.6B", scratch / "qwen3")


def llama(hub: FakeHub, scratch: Path) -> None:
    """Gated; in shards with an index, and once more as `original/`."""
    config = LlamaConfig(vocab_size=200, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                         num_attention_heads=2, num_key_value_heads=1)  # fmt: skip
    folder = scratch / "llama"
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="30KB")
    word_tokenizer(folder)
    original = {"original/consolidated.00.pth": DUPLICATE, "original/params.json": b"{}"}
    hub.add("meta-llama/Llama-3.1-8B-Instruct", folder, gated=True, **original)


def pamela(hub: FakeHub, scratch: Path) -> None:
    """The data set, as one archive."""
    root = tiny_dataset(scratch / "PAMELA", people=9, images=24)
    archive = scratch / "zip" / "PAMELA.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as made:
        for file in sorted(root.rglob("*")):
            made.write(file, file.relative_to(root.parent))
    hub.add("bethgelab/PAMELA", archive.parent, kind="dataset")


def encoder_of_photographs(folder: Path) -> Path:
    """A tiny SigLIP that has learnt the caption of each of the shipped photographs, and nothing else."""
    from reward.encoders.image_text import ImageTextEncoder
    from steer.machine.check import photographs

    images, captions = photographs()
    words = {word for caption in captions for word in caption.split()} - set(WORDS)
    encoder = ImageTextEncoder.load(tiny_encoder(folder, words=sorted(words)))
    pixels = encoder._pixels(images)
    ids = encoder.tokenizer(captions, padding="max_length", max_length=64, return_tensors="pt")["input_ids"]
    own = encoder.model.requires_grad_(True)
    optimizer, right = torch.optim.Adam(own.parameters(), 1e-3), torch.arange(len(images))
    for _ in range(200):
        logits = own(pixel_values=pixels, input_ids=ids).logits_per_image
        loss = cross_entropy(logits, right) + cross_entropy(logits.T, right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    own.save_pretrained(folder)
    return folder

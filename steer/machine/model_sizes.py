"""How large the known models are, and how much they compute: counted from their configs, without weights.

A config is what a model's `config.json` says. Those of the models that the presets name are kept in
`model_configs.json`; a folder or a snapshot on this machine is read instead where there is one. The counts
equal those of the models that diffusers and transformers build from the same configs (tests).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from reward.checked import read_json
from steer.renderer.weights_file import tensors_in

Config = Mapping[str, Any]

# Hidden states that the pipelines read: later layers, norm, head and vision tower are dead weight and cut.
LAYERS_READ = {"Flux2Pipeline": 30, "Flux2KleinPipeline": 27}
FILM_DECODER = "AutoencoderKLQwenImage"
TEXT_TOKENS = 512  # every prompt of FLUX.2 is padded to so many


@dataclass(frozen=True)
class Size:
    """What one model holds."""

    parameters: int
    linear: int  # of them in the linear layers of its blocks, which fp8 and nf4 convert

    def bytes(self, precision: str) -> int:
        """In bytes at a precision: bf16, fp8 (torchao) or nf4 (bitsandbytes)."""
        # fp8 adds a scale per row, nf4 a float32 scale per 64 weights; embeddings and norms stay bf16.
        per = {"bf16": 2.0, "fp8": 1.002, "nf4": 0.5 + 4 / 64}[precision]
        return int(self.linear * per + (self.parameters - self.linear) * 2)


@lru_cache(maxsize=1)
def known() -> dict[str, Any]:
    """Configs of the models that the presets name, by hub id."""
    return dict(json.loads(Path(__file__).with_name("model_configs.json").read_text(encoding="utf-8")))


def read(folder: Path) -> dict[str, Any]:
    """The configs in a folder that diffusers or transformers wrote: `known()`'s layout. Raises OSError."""
    index = folder / "model_index.json"
    if not index.is_file():
        return _json(folder / "config.json")
    found: dict[str, Any] = {"pipeline": _json(index).get("_class_name")}
    for part in sorted(path.parent for path in folder.glob("*/config.json")):
        found[part.name] = _json(part / "config.json")
        if found[part.name].get("_class_name") == FILM_DECODER:
            files = [tensors_in(file).values() for file in part.glob("*.safetensors")]
            found[part.name]["parameters"] = sum(tensor.count for tensors in files for tensor in tensors)
    return found


def check(config: Config) -> None:
    """Raises ValueError for configs that lack what their kind of model has, or hold something else there."""
    for part in (config, *(one for one in config.values() if isinstance(one, dict))):
        try:
            size_of(part)
        except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"a config.json is damaged: {error!r}") from error


def size_of(config: Config, layers: int | None = None) -> Size | None:
    """Parameters of the model that has this config; None for a kind that is not counted here.

    `layers` cuts a language model to its first layers and its embeddings, as a text encoder needs it.
    """
    kind = str(config.get("_class_name") or config.get("model_type"))
    if kind == "Flux2Transformer2DModel":
        return _flux2(config)
    if kind == "QwenImageTransformer2DModel":
        return _qwen_image(config)
    if kind == "ZImageTransformer2DModel":
        return _z_image(config)
    if kind in ("AutoencoderKLFlux2", "AutoencoderKL"):
        return Size(_autoencoder(config), 0)
    if kind == FILM_DECODER and "parameters" in config:  # small, and read from its files
        return Size(config["parameters"], 0)
    if kind == "qwen2_5_vl" and "text_config" in config:
        text = _decoder({**config["text_config"], "model_type": "qwen2"}, None)
        return Size(text.parameters + _qwen_eyes(config["vision_config"]), text.linear)
    if kind == "mistral3":
        # The whole model has a vision tower too; steer only ever loads it cut.
        return _decoder({**config["text_config"], "tie_word_embeddings": True}, layers)
    if kind in ("llama", "mistral", "qwen2", "qwen3", "llama_bidirec"):
        return _decoder(config, layers)
    if kind == "siglip":
        return Size(_siglip(config), 0)
    return None


def _flux2(c: Config) -> Size:
    width = c["num_attention_heads"] * c["attention_head_dim"]
    head, hidden = c["attention_head_dim"], int(width * c.get("mlp_ratio", 3.0))
    attention, feedforward = 4 * width**2, 3 * width * hidden  # SwiGLU: two in, one out
    double = 2 * (attention + feedforward)  # the image's half and the text's
    single = attention + feedforward
    blocks = c["num_layers"] * double + c["num_single_layers"] * single
    norms = c["num_layers"] * 4 * head + c["num_single_layers"] * 2 * head
    channels, patch = c["in_channels"], c.get("patch_size", 1) ** 2
    embedders = (2 if c.get("guidance_embeds", True) else 1) * (
        c.get("timestep_guidance_channels", 256) * width + width**2
    )
    # Shift, scale and gate: twice for each half of the double blocks, once for the single ones.
    modulation = 15 * width**2
    out = patch * (c.get("out_channels") or channels)
    ends = width * (channels + c["joint_attention_dim"] + 2 * width + out)
    return Size(blocks + norms + embedders + modulation + ends, blocks)


def _qwen_image(c: Config) -> Size:
    width = c["num_attention_heads"] * c["attention_head_dim"]
    square = width**2 + width
    # Attention, feed-forward and modulation, each for the picture's half and the text's.
    block = 8 * square + 2 * (8 * width**2 + 5 * width) + 2 * (6 * width**2 + 6 * width)
    blocks, norms = c["num_layers"] * block, c["num_layers"] * 4 * c["attention_head_dim"]
    text, out = c["joint_attention_dim"], c["patch_size"] ** 2 * c["out_channels"]
    ends = (c["in_channels"] + 1) * width + (text + 1) * width + text + 257 * width + square
    return Size(blocks + norms + ends + 2 * square + (width + 1) * out, blocks)


def _z_image(c: Config) -> Size:
    width, patch = c["dim"], 4 * c["in_channels"]
    time = min(width, 256)
    plain = 4 * width**2 + 3 * width * int(width / 3 * 8)
    modulated = c["n_layers"] + c["n_refiner_layers"]  # the text's refiner is not told the time
    count = modulated + c["n_refiner_layers"]
    blocks = count * plain + modulated * (time + 1) * 4 * width
    norms = count * (4 * width + 2 * (width // c["n_heads"]))
    ends = (patch + 1) * width + (width + 1) * patch + (time + 1) * width
    ends += 257 * 1024 + 1025 * time + c["cap_feat_dim"] + (c["cap_feat_dim"] + 1) * width + 2 * width
    return Size(blocks + norms + ends, blocks)


def _qwen_eyes(c: Config) -> int:
    """The vision tower of a Qwen2.5-VL."""
    width, hidden, out = c["hidden_size"], c["intermediate_size"], c["out_hidden_size"]
    block = 2 * width + 4 * (width**2 + width) + 3 * width * hidden + 2 * hidden + width
    merged = 4 * width
    merger = width + merged**2 + merged + merged * out + out
    return int(c["depth"] * block + 3 * 2 * 14**2 * width + merger)


def _decoder(c: Config, layers: int | None) -> Size:
    width, count = c["hidden_size"], c["num_hidden_layers"]
    head = c.get("head_dim") or width // c["num_attention_heads"]
    queries = c["num_attention_heads"] * head
    keys = (c.get("num_key_value_heads") or c["num_attention_heads"]) * head
    linear = 2 * width * queries + 2 * width * keys + 3 * width * c["intermediate_size"]
    extra = 2 * width
    if c["model_type"] == "qwen3":
        extra += 2 * head  # norms of queries and keys
    if c["model_type"] == "qwen2":
        extra += queries + 2 * keys  # biases
    embedding = c["vocab_size"] * width
    if (
        layers is not None and layers <= count
    ):  # with fewer there is nothing to cut, but the head goes all the same
        return Size(layers * (linear + extra) + embedding, layers * linear)
    headless = layers is not None or c["model_type"] == "llama_bidirec" or c.get("tie_word_embeddings", False)
    total = count * (linear + extra) + embedding * (1 if headless else 2) + width
    return Size(total, count * linear)


def _autoencoder(c: Config) -> int:
    channels, latent = list(c["block_out_channels"]), c["latent_channels"]
    decoder = list(reversed(c.get("decoder_block_out_channels") or channels))
    image_in, image_out = c.get("in_channels", 3), c.get("out_channels", 3)
    total = _conv(image_in, channels[0]) + 2 * channels[-1] + _conv(channels[-1], 2 * latent)
    total += _stages(channels, c["layers_per_block"]) + _middle(channels[-1], c)
    total += _conv(latent, decoder[0]) + 2 * decoder[-1] + _conv(decoder[-1], image_out)
    total += _stages(decoder, c["layers_per_block"] + 1) + _middle(decoder[0], c)
    if c.get("use_quant_conv", True):
        total += _conv(2 * latent, 2 * latent, 1)
    if c.get("use_post_quant_conv", True):
        total += _conv(latent, latent, 1)
    return total


def _stages(channels: list[int], layers: int) -> int:
    """Resnets of every resolution; each but the last ends with a convolution that changes the resolution."""
    total = 0
    for before, after in pairwise([channels[0], *channels]):
        total += _resnet(before, after) + (layers - 1) * _resnet(after, after)
    return total + sum(_conv(width, width) for width in channels[:-1])


def _middle(width: int, c: Config) -> int:
    attention = 2 * width + 4 * (width**2 + width) if c.get("mid_block_add_attention", True) else 0
    return 2 * _resnet(width, width) + attention


def _resnet(before: int, after: int) -> int:
    skip = _conv(before, after, 1) if before != after else 0
    return 2 * before + _conv(before, after) + 2 * after + _conv(after, after) + skip


def _conv(before: int, after: int, kernel: int = 3) -> int:
    return before * after * kernel**2 + after


def _siglip(c: Config) -> int:
    text, vision = c["text_config"], c["vision_config"]
    tw, vw, vi = text["hidden_size"], vision["hidden_size"], vision["intermediate_size"]
    total = (text["vocab_size"] + text["max_position_embeddings"]) * tw + 2 * tw
    projection = text.get("projection_size") or tw
    total += text["num_hidden_layers"] * _layer(tw, text["intermediate_size"]) + tw * projection + projection
    patch = vision["patch_size"]
    places = (vision["image_size"] // patch) ** 2
    total += 3 * patch**2 * vw + vw + places * vw + 2 * vw + vision["num_hidden_layers"] * _layer(vw, vi)
    pooling = vw + 4 * (vw**2 + vw) + 2 * vw + 2 * vw * vi + vi + vw
    return total + pooling + 2  # scale and bias of the similarity


def _layer(width: int, hidden: int) -> int:
    """One transformer layer with biases: attention, feed-forward, two norms."""
    return 4 * (width**2 + width) + 2 * width * hidden + hidden + width + 4 * width


# --- how much they compute, in floating point operations (a product and a sum are two)


def step_flops(transformer: Config, size: int, text_tokens: int = TEXT_TOKENS) -> float:
    """One forward pass of a Flux2 transformer for one picture of `size` pixels each way."""
    width = transformer["num_attention_heads"] * transformer["attention_head_dim"]
    hidden = int(width * transformer.get("mlp_ratio", 3.0))
    image = image_tokens(size)
    tokens = image + text_tokens
    # In a double block a token crosses its own half, so every token meets the same weights in both kinds.
    blocks = transformer["num_layers"] + transformer["num_single_layers"]
    linear = 2 * (4 * width**2 + 3 * width * hidden) * tokens * blocks
    attention = 4 * tokens**2 * width * blocks
    channels = transformer["in_channels"]
    ends = 2 * width * (2 * channels * image + transformer["joint_attention_dim"] * text_tokens)
    return float(linear + attention + ends)


def encode_flops(text_encoder: Config, layers: int, tokens: int = TEXT_TOKENS) -> float:
    """One prompt through the layers that are read."""
    config = text_encoder.get("text_config", text_encoder)
    kept = min(layers, config["num_hidden_layers"])
    size = _decoder(config, kept)
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return float(2 * size.linear * tokens + 4 * tokens**2 * config["num_attention_heads"] * head * kept)


def decode_flops(vae: Config, size: int) -> float:
    """One picture of `size` pixels each way out of its latents."""
    channels = list(reversed(vae.get("decoder_block_out_channels") or vae["block_out_channels"]))
    side = size // 2 ** (len(channels) - 1)
    per_pixel = _conv_flops(vae["latent_channels"], channels[0]) + 4 * _conv_flops(channels[0], channels[0])
    total = float(per_pixel * side**2)
    if vae.get("mid_block_add_attention", True):
        total += 8 * channels[0] ** 2 * side**2 + 4 * side**4 * channels[0]
    for i, (before, after) in enumerate(pairwise([channels[0], *channels])):
        resnets = _conv_flops(before, after) + (2 * vae["layers_per_block"] + 1) * _conv_flops(after, after)
        total += (resnets + (2 * before * after if before != after else 0)) * side**2
        if i < len(channels) - 1:
            side *= 2
            total += _conv_flops(after, after) * side**2
    return total + 2 * 9 * channels[-1] * 3 * side**2


def _conv_flops(before: int, after: int) -> int:
    return 2 * 9 * before * after


def look_flops(siglip: Config) -> float:
    """One picture through the vision tower of a SigLIP encoder."""
    c = siglip["vision_config"]
    tokens = (c["image_size"] // c["patch_size"]) ** 2
    width, hidden = c["hidden_size"], c["intermediate_size"]
    layer = 2 * (4 * width**2 + 2 * width * hidden) * tokens + 4 * tokens**2 * width
    return float(layer * c["num_hidden_layers"] + 2 * 3 * c["patch_size"] ** 2 * width * tokens)


def image_tokens(size: int) -> int:
    """Tokens of a square picture: FLUX.2 packs 16 x 16 pixels into one."""
    return (size // 16) ** 2


def _json(path: Path) -> dict[str, Any]:
    return dict(read_json(path))

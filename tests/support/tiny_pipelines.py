"""Small pipelines of diffusers with random weights: the classes and files of the released ones.

The text encoders' depths are the real ones (40 and 36 layers, read at 10, 20, 30 and at 9, 18, 27); widths
are tiny.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from tiny import WORDS
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
)

# Keeps what the user says: FLUX.2's long system message would fill the few tokens that tests can afford.
MESSAGES = (
    "{% for message in messages if message['role'] == 'user' %}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{% endfor %}"
)


@dataclass(frozen=True)
class Size:
    """How big the modules are."""

    text: int = 16  # width of the text encoder
    heads: int = 2  # of the transformer, 16 wide each
    double: int = 1  # blocks
    single: int = 1
    vae: int = 8  # channels


TINY = Size()


def tokenizer(side: str = "right", limit: int = 512) -> PreTrainedTokenizerFast:
    """Of whole words; with a chat template that puts messages one after the other."""
    words = [*WORDS, *(f"take{i}" for i in range(100))]
    listed = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *words])}
    model = Tokenizer(WordLevel(listed, unk_token="[UNK]"))
    model.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="[PAD]",
        unk_token="[UNK]",
        eos_token="[PAD]",
        padding_side=side,
        model_max_length=limit,
        chat_template=MESSAGES,
    )


def mistral(width: int = 16, layers: int = 40, seed: int = 0) -> Mistral3ForConditionalGeneration:
    """FLUX.2-dev's text encoder, eyes included."""
    config = Mistral3Config(
        text_config={
            "model_type": "mistral",
            "vocab_size": 200,
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": width // 2,
            "sliding_window": None,
        },
        vision_config={
            "model_type": "pixtral",
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 16,
        },
        image_token_index=199,
    )
    return _seeded(seed, lambda: Mistral3ForConditionalGeneration(config))


def qwen(width: int = 16, layers: int = 36, seed: int = 0) -> Qwen3ForCausalLM:
    """klein's text encoder."""
    config = Qwen3Config(
        vocab_size=200,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=width // 2,
    )
    return _seeded(seed, lambda: Qwen3ForCausalLM(config))


def transformer(size: Size = TINY, guidance: bool = True, seed: int = 0) -> Flux2Transformer2DModel:
    """FLUX.2's transformer for latents of 4 channels in patches of 2 x 2."""
    model = _seeded(
        seed,
        lambda: Flux2Transformer2DModel(
            in_channels=16,
            num_layers=size.double,
            num_single_layers=size.single,
            attention_head_dim=16,
            num_attention_heads=size.heads,
            joint_attention_dim=3 * size.text,
            timestep_guidance_channels=32,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=guidance,
        ),
    )
    with torch.no_grad():  # as initialized, prompts would hardly show in the picture
        for block in model.transformer_blocks:
            block.attn.add_v_proj.weight.mul_(50)
        model.proj_out.weight.mul_(4)
    return model


def vae(size: Size = TINY, seed: int = 0) -> AutoencoderKLFlux2:
    """FLUX.2's autoencoder: half the pixels each way, then patches of 2 x 2."""
    return _seeded(
        seed,
        lambda: AutoencoderKLFlux2(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(size.vae, size.vae),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=64,
        ),
    )


def flux2(size: Size = TINY) -> Flux2Pipeline:
    """A tiny FLUX.2-dev: dynamic shifting, guidance as an input, text padded on the left to 512 tokens."""
    return _quiet(
        Flux2Pipeline(
            scheduler=_flow(),
            vae=vae(size),
            text_encoder=mistral(size.text),
            tokenizer=tokenizer("left"),
            transformer=transformer(size),
        )
    )


def klein(distilled: bool = True, size: Size = TINY) -> Flux2KleinPipeline:
    """A tiny klein, distilled to few steps or not."""
    return _quiet(
        Flux2KleinPipeline(
            scheduler=_flow(),
            vae=vae(size),
            text_encoder=qwen(size.text),
            tokenizer=tokenizer(),
            transformer=transformer(size, guidance=False),
            is_distilled=distilled,
        )
    )


def z_image_transformer(seed: int = 0) -> ZImageTransformer2DModel:
    """Z-Image's transformer for latents of 4 channels."""
    return _seeded(
        seed,
        lambda: ZImageTransformer2DModel(
            in_channels=4, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
            axes_dims=[4, 6, 6], axes_lens=[1024, 32, 32],
        ),
    )  # fmt: skip


def z_image() -> ZImagePipeline:
    """A tiny Z-Image: the hidden states of the last layer but one, no guidance needed."""
    text = Qwen3Config(
        vocab_size=200, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8,
    )  # fmt: skip
    decoder = lambda: AutoencoderKL(  # noqa: E731
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=4, scaling_factor=0.36,
        shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip
    return _quiet(
        ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=_seeded(0, decoder),
            text_encoder=_seeded(0, lambda: Qwen3Model(text)),
            tokenizer=tokenizer(),
            transformer=z_image_transformer(),
        )
    )


def qwen_image_transformer(seed: int = 0) -> QwenImageTransformer2DModel:
    """Qwen-Image's transformer for latents of 4 channels in patches of 2 x 2."""
    return _seeded(
        seed,
        lambda: QwenImageTransformer2DModel(
            in_channels=16, out_channels=4, num_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=16, axes_dims_rope=(4, 6, 6),
        ),
    )  # fmt: skip


def qwen_image() -> QwenImagePipeline:
    """A tiny Qwen-Image: a text encoder with eyes, a decoder of films, guided away from a negative prompt."""
    text = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": 200, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10_000.0},
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
        },
    )  # fmt: skip
    decoder = lambda: AutoencoderKLQwenImage(  # noqa: E731
        base_dim=8, z_dim=4, dim_mult=[1, 1], num_res_blocks=1, temperal_downsample=[False],
        latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    return _quiet(
        QwenImagePipeline(
            scheduler=_flow(),
            vae=_seeded(0, decoder),
            text_encoder=_seeded(0, lambda: Qwen2_5_VLForConditionalGeneration(text)),
            tokenizer=tokenizer(),
            transformer=qwen_image_transformer(),
        )
    )


def stable_diffusion() -> StableDiffusionPipeline:
    """A tiny Stable Diffusion: guided by a second pass, 32 x 32 pixels."""
    unet = _seeded(
        0,
        lambda: UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=2,
            norm_num_groups=4,
        ),
    )
    decoder = _seeded(
        0,
        lambda: AutoencoderKL(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            sample_size=32,
        ),
    )
    text = CLIPTextConfig(
        vocab_size=200,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        eos_token_id=0,
        pad_token_id=0,
        bos_token_id=1,
    )
    return _quiet(
        StableDiffusionPipeline(
            vae=decoder,
            text_encoder=_seeded(0, lambda: CLIPTextModel(text)),
            tokenizer=tokenizer(limit=32),
            unet=unet,
            scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def save(pipe: Any, folder: Path) -> Path:
    """The pipeline as a folder of files."""
    pipe.save_pretrained(folder)
    return folder


def _flow() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15)


def _seeded(seed: int, make: Any) -> Any:
    """Random weights that follow from the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().eval()


def _quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe

"""Denoisers as one file, under the names and in the formats in which people share them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import torch
from safetensors.torch import save_file

Weights = Mapping[str, torch.Tensor]

_FLUX2 = {
    "x_embedder": "img_in",
    "context_embedder": "txt_in",
    "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_guidance_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_guidance_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "double_stream_modulation_img.linear": "double_stream_modulation_img.lin",
    "double_stream_modulation_txt.linear": "double_stream_modulation_txt.lin",
    "single_stream_modulation.linear": "single_stream_modulation.lin",
    "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
    "attn.to_qkv_mlp_proj": "linear1",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
    "attn.to_add_out": "txt_attn.proj",
    "attn.to_out.0": "img_attn.proj",
    "ff_context.linear_in": "txt_mlp.0",
    "ff_context.linear_out": "txt_mlp.2",
    "ff.linear_in": "img_mlp.0",
    "ff.linear_out": "img_mlp.2",
}


def flux2_makers(weights: Weights) -> dict[str, torch.Tensor]:
    """FLUX.2's transformer as its makers name it: queries, keys and values in one, shift before scale."""
    found: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        if re.search(r"to_[kv]\.|add_[kv]_proj\.", name):
            continue
        block, single = name.startswith("transformer_blocks."), name.startswith("single_transformer_blocks.")
        new = name.replace("single_transformer_blocks", "single_blocks").replace(
            "transformer_blocks", "double_blocks"
        )
        for ours, theirs in _FLUX2.items():
            new = new.replace(ours, theirs)
        new = re.sub(r"attn\.norm_([qk])\.weight", rf"{'img_attn.' if block else ''}norm.\1_norm.scale", new)
        new = new.replace(".q_norm.", ".query_norm.").replace(".k_norm.", ".key_norm.")
        new = re.sub(r"(_norm)\.weight", r"\1.scale", new)
        if single:
            new = new.replace("attn.to_out", "linear2")
        if block and "attn.to_q." in name:
            tensor = torch.cat([weights[name.replace("to_q", f"to_{x}")] for x in "qkv"])
            new = new.replace("attn.to_q", "img_attn.qkv")
        elif block and "attn.add_q_proj." in name:
            tensor = torch.cat([weights[name.replace("add_q", f"add_{x}")] for x in "qkv"])
            new = new.replace("attn.add_q_proj", "txt_attn.qkv")
        elif "norm_out.linear" in name:
            tensor = torch.cat(tensor.chunk(2)[::-1])
        found[new] = tensor
    return found


def z_image_makers(weights: Weights) -> dict[str, torch.Tensor]:
    """Z-Image's transformer under the names of its makers."""
    found: dict[str, torch.Tensor] = {"norm_final.weight": torch.ones(4)}  # which diffusers leaves out
    for name, tensor in weights.items():
        if re.search(r"attention\.to_[kv]\.", name):
            continue
        new = name.replace("all_x_embedder.2-1.", "x_embedder.").replace(
            "all_final_layer.2-1.", "final_layer."
        )
        new = new.replace("attention.to_out.0", "attention.out")
        new = re.sub(r"attention\.norm_([qk])", r"attention.\1_norm", new)
        if "attention.to_q." in name:
            tensor = torch.cat([weights[name.replace("to_q", f"to_{x}")] for x in "qkv"])
            new = new.replace("to_q", "qkv")
        found[new] = tensor
    return found


def prefixed(weights: Weights, prefix: str = "model.diffusion_model.") -> dict[str, torch.Tensor]:
    """As ComfyUI names them."""
    return {prefix + name: tensor for name, tensor in weights.items()}


def as_safetensors(path: Path, weights: Weights, dtype: Any = torch.float32) -> Path:
    """One file of weights."""
    save_file({name: tensor.to(dtype).contiguous() for name, tensor in weights.items()}, path)
    return path


def as_gguf(path: Path, weights: Weights, kind: str = "Q8_0", arch: str = "flux") -> Path:
    """One file: matrices whose rows are long enough are quantized, the rest is float32; BF16 takes all."""
    writer = gguf.GGUFWriter(path, arch)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_array("made.by", ["a", "test"])
    wanted = gguf.GGMLQuantizationType[kind]
    block, _ = gguf.GGML_QUANT_SIZES[wanted]
    for name, tensor in weights.items():
        data = tensor.float().numpy()
        data = data[0] if data.ndim > 1 and len(data) == 1 else data  # as the format has it
        whole = (data.ndim == 2 or block == 1) and data.shape[-1] % block == 0
        type = wanted if whole else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(data, type), raw_dtype=type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path

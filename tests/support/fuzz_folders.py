"""Damaged predictors and profiles against the commands that read them: `python fuzz_folders.py --count 2000`.

A small predictor with its encoder, a profile and a run for it are made once; each case copies them, damages
one or two files as disks, editors, other programs and strangers do (JSON, logs, pictures, the headers and the
numbers of safetensors), and gives one command. Whatever the damage, a command ends in words: see
`fuzz_records`, whose cases and damages these share. `--only 1234` repeats number 1234.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import fuzz_records
import numpy as np
import torch
from fake_run import Landscapes, crowd_parts
from fuzz_records import (
    Case,
    _away,
    _put,
    asked,
    bits,
    block,
    command,
    cut_short,
    lines,
    nothing,
    number,
    picture,
    tell_cases,
    value,
)
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import tiny_checkpoint

from reward.baselines import load_reward
from reward.people.known import Calibration, write_calibration
from steer.profiles import Profiles

ABOUT = ("--prompt", "a red car")
LOOP = (*ABOUT, "--iterations", "1", "--proposals", "2", "--confirm", "0", "--out", "new")
PREDICTOR_COMMANDS = (
    ("reward", "score", "a.png", *ABOUT, "--user", "3", "--checkpoint", "predictor"),
    ("reward", "score", "a.png", *ABOUT, "--population", "--checkpoint", "predictor", "--json"),
    ("reward", "score", "a.png", *ABOUT, "--age", "18-40", "--checkpoint", "predictor"),
    ("people", "list", "--reward", "predictor"),
    ("people", "list", "--reward", "predictor", "--gender", "female", "--json"),
    ("people", "list", "--reward", "predictor", "--opposed", "3"),
    ("people", "show", "3", "--reward", "predictor"),
    ("people", "show", "me", "--reward", "predictor"),
    ("run", "--user", "3", "--reward", "predictor", *LOOP),
    ("run", "--user", "me", "--reward", "predictor", *LOOP),
    ("demographic", "--age", "18-40", "--reward", "predictor", *LOOP),
)
PROFILE_COMMANDS = (
    ("people", "list", "--reward", "predictor"),
    ("people", "list", "--reward", "predictor", "--json"),
    ("people", "show", "me", "--reward", "predictor"),
    ("people", "show", "me", "--reward", "predictor", "--json"),
    ("people", "export", "me", "--out", "exported"),
    ("people", "delete", "me", "--yes"),
    ("people", "import", "me", "ratings.csv"),
    ("rate", "me", "--images", "pictures", "--reward", "predictor", "--no-open"),
    ("run", "--user", "me", "--reward", "predictor", *LOOP),
    ("runs", "resume", "a-run", "--out", "."),
)
WORDS = (b"NaN", b"F64", b"BF16", b"F8_E4M3", b"I64", b"U8", b"BOOL", b"-1", b"9" * 30, b"[[", b"null", b"{}")


def load(preset: str = "auto", **overrides: Any) -> Any:
    """Parts that cost nothing, but for the predictor, which is read."""
    scorer = load_reward(overrides.get("reward") or "predictor")
    return crowd_parts(overrides, renderer=Landscapes(16), scorer=scorer, judge=None)


class Fuzzer:
    """What is whole, and the folder in which a case is tried."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed, self.whole, self.place = seed, folder / "whole", folder / "damaged"
        self.whole.mkdir()
        self.base: dict[tuple[str, ...], float] = {}
        make(self.whole)
        for words in (
            *PREDICTOR_COMMANDS,
            *PROFILE_COMMANDS,
        ) * 2:  # the second time with all that is imported
            code, said, self.base[words] = self._try(words)
            assert code == 0, (words, said)

    def case(self, number: int) -> Case:
        """Damage and try; everything follows from the number and the seed."""
        rng = random.Random(f"{self.seed}:{number}")
        self._copy()
        damage, words = self._damaged(rng)
        code, said, seconds = self._try(words, copy=False)
        return Case(number, damage, words, code, said, seconds)

    def _damaged(self, rng: random.Random) -> tuple[list[str], tuple[str, ...]]:
        if rng.random() < 0.4:
            folder, kinds, words = self.place / "profiles" / "me", PROFILE, rng.choice(PROFILE_COMMANDS)
        else:
            folder = self.place / rng.choice(("predictor", "predictor", "predictor", "encoder"))
            kinds, words = PREDICTOR, rng.choice(PREDICTOR_COMMANDS)
        times = rng.choice((1, 1, 1, 2, 3))
        return [rng.choice(kinds)(rng, folder) for _ in range(times) if folder.is_dir()], words

    def _try(self, words: tuple[str, ...], copy: bool = True) -> tuple[int, str, float]:
        if copy:
            self._copy()
        os.chdir(self.place)
        place = {"STEER_PROFILES_DIR": str(self.place / "profiles")}
        with mock.patch.dict(os.environ, place), mock.patch("steer.cli.rate.open_pages"):
            return command(words, load)

    def _copy(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.whole, self.place)


def make(folder: Path) -> None:
    """A predictor that knows 20 people, a profile of six ratings, pictures, and an interrupted run."""
    tiny_checkpoint(folder)
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.normal(size=(8, size)) for name, size in (("image", 32), ("text", 32), ("metadata", 384))
    }
    write_calibration(folder / "predictor", Calibration(accuracy={0: 0.3, 15: 0.5}, measured_on=16, **arrays))
    (folder / "pictures").mkdir()
    profile = Profiles(folder / "profiles").create("me")
    rows = ["image,rating,prompt"]
    for i in range(6):
        path = folder / "pictures" / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(path)
        profile.rate(path, 1 + i % 5, prompt="a red car", source="import")
        rows.append(f"pictures/{i}.png,{1 + i % 5},a blue car")
    shutil.copy(folder / "pictures" / "0.png", folder / "a.png")
    (folder / "ratings.csv").write_text("\n".join(rows))
    os.chdir(folder)
    with mock.patch.dict(os.environ, {"STEER_PROFILES_DIR": str(folder / "profiles")}):
        code, said, _ = command(("run", "--user", "me", "--reward", "predictor", *LOOP), load)
    assert code == 0, said
    next((folder / "new").iterdir()).rename(folder / "a-run")
    (folder / "new").rmdir()
    (folder / "a-run" / "result.json").unlink()
    log = folder / "a-run" / "events.jsonl"
    os.truncate(log, log.stat().st_size * 2 // 3)


# --- what happens to safetensors


def _weights(rng: random.Random, folder: Path) -> Path:
    found = sorted(path for path in folder.glob("*.safetensors") if path.is_file() and not path.is_symlink())
    return rng.choice(found) if found else folder / "model.safetensors"


def _data(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else b""


def torn_weights(rng: random.Random, folder: Path) -> str:
    path = _weights(rng, folder)
    data = bytearray(_data(path))
    how = rng.choice(("cut", "head", "numbers", "length", "tail", "empty"))
    if how == "cut":
        del data[rng.randrange(len(data) + 1) :]
    elif how == "length":
        data[:8] = rng.choice((0, 1, 7, 1 << 20, 1 << 31, 1 << 40, 1 << 62, (1 << 64) - 1)).to_bytes(
            8, "little"
        )
    elif how == "tail":
        data += rng.randbytes(rng.choice((1, 4, 4096)))
    elif how == "empty":
        data.clear()
    for _ in range(rng.choice((1, 10, 100)) if data and how in ("head", "numbers") else 0):
        at = rng.randrange(min(len(data), 4000) if how == "head" else len(data))
        data[at] ^= 1 << rng.randrange(8)
    _put(path, bytes(data))
    return f"{path.name} {how}"


def header(rng: random.Random, folder: Path) -> str:
    """A header that is JSON still, and says something else."""
    path = _weights(rng, folder)
    data = _data(path)
    size = int.from_bytes(data[:8], "little")
    text, word = data[8 : 8 + size], rng.choice(WORDS)
    parts = text.split(b":")
    place = rng.randrange(len(parts))
    head, comma, tail = parts[place].partition(b",")
    quoted = b'"' + word + b'"' if word[:1].isalpha() and rng.random() < 0.8 else word
    parts[place] = quoted + comma + tail if comma else quoted + head[-1:]
    text = b":".join(parts)
    _put(path, len(text).to_bytes(8, "little") + text + data[8 + size :])
    return f"{word.decode():.8} in the header of {path.name}"


def tensors(rng: random.Random, folder: Path) -> str:
    """A whole file with other tensors in it."""
    path = _weights(rng, folder)
    try:
        found = load_file(path)
        about = _about(path)
    except Exception:  # noqa: BLE001 - damaged before
        return f"{path.name} is no safetensors any more"
    name = rng.choice(sorted(found) or ["x"])
    old = found.get(name, torch.zeros(1))
    how = rng.choice(("drop", "rename", "add", "shape", "kind", "odd", "odd", "huge", "zero", "about"))
    if how in ("drop", "rename"):
        found.pop(name, None)
    if how in ("rename", "add"):
        found["surprise"] = old.clone()
    elif how == "shape":
        flat = old.reshape(-1)
        found[name] = rng.choice((flat, old[None], flat[:0], old.sum()))
    elif how == "kind":
        kinds = (torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.uint8, torch.float16)
        found[name] = old.to(rng.choice(kinds))
    elif how in ("odd", "huge") and old.is_floating_point() and old.numel():
        changed = old.clone().reshape(-1)
        odd = (float("nan"), float("inf"), -float("inf")) if how == "odd" else (3e38, -3e38, 1e20, 1e-40)
        changed[rng.randrange(len(changed)) if rng.random() < 0.7 else slice(None)] = rng.choice(odd)
        found[name] = changed.reshape(old.shape)
    elif how == "zero":
        found[name] = torch.zeros_like(old)
    elif how == "about" and about and "people" in about:
        said, _ = fuzz_records._changed(rng, json.loads(about["people"]))
        about = {"people": json.dumps(said)}
    _away(path)
    save_file({key: tensor.contiguous() for key, tensor in found.items()}, path, about)
    return f"{how} {name} of {path.name}"


def _about(path: Path) -> dict[str, str] | None:
    data = path.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__")


def elsewhere(rng: random.Random, folder: Path) -> str:
    """Links, folders and pipes where a file should be; and no file."""
    found = sorted(path for path in folder.rglob("*") if path.name[0] != "." and not path.parent.is_symlink())
    path = rng.choice([*found, folder])
    to = rng.choice(
        ("gone", "/dev/zero", "/etc/passwd", "/nowhere", path.name, "..", "folder", "pipe", "other")
    )
    other = rng.choice(found) if found else folder
    _away(path)
    if to == "folder":
        path.mkdir()
    elif to == "pipe":
        os.mkfifo(path)
    elif to == "other":
        path.symlink_to(other)
    elif to != "gone":
        path.symlink_to(to)
    return f"{path.name} -> {to}"


PREDICTOR: tuple[Callable[[random.Random, Path], str], ...] = (
    cut_short, bits, nothing, block, number, value, value, value, value, torn_weights, torn_weights, header,
    header, tensors, tensors, tensors, tensors, elsewhere,
)  # fmt: skip
PROFILE: tuple[Callable[[random.Random, Path], str], ...] = (
    cut_short, bits, nothing, block, number, value, value, value, value, value, lines, lines, picture,
    elsewhere,
)  # fmt: skip


def main() -> None:
    """The long version."""
    given = asked("Give commands on damaged predictors and profiles.", 2000)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HOME": folder, "HF_HUB_OFFLINE": "1"}
        fuzzer = Fuzzer(Path(folder), given.seed)
        wrong = tell_cases(fuzzer, given)
        os.chdir("/")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

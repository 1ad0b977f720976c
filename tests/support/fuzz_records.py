"""Damaged run folders against the commands that read them: `python fuzz_records.py --count 10000 --seed 0`.

Two small runs are made; each case copies them, damages one or two of the files as disks, editors, other
programs and strangers do, and gives one command. Whatever the damage, a command ends with one plain line and
an exit code: no traceback, no "unexpected" error, and not a second more work than on a whole run. A case is
made from its seed alone: `--only 1234` repeats number 1234, and says what it did.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from fake_run import Crowd, Landscapes, crowd_parts
from typer.main import get_command

from steer.cli.app import app, run_command

SMALL = ["--iterations", "1", "--proposals", "3", "--confirm", "2"]
MORE_WORK = 1.0  # seconds of processor time that damage may add
STUCK = 60  # seconds after which a command hangs
FILES = ("config.json", "events.jsonl", "result.json")
BUILT = get_command(app)  # which Typer otherwise makes anew for every command
Load = Callable[..., Any]  # as `steer.machine.loading.load`
COMMANDS = (
    ("list",), ("list", "--json"), ("show", "a-run"), ("show", "a-run", "--json"), ("resume", "a-run"),
    ("resume", "a-run", "--json"), ("gallery", "a-run"), ("compare", "a-run", "b-run"),
    ("compare", "b-run", "a-run", "--json"), ("show", "b-run"), ("path", "a-run"),
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, -1e308, 1e-320, 1e15, 10**18, 10**400, "", "x", "\0", "\x1b[31m", "\ud800",
    "../../../../etc/passwd", "/etc/passwd", "images/../../b-run/images/r00c00.png", "r99c99", "a" * 5000, [],
    {}, [[]], [None], {"": None}, [1, 2, 3], {"name": {}}, {"kind": "profile", "user": "me@1f3a"},
)  # fmt: skip
TEXTS = (
    b"NaN",
    b"Infinity",
    b"-1e999",
    b"9" * 5000,
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff\xfe",
    b"\0" * 512,
)


@dataclass(frozen=True)
class Case:
    """One damaged folder and what a command made of it."""

    number: int
    damage: list[str]
    words: tuple[str, ...]
    code: int
    said: str
    seconds: float  # of the processor

    def wrong(self, base: float) -> str | None:
        """What should not have happened."""
        for line in self.said.splitlines():
            if "Traceback" in line or "unexpected" in line:
                return line[:300]
        if self.code not in (0, 1, 2):
            return f"exit code {self.code}"
        if self.code and not self.said.strip():
            return "failed without a word"
        return f"{self.seconds:.1f} s of work" if self.seconds > base + MORE_WORK else None


class Fuzzer:
    """Whole runs to begin with, and a folder for the damaged ones."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed, self.whole, self.place = seed, folder / "whole", folder / "damaged"
        self.whole.mkdir()
        for name, user in (("a-run", "3"), ("b-run", "5")):
            code, said, _ = command(("run", "--user", user, "--out", str(folder / name), *SMALL))
            assert code == 0, said
            next((folder / name).iterdir()).rename(self.whole / name)
        self.base: dict[tuple[str, ...], float] = {}  # seconds on whole runs, or on one that begins again
        for words in COMMANDS:
            self._copy()
            if words[0] == "resume":
                for name in ("events.jsonl", "result.json"):
                    (self.place / "a-run" / name).unlink()
            code, said, seconds = command(("runs", *words, "--out", str(self.place)))
            assert code == 0, (words, said)
            self.base[words] = seconds

    def case(self, number: int) -> Case:
        """Damage and try; everything follows from the number and the seed."""
        rng = random.Random(f"{self.seed}:{number}")
        self._copy()
        run = self.place / "a-run"
        if rng.random() < 0.5:  # interrupted
            (run / "result.json").unlink()
            log = run / "events.jsonl"
            os.truncate(log, rng.randrange(log.stat().st_size))
        damage = [rng.choice(DAMAGES)(rng, run) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        words = rng.choice(COMMANDS)
        code, said, seconds = command(("runs", *words, "--out", str(self.place)))
        return Case(number, damage, words, code, said, seconds)

    def _copy(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.whole, self.place)


def crowd(preset: str = "auto", **overrides: Any) -> Any:
    """Parts that cost nothing."""
    return crowd_parts(overrides, renderer=Landscapes(16), scorer=Crowd())


def command(words: tuple[str, ...], load: Load = crowd) -> tuple[int, str, float]:
    """Exit code, all that was said, and seconds of the processor."""
    said = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)

    def stuck(*_: object) -> None:
        raise TimeoutError(f"unexpected: stuck for {STUCK} s")

    before = signal.signal(signal.SIGALRM, stuck)
    signal.alarm(STUCK)
    started = time.process_time()
    try:
        with (
            redirect_stdout(said),
            redirect_stderr(said),
            mock.patch("steer.machine.loading.load", load),
            mock.patch("steer.machine.loading.load_scorer", lambda preset, overrides: load().scorer),
            mock.patch("steer.cli.app.app", BUILT),
        ):
            code = run_command(words)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    seconds = time.process_time() - started
    return code, said.buffer.getvalue().decode("utf-8", "replace"), seconds  # type: ignore[attr-defined]


# --- what happens to files


def _any(rng: random.Random, run: Path) -> Path:
    found = sorted(path for path in run.glob("*.json*") if path.is_file() and not path.is_symlink())
    return rng.choice(found) if found else run / "config.json"


def _data(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else b"{}\n"


def _put(path: Path, data: bytes) -> None:
    _away(path)
    path.write_bytes(data)


def _away(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)


def cut_short(rng: random.Random, run: Path) -> str:
    path = _any(rng, run)
    data = _data(path)
    _put(path, data[: rng.randrange(len(data) + 1)])
    return f"{path.name} cut short"


def bits(rng: random.Random, run: Path) -> str:
    path = _any(rng, run)
    data = bytearray(_data(path))
    for _ in range(rng.choice((1, 3, 30))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    _put(path, bytes(data))
    return f"bits of {path.name} flipped"


def nothing(rng: random.Random, run: Path) -> str:
    path = _any(rng, run)
    _put(path, b"")
    return f"{path.name} empty"


def gone(rng: random.Random, run: Path) -> str:
    path = rng.choice([run / name for name in (*FILES, "images")])
    _away(path)
    return f"{path.name} gone"


def block(rng: random.Random, run: Path) -> str:
    path = _any(rng, run)
    data, text = _data(path), rng.choice(TEXTS)
    place = rng.randrange(len(data) + 1)
    _put(path, data[:place] + text + data[place + rng.choice((0, len(text))) :])
    return f"{text[:8]!r}… in {path.name}"


def number(rng: random.Random, run: Path) -> str:
    """A number, or any other bare word of JSON, becomes another text."""
    path, text = _any(rng, run), rng.choice(TEXTS)
    parts = _data(path).split(b": ")
    place = rng.randrange(len(parts))
    head, comma, tail = parts[place].partition(b",")
    parts[place] = text + comma + tail if comma else text + head[1:]
    _put(path, b": ".join(parts))
    return f"{text[:8]!r}… as a value in {path.name}"


def value(rng: random.Random, run: Path) -> str:
    """Still JSON, but with a value, a key or an entry that nobody expects."""
    path = _any(rng, run)
    try:
        if path.suffix == ".jsonl":
            lines = _data(path).splitlines()
            at = rng.randrange(len(lines))
            found, told = _changed(rng, json.loads(lines[at]))
            lines[at] = json.dumps(found).encode()
            _put(path, b"\n".join(lines) + b"\n")
        else:
            found, told = _changed(rng, json.loads(_data(path)))
            _put(path, json.dumps(found).encode())
    except (ValueError, RecursionError):  # damaged before
        return f"{path.name} is no JSON any more"
    return f"{told} in {path.name}"


def _changed(rng: random.Random, top: Any) -> tuple[Any, str]:
    node, path = top, ""
    while isinstance(node, dict | list) and node:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = rng.choice(keys)
        path += f".{key}"
        if rng.random() < 0.4 or not isinstance(node[key], dict | list) or not node[key]:
            how = rng.choice(("set", "set", "set", "drop", "add", "swap"))
            if how == "set":
                node[key] = rng.choice(ODD)
            elif how == "drop":
                del node[key]
            elif how == "swap":
                other = rng.choice(keys)
                node[key], node[other] = node[other], node[key]
            elif isinstance(node, dict):
                node[rng.choice(("new", "event", "id", "person", "schema_version"))] = rng.choice(ODD)
            else:
                node.append(rng.choice(ODD))
            return top, f"{how} {path}"
        node = node[key]
    return rng.choice(ODD), "set all"


def lines(rng: random.Random, run: Path) -> str:
    path = next(run.glob("*.jsonl"), run / "events.jsonl")
    found = _data(path).splitlines(keepends=True) or [b"\n"]
    at, other = rng.randrange(len(found)), rng.randrange(len(found))
    how = rng.choice(("doubled", "dropped", "swapped", "joined", "shuffled", "garbage", "blank", "many"))
    if how == "doubled":
        found.insert(other, found[at])
    elif how == "dropped":
        del found[min(at, other) : max(at, other)]
    elif how == "swapped":
        found[at], found[other] = found[other], found[at]
    elif how == "joined":
        found[at] = found[at].rstrip(b"\n")
    elif how == "shuffled":
        rng.shuffle(found)
    elif how == "garbage":
        found.insert(at, rng.randbytes(200) + b"\n")
    elif how == "blank":
        found.insert(at, b"\n" * 50)
    else:
        found *= 20
    _put(path, b"".join(found))
    return f"lines {how}"


def swapped(rng: random.Random, run: Path) -> str:
    """A file takes the place of another one, of this run or of its neighbour."""
    source = rng.choice([run, run.with_name("b-run")]) / rng.choice(FILES)
    target = rng.choice([run / name for name in FILES])
    _put(target, _data(source))
    return f"{source.parent.name}/{source.name} as {target.name}"


def elsewhere(rng: random.Random, run: Path) -> str:
    """Links, folders and pipes where a file should be."""
    names = (*FILES, "images", "gallery.html", "images/r00c00.png", "images/r01c01.png", "base-and-best.png")
    path = run / rng.choice(names)
    to = rng.choice(
        ("/dev/zero", "/etc/passwd", "/nowhere", path.name, "..", "../b-run/images", "../b-run/events.jsonl",
         "../b-run/config.json", "folder", "pipe")
    )  # fmt: skip
    if path.parent.is_symlink() or not path.parent.is_dir():
        path = path.parent
    _away(path)
    if to == "folder":
        path.mkdir()
    elif to == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(to)
    return f"{path.relative_to(run)} -> {to}"


def picture(rng: random.Random, run: Path) -> str:
    found = sorted(path for path in run.glob("images/*.png") if path.is_file() and not path.is_symlink())
    if not found:
        return "no picture to damage"
    path = rng.choice(found)
    data = bytearray(path.read_bytes())
    how = rng.choice(("cut", "bits", "postscript", "another", "text"))
    if how == "cut":
        data = data[: rng.randrange(len(data))]
    elif how == "bits":
        for _ in range(rng.choice((1, 10, 100))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "postscript":
        data = bytearray(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    elif how == "another":
        data = bytearray(rng.choice(found).read_bytes())
    else:
        data = bytearray(rng.choice(TEXTS))
    _put(path, bytes(data))
    return f"{path.name} {how}"


DAMAGES: tuple[Callable[[random.Random, Path], str], ...] = (
    cut_short, bits, nothing, gone, block, number, number, value, value, value, value, value, lines, lines,
    swapped, elsewhere, elsewhere, picture,
)  # fmt: skip


def asked(about: str, count: int) -> argparse.Namespace:
    """What the long version of a fuzz test was given."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="repeat this case and say everything")
    return parser.parse_args()


def tell_cases(fuzzer: Any, given: argparse.Namespace) -> int:
    """Give the fuzzer its cases and print what is wrong, and a summary. How many were wrong."""
    codes, wrong, slowest = Counter[int](), 0, 0.0
    for count in range(given.count) if given.only is None else [given.only]:
        case = fuzzer.case(count)
        codes[case.code] += 1
        slowest = max(slowest, case.seconds - fuzzer.base[case.words])
        if found := case.wrong(fuzzer.base[case.words]):
            wrong += 1
            print(f"{case.number} {' '.join(case.words)} [{'; '.join(case.damage)}]: {found}", flush=True)
        if given.only is not None:
            print(case)
    print(f"{codes.total()} cases, exit codes {dict(codes)}, {wrong} wrong, slowest +{slowest:.2f} s")
    return wrong


def main() -> None:
    """The long version."""
    given = asked("Give commands on damaged runs.", 10_000)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in [name for name in os.environ if name.startswith("STEER_") and name != "STEER_DEBUG"]:
            del os.environ[name]
        os.environ["HOME"] = folder
        fuzzer = Fuzzer(Path(folder), given.seed)
        wrong = tell_cases(fuzzer, given)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

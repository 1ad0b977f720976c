"""What people see and call today, frozen: help texts, names with signatures, one run, one page.

The texts lie in `tests/data/golden`. A change that is meant is written with

    STEER_GOLDEN=write pytest tests/test_goldens.py

and read in the diff. Floating-point units of different CPUs round differently, so figures and pictures of the
run are compared with a tolerance that lies well above what was measured between instruction sets. On the
machine that wrote them they must be the same to the last bit, which

    STEER_GOLDEN=exact pytest tests/test_goldens.py

checks. The product is reached through its command line and its public names alone; where the names live that
`steer` itself does not offer is said once, in `HOMES`.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from typer.main import get_command

import steer
from steer.cli.app import app

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "data" / "golden"
MODE = os.environ.get("STEER_GOLDEN", "")  # read here: every test works without STEER_* variables
assert MODE in ("", "write", "exact"), "STEER_GOLDEN is write or exact"

# Where the public names live that `steer` itself does not offer: the only lines to edit when modules move.
HOMES = {
    "reward.active": ("known_share", "most_telling"),
    "reward.baselines": (
        "BASELINES",
        "StoredScores",
        "load_reward",
        "read_scores",
        "scores_of",
        "write_images",
    ),
    "reward.checkpoint": ("read_checkpoint", "write_checkpoint"),
    "reward.data": ("SPLITS", "UNUSED", "Dataset", "fetch_pamela", "join", "load"),
    "reward.data.prepare": ("prepare",),
    "reward.domain": ("in_domain",),
    "reward.encoders": ("SENTENCE_ENCODER_ID", "ImageTextEncoder", "SentenceEncoder", "sentence_encoder"),
    "reward.errors": (
        "BadContext",
        "BaselineError",
        "CheckpointError",
        "DatasetError",
        "EmptyGroup",
        "ImageError",
        "MissingPackage",
        "RewardError",
        "ScoreError",
        "TrainingError",
        "UnknownPerson",
    ),
    "reward.evaluate": (
        "KnownRatings",
        "Predictions",
        "known_ratings",
        "predict",
        "seen_users",
        "unseen_users",
    ),
    "reward.features": ("Features", "FeatureStore", "encode_dataset"),
    "reward.groups": ("Apart", "apart"),
    "reward.licences": ("licences_of",),
    "reward.metrics": (
        "METRICS",
        "Interval",
        "interval",
        "pairwise_accuracy",
        "plcc",
        "population_level",
        "srocc",
        "user_level",
    ),
    "reward.newcomer": ("METHODS", "TastePrior", "mix_weights"),
    "reward.pamela": ("TOKENS", "Pamela", "PamelaConfig"),
    "reward.people": ("KnownPerson", "Person", "find_group", "find_known", "interpolate_user", "make_person"),
    "reward.pipeline": ("EncoderNames", "evaluate_predictor", "train_predictor"),
    "reward.predictor": ("Predictor",),
    "reward.profile": ("MetadataVocabulary", "demographics_sentence", "metadata_sentence"),
    "reward.recipe": ("PAPER", "RECIPES", "SANDBOX", "Recipe"),
    "reward.train": ("train",),
    "steer.profiles": ("Profiles",),
    "steer.renderer": ("RenderSettings", "open_renderer"),
}


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the terminal, the settings or the continuous integration that runs the tests."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "COLUMNS": "100",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def run(folder: Path, *words: object, **more: str) -> str:
    """Standard output of a command line of its own, at work in `folder`."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder, env={**environment(folder), **more}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(path: str, text: str) -> None:
    """`text` is what the file says, or becomes so."""
    file = GOLDEN / path
    if MODE == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"there is no {path} yet: STEER_GOLDEN=write pytest tests/test_goldens.py"
    assert text == file.read_text(encoding="utf-8"), f"not as in {path}"


# --- help


def commands(command: Any, path: str = "steer") -> list[str]:
    """Every command and group, hidden ones too, by its words."""
    below = getattr(command, "commands", {})
    return [path, *(name for word, sub in below.items() for name in commands(sub, f"{path} {word}"))]


HELP = """
import contextlib, io, json, sys
from steer.cli.app import run_command

texts = {}
for name in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as text:
        assert run_command([*name.split()[1:], "--help"]) == 0, name
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    texts[name] = "\\n".join(lines).strip("\\n") + "\\n"
print(json.dumps(texts))
"""


def test_every_help_is_as_it_was(tmp_path):
    names = commands(get_command(app))
    assert len(names) > 30
    texts = json.loads(run(tmp_path, "-c", HELP, json.dumps(names)))
    files = {f"{name.replace(' ', '-')}.txt": text for name, text in texts.items()}
    if MODE == "write":
        shutil.rmtree(GOLDEN / "help", ignore_errors=True)
    for file, text in files.items():
        check(f"help/{file}", text)
    assert {path.name for path in (GOLDEN / "help").iterdir()} == set(files)


# --- names


class Unquoted(str):
    """An annotation that a signature shows as it was written."""

    __repr__ = str.__str__


def signature(function: Any) -> str:
    """Parameters, defaults and types of a function, or of what makes a class."""
    found = inspect.signature(function)

    def plain(annotation: Any) -> Any:
        return Unquoted(annotation) if isinstance(annotation, str) else annotation

    parameters = [p.replace(annotation=plain(p.annotation)) for p in found.parameters.values()]
    text = str(found.replace(parameters=parameters, return_annotation=plain(found.return_annotation)))
    return re.sub(r"<function .+? at 0x\w+>", "...", text).removesuffix(" -> None")


def described(name: str, thing: Any) -> list[str]:
    """One line for a function or a constant; for a class also one for each public member of our own."""
    if inspect.isclass(thing):
        takes = (
            "" if issubclass(thing, Exception) or getattr(thing, "_is_protocol", False) else signature(thing)
        )
        above = [base.__name__ for base in thing.__bases__ if base is not object]
        return [f"class {name}{takes}{''.join(f', a kind of {base}' for base in above)}", *_members(thing)]
    if callable(thing):
        return [f"def {name}{signature(thing)}"]
    if is_dataclass(thing) or isinstance(thing, str):
        return [f"{name} = {thing!r}"]
    return [f"{name}: {type(thing).__name__} of {', '.join(thing)}"]


def _members(cls: type) -> list[str]:
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] in ("steer", "reward")]
    found: dict[str, Any] = {}
    for base in reversed(ours):
        found |= {name: member for name, member in vars(base).items() if not name.startswith("_")}
    lines = []
    for name, member in sorted(found.items()):
        if isinstance(member, property | cached_property):
            lines.append(f"    {name}: property")
        elif isinstance(member, classmethod | staticmethod):
            lines.append(f"    {type(member).__name__} {name}{signature(member.__func__)}")
        elif callable(member):
            lines.append(f"    def {name}{signature(member)}")
    return lines


def test_the_public_names_of_steer_are_as_they_were():
    lines = [line for name in steer.__all__ for line in described(name, getattr(steer, name))]
    check("names/steer.txt", "\n".join(lines) + "\n")


def test_the_other_public_names_are_as_they_were():
    things = {
        name: getattr(importlib.import_module(module), name)
        for module, names in HOMES.items()
        for name in names
    }
    assert len(things) == sum(map(len, HOMES.values())), "two public names are the same"
    text = "\n".join(line for name in sorted(things) for line in described(name, things[name])) + "\n"
    assert " at 0x" not in text and "Path(" not in text
    check("names/others.txt", text)


def test_what_the_documents_tell_people_to_import_is_among_the_frozen_names():
    frozen = {*steer.__all__, *(name for names in HOMES.values() for name in names)}
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for names in re.findall(
            r"^\s*from (?:steer|reward)[\w.]* import (.+)$", file.read_text(encoding="utf-8"), re.M
        ):
            assert {name.strip() for name in names.split(",")} <= frozen, file.name

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

import hashlib
import importlib
import inspect
import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pytest
from PIL import Image
from typer.main import get_command

import steer
from steer.cli.app import app

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "data" / "golden"
KEPT = ROOT / "tests" / "data" / "runs"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steer"
MODE = os.environ.get("STEER_GOLDEN", "")  # read here: tests see no STEER_* and no HOME
assert MODE in ("", "write", "exact"), "STEER_GOLDEN is write or exact"

# Where the public names live that `steer` itself does not offer: the only lines to edit when modules move.
HOMES = {
    "reward.people.active": ("known_share", "most_telling"),
    "reward.baselines.personal": ("write_pairs",),
    "reward.baselines": (
        "BASELINES",
        "StoredScores",
        "load_reward",
        "read_scores",
        "scores_of",
        "write_images",
    ),
    "reward.predictor.checkpoint": ("read_checkpoint", "write_checkpoint"),
    "reward.data": ("SPLITS", "UNUSED", "Dataset", "fetch_pamela", "join", "load"),
    "reward.data.dataset": ("ImageRecord", "Ratings", "UserRecord"),
    "reward.data.prepare": ("check_images", "prepare"),
    "reward.data.splits": ("shuffled",),
    "reward.data.table": ("write_table",),
    "reward.predictor.domain": ("in_domain",),
    "reward.encoders.image_text": (
        "SENTENCE_ENCODER_ID",
        "ImageTextEncoder",
        "SentenceEncoder",
        "sentence_encoder",
    ),
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
    "reward.evaluation.evaluate": (
        "KnownRatings",
        "Predictions",
        "known_ratings",
        "predict",
        "seen_users",
        "unseen_users",
    ),
    "reward.encoders.features": ("Features", "FeatureStore", "encode_dataset"),
    "reward.people.groups": ("Apart", "apart"),
    "reward.licences": ("licences_of",),
    "reward.evaluation.metrics": (
        "METRICS",
        "Interval",
        "interval",
        "pairwise_accuracy",
        "plcc",
        "population_level",
        "srocc",
        "user_level",
    ),
    "reward.people.newcomer": ("METHODS", "TastePrior", "mix_weights"),
    "reward.predictor.network": ("TOKENS", "Pamela", "PamelaConfig"),
    "reward.people.person": (
        "KnownPerson",
        "Person",
        "find_group",
        "find_known",
        "interpolate_user",
        "make_person",
    ),
    "reward.training.pipeline": ("EncoderNames", "evaluate_predictor", "train_predictor"),
    "reward.predictor.predictor": ("Predictor",),
    "reward.people.descriptions": ("MetadataVocabulary", "demographics_sentence", "metadata_sentence"),
    "reward.training.recipe": ("PAPER", "RECIPES", "STEER", "Recipe"),
    "reward.training.train": ("train",),
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
        nothing_said = issubclass(thing, Exception) or Protocol in thing.__bases__
        takes = "" if nothing_said else signature(thing)
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


# --- a run

RUN = ("--user", "17", "--prompt", "floating mossy rocks", "--preset", "sandbox", "--llm-seed", "2",
       "--iterations", "2", "--proposals", "4", "--confirm", "2")  # fmt: skip

# The language model as on every processor: where there are instructions for bfloat16 it would write others.
IN_FLOAT32 = "import torch; torch.cpu.get_capabilities = dict; from steer.cli import main; main()"

# How far a figure may be from the written one. Between SSE4, AVX2 and AVX-512 scores moved by 0.0015, and
# intervals, which stand on two pictures each, by 0.0035.
APART = 0.005
FURTHER = {"gain_ci95": 0.05, "held_out_ci95": 0.05, "gain_range80": 0.05, "rank": 3}
LEVELS = 3  # of 255, for the mean colour of a part of a picture; measured: 1


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def check_figures(path: str, objects: list[dict[str, Any]]) -> None:
    """The objects are those of the file, one a line; their figures nearly so."""
    if MODE:
        check(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects))
    written = [json.loads(line) for line in (GOLDEN / path).read_text(encoding="utf-8").splitlines()]
    for number, (was, now) in enumerate(zip(written, objects, strict=True), 1):
        assert same(was, now), f"line {number} of {path} was\n{was}\nand is now\n{now}"


def same(was: Any, now: Any, apart: float = 0.0) -> bool:
    """Whether two objects of JSON differ in nothing but the last digits of their figures."""
    if isinstance(was, dict) and isinstance(now, dict):
        return list(was) == list(now) and all(same(was[k], now[k], FURTHER.get(k, apart)) for k in was)
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and all(same(a, b, apart) for a, b in zip(was, now, strict=True))
    if isinstance(was, str) and isinstance(now, str):
        figure = r"-?\d+\.\d+"
        numbers = [[float(number) for number in re.findall(figure, text)] for text in (was, now)]
        return re.sub(figure, "", was) == re.sub(figure, "", now) and same(*numbers)
    if type(was) is type(now) and (isinstance(was, float) or apart):
        return math.isclose(was, now, rel_tol=0, abs_tol=apart or APART)
    return bool(type(was) is type(now) and was == now)


def check_pictures(path: str, folder: Path) -> None:
    """The pictures of the folder are those of the file; their colours nearly so."""
    pictures = {}
    for file in sorted(folder.iterdir()):
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        pictures[file.name] = {
            "size": list(image.size),
            "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
            "mean colours of 8 x 8 parts": image.resize((8, 8), Image.Resampling.BOX).tobytes().hex(),
        }
    if MODE:
        check(path, json.dumps(pictures, indent=2) + "\n")
    written = json.loads((GOLDEN / path).read_text(encoding="utf-8"))
    assert set(pictures) == set(written)
    for name, now in pictures.items():
        was = written[name]
        assert now["size"] == was["size"], name
        pairs = zip(*(bytes.fromhex(each["mean colours of 8 x 8 parts"]) for each in (was, now)), strict=True)
        assert max(abs(a - b) for a, b in pairs) <= LEVELS, name


@pytest.mark.slow
@pytest.mark.parametrize(("search", "kept"), [("paper", "run"), ("guided", "run-guided")])
def test_a_run_in_the_sandbox_is_as_it_was(tmp_path, search, kept):
    # The model loads at once where it was used before. Elsewhere nothing is kept: a cache that cannot be
    # written costs seconds, and changes no text.
    cache = CACHE if any(CACHE.glob("smollm2-*")) else "/dev/null/cache"
    words = ["-c", IN_FLOAT32, "run", *RUN, "--search", search, "--out", "runs"]
    run(tmp_path, *words, STEER_CACHE=str(cache))
    [made] = (tmp_path / "runs").iterdir()

    config = json.loads((made / "config.json").read_text(encoding="utf-8"))
    assert set(config["versions"]) >= {"python", "platform", "steer", "torch"}
    check(f"{kept}/config.json", json.dumps(without(config, "created", "versions"), indent=2) + "\n")

    events = [json.loads(line) for line in (made / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    # `sha256` is that of a file that holds the run's name.
    check_figures(f"{kept}/events.jsonl", [without(event, "t", "seconds", "sha256") for event in events])

    check_pictures(f"{kept}/pictures.json", made / "images")

    result = json.loads((made / "result.json").read_text(encoding="utf-8"))
    assert result["run"] == made.name
    check_figures(f"{kept}/result.jsonl", [without(result, "run", "seconds")])

    page = (made / "gallery.html").read_text(encoding="utf-8")
    beside = ("gate", "final")  # rendered, and not shown
    shown = [
        path.name for path in (made / "images").iterdir() if not any(word in path.name for word in beside)
    ]
    assert len(shown) >= 11 and all(f'href="images/{name}"' in page for name in shown)
    assert (made / "base-and-best.png").is_file()


# --- what is shown of a run: of one that is kept, so that every character is the same everywhere


def test_the_page_of_a_run_is_as_it_was(tmp_path):
    shutil.copytree(KEPT, tmp_path / "runs")
    page = Path(run(tmp_path, "-m", "steer", "runs", "gallery", "glass").strip())
    text = (tmp_path / page).read_text(encoding="utf-8")
    text, pictures = re.subn(r"data:image/webp;base64,[A-Za-z0-9+/=]+", "data:image", text)
    assert pictures > 10
    # Style and script are files of their own, whose every change shows as one line here.
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}>(.+?)</{tag}>", text, re.S)
        text = text.replace(content, hashlib.sha256(content.encode()).hexdigest())
    check("page/gallery.html", text)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("list.txt", ["list"]),
        ("list.json", ["list", "--json"]),
        ("show-complete.txt", ["show", "glass"]),
        ("show-complete.json", ["show", "glass", "--json"]),
        ("show-interrupted.txt", ["show", "boat"]),
        ("show-interrupted.json", ["show", "boat", "--json"]),
    ],
)
def test_what_is_said_of_runs_is_as_it_was(tmp_path, file, words):
    shutil.copytree(KEPT, tmp_path / "runs")
    check(f"runs/{file}", run(tmp_path, "-m", "steer", "runs", *words))

"""From a fresh clone to a first picture: what a preset still lacks, as steps that are planned, then taken.

Each step says whether it is done, so that the same command goes on with what is left.
Planning asks the hub for sizes and fetches nothing.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reward.data.archive import DATASET_ID, NAME
from reward.hub_files import snapshot
from steer import paths
from steer.errors import SetupError
from steer.machine import downloads, hub
from steer.machine.downloads import Download
from steer.machine.overrides import Overrides
from steer.machine.presets import ResolvedPreset, predictor_folder, resolve
from steer.renderer.single_file import find, names_a_file, on_hub, refuse_pickled
from steer.renderer.source import DENOISERS

Progress = Callable[[str, int, int], None]  # what, done, of
VLLM_BYTES = 12_000_000_000  # an environment with vLLM and CUDA's libraries; not measured
# What a part needs beside the libraries that steer comes with, as extras of the package name them.
_RENDERS = ("diffusers",)
_FOR_PIPELINE = {"flux2": ("torchvision",)}  # the tokenizer of FLUX.2-dev
_FOR_MEMORY = {"fp8": ("torchao",), "nf4": ("bitsandbytes",)}


@dataclass(frozen=True)
class Step:
    """One thing to do."""

    name: str
    about: str  # what it does, for people
    done: bool
    bytes: int = 0  # to fetch
    disk: int = 0  # that it takes on disk in all
    place: Path | None = None  # where; None: with the hub's weights
    download: Download | None = None
    run: Callable[[Progress], None] = lambda progress: None


@dataclass(frozen=True)
class Plan:
    """Everything that a preset takes on this machine, before a yes."""

    resolved: ResolvedPreset
    steps: tuple[Step, ...]

    @property
    def open(self) -> list[Step]:
        """What is left to do."""
        return [step for step in self.steps if not step.done]

    @property
    def bytes(self) -> int:
        """To fetch in all."""
        return sum(step.bytes for step in self.open)

    @property
    def disk(self) -> int:
        """That it takes on disk in all."""
        return sum(step.disk for step in self.open)


def plan_model(model: str, base: str | None = None) -> Plan:
    """Fetching one model alone; of a renderer in one file, also the pipeline around it."""
    if not names_a_file(model):
        return Plan(resolve("sandbox"), (_weights(model, "weights"),))
    return Plan(
        resolve("sandbox"),
        tuple(_image_model(resolve("laptop", Overrides(renderer=model, renderer_base=base)))),
    )


def plan_setup(resolved: ResolvedPreset, predictor: str | None = None, epochs: int | None = None) -> Plan:
    """What setting a preset up takes. Asks the hub; raises `SetupError` with what to do first.

    `predictor` names one on the hub that is fetched instead of training one; `epochs` replaces the recipe's.
    """
    preset, own = resolved.preset, resolved.overrides
    steps: list[Step] = []
    if preset.renderer is None:
        return Plan(resolved, ())
    packages = [
        *_RENDERS,
        *_FOR_PIPELINE.get(preset.name, ()),
        *_FOR_MEMORY.get(resolved.precision, ()),
        *(("peft",) if own.lora else ()),
    ]
    steps.append(_packages(packages))
    if resolved.starts_vllm and own.vllm_python is None:
        steps.append(_vllm())
    steps += _image_model(resolved)
    if resolved.llm and own.llm_url is None and not Path(resolved.llm).is_dir():
        steps.append(_weights(resolved.llm, "language model"))
    if own.reward is not None:
        return Plan(resolved, tuple(steps))
    assert preset.encoder is not None and preset.sentences is not None
    steps.append(_weights(preset.encoder, "image-text encoder"))
    folder = predictor_folder(preset)
    trained = (folder / "predictor.json").is_file()
    if predictor is not None:
        steps.append(_pull(predictor, folder, trained))
        return Plan(resolved, tuple(steps))
    if not preset.sentences.startswith("sentence-transformers/all-MiniLM"):  # that one ships as a package
        steps.append(_weights(preset.sentences, "sentence encoder", needed=not trained))
    ratings = paths.data() / "ratings"
    steps.append(_ratings(ratings, needed=not trained))
    encoders = (preset.encoder, preset.sentences)
    steps.append(_training(ratings, folder, encoders, trained, epochs))
    return Plan(resolved, tuple(steps))


def take(plan: Plan, tell: Callable[[Step], None], progress: Progress) -> None:
    """Take the open steps in order; `tell` hears of each first. Raises `SetupError`, `RewardError`."""
    downloads.check_room([(step.place or paths.hub(), step.disk) for step in plan.open])
    for step in plan.open:
        tell(step)
        step.run(progress)


# --- the steps


def _packages(modules: Sequence[str]) -> Step:
    wanted = [spec for module, spec in _specs(modules).items() if importlib.util.find_spec(module) is None]
    about = ", ".join(wanted) if wanted else "optional packages are installed"

    def install(progress: Progress) -> None:
        _pip(sys.executable, wanted)

    return Step("packages", about, not wanted, run=install)


def _specs(modules: Sequence[str]) -> dict[str, str]:
    """Modules with the versions that steer's own metadata asks for."""
    found = {}
    for line in importlib.metadata.requires("steer") or ():
        spec = line.partition(";")[0].strip()
        name = re.split(r"[<>=!~\[ ]", spec)[0]
        if name in modules and name not in found:
            found[name] = spec
    return {module: found.get(module, module) for module in modules}


def _vllm() -> Step:
    from steer.proposer.vllm_server import MINIMUM

    python = paths.vllm_python()
    done = python.is_file() or importlib.util.find_spec("vllm") is not None

    def make(progress: Progress) -> None:
        folder = python.parents[1]
        _call([sys.executable, "-m", "venv", str(folder)], "cannot make an environment for vLLM")
        _pip(str(python), [f"vllm>={MINIMUM[0]}.{MINIMUM[1]}"])

    about = f"vLLM in an environment of its own, {python.parents[1]}"
    size = 0 if done else VLLM_BYTES
    return Step("vLLM", about, done, bytes=size // 3, disk=size, place=python.parents[1], run=make)


def _image_model(resolved: ResolvedPreset) -> list[Step]:
    """The renderer's weights; of a single file, and of the pipeline around it all but its denoiser's."""
    model, pipeline = resolved.renderer, resolved.pipeline
    if model is None or pipeline is None or Path(model).is_dir():
        return []
    if not names_a_file(model):
        return [_weights(model, "image model")]
    refuse_pickled(model)
    if pipeline == model:
        if on_hub(model) is None:
            find(model)  # which says what is wrong with a file of this machine
        raise SetupError(
            f"the name of {model} does not tell which pipeline it belongs to: --renderer-base ID"
        )
    steps = []
    if (there := on_hub(model)) is not None:
        repository, name, revision = there
        folder = snapshot(repository, revision)
        if folder is not None and (folder / name).is_file():
            steps.append(Step("image model", f"{model} is here", True))
        else:
            steps.append(
                _fetch("image model", model, downloads.look(f"{repository}@{revision or ''}", files=[name]))
            )
    return (
        steps
        if Path(pipeline).is_dir()
        else [*steps, _weights(pipeline, "pipeline around it", without=DENOISERS)]
    )


def _weights(model: str, what: str, needed: bool = True, without: tuple[str, ...] = ()) -> Step:
    if not needed or hub.state(model, without) == "present":
        return Step(what, f"{model} is here" if needed else f"{model} is not needed any more", True)
    return _fetch(what, model, downloads.look(model, without=without))


def _fetch(what: str, model: str, found: Download) -> Step:

    def fetch(progress: Progress) -> None:
        downloads.fetch(found)

    return Step(what, model, False, found.left, found.left, download=found, run=fetch)


def _pull(id: str, folder: Path, done: bool) -> Step:
    from reward.predictor.sharing import FILES, pull

    if done:
        return Step("predictor", f"a predictor is in {folder}", True)
    found = downloads.look(id, files=FILES)

    def fetch(progress: Progress) -> None:
        pull(downloads.fetch(found), folder)

    return Step("predictor", id, False, found.left, 2 * found.left, download=found, run=fetch)


def _ratings(folder: Path, needed: bool) -> Step:
    done = not needed or (folder / "counts.json").is_file()
    if done:
        return Step("data set", f"PAMELA is in {folder}" if needed else "PAMELA is not needed any more", True)
    found = downloads.look(DATASET_ID, "dataset", files=[NAME])
    here = (folder / NAME).is_file() or (folder / "PAMELA").is_dir()
    left = 0 if here else found.bytes

    def prepare_data(progress: Progress) -> None:
        from reward.data.prepare import prepare

        prepare([DATASET_ID], folder, progress=progress)

    return Step(
        "data set",
        f"{DATASET_ID} into {folder}",
        False,
        left,
        left + found.bytes,
        folder,
        found,
        prepare_data,
    )


def _training(ratings: Path, out: Path, encoders: tuple[str, str], done: bool, epochs: int | None) -> Step:
    def train(progress: Progress) -> None:
        from dataclasses import replace

        from reward.data import load
        from reward.training.pipeline import EncoderNames, train_predictor
        from reward.training.recipe import STEER

        dataset = load(ratings, quiet=True)
        recipe = STEER
        recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
        names = EncoderNames(*encoders)
        train_predictor(
            dataset, out, recipe, names, ratings / "features", resume=True, encoding=progress,
            progress=lambda epoch: progress("epochs", int(epoch["epoch"]), recipe.epochs),
        )  # fmt: skip

    about = (
        f"a predictor is in {out}" if done else f"features of the pictures, training, calibration, into {out}"
    )
    return Step("predictor", about, done, run=train)


def _pip(python: str, packages: Sequence[str]) -> None:
    """Installs packages. In steer's own environment no installed one is changed for them, torch above all."""
    problem = f"cannot install {' '.join(packages)}"
    with tempfile.TemporaryDirectory(prefix="steer-setup-") as scratch:
        kept = Path(scratch) / "kept.txt"
        installed = sorted(
            {f"{each.metadata['Name']}=={each.version}" for each in importlib.metadata.distributions()}
            if python == sys.executable
            else ()
        )
        kept.write_text("\n".join(installed) + "\n", encoding="utf-8")
        _call([python, "-m", "pip", "install", "-c", str(kept), *packages], problem)


def _call(command: Sequence[str], problem: str) -> None:
    """A program whose output is shown. Raises `SetupError`."""
    done = subprocess.run(command, check=False, stdout=sys.stderr)
    if done.returncode != 0:
        raise SetupError(f"{problem}: {' '.join(command)} ended with {done.returncode}; see above")

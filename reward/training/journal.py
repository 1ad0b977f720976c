"""The folder of a training that can be watched while it runs and resumed when it was killed.

metrics.jsonl          a line every hundred steps and every epoch
training.safetensors   the last saved state; gone when the training is done
tensorboard/           the same metrics, if asked for
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from reward.errors import CheckpointError, MissingPackage
from reward.files import write_whole
from reward.training.state import TrainingState, damaged, read_state, write_state

STATE_FILE = "training.safetensors"
METRICS_FILE = "metrics.jsonl"


class Journal:
    """Writes metrics, saves and restores the state. In several processes only the first one writes."""

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        accelerator: Accelerator,
        *,
        resume: bool = False,
        save_every: int = 2000,
        log_every: int = 100,
        tensorboard: bool = False,
    ) -> None:
        """`identity`: what a resumed training must have in common with the one that was saved, as JSON.

        `save_every` and `log_every` are in steps; every epoch is saved and logged as well. Raises
        CheckpointError where an unfinished training lies in the folder and `resume` is not set.
        """
        self.save_every = save_every
        self.log_every = log_every
        self._folder = folder
        self._identity = json.loads(json.dumps(identity))
        self._accelerator = accelerator
        self._resume = resume
        self._tensorboard = tensorboard
        self._writer: Any = None
        if self._state_file.exists() and not resume:
            raise CheckpointError(
                f"{folder} holds a training that was interrupted: go on with --resume, or name another --out"
            )

    @property
    def _state_file(self) -> Path:
        return self._folder / STATE_FILE

    def begin(self, state: TrainingState) -> None:
        """Take up the saved state where there is one, and open the log there. Raises CheckpointError."""
        if self._resume and self._state_file.exists():
            self._restore(state)
        if self._accelerator.is_main_process:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._keep_lines_before(state.step)
            if self._tensorboard:
                self._writer = _summary_writer(self._folder / "tensorboard", state.step)

    def save(self, state: TrainingState) -> None:
        """Save the state and every process's random numbers."""
        random = {f"random.{name}": rows for name, rows in _random_states(self._accelerator).items()}
        if self._accelerator.is_main_process:
            write_state(
                self._state_file,
                state.tensors() | random,
                {"identity": self._identity, "state": state.numbers()},
            )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One line of figures."""
        if not self._accelerator.is_main_process:
            return
        # JSON knows no NaN; a figure that is none is null
        line = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        with (self._folder / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **line}) + "\n")
        if self._writer is not None:
            for name, value in metrics.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def finish(self) -> None:
        """Delete the state: the checkpoint is written, and nothing is left to resume."""
        if self._accelerator.is_main_process:
            self._state_file.unlink(missing_ok=True)
            if self._writer is not None:
                self._writer.close()

    def _restore(self, state: TrainingState) -> None:
        tensors, numbers = read_state(self._state_file)
        found = numbers.get("identity", {})
        for name in self._identity | found:
            if self._identity.get(name) != found.get(name):
                raise CheckpointError(
                    f"the training in {self._folder} was started with another {name} "
                    f"({_difference(found.get(name), self._identity.get(name))}): resume it with what it was "
                    "started with, or name another --out"
                )
        try:
            state.restore(tensors, numbers["state"])
            _set_random_states(tensors, self._accelerator)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise damaged(self._state_file, error) from error

    def _keep_lines_before(self, step: int) -> None:
        """Drop the lines of steps that will be made again; at step 0 that is all of them."""
        file = self._folder / METRICS_FILE
        if not file.exists():
            return
        kept = []
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step and step:
                    kept.append(line + "\n")
            except (ValueError, KeyError, TypeError):
                continue  # torn by a kill
        write_whole(file, "".join(kept).encode())


def _random_states(accelerator: Accelerator) -> dict[str, torch.Tensor]:
    """Name -> uint8 [processes, bytes]: the state of torch's generators."""
    states = {"cpu": torch.get_rng_state()}
    if accelerator.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(accelerator.device)
    return {
        name: accelerator.gather(state.to(accelerator.device)[None]).cpu() for name, state in states.items()
    }


def _set_random_states(tensors: Mapping[str, torch.Tensor], accelerator: Accelerator) -> None:
    torch.set_rng_state(tensors["random.cpu"][accelerator.process_index].contiguous())
    if accelerator.device.type == "cuda":
        mine = tensors["random.cuda"][accelerator.process_index].contiguous()
        torch.cuda.set_rng_state(mine, accelerator.device)


def _difference(then: Any, now: Any) -> str:
    """What changed: of two settings objects only the fields that differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        changed = [name for name in then | now if then.get(name) != now.get(name)]
        return ", ".join(f"{name} {_short(then.get(name))}, now {_short(now.get(name))}" for name in changed)
    return f"{_short(then)}, now {_short(now)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def _summary_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingPackage(
            "--tensorboard needs the package tensorboard: pip install 'steer[research]' "
            "(from a checkout: pip install -e '.[research]')"
        ) from error
    return SummaryWriter(str(folder), purge_step=step)

"""What a checkpoint knows about people beyond its weights: `people.safetensors` beside them.

The prior of `newcomer.mix_weights`, how accurate scores of a new person are after k ratings, and a sample of
content on which people can be compared (`reward.training.calibrate` measures all three). A checkpoint without
the file works: the prior is the default one, the rest is unknown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reward.errors import CheckpointError
from reward.files import whole
from reward.people.newcomer import DEFAULT_PRIOR, TastePrior

if TYPE_CHECKING:
    from reward.predictor.network import TasteModel

PEOPLE_FILE = "people.safetensors"
WEIGHTS_FILE = "model.safetensors"  # as in `checkpoint`, which brings torch along; a list of people need not


Z80 = NormalDist().inv_cdf(0.9)  # standard deviations either way that hold 80% of a normal distribution


@dataclass(frozen=True, eq=False)
class Errors:
    """How far ratings lie from predictions: standard deviations, in rating points, as a normal distribution
    has that holds 80% of them within the same distance. Measured on ratings that nothing was trained on."""

    known: np.ndarray  # [people] of each known person's ratings, apart from what the model is unsure of
    widened: float  # by which both together are multiplied
    new: Mapping[int, float]  # ratings -> of someone new who gave so many
    anyone: float  # of the population's prediction for one person

    def of_new(self, ratings: int) -> float:
        """Of someone new, interpolated."""
        return float(np.interp(ratings, list(self.new), list(self.new.values())))


@dataclass(frozen=True, eq=False)
class Calibration:
    """How new people are judged, and what known people are compared on."""

    prior: TastePrior = DEFAULT_PRIOR
    accuracy: Mapping[int, float] = field(default_factory=dict)  # ratings -> mean SROCC over people
    measured_on: int = 0  # how many people
    image: np.ndarray | None = None  # [sample, image_dim]
    text: np.ndarray | None = None  # [sample, text_dim]
    metadata: np.ndarray | None = None  # [sample, profile_dim]
    errors: Errors | None = None  # None where nobody measured them

    def expected_accuracy(self, ratings: int) -> float | None:
        """SROCC to expect of a new person's scores, interpolated; None where nobody measured it."""
        if not self.accuracy:
            return None
        return float(np.interp(ratings, list(self.accuracy), list(self.accuracy.values())))

    def known(self, model: TasteModel, demographics: np.ndarray) -> np.ndarray | None:
        """What the known people would give the sample [people, sample]; None without a sample.

        demographics [people, profile_dim] of the known people; zeros where nothing is known.
        """
        if self.image is None or self.text is None or self.metadata is None:
            return None
        import torch

        device = model.score_mean.device
        with torch.inference_mode():
            parts = (torch.from_numpy(a).to(device) for a in (self.image, self.text, self.metadata))
            described = torch.from_numpy(demographics).to(device)
            return np.asarray(model.known(model.project(*parts), described).cpu().numpy())

    def agreement(self, model: TasteModel, demographics: np.ndarray) -> np.ndarray | None:
        """Correlation [people, people] of the known people's predicted ratings; None without a sample."""
        known = self.known(model, demographics)
        return None if known is None else np.corrcoef(known)


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Write it beside a whole checkpoint, whose weights it is tied to by their hash."""
    about = {
        "weights": _hash(folder / WEIGHTS_FILE),
        "prior": asdict(calibration.prior),
        "accuracy": calibration.accuracy,
        "measured_on": calibration.measured_on,
    }
    arrays = {name: getattr(calibration, name) for name in ("image", "text", "metadata")}
    if errors := calibration.errors:
        about["errors"] = {"widened": errors.widened, "new": errors.new, "anyone": errors.anyone}
        arrays["errors"] = errors.known
    tensors = {n: np.ascontiguousarray(a, np.float32) for n, a in arrays.items() if a is not None}
    with whole(folder / PEOPLE_FILE) as temporary:
        save_file(tensors, temporary, {"people": json.dumps(about)})


def read_calibration(folder: Path) -> Calibration:
    """The defaults where the file is missing, or belongs to other weights. Raises CheckpointError."""
    file = folder / PEOPLE_FILE
    if not file.is_file():
        return Calibration()
    try:
        with safe_open(file, "numpy") as stored:
            about = json.loads(stored.metadata()["people"])
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        if about["weights"] != _hash(folder / WEIGHTS_FILE):
            return Calibration()
        accuracy = {int(k): float(value) for k, value in about["accuracy"].items()}
        errors = None
        if "errors" in about:  # since the second version of checkpoints
            told = about["errors"]
            new = {int(k): float(value) for k, value in told["new"].items()}
            errors = Errors(arrays.pop("errors"), float(told["widened"]), new, float(told["anyone"]))
        prior, people = TastePrior(**about["prior"]), int(about["measured_on"])
        return Calibration(prior, accuracy, people, **arrays, errors=errors)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"{file} cannot be read ({type(error).__name__}: {error}): delete it or train again"
        ) from error


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()

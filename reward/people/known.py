"""What a checkpoint knows about people beyond its weights: `people.safetensors` beside them.

The prior of `newcomer.mix_weights`, how accurate scores of a new person are after k ratings, and a sample of
content on which people can be compared (`reward.training.calibrate` measures all three). A checkpoint without
the file works: the prior is the default one, the rest is unknown.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, NotRequired, TypedDict

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reward.checked import load_json, open_plain, problem
from reward.errors import CheckpointError
from reward.files import whole
from reward.people.newcomer import DEFAULT_PRIOR, TastePrior
from reward.predictor.card import WEIGHTS_FILE, read_card

if TYPE_CHECKING:
    from reward.predictor.network import TasteModel

PEOPLE_FILE = "people.safetensors"


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
    statistics: np.ndarray | None = None  # [sample, statistics] of the pixels, where the predictor reads them
    priors: Mapping[str, TastePrior] = field(default_factory=dict)  # of each data set, if there are several

    @property
    def pictures(self) -> np.ndarray | None:
        """What the model reads of each picture of the sample [sample, picture_dim]."""
        if self.image is None or self.statistics is None:
            return self.image
        return np.concatenate([self.image, self.statistics], axis=1)

    def prior_of(self, source: str) -> TastePrior:
        """Of someone new of a data set."""
        return self.priors.get(source, self.prior)

    def expected_accuracy(self, ratings: int) -> float | None:
        """SROCC to expect of a new person's scores, interpolated; None where nobody measured it."""
        if not self.accuracy:
            return None
        return float(np.interp(ratings, list(self.accuracy), list(self.accuracy.values())))

    def known(self, model: TasteModel, demographics: np.ndarray) -> np.ndarray | None:
        """What the known people would give the sample [people, sample]; None without a sample.

        demographics [people, profile_dim] of the known people; zeros where nothing is known.
        """
        if self.pictures is None or self.text is None or self.metadata is None:
            return None
        import torch

        device = model.score_mean.device
        with torch.inference_mode():
            parts = (torch.from_numpy(a).to(device) for a in (self.pictures, self.text, self.metadata))
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
    if calibration.priors:
        about["priors"] = {name: asdict(prior) for name, prior in calibration.priors.items()}
    arrays = {name: getattr(calibration, name) for name in ("image", "text", "metadata", "statistics")}
    if errors := calibration.errors:
        about["errors"] = {"widened": errors.widened, "new": errors.new, "anyone": errors.anyone}
        arrays["errors"] = errors.known
    tensors = {n: np.ascontiguousarray(a, np.float32) for n, a in arrays.items() if a is not None}
    with whole(folder / PEOPLE_FILE) as temporary:
        save_file(tensors, temporary, {"people": json.dumps(about)})


class _Prior(TypedDict):
    noise: Annotated[float, lambda value: value > 0]
    bias: Annotated[float, lambda value: value >= 0]


class _Errors(TypedDict):
    """See `Errors`; since the second version of checkpoints."""

    widened: float
    new: Annotated[dict[str, float], lambda found: bool(found) and all(key.isdecimal() for key in found)]
    anyone: float


class _About(TypedDict):
    """What the file says beside its arrays."""

    weights: str
    prior: _Prior
    accuracy: Annotated[dict[str, float], lambda found: all(key.isdecimal() for key in found)]
    measured_on: Annotated[int, lambda count: count >= 0]
    errors: NotRequired[_Errors]
    priors: NotRequired[dict[str, _Prior]]


def read_calibration(folder: Path) -> Calibration:
    """The defaults where the file is missing, or belongs to other weights. Raises CheckpointError."""
    file = folder / PEOPLE_FILE
    if not file.exists():
        return Calibration()
    card = read_card(folder)
    config = card["config"]
    dims = {"image": config["image_dim"], "text": config["text_dim"], "metadata": config["profile_dim"]}
    dims |= {"statistics": config["statistics"]} if config.get("statistics") else {}
    try:
        os.close(open_plain(file, os.O_RDONLY))
        with safe_open(file, "numpy") as stored:
            about = load_json((stored.metadata() or {}).get("people", "").encode())
            if wrong := problem(_About, about):
                raise ValueError(wrong)
            if about["weights"] != _hash(folder / WEIGHTS_FILE):
                return Calibration()
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        people = arrays.pop("errors", None)
        shapes = {name: (array.dtype, array.shape) for name, array in arrays.items()}
        rows = {len(array) for array in arrays.values() if array.ndim}
        if shapes and (len(rows) > 1 or shapes != {n: (np.float32, (*rows, dim)) for n, dim in dims.items()}):
            raise ValueError("its arrays do not go with the predictor")
        told = about.get("errors")
        shape = None if told is None else (len(card["people"]),)
        if (None if people is None else people.shape) != shape:
            raise ValueError("its errors do not go with the predictor's people")
        if not all(
            np.isfinite(array).all() for array in (*arrays.values(), *([] if people is None else [people]))
        ):
            raise ValueError("an array holds what is no number")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise CheckpointError(
            f"{file} cannot be read ({type(error).__name__}: {error}): delete it or train again"
        ) from error
    errors = None
    if told is not None and people is not None:
        new = {int(k): float(value) for k, value in told["new"].items()}
        errors = Errors(people, float(told["widened"]), new, float(told["anyone"]))
    accuracy = {int(k): float(value) for k, value in about["accuracy"].items()}
    prior, count = TastePrior(**about["prior"]), int(about["measured_on"])
    priors = {name: TastePrior(**own) for name, own in about.get("priors", {}).items()}
    return Calibration(prior, accuracy, count, **arrays, errors=errors, priors=priors)


def _hash(file: Path) -> str:
    with open(open_plain(file, os.O_RDONLY), "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""Which baselines there are, and where each one runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reward.errors import BaselineError

if TYPE_CHECKING:
    from reward.baselines.laion import LaionAesthetics
    from reward.predictor.predictor import Predictor


@dataclass(frozen=True)
class Baseline:
    """One reward of the paper's Table 2."""

    name: str  # as in CSV files and --reward
    title: str  # as in the paper
    model: str  # hub id of the weights
    adapter: str  # program in reward/adapters that scores images in its own environment
    reads_prompt: bool  # whether the score depends on the text
    in_process: bool = False  # whether `load_reward` can load it here, so that it can steer a run
    ran_on_real_weights: bool = False  # anywhere, by us


# No machine that built this had the released weights: all were tried with tiny random ones or stand-ins.
BASELINES: dict[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        Baseline(
            "laion-aesthetics",
            "LAION",
            "ttj/sac-logos-ava1-l14-linearMSE",
            "laion_aesthetics.py",
            reads_prompt=False,
            in_process=True,
        ),
        Baseline("qalign-quality", "Q-Align (IQA)", "q-future/one-align", "qalign.py", False),
        Baseline("qalign-aesthetics", "Q-Align (Aesthetics)", "q-future/one-align", "qalign.py", False),
        Baseline("imagereward", "ImageReward", "RE-N-Y/ImageReward", "imagereward.py", True),
        Baseline("deqa", "DeQA", "zhiyuanyou/DeQA-Score-Mix3", "deqa.py", False),
        Baseline("hpsv3", "HPSv3", "MizzenAI/HPSv3", "hpsv3_scores.py", True),
    )
}


def find_baseline(name: str) -> Baseline:
    """A baseline by name. Raises BaselineError."""
    if name not in BASELINES:
        raise BaselineError(f"there is no baseline {name!r}: the baselines are {', '.join(BASELINES)}")
    return BASELINES[name]


def load_reward(name_or_folder: str | Path, device: str = "cpu") -> Predictor | LaionAesthetics:
    """A Scorer: a baseline by name, else the predictor in a folder.

    Raises BaselineError for a baseline that cannot run in this process, CheckpointError.
    """
    baseline = BASELINES.get(str(name_or_folder))
    if baseline is None:
        from reward.predictor.predictor import Predictor

        return Predictor.load(name_or_folder, device)
    if not baseline.in_process:
        here = ", ".join(b.name for b in BASELINES.values() if b.in_process)
        raise BaselineError(
            f"{baseline.name} needs an environment of its own, so it can be compared but not steer a run; of "
            f"the baselines {here} can. Its scores of images that exist: reward/adapters/{baseline.adapter}, "
            "explained in docs/baselines.md"
        )
    from reward.baselines.laion import LaionAesthetics

    return LaionAesthetics.load(device=device)

"""The rewards that the paper compares with (Table 2), as Scorers: one opinion for everybody.

Their requirements contradict each other, so all but one run in an environment of their own, by the programs
in `reward/adapters`, and hand over a CSV file with the columns image, scorer, score. `read_scores` reads it,
`StoredScores` makes a Scorer of it. LAION-Aesthetics also runs in this process: `reward.baselines.laion`.
"""

from __future__ import annotations

from reward.baselines.registry import BASELINES, Baseline, find_baseline, load_reward
from reward.baselines.scores import StoredScores, read_scores, scores_of, write_images

__all__ = [
    "BASELINES",
    "Baseline",
    "StoredScores",
    "find_baseline",
    "load_reward",
    "read_scores",
    "scores_of",
    "write_images",
]

"""The image gate: has a rewrite's image left the subject of the original prompt?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# Share of pictures like those of the calibration that may be rejected. Later looks go further than the first:
# at 1% nominal 4% were, measured (benchmarks/image_gate.py).
MISTAKEN = 0.01


@dataclass(frozen=True)
class ImageGate:
    """Rejects images that resemble the original prompt less than pictures of its subject do.

    `threshold` is an image-text cosine, -1 to 1; None lets everything through.
    """

    threshold: float | None

    @classmethod
    def calibrate(cls, adherence: Sequence[float], mistaken: float = MISTAKEN) -> ImageGate:
        """From the similarities of pictures that show the subject in many looks.

        One more look of the subject falls below the threshold with probability `mistaken` (one-sided
        prediction limit of a normal variable, Student's t): few pictures, or very different ones, make it
        lower. A single picture tells nothing, and everything passes.
        """
        n = len(adherence)
        if n < 2:
            return cls(None)
        from scipy.special import stdtrit  # the quantile alone; scipy.stats takes a second to import

        width = -float(stdtrit(n - 1, mistaken)) * math.sqrt(1 + 1 / n)
        return cls(statistics.fmean(adherence) - width * statistics.stdev(adherence))

    @classmethod
    def calibrate_paper(cls, adherence: Sequence[float], sd: float) -> ImageGate:
        """Mean minus `sd` standard deviations (n - 1) of the base prompt's renders on other seeds."""
        return cls(statistics.fmean(adherence) - sd * statistics.stdev(adherence))

    def reject(self, adherence: float | None) -> str | None:
        """The reason to reject an image with this image-text similarity, or None."""
        # Written so that a NaN adherence is rejected too.
        if self.threshold is None or (adherence is not None and adherence >= self.threshold):
            return None
        return f"off the prompt (image-text similarity {_show(adherence)} < {self.threshold:.3f})"


def _show(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"

"""The image gate: has a rewrite's image left the subject of the original prompt?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageGate:
    """Rejects images that resemble the original prompt less than the base prompt's own renders do.

    `threshold` is an image-text cosine, -1 to 1; None lets everything through.
    """

    threshold: float | None

    @classmethod
    def calibrate(cls, adherence: Sequence[float], sd: float) -> ImageGate:
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

"""Is a picture like those that a predictor was trained on?"""

from __future__ import annotations

import numpy as np

TYPICAL = 0.01  # share of training pictures that would be called foreign


def in_domain(features: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Whether pictures are as near to a sample of the training set as its own pictures are, [n] bool.

    features [n, dim] and sample [m, dim] are unit-length image embeddings; near is the cosine with the
    nearest of the sample. It can be no better than the encoder: one that has only ever seen paintings takes
    photographs and noise for paintings too (measured on the sandbox's), so there this must not be asked.
    """
    among = sample @ sample.T
    np.fill_diagonal(among, -1.0)
    least = np.quantile(among.max(1), TYPICAL)
    return np.asarray((features @ sample.T).max(1) >= least)

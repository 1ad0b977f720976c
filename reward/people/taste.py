"""Which looks someone likes: what their predicted ratings say of phrases such as "golden hour light".

No picture is rendered and nobody is asked: a checkpoint brings the embeddings of a sample of training
pictures (`reward.people.known.Calibration`), and how alike each of them is to a phrase is a column of numbers
that can be compared with what someone would rate them.
"""

from __future__ import annotations

import numpy as np


def likings(alike: np.ndarray, ratings: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How a person's ratings go with each phrase: [phrases, 3] of strength, own part, and its standard error.

    alike [sample, phrases] is the image-text similarity, ratings [sample] the person's, others
    [people, sample] those of everyone known. A strength is the rise of the predicted rating, in points, of a
    picture that is one standard deviation more like the phrase; the own part is the strength less everyone's.
    The error adds up what the sample leaves open and, for someone of whom little is known, what their ratings
    leave open: the less their own part varies over the sample beside that of the known people, the less has
    been learnt of it.
    """
    n = len(ratings)
    spread = alike.std(0)
    z = np.divide(alike - alike.mean(0), spread, out=np.zeros_like(alike), where=spread > 0)
    crowd = others.mean(0)
    tastes = others - crowd  # [people, sample]: everyone's own part
    own = ratings - crowd
    own, tastes = own - own.mean(), tastes - tastes.mean(1, keepdims=True)
    strength, own_strength = z.T @ (ratings - ratings.mean()) / n, z.T @ own / n
    usual = (tastes @ z / n).std(0)  # [phrases]: how much people differ
    learnt = min(1.0, float(own.var() / max(tastes.var(1).mean(), 1e-12)))
    sampling = own.var() * np.ones(len(usual)) / n
    error = np.sqrt(sampling + usual**2 * (1 - learnt))
    return np.stack([strength, own_strength, error], 1)

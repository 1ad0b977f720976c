"""Measure how a trained predictor judges people outside its user table: `people_file.Calibration`."""

from __future__ import annotations

import itertools

import numpy as np

from reward.data import Dataset
from reward.encoders.features import Features
from reward.evaluation.evaluate import KnownRatings, known_ratings, unseen_users
from reward.people.known import Calibration
from reward.people.newcomer import DEFAULT_PRIOR, TastePrior, mix_start, mix_weights
from reward.predictor.network import Pamela

SAMPLE = 256  # images on which people are compared
KS = (0, 5, 10, 15, 25)  # numbers of ratings at which accuracy is measured
DRAWS = 8  # contexts of each person
NOISES = (0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)  # the grid of `estimate`
BIASES = (0.0, 0.05, 0.15, 0.5)
TRIED = (5, 15)  # numbers of ratings for which it is best on average
FEWEST = 5  # people outside the table, below whom their prior is not estimated


def calibrate(
    model: Pamela, table: np.ndarray, dataset: Dataset, features: Features, seed: int = 0
) -> Calibration:
    """Measure a trained model on people outside its user table (`val_unseen`), and sample its content.

    `table` [table rows] holds the data set's user of each row of the model's user table.
    """
    trained = np.unique(dataset.images[dataset.rows("train")])
    sample = np.random.default_rng(seed).permutation(trained)[:SAMPLE]
    known = known_ratings(
        model, features.demographics[table, 0], features, dataset.images[dataset.rows("val_unseen")]
    )
    prior = estimate(known, dataset, features, "val_unseen")
    accuracy, people = accuracy_curve(model, known, dataset, features, prior, "val_unseen", seed=seed)
    return Calibration(
        prior, accuracy, people, features.image[sample], features.text[sample], features.metadata[sample]
    )


def estimate(known: KnownRatings, dataset: Dataset, features: Features, split: str) -> TastePrior:
    """The prior that predicts a split's people, who are outside the table, best from a few of their ratings.

    Searched on a grid for the least squared error outside the context, apart from each person's mean, which
    ranks nothing; the default where fewer than 5 people have rows for it. (The prior under which ratings are
    most likely is another: it trusts each rating more than is good for the next.)
    """
    rows = dataset.rows(split)
    rng = np.random.default_rng(0)
    cases = []
    for user in np.unique(dataset.users[rows]):
        start = mix_start(known.demographics, features.demographics[user, 0])
        mine = rows[dataset.users[rows] == user]
        if len(mine) >= 2 * max(TRIED):
            cases += [(start, rng.permutation(mine)) for _ in range(DRAWS)]
    if len(cases) < FEWEST * DRAWS:
        return DEFAULT_PRIOR

    def error(prior: TastePrior) -> float:
        total = 0.0
        for start, drawn in cases:
            given, scores = known.ratings[:, dataset.images[drawn]], dataset.scores[drawn].astype(np.float64)
            for k in TRIED:
                weights = mix_weights(given[:, :k], scores[:k], prior, start)
                total += float(np.var(scores[max(TRIED) :] - weights[:-1] @ given[:, max(TRIED) :]))
        return total

    return min((TastePrior(*values) for values in itertools.product(NOISES, BIASES)), key=error)


def accuracy_curve(
    model: Pamela,
    known: KnownRatings,
    dataset: Dataset,
    features: Features,
    prior: TastePrior,
    split: str,
    seed: int = 0,
) -> tuple[dict[int, float], int]:
    """Mean SROCC of the default method over people after each of KS ratings, and how many people.

    All on the same rows; people with too few of them are left out.
    """
    curve, people = {}, 0
    nobody = np.zeros((len(known.ratings), 0))  # profiles, which the default method does not read
    for k in KS:
        levels = [
            unseen_users(
                model,
                nobody,
                dataset,
                features,
                split,
                seed + draw,
                k,
                reserved=max(KS),
                method="mix",
                prior=prior,
                known=known,
            ).user_level(dataset)
            for draw in range(DRAWS)
        ]
        means = [float(np.mean(level.srocc)) for level in levels if len(level.srocc)]
        if means:
            curve[k], people = round(float(np.mean(means)), 4), max(len(level.users) for level in levels)
    return curve, people

"""Measure how a trained predictor judges people outside its user table: `people_file.Calibration`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from reward.data import Dataset
from reward.encoders.features import Features
from reward.evaluation.evaluate import KnownRatings, known_ratings, seen_users, unseen_users, variances
from reward.people.known import Z80, Calibration, Errors
from reward.people.newcomer import (
    DEFAULT_PRIOR,
    TastePrior,
    mix_start,
    mix_weights,
    others_of,
    own_weights,
)
from reward.predictor.network import TasteModel

SAMPLE = 256  # images on which people are compared
KS = (0, 5, 10, 15, 25)  # numbers of ratings at which accuracy is measured
DRAWS = 8  # contexts of each person
NOISES = (0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)  # the grid of `estimate`
BIASES = (0.0, 0.05, 0.15, 0.5)
TRIED = (5, 15)  # numbers of ratings for which it is best on average
PULL = 20  # ratings that everyone's error counts beside a known person's own
LEFT_OUT = 200  # known people who are left out in turn, at most
FEWEST = 5  # people outside the table, below whom their prior is not estimated


def calibrate(
    model: TasteModel, table: np.ndarray, dataset: Dataset, features: Features, seed: int = 0
) -> Calibration:
    """Measure a trained model on people outside its user table (`val_unseen`), and sample its content.

    `table` [table rows] holds the data set's user of each row of the model's user table.
    """
    trained = np.unique(dataset.images[dataset.rows("train")])
    sample = np.random.default_rng(seed).permutation(trained)[:SAMPLE]
    demographics = features.demographics[table, 0]
    contents = {name: getattr(features, name)[sample] for name in ("image", "text", "metadata")}
    if features.statistics is not None:
        contents["statistics"] = features.statistics[sample]
    rated = Calibration(**contents).known(model, demographics)
    images = dataset.images[dataset.rows("val_unseen")]
    sources = np.array([dataset.source(user) for user in table])
    known = known_ratings(model, demographics, features, images, rated, sources)
    prior = estimate(known, dataset, features, "val_unseen")
    priors = {
        name: estimate(known, dataset.only(name), features, "val_unseen", prior) for name in known.parts
    }
    accuracy, people = accuracy_curve(
        model, known, dataset, features, prior, "val_unseen", seed=seed, priors=priors
    )
    new = errors_of_new(model, table, dataset, features, prior, rated, "val_seen", priors)
    errors = errors_of(model, table, dataset, features, "val_seen", new)
    return Calibration(prior, accuracy, people, **contents, errors=errors, priors=priors)


def errors_of(
    model: TasteModel,
    table: np.ndarray,
    dataset: Dataset,
    features: Features,
    split: str,
    new: Mapping[int, float],
) -> Errors | None:
    """The errors of known people's predictions in a split, and of the population's; None without rows.

    Each person's is drawn towards everyone's as if by PULL ratings more. `new`: see `Errors`.
    """
    predicted = seen_users(model, table, dataset, features, split)
    if not len(predicted.rows) or not new:
        return None
    place = np.full(len(dataset.user_ids), -1)
    place[table] = np.arange(len(table))
    users = place[dataset.users[predicted.rows]]
    scores, images = dataset.scores[predicted.rows].astype(np.float64), dataset.images[predicted.rows]
    embeddings = model.users.weight.detach().cpu().numpy()[users]
    unsure = variances(model, features, images, embeddings, features.demographics[table[users], 0])
    missed = (scores - predicted.scores) ** 2
    counts = np.bincount(users, minlength=len(table))
    beyond = missed - unsure
    typical = max(float(beyond.mean()), 1e-6)
    total = np.bincount(users, beyond, len(table)) + PULL * typical
    noise = np.maximum(total / (counts + PULL), 0.1 * typical)
    # each rating is judged by an error that it did not help to measure
    without = np.maximum((total[users] - beyond) / (counts[users] - 1 + PULL), 0.1 * typical)
    widened = _within_80(np.sqrt(missed / (without + unsure)), users)
    everyone = seen_users(model, table, dataset, features, split, population=True)
    return Errors(
        known=np.sqrt(noise).astype(np.float32),
        widened=round(widened, 4),
        new=new,
        anyone=round(_within_80(np.abs(scores - everyone.scores), users), 4),
    )


def errors_of_new(
    model: TasteModel,
    table: np.ndarray,
    dataset: Dataset,
    features: Features,
    prior: TastePrior,
    sample: np.ndarray | None,
    split: str,
    priors: Mapping[str, TastePrior] | None = None,
) -> dict[int, float]:
    """The errors of someone new after each of KS ratings: of known people, each left out of the known ones.

    These are many more people than those outside the table. They are learnt from the known people of their
    own data set. `sample` as in `known_ratings`; `priors` as in `unseen_users`.
    """
    rows = dataset.rows(split)
    demographics = features.demographics[table, 0]
    known = known_ratings(model, demographics, features, dataset.images[rows])
    sources = np.array([dataset.source(user) for user in table])
    missed: dict[int, list[np.ndarray]] = {k: [] for k in KS}
    users: list[np.ndarray] = []
    chosen = np.sort(np.random.default_rng(0).permutation(len(table))[:LEFT_OUT])
    for place, user in zip(chosen.tolist(), table[chosen], strict=True):
        mine = rows[dataset.users[rows] == user]
        rest = (np.arange(len(table)) != place) & (sources == sources[place])
        own = (priors or {}).get(str(sources[place]), prior)
        if len(mine) <= max(KS) or not rest.any():
            continue
        others = others_of(None if sample is None else sample[rest])
        start = mix_start(demographics[rest], demographics[place])
        for draw in range(DRAWS // 2):
            drawn = np.random.default_rng((draw, place)).permutation(mine)
            given, scores = known.of(dataset.images[drawn])[rest], dataset.scores[drawn].astype(np.float64)
            users.append(np.full(len(mine) - max(KS), place))
            for k in KS:
                mix, _ = own_weights(given[:, :k], scores[:k], own, start, others)
                predicted = mix[:-1] @ given[:, max(KS) :] + mix[-1]
                missed[k].append(np.abs(scores[max(KS) :] - predicted))
    if not users:
        return {}
    whose = np.concatenate(users)
    return {k: round(_within_80(np.concatenate(missed[k]), whose), 4) for k in KS}


def _within_80(distances: np.ndarray, users: np.ndarray) -> float:
    """The standard deviation whose normal distribution holds 80% of the distances, people counting alike."""
    counts = np.bincount(users)
    order = np.argsort(distances)
    reached = np.cumsum(1 / counts[users[order]])
    return float(distances[order][np.searchsorted(reached, 0.8 * reached[-1])]) / Z80


def estimate(
    known: KnownRatings,
    dataset: Dataset,
    features: Features,
    split: str,
    otherwise: TastePrior = DEFAULT_PRIOR,
) -> TastePrior:
    """The prior that predicts a split's people, who are outside the table, best from a few of their ratings.

    Searched on a grid for the least squared error outside the context, apart from each person's mean, which
    ranks nothing; `otherwise` where fewer than 5 people have rows for it. (The prior under which ratings are
    most likely is another: it trusts each rating more than is good for the next.)
    """
    rows = dataset.rows(split)
    rng = np.random.default_rng(0)
    cases = []
    for user in np.unique(dataset.users[rows]):
        like = known.like(dataset, user)
        start = mix_start(like.demographics, features.demographics[user, 0])
        mine = rows[dataset.users[rows] == user]
        if len(mine) >= 2 * max(TRIED):
            for _ in range(DRAWS):
                drawn = rng.permutation(mine)
                scores = dataset.scores[drawn].astype(np.float64)
                cases.append((start, like, dataset.images[drawn], scores))
    if len(cases) < FEWEST * DRAWS:
        return otherwise

    def error(prior: TastePrior) -> float:
        total = 0.0
        for start, like, images, scores in cases:
            given = like.of(images)
            for k in TRIED:
                weights = mix_weights(given[:, :k], scores[:k], prior, start)
                total += float(np.var(scores[max(TRIED) :] - weights[:-1] @ given[:, max(TRIED) :]))
        return total

    return min((TastePrior(*values) for values in itertools.product(NOISES, BIASES)), key=error)


def accuracy_curve(
    model: TasteModel,
    known: KnownRatings,
    dataset: Dataset,
    features: Features,
    prior: TastePrior,
    split: str,
    seed: int = 0,
    priors: Mapping[str, TastePrior] | None = None,
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
                priors=priors,
                known=known,
            ).user_level(dataset)
            for draw in range(DRAWS)
        ]
        means = [float(np.mean(level.srocc)) for level in levels if len(level.srocc)]
        if means:
            curve[k], people = round(float(np.mean(means)), 4), max(len(level.users) for level in levels)
    return curve, people

"""Learn hierarchical linear tastes: everyone's weights, and how weights are spread over people.

    rating = w_u . [1, z] + noise,    w_u ~ N(average, spread)

The properties z are principal components of the standardised features; the spread has a few directions in
which people differ much, and is equal in all others. That shape is the gain: neither a full covariance nor
one that is equal everywhere predicts as well (measured on the sandbox). Expectation maximisation; every step
is in closed form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from reward.predictor.linear_tastes import LinearTastes
from reward.predictor.network import Standardise
from reward.training.fit import TrainingSet

STEPS = 8  # of expectation maximisation; more fit the training people better and others no better
DIRECTIONS = 20  # in which people differ much
NOISE = 0.5  # of a rating, as a share of all ratings' variance
START = 0.3  # share of the variance that tastes explain before the first step
AT_ONCE = 4096  # images whose features are copied at a time
COLUMNS = 256  # of features, likewise


def fit_linear_tastes(model: LinearTastes, data: TrainingSet, personal: bool = True) -> None:
    """Learn from all ratings, each seen half with the released text and metadata and half with the loop's.

    Without `personal`, everyone has the average taste.
    """
    blocks = {
        "image": (data.image, data.image),
        "text": (data.text, data.subject),
        "metadata": (data.metadata, data.inferred),
    }
    shown = data.images.unique()
    for name, pair in blocks.items():
        standardise(model.standardise[name], pair, shown)

    def contents(images: Tensor) -> list[np.ndarray]:
        """Both versions of some images, standardised [images, features]."""
        return [
            torch.cat(
                [_standardised(model.standardise[name], pair[i][images]) for name, pair in blocks.items()], 1
            )
            .double()
            .cpu()
            .numpy()
            for i in range(2)
        ]

    maps = _components((np.concatenate(contents(part)) for part in shown.split(AT_ONCE)), model.hidden - 1)
    sizes = [pair[0].shape[1] for pair in blocks.values()]
    for name, part in zip(blocks, np.split(maps, np.cumsum(sizes)[:-1]), strict=True):
        model.maps[name].weight.data.copy_(torch.from_numpy(part.T))
    scores = data.scores.double().cpu().numpy()
    mean, scale = scores.mean(), max(float(scores.std()), 1e-6)
    everything = torch.arange(len(data.image), device=data.image.device).split(AT_ONCE)
    mapped = [[version @ maps for version in contents(part)] for part in everything]
    grams = _grams(
        [np.insert(np.concatenate(parts), 0, 1.0, axis=1) for parts in zip(*mapped, strict=True)],
        data.images.cpu().numpy(),
        data.users.cpu().numpy(),
        (scores - mean) / scale,
        model.users.num_embeddings,
    )
    weights, average, covariance = expectation_maximisation(*grams)
    model.users.weight.data.copy_(torch.from_numpy((weights - average) * (scale if personal else 0.0)))
    model.average.copy_(torch.from_numpy(average * scale))
    model.average[0] += mean
    model.score_mean.fill_(mean)
    root = np.linalg.cholesky(covariance + 1e-12 * np.eye(len(covariance)))
    model.uncertainty.copy_(torch.from_numpy(root * scale))


def expectation_maximisation(
    squares: np.ndarray, products: np.ndarray, steps: int = STEPS, directions: int = DIRECTIONS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Everyone's weights [people, 1 + properties], their average, and their mean posterior covariance.

    squares [people, 1 + properties, 1 + properties] and products [people, 1 + properties] are A'A and A'y of
    each person's pictures A = [1, z] and ratings y, of mean 0 and variance 1 over everyone.
    """
    people, size = products.shape
    average, spread = np.zeros(size), np.eye(size) * START / max(size - 1, 1)
    spread[0, 0] = START / 3  # how generous a person is
    weights, total = products, spread
    for _ in range(steps):
        precision = np.linalg.inv(spread)
        pull, total, weights = precision @ average, np.zeros((size, size)), np.empty((people, size))
        for i in range(people):
            posterior = np.linalg.inv(squares[i] / NOISE + precision)
            weights[i] = posterior @ (products[i] / NOISE + pull)
            total += posterior
        average = weights.mean(0)
        apart = weights - average
        spread = _low_rank((total + apart.T @ apart) / people, directions)
    return weights, average, total / people


def standardise(module: Standardise, parts: Sequence[Tensor], rows: Tensor) -> None:
    """Fit it to these rows of each part [n, dim] together, but for absent ones (zeros).

    A few columns at a time: all rows at once would be copied several times over.
    """
    told = [rows[part.any(1)[rows]] for part in parts]
    if not any(map(len, told)):
        told = [rows[:1] for _ in parts]
    for start in range(0, parts[0].shape[1], COLUMNS):
        columns = slice(start, start + COLUMNS)
        module.fit(torch.cat([part[:, columns][of] for part, of in zip(parts, told, strict=True)]), columns)


def _standardised(module: nn.Module, rows: Tensor) -> Tensor:
    """What is absent is taken for average."""
    return module(rows) * rows.any(1, keepdim=True)


def _low_rank(covariance: np.ndarray, directions: int) -> np.ndarray:
    """The nearest covariance that is equal in all but some directions; the first row and column are the
    level's, which is independent of the rest."""
    values, vectors = np.linalg.eigh(covariance[1:, 1:])
    directions = min(directions, len(values) - 1)
    if directions > 0:
        values[:-directions] = values[:-directions].mean()
    spread = np.zeros_like(covariance)
    spread[0, 0] = covariance[0, 0]
    spread[1:, 1:] = (vectors * np.maximum(values, 1e-9)) @ vectors.T
    return spread


def _components(parts: Iterable[np.ndarray], count: int) -> np.ndarray:
    """A map [features, count] to the largest principal components, of unit variance together on average.

    `parts` [n, features] are the standardised rows, some at a time.
    """
    square, total = np.zeros(()), 0
    for rows in parts:
        square, total = square + rows.T @ rows, total + len(rows)
    values, vectors = np.linalg.eigh(square / total)
    vectors, values = vectors[:, ::-1][:, :count], np.maximum(values[::-1][:count], 0.0)
    scaled = vectors * (values > 1e-9 * values.max()) / np.sqrt(max(float(values.mean()), 1e-12))
    return np.pad(scaled, ((0, 0), (0, count - scaled.shape[1])))


def _grams(
    contents: list[np.ndarray], images: np.ndarray, users: np.ndarray, scores: np.ndarray, people: int
) -> tuple[np.ndarray, np.ndarray]:
    """See `expectation_maximisation`; the mean over the versions of the pictures [images, 1 + properties]."""
    size = contents[0].shape[1]
    squares, products = np.zeros((people, size, size)), np.zeros((people, size))
    order = np.argsort(users, kind="stable")
    for user, mine in zip(*_groups(users[order], order), strict=True):
        for content in contents:
            shown = content[images[mine]]
            squares[user] += shown.T @ shown / len(contents)
            products[user] += shown.T @ scores[mine] / len(contents)
    return squares, products


def _groups(users: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Each of the sorted users once, and the rows of each."""
    found, starts = np.unique(users, return_index=True)
    return found, np.split(rows, starts[1:])

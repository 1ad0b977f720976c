"""Predictions for the splits of a data set: seen users by their embedding, unseen ones by their context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from reward.data import Dataset
from reward.encoders.features import Features
from reward.evaluation.metrics import UserLevel, user_level
from reward.people.newcomer import (
    DEFAULT_PRIOR,
    Method,
    OtherKinds,
    TastePrior,
    check_method,
    mix_start,
    others_of,
    own_weights,
    ridge_residual,
)
from reward.people.person import NEIGHBOURS, TEMPERATURE, interpolate_user, preference_profile
from reward.predictor.network import TOKENS, TasteModel

CONTEXT = 15  # rated images of an unseen user (section 4)


@dataclass(frozen=True)
class Predictions:
    """Predicted ratings of some rows of a data set."""

    rows: np.ndarray  # [n] indices of the data set's ratings
    scores: np.ndarray  # [n] on the 1-5 scale
    without_rows: int = 0  # people of the split of whom no row was left to predict

    def user_level(self, dataset: Dataset) -> UserLevel:
        """Metrics within each user's rows."""
        level = user_level(dataset.users[self.rows], dataset.scores[self.rows], self.scores)
        return replace(level, left_out=level.left_out + self.without_rows)


def predict(
    model: TasteModel,
    features: Features,
    images: np.ndarray,
    users: np.ndarray | None = None,
    demographics: np.ndarray | None = None,
    as_in_loop: bool = False,
    batch_size: int = 4096,
) -> np.ndarray:
    """Ratings [n] of image rows `images` [n] by user embeddings [n, hidden].

    `demographics` [n, profile_dim] are the users' sentences; without both it is the population's rating. A
    row of zeros is an absent token, whichever token it is. `as_in_loop` takes the bare subject as text and
    metadata inferred from the image, not the released ones.
    """
    batches = _batches(model, features, images, users, demographics, as_in_loop, batch_size)
    with torch.inference_mode():
        scores = [model(**tokens, present=present).cpu().numpy() for tokens, present in batches]
    return np.concatenate(scores) if scores else np.zeros(0, np.float32)


def variances(
    model: TasteModel,
    features: Features,
    images: np.ndarray,
    users: np.ndarray | None = None,
    demographics: np.ndarray | None = None,
    batch_size: int = 4096,
) -> np.ndarray:
    """How uncertain the ratings are that `predict` gives known people [n], see `TasteModel.variance`."""
    batches = _batches(model, features, images, users, demographics, False, batch_size)
    with torch.inference_mode():
        found = [
            model.variance(model.project(**tokens), present).cpu().numpy() for tokens, present in batches
        ]
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def _batches(
    model: TasteModel,
    features: Features,
    images: np.ndarray,
    users: np.ndarray | None,
    demographics: np.ndarray | None,
    as_in_loop: bool,
    batch_size: int,
) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
    """Tokens by name [batch, …] and which of them are present, bool [batch, 5]."""
    device = model.score_mean.device
    text = features.subject if as_in_loop else features.text
    metadata = features.inferred if as_in_loop else features.metadata
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        tokens = {"image": features.pictures[images[part]], "text": text[images[part]]}
        tokens["metadata"] = metadata[images[part]]
        if demographics is not None:
            tokens["demographics"] = demographics[part]
        if users is not None:
            tokens["user"] = users[part]
        tensors = {name: torch.from_numpy(array).to(device) for name, array in tokens.items()}
        present = torch.ones(len(tensors["image"]), 5, dtype=torch.bool, device=device)
        for name, tensor in tensors.items():
            present[:, TOKENS.index(name)] = tensor.any(1)
        yield tensors, present


def seen_users(
    model: TasteModel,
    table: np.ndarray,
    dataset: Dataset,
    features: Features,
    split: str,
    population: bool = False,
    as_in_loop: bool = False,
) -> Predictions:
    """Predictions for a split of people in the user table, or of the population for the same rows.

    `table` [table rows] holds the data set's user of each row of the model's user table, -1 for those whom
    the data do not have. Ratings of others are left out.
    """
    place = np.full(len(dataset.user_ids), -1)
    place[table[table >= 0]] = np.flatnonzero(table >= 0)
    rows = dataset.rows(split)
    rows = rows[place[dataset.users[rows]] >= 0]
    users, demographics = None, None
    if not population:
        users = model.users.weight.detach().cpu().numpy()[place[dataset.users[rows]]]
        demographics = features.demographics[dataset.users[rows], 0]
    return Predictions(
        rows, predict(model, features, dataset.images[rows], users, demographics, as_in_loop=as_in_loop)
    )


def unseen_users(
    model: TasteModel,
    profiles: np.ndarray,
    dataset: Dataset,
    features: Features,
    split: str,
    seed: int,
    context: int = CONTEXT,
    neighbours: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    reserved: int = 0,
    *,
    method: Method = "knn",
    prior: TastePrior = DEFAULT_PRIOR,
    priors: Mapping[str, TastePrior] | None = None,
    known: KnownRatings | None = None,
) -> Predictions:
    """Predictions for people outside the user table, from `context` of their rated images.

    Contexts are the first of one permutation of a person's rows, so a larger one holds the smaller, and are
    not predicted, nor are the first `reserved`: contexts of several sizes are compared on the same rows.
    People without rows beyond that are left out. `method` is the paper's equation 1 ("knn", with
    `neighbours`, `temperature` and `profiles` [table rows, image_dim]) or another of
    `reward.people.newcomer`; "mix" reads `prior` (`priors`: that of a data set, by its name) and `known`, the
    known people's ratings of the split's images. Raises BadContext.
    """
    check_method(method)
    drawn, without = draw_contexts(dataset, split, seed, context, reserved)
    people = [user for user, _, _ in drawn]
    contexts, rest = [rated for _, rated, _ in drawn], [rows for _, _, rows in drawn]
    if not people:
        return Predictions(np.zeros(0, np.int64), np.zeros(0, np.float32), without)
    chosen = np.concatenate(rest)
    if method == "knn":
        table = model.users.weight.detach().cpu().numpy()
        users = [
            np.repeat(_nearest(rated, profiles, table, dataset, features, neighbours, temperature), len(r), 0)
            for rated, r in zip(contexts, rest, strict=True)
        ]
        demographics = features.demographics[dataset.users[chosen], 0]
        scores = predict(model, features, dataset.images[chosen], np.concatenate(users), demographics)
    elif method == "mix":
        if known is None:
            raise ValueError("the method mix needs `known`: see `known_ratings`")
        own = priors or {}
        mixed = [
            known.mixed(
                dataset, features, user, rated, dataset.images[r], own.get(dataset.source(user), prior)
            )
            for user, rated, r in zip(people, contexts, rest, strict=True)
        ]
        scores = np.concatenate(mixed)
    else:
        scores = _ridge(model, dataset, features, contexts, rest)
    return Predictions(chosen, scores, without)


def draw_contexts(
    dataset: Dataset, split: str, seed: int, context: int = CONTEXT, reserved: int = 0
) -> tuple[list[tuple[int, np.ndarray, np.ndarray]], int]:
    """(user, context rows, rows to judge) of each person of a split, and how many have none to judge."""
    rng = np.random.default_rng(seed)
    rows = dataset.rows(split)
    drawn, without = [], 0
    for user in np.unique(dataset.users[rows]):
        mine = rng.permutation(rows[dataset.users[rows] == user])
        beyond = mine[max(context, reserved) :]
        if len(beyond):
            drawn.append((int(user), mine[:context], beyond))
        else:
            without += 1
    return drawn, without


def _nearest(
    rated: np.ndarray,
    profiles: np.ndarray,
    table: np.ndarray,
    dataset: Dataset,
    features: Features,
    neighbours: int,
    temperature: float,
) -> np.ndarray:
    """User embedding [1, hidden] by equation 1 from the ratings `rated`."""
    profile = preference_profile(features.image[dataset.images[rated]], dataset.scores[rated])
    return interpolate_user(profile, profiles, table, neighbours, temperature)[None]


def _ridge(
    model: TasteModel,
    dataset: Dataset,
    features: Features,
    contexts: list[np.ndarray],
    rest: list[np.ndarray],
) -> np.ndarray:
    """Ratings of the images of all of `rest`: the population's, and each person's ridge over it."""
    mean, scale = model.image[0].arrays()
    shown = np.unique(dataset.images[np.concatenate([*contexts, *rest])])
    population = np.zeros(len(features.image), np.float32)
    population[shown] = predict(model, features, shown)
    pictures = features.pictures
    scores = []
    for rated, beyond in zip(contexts, rest, strict=True):
        images, others = dataset.images[rated], dataset.images[beyond]
        missed = dataset.scores[rated] - population[images]
        added = ridge_residual(pictures[images], missed, mean, scale)
        scores.append(population[others] + pictures[others] @ added[:-1] + added[-1])
    return np.concatenate(scores).astype(np.float32)


@dataclass(frozen=True, eq=False)
class KnownRatings:
    """What the known people would give to images: they are what new people are mixed of."""

    ratings: np.ndarray  # [known people, asked]
    images: np.ndarray  # [asked] image rows, in their order
    demographics: np.ndarray  # [known people, profile_dim] of their sentences
    others: OtherKinds | None = None  # people of other kinds, where new people may be of one
    parts: Mapping[str, KnownRatings] = field(default_factory=dict)  # of each data set, if there are several

    def of(self, images: np.ndarray) -> np.ndarray:
        """Of image rows `images` [n]: [known people, n]. Raises ValueError for one that nobody asked for."""
        place = np.searchsorted(self.images, images)
        if len(images) and (place.max() >= len(self.images) or (self.images[place] != images).any()):
            raise ValueError("these are not the images that `known_ratings` was asked for")
        return self.ratings[:, place]

    def like(self, dataset: Dataset, user: int) -> KnownRatings:
        """Whom a data set's user is expected to be like: the known people of that data set, else everybody.

        Data sets differ in their pictures, scales and people, so a person of one says little of what someone
        of another will rate.
        """
        return self.parts.get(dataset.source(user), self)

    def mixed(
        self,
        dataset: Dataset,
        features: Features,
        user: int,
        rated: np.ndarray,
        images: np.ndarray,
        prior: TastePrior,
    ) -> np.ndarray:
        """Ratings [n] of image rows `images` [n] by a data set's user, from the ratings `rated` [k]."""
        like = self.like(dataset, user)
        start = mix_start(like.demographics, features.demographics[user, 0])
        given = dataset.scores[rated].astype(np.float64)
        weights, _ = own_weights(like.of(dataset.images[rated]), given, prior, start, like.others)
        return (weights[:-1] @ like.of(images) + weights[-1]).astype(np.float32)


def known_ratings(
    model: TasteModel,
    demographics: np.ndarray,
    features: Features,
    images: np.ndarray,
    sample: np.ndarray | None = None,
    sources: np.ndarray | None = None,
) -> KnownRatings:
    """The known people's ratings of image rows `images`.

    demographics [table rows, profile_dim] are of the same people, zeros where nothing is known. With a
    sample, their ratings of some training pictures [table rows, sample], new people may be of another kind.
    `sources` [table rows] name their data sets: someone new is expected to be like those of their own.
    """
    wanted = np.unique(images)
    ratings = _of_everyone(model, demographics, features, wanted)
    names, counts = np.unique([] if sources is None else sources, return_counts=True)
    parts = {}
    for name in names[counts > 1] if len(names) > 1 else ():
        rows = sources == name
        others = others_of(None if sample is None else sample[rows])
        parts[str(name)] = KnownRatings(ratings[rows], wanted, demographics[rows], others)
    return KnownRatings(ratings, wanted, demographics, others_of(sample), parts)


def _of_everyone(
    model: TasteModel,
    demographics: np.ndarray,
    features: Features,
    images: np.ndarray,
    batch_size: int = 4096,
) -> np.ndarray:
    """Ratings [table rows, n] of image rows [n]; nothing is projected twice."""
    device = model.score_mean.device
    ratings = np.zeros((len(demographics), len(images)))
    described = torch.from_numpy(np.ascontiguousarray(demographics)).to(device)
    pictures = features.pictures
    for start in range(0, len(images), batch_size):
        part = images[start : start + batch_size]
        told = {"image": pictures[part], "text": features.text[part], "metadata": features.metadata[part]}
        lacking = np.stack([~told[name].any(1) for name in ("text", "metadata")], 1)
        for absent in np.unique(lacking, axis=0):  # images that lack a token share no batch with others
            rows = np.flatnonzero((lacking == absent).all(1))
            given = ["image", *(n for n, gone in zip(("text", "metadata"), absent, strict=True) if not gone)]
            with torch.inference_mode():
                tokens = model.project(**{n: torch.from_numpy(told[n][rows]).to(device) for n in given})
                ratings[:, start + rows] = model.known(tokens, described).cpu().numpy()
    return ratings


def profiles_of(dataset: Dataset, features: Features, rows: np.ndarray, table: np.ndarray) -> np.ndarray:
    """p_u of section 3.2 for each row of the user table, over these ratings: [table rows, image_dim]."""
    profiles = []
    for user in table:
        mine = rows[dataset.users[rows] == user]
        profiles.append(preference_profile(features.image[dataset.images[mine]], dataset.scores[mine]))
    return np.stack(profiles)

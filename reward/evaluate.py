"""Predictions for the splits of a data set: seen users by their embedding, unseen ones by equation 1."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from .data import Dataset
from .features import Features
from .metrics import UserLevel, user_level
from .pamela import TOKENS, Pamela
from .people import NEIGHBOURS, TEMPERATURE, interpolate_user, preference_profile

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
    model: Pamela,
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
    device = model.score_mean.device
    text = features.subject if as_in_loop else features.text
    metadata = features.inferred if as_in_loop else features.metadata
    scores = []
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        tokens = {"image": features.image[images[part]], "text": text[images[part]]}
        tokens["metadata"] = metadata[images[part]]
        if demographics is not None:
            tokens["demographics"] = demographics[part]
        if users is not None:
            tokens["user"] = users[part]
        tensors = {name: torch.from_numpy(array).to(device) for name, array in tokens.items()}
        present = torch.ones(len(tensors["image"]), 5, dtype=torch.bool, device=device)
        for name, tensor in tensors.items():
            present[:, TOKENS.index(name)] = tensor.any(1)
        with torch.inference_mode():
            scores.append(model(**tensors, present=present).cpu().numpy())
    return np.concatenate(scores) if scores else np.zeros(0, np.float32)


def seen_users(
    model: Pamela,
    table: np.ndarray,
    dataset: Dataset,
    features: Features,
    split: str,
    population: bool = False,
    as_in_loop: bool = False,
) -> Predictions:
    """Predictions for a split of people in the user table, or of the population for the same rows.

    `table` [table rows] holds the data set's user of each row of the model's user table.
    """
    place = np.full(len(dataset.user_ids), -1)
    place[table] = np.arange(len(table))
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
    model: Pamela,
    profiles: np.ndarray,
    dataset: Dataset,
    features: Features,
    split: str,
    seed: int,
    context: int = CONTEXT,
    neighbours: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    reserved: int = 0,
) -> Predictions:
    """Predictions for people outside the user table, from `context` of their rated images (equation 1).

    Contexts are the first of one permutation of a person's rows, so a larger one holds the smaller, and are
    not predicted, nor are the first `reserved`: contexts of several sizes are compared on the same rows.
    People without rows beyond that are left out. `profiles` [table rows, image_dim].
    """
    rng = np.random.default_rng(seed)
    table = model.users.weight.detach().cpu().numpy()
    rows = dataset.rows(split)
    kept, users, without = [], [], 0
    for user in np.unique(dataset.users[rows]):
        mine = rng.permutation(rows[dataset.users[rows] == user])
        rated, rest = mine[:context], mine[max(context, reserved) :]
        if not len(rest):
            without += 1
            continue
        profile = preference_profile(features.image[dataset.images[rated]], dataset.scores[rated])
        embedding = interpolate_user(profile, profiles, table, neighbours, temperature)
        kept.append(rest)
        users.append(np.repeat(embedding[None], len(rest), axis=0))
    if not kept:
        return Predictions(np.zeros(0, np.int64), np.zeros(0, np.float32), without)
    chosen = np.concatenate(kept)
    demographics = features.demographics[dataset.users[chosen], 0]
    scores = predict(model, features, dataset.images[chosen], np.concatenate(users), demographics)
    return Predictions(chosen, scores, without)


def profiles_of(dataset: Dataset, features: Features, rows: np.ndarray, table: np.ndarray) -> np.ndarray:
    """p_u of section 3.2 for each row of the user table, over these ratings: [table rows, image_dim]."""
    profiles = []
    for user in table:
        mine = rows[dataset.users[rows] == user]
        profiles.append(preference_profile(features.image[dataset.images[mine]], dataset.scores[mine]))
    return np.stack(profiles)

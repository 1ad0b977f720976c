"""Twelve made-up people with opinions about colours: what a rating session needs of a predictor, at once."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from reward.people.known import Calibration, Errors
from reward.people.newcomer import mix_weights
from reward.people.person import KnownPerson, Person, checked_ratings, find_known, make_person
from reward.people.taste import likings

DIM = 6


class Panel:
    """Likes are weights over the mean colours of a picture's halves."""

    name = "panel"
    world = "panel:1"
    identity = "panel"
    simulated = True

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.people = tuple(
            KnownPerson(
                str(i + 1),
                {"age": 20 + 3 * i, "gender": ("female", "male")[i % 2], "nationality": "Ghana"},
                20,
            )
            for i in range(12)
        )
        self._tastes = rng.normal(0, 1.5, (len(self.people), DIM))
        sample = _unit(rng.normal(0, 1, (40, DIM)))
        self.calibration = Calibration(
            accuracy={0: 0.2, 5: 0.31, 10: 0.38, 15: 0.42, 25: 0.45},
            measured_on=16,
            image=sample,
            errors=Errors(np.full(12, 0.5, np.float32), 1.0, {0: 0.8, 25: 0.6}, 0.8),
        )
        self.sample_ratings = self._rate(sample)
        self.encoder = SimpleNamespace(texts=lambda texts: _unit(np.array([_meaning(one) for one in texts])))

    def person(self, user: str) -> Person:
        row = find_known(self.people, user)
        mix = np.eye(len(self.people) + 1)[row]
        return make_person("known", self.people[row].id, "panel", None, None, mix=mix)

    def likings(self, person: Person, phrases: Sequence[str]) -> np.ndarray:
        assert person.mix is not None
        ratings = person.mix[:-1] @ self.sample_ratings + person.mix[-1]
        return likings(self.calibration.image @ self.encoder.texts(phrases).T, ratings, self.sample_ratings)

    def image_features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Unit-length mean colours of the upper and the lower half [n, 6]."""
        halves = [np.asarray(image.resize((1, 2), Image.Resampling.BOX), float).ravel() for image in images]
        return _unit(np.array(halves).reshape(-1, DIM) - 127.5)

    def known_ratings(self, images: Sequence[Image.Image], prompts: Any = None) -> np.ndarray:
        return self._rate(self.image_features(images))

    def mixed(
        self, known: np.ndarray, ratings: Sequence[float], demographics: Mapping[str, Any] | None, name: str
    ) -> Person:
        given = checked_ratings(ratings, known.shape[1])
        note = "" if len(given) and np.ptp(given) else "the ratings say nothing about taste"
        mix = mix_weights(known[:, : 0 if note else None], given[: 0 if note else None])
        return make_person("new", name, "profile", None, None, mix=mix, ratings=len(given), note=note)

    def _rate(self, features: np.ndarray) -> np.ndarray:
        return 3 + self._tastes @ features.T


def _meaning(text: str) -> np.ndarray:
    """Where a text lies; random, and always the same."""
    return np.random.default_rng(zlib.crc32(text.encode())).normal(0, 1, DIM)


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))

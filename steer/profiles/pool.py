"""Pictures made ready to be rated: read, encoded, and rated as the known people would, ahead of time."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reward.predictor.domain import in_domain
from steer.errors import ProfileError
from steer.profiles.pictures import MEDIA_TYPES, PictureFile, read_picture
from steer.profiles.snapshot import ProfileState, Rating
from steer.profiles.sources import PictureSource

if TYPE_CHECKING:
    from reward.predictor.predictor import Predictor

MOST = 400  # pictures to choose among; more hardly teach more (see benchmarks/RESULTS.md)
RECALLED = 200  # ratings of earlier sessions that a choice takes into account; the last ones


@dataclass(frozen=True)
class Item:
    """A picture to rate."""

    id: str  # SHA-256 of the file's content
    path: Path
    media_type: str  # "image/png"
    prompt: str  # the text that it was made from; "" if unknown
    source: str
    in_domain: bool | None  # like the pictures that the predictor was trained on; None where nobody knows
    practice: bool = False  # a trial to get used to the slider: its rating is not kept


@dataclass(frozen=True, eq=False)
class Ready:
    """An item with what the known people would give it."""

    item: Item
    known: np.ndarray  # [known people]


class Pool:
    """Fills itself from a source in a thread of its own, until it is closed."""

    def __init__(self, source: PictureSource, scorer: Predictor, state: ProfileState) -> None:
        self.unreadable = 0  # files that are no pictures
        self.failure: Exception | None = None  # what ended the source, if it did not just end
        self.exhausted = False
        self._scorer = scorer
        self._asking = threading.Lock()  # a predictor is not made for several threads
        self._items: dict[str, Ready] = {}  # by id
        self._changed = threading.Condition()
        self._closed = False
        self._most = MOST  # and as many as were recalled or rated
        self._thread = threading.Thread(
            target=self._fill, args=(source, state), name="steer-pool", daemon=True
        )
        self._thread.start()

    def wait(self, count: int, seconds: float, without: Collection[str] = ()) -> bool:
        """Whether `count` pictures besides those `without` got ready in time, or all that there will be."""

        def enough() -> bool:
            return self.exhausted or sum(id not in without for id in self._items) >= count

        with self._changed:
            return self._changed.wait_for(enough, seconds)

    @property
    def ready(self) -> list[Ready]:
        """In the order in which they got ready."""
        with self._changed:
            return list(self._items.values())

    def get(self, id: str) -> Ready | None:
        with self._changed:
            return self._items.get(id)

    def make_room(self, count: int = 1) -> None:
        """So many pictures were used up: as many more may be made ready."""
        with self._changed:
            self._most += count
            self._changed.notify_all()

    def ask(self, pictures: Sequence[PictureFile], prompts: Sequence[str]) -> np.ndarray:
        """What the known people would give these pictures [known people, n]."""
        with self._asking:
            return np.asarray(
                self._scorer.known_ratings([picture.image for picture in pictures], list(prompts))
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The predictor, for nobody else meanwhile."""
        with self._asking:
            yield

    def close(self) -> None:
        """Stop filling, after the picture that is being made; what is ready stays."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _fill(self, source: PictureSource, state: ProfileState) -> None:
        try:
            self._recall(state)
            for offered in source.pictures():
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or len(self._items) < self._most)
                if self._closed:
                    break
                try:
                    picture = read_picture(offered.path)
                except ProfileError:
                    self.unreadable += 1
                    continue
                self._add(picture, offered.path, offered.prompt, offered.source, offered.world)
                with self._asking:
                    _ = self._scorer.sample_ratings  # computed once: not while somebody waits for a choice
        except Exception as error:  # noqa: BLE001 - it is raised to whoever waits for the pictures
            self.failure = error
        finally:
            with self._changed:
                self.exhausted = True
                self._changed.notify_all()

    def _recall(self, state: ProfileState) -> None:
        """What was rated last in earlier sessions."""
        for rating in state.ratings[-RECALLED:]:
            if self._closed:
                return
            self.recall(state, rating)
            self.make_room()

    def recall(self, state: ProfileState, rating: Rating) -> Ready:
        """Make a picture ready that was rated before."""
        path = state.path(rating)
        return self._add(read_picture(path), path, rating.prompt, rating.source, rating.source)

    def _add(self, picture: PictureFile, path: Path, prompt: str, source: str, world: str) -> Ready:
        before = self.get(picture.sha256)
        if before is not None:
            return before
        known = self.ask([picture], [prompt])[:, 0]
        near = self._like_training(picture, world)
        item = Item(picture.sha256, path, MEDIA_TYPES[picture.ending], prompt, source, near)
        with self._changed:
            added = self._items.setdefault(picture.sha256, Ready(item, known))
            self._changed.notify_all()
            return added

    def _like_training(self, picture: PictureFile, world: str) -> bool | None:
        """By where it is from, if that settles it, else by its embedding; None where nobody can say."""
        if world and world in self._scorer.world.partition(":")[0].split("+"):
            return True
        if self._scorer.simulated:
            return False  # a painted world holds no other pictures; its encoder cannot tell, see `in_domain`
        sample = self._scorer.calibration.image
        if sample is None:
            return None
        with self._asking:
            return bool(in_domain(self._scorer.image_features([picture.image]), sample)[0])

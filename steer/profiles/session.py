"""Rating pictures one at a time: what is shown next, what was said of it, what was learnt."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reward.checked import read_json
from reward.errors import RewardError
from reward.files import write_whole
from reward.people.active import most_telling
from steer.errors import NotReady, ProfileError, SteerError
from steer.profiles.learnt import Learnt, learn, rated_ids
from steer.profiles.pictures import PictureFile, ending_of, read_bytes, read_picture
from steer.profiles.pool import RECALLED, Item, Pool, Ready
from steer.profiles.ratings_on_disk import Profile
from steer.profiles.snapshot import Rating, predictor_of
from steer.profiles.sources import PictureSource
from steer.profiles.taste import ReadableTaste, profile_taste

if TYPE_CHECKING:
    from steer.parts import Scorer

__all__ = ["Item", "Learnt", "RatingProgress", "RatingSession"]

PRACTICE = 3  # trials before the first rating of a profile
EVERY = 5  # one picture in so many is drawn at random, and checks what the others predict of it
SHOWN = "shown.json"  # in the profile's folder
FIRST = 12  # pictures among which the first choice is made; there are more by the next


@dataclass(frozen=True)
class RatingProgress:
    """How far the rating has come."""

    ratings: int  # that count, of this and earlier sessions
    held_out: int  # of these, drawn at random
    practice_left: int
    ready: int  # pictures that can be shown
    unreadable: int  # files of the source that are no pictures
    source: str


class RatingSession:
    """A person at a page: pictures from a source, ratings into a profile. Safe to call from several threads.

    Pictures are read, encoded and made ready in a thread of their own; `next` chooses among those that are.
    The one that is shown stays until it is rated or skipped, whoever asks. Use as a context manager.
    """

    def __init__(
        self,
        profile: Profile,
        scorer: Scorer,
        source: PictureSource,
        practice: int = PRACTICE,
        seed: int | None = None,
    ) -> None:
        """`scorer` is a predictor that knows people. Raises `UsageError` for any other."""
        self._scorer = predictor_of(scorer)
        self.profile = profile
        self._source = source.name
        self._pool = Pool(source, self._scorer, profile.state)
        self._lock = threading.RLock()
        self._practice_left = 0 if profile.ratings else practice
        self._done: set[str] = set()  # skipped, or shown for practice
        self._shown: Item | None = None
        self._chosen = False  # whether a choice was made before
        self._held_out = False  # whether the picture that is shown was drawn at random
        self._features: dict[str, np.ndarray] = {}  # of rated pictures, once somebody asked for the taste
        self._recall_shown()
        self._rng = np.random.default_rng(seed)

    def next(self, wait: float = 60.0) -> Item | None:
        """The picture to rate now, waiting for the first ones; None if the source has no more.

        Raises what the source raised, `NotReady` if nothing gets ready in `wait` seconds.
        """
        with self._lock:
            if self._shown is not None:
                return self._shown
            gone = self._done | rated_ids(self.profile.ratings)
            first = not self._practice_left and not self._chosen
        self._pool.wait(FIRST if first else 1, wait, without=gone)
        with self._lock:
            if self._shown is None:
                self._shown = self._choose()
                self._keep_shown()
            return self._shown

    def rate(self, id: str, value: float) -> Rating | None:
        """Keep a rating, on disk when this returns; None for a practice trial. Raises `ProfileError`.

        A picture that was rated before gets the new rating.
        """
        with self._lock:
            shown = self._shown if self._shown is not None and self._shown.id == id else None
            if shown is not None and shown.practice:
                if not 1 <= value <= 5:
                    raise ProfileError(f"{value!r} is no rating: give a number from 1 (bad) to 5 (excellent)")
                self._practice_left -= 1
                self._done.add(id)
                self._shown = None
                self._pool.make_room()
                return None
            item = self._item(id)
            before = next((r for r in self.profile.ratings if r.picture.startswith(id)), None)
            held_out = self._held_out if shown is not None else before is not None and before.held_out
            data = read_bytes(item.path)
            if hashlib.sha256(data).hexdigest() != id:
                raise ProfileError(f"{item.path} has changed since it was shown: load the page again")
            picture = PictureFile(data, id, ending_of(item.media_type))  # decoded once, when it got ready
            self.profile.rate(picture, value, prompt=item.prompt, source=item.source, held_out=held_out)
            if shown is not None:
                self._shown = None
                self._pool.make_room()
            return self.profile.ratings[-1]

    def skip(self, id: str) -> None:
        """Do not ask for this picture again in this session."""
        with self._lock:
            self._done.add(self._item(id).id)
            self._pool.make_room()
            if self._shown is not None and self._shown.id == id:
                self._shown = None

    def undo(self) -> Item | None:
        """Take the last rating back and show its picture again; None if there is none."""
        with self._lock:
            last = self.profile.undo()
            if last is None:
                return None
            self._shown = self._item(last.picture.partition(".")[0])
            self._held_out = last.held_out
            self._keep_shown()
            return self._shown

    def picture(self, id: str) -> Path:
        """File of a picture that was offered or rated. Raises `ProfileError` for any other id."""
        return self._item(id).path

    @property
    def progress(self) -> RatingProgress:
        ratings = self.profile.ratings
        return RatingProgress(
            len(ratings),
            sum(rating.held_out for rating in ratings),
            self._practice_left,
            len(self._pool.ready),
            self._pool.unreadable,
            self._source,
        )

    def learnt(self) -> Learnt:
        """What the ratings say by now."""
        state, ready = self.profile.state, self._pool.ready
        seen = [(one.item.id, one.item.prompt, one.known) for one in ready]
        return learn(state, self._known(state.ratings, ready), self._scorer, seen)

    def taste(self) -> ReadableTaste:
        """What the ratings say of looks by now, and what the person says of that."""
        state = self.profile.state
        known = self._known(state.ratings, self._pool.ready)
        with self._pool.alone():
            for rating in state.ratings:
                if rating.picture not in self._features:
                    image = read_picture(state.path(rating)).image
                    self._features[rating.picture] = self._scorer.image_features([image])[0]
            features = [self._features[rating.picture] for rating in state.ratings]
            return profile_taste(state, self._scorer, known, np.array(features))

    def close(self) -> None:
        """Stop making pictures ready; what was rated is kept."""
        self._pool.close()

    def __enter__(self) -> RatingSession:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _choose(self) -> Item | None:
        ready = self._pool.ready
        gone = self._done | rated_ids(self.profile.ratings)
        fresh = [one for one in ready if one.item.id not in gone]
        if not fresh:
            failure = self._pool.failure
            if isinstance(failure, SteerError | RewardError):
                raise failure
            if failure is not None:
                kind = type(failure).__name__
                raise ProfileError(
                    f"no more pictures ({kind}: {failure}); name others: --images"
                ) from failure
            if not self._pool.exhausted:
                raise NotReady("no picture got ready in time: try again in a moment")
            return None
        if self._practice_left:
            return replace(self._random(fresh).item, practice=True)
        self._chosen = True
        number = len(self.profile.ratings)
        self._held_out = number % EVERY == EVERY - 1
        if self._held_out:
            return self._random(fresh).item
        candidates = np.stack([one.known for one in fresh], 1)
        targets = self._scorer.sample_ratings
        if targets is None:
            targets = np.stack([one.known for one in ready], 1)
        known = self._known(self.profile.ratings[-RECALLED:], ready)
        best = most_telling(candidates, known, targets, 1, self._scorer.calibration.prior)
        return fresh[best[0]].item

    def _random(self, fresh: list[Ready]) -> Ready:
        return fresh[int(self._rng.integers(len(fresh)))]

    def _known(self, ratings: tuple[Rating, ...], ready: list[Ready]) -> np.ndarray:
        """What the known people would give the rated pictures [known people, ratings]."""
        columns = {one.item.id: one.known for one in ready}
        found = [np.zeros((len(self._scorer.people), 0))]
        for rating in ratings:
            id = rating.picture.partition(".")[0]
            if id not in columns:  # rated elsewhere meanwhile, in a gallery, say
                columns[id] = self._pool.recall(self.profile.state, rating).known
            found.append(columns[id][:, None])
        return np.concatenate(found, 1)

    def _keep_shown(self) -> None:
        """Write down what is shown: after a crash the page still shows it, and its rating is to be taken."""
        state = {
            "item": None if self._shown is None else {**asdict(self._shown), "path": str(self._shown.path)},
            "held_out": self._held_out,
            "practice_left": self._practice_left,
        }
        with contextlib.suppress(OSError):  # a comfort: on a full disk another picture is shown after a crash
            write_whole(self.profile.folder / SHOWN, json.dumps(state).encode(), private=True)

    def _recall_shown(self) -> None:
        try:
            state = read_json(self.profile.folder / SHOWN)
            item = Item(**{**state["item"], "path": Path(state["item"]["path"])})
            whole = hashlib.sha256(read_bytes(item.path)).hexdigest() == item.id
            held_out, practice_left = bool(state["held_out"]), int(state["practice_left"])
        except (OSError, ValueError, KeyError, TypeError, ProfileError):
            return  # nothing was shown, or the picture is gone
        if not whole or item.id in rated_ids(self.profile.ratings):
            return
        if item.practice and not self._practice_left:
            return
        self._practice_left = min(practice_left, self._practice_left) if item.practice else 0
        self._shown, self._held_out, self._chosen = item, held_out, not item.practice

    def _item(self, id: str) -> Item:
        if self._shown is not None and self._shown.id == id:
            return self._shown
        ready = self._pool.get(id)
        if ready is None:
            raise ProfileError("this picture is not one of this session: load the page again")
        return ready.item

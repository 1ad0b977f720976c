"""How much has been learnt of someone from their ratings; what they like is in `steer.profiles.taste`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reward.people.active import known_share
from reward.people.known import Z80
from steer.profiles.snapshot import ProfileState, Rating, fitted, only_likes

if TYPE_CHECKING:
    from reward.people.known import Calibration
    from reward.people.person import Person
    from reward.predictor.predictor import Predictor

FEWEST = 10  # held-out ratings for a check of someone's own
SHOWN = 5  # similar people; pictures liked most and least
STEP = 5  # ratings: what the next few would bring
ENOUGH = 0.005  # rise of the rank correlation by the next STEP ratings, below which they hardly help
RESAMPLES = 1000
NOT_MEASURED = (
    "how near predictions of such a taste come was measured on nobody: your own check, on pictures drawn at "
    "random, is what tells it"
)


@dataclass(frozen=True)
class Similar:
    """A known person whose own part of the taste is like this one's."""

    id: str
    agreement: float  # correlation, -1 to 1, of what is left of both after everyone's average
    demographics: dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A picture that could be rated, and what is predicted for it."""

    id: str  # as in `session.Item`
    prompt: str
    predicted: float  # on the 1-5 scale, raw
    own: float  # how far above everyone's average


@dataclass(frozen=True)
class Learnt:
    """What the ratings so far say. Everything is predicted, by a model that is often wrong."""

    ratings: int
    held_out: int  # of these, drawn at random
    simulated: bool  # the known people are the sandbox's
    note: str = ""  # what was done where the ratings say nothing, or contradict the predictor
    expected: float | None = None  # rank correlation with ratings to come, of people who rated as many
    curve: tuple[tuple[int, float], ...] = ()  # the same after other numbers of ratings; measured
    measured_on: int = 0  # on so many people
    own: float | None = None  # rank correlation on the person's own held-out ratings; None below FEWEST
    own_ci95: tuple[float, float] | None = None  # bootstrap over those ratings
    known: float = 0.0  # share of the own taste that these ratings are expected to tell, 0 to 1
    gain: float | None = None  # expected rise of `expected` by the next STEP ratings
    enough: bool = False  # more ratings hardly help
    similar: tuple[Similar, ...] = ()  # most similar first
    liked: tuple[Seen, ...] = ()  # pictures, highest own part first
    disliked: tuple[Seen, ...] = ()
    within: float | None = None  # rating points: so near to a prediction are 4 of 5 ratings to come; measured
    contradicted: bool = False  # the ratings contradict what is known of people; then nothing was measured


def learn(
    state: ProfileState,
    known: np.ndarray,
    scorer: Predictor,
    seen: Sequence[tuple[str, str, np.ndarray]] = (),
) -> Learnt:
    """What the ratings of a state say, by a predictor that knows people.

    known [known people, ratings] is what they would give the rated pictures, see `state.known_ratings`;
    `seen` are pictures to predict: id, prompt, and what the known people would give it [known people].
    """
    ratings = state.ratings
    count = len(ratings)
    values = np.array([rating.rating for rating in ratings])
    demographics = state.demographics.known()
    person = fitted(scorer, known, state, ratings)
    calibration = scorer.calibration
    held_out = np.array([rating.held_out for rating in ratings], bool)
    about: dict[str, Any] = {
        "ratings": count,
        "held_out": int(held_out.sum()),
        "simulated": bool(scorer.simulated),
        "note": person.note,
    }
    likes_alone = only_likes(ratings)
    # What was measured of other people's ratings holds neither for likes alone nor for another kind of taste.
    contradicted = about["contradicted"] = not likes_alone and person.contradicts
    like_those_measured = not likes_alone and not contradicted
    if like_those_measured:
        about |= {
            "expected": calibration.expected_accuracy(count),
            "curve": tuple(calibration.accuracy.items()),
            "measured_on": calibration.measured_on,
            "within": None if calibration.errors is None else Z80 * calibration.errors.of_new(count),
        }
    if about["held_out"] >= FEWEST and not likes_alone:
        rest = scorer.mixed(known[:, ~held_out], values[~held_out], demographics, state.name)
        predicted = _mix(rest)[:-1] @ known[:, held_out]
        about["own"], about["own_ci95"] = _check(values[held_out], predicted)
    sample = scorer.sample_ratings
    if sample is not None and like_those_measured:
        about |= _prospect(known, sample, calibration)
    if not (count and np.ptp(values)) and not likes_alone:  # the ratings say nothing
        return Learnt(**about)
    mix = _mix(person)
    if sample is not None:
        own = mix[:-1] @ sample - sample.mean(0)
        about["similar"] = _similar(own, sample, scorer)
    pictures = []
    for id, prompt, would in seen:
        rating = float(mix[:-1] @ would + mix[-1])
        pictures.append(Seen(id, prompt, rating, float(mix[:-1] @ would - would.mean())))
    pictures.sort(key=lambda one: -one.own)
    about["liked"] = tuple(one for one in pictures[:SHOWN] if one.own > 0)
    about["disliked"] = tuple(one for one in pictures[SHOWN:][::-1][:SHOWN] if one.own < 0)
    return Learnt(**about)


def _mix(person: Person) -> np.ndarray:
    """Weights of the known people's ratings, and an offset: what `mixed` makes everyone of."""
    assert person.mix is not None
    return person.mix


def _check(given: np.ndarray, predicted: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Rank correlation on held-out ratings, with a 95% bootstrap over them."""
    from reward.evaluation.metrics import srocc

    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(given), len(given)) for _ in range(RESAMPLES)]
    again = [srocc(given[rows], predicted[rows]) for rows in drawn if np.ptp(given[rows]) > 0]
    low, high = np.nanquantile(again, (0.025, 0.975)) if again else (-1.0, 1.0)
    return float(srocc(given, predicted)), (float(low), float(high))


def _prospect(known: np.ndarray, sample: np.ndarray, calibration: Calibration) -> dict[str, Any]:
    """How much of the taste is told by now, and what the next few ratings would bring.

    Accuracy is taken to rise with the share of the taste that is told, as it did between the least and the
    most ratings at which it was measured.
    """
    share = known_share(known, sample, calibration.prior)
    curve = sorted(calibration.accuracy.items())
    if len(curve) < 2:
        return {"known": share}
    rng = np.random.default_rng(0)
    order = rng.permutation(sample.shape[1])

    def told(k: int) -> float:
        return known_share(sample[:, order[:k]], sample, calibration.prior)

    (first, low), (last, high) = curve[0], curve[-1]
    slope = (high - low) / max(told(last) - told(first), 1e-9)
    after = known_share(np.concatenate([known, sample[:, order[:STEP]]], 1), sample, calibration.prior)
    gain = max(slope * (after - share), 0.0)
    return {"known": share, "gain": gain, "enough": bool(known.shape[1]) and gain < ENOUGH}


def _similar(own: np.ndarray, sample: np.ndarray, scorer: Predictor) -> tuple[Similar, ...]:
    others = sample - sample.mean(0)
    agreement = [float(np.corrcoef(own, other)[0, 1]) for other in others]
    nearest = np.argsort(agreement)[::-1][:SHOWN]
    people = [scorer.people[row] for row in nearest]
    return tuple(
        Similar(person.id, agreement[row], dict(person.demographics))
        for person, row in zip(people, nearest, strict=True)
    )


def rated_ids(ratings: Sequence[Rating]) -> set[str]:
    """SHA-256 of the pictures that were rated: the ids of their items."""
    return {rating.picture.partition(".")[0] for rating in ratings}

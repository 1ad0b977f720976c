"""The paper's statements about steering (section 5, Figures 4 to 7), each as a number with an interval.

Every number is a mean over prompts with a 95% t interval over them, of pictures on seeds that no search saw
where a statement is about winners. A statement is confirmed where the whole interval lies on its side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reward.evaluation.metrics import Interval
from steer.experiments.courses import GENERIC, MEASURES, OLD, OWN, YOUNG, Figure6, Steered, over

Verdict = Literal["confirmed", "not confirmed", "the opposite"]
STYLES: Mapping[Verdict, str] = {"confirmed": "green", "not confirmed": "yellow", "the opposite": "red"}
ROCKS = "floating mossy rocks"
AS_GOOD = 0.05  # of realism's 0 to 1: how much less still counts as maintained


@dataclass(frozen=True)
class Claim:
    """One statement and what the sandbox says about it."""

    where: str  # in the paper
    statement: str
    measured: str  # as a number that must be above 0
    value: Interval
    verdict: Verdict


def claims(found: Figure6) -> list[Claim]:
    """All statements, in the paper's order."""
    runs = found.runs

    def per_prompt(figure: Callable[[list[Steered]], float]) -> Interval:
        values = [figure([run for run in runs if run.prompt == prompt]) for prompt in found.prompts]
        return over([value for value in values if np.isfinite(value)] or [0.0])

    def change(measure: str, *kinds: str) -> Callable[[list[Steered]], float]:
        place = MEASURES.index(measure)
        return lambda some: _mean(
            run.fresh[1, place] - run.fresh[0, place] for run in some if run.kind in kinds
        )

    def less(one: Callable[[list[Steered]], float], other: Callable[[list[Steered]], float]) -> Interval:
        return per_prompt(lambda some: one(some) - other(some))

    saturation, realism, adherence = (
        [change(measure, OWN), change(measure, *GENERIC)]
        for measure in ("saturation", "realism", "adherence")
    )
    rating, truth = change("true rating", OWN), change("true rating", *GENERIC)
    made = [
        _claim(
            "Figure 4",
            "consensus-driven models collapse to an oversaturated look",
            "saturation (CIELAB chroma) of the generic rewards' winners less the base's",
            per_prompt(saturation[1]),
        ),
        _claim(
            "section 5",
            "PAMELA does not artificially boost saturation, as they do",
            "rise of saturation under the generic rewards less that under personal ones",
            less(saturation[1], saturation[0]),
        ),
        _claim(
            "section 5",
            "it steers by composition: lighting, camera angle, viewpoint",
            "share of personal winners with another lighting, angle or distance than the base, less that "
            "share among all their scored rewrites",
            per_prompt(lambda some: _mean(r.moved - r.moved_anyway for r in some if r.kind == OWN)),
        ),
        _claim(
            "Figure 5",
            "a global reward is unstable across iterations",
            "true rating lost on the way (sum of its falls) under generic rewards less under personal ones",
            less(_falls(*GENERIC), _falls(OWN)),
        ),
        _claim(
            "Figure 5",
            "over-optimizing a global reward loses realism",
            "realism (0 to 1) of the base less that of the generic rewards' winners",
            _negative(per_prompt(realism[1])),
        ),
        _claim(
            "Figure 5",
            "and loses adherence to the prompt",
            "image-text cosine of the base less that of the generic rewards' winners",
            _negative(per_prompt(adherence[1])),
        ),
        _claim(
            "section 5",
            "PAMELA maintains photorealism",
            f"realism of the personal winners less the base's, plus {AS_GOOD}",
            _shifted(per_prompt(realism[0]), AS_GOOD),
        ),
        _claim(
            "section 5",
            "the generation follows individual taste",
            "true rating of a person's own winner less that of the other people's winners",
            per_prompt(_own_over_others),
        ),
        _claim(
            "section 5",
            "personal steering serves a person better than global rewards do",
            "gain in true rating under personal rewards less that under generic ones, by the same people",
            less(rating, truth),
        ),
        _claim(
            "section 5",
            "given the choice, people prefer photorealism",
            "rise of everyone's true rating from no realism to full, over the population's scored pictures",
            found.realism_slope,
        ),
        _claim(
            "Figure 7",
            "images steered for younger users consistently are more saturated",
            "saturation of the youngest quarter's winners less that of the oldest quarter's",
            less(change("saturation", YOUNG), change("saturation", OLD)),
        ),
    ]
    rocks = [run for run in runs if run.prompt == ROCKS and run.kind == OWN]
    if rocks:
        place = MEASURES.index("realism")
        claim = _claim(
            "Figure 6",
            f'"{ROCKS}" is steered from a stylized base toward realism',
            "realism of the personal winners less the base's; interval over people",
            over([run.fresh[1, place] - run.fresh[0, place] for run in rocks]),
        )
        made.insert(7, claim)
    return made


def verdict(value: Interval) -> Verdict:
    """Of a number that a statement says is above 0."""
    if value.low > 0:
        return "confirmed"
    return "the opposite" if value.high < 0 else "not confirmed"


# ---- parts ----


def _claim(where: str, statement: str, measured: str, value: Interval) -> Claim:
    return Claim(where, statement, measured, value, verdict(value))


def _mean(values: Iterable[float]) -> float:
    listed = [float(value) for value in values]
    return float(np.mean(listed)) if listed else float("nan")


def _falls(*kinds: str) -> Callable[[list[Steered]], float]:
    place = MEASURES.index("true rating")

    def lost(some: list[Steered]) -> float:
        return _mean(-np.minimum(np.diff(run.course[:, place]), 0).sum() for run in some if run.kind in kinds)

    return lost


def _own_over_others(some: list[Steered]) -> float:
    place = MEASURES.index("true rating")
    return _mean(run.fresh[1, place] - run.others for run in some if run.kind == OWN)


def _negative(value: Interval) -> Interval:
    return Interval(-value.value, -value.high, -value.low)


def _shifted(value: Interval, by: float) -> Interval:
    return Interval(value.value + by, value.low + by, value.high + by)


def count(found: Sequence[Claim]) -> str:
    """How many of the statements hold, in words."""
    held = sum(claim.verdict == "confirmed" for claim in found)
    return f"{held} of {len(found)} statements confirmed"

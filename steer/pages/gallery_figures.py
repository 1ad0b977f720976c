"""The drawn figures of a run's page, as numbers for the template to place in SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steer.pages import wording
from steer.parts import BASE_ID
from steer.record.summary import Candidate


@dataclass
class Tile:
    """One figure with what it means."""

    title: str
    value: str
    verdict: str
    text: str = ""
    alt: str = ""  # the drawing in words
    slopes: list[dict[str, float]] = field(default_factory=list)  # one line per seed, base to best
    scale: list[float] = field(default_factory=list)  # base and best, as places on a drawn scale of 1 to 5
    bars: list[dict[str, Any]] = field(default_factory=list)
    zero: float = 0.0  # where the bars start


def tiles(result: Mapping[str, Any], won: bool) -> list[Tile]:
    """What a run found, as one to three tiles; none before the base prompt has a score."""
    base, best = result.get("baseline"), result.get("best")
    if not base or not best or base.get("score") is None or best.get("score") is None:
        return []
    title = "Predicted rating, on the seed of the search"
    start, end = wording.score(base["score"]), wording.score(best["score"])
    if not won:
        return [Tile(title, start, "No rewrite beat it.")]
    found = [
        Tile(
            title,
            f"{start} → {end}",
            f"{wording.gain(best['score'] - base['score'])} on the scale of 1 to 5.",
            "The best of many tries nearly always beats the first, so this alone proves little.",
            f"On a scale of 1 to 5, the base prompt at {start} and the best at {end}",
            scale=[_on_scale(base["score"]), _on_scale(best["score"])],
        )
    ]
    if confirm := result.get("confirm"):
        pairs = list(zip(confirm["seeds"], confirm["baseline"], confirm["best"], strict=True))
        interval = wording.interval(confirm.get("gain_ci95"))
        sure = (wording.gain_range(confirm), wording.held_out(confirm))
        found.append(
            Tile(
                f"Confirmed on {len(pairs)} seeds that the search never saw",
                wording.gain(confirm["gain_mean"]),
                wording.verdict(confirm),
                " ".join(filter(None, (f"{interval[0].upper()}{interval[1:]}.", *sure))),
                "; ".join(f"seed {s}: {wording.score(a)} to {wording.score(b)}" for s, a, b in pairs),
                slopes=_slopes(confirm["baseline"], confirm["best"]),
            )
        )
    if figures := result.get("specificity"):
        found.append(_specificity_tile(figures))
    return found


def _on_scale(score: float) -> float:
    # Raw predictions may leave the scale; only their drawing is kept on it.
    return round(20 + 65 * (min(5.0, max(1.0, score)) - 1), 1)


def _slopes(base: Sequence[float], best: Sequence[float]) -> list[dict[str, float]]:
    low, high = min(*base, *best), max(*base, *best)
    span = (high - low) or 1.0
    at = [round(88 - 80 * (v - low) / span, 1) for v in (*base, *best)]
    return [{"y1": a, "y2": b} for a, b in zip(at[: len(base)], at[len(base) :], strict=True)]


def _specificity_tile(figures: Mapping[str, Any]) -> Tile:
    own, others = float(figures["gain_person"]), float(figures["gain_others_mean"])
    low, high = min(0.0, own, others), max(0.0, own, others)
    span = (high - low) or 1.0
    place = [round(4 + 292 * (v - low) / span, 1) for v in (0.0, own, others)]
    return Tile(
        "Whose gain is it?",
        f"{wording.gain(own)} against {wording.gain(others)}",
        wording.specificity(figures),
        f"First this person's gain, then the mean of the {int(figures['of']) - 1:,} other known people.",
        f"Gain of this person {wording.gain(own)}, mean of the others {wording.gain(others)}",
        zero=place[0],
        bars=[
            {"kind": "own", "x": place[1], "y": 34, "label": f"this person {wording.gain(own)}"},
            {"kind": "other", "x": place[2], "y": 80, "label": f"others, mean {wording.gain(others)}"},
        ],
    )


def chart(candidates: Sequence[Candidate], best_id: str | None) -> dict[str, Any] | None:
    """Scores in the order of the search, with the best so far as a stepped line. Units: pixels of the SVG."""
    scored = [c for c in candidates if c.score is not None and c.image is not None]
    base = next((c for c in scored if c.id == BASE_ID), None)
    if base is None or len(scored) < 2:
        return None
    width, height, left, bottom = 1100, 230, 44, 200
    scores = [float(c.score) for c in scored if c.score is not None]
    low, high = min(scores), max(scores)
    span = (high - low) or 1.0

    def y(score: float) -> float:
        return round(bottom - 12 - (bottom - 30) * (score - low) / span, 1)

    step = (width - left - 16) / len(scored)
    xs = [round(left + step * (i + 0.5), 1) for i in range(len(scored))]
    per_round = len(scored) / max(1, scored[-1].iteration)
    dots, path, marks = [], "", []
    top, seen = float("-inf"), -1
    for c, x, score in zip(scored, xs, scores, strict=True):
        if c.iteration != seen:
            seen = c.iteration
            if seen:
                label = f"iteration {seen}" if step * per_round > 70 else str(seen)
                marks.append({"x": round(x - step / 2, 1), "label": label})
        kind = " best" if c.id == best_id else " rejected" if c.reason else ""
        label = f"{c.id}: {wording.score(score)}" + (" (rejected)" if c.reason else "")
        dots.append({"x": x, "y": y(score), "kind": kind, "label": label})
        if c.reason is None and score > top:
            path += f"M{x} {y(score)}" if not path else f"H{x}V{y(score)}"
            top = score
    path += f"H{xs[-1]}"
    return {
        "width": width, "height": height, "left": left, "bottom": bottom,
        "marks": marks, "dots": dots, "steps": path, "base_y": y(float(base.score or 0.0)),
        "ticks": _ticks((low, high, float(base.score or 0.0)), y),
        "alt": f"{len(scored)} scores: base prompt {wording.score(base.score)}, best {wording.score(top)}",
    }  # fmt: skip


def _ticks(values: Sequence[float], y: Callable[[float], float]) -> list[dict[str, Any]]:
    """Labels of the axis; one that would run into an earlier one is left out."""
    ticks: list[dict[str, Any]] = []
    for value in values:
        if all(abs(y(value) - tick["y"]) > 15 for tick in ticks):
            ticks.append({"y": y(value), "label": wording.score(value)})
    return ticks

"""What a run's figures say, in words: the same sentences for the terminal and for the gallery.

Ratings are predicted, so no sentence here promises that anybody will like anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from steer.taste import Correction, Taste

SIMULATED = "simulated person"
SIMULATED_NOTICE = (
    "Simulated person: this taste and its ratings belong to the sandbox, a small painted world. "
    "They show that the method works, and nothing about real people."
)
SIMULATED_PROFILE = (
    "Simulated people: the predictor learnt from the sandbox, a small painted world. What it makes of a "
    "profile's ratings shows that the method works, and little about a real person's taste."
)

_VERDICTS = {
    "better": "Holds on fresh seeds: the best prompt is predicted to be rated higher.",
    "no_evidence": "No evidence of a gain on fresh seeds: the interval includes zero.",
    "worse": "Lost on fresh seeds: the best prompt is predicted to be rated lower.",
}
_STOPS = {
    "patience": "stopped early, the best not having risen for {patience} iterations in a row",
    "iterations": "ran to its end",
    "target": "stopped early, having reached the target",
    "person": "stopped early, as you wished",
}


def score(value: float | None) -> str:
    """A predicted rating with two decimals."""
    return "no score" if value is None else f"{value:.2f}"


def gain(value: float) -> str:
    """A signed difference of predicted ratings, with a true minus sign."""
    return f"{value:+.2f}".replace("-", "−")


def interval(ci: Any) -> str:
    """A 95% interval, or nothing where there is none."""
    return f"95% interval {gain(ci[0])} to {gain(ci[1])}" if ci is not None else "no interval from one seed"


def seconds(value: float) -> str:
    """A duration as people say it: 42 s, 3 min 05 s, 2 h 10 min."""
    if value < 59.5:
        return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def verdict(confirm: Mapping[str, Any]) -> str:
    """What the renders on unseen seeds say about the gain."""
    found = _VERDICTS.get(str(confirm.get("verdict")), "Not confirmed on fresh seeds.")
    if lost := len(confirm.get("left_out") or ()):
        found += f" {lost} {'seed' if lost == 1 else 'seeds'} without a score left out."
    if confirm.get("paired") is False:
        found += " The renderer ignores seeds, so means are compared, not pairs."
    return found


def held_out(confirm: Mapping[str, Any]) -> str:
    """The same gain by the judge that had no part in the search, or nothing."""
    value = confirm.get("held_out")
    if value is None:
        return ""
    ci = confirm.get("held_out_ci95")
    range_ = f" ({interval(ci)})" if ci else ""
    return f"A second judge, which had no part in the search, predicts {gain(float(value))}{range_}."


def gain_range(confirm: Mapping[str, Any]) -> str:
    """How far apart ratings of base and best may lie, or nothing where the scorer does not say."""
    ends = confirm.get("gain_range80")
    if ends is None:
        return ""
    between = f"between {gain(ends[0])} and {gain(ends[1])}"
    return f"How sure: in 4 of 5 pairs of such pictures the best is to get {between} points, once rated."


def specificity(figures: Mapping[str, Any]) -> str:
    """Whether the gain is this person's own or everybody's."""
    own, others = float(figures["gain_person"]), float(figures["gain_others_mean"])
    rank, of = int(figures["rank"]), int(figures["of"])
    place = f"{rank:,} of {of:,} in the order of gains"
    if own <= 0:
        return f"No gain for this person to compare ({place})."
    if own > others and rank <= max(1, of // 4):
        return f"More this person's gain than everybody's ({place})."
    if own > others:
        return f"Somewhat more than others gain from the same change ({place})."
    return f"Others gain as much or more: the change pleases in general ({place})."


def stop(reason: str | None, patience: int | None) -> str:
    """Why the search ended."""
    return _STOPS.get(str(reason), "ended").format(patience=patience)


def memory_plan(plan: Mapping[str, Any]) -> list[str]:
    """A memory plan (see `steer.machine.estimate.describe`) in a few lines."""
    phases = ", ".join(f"{phase} {need:.0f}" for phase, need in plan["phases_gb"].items())
    state = "fits" if plan["fits"] else f"does not fit: {plan['why_not']}"
    lines = [
        f"{plan['plan']} on the {plan['card']}: {plan['peak_gb']:.0f} of {plan['card_gb']:.0f} GB, {state}",
        f"GB by phase: {phases}",
    ]
    for part in plan["models"]:
        size = (
            "size unknown" if part["gb"] is None else f"{part['parameters'] / 1e9:.1f} B, {part['gb']:.1f} GB"
        )
        lines.append(f"{part['what']} of {part['model']}: {size}")
    lines += [f"{swap}" for swap in plan["swaps"]]
    if plan["swaps"]:
        lines.append(
            "what rests is read again from disk" if plan["rest"] == "disk" else "what rests is in main memory"
        )
        lines.append(f"moving them takes about {plan['swap_seconds']:.1f} s an iteration")
    if plan["seconds_per_image"] is not None:
        lines.append(f"about {plan['seconds_per_image']:.1f} s a picture")
    return [
        *lines,
        f"assuming {plan['assumed']}" if plan["seconds_per_image"] is not None else plan["assumed"],
    ]


def simulated_notice(kind: str) -> str:
    """What to say of a run in the sandbox, by the kind of its person."""
    return SIMULATED_PROFILE if kind == "new" else SIMULATED_NOTICE


def forecast(hits: Mapping[str, Any]) -> str:
    """How much the guided search looked at before it rendered, and how right that was."""
    looked = f"{hits['forecast']:,} rewrites forecast, {hits['rendered']:,} of them rendered"
    if hits["pairs_right"] is None:
        return f"{looked}."
    right = f"{100 * hits['pairs_right']:.0f}%"
    return f"{looked}; of two in one round, the one with the higher forecast scored higher in {right}."


def taste(found: Taste) -> str | None:
    """What a search starts from; None where nothing is known."""
    if not found.lines and not found.corrections:
        return None
    by = " and as they say themselves" if found.corrections else ""
    told = f"this person's taste, as the predictor knows it{by}: {'; '.join(found.lines) or 'nothing sure'}"
    return f"{told} (corrected: {corrected(found.corrections)})" if found.corrections else told


def corrected(corrections: Iterable[Correction]) -> str:
    """Someone's corrections of their taste, as in "never neon, pinned golden hour"."""
    return ", ".join(map(str, corrections))


def finals(finalists: Sequence[Mapping[str, Any]]) -> str:
    """Who won the finals."""
    count, seeds = len(finalists), len(finalists[0]["scores"])
    first = finalists[0]
    return f"of {count} finalists {first['id']} has the best mean over {seeds} seeds, {score(first['mean'])}"

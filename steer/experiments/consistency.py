"""Section 6.2: does the loop come back to the same picture for the same person?

Everyone is steered for twice from the same image seed, with two seeds of the language model. The winners of
the two runs are compared: within a person, and between people, whose runs share everything but the taste.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from reward.reproduce.cells import change, sheet
from reward.reproduce.plots import GREY, OTHER, OWN, drawing, panels, titled
from reward.reproduce.reproduction import Progress, Reproduction, silent
from steer.compare.pixels import looks
from steer.experiments.claims import STYLES, Verdict
from steer.experiments.matching import Matched, matched
from steer.gates.text import content_stems
from steer.sandbox.scene import Scene

if TYPE_CHECKING:
    from steer.experiments.lab import Lab
    from steer.settings import Settings

SEEDS = (0, 1)  # of the language model
CLAIM = (
    "Even though the LLM explores different prompt variations across runs, the optimization reliably "
    "converges to the same compositional and stylistic elements for each user."
)
_KINDS = ("lighting", "weather", "angle", "palette", "style", "ground", "backdrop")
_LEVELS = {  # numeric settings of a painting and their range
    **dict.fromkeys(("saturation", "contrast", "brightness", "detail", "distance", "dof", "haze"), 1.0),
    "warmth": 2.0,
}


@dataclass(frozen=True)
class WinnerPair:
    """Both winners of one person on one prompt."""

    user: str
    prompt: str
    first: str
    second: str
    shared: list[str]  # stems of the words that both add to the base prompt


@dataclass(frozen=True)
class Consistency:
    """All pairs, and four ways of comparing their pictures."""

    users: list[str]
    prompts: list[str]
    llm_seeds: tuple[int, int]
    measures: list[Matched]
    pairs: list[WinnerPair]
    base_won: int  # winners that are the base prompt itself, of all
    confirmed: bool  # by at least three of the four measures, each at 5%

    def brief(self) -> Consistency:
        """The same without the deals one by one, of which there may be 80,000."""
        return replace(self, measures=[replace(each, null=each.null[:0]) for each in self.measures])


def consistency(
    lab: Lab,
    users: Sequence[str],
    prompts: Sequence[str],
    settings: Settings,
    progress: Progress = silent,
    seeds: tuple[int, int] = SEEDS,
    seed: int = 0,
) -> Consistency:
    """Run, or find, both runs of every person on every prompt, and compare the winners.

    `seeds` are the language model's in the two runs; `seed` draws the deals where they are too many to count.
    """
    winners: dict[tuple[int, str, str], str] = {}
    total = len(seeds) * len(prompts) * len(users)
    for prompt in prompts:
        for llm_seed in seeds:
            for user in users:
                record = lab.run(lab.personal(user), prompt, replace(settings, llm_seed=llm_seed))
                winners[llm_seed, prompt, user] = str(record.result["best"]["prompt"])
                progress("runs", len(winners), total)
    first, second = ([[winners[s, p, u] for u in users] for p in prompts] for s in seeds)
    measures = [
        matched("text terms", _over(prompts, first, second, term_similarity), seed),
        matched("image features", _features(lab, first, second, settings.seed), seed),
        matched("attributes", _scenes(lab, first, second, settings.seed), seed),
        matched("pixel figures", _pixels(lab, first, second, settings.seed), seed),
    ]
    pairs = [
        WinnerPair(user, prompt, one, two, sorted(terms(one, prompt) & terms(two, prompt)))
        for prompt, left, right in zip(prompts, first, second, strict=True)
        for user, one, two in zip(users, left, right, strict=True)
    ]
    return Consistency(
        users=list(users),
        prompts=list(prompts),
        llm_seeds=seeds,
        measures=measures,
        pairs=pairs,
        base_won=sum(winner == prompt for (_, prompt, _), winner in winners.items()),
        confirmed=sum(each.p < 0.05 for each in measures) >= 3,
    )


def terms(winner: str, prompt: str) -> set[str]:
    """Stems of the content words that a winner adds to its base prompt."""
    return content_stems(winner) - content_stems(prompt)


def term_similarity(one: str, other: str, prompt: str) -> float:
    """Jaccard index of the added words, 0 to 1; two winners that add nothing are alike."""
    a, b = terms(one, prompt), terms(other, prompt)
    return len(a & b) / len(a | b) if a | b else 1.0


def scene_similarity(one: Scene, other: Scene) -> float:
    """Closeness of the painter's settings, 0 to 1: half kinds that are equal, half levels that are near."""
    kinds = np.mean([getattr(one, kind) == getattr(other, kind) for kind in _KINDS])
    levels = [1 - abs(getattr(one, k) - getattr(other, k)) / span for k, span in _LEVELS.items()]
    return float((kinds + np.mean(levels)) / 2)


# ---- parts ----


def _over(
    prompts: Sequence[str],
    first: Sequence[Sequence[str]],
    second: Sequence[Sequence[str]],
    similarity: Callable[[str, str, str], float],
) -> np.ndarray:
    """[prompts, first winners, second winners]"""
    return np.array(
        [
            [[similarity(one, two, prompt) for two in right] for one in left]
            for prompt, left, right in zip(prompts, first, second, strict=True)
        ]
    )


def _features(
    lab: Lab, first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], seed: int
) -> np.ndarray:
    """Cosines of the predictor's image embeddings."""

    def vectors(winners: Sequence[str]) -> np.ndarray:
        return lab.predictor.image_features(lab.images([(w, seed) for w in winners]))

    return np.stack([vectors(a) @ vectors(b).T for a, b in zip(first, second, strict=True)])


def _scenes(
    lab: Lab, first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], seed: int
) -> np.ndarray:
    """By what the painter was told to paint: known exactly, and only in the sandbox."""

    def scenes(winners: Sequence[str]) -> list[Scene]:
        return [lab.renderer.scene(w, seed) for w in winners]

    painted = [(scenes(left), scenes(right)) for left, right in zip(first, second, strict=True)]
    return np.array([[[scene_similarity(a, b) for b in right] for a in left] for left, right in painted])


def _pixels(
    lab: Lab, first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], seed: int
) -> np.ndarray:
    """Minus the distance of the figures of `compare.pixels`, each in units of its spread over all winners."""

    def figures(winners: Sequence[Sequence[str]]) -> np.ndarray:
        return np.stack([looks(lab.images([(w, seed) for w in row])) for row in winners])

    a, b = figures(first), figures(second)
    spread = np.concatenate([a, b]).std((0, 1))
    scale = np.where(spread > 0, spread, 1.0)
    apart = (a[:, :, None] - b[:, None]) / scale  # [prompts, first, second, figures]
    return -np.sqrt((apart**2).mean(-1))


# ---- how it is shown ----


def _rows(result: Consistency, label: str) -> list[Any]:
    """Within against between, and both winners of the first people."""
    table = sheet(
        f"Section 6.2: winners of two runs, {len(result.users)} people, {len(result.prompts)} prompts; "
        f"{label}"
    )
    table.add_column("similarity of")
    for name in (
        "own pairs",
        "different people",
        "difference",
        "random, 95%",
        "p",
        "recognised",
        "by chance",
    ):
        table.add_column(name, justify="right")
    for each in result.measures:
        low, high = each.null_ci95
        table.add_row(
            each.name, f"{each.within:.3f}", f"{each.between:.3f}", change(each.difference),
            f"{low:.3f} to {high:.3f}", f"{each.p:.2g}", f"{each.recognised:.0%}", f"{each.chance:.0%}",
        )  # fmt: skip
    pairs = sheet("Both winners of the first prompt")
    for name in ("person", "first run", "second run", "shared words"):
        pairs.add_column(name, overflow="fold")
    for pair in result.pairs[: len(result.users)]:
        pairs.add_row(pair.user, pair.first, pair.second, ", ".join(pair.shared))
    verdict: Verdict = "confirmed" if result.confirmed else "not confirmed"
    first = result.measures[0]
    deals = f"all {first.deals:,} deals" if first.exact else f"{first.deals:,} random deals"
    note = (
        f"Random: the people of the second runs dealt out anew, {deals}. Recognised: first winners whose "
        "most similar second winner is their own person's."
    )
    return [
        table,
        pairs,
        Text(f'"{CLAIM}"').append(f"  {verdict}", STYLES[verdict]),
        Text(note, "dim"),
    ]


def _plot(result: Consistency, label: str, path: Path) -> None:
    """Mean similarity of people's own pairs, against its distribution for people dealt out at random."""
    with drawing(path, 12.5, 3.3) as figure:
        for axes, measure in zip(panels(figure, len(result.measures)), result.measures, strict=True):
            axes.hist(measure.null, bins=40, color=GREY, alpha=0.7, label="people dealt out at random")
            axes.axvline(measure.within, color=OWN, lw=2, label="everyone with themselves")
            axes.axvline(measure.between, color=OTHER, lw=1.2, ls="--", label="different people")
            axes.set_title(f"{measure.name}: p = {measure.p:.3g}")
            axes.set_yticks([])
            axes.set_xlabel("mean similarity of two runs")
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        amount = f"{len(result.users)} people, {len(result.prompts)} prompts, two seeds of the language model"
        titled(figure, f"Does the loop come back to the same picture? {amount}", label)


REPRODUCTION = Reproduction(
    consistency,
    _rows,
    _plot,
    {"data": "section 6.2, Figures 9, 15 and 16: three users, two runs each", "statement": CLAIM},
    to_json=Consistency.brief,
)

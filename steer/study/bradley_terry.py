"""From comparisons in pairs to scores on an Elo scale (section 6.1, Figure 8).

Bradley-Terry: condition i beats j with probability 1 / (1 + exp(s_j - s_i)). The fit is choix's iterative
Luce spectral ranking, which reaches the maximum likelihood; a tie is half a win for both. On the Elo scale
400 points are a factor of 10 in the odds, and the mean of the conditions is 1000, as in the paper.

Two kinds of 95% intervals stand beside each other. The paper resamples comparisons, as if each were a
new person's. Answers of one person are alike, so the other resamples whole raters: it is wider, and it is the
one to believe. Raters are drawn within groups that judged the same conditions, because otherwise a resample
could lack all who have pictures of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from steer.errors import StudyError

MEAN_ELO = 1000.0
POINTS = 400 / np.log(10)  # Elo points of a unit of log-odds
RESAMPLES = 1000


@dataclass(frozen=True)
class Comparisons:
    """n answers, each about two conditions."""

    conditions: tuple[str, ...]
    raters: np.ndarray  # [n] int, who answered
    left: np.ndarray  # [n] int, index of a condition
    right: np.ndarray  # [n] int
    won: np.ndarray  # [n] 1 left, 0 right, 0.5 tie

    def __len__(self) -> int:
        return len(self.raters)


@dataclass(frozen=True)
class Score:
    """An estimate with both intervals; null where there is nothing to resample."""

    value: float
    by_rater: tuple[float, float] | None  # whole raters resampled
    by_comparison: tuple[float, float] | None  # single comparisons resampled, as in the paper


@dataclass(frozen=True)
class Ranking:
    """What the comparisons say."""

    conditions: tuple[str, ...]  # best first
    elo: dict[str, Score]
    differences: dict[str, Score]  # "own - others", in Elo points, better condition first
    wins: tuple[
        tuple[float, ...], ...
    ]  # wins[i][j]: how often i beat j, ties half, in the order of `conditions`
    comparisons: int
    ties: int
    raters: int
    limited: bool  # somebody never lost: half a win each way was added to every pair that was compared

    def difference(self, first: str, second: str) -> Score:
        """How many Elo points `first` is above `second`. Raises KeyError for what nobody compared."""
        if (name := f"{first} - {second}") in self.differences:
            return self.differences[name]
        other = self.differences[f"{second} - {first}"]
        turned = {
            kind: (-limits[1], -limits[0]) if (limits := getattr(other, kind)) else None
            for kind in ("by_rater", "by_comparison")
        }
        return Score(-other.value, **turned)

    def win_rate(self, first: str, second: str) -> float | None:
        """Share of the comparisons of the two that `first` won, ties half; None if there were none."""
        i, j = self.conditions.index(first), self.conditions.index(second)
        total = self.wins[i][j] + self.wins[j][i]
        return self.wins[i][j] / total if total else None


def rank(comparisons: Comparisons, resamples: int = RESAMPLES, seed: int = 0) -> Ranking:
    """Rank the conditions that were compared at all. Raises StudyError without any comparison."""
    if not len(comparisons):
        raise StudyError("nobody has compared anything yet: open the study first, steer study open STUDY")
    k = len(comparisons.conditions)
    cells = _cells(comparisons)
    table = _wins(np.bincount(cells, minlength=3 * k * k), k)
    judged = np.flatnonzero(table.sum(0) + table.sum(1))
    rng = np.random.default_rng(seed)
    scores, limited = fit(table[np.ix_(judged, judged)])
    order = np.argsort(-scores, kind="stable")
    kept = judged[order]

    def fitted(counts: np.ndarray) -> np.ndarray:
        return fit(_wins(counts, k)[np.ix_(kept, kept)])[0]

    drawn = {
        kind: np.array([fit(_wins(counts, k)[np.ix_(kept, kept)])[0] for counts in resampled])
        for kind, resampled in (
            ("by_rater", _by_rater(comparisons, cells, resamples, rng)),
            ("by_comparison", _by_comparison(cells, k, resamples, rng)),
        )
    }
    best = scores[order]
    names = tuple(comparisons.conditions[i] for i in kept)

    def score(value: float, of: np.ndarray) -> Score:
        """`of` [conditions] is what makes this value from all scores."""
        limits = {kind: _limits(values @ of) if len(values) else None for kind, values in drawn.items()}
        return Score(float(value), **limits)

    unit = np.eye(len(names))
    return Ranking(
        conditions=names,
        elo={name: score(best[i], unit[i]) for i, name in enumerate(names)},
        differences={
            f"{a} - {b}": score(best[i] - best[j], unit[i] - unit[j])
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if i < j
        },
        wins=tuple(tuple(float(x) for x in row) for row in table[np.ix_(kept, kept)]),
        comparisons=len(comparisons),
        ties=int((comparisons.won == 0.5).sum()),
        raters=len(np.unique(comparisons.raters)),
        limited=limited,
    )


def fit(wins: np.ndarray) -> tuple[np.ndarray, bool]:
    """Elo scores [k] of how often each condition beat each other [k, k], ties half; and whether limited.

    Where no finite scores are most likely, because some conditions never lost to the rest, half a win each
    way is added to every pair that was compared. Raises StudyError where choix is missing.
    """
    from scipy.sparse.csgraph import connected_components

    try:
        from choix import ilsr_pairwise_dense
    except ModuleNotFoundError as error:
        raise StudyError(
            "ranking needs choix: pip install 'steer[web]'; from a checkout: pip install -e '.[web]'"
        ) from error
    wins = np.asarray(wins, float)
    if len(wins) < 2:
        return np.full(len(wins), MEAN_ELO), False
    limited = connected_components(wins > 0, directed=True, connection="strong")[0] > 1
    if limited:
        wins = wins + 0.5 * ((wins + wins.T) > 0)
        if connected_components(wins > 0, directed=True, connection="strong")[0] > 1:
            wins = wins + 0.5 * ~np.eye(
                len(wins), dtype=bool
            )  # groups that never met: nothing tells them apart
    strengths = ilsr_pairwise_dense(wins, max_iter=1000)
    return MEAN_ELO + POINTS * (strengths - strengths.mean()), limited


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def _cells(comparisons: Comparisons) -> np.ndarray:
    """[n] which of the 3 k k kinds of answers each is: (left, right, lost | tied | won)."""
    k = len(comparisons.conditions)
    return (comparisons.left * k + comparisons.right) * 3 + np.round(2 * comparisons.won).astype(int)


def _wins(counts: np.ndarray, k: int) -> np.ndarray:
    """[k, k] how often i beat j, ties half, from the counts of each kind of answer."""
    lost, tied, won = np.moveaxis(counts.reshape(k, k, 3).astype(float), 2, 0)
    return won + tied / 2 + (lost + tied / 2).T


def _by_rater(
    comparisons: Comparisons, cells: np.ndarray, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Counts of the kinds of answers, of as many raters drawn again."""
    k = len(comparisons.conditions)
    people, row = np.unique(comparisons.raters, return_inverse=True)
    if len(people) < 2:
        return
    answers = np.zeros((len(people), 3 * k * k))
    np.add.at(answers, (row, cells), 1)
    saw = np.zeros((len(people), k), bool)
    saw[row, comparisons.left] = saw[row, comparisons.right] = True
    _, group, size = np.unique(saw, axis=0, return_inverse=True, return_counts=True)
    group = np.where(size[group] == 1, -1, group)  # one of a kind is drawn among the others like that
    for _ in range(resamples):
        drawn = [
            rng.choice(alike, len(alike)) for g in np.unique(group) for alike in [np.flatnonzero(group == g)]
        ]
        yield answers[np.concatenate(drawn)].sum(0)


def _by_comparison(
    cells: np.ndarray, k: int, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Counts of the kinds of answers, of as many comparisons drawn again."""
    counts = np.bincount(cells, minlength=3 * k * k)
    if len(cells) > 1:
        yield from rng.multinomial(len(cells), counts / len(cells), resamples)

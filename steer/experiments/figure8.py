"""Figure 8 (section 6.1): whose pictures win, when nobody knows how they were made?

6 users x 18 prompts. Every prompt is steered to each user and by two generic rewards; all known people then
judge all pairs of its pictures, the unsteered one among them. A picture made for the judge is "own", one made
for another user "others". The generic rewards are not built to fail: they are the population's predictor and
that of the youngest quarter. The judges are simulated: in every comparison both pictures are rated anew, the
true expected rating plus the trial noise of the raters, and ratings nearer than `TIE` are a tie.

The runs may as well be those of a sweep in the sandbox (`of_sweep`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from reward.evaluation.metrics import Interval
from reward.reproduce.paper import FIGURE8, FIGURE8_DATA
from reward.reproduce.plots import GREY, OTHER, drawing, panels, titled
from reward.reproduce.plots import OWN as OURS
from reward.reproduce.reproduction import Progress, Reproduction, silent
from steer.errors import ResumeError
from steer.experiments.lab import Lab, Reward
from steer.record.folder import Record
from steer.settings import Settings
from steer.study.bradley_terry import Comparisons, Ranking, Score, rank
from steer.study.tables import limits, wins
from steer.sweep.plan import Plan, read_plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TIE = 0.05  # rating points: half the width of what the steering benchmark counts as half a win
OWN, OTHERS, BASE = "own", "others", "base"
SHORT = Settings(iterations=3, proposals=10, confirm=0, search="paper")
FULL = Settings(confirm=0, search="paper")


@dataclass(frozen=True)
class ComparedPicture:
    """One of the pictures that are compared for a prompt."""

    made_by: str  # name of the reward, or "base"
    prompt: str  # that was rendered


@dataclass(frozen=True)
class Figure8:
    """What the judges say."""

    users: tuple[str, ...]
    prompts: tuple[str, ...]
    judges: int
    settings: dict[str, Any]
    ranking: Ranking  # of the pictures that the searches found, as in the paper
    fresh: Ranking  # of the same prompts rendered from a seed that no search saw
    owners: dict[str, float]  # by user: share of the comparisons of own with others' that own won, ties half
    true: dict[str, Interval]  # differences of expected ratings of the 6 users, in points; over users
    same_as_base: int  # winners that are the base prompt
    pictures: dict[str, tuple[ComparedPicture, ...]]  # by prompt


def figure8(
    lab: Lab,
    users: Sequence[str],
    prompts: Sequence[str],
    settings: Settings = SHORT,
    seed: int = 0,
    resamples: int = 1000,
    progress: Progress = silent,
    sweep: Path | None = None,
) -> Figure8:
    """Make the runs that are missing and let everybody judge. Resumable: see `steer.experiments.lab`.

    With `sweep` its people, prompts, settings and runs are taken instead: see `of_sweep`.
    """
    if sweep is not None:
        users, settings, pictures = of_sweep(lab, read_plan(sweep))
        prompts = tuple(pictures)
    else:
        rewards = [*(lab.personal(user) for user in users), lab.population(), lab.youngest()]
        pictures = make_pictures(lab, rewards, prompts, settings, progress)
    answers = judge(lab, pictures, users, settings.seed, seed)
    fresh = judge(lab, pictures, users, unseen_seed(settings), seed)
    return Figure8(
        users=tuple(users),
        prompts=tuple(prompts),
        judges=len(lab.predictor.people),
        settings=settings.to_json(),
        ranking=rank(answers, resamples, seed),
        fresh=rank(fresh, resamples, seed),
        owners=own_shares(answers, [person.id for person in lab.predictor.people]),
        true=true_differences(lab, pictures, users, settings.seed, seed),
        same_as_base=sum(p.made_by != BASE and p.prompt == base for base, ps in pictures.items() for p in ps),
        pictures={prompt: tuple(shown) for prompt, shown in pictures.items()},
    )


def unseen_seed(settings: Settings) -> int:
    """A seed that the search has not seen."""
    return replace(settings, confirm=1).confirm_seeds[0]


def make_pictures(
    lab: Lab,
    rewards: Sequence[Reward],
    prompts: Sequence[str],
    settings: Settings,
    progress: Progress,
) -> dict[str, list[ComparedPicture]]:
    """The winner of every reward for every prompt, and the base."""
    pictures: dict[str, list[ComparedPicture]] = {}
    done = 0
    for prompt in prompts:
        shown = [ComparedPicture(BASE, prompt)]
        for reward in rewards:
            progress("runs", done, len(prompts) * len(rewards))
            record: Record = lab.run(reward, prompt, settings)
            shown.append(ComparedPicture(reward.name, str(record.result["best"]["prompt"])))
            done += 1
        pictures[prompt] = shown
    progress("runs", done, len(prompts) * len(rewards))
    return pictures


def of_sweep(lab: Lab, plan: Plan) -> tuple[tuple[str, ...], Settings, dict[str, list[ComparedPicture]]]:
    """Users, settings and pictures of a sweep, but for prompts that are not finished for everybody.

    Raises ResumeError where the truth about its people is not known, or its pictures have not one seed.
    """

    def useless(why: str) -> ResumeError:
        return ResumeError(
            f"{why}; figure 8 takes a sweep of the sandbox, for participants of {lab.predictor.world}, with "
            "one seed: steer sweep PROMPTS --users 17,84 --population --preset sandbox"
        )

    if not plan.head["simulated"]:
        raise useless(f"how the people of {plan.folder} would judge is not known")
    worlds = {one.person["world"] for one in plan.people} - {lab.predictor.population().world}
    if worlds:
        raise useless(f"{plan.folder} has people of another world: {', '.join(sorted(worlds))}")
    seeds = {line.settings.seed for line in plan.lines}
    users = tuple(one.name for one in plan.people if one.who.kind == "known")
    if len(users) < 2 or len(seeds) != 1:
        raise useless(f"{plan.folder} has {len(users)} participants and {len(seeds)} seeds")
    pictures: dict[str, list[ComparedPicture]] = {}
    for line, cells in groupby(plan.cells, lambda cell: cell.line):
        found = [(cell.somebody.name, plan.record(cell)) for cell in cells]
        if all(record.complete for _, record in found):
            winners = (ComparedPicture(name, str(record.result["best"]["prompt"])) for name, record in found)
            pictures[line.prompt] = [ComparedPicture(BASE, line.prompt), *winners]
    if not pictures:
        raise useless(f"no prompt of {plan.folder} is finished for everybody")
    return users, plan.lines[0].settings, pictures


def condition(picture: ComparedPicture, judge: str, users: Sequence[str]) -> str:
    """What the picture is to this judge."""
    if picture.made_by == judge:
        return OWN
    return OTHERS if picture.made_by in users else picture.made_by


def judge(
    lab: Lab,
    pictures: dict[str, list[ComparedPicture]],
    users: Sequence[str],
    image_seed: int,
    seed: int,
) -> Comparisons:
    """Every known person compares every two pictures of a prompt that are of different conditions.

    One and the same picture under two conditions is a tie.
    """
    people = [person.id for person in lab.predictor.people]
    rows = [lab.raters.ids.index(id) for id in people]
    generic = sorted({p.made_by for shown in pictures.values() for p in shown} - {*users, BASE})
    names = (OWN, OTHERS, *sorted(generic, key=lambda name: name != "population"), BASE)
    place = {name: i for i, name in enumerate(names)}
    raters, left, right, won = [], [], [], []
    for number, shown in enumerate(pictures.values()):
        t = lab.truth([(picture.prompt, image_seed) for picture in shown])[rows]
        rng = np.random.default_rng((seed, number))
        kinds = np.array([[place[condition(p, person, users)] for p in shown] for person in people])
        for a in range(len(shown)):
            for b in range(a + 1, len(shown)):
                y = lab.raters.people.rate(t[:, [a, b]], rng)
                difference = y[:, 0] - y[:, 1]
                tied = (np.abs(difference) < TIE) | (shown[a].prompt == shown[b].prompt)
                asked = kinds[:, a] != kinds[:, b]
                raters.append(np.flatnonzero(asked))
                left.append(kinds[asked, a])
                right.append(kinds[asked, b])
                won.append(np.where(tied, 0.5, difference > 0)[asked])
    return Comparisons(names, *(np.concatenate(part) for part in (raters, left, right, won)))


def own_shares(answers: Comparisons, people: Sequence[str]) -> dict[str, float]:
    """By user: how often their own picture beat another user's, ties half. Who has none is left out."""
    own, others = answers.conditions.index(OWN), answers.conditions.index(OTHERS)
    shares = {}
    for rater in np.unique(answers.raters):
        mine = answers.raters == rater
        won = answers.won[mine & (answers.left == own) & (answers.right == others)]
        lost = answers.won[mine & (answers.left == others) & (answers.right == own)]
        if len(won) + len(lost):
            shares[people[rater]] = float(np.concatenate([won, 1 - lost]).mean())
    return shares


def true_differences(
    lab: Lab,
    pictures: dict[str, list[ComparedPicture]],
    users: Sequence[str],
    image_seed: int,
    seed: int,
) -> dict[str, Interval]:
    """Mean over prompts of the users' expected ratings, and intervals over the few users: no noise of trials.

    "others" is the mean over the pictures that were made for the other users.
    """
    from reward.evaluation.metrics import interval

    rows = [lab.raters.ids.index(user) for user in users]
    values: dict[str, list[np.ndarray]] = {}
    for shown in pictures.values():
        t = lab.truth([(picture.prompt, image_seed) for picture in shown])[rows]
        by_kind: dict[str, np.ndarray] = {}
        for name in dict.fromkeys(condition(p, user, users) for p in shown for user in users):
            mine = np.array([[condition(p, user, users) == name for p in shown] for user in users])
            by_kind[name] = (t * mine).sum(1) / mine.sum(1)
        for name, mean in by_kind.items():
            values.setdefault(name, []).append(mean)
    means = {name: np.mean(rows, 0) for name, rows in values.items()}  # [users]
    pairs = [(OWN, name) for name in means if name != OWN] + [(OTHERS, BASE)]
    return {f"{a} - {b}": interval(means[a] - means[b], seed) for a, b in pairs}


# ---- how it is shown ----


def _rows(result: Figure8, label: str) -> list[Any]:
    """Scores beside the paper's, the two differences that the paper is about, who beat whom."""
    scores = Table(
        title=f"Figure 8: {result.judges} judges, {len(result.users)} users, {len(result.prompts)} prompts, "
        f"{result.ranking.comparisons:,} comparisons; {label}",
        title_justify="left",
    )
    scores.add_column("whose pictures")
    for name in (
        "Elo",
        "95% over raters",
        "95% over comparisons",
        "Elo, fresh seed",
        "95% over raters",
        "paper",
    ):
        scores.add_column(name, justify="right")
    for name in result.ranking.conditions:
        score, fresh = result.ranking.elo[name], result.fresh.elo[name]
        published = str(FIGURE8.get(name, ""))
        scores.add_row(
            name, f"{score.value:.0f}", limits(score.by_rater), limits(score.by_comparison),
            f"{fresh.value:.0f}", limits(fresh.by_rater), published,
        )  # fmt: skip
    scores.add_section()
    for name in ("HPSv3", "Q-Align"):
        scores.add_row(f"{name} (paper only)", *[""] * 5, str(FIGURE8[name]), style="dim")

    differences = Table(title="Differences, Elo points", title_justify="left")
    differences.add_column("")
    for name in ("here", "fresh seed", "paper"):
        differences.add_column(name, justify="right")
    for first, second in ((OWN, OTHERS), (OTHERS, BASE), (OWN, BASE), *_generic(result.ranking)):
        there = [FIGURE8.get(name) for name in (first, second)]
        differences.add_row(
            f"{first} - {second}",
            _signed(result.ranking.difference(first, second)),
            _signed(result.fresh.difference(first, second)),
            f"{there[0] - there[1]:+d}" if there[0] and there[1] else "",
        )
    shares = ", ".join(f"{user} {100 * share:.0f}%" for user, share in result.owners.items())
    owners = Text(f"Own against others', each user: {shares}.")
    return [scores, differences, owners, wins(result.ranking), Text(f"Paper: {FIGURE8_DATA}.", "dim")]


def _generic(ranking: Ranking) -> list[tuple[str, str]]:
    return [(OWN, name) for name in ranking.conditions if name not in (OWN, OTHERS, BASE)]


def _signed(score: Score) -> str:
    low, high = score.by_rater or (float("nan"), float("nan"))
    return f"{score.value:+.0f} ({low:+.0f} to {high:+.0f})"


def _plot(result: Figure8, label: str, path: Path) -> None:
    """Elo scores as the searches' own pictures and a fresh seed's are judged; the paper's beside."""
    with drawing(path, 10.5, 0.42 * len(result.ranking.conditions) + 2.1) as figure:
        ours, fresh, theirs = panels(figure, 3)
        for axes, ranking, title in (
            (ours, result.ranking, "the pictures of the searches"),
            (fresh, result.fresh, "the same prompts, a fresh seed"),
        ):
            _elo(axes, ranking, result.ranking.conditions)
            axes.set_title(title)
        theirs.plot(list(FIGURE8.values()), range(len(FIGURE8)), "D", color=OTHER, ms=5)
        theirs.set_yticks(range(len(FIGURE8)), list(FIGURE8))
        theirs.set_ylim(len(FIGURE8) - 0.5, -0.6)
        theirs.set_title("paper: real people, FLUX.2")
        for axes in (fresh, theirs):
            axes.sharex(ours)
        for axes in (ours, fresh, theirs):
            axes.axvline(1000, color=GREY, lw=0.8, ls="--")
            axes.grid(axis="x", color="#e5e5e5", lw=0.6)
            axes.set_xlabel("Elo (Bradley-Terry)")
        note = "thick: 95% over raters, thin: over comparisons, as in the paper"
        titled(
            figure, f"Whose pictures win: {result.judges} judges, {len(result.prompts)} prompts", label, note
        )


def _elo(axes: Axes, ranking: Ranking, order: tuple[str, ...]) -> None:
    for place, name in enumerate(order):
        score = ranking.elo[name]
        for ends, width in ((score.by_rater, 3.2), (score.by_comparison, 1.0)):
            if ends is not None:
                axes.plot(ends, [place, place], color=OURS, lw=width, alpha=0.55 if width > 2 else 1)
        axes.plot(score.value, place, "o", color=OURS, ms=5)
    axes.set_yticks(range(len(order)), order)
    axes.set_ylim(len(order) - 0.5, -0.6)


REPRODUCTION = Reproduction(figure8, _rows, _plot, {"data": FIGURE8_DATA, "elo": FIGURE8})

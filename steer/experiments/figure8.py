"""Figure 8 (section 6.1): whose pictures win, when nobody knows how they were made?

6 users x 18 prompts. Every prompt is steered to each user and by two generic rewards; all known people then
judge all pairs of its pictures, the unsteered one among them. A picture made for the judge is "own", one made
for another user "others". The generic rewards are not built to fail: they are the population's predictor and
that of the youngest quarter. The judges are simulated: in every comparison both pictures are rated anew, the
true expected rating plus the trial noise of the raters, and ratings nearer than `TIE` are a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward.evaluation.metrics import Interval
from steer.experiments.bench import Bench, Reward
from steer.record.folder import Record
from steer.settings import Settings
from steer.study.ranking import Comparisons, Ranking, rank

USERS = 6
TIE = 0.05  # rating points: half the width of what the steering benchmark counts as half a win
OWN, OTHERS, BASE = "own", "others", "base"
SHORT = Settings(iterations=3, proposals=10, confirm=0)
FULL = Settings(confirm=0)
Progress = Callable[[str, int, int], None]  # what, done, of


@dataclass(frozen=True)
class Picture:
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
    pictures: dict[str, tuple[Picture, ...]]  # by prompt


def figure8(
    bench: Bench,
    prompts: Sequence[str],
    users: int = USERS,
    settings: Settings = SHORT,
    seed: int = 0,
    resamples: int = 1000,
    progress: Progress = lambda what, done, of: None,
) -> Figure8:
    """Make the runs that are missing and let everybody judge. Resumable: see `steer.experiments.bench`."""
    chosen = bench.users[:users]
    rewards = [*(bench.personal(user) for user in chosen), bench.population(), bench.youngest()]
    pictures = make_pictures(bench, rewards, prompts, settings, progress)
    answers = judge(bench, pictures, chosen, settings.seed, seed)
    fresh = judge(bench, pictures, chosen, unseen_seed(settings), seed)
    return Figure8(
        users=tuple(chosen),
        prompts=tuple(prompts),
        judges=len(bench.predictor.people),
        settings=settings.to_json(),
        ranking=rank(answers, resamples, seed),
        fresh=rank(fresh, resamples, seed),
        owners=own_shares(answers, [person.id for person in bench.predictor.people]),
        true=true_differences(bench, pictures, chosen, settings.seed, seed),
        same_as_base=sum(p.made_by != BASE and p.prompt == base for base, ps in pictures.items() for p in ps),
        pictures={prompt: tuple(shown) for prompt, shown in pictures.items()},
    )


def unseen_seed(settings: Settings) -> int:
    """A seed that the search has not seen."""
    return replace(settings, confirm=1).confirm_seeds[0]


def make_pictures(
    bench: Bench, rewards: Sequence[Reward], prompts: Sequence[str], settings: Settings, progress: Progress
) -> dict[str, list[Picture]]:
    """The winner of every reward for every prompt, and the base."""
    pictures: dict[str, list[Picture]] = {}
    done = 0
    for prompt in prompts:
        shown = [Picture(BASE, prompt)]
        for reward in rewards:
            progress("runs", done, len(prompts) * len(rewards))
            record: Record = bench.run(reward, prompt, settings)
            shown.append(Picture(reward.name, str(record.result["best"]["prompt"])))
            done += 1
        pictures[prompt] = shown
    progress("runs", done, len(prompts) * len(rewards))
    return pictures


def condition(picture: Picture, judge: str, users: Sequence[str]) -> str:
    """What the picture is to this judge."""
    if picture.made_by == judge:
        return OWN
    return OTHERS if picture.made_by in users else picture.made_by


def judge(
    bench: Bench, pictures: dict[str, list[Picture]], users: Sequence[str], image_seed: int, seed: int
) -> Comparisons:
    """Every known person compares every two pictures of a prompt that are of different conditions.

    One and the same picture under two conditions is a tie.
    """
    people = [person.id for person in bench.predictor.people]
    rows = [bench.raters.ids.index(id) for id in people]
    generic = sorted({p.made_by for shown in pictures.values() for p in shown} - {*users, BASE})
    names = (OWN, OTHERS, *sorted(generic, key=lambda name: name != "population"), BASE)
    place = {name: i for i, name in enumerate(names)}
    raters, left, right, won = [], [], [], []
    for number, shown in enumerate(pictures.values()):
        t = bench.truth([(picture.prompt, image_seed) for picture in shown])[rows]
        rng = np.random.default_rng((seed, number))
        kinds = np.array([[place[condition(p, person, users)] for p in shown] for person in people])
        for a in range(len(shown)):
            for b in range(a + 1, len(shown)):
                y = bench.raters.people.rate(t[:, [a, b]], rng)
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
    bench: Bench, pictures: dict[str, list[Picture]], users: Sequence[str], image_seed: int, seed: int
) -> dict[str, Interval]:
    """Mean over prompts of the users' expected ratings, and intervals over the few users: no noise of trials.

    "others" is the mean over the pictures that were made for the other users.
    """
    from reward.evaluation.metrics import interval

    rows = [bench.raters.ids.index(user) for user in users]
    values: dict[str, list[np.ndarray]] = {}
    for shown in pictures.values():
        t = bench.truth([(picture.prompt, image_seed) for picture in shown])[rows]
        by_kind: dict[str, np.ndarray] = {}
        for name in {condition(p, user, users) for p in shown for user in users}:
            mine = np.array([[condition(p, user, users) == name for p in shown] for user in users])
            by_kind[name] = (t * mine).sum(1) / mine.sum(1)
        for name, mean in by_kind.items():
            values.setdefault(name, []).append(mean)
    means = {name: np.mean(rows, 0) for name, rows in values.items()}  # [users]
    pairs = [(OWN, name) for name in means if name != OWN] + [(OTHERS, BASE)]
    return {f"{a} - {b}": interval(means[a] - means[b], seed) for a, b in pairs}

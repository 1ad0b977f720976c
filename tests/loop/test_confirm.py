"""What the search found is checked on seeds it never saw, by a judge, and for everybody else."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import (
    PROMPT,
    FakePerson,
    FakeProposer,
    FakeRenderer,
    FakeScorer,
    PlainScorer,
    PromptScorer,
    fake_parts,
)
from hypothesis import given
from hypothesis import strategies as st

from reward.errors import ScoreError
from steer.cli.report import report
from steer.errors import ScorerError
from steer.loop.confirm import paired_interval, unpaired_interval, verdict
from steer.loop.run import Run
from steer.pages import wording
from steer.pages.gallery_figures import tiles
from steer.parts import BASE_ID, Capabilities, SaysHowSure
from steer.record.folder import Record
from steer.settings import Settings

SMALL = Settings(iterations=1, proposals=3, confirm=4, search="paper")


def run(out: Path, settings: Settings = SMALL, judge_person: Any = None, **parts: Any) -> Record:
    running = Run.start(PROMPT, FakePerson(), fake_parts(**parts), settings, out, judge_person)
    list(running)
    return Record.read(running.folder)


def scripted(score: Any) -> dict[str, Any]:
    renderer = FakeRenderer()
    proposer = FakeProposer([[f"{PROMPT}, {time}" for time in ("dawn", "noon", "dusk")]])
    return {"renderer": renderer, "proposer": proposer, "scorer": PromptScorer(renderer, score)}


def test_base_and_best_are_rendered_on_the_same_unseen_seeds(tmp_path):
    record = run(tmp_path)
    best = record.result["best"]
    seeds = {BASE_ID: [], best["id"]: []}
    for event in record.events:
        if event.event == "rendered" and event.role == "confirm":
            seeds[str(event.id).partition("-")[0]].append(event.seed)
            assert event.prompt in (PROMPT, best["prompt"])
    assert (
        seeds[BASE_ID] == seeds[best["id"]] == list(SMALL.confirm_seeds) == record.result["confirm"]["seeds"]
    )


def test_the_interval_is_the_paired_t_interval():
    from scipy import stats

    gains = [0.3, -0.1, 0.5, 0.25, 0.4]
    low, high = paired_interval(gains)
    expected = stats.ttest_rel(gains, [0.0] * 5).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high))


@given(st.lists(st.floats(-4, 4), min_size=2, max_size=8))
def test_the_verdict_says_better_only_if_the_interval_leaves_out_zero(gains):
    low, high = paired_interval(gains)
    assert low <= statistics.fmean(gains) + 1e-9 and high >= statistics.fmean(gains) - 1e-9
    expected = "better" if low > 0 else "worse" if high < 0 else "no_evidence"
    assert verdict((low, high)) == expected


def test_one_pair_is_no_evidence():
    assert paired_interval([1.0]) is None
    assert verdict(None) == "no_evidence"


def test_a_best_that_was_only_a_lucky_seed_is_no_evidence(tmp_path):
    luck = {"n": 0.0}

    def score(image, person):
        luck["n"] += 1
        return 3 + (luck["n"] * 0.37) % 1  # scores that have nothing to do with the prompt

    record = run(tmp_path, scorer=PlainScorer(score))
    assert record.result["best"]["score"] >= record.result["baseline"]["score"]
    assert record.result["confirm"]["verdict"] == "no_evidence"


def test_a_best_that_holds_on_every_seed_is_better(tmp_path):
    record = run(tmp_path, **scripted(lambda prompt: 4.0 if "noon" in prompt else 3.0))
    confirm = record.result["confirm"]
    assert (confirm["verdict"], confirm["gain_mean"], confirm["gain_ci95"]) == ("better", 1.0, [1.0, 1.0])


def test_if_the_base_wins_it_is_rendered_once_and_the_gain_is_zero(tmp_path):
    parts = scripted(lambda prompt: 4.0 if prompt == PROMPT else 3.0)
    record = run(tmp_path, **parts)
    confirm = record.result["confirm"]
    assert record.result["winner_is_base"] and confirm["winner_is_base"]
    assert confirm["baseline"] == confirm["best"] and confirm["gain_mean"] == 0.0
    assert confirm["verdict"] == "no_evidence"
    renders = [job for job in parts["renderer"].rendered if job[1] in SMALL.confirm_seeds]
    assert len(renders) == len(set(renders)) == 4


def test_held_out_is_the_gain_by_a_judge_that_had_no_part_in_the_search(tmp_path):
    judge = PlainScorer(lambda image, person: float(np.asarray(image).mean()))
    record = run(tmp_path, judge=judge)
    confirm = record.result["confirm"]
    from PIL import Image

    def means(names):
        return [float(np.asarray(Image.open(record.folder / name)).mean()) for name in names]

    gains = np.subtract(means(confirm["best_images"]), means(confirm["baseline_images"]))
    assert confirm["held_out"] == pytest.approx(gains.mean())
    assert confirm["held_out"] != confirm["gain_mean"]


def test_without_a_judge_there_is_no_held_out_gain(tmp_path):
    assert run(tmp_path).result["confirm"]["held_out"] is None


def test_a_judge_is_asked_about_the_same_person_as_it_knows_them(tmp_path):
    asked = []

    class Judge(FakeScorer):
        def person(self, id):
            return FakePerson(id, hash=f"judge's {id}")

        def score(self, images, prompt, person):
            asked.append((prompt, person.hash))
            return super().score(images, prompt, person)

    run(tmp_path, judge=Judge())
    assert asked == [(PROMPT, "judge's 17")]


def test_specificity_is_the_same_gain_for_every_other_known_person(tmp_path):
    record = run(tmp_path)
    confirm, special = record.result["confirm"], record.result["specificity"]
    scorer = FakeScorer()
    from PIL import Image

    def gain(person):
        names = (confirm["baseline_images"], confirm["best_images"])
        before, after = (
            scorer.score([Image.open(record.folder / name).convert("RGB") for name in side], PROMPT, person)
            for side in names
        )
        return statistics.fmean(after) - statistics.fmean(before)

    others = [gain(FakePerson(known.id)) for known in scorer.people if known.id != "17"]
    assert (
        special["gain_person"] == pytest.approx(gain(FakePerson("17"))) == pytest.approx(confirm["gain_mean"])
    )
    assert special["gain_others_mean"] == pytest.approx(statistics.fmean(others))
    assert special["rank"] == 1 + sum(other > special["gain_person"] for other in others)
    assert special["of"] == 20


def test_a_scorer_that_knows_nobody_gives_no_specificity(tmp_path):
    assert run(tmp_path, scorer=PlainScorer(lambda image, person: 3.0)).result["specificity"] is None


def test_confirm_zero_renders_nothing_more(tmp_path):
    record = run(tmp_path, Settings(iterations=1, proposals=2, confirm=0))
    assert record.result["confirm"] is None and record.result["status"] == "complete"
    assert not [event for event in record.events if getattr(event, "role", None) == "confirm"]


def test_a_seed_without_a_score_is_left_out_of_the_confirmation_and_named(tmp_path):
    class LateNaN(FakeScorer):
        def score(self, images, prompt, person):
            scores = super().score(images, prompt, person)
            return [*scores[:-1], float("nan")] if len(images) == 8 else scores

    record = run(tmp_path, scorer=LateNaN())
    confirm = record.result["confirm"]
    assert confirm["left_out"] == [SMALL.confirm_seeds[-1]]
    assert confirm["seeds"] == list(SMALL.confirm_seeds[:-1])
    for name in ("baseline", "best", "baseline_images", "best_images"):
        assert len(confirm[name]) == 3
    gains = np.subtract(confirm["best"], confirm["baseline"])
    assert confirm["gain_mean"] == pytest.approx(gains.mean())
    assert "1 seed without a score left out" in wording.verdict(confirm)
    assert run(tmp_path).result["confirm"].keys() == confirm.keys() - {"left_out"}


def test_a_person_without_a_score_is_left_out_of_the_specificity(tmp_path):
    class Holes(FakeScorer):
        def score_people(self, images, prompt, people):
            table = super().score_people(images, prompt, people)
            table[3, 1] = float("nan")
            return table

    assert run(tmp_path, scorer=Holes()).result["specificity"]["of"] == 19


def test_a_confirmation_without_any_number_is_an_error_and_not_a_verdict(tmp_path):
    class NoNumbers(FakeScorer):
        def score(self, images, prompt, person):
            return [float("nan")] * 8 if len(images) == 8 else super().score(images, prompt, person)

    with pytest.raises(ScorerError, match="no score for any pair of the confirmation"):
        run(tmp_path, scorer=NoNumbers())


# --- a renderer that ignores seeds


class Careless(FakeRenderer):
    """Another picture each time, whatever the seed."""

    name = "careless renderer"
    capabilities = Capabilities(seed=False)

    def image(self, prompt: str, seed: int) -> Any:
        return super().image(prompt, len(self.rendered))


def test_where_seeds_are_ignored_more_pictures_are_compared_by_their_means(tmp_path):
    record = run(tmp_path, replace(SMALL, confirm=2), renderer=Careless())
    confirm = record.result["confirm"]
    assert record.settings.confirm == len(confirm["seeds"]) == 6
    assert confirm["paired"] is False
    assert confirm["gain_ci95"] == pytest.approx(unpaired_interval(confirm["baseline"], confirm["best"]))
    assert any("ignores seeds" in note["text"] for note in record.result["notes"])
    assert "means are compared, not pairs" in wording.verdict(confirm)


def test_where_seeds_are_honoured_the_record_is_as_it_was(tmp_path):
    record = run(tmp_path)
    assert "paired" not in record.result["confirm"] and not record.result["notes"]


def test_the_unpaired_interval_is_welchs():
    from scipy import stats

    before, after = [3.0, 3.4, 2.8, 3.1], [3.9, 3.2, 4.4, 3.6, 4.0]
    expected = stats.ttest_ind(after, before, equal_var=False).confidence_interval(0.95)
    assert unpaired_interval(before, after) == pytest.approx((expected.low, expected.high))
    assert unpaired_interval([1.0], [2.0]) is None
    assert unpaired_interval([1.0, 1.0], [2.0, 2.0]) == (1.0, 1.0)


# --- how sure


class Sure(PromptScorer):
    """Says of every rating that it lies within half a point, on the scale of 1 to 5."""

    fails: Exception | None = None

    def interval(self, images, prompt, person, share=0.8):
        if self.fails is not None:
            raise self.fails
        scores = self.score(images, prompt, person)
        return [max(s - 0.5, 1.0) for s in scores], [min(s + 0.5, 5.0) for s in scores]


def sure(score: Any, fails: Exception | None = None) -> dict[str, Any]:
    parts = scripted(score)
    parts["scorer"] = Sure(parts["renderer"], score)
    parts["scorer"].fails = fails
    return parts


@pytest.mark.parametrize(("noon", "dawn"), [(4.0, 3.0), (4.8, 3.0), (3.0, 1.1)])
def test_a_scorer_that_says_how_sure_it_is_puts_a_range_to_the_gain(tmp_path, noon, dawn):
    confirm = run(tmp_path, **sure(lambda prompt: noon if "noon" in prompt else dawn)).result["confirm"]
    half = 0.5 * 2**0.5  # of the difference of two ratings, whose intervals may be cut at an end of the scale
    assert confirm["gain_range80"] == pytest.approx([noon - dawn - half, noon - dawn + half])
    said = f"between {wording.gain(noon - dawn - half)} and {wording.gain(noon - dawn + half)}"
    assert said in wording.gain_range(confirm)


def test_a_range_decides_nothing(tmp_path):
    def score(prompt):
        return 4.0 if "noon" in prompt else 3.0

    plain, told = run(tmp_path / "a", **scripted(score)), run(tmp_path / "b", **sure(score))
    assert plain.result["best"] == told.result["best"]
    confirm = dict(told.result["confirm"])
    del confirm["gain_range80"]
    assert confirm == plain.result["confirm"] and wording.gain_range(plain.result["confirm"]) == ""


def test_where_nobody_measured_how_sure_a_scorer_is_there_is_no_range(tmp_path):
    parts = sure(lambda prompt: 4.0 if "noon" in prompt else 3.0, ScoreError("nobody measured it"))
    record = run(tmp_path, **parts)
    assert record.result["status"] == "complete" and "gain_range80" not in record.result["confirm"]


def test_a_scorer_that_fails_to_say_how_sure_it_is_is_named_with_the_next_step(tmp_path):
    parts = sure(lambda prompt: 4.0 if "noon" in prompt else 3.0, RuntimeError("out of memory"))
    with pytest.raises(ScorerError, match=r"how sure it is: out of memory.*steer runs resume"):
        run(tmp_path, **parts)


def test_a_base_that_won_has_no_range(tmp_path):
    record = run(tmp_path, **sure(lambda prompt: 4.0 if prompt == PROMPT else 3.0))
    assert record.result["winner_is_base"] and "gain_range80" not in record.result["confirm"]


def test_the_range_stands_in_the_gallery_and_in_the_last_words_of_a_run(tmp_path, capsys):
    record = run(tmp_path, **sure(lambda prompt: 4.0 if "noon" in prompt else 3.0))
    said = wording.gain_range(record.result["confirm"])
    assert "+0.29" in said and "+1.71" in said
    assert any(said in tile.text for tile in tiles(record.result, won=True))
    report(record)
    assert said.split(", once")[0] in " ".join(capsys.readouterr().out.split())


def test_a_predictor_says_how_sure_it_is():
    from reward.predictor.predictor import Predictor

    assert issubclass(Predictor, SaysHowSure) and not issubclass(PlainScorer, SaysHowSure)

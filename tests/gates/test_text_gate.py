"""What the text gate lets through, what it turns away, and the reasons that it gives."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.gates.text import TextGate, count_words, lost_words, normalize

BASE = "floating mossy rocks"


@pytest.mark.parametrize(
    "candidate",
    [
        "floating mossy rocks, golden hour, low angle, oil painting",
        "a watercolor of floating mossy rocks (seen from below), 50mm, f/1.8",
        "Mossy rock floating in thin mist",
        "rocks with moss that float, St. Paul's light at dusk",
        "floating mossy rocks, high-key, black-and-white - cold, 4:3 framing",
        'floating mossy rocks, in the style of "The Scream"',
        "floating mossy rocks, café colors, clair-obscur à la Caravaggio",
    ],
)
def test_rewrites_that_keep_the_subject_pass(candidate):
    assert TextGate(BASE).reject(candidate) is None


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        ("", "empty"),
        (" ,.!", "empty"),
        ("floating rocks, golden hour", "lost 'mossy'"),
        ("a castle at dusk", "lost 'floating', 'mossy', 'rocks'"),
        ("Floating  mossy ROCKS.", "same as the original"),
        (f"{BASE}, " + "very " * 0 + " ".join(f"word{i}" for i in range(80)), "too long (83 words"),
        (f"{BASE}, 300x300px", "pixel size"),
        (f"{BASE}, 1024 × 768", "pixel size"),
        (f"{BASE}, 300 dpi", "pixel size"),
        (f"{BASE}, see https://example.org/a.png", "web address"),
        (f"{BASE}, Prompt: golden hour", "label"),
        (f"{BASE}, golden hour --ar 16:9", "command"),
        (f"{BASE}, <b>golden</b> hour", "markup"),
        (f"{BASE}, (golden hour", "unbalanced"),
        (f'{BASE}, "golden hour', "unbalanced"),
        (f"{BASE}, soft soft light", "repeats a word"),
        (f"{BASE}, dark and dark", "repeats a word"),
        (f"{BASE}, soft light, low angle, soft light", "repeats itself"),
        (f"{BASE}, {BASE}", "repeats"),
        (f"{BASE}, dark sky, dark sea, dark sand, dark mood", 'repeats "dark" 4 times'),
        (f"{BASE}, stunning, best quality, 8k", "praise"),
        (f"{BASE}, seen with a", 'breaks off after "a"'),
        (f"{BASE}, 2. golden hour", "enumeration"),
        (f"{BASE}, highest possible aesthetic quality scores", "the instruction"),
        (f"{BASE}, I hope you like it", "talk to the reader"),
        (f"{BASE}, golden\x07 hour", "cannot be printed"),
        (f"{BASE}, golden\nhour", "cannot be printed"),
        (f"{BASE}, golden \u202ehour", "cannot be printed"),
        (f"{BASE}, 黄金时刻的光线", "another script"),
        (f"{BASE}, nude figure", "nobody asked for"),
    ],
)
def test_junk_is_turned_away_with_its_reason(candidate, reason):
    assert reason in (TextGate(BASE).reject(candidate) or "passed")


def test_what_the_run_has_tried_is_recognised_through_case_spacing_and_punctuation():
    tried = {normalize("floating mossy rocks, golden hour")}
    assert TextGate(BASE).reject("Floating mossy rocks - golden hour.", tried) == "already tried in this run"
    assert TextGate(BASE).reject("floating mossy rocks, golden tones", tried) is None


def test_a_paraphrase_passes_where_the_sentences_are_similar_enough():
    paraphrase = "levitating boulders covered in lichen, golden hour"
    assert TextGate(BASE).reject(paraphrase) == "lost 'floating', 'mossy', 'rocks'"
    assert TextGate(BASE, lambda a, b: 0.9).reject(paraphrase) is None
    assert TextGate(BASE, lambda a, b: 0.3).reject(paraphrase) is not None
    assert TextGate(BASE, lambda a, b: float("nan")).reject(paraphrase) is not None


def test_similarity_is_only_asked_when_words_are_lost():
    def fail(a, b):
        raise AssertionError("not needed")

    assert TextGate(BASE, fail).reject(f"{BASE}, golden hour") is None


@pytest.mark.parametrize(
    ("base", "good", "bad"),
    [
        ("漂浮的长满苔藓的岩石", "漂浮的长满苔藓的岩石，金色时刻，柔和的光线", "一座城堡，金色时刻"),
        ("苔むした浮かぶ岩", "苔むした浮かぶ岩、夕暮れの光、水彩画", "古い城、夕暮れ"),
        ("плавающие мшистые камни", "плавающие мшистые камни, золотой час", "старый замок, золотой час"),
        ("صخور عائمة", "صخور عائمة، ضوء ذهبي", "قلعة قديمة، ضوء ذهبي"),
        ("หินลอยน้ำ", "หินลอยน้ำ แสงสีทอง", "ปราสาทเก่า แสงสีทอง"),
        ("🐱", "🐱, golden hour", "🐶, golden hour"),
        ("3 boats", "three boats, golden hour", "four boats, golden hour"),
        ("a child's red bicycles", "the red bicycle of a child, dusk", "a child's blue bicycle, dusk"),
        ("rain", "heavy rain, neon glow", "a train, neon glow"),
    ],
)
def test_every_script_keeps_its_words_and_misses_lost_ones(base, good, bad):
    assert TextGate(base).reject(good) is None
    assert "lost" in (TextGate(base).reject(bad) or "passed")


@pytest.mark.parametrize(
    "base",
    [
        "<script>alert(1)</script>",
        'a sign "open 24/7',
        "a 300x300px icon",
        "nude study by an old master",
        "a cat, a cat, a cat",
        "very very very very big dog",
        "I am legend, poster",
        "C:\\temp\\*.png `rm -rf`",
    ],
)
def test_what_the_person_typed_is_not_held_against_the_rewrite(base):
    assert TextGate(base).reject(f"{base}, golden hour") is None


def test_a_long_base_prompt_leaves_room_for_a_rewrite():
    base = " ".join(f"thing{i}" for i in range(100))
    assert TextGate(base).reject(f"{base}, golden hour, low angle") is None


def test_words_are_counted_where_a_script_writes_no_spaces():
    assert count_words("floating mossy rocks") == 3
    assert count_words("漂浮的岩石") == 3


@pytest.mark.parametrize("word", ["rock", "rocks", "rocky", "Rocks", "rock's"])
def test_forms_of_a_word_count_as_the_word(word):
    assert lost_words("rocks", f"a {word} at dusk") == []


@given(st.text(max_size=80), st.text(max_size=120))
def test_any_pair_of_texts_gets_a_reason_or_passes(base, candidate):
    reason = TextGate(base).reject(candidate)
    assert reason is None or (reason and "\n" not in reason)


@pytest.mark.parametrize(
    "mark", ["1.1", "1.", "12", "[", "[a](", "&a", "(", '"', " ", "1 ", "a", "岩", "1x", "{a|", "a@"]
)
def test_no_mark_however_often_it_is_repeated_takes_the_gate_long(mark):
    # Both are long, or the gate would look no further than at the length. 50 to 200 ms are usual.
    base, candidate = (mark * 20_000)[:20_000] + " b", (mark * 20_000)[:20_000] + " c"
    start = time.process_time()
    TextGate(base, max_words=10**9).reject(candidate)
    assert time.process_time() - start < 2


def test_a_rewrite_that_is_far_longer_than_any_prompt_is_told_by_its_length():
    assert "too long (10,000 characters" in TextGate(BASE).reject("a" * 10_000)


@given(st.text(max_size=80))
def test_normalizing_twice_changes_nothing(text):
    assert normalize(normalize(text)) == normalize(text)

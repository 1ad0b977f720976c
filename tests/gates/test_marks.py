"""Prompts as people write them for other programs: what is named, what is offered, what is meant."""

import pytest
from fuzz_replies import PIECES
from hypothesis import given
from hypothesis import strategies as st

from steer.gates.marks import read_marks
from steer.gates.text import TextGate, lost_words

ANY = st.lists(
    st.sampled_from(PIECES) | st.sampled_from(["no", "without", "{a|b}", "[c|d]", "BREAK", "--ar"]),
    max_size=30,
)


@pytest.mark.parametrize(
    ("prompt", "mark", "offer"),
    [
        ("<lora:ink:0.8> a wooden boat", "<lora:ink:0.8>", "--lora ink=0.8"),
        ("<lora:ink> a wooden boat", "<lora:ink>", "--lora ink"),
        ("embedding:inky a wooden boat", "embedding:inky", "in words"),
        ("a __colour__ wooden boat", "__colour__", "in words"),
        ("(a wooden boat:1.2)", "(a wooden boat:1.2)", "goes first"),
        ("a ((wooden)) boat", "((wooden))", "goes first"),
        ("a wooden boat::2", "::2", "goes first"),
        ("a wooden boat BREAK", "BREAK", "comma"),
        ("a wooden boat --ar 16:9", "--ar 16:9", "--size"),
        ("a wooden boat --seed 7 --v 6", "--seed 7", "--seed"),
        ("a wooden boat --no people, cars", "--no people, cars", "an empty street"),
        ("a wooden boat Negative prompt: people", "Negative prompt: people", "an empty street"),
        ("a wooden boat Steps: 20, Seed: 1", "Steps: 20, Seed: 1", "--steps"),
        ("a wooden boat without people", "without people", "an empty street"),
        ("a [dark:wooden boat:0.5]", "[dark:wooden boat:0.5]", "name one"),
    ],
)
def test_a_mark_of_another_program_is_named_with_what_to_use_instead(prompt, mark, offer):
    line = read_marks(prompt).line(0)
    assert f'"{mark}"' in line and offer in line and "\n" not in line
    assert TextGate(prompt).reject("an empty deck of a wooden boat, golden hour") is None
    assert "lost" in TextGate(prompt).reject("a castle at dusk")


@pytest.mark.parametrize(
    "prompt",
    [
        "floating mossy rocks",
        'a sign that says "OPEN"',
        "A cat (Felis catus), 4:3, f/1.8 - 50mm",
        "Dr. No, poster no. 5",
        "a wall with [graffiti]",
        "C:\\temp\\*.png",
        "rock 'n' roll, black-and-white",
    ],
)
def test_a_prompt_in_plain_words_has_no_marks(prompt):
    assert read_marks(prompt).line(0) is None
    assert read_marks(prompt).expanded(0) == prompt


def test_of_alternatives_the_seed_takes_one_each_and_everything_else_stays():
    prompt = "<lora:ink:0.8> a {red|blue} boat, [a {big|small} cat|dog], {only} [one]"
    drawn = {read_marks(prompt).expanded(seed) for seed in range(40)}
    assert drawn == {
        f"<lora:ink:0.8> a {colour} boat, {animal}, {{only}} [one]"
        for colour in ("red", "blue")
        for animal in ("a big cat", "a small cat", "dog")
    }
    assert read_marks(prompt).expanded(7) == read_marks(prompt).expanded(7)
    assert 'takes these: "<lora' in read_marks(prompt).line(0)


def test_alternatives_may_be_weighted_or_drawn_by_two():
    assert {read_marks("{0::red|1::blue} boat").expanded(seed) for seed in range(20)} == {"blue boat"}
    assert {read_marks("{2$$red|blue} boat").expanded(s) for s in range(20)} == {
        "red, blue boat",
        "blue, red boat",
    }


def test_what_stands_in_quotation_marks_is_left_alone():
    read = read_marks('a sign that says "{a|b} BREAK"')
    assert read.quoted == ("{a|b} BREAK",)
    assert read.line(0) is None and read.expanded(0) == read.prompt


@pytest.mark.parametrize(
    ("base", "good", "bad"),
    [
        ("a {red|blue} boat", "a blue boat at dusk", "a green boat"),
        ("a street without people", "an empty street", "a street full of people"),
        ("a street without people", "a street with no people, fog", "a street, fog"),
        ("a street without people", "a people-free street, fog", "a street without people, crowd of people"),
        ("no cars or people, a street", "a deserted street", "a street with cars"),
        ("a street, nobody around", "a street around noon, no one there", "a street around noon"),
        ("a man without a hat", "a hatless man at dusk", "a man in a hat"),
        ("a dog that is not black", "a white dog", "a black dog"),
        ("boat --no people", "boat at dusk", "boat with people"),
        ('a sign that says "OPEN"', "a neon sign that says “OPEN”", "a neon sign that says open"),
        ('a sign that says "OPEN"', "a sign that says 'OPEN', dusk", 'a sign that says "CLOSED"'),
        ("mossy rocks", "mossy rocks, no people", "a castle, no mossy rocks"),
    ],
)
def test_meaning_counts_and_not_letters(base, good, bad):
    assert TextGate(base).reject(good) is None
    assert TextGate(base).reject(bad)


def test_a_similar_sentence_pardons_no_lost_quotation_and_no_lost_absence():
    for base, bad in (("a street without people", "a street"), ('a sign, "OPEN"', 'a sign, "CLOSED"')):
        assert "lost" in TextGate(base, lambda a, b: 1.0).reject(f"{bad}, golden hour")


def test_a_rewrite_may_repeat_the_marks_of_the_prompt_and_bring_no_others():
    gate = TextGate("<lora:ink:0.8> a wooden boat --ar 16:9")
    assert gate.reject("<lora:ink:0.8> an old wooden boat at dusk --ar 16:9") is None
    assert "command" in gate.reject("an old wooden boat at dusk --v 6")


@given(ANY)
def test_any_prompt_is_read_and_its_words_are_its_own(pieces):
    prompt = " ".join("".join(pieces).split())
    read = read_marks(prompt)
    assert set(read.words) <= set(prompt) | {" "}
    assert read.expanded(3) == read_marks(prompt).expanded(3)
    line = read.line(3)
    assert line is None or len(line) < 2_000
    assert lost_words(prompt, prompt) == [] or read.either


@given(st.text(max_size=60).filter(lambda text: not set(text) & set("{}[]|\\")))
def test_without_alternatives_a_prompt_stays_as_it_is(text):
    assert read_marks(text).expanded(0) == " ".join(text.split())

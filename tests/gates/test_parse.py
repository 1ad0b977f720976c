"""Replies of language models, in the layouts that they really use."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.gates.parse import parse

# One line of printable text that does not itself begin like a list item or a quotation.
WORDS = st.text(
    st.characters(
        categories=("Lu", "Ll", "Lo", "Nd", "Po", "Ps", "Pe", "Zs", "Pd"), exclude_characters="*_`#\u3000"
    ),
    min_size=1,
    max_size=60,
).map(lambda text: " ".join(text.split()))
PROMPTS = WORDS.filter(lambda text: text[:1].isalpha() and text[-1:].isalnum())


@pytest.mark.parametrize(
    "mark", ["{}. ", "{}) ", "({}) ", "{}: ", "**{}.** ", "**{}**. ", "#{}. ", "{} - ", "{}.\t"]
)
def test_numbers_are_taken_off_however_they_are_written(mark):
    reply = "\n".join(
        mark.format(i) + text for i, text in enumerate(["a fox, at dusk", "a fox, oil painting"], 1)
    )
    assert parse(reply) == ["a fox, at dusk", "a fox, oil painting"]


@pytest.mark.parametrize("mark", ["- ", "* ", "• ", "– ", "- 1. ", "•"])
def test_bullets_are_taken_off(mark):
    assert parse(f"{mark}a fox\n{mark}an owl") == ["a fox", "an owl"]


@pytest.mark.parametrize(
    "text",
    [
        "A cat (Felis catus) on a mat, oil painting",
        "St. Paul at dusk",
        "3 boats at dusk",
        "1.5 m waves, dusk",
        "2:1 split screen of a fox",
        "24-hour diner, neon glow",
        "1950s car, f/1.8, 50 mm",
        "Dr. No, vol. 2) of the series",
        "漂浮的长满苔藓的岩石，金色时刻",
        "плавающие мшистые камни, золотой час",
        "صخور عائمة، ضوء ذهبي",
        'a sign that says "open", at night',
        '"Stop" and "go" signs, the word "now"',
        'a wall with ["graffiti"] on it',
        "🐱, golden hour",
        "well-lit room - no people, wide shot",
        "rock 'n' roll band, black and white",
    ],
)
def test_what_stands_inside_a_prompt_survives(text):
    assert parse(text) == [text]
    assert parse(f"1. {text}\n2. another") == [text, "another"]
    assert parse(f"Here is a prompt:\n- {text}") == [text]


@pytest.mark.parametrize(
    "reply",
    [
        '["a fox, at dusk", "an owl [mono]"]',
        '```json\n["a fox, at dusk",\n "an owl [mono]"]\n```',
        'Sure! Here they are: ["a fox, at dusk", "an owl [mono]"] Enjoy.',
        '{"prompts": ["a fox, at dusk", "an owl [mono]"]}',
        '[{"prompt": "a fox, at dusk", "score": 4}, {"prompt": "an owl [mono]"}]',
        '["1. a fox, at dusk", "2. an owl [mono]"]',
    ],
)
def test_json_lists_are_read_alone_in_fences_and_in_prose(reply):
    assert parse(reply) == ["a fox, at dusk", "an owl [mono]"]


def test_a_broken_json_list_still_gives_its_lines():
    assert parse('[\n"a fox, at dusk",\n"an owl"\n') == ["a fox, at dusk", "an owl"]


@pytest.mark.parametrize(
    "reply",
    [
        '{"prompts": ["a fox, at dusk", "an owl", "a ca',
        '{"prompts": ["a fox, at dusk", "an owl"',
        '{"prompts": ["a fox, at dusk", "an owl",',
        '```json\n["a fox, at dusk", "an owl", "a cat \\',
        '[{"prompt": "a fox, at dusk"}, {"prompt": "an owl"}, {"prom',
    ],
)
def test_of_a_json_list_that_was_cut_off_the_whole_prompts_are_read(reply):
    assert parse(reply) == ["a fox, at dusk", "an owl"]


@given(st.lists(PROMPTS, min_size=1, max_size=4), st.data())
def test_a_json_list_cut_anywhere_gives_the_prompts_before_the_cut(prompts, data):
    whole = json.dumps({"prompts": prompts})
    found = parse(whole[: data.draw(st.integers(0, len(whole)))])
    assert found == prompts[: len(found)]


def test_thoughts_are_not_prompts():
    assert parse("<think>\n1. maybe a fox?\n</think>\n1. an owl\n2. a cat") == ["an owl", "a cat"]
    assert parse("<think>\n1. maybe a fox? The reply ends in the middle of") == []


def test_quotes_and_emphasis_around_a_prompt_are_taken_off():
    assert parse("1. \"a fox, at dusk\"\n2. **an owl**\n3. “a cat”\n4. 'a dog',") == [
        "a fox, at dusk",
        "an owl",
        "a cat",
        "a dog",
    ]


def test_preambles_and_closing_remarks_are_dropped():
    reply = "Here are 2 new variations:\n\n1. a fox\n2. an owl\n\nLet me know if you want more!"
    assert parse(reply) == ["a fox", "an owl"]
    assert parse("Sure, here are some ideas:\na fox, at dusk\nan owl, at night\nI hope this helps!") == [
        "a fox, at dusk",
        "an owl, at night",
    ]


def test_an_unnumbered_line_alone_is_one_prompt():
    assert parse("floating mossy rocks, golden hour\n") == ["floating mossy rocks, golden hour"]


@pytest.mark.parametrize(
    "reply",
    ["", " \n\t", "1.\n2.\n3.", "---", "```\n```", "[]", "[" * 5000, "{" * 5000, '{"prompts": ["a fo'],
)
def test_a_reply_without_a_prompt_gives_none(reply):
    assert parse(reply) == []


@given(st.text())
def test_any_text_at_all_gives_a_list_of_single_lines(reply):
    for prompt in parse(reply):
        assert prompt.strip() == prompt
        assert prompt
        assert len(prompt.splitlines()) == 1


@given(st.lists(PROMPTS, min_size=1, max_size=8), st.sampled_from(["{}. ", "{}) ", "**{}.** "]))
def test_a_numbered_list_of_any_prompts_comes_back_as_it_was(prompts, mark):
    assert parse("\n".join(mark.format(i) + text for i, text in enumerate(prompts, 1))) == prompts


@given(st.lists(PROMPTS, min_size=1, max_size=8))
def test_a_json_list_of_any_prompts_comes_back_as_it_was(prompts):
    assert parse(json.dumps(prompts)) == prompts

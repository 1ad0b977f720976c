"""Replies of language models, in the layouts that they really use."""

import json
import time

import pytest
from fuzz_replies import mutated, repeats, replies
from hypothesis import given
from hypothesis import strategies as st

from steer.gates.replies import MAX_PARTS, MAX_REPLY, parse

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


TWO = ["a fox, at dusk", "an owl"]


@pytest.mark.parametrize(
    "reply",
    [
        '["a fox, at dusk", "an owl",]',
        '```python\nprompts = [\n  "a fox, at dusk",  # warm\n  "an owl",  // cold\n]\n```',
        '```json5\n{prompts: [/* two */ "a fox, at dusk", "an owl"]}\n```',
        "['a fox, at dusk', 'an owl']",
        '["a fox, at dusk"\n"an owl"]',
        "[“a fox, at dusk”, “an owl”]",
        '{"1": "a fox, at dusk", "2": "an owl"}',
        '{"prompt_1": "a fox, at dusk", "prompt_2": "an owl"}',
        '{"reasoning": "dusk suits a fox", "prompts": ["a fox, at dusk", "an owl"]}',
        '{"result": {"prompts": [{"text": "a fox, at dusk"}, {"text": "an owl"}]}}',
        '{"prompts": {"1": "a fox, at dusk", "2": "an owl"}}',
        '{"prompt": "a bird", "variations": ["a fox, at dusk", "an owl"]}',
        '{"prompts": "1. a fox, at dusk\\n2. an owl"}',
        '{"prompt": "a fox, at dusk"}\n{"prompt": "an owl"}',
        '1. {"prompt": "a fox, at dusk"}\n2. {"prompt": "an owl"}',
        '[["a fox, at dusk", 4.5], ["an owl", null]]',
        '{"prompts": ["a fox, at dusk", "an owl"], "note": unclear, ...}',
    ],
)
def test_json_is_read_however_carelessly_it_is_written(reply):
    assert parse(reply) == TWO


def test_quotes_inside_quotes_of_careless_json_belong_to_the_text():
    assert parse('["a sign that says "OPEN" at night", \'a child\'s bike\']') == [
        'a sign that says "OPEN" at night',
        "a child's bike",
    ]
    assert parse(r'["a \ud83e\udd8a, \"red\""]') == ['a 🦊, "red"']


@pytest.mark.parametrize(
    "reply",
    [
        "① a fox, at dusk\n② an owl",
        "1️⃣ a fox, at dusk\n2️⃣ an owl",
        "a) a fox, at dusk\nb) an owl",
        "I. a fox, at dusk\nII. an owl",
        "1\\. a fox, at dusk\n2\\. an owl",
        "### Prompt 1\na fox, at dusk\n\n### Prompt 2\nan owl",
        "**Variation 1:** a fox, at dusk\n**Variation 2:** an owl",
        "1. **Golden hour:** a fox, at dusk\n2. **Bird** – an owl",
        "1. Golden hour:\n   - a fox, at dusk\n2. Bird:\n   - an owl",
        "✅ a fox, at dusk\n✅ an owl",
        "- [ ] a fox, at dusk\n- [x] an owl",
        "> a fox, at dusk\n> an owl",
        "| # | prompt |\n|---|:---|\n| 1 | a fox, at dusk |\n| 2 | an owl |",
        "<prompts>\n<prompt>a fox,\nat dusk</prompt>\n<prompt>an owl</prompt>\n</prompts>",
        "Sure:\n```text\na fox, at dusk\nan owl\n```\nThe first one is warm, the second cold.",
        "**One**\n```\na fox, at dusk\n```\n**Two**\n```\nan owl\n```",
    ],
)
def test_lists_are_read_in_every_usual_style(reply):
    assert parse(reply) == TWO


def test_letters_that_are_no_list_stay():
    assert parse("A. Dürer, hare\nC. Monet, lilies") == ["A. Dürer, hare", "C. Monet, lilies"]


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


@pytest.mark.parametrize(
    "reply",
    [
        "Try noon.\n1. an owl maybe at noon\nok\n</think>\n{}",
        "<thinking>1. noon</thinking>\n{}",
        "<think>one <think>two</think>\n1. noon</think>\n{}",
        "[THINK]\n1. noon[/THINK]{}",
        "◁think▷1. noon◁/think▷{}",
        "<|begin_of_thought|>\n1. noon\n<|end_of_thought|>\n{}",
        "<reasoning>1. noon</reasoning>\n<answer>\n{}\n</answer>",
        "1. noon?\n<answer>{}</answer>\nThat is it.",
        "<|channel|>analysis<|message|>1. no<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
        "analysisThe user wants two.\n1. noonassistantfinal{}",
        "Reasoning: dusk suits.\n1. noon?\n\n**Final answer:**\n{}",
        "Here is my thought process: 1. noon?\nHere is my response:\n{}<|eot_id|>",
    ],
)
@pytest.mark.parametrize("layout", ["1. {}\n2. {}", '["{}", "{}",]'])
def test_of_a_model_that_thinks_aloud_only_the_answer_is_read(reply, layout):
    assert parse(reply.format(layout.format(*TWO))) == TWO


@pytest.mark.parametrize(
    "reply",
    [
        "<thinking>\n1. noon",
        "[THINK]\n1. noon",
        "<|channel|>analysis<|message|>\n1. noon",
        "analysisMaybe:\n1. noon",
        "1. noon\n</think>",
        "Reasoning: the light of dusk suits a fox",
    ],
)
def test_a_thought_without_an_end_holds_no_prompt(reply):
    assert parse(reply) == []


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
    [
        *(
            "",
            " \n\t",
            "1.\n2.\n3.",
            "---",
            "```\n```",
            "[]",
            '{"prompts": ["a fo',
            '{"prompts"',
            "{}",
            '[{"a": 1}]',
        ),
        *("[" * 5000, "{" * 5000, "[" * 99_999 + '"a"' + "]" * 99_999, '{"a":' * 50_000, "[{" * 50_000),
    ],
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


def test_of_a_reply_without_end_the_beginning_is_read():
    lines = [f"{i}. a fox, number {i}" for i in range(1, 100_000)]
    assert len(parse("\n".join(lines))) == MAX_PARTS
    assert parse("1. a fox\n" + " " * MAX_REPLY + "\n2. an owl") == ["a fox"]


def seconds(text):
    start = time.process_time()
    parse(text)
    return time.process_time() - start


@pytest.mark.parametrize(
    "mark", [*[unit for unit, _ in repeats(1) if len(unit) < 3][::40], "*", " ", "1.", "\n["]
)
def test_no_mark_however_often_it_is_repeated_takes_long(mark):
    # 20 to 30 ms are usual; what is not linear takes minutes.
    assert min(seconds((mark * 100_000)[:100_000]) for _ in range(3)) < 1


def test_mutated_and_hostile_replies_give_a_list_of_lines():
    for reply in [*replies(0, 60, size=5_000), *replies(1, 6)]:
        for prompt in parse(reply):
            assert prompt == prompt.strip() and len(prompt.splitlines()) == 1


@given(st.randoms(use_true_random=False))
def test_a_mutated_reply_never_raises(rng):
    assert isinstance(parse(mutated(rng)), list)

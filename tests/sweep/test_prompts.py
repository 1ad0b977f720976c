"""Files of prompts: text, CSV and JSONL, and errors that name the line."""

import pytest

from steer.errors import UsageError
from steer.settings import Settings
from steer.sweep.prompts import Line, read_prompts

PLAIN = Settings()


def read(tmp_path, name, text, settings=PLAIN):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_prompts(path, settings)


def test_a_text_file_has_a_prompt_a_line_and_comments_and_each_prompt_once(tmp_path):
    found = read(tmp_path, "p.txt", "\ufefffloating mossy rocks\n\n# not this\n  a deer \na deer\n")
    assert found == [Line("floating mossy rocks", PLAIN), Line("a deer", PLAIN)]


def test_a_table_says_seed_count_and_options_for_each_line(tmp_path):
    found = read(
        tmp_path,
        "p.csv",
        'prompt,seed,count,iterations,gate\n"rocks, mossy",7,2,3,\na deer,,,,false\n',
        Settings(seed=5, confirm=1),
    )
    assert [(one.prompt, one.settings.seed, one.settings.iterations) for one in found] == [
        ("rocks, mossy", 7, 3), ("rocks, mossy", 8, 3), ("a deer", 5, 5),
    ]  # fmt: skip
    assert [one.settings.gate_sd for one in found] == [2.0, 2.0, None]
    assert {one.settings.confirm for one in found} == {1}


def test_json_lines_say_the_same(tmp_path):
    table = read(tmp_path, "p.csv", "prompt,seed,count,target,llm-seed\na deer,7,2,4.5,3\n")
    line = '{"prompt": "a deer", "seed": 7, "count": 2, "target": 4.5, "llm_seed": 3, "patience": null}\n\n'
    assert read(tmp_path, "p.jsonl", line) == table


def test_of_alternatives_the_seed_of_each_run_takes_one(tmp_path):
    found = read(tmp_path, "p.jsonl", '{"prompt": "a {red|blue|green|white} boat", "count": 12}')
    assert len({one.prompt for one in found}) > 1
    assert not any("{" in one.prompt for one in found)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.csv", "prompt,seed\na deer,x\n", "line 2: seed is 'x', but must be a whole number"),
        ("p.csv", "prompt,seed\na deer,-1\n", "line 2: --seed is -1, but must be a whole number from 0"),
        ("p.csv", "prompt,target\na deer,NaN\n", "line 2: target is 'NaN', but must be a number"),
        ("p.csv", "prompt,sed\na deer,1\n", "line 2: there is no option 'sed'"),
        ("p.csv", "text\na deer\n", "line 1: there is no column prompt"),
        ("p.csv", "prompt\na deer, big\n", "line 2: 2 cells, but 1 columns"),
        ("p.csv", 'prompt\n"a deer\n', "line 2: "),
        ("p.csv", "prompt,count\na deer,0\n", "line 2: count is 0"),
        ("p.jsonl", '{"prompt": "a"}\n{"prompt"\n', "line 2: no JSON"),
        ("p.jsonl", '["a deer"]\n', "line 1: no object"),
        ("p.jsonl", '{"seed": 1}\n', "line 1: there is no prompt"),
        ("p.jsonl", '{"prompt": 3}\n', "line 1: there is no prompt"),
        ("p.jsonl", '{"prompt": "a", "gate": 1}\n', "line 1: gate is 1, but must be true or false"),
        ("p.txt", "a\n" + "x" * 3000, "line 2: the prompt has 3,000 characters"),
        ("p.txt", b"a deer\n\xff\n", "line 2: this is not UTF-8"),
        ("p.txt", "# nothing\n", "holds no prompts"),
        ("p.json", "[]", "p.jsonl"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, name, text, said):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, name, text)
    assert said in str(caught.value) and name in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        read_prompts(tmp_path / "none.txt", PLAIN)

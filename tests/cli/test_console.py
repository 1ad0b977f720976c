"""What somebody else wrote into a record is shown, and never obeyed by the terminal."""

import io
import json
import unicodedata

import pytest
from fake_run import fake_run
from rich.table import Table
from rich.text import Text

from steer.cli import console
from steer.cli.app import run_command

EVIL = "rocks \x1b]0;title\x07 \x1b[2J \x9b2J \r\x08\x7f moss"


def controls(text):
    return [c for c in text if unicodedata.category(c) == "Cc" and c not in "\n\t"]


def test_text_is_shown_without_control_characters():
    assert console.clean("a\tb\n" + EVIL) == "a\tb\nrocks ]0;title [2J 2J  moss"
    assert console.clean("漂浮 é 🙂 “—”") == "漂浮 é 🙂 “—”"


@pytest.fixture
def hostile(isolated):
    """A run whose prompt and person came with escapes."""
    folder = fake_run(isolated / "runs")
    for name in ("config.json", "result.json", "events.jsonl"):
        text = (folder / name).read_text()
        for told in ("floating mossy rocks", "sandbox:17"):
            text = text.replace(told, json.dumps(f"{told} {EVIL}")[1:-1])
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "words",
    [("list",), ("list", "--json"), ("show", "last"), ("show", "last", "--json"), ("gallery", "last"),
     ("resume", "last"), ("compare", "last", "last"), ("show", EVIL)],
    ids=" ".join,
)  # fmt: skip
def test_no_escape_of_a_record_reaches_the_terminal(hostile, capsys, words):
    run_command(["runs", *words])
    said = capsys.readouterr()
    assert controls(said.out + said.err) == []
    if words == ("list",):
        assert "2J" in said.out  # it was there, and lost its teeth
    if words == ("list", "--json"):
        assert json.loads(said.out)["runs"][0]["prompt"] == f"floating mossy rocks {EVIL}"


def test_on_a_terminal_only_our_own_colours_are_left():
    stream = io.StringIO()
    shown = console._console(file=stream, force_terminal=True, width=100, color_system="standard")
    table = Table("name")
    table.add_row(Text(EVIL, "red"))
    shown.print(table)
    shown.print(EVIL, markup=False, highlight=False)
    text = stream.getvalue()
    assert "\x1b[31m" in text
    assert not any(bad in text for bad in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\x08", "\r"))

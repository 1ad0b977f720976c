"""Command lines of hostile values, in short; the long version is tests/support/fuzz_commands.py."""

import fuzz_commands
import pytest

from steer.cli.app import run_command


@pytest.mark.slow
def test_no_command_line_of_100_ends_otherwise_than_in_words(isolated):
    fuzz_commands.furnish(isolated)
    fuzz_commands.warm_up()
    cases = [fuzz_commands.case(number) for number in range(100)]
    assert not [(case.number, case.words, case.wrong) for case in cases if case.wrong]
    assert {case.code for case in cases} >= {0, 1, 2}


def test_a_name_that_no_disk_takes_is_one_line(capsys):
    assert run_command(["runs", "path", "a" * 5000]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "too long" in line and len(line) < 200

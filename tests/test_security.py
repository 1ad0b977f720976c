"""The threat model promises nothing that no test holds."""

import re
from pathlib import Path

TESTS = Path(__file__).parent


def test_each_promise_is_held_by_a_test_that_exists():
    page = (TESTS.parent / "SECURITY.md").read_text(encoding="utf-8")
    promises = page.split("## What is promised")[1].split("## What is not")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")][1:]
    there = {
        name
        for file in TESTS.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named and set(named) <= there, row

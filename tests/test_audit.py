"""Pinned packages: each licence is listed, and known faults are asked for where somebody answers."""

import importlib.metadata
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LICENCES = runpy.run_path(str(ROOT / "docs" / "licences.py"))
AUDIT = runpy.run_path(str(ROOT / ".ci" / "audit.py"))


def test_every_pinned_package_is_listed_with_its_version_and_its_licence():
    listed, pinned = LICENCES["listed"](), {(name, version) for name, version, _ in LICENCES["pinned"]()}
    assert len(pinned) > 150
    assert pinned == set(listed), "run python docs/licences.py where the packages are installed"


def test_every_package_that_is_required_is_pinned():
    pinned = {name.lower().replace("_", "-") for name, _, _ in LICENCES["pinned"]()}
    for need in importlib.metadata.requires("steer") or ():
        assert re.match(r"[\w-]+", need)[0] in pinned | {"steer"}, need


FAULT = {"id": "CVE-1", "fix_versions": ["2.0"]}


@pytest.mark.parametrize(
    ("found", "code", "line"),
    [
        (None, 0, "NOT AUDITED"),
        ([{"name": "a", "skip_reason": "not found"}], 0, "NOT AUDITED"),
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 packages, 0 known faults"),
        ([{"name": "a", "version": "1", "vulns": [FAULT]}], 1, "a 1: CVE-1, mended in 2.0"),
        ([{"name": "a", "version": "1", "vulns": [FAULT | {"fix_versions": []}]}], 0, "no version yet"),
        ([{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "?"}], 0, "1 more"),
    ],
)
def test_a_mended_fault_fails_the_audit_and_an_unreachable_advisory_does_not(found, code, line):
    got, lines = AUDIT["verdict"]("constraints.txt", found)
    assert got == code and line in "\n".join(lines)


def test_without_pip_audit_the_audit_says_so_and_does_not_fail(monkeypatch):
    monkeypatch.setitem(AUDIT["ask"].__globals__, "sys", type("sys", (), {"executable": "/bin/false"}))
    assert AUDIT["ask"](ROOT / "constraints.txt") is None

"""Writes docs/licences.md: every pinned package with its version and its licence, as the package states it.

python docs/licences.py    # in an environment that has them; a row of a package that is not there stays
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
LISTS = ("constraints.txt", "constraints-vllm.txt", "constraints-audit.txt")
# These state none but carry the text of one; read on 28 November 2026.
TEXTS = {"oss-harmony": "Apache-2.0", "tiktoken": "MIT", "torchao": "BSD-3-Clause"}
_ROW = re.compile(r"^\| (\S+) \| (\d\S*) \| (.+?) \|", re.MULTILINE)
HEAD = """# Licences of the packages

Every package that is pinned here, in the version that the tests pass with, and the licence that it states
itself. Nothing of them is copied into this repository. Models and data sets: `steer doctor` has their table.
Made by `python docs/licences.py`, which keeps the rows of packages that are not installed where it runs.

| package | version | licence | pinned in |
| --- | --- | --- | --- |
"""


def pinned() -> Iterator[tuple[str, str, str]]:
    """Name, version and the list that pins it."""
    for name in LISTS:
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                package, _, version = line.partition("==")
                yield package, version, name


def listed() -> dict[tuple[str, str], str]:
    """What the page says: licences by name and version."""
    return {(found[1], found[2]): found[3] for found in _ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def stated(package: str, version: str) -> str | None:
    """The licence by the package's own metadata; None if it states none, or this version is not here."""
    try:
        about = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    if about.version.partition("+")[0] != version:  # 2.13.0+cpu is a build of 2.13.0
        return None
    told = about.metadata.get("License-Expression") or about.metadata.get("License") or ""
    if told and "\n" not in told and len(told) <= 120:
        return told
    classes = [each.split(" :: ")[-1] for each in about.metadata.get_all("Classifier", [])
               if each.startswith("License :: ")]  # fmt: skip
    named = ", ".join(each for each in classes if each not in ("OSI Approved", "DFSG approved"))
    return named or TEXTS.get(package)


def main() -> int:
    """Write the page, or name what it lacks."""
    known, where = listed() if PAGE.is_file() else {}, dict[tuple[str, str], list[str]]()
    for package, version, name in pinned():
        where.setdefault((package, version), []).append(name)
    order = sorted(where, key=lambda key: (key[0].lower(), key))
    rows = {key: stated(*key) or known.get(key) for key in order}
    if lacking := [f"{package}=={version}" for (package, version), licence in rows.items() if not licence]:
        print(f"install these first, with pip install --no-deps: {' '.join(lacking)}", file=sys.stderr)
    table = "".join(
        f"| {package} | {version} | {licence} | {', '.join(where[package, version])} |\n"
        for (package, version), licence in rows.items()
        if licence
    )
    PAGE.write_text(HEAD + table, encoding="utf-8")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())

"""Known faults of the pinned packages, by pip-audit: `make audit`.

A fault that a newer version mends fails the audit; one that no version mends is only told. Where the
advisories cannot be reached, one line says so, and nothing fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LISTS = sorted(Path(__file__).resolve().parent.parent.glob("constraints*.txt"))
MOST_SECONDS = 300


def ask(pins: Path) -> list[dict[str, Any]] | None:
    """What pip-audit says of every package of a list; None if it cannot ask."""
    words = ["--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json", "--timeout=10"]
    command = [sys.executable, "-m", "pip_audit", *words, "--requirement", str(pins)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS)
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        return None


def verdict(name: str, found: list[dict[str, Any]] | None) -> tuple[int, list[str]]:
    """Exit code and lines to print."""
    asked = [each for each in found or () if "vulns" in each]
    if not found or not asked:
        return 0, [f"NOT AUDITED: {name}, since the advisories cannot be reached from here"]
    lines, mended = [], False
    for each in asked:
        for fault in each["vulns"]:
            fixes = ", ".join(fault["fix_versions"])
            mended = mended or bool(fixes)
            fixes = fixes or "no version yet"
            lines.append(f"{each['name']} {each['version']}: {fault['id']}, mended in {fixes}")
    unknown = f", {len(found) - len(asked)} more that the advisories do not know" if asked != found else ""
    summary = f"audited: {name}, {len(asked)} packages{unknown}, {len(lines)} known faults"
    return int(mended), [*lines, summary]


def main() -> int:
    """Audit every list."""
    verdicts = [verdict(pins.name, ask(pins)) for pins in LISTS]
    print("\n".join(line for _, lines in verdicts for line in lines))
    return max(code for code, _ in verdicts)


if __name__ == "__main__":
    sys.exit(main())

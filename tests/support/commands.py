"""Several command lines one after the other in one process, of which each would load torch anew.

    python tests/support/commands.py '[["run", "--user", "1"], ["interrupt"], ["runs", "resume", "last"]]'

With $FAKE_GPU the machine has a card of that name, whose work is done by the CPU: only the facts are made up,
and all that plans, loads and renders is the product's own. `interrupt` leaves of the newest run what a kill
after its first picture would have left.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from steer.cli.app import run_command
from steer.machine import gpus


def interrupt() -> None:
    """The newest run, as if it had been killed after the base picture."""
    log = max(Path("runs").glob("*/events.jsonl"), key=lambda path: path.stat().st_mtime)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:3]))
    (log.parent / "result.json").unlink()


def main() -> int:
    """Stops at the first that fails, with its exit code."""
    if name := os.environ.get("FAKE_GPU"):
        card = replace(gpus.by_name(name), device="cpu")
        gpus.all_here = lambda: [card]
    for words in json.loads(sys.argv[1]):
        if words == ["interrupt"]:
            interrupt()
        elif code := run_command(words):
            print(f"exit code {code} of steer {' '.join(words)}", file=sys.stderr)
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

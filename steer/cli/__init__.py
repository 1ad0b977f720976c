"""The command line: the only part of steer that prints, asks or exits.

Commands are thin: they turn words into a request, hand it to the library and show what comes back.
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Entry point of the `steer` command."""
    from steer.cli.app import run_command

    sys.exit(run_command(sys.argv[1:]))

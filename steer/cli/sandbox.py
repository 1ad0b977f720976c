"""`steer sandbox`."""

from __future__ import annotations

import typer

app = typer.Typer(help="The simulated world that runs anywhere.", no_args_is_help=True)

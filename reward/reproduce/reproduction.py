"""What every table and figure of the paper is to its command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

Progress = Callable[[str, int, int], None]  # what, done, of
Result = TypeVar("Result")


def silent(what: str, done: int, of: int) -> None:
    """The progress of someone who does not watch."""


def _no_hint(subject: Any, **options: Any) -> str:
    return ""


@dataclass(frozen=True)
class Reproduction(Generic[Result]):
    """One table or figure: how it is computed and shown, and what the authors report.

    Its subject is an `Experiment`, or the bench of the experiments with the loop.
    """

    compute: Callable[..., Result]  # the subject, then `progress` and the command's options by name
    rows: Callable[[Result, str], list[Any]]  # tables and text of rich, by whose figures they are
    plot: Callable[[Result, str, Path], None]  # one picture; needs matplotlib
    published: Mapping[str, Any]  # what the paper reports, and on which data
    to_json: Callable[[Result], Any] = lambda result: result  # what of it is written
    hint: Callable[..., str] = _no_hint  # a word beforehand, by subject and options
    trains: bool = False  # predictors of its own on all the data, kept in the option `folder`

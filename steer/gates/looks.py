"""The bank of looks: phrases for light, palette, medium and so on that fit any subject."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from steer import paths
from steer.errors import ProposerError

FILE = "looks.txt"


def looks() -> dict[str, tuple[str, ...]]:
    """The phrases of `prompts/looks.txt` by section. Raises `ProposerError` where it is gone or unusable."""
    for folder in paths.prompts():
        if (file := folder / FILE).is_file():
            return read_looks(file.read_text(encoding="utf-8"))
    raise ProposerError(f"prompts/{FILE} is missing; put it back or reinstall steer")


def read_looks(text: str) -> dict[str, tuple[str, ...]]:
    """Section -> its phrases, in the text's order. Raises `ProposerError` for a text that is no such bank."""
    bank: dict[str, tuple[str, ...]] = {}
    section = ""
    for line in (line.strip() for line in text.splitlines()):
        if heading := re.fullmatch(r"\[([^\[\]]+)\]", line):
            section = heading[1].strip()
            bank.setdefault(section, ())
        elif line and not line.startswith("#"):
            if not section:
                raise ProposerError(f"prompts/{FILE}: {line!r} stands in no section; give it one")
            bank[section] += (line,)
    if len(bank) < 2 or min(len(set(phrases)) for phrases in bank.values()) < 2:
        raise ProposerError(f"prompts/{FILE} needs two sections of two phrases, and two in each; add some")
    return bank


def draw_looks(
    bank: Mapping[str, Sequence[str]], n: int, rng: random.Random, sizes: Sequence[int] = (2, 3, 4)
) -> list[tuple[str, ...]]:
    """`n` looks, each of phrases from as many different sections as one of `sizes` says; all different.

    Drawn so that the sections come up about equally often. A small bank gives fewer, never the same twice.
    """
    names = list(bank)
    used = dict.fromkeys(names, 0)
    drawn: dict[frozenset[str], tuple[str, ...]] = {}
    for _ in range(20 * n):
        if len(drawn) == n:
            break
        order = sorted(names, key=lambda name: (used[name], rng.random()))
        chosen = order[: rng.choice(sizes)]
        look = tuple(rng.choice(bank[name]) for name in names if name in chosen)
        if frozenset(look) not in drawn:
            drawn[frozenset(look)] = look
            for name in chosen:
                used[name] += 1
    return list(drawn.values())


def with_look(prompt: str, look: Sequence[str]) -> str:
    """The prompt in this look: its phrases after it, each behind a comma."""
    return ", ".join([prompt.strip().rstrip(".,;:!?。，、") or prompt, *look])


def is_look(bank: Mapping[str, Sequence[str]], base: str, prompt: str) -> bool:
    """Is this the base prompt in a look of which every phrase is in the bank?"""
    known = {phrase for phrases in bank.values() for phrase in phrases}
    start, *phrases = prompt.removeprefix(with_look(base, ())).split(", ")
    return not start and bool(phrases) and known.issuperset(phrases)


def look_phrases(base: str, prompt: str) -> list[str]:
    """The comma-separated phrases that `prompt` adds to `base`: light, angle, medium, ..."""
    position = prompt.casefold().find(base.casefold())
    if position >= 0 and len(prompt) == len(prompt.casefold()):
        parts = [prompt[:position], prompt[position + len(base) :]]
    else:
        parts = ["", prompt.partition(",")[2]]  # reworded: its first phrase is the subject
    phrases = [phrase.strip(" .") for part in parts for phrase in re.split(r"[,;，、]", part)]
    return list(dict.fromkeys(phrase for phrase in phrases if phrase))

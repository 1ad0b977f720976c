"""The difference between two prompts, word by word, for people to read."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

Kind = Literal["same", "added", "removed"]

# One word, one mark, or one run of blanks; scripts that write without blanks are compared sign by sign.
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+(?:['’-]\w+)*|\s+|[^\w\s]")


class Segment(NamedTuple):
    """A piece of text and where it comes from."""

    kind: Kind
    text: str


def prompt_diff(base: str, prompt: str) -> list[Segment]:
    """`prompt` as segments against `base`; the same and added ones, joined, are `prompt` again.

    Case is ignored when words are compared, so "Floating" counts as kept from "floating".
    """
    old, new = _TOKEN.findall(base), _TOKEN.findall(prompt)
    matcher = SequenceMatcher(None, [t.casefold() for t in old], [t.casefold() for t in new], autojunk=False)
    segments: list[Segment] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            segments.append(Segment("same", "".join(new[j1:j2])))
            continue
        if removed := "".join(old[i1:i2]):
            segments.append(Segment("removed", removed))
        if added := "".join(new[j1:j2]):
            segments.append(Segment("added", added))
    return _join_islands(segments)


def _join_islands(segments: list[Segment]) -> list[Segment]:
    """Draw a lone blank between two changes into them: one change reads better than two."""
    joined: list[Segment] = []
    for i, segment in enumerate(segments):
        lone_blank = (
            segment.kind == "same"
            and segment.text.isspace()
            and 0 < i < len(segments) - 1
            and segments[i - 1].kind == segments[i + 1].kind == "added"
        )
        kind: Kind = "added" if lone_blank else segment.kind
        if joined and joined[-1].kind == kind:
            joined[-1] = Segment(kind, joined[-1].text + segment.text)
        else:
            joined.append(Segment(kind, segment.text))
    return joined

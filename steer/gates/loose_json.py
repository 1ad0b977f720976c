"""JSON as language models write it: read as far as it can be, never refused.

Commas at the end or missing between lines, comments, single and curly quotes, quotes inside quotes, names
without quotes, `None`, an end that was cut off. One pass over the text without recursion; what lies deeper
than `DEPTH` is not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

DEPTH = 8  # containers inside each other
TEXT_KEYS = (
    *("prompt", "new_prompt", "rewritten_prompt", "rewritten", "rewrite", "variation", "text", "description"),
    *("caption", "content", "answer", "value", "prompts", "variations"),
)
LIST_KEYS = (
    *("prompts", "new_prompts", "rewritten_prompts", "rewrites", "variations", "prompt_variations"),
    *("proposals", "options", "results", "outputs", "items", "list", "answers", "data"),
)
_NUMBERED = re.compile(r"\D{0,20}\d{1,4}\W{0,3}")  # "1", "prompt_1", "Variation 1:"

# What follows the quote that ends a string: any other quote belongs to the text of the string.
_END = r"""
    (?=\s*+(?:[\]}:]|//|\#|/\*|\Z|,\s*+(?:["'“\[{\]}/#\d-]|null|true|false|None|\Z))
      |[^\S\n]*+\n\s*+["'“\[{])
"""

_STRINGS = "|".join(
    rf"{opening}(?P<{name}>(?:[^\\{closing}]++|\\.|{closing}(?!{_END}))*+){closing}{_END}"
    for name, opening, closing in (("double", '"', '"'), ("single", "'", "'"), ("curly", "“", "”"))
)
_TOKEN = re.compile(
    rf"""
    (?P<gap>(?:[\s,]++|//[^\n]*+|\#[^\n]*+|/\*.*?(?:\*/|\Z))++)
    |(?P<open>[\[{{])|(?P<end>[\]}}])|(?P<colon>:++)
    |{_STRINGS}|(?P<torn>["'“]).*+
    |(?P<scalar>(?:-?\d[\d.eE+-]*+|true|false|null|None|True|False)(?=[\s,\]}}:/\#]|\Z))
    |(?P<name>[A-Za-z_]\w*+)(?=\s*+:)
    |(?P<bad>[^,\[\]{{}}\n:]++)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": " ", "r": "\n", "b": "", "f": "\n"}


@dataclass
class Container:
    """A list or an object: values in order, each with its key if any. None is a number or its like."""

    kind: str  # "[" or "{"
    values: list[tuple[str | None, str | Container | None]] = field(default_factory=list)
    unreadable: int = 0  # stretches that are no JSON at all
    key: str | None = None  # what the next value belongs to

    def add(self, value: str | Container | None) -> None:
        """One more value."""
        self.values.append((self.key, value))
        self.key = None

    def name(self) -> None:
        """The last string turns out to be a key."""
        if self.values and isinstance(self.values[-1][1], str):
            self.key = self.values.pop()[1]  # type: ignore[assignment]

    def texts(self) -> list[str]:
        """The prompts in it: of a list its strings, of an object what its keys call a prompt."""
        strings: dict[str, list[str]] = {}  # by key
        nested: dict[str, list[str]] = {}
        every: list[str] = []
        inner: list[str] = []
        for key, value in self.values:
            texts = [value] if isinstance(value, str) else value.texts() if value is not None else []
            every += texts
            if not isinstance(value, str):
                inner += texts
            if key is not None and texts:
                (strings if isinstance(value, str) else nested).setdefault(_plain(key), []).extend(texts)
        if self.kind == "[":
            return inner if self.unreadable > len(every) - len(inner) else every  # prose in brackets
        for kind, keys in ((nested, LIST_KEYS), (strings, TEXT_KEYS)):
            for key in keys if kind else ():
                if key in kind:
                    return kind[key]
        numbered = [text for key, texts in strings.items() if _NUMBERED.fullmatch(key) for text in texts]
        return numbered or inner


def read(text: str, position: int, most: int) -> tuple[Container, int, int]:
    """The list or object that begins at `position`, where it ends, and how many tokens that took.

    After `most` tokens, or where the text ends first, it is as if it had been cut off there.
    """
    root = Container(text[position])
    open_ones = [root]
    position += 1
    used = 0
    while open_ones and used < most and (token := _TOKEN.match(text, position)):
        used += 1
        position = token.end()
        kind, now = token.lastgroup, open_ones[-1]
        if kind == "open":
            if len(open_ones) == DEPTH:
                break
            inner = Container(token[0])
            now.add(inner)
            open_ones.append(inner)
        elif kind == "end":
            open_ones.pop()
        elif kind == "colon":
            now.name()
        elif kind in ("double", "single", "curly"):
            now.add(_unescaped(token[kind]))
        elif kind == "name":
            now.add(token[0])
        elif kind == "scalar":
            now.add(None)
        elif kind == "bad":
            now.unreadable += 1
    return root, position, used


def _plain(key: str | None) -> str:
    return (key or "").strip().casefold().replace(" ", "_").replace("-", "_")


def _unescaped(raw: str) -> str:
    if "\\" not in raw:
        return raw
    text = _ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else _ESCAPES.get(m[1], m[1]), raw)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # two halves make one character

"""A language model's reply, however it is laid out, as a list of prompts.

Understood: one prompt alone; lines numbered `1.`, `1)`, `(1)`, `1:`, `**1.**`; bullets; JSON lists, also
inside code fences or prose, and what is whole of one that was cut off; quoted lines. Preambles, closing
remarks and `<think>` blocks are dropped. What stands inside a prompt (parentheses, abbreviations, leading
numbers, any script) is left as it is. Whether a prompt is any good is not asked here; see `text_gate`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# "1." "1)" "(1)" "1:" "1 -" "**1.**" "#1." ...: a mark must follow the digits, or "3 boats at dusk" would
# lose its number, and a space the mark, or "1.5 m waves" and "2:1 split" would.
_NUMBER = re.compile(
    r"^(?:[-*•]\s+)?(?:[*_#>]+\s*)*"  # a bullet, emphasis, heading or quote marks before the number
    r"(?:prompt|variation|option)?\s*"
    r"[(\[]?\s*#?\s*(?P<number>[0-9]{1,4})"
    r"(?:"
    r"\s*[.)\]:][*_]*(?=\s|$|[\"'“‘«*_])|"  # a mark, then a space or an opening quote
    r"[.)\]](?=[^\W\d])|"  # "1.x": a letter straight after the mark
    r"[、．）：](?:[*_]*)|"  # full-width marks need no space
    r"[*_]+\s*[.):]?(?=\s)|"  # "**1**"
    r"\s+[-–—](?=\s)"
    r")\s*",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^(?:[-*•‣◦▪●–—·+](?=\s)|[•‣◦▪●])\s*")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "「": "」", "『": "』", "`": "`"}
_CHATTER = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|absolutely|here(?:'s| is| are)|below (?:is|are)|these are|"
    r"i hope|i've|i have|let me know|feel free|note:|note that|each of these|the following|"
    r"these (?:new )?(?:variations|prompts))\b",
    re.IGNORECASE,
)
_THOUGHTS = re.compile(r"\s*<think>.*?(?:</think>|\Z)", re.DOTALL)
# What may be left of a JSON list that was cut off: nothing, or the beginning of a string or an object.
_TORN = re.compile(r"""(?:"(?:[^"\\]|\\.)*\\?|\{.*)?\Z""", re.DOTALL)
_BROKEN = re.compile(r"""\s*(?:```\w*\s*)?[\[{]\s*["{]""")  # JSON, not a prompt
_TEXT_KEYS = ("prompt", "text", "description", "variation")


def parse(reply: str) -> list[str]:
    """The prompts in one reply, in order, without numbering, bullets, quotes or remarks. Never raises."""
    if thoughts := _THOUGHTS.match(reply):
        reply = reply[thoughts.end() :]
    listed = _json_prompts(reply)
    if listed is not None:
        return [text for text in map(_clean, listed) if text]
    if _BROKEN.match(reply):
        return []
    lines = [line.strip() for line in reply.splitlines() if not _FENCE.match(line)]
    lines = [line for line in lines if line]
    for marked in (_NUMBER, _BULLET):
        items = [_clean(line[match.end() :]) for line in lines if (match := marked.match(line))]
        if any(items):
            return [item for item in items if item]
    texts = [line for line in lines if not _NUMBER.fullmatch(line)]
    texts = [text for text in texts if not _is_remark(text, alone=len(texts) == 1)]
    return [text for text in map(_clean, texts) if text]


def _json_prompts(reply: str) -> list[str] | None:
    """The longest JSON list of strings (or of objects with a prompt) in the reply; None if there is none."""
    found: list[list[str]] = []
    decoder = json.JSONDecoder()
    for start in _starts(reply, "["):
        before = reply[:start].rpartition("\n")[2].rstrip()
        if before and not before.endswith((":", "`", "json")):
            continue  # inside a line of text: 'a cat ["soft light"]' is a prompt
        try:
            value, _ = decoder.raw_decode(reply, start)
        except ValueError:
            value = _cut_off(reply, start, decoder)
        except RecursionError:
            continue
        texts = _texts(value)
        if texts:
            found.append(texts)
    return max(found, key=len, default=None)


def _cut_off(reply: str, start: int, decoder: json.JSONDecoder) -> list[Any]:
    """The whole items of a JSON list that ends in the middle; none if it is broken in any other way."""
    items: list[Any] = []
    position = start + 1
    while True:
        while position < len(reply) and reply[position] in " \t\r\n,":
            position += 1
        try:
            item, position = decoder.raw_decode(reply, position)
        except (ValueError, RecursionError):
            return items if _TORN.match(reply, position) else []
        items.append(item)


def _starts(text: str, mark: str, most: int = 64) -> Iterator[int]:
    """The first positions of `mark`; bounded, since each is tried and a reply may be all brackets."""
    position = -1
    for _ in range(most):
        position = text.find(mark, position + 1)
        if position < 0:
            return
        yield position


def _texts(value: Any) -> list[str] | None:
    """The strings of a decoded list if all its items are strings or objects that name one."""
    if not isinstance(value, list):
        return None
    texts: list[str] = []
    for item in value:
        if isinstance(item, dict):
            item = next((item[key] for key in _TEXT_KEYS if isinstance(item.get(key), str)), None)
        if not isinstance(item, str):
            return None
        texts.append(_NUMBER.sub("", item.strip(), count=1))
    return texts


def _clean(text: str) -> str:
    """One prompt without the emphasis, quotes and stray commas around it, on one line."""
    text = " ".join(text.replace("**", "").replace("__", "").split())
    while True:
        before = text
        text = text.rstrip(",; ").strip()
        closing = _QUOTES.get(text[:1])
        # Only quotes around the whole prompt go: '"Stop" sign at dusk, the word "go"' keeps its own.
        if closing and len(text) > 1 and text.endswith(closing) and not _inside(text, closing):
            text = text[1:-1].strip()
        if text == before:
            return text if any(c.isalnum() for c in text) else ""


def _inside(text: str, closing: str) -> bool:
    """True if one of the quotes around the text also stands within it."""
    return any(mark in text[1:-1] for mark in {text[0], closing} - {"'", "’"})


def _is_remark(line: str, alone: bool) -> bool:
    """True for lines around the prompts: "Here are 20 variations:", "Let me know if ..."."""
    if line.endswith((":", "：")):
        return True
    return bool(_CHATTER.match(line)) and not (alone and "," in line)

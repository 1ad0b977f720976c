"""A language model's reply, however it is laid out, as a list of prompts.

Understood: one prompt alone; lines numbered `1.`, `1)`, `(1)`, `1:`, `**1.**`, `①`, `a)`, `IV.`; bullets;
rows of a table; JSON lists and objects, however carelessly written (`loose_json`), also inside fences or
prose, and what is whole of one that was cut off; `<prompt>` tags; quoted lines. Preambles, closing remarks
and what a model thinks (`thoughts`) are dropped. What stands inside a prompt (parentheses, abbreviations,
leading numbers, any script) is left as it is. Whether a prompt is any good is not asked here; see `text`.

Linear in time: of one reply only the first `MAX_REPLY` characters and `MAX_PARTS` lines or values are read.
"""

from __future__ import annotations

import re
from collections import Counter

from steer.gates.loose_json import read
from steer.gates.thoughts import answer, muses

MAX_REPLY = 200_000  # characters
MAX_PARTS = 2_000  # lines of a list; of JSON five times as many brackets, strings and commas

# "1." "1)" "(1)" "1:" "1 -" "**1.**" "#1." ...: a mark must follow the digits, or "3 boats at dusk" would
# lose its number, and a space the mark, or "1.5 m waves" and "2:1 split" would.
_NUMBER = re.compile(
    r"(?:[-*•]\s++)?+(?:[*_#>]++\s*+)*+"  # a bullet, emphasis, heading or quote marks before the number
    r"(?:prompt|variation|option|version|idea|rewrite|no\.|nr\.)?+\s*+"
    r"[(\[]?+\s*+#?+\s*+[0-9]{1,4}+"
    r"(?:"
    r"\s*+\\?[.)\]:][*_]*(?=\s|$|[\"'“‘«*_])|"  # a mark, then a space or an opening quote
    r"[.)\]](?=[^\W\d])|"  # "1.x": a letter straight after the mark
    r"[、．）：](?:[*_]*)|"  # full-width marks need no space
    r"[*_]+\s*+[.):]?(?=\s)|"  # "**1**"
    r"\ufe0f?\u20e3|"  # a keycap
    r"\s++[-–—](?=\s)"
    r")\s*+|[①-⓿❶-➓]\s*+|"
    r"[*_#\s]*+(?:prompt|variation|option|version|idea|rewrite)\s*+#?+[0-9]{1,4}+[*_]*+\s*+\Z",  # a heading
    re.IGNORECASE,
)
_LETTER = re.compile(r"[*_(]{0,3}(?P<label>[a-z]|[ivx]{1,5})[.)][*_]{0,3}\s++(?=\S)", re.IGNORECASE)
_BULLET = re.compile(
    r"(?:[-*•‣◦▪●–—·+](?=\s)|[•‣◦▪●]|(?:[➤➜►▸▶→⇒»✅✔☑✓👉🔹🔸🔷🔶◆◇■□○★☆✦✨]\ufe0f?){1,3}(?=\s))\s*+"
    r"(?:\[[ xX]?\]\s++)?"  # a box to tick
)
_FENCE = re.compile(r"(?:```|~~~)[`~]*+\s*+[\w+.#-]*+\s*+")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "「": "」", "『": "』", "`": "`"}
_ROMAN = (
    *("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"),
    *("xi", "xii", "xiii", "xiv", "xv", "xvi", "xvii", "xviii", "xix", "xx"),
)
_LAYERS = 8  # of quotes around one prompt that are taken off
_CHATTER = re.compile(
    r"(?:sure|certainly|of course|okay|ok|absolutely|here(?:'s| is| are)|below (?:is|are)|these are|"
    r"i hope|i've|i have|let me know|feel free|note:|note that|each of these|the following|"
    r"these (?:new )?(?:variations|prompts))\b",
    re.IGNORECASE,
)
_TITLE = re.compile(r"(?:\*\*[^*:\n]{1,80}(?::\s?\*\*|\*\*\s?[:–—-])|__[^_:\n]{1,80}(?::__|__:))\s+(?=\S)")
_TAG = re.compile(r"<(/?)(?:prompt|variation|item|li|option)(?:\s[^<>\n]{0,60})?>", re.IGNORECASE)
# Where JSON may begin: at the start of a line or after a word that announces it. Elsewhere a bracket belongs
# to the text: 'a cat ["soft light"]' is a prompt.
_OPENING = re.compile(r"(?m:^)[ \t]*+[\[{]|(?:[:`=]|json)[ \t]*+[\[{]", re.IGNORECASE)
_BROKEN = re.compile(r"""\s*+(?:[`~]{3}\w*\s*+)?(?:[\[{]\s*+["{]|(?:[\[{]\s*+){3})""")  # JSON, not a prompt


def parse(reply: str) -> list[str]:
    """The prompts in one reply, in order, without numbering, bullets, quotes or remarks. Never raises."""
    text = answer(re.sub(r"[\r\n]\s*+", "\n", reply[:MAX_REPLY]))
    listed = _json_prompts(text)
    if listed:
        return [prompt for prompt in map(_clean, listed) if prompt]
    if _BROKEN.match(text):
        return []
    lines = _lines(_tagged(text))
    items = _marked(lines)
    if not items and not muses(text):  # musing with no list and no answer in it is nothing but musing
        texts = [line for line in lines if not _NUMBER.fullmatch(line)]
        items = [line for line in texts if not _is_remark(line, alone=len(texts) == 1)]
    return [prompt for prompt in map(_clean, items) if prompt]


def _json_prompts(text: str) -> list[str]:
    """The JSON list or object with most prompts in the reply; single ones are put together."""
    found: list[list[str]] = []
    end = line = looked = 0
    numbered = False  # whether this line is an item of a list
    left = 5 * MAX_PARTS
    for opening in _OPENING.finditer(text):
        start = opening.end() - 1
        if start < end:
            continue
        if (newline := text.rfind("\n", looked, start)) >= 0 or not looked:
            line = newline + 1
            numbered = _NUMBER.match(text, line, start) is not None
        looked = start
        if numbered:
            continue
        container, end, used = read(text, start, left)
        left -= used + 4  # to begin costs something too
        if texts := [prompt for text_ in container.texts() for prompt in _inside_string(text_)]:
            found.append(texts)
        if left <= 0:
            break
    if all(len(texts) == 1 for texts in found):
        return [prompt for [prompt] in found]
    return max(found, key=len)


def _inside_string(text: str) -> list[str]:
    """A string of JSON: one prompt, or a whole numbered list."""
    items = _numbered(_lines(text)) if "\n" in text else []
    text = text.strip()
    mark = _NUMBER.match(text)
    return items if len(items) > 1 else [text[mark.end() :] if mark else text]


def _tagged(text: str) -> str:
    """What stands in `<prompt>` tags, each on a line of its own; without such tags all of it."""
    whole: list[str] = []
    open_ones: list[str] = []  # that no tag closes: the last one may have been cut off
    start = None
    for tag in _TAG.finditer(text):
        if start is not None:
            inside = " ".join(text[start : tag.start()].split())
            (whole if tag[1] else open_ones).append(inside)
        start = None if tag[1] else tag.end()
    if start is not None:
        open_ones.append(" ".join(text[start:].split()))
    return "\n".join(whole or open_ones) or text


def _lines(text: str) -> list[str]:
    """The lines with something in them; of a reply with fences those inside."""
    every: list[str] = []
    fenced: list[str] = []
    inside = False
    for raw in text.splitlines()[:MAX_PARTS]:
        line = raw.strip()
        if line.startswith(">"):  # quoted as in a mail
            line = line.lstrip("> \t")
        if _FENCE.fullmatch(line):
            inside = not inside
        elif line:
            every.append(line)
            if inside:
                fenced.append(line)
    return fenced or every


def _marked(lines: list[str]) -> list[str]:
    """The items of a list in any style, not yet cleaned; none where nothing is marked as an item."""
    for read_style in (_numbered, _bulleted, _lettered, _rows):
        if any(map(_clean, items := read_style(lines))):
            return items
    return []


def _numbered(lines: list[str]) -> list[str]:
    return _items(lines, _NUMBER)


def _bulleted(lines: list[str]) -> list[str]:
    return _items(lines, _BULLET)


def _items(lines: list[str], mark: re.Pattern[str]) -> list[str]:
    """What follows the mark on each line that has one; where that is nothing or a title, the next line."""
    items: list[str] = []
    titled = False
    for line in lines:
        if found := mark.match(line):
            item = line[found.end() :]
            items.append(item[title.end() :] if (title := _TITLE.match(item)) else item)
            titled = not (rest := items[-1].strip("*_ ")) or rest.endswith((":", "："))
        elif titled and not _is_remark(line, alone=False):
            items[-1] = line[bullet.end() :] if (bullet := _BULLET.match(line)) else line
            titled = False
    for i, item in enumerate(items):
        if item.startswith(("{", "[")) and len(texts := read(item, 0, MAX_PARTS)[0].texts()) == 1:
            items[i] = texts[0]
    return items


def _lettered(lines: list[str]) -> list[str]:
    """Items marked a) b) c) or I. II. III., if they come in that order: "A. Dürer" keeps its letter."""
    found = [
        (mark["label"].casefold(), line[mark.end() :]) for line in lines if (mark := _LETTER.match(line))
    ]
    labels = [label for label, _ in found]
    in_order = any(labels == list(order[: len(labels)]) for order in ("abcdefghijklmnopqrstuvwxyz", _ROMAN))
    return [item for _, item in found] if len(found) > 1 and in_order else []


def _rows(lines: list[str]) -> list[str]:
    """The wordiest column of a table whose rows begin with a bar, without its header."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    rules = [i for i, row in enumerate(rows) if all(cell and not cell.strip("-: ") for cell in row)]
    if not rules:
        return []
    rows = rows[rules[0] + 1 :]
    lengths: Counter[int] = Counter()
    for row in rows:
        lengths.update({column: len(cell) for column, cell in enumerate(row)})
    column = max(lengths, key=lengths.__getitem__, default=0)
    return [row[column] for row in rows if column < len(row)]


def _clean(text: str) -> str:
    """One prompt without the emphasis, quotes and stray commas around it, on one line."""
    text = " ".join(text.replace("**", "").replace("__", "").split())
    for _ in range(_LAYERS):
        before = text
        text = text.rstrip(",; ").strip()
        closing = _QUOTES.get(text[:1])
        # Only quotes around the whole prompt go: '"Stop" sign at dusk, the word "go"' keeps its own.
        if closing and len(text) > 1 and text.endswith(closing) and not _inside(text, closing):
            text = text[1:-1].strip()
        if text == before:
            break
    return text if any(c.isalnum() for c in text) else ""


def _inside(text: str, closing: str) -> bool:
    """True if one of the quotes around the text also stands within it."""
    return any(mark in text[1:-1] for mark in {text[0], closing} - {"'", "’"})


def _is_remark(line: str, alone: bool) -> bool:
    """True for lines around the prompts: "Here are 20 variations:", "Let me know if ..."."""
    if line.endswith((":", "：")):
        return True
    return bool(_CHATTER.match(line)) and not (alone and "," in line)

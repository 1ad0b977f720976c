"""Marks in a prompt that other programs read and a renderer of ours does not: what is meant by them.

`<lora:ink:0.8>`, `{red|blue}`, `(a boat:1.2)`, `((boat))`, `[fog:0.5]`, `boat::2`, `BREAK`, `embedding:name`,
`__wildcard__`, `--ar 16:9`, `Negative prompt: …`, and two things that people write for people: `without
people`, which a renderer does not understand either, and `"OPEN"`, which is meant to the letter. Pure, and
linear in time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

DEPTH = 8  # alternatives inside each other; what lies deeper is plain text
_SHOWN = 6  # marks that one line names
_WIDTH = 40  # characters of a mark that a line shows

_IN_WORDS = "say in words what it stands for"
_WEIGHT = "what matters most goes first"
_POSITIVE = 'say what is there instead, as in "an empty street"'
_SQUARE = "use --size PIXELS, pictures are square"
_LEAVE = "leave it out"
_FLAGS = {
    **dict.fromkeys(("ar", "aspect", "w", "h", "width", "height", "size"), _SQUARE),
    **dict.fromkeys(("cfg", "guidance", "scale"), "use --guidance"),
    **{"seed": "use --seed", "steps": "use --steps", "lora": "use --lora", "no": _POSITIVE},
}
_WORDY_FLAGS = ("style", "sref", "cref", "oref", "p", "profile", "model", "sampler", "quality", "lora")

_QUOTED = re.compile(
    r'(?<![^\s(\[{|,:])(?:"(?=\S)([^"]{1,200})(?<=\S)"|“([^“”]{1,200})”|«([^«»]{1,200})»|„([^„“”]{1,200})[“”])'
    r"|「([^「」]{1,200})」"
)
_ANGLE = re.compile(
    r"<(?P<kind>lora|lyco|loha|locon|hypernet|embedding|ti):(?P<name>[^<>:]{1,200})"
    r"(?::(?P<strength>-?[\d.]{1,9}))?[^<>]{0,99}>",
    re.IGNORECASE,
)
_EMBEDDING = re.compile(r"\bembedding:[^\s,:()]{1,200}|__(?=[a-zA-Z])[\w/*.-]{1,99}?__")
_NUMBER = r"\s?-?(?:\d{1,3}\.?\d{0,4}|\.\d{1,4})\s?"
_WEIGHTED = re.compile(
    rf"\([^()]{{0,200}}:{_NUMBER}\)|\({{2,9}}[^()]{{1,200}}\){{2,9}}|\[{{2,9}}[^\[\]]{{1,200}}\]{{2,9}}"
)
_WEIGHT_TAIL = re.compile(rf":{_NUMBER}(?=\))")
_SCHEDULED = re.compile(rf"\[(?P<one>[^\[\]:|]{{0,200}}):(?:(?P<other>[^\[\]:|]{{0,200}}):)?{_NUMBER}\]")
_PART = re.compile(r"(?<=\S)::-?\d{0,3}(?:\.\d{1,4})?(?![\w:])")
_BREAK = re.compile(r"\b(?:BREAK|AND|ADD(?:COMM|BASE|COL|ROW))\b")
_NEGATIVE = re.compile(r"\bnegative prompt:", re.IGNORECASE)
_INFO = re.compile(r"\bSteps: \d{1,4}, ")
_FLAG = re.compile(r"(?<!\S)(?:--|[—–](?=(?:ar|no|v|s|q|style|seed)\s))(?P<name>[a-zA-Z][\w-]{0,20})(?!\S)")
_NUMERIC = re.compile(r"\s+-?\d[\d.:x×]{0,20}(?=[\s,]|\Z)")
_BRACKET = re.compile(rf"\\.|{_QUOTED.pattern}|[{{}}\[\]|]", re.DOTALL)
_OPTION = re.compile(r"\s*+(?:(?P<count>\d)\$\$)?(?:(?P<weight>\d{1,3}(?:\.\d{1,4})?)::)?")

# "without people", "no cars or people", "free of cars": up to three words, and as many again after each "or"
_THING = (
    r"(?!(?:in|on|at|of|with|but|under|over|near|by|from|to|for|as|that|which|who|is|are|was|and|n?or|around|above|"
    r"below|behind|beside|between|into|through|where|while|when|just|only|than)\b)[\w'’]{1,40}(?:-[\w'’]{1,40}){0,3}"
)
_THINGS = rf"{_THING}(?:\s+{_THING}){{0,2}}"
_ABSENCE = re.compile(
    r"\b(?:(?P<free>[\w'’]{1,40})-free\b|(?i:nobody|no[ -]one)\b|"
    r"(?P<how>(?i:without|sans|lacking|not|(?:free|devoid|empty|clear|void|bare) of|free from|deserted by)|"
    rf"no|\ANo)\s+(?P<things>{_THINGS}(?:,?\s+(?:n?or|and(?!\s+(?:an?|the)\b))\s+{_THINGS}){{0,4}}))"
)


@dataclass(frozen=True)
class Mark:
    """A mark as it was written, and what to do instead."""

    text: str
    offer: str


@dataclass(frozen=True)
class Absence:
    """Something that is not to be seen: "without people"."""

    text: str  # as it was written
    things: tuple[str, ...]  # ("people",); none where it is everything: "nobody"
    demanded: bool  # a rewrite must say so too; else it must only not say the opposite


@dataclass(frozen=True)
class Marks:
    """A prompt, read: what is plain words in it and what is not."""

    prompt: str
    found: tuple[Mark, ...]  # what a renderer does not understand, alternatives apart
    words: str  # what is left without marks, absences, alternatives and quotations
    either: tuple[tuple[str, ...], ...]  # alternatives, each group's options as plain words
    absent: tuple[Absence, ...]
    quoted: tuple[str, ...]  # to be kept to the letter

    def expanded(self, seed: int) -> str:
        """The prompt with one of each alternatives, drawn by the seed; everything else stays as it is."""
        rng = random.Random(f"alternatives:{seed}")
        return " ".join(_render(_parts(self.prompt), lambda group: _draw(group, rng)).split())

    def line(self, seed: int) -> str | None:
        """One line that names what is not understood and what to use instead; None if all of it is."""
        offers: dict[str, list[str]] = {}
        for mark in self.found[:_SHOWN]:
            offers.setdefault(mark.offer, []).append(f'"{_short(mark.text)}"')
        said = [f"{', '.join(dict.fromkeys(texts))} ({offer})" for offer, texts in offers.items()]
        said += [f"{len(self.found) - _SHOWN} more"] * (len(self.found) > _SHOWN)
        told = [f"the renderer does not understand {', '.join(said)}; it stays in the prompt"] if said else []
        if (expanded := self.expanded(seed)) != " ".join(self.prompt.split()):
            told.append(f'of its alternatives --seed {seed} takes these: "{_short(expanded, 200)}"')
        return "; ".join(told) or None


def read_marks(prompt: str) -> Marks:
    """What a prompt says in words, and what in marks. Any text is read; nothing raises."""
    found: list[Mark] = []
    absent: list[Absence] = []
    quoted: list[str] = []
    either: list[tuple[str, ...]] = []

    def quote(match: re.Match[str]) -> str:
        text = next(filter(None, match.groups()))
        if match[0] == prompt.strip() or not any(map(str.isalnum, text)):
            return match[0]  # the whole prompt in quotes is no text in the picture
        quoted.append(text)
        return _blank(match)

    def mark(offer: str | Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
        def note(match: re.Match[str]) -> str:
            found.append(Mark(match[0].strip(), offer if isinstance(offer, str) else offer(match)))
            return _blank(match)

        return note

    def schedule(match: re.Match[str]) -> str:
        found.append(Mark(match[0], "name one of them" if match["other"] else _IN_WORDS))
        options = tuple(option.strip() for option in (match["one"], match["other"] or ""))
        either.append(tuple(option for option in options if option))
        return _blank(match)

    rest = _QUOTED.sub(quote, prompt)
    parts = _parts(rest)
    either += [options for part in parts if not isinstance(part, str) and (options := _options(part))]
    rest = "".join(part if isinstance(part, str) else " " for part in parts)
    rest = _ANGLE.sub(mark(_lora), rest)
    rest = _EMBEDDING.sub(mark(_IN_WORDS), rest)
    rest = _SCHEDULED.sub(schedule, rest)
    found += [Mark(match[0], _WEIGHT) for match in _WEIGHTED.finditer(rest)]
    rest = _WEIGHT_TAIL.sub(_blank, rest)
    rest = _PART.sub(mark(_WEIGHT), rest)
    if any(map(str.islower, rest)):  # A PROMPT IN CAPITALS AND NOTHING ELSE
        rest = _BREAK.sub(mark("a comma does the same"), rest)
    if info := _INFO.search(rest):
        found.append(Mark(rest[info.start() :].strip(), "use --steps, --guidance, --seed and --size"))
        rest = rest[: info.start()]
    if negative := _NEGATIVE.search(rest):
        found.append(Mark(rest[negative.start() :].strip(), _POSITIVE))
        absent.append(_unwanted(rest[negative.start() :], rest[negative.end() :]))
        rest = rest[: negative.start()]
    rest = _without_flags(rest, found, absent)
    absences = [_absence(match) for match in _ABSENCE.finditer(rest)]
    found += [Mark(absence.text, _POSITIVE) for absence in absences]
    rest = _ABSENCE.sub(_blank, rest)
    return Marks(
        prompt, tuple(found), " ".join(rest.split()), tuple(either), (*absent, *absences), tuple(quoted)
    )


def _blank(match: re.Match[str]) -> str:
    return " "


def _short(text: str, most: int = _WIDTH) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _lora(match: re.Match[str]) -> str:
    if match["kind"].casefold() in ("hypernet", "embedding", "ti"):
        return _IN_WORDS
    return f"use --lora {match['name'].strip()}" + (f"={match['strength']}" if match["strength"] else "")


# --- alternatives: {red|blue}, [red|blue], {2$$red|blue|green}, {3::red|blue}


@dataclass
class _Group:
    opening: str
    options: list[list[str | _Group]]


def _parts(text: str) -> list[str | _Group]:
    """`text` as plain stretches and groups of alternatives; brackets without `|` are plain."""
    root = _Group("", [[]])
    stack = [root]
    position = 0

    def flush(end: int) -> None:
        if end > position:
            stack[-1].options[-1].append(text[position:end])

    def unfold() -> None:
        """The innermost group is none: its parts belong to the one around it."""
        group = stack.pop()
        around = stack[-1].options[-1]
        around.append(group.opening)
        for i, option in enumerate(group.options):
            around += ["|"] * bool(i) + option

    for bracket in _BRACKET.finditer(text):
        mark = bracket[0]
        if len(mark) > 1:  # an escape or a quotation
            continue
        flush(bracket.start())
        position = bracket.end()
        if mark in "{[" and len(stack) <= DEPTH:
            stack.append(_Group(mark, [[]]))
        elif mark == "|" and len(stack) > 1:
            stack[-1].options.append([])
        elif len(stack) > 1 and stack[-1].opening + mark in ("{}", "[]"):
            if len(stack[-1].options) > 1:
                group = stack.pop()
                stack[-1].options[-1].append(group)
            else:
                unfold()
                stack[-1].options[-1].append(mark)
        else:
            stack[-1].options[-1].append(mark)
    flush(len(text))
    while len(stack) > 1:
        unfold()
    return root.options[0]


def _render(parts: list[str | _Group], choose: Callable[[_Group], str]) -> str:
    return "".join(part if isinstance(part, str) else choose(part) for part in parts)


def _draw(group: _Group, rng: random.Random) -> str:
    texts = [_render(option, lambda inner: _draw(inner, rng)) for option in group.options]
    read = [(text, _OPTION.match(text)) for text in texts]
    count = next((int(match["count"]) for _, match in read[:1] if match and match["count"]), 1)
    options = [(text[match.end() :].strip(), float(match["weight"] or 1)) for text, match in read if match]
    drawn: list[str] = []
    while options and len(drawn) < count:
        weights = [weight for _, weight in options]
        index = rng.choices(range(len(options)), weights if sum(weights) > 0 else None)[0]
        drawn.append(options.pop(index)[0])
    return ", ".join(drawn)


def _options(group: _Group) -> tuple[str, ...]:
    """The options as plain words; none where one of them is nothing at all, so nothing is asked for."""
    texts = [_render(option, lambda inner: " ") for option in group.options]
    options = tuple(text[match.end() :].strip() for text in texts if (match := _OPTION.match(text)))
    return options if all(options) else ()


# --- flags and what is not to be seen


def _without_flags(text: str, found: list[Mark], absent: list[Absence]) -> str:
    """`text` without `--ar 16:9` and its like, each with its value."""
    flags = list(_FLAG.finditer(text))
    if not flags:
        return text
    kept = [text[: flags[0].start()]]
    for flag, end in zip(flags, [*(flag.start() for flag in flags[1:]), len(text)], strict=True):
        name, tail = flag["name"].casefold(), text[flag.end() : end]
        if name == "no":
            value = tail
            absent.append(_unwanted(flag[0] + tail, tail))
        else:
            pattern = re.compile(r"\s+\S{1,200}") if name in _WORDY_FLAGS else _NUMERIC
            value = match[0] if (match := pattern.match(tail)) else ""
        found.append(Mark((flag[0] + value).strip(), _FLAGS.get(name, _LEAVE)))
        kept.append(tail[len(value) :])
    return " ".join(kept)


def _unwanted(text: str, things: str) -> Absence:
    phrases = (" ".join(thing.split()) for thing in re.split(r"[,;]", things))
    return Absence(" ".join(text.split()), tuple(filter(None, phrases)), demanded=False)


def _absence(match: re.Match[str]) -> Absence:
    things = [match["free"]] if match["free"] else re.split(r",?\s+(?:n?or|and)\s+", match["things"] or "")
    return Absence(match[0], tuple(filter(None, things)), demanded=match["how"] not in ("not", "Not"))

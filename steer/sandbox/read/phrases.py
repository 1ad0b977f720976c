"""Prompts as words: spelling, pieces, and the noun that the picture is of."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

# fmt: off

# words after which a piece of a prompt no longer speaks of its subject
PREPOSITIONS = frozenset((
    "in", "on", "at", "with", "by", "from", "under", "among", "above", "against", "over", "near", "beside",
    "behind", "through", "into", "onto", "along", "across", "between", "below", "beneath", "inside",
    "outside", "during", "beyond", "around", "toward", "towards", "upon", "as", "for", "to", "and", "or",
    "but", "while", "that", "which", "who", "is", "are", "has", "having", "where",
))
# these end it too, but only before a preposition: "a boat covered in moss", not "a moss-covered boat"
PARTICIPLES = frozenset(("surrounded", "covered", "lit", "bathed", "set", "seen"))
# words that carry nothing at the start or at the end of a phrase
LEADING = frozenset((
    "in", "on", "at", "with", "of", "by", "from", "under", "among", "above", "below", "behind", "against",
    "over", "near", "through", "into", "onto", "and", "or", "but", "to", "for", "as", "is", "are", "its",
    "their", "seen", "viewed", "taken", "placed", "located", "captured", "rendered", "painted", "done",
    "bathed", "lit", "set", "shot",
))
TRAILING = frozenset(("of", "and", "with", "in", "on", "at", "by", "is", "to", "for", "or", "but"))
ARTICLES = frozenset(("a", "an", "the"))
NEGATIONS = frozenset(("no", "without", "not", "never", "minus", "except"))
# "a photo of X", "portrait of X": the picture is of X
MEDIA = frozenset((
    "photo", "photograph", "picture", "image", "painting", "portrait", "drawing", "sketch", "render",
    "rendering", "illustration", "print", "poster", "watercolor", "shot", "up", "view", "art", "etching",
    "engraving", "artwork", "depiction", "scene", "study", "still", "life", "macro", "canvas",
    "photography", "wallpaper",
))
# singular words for several things
COLLECTIVE = frozenset((
    "forest", "bouquet", "garden", "village", "ruins", "grapes", "couple", "people", "fungi",
    "field of flowers",
))
COLORS = frozenset((
    "red", "orange", "yellow", "green", "blue", "purple", "violet", "pink", "brown", "black", "white",
    "gray", "teal", "cyan", "magenta", "turquoise",
))
TINTS = frozenset(("dark", "light", "bright", "deep", "pale"))  # before a color
BRITISH = {
    "colour": "color", "grey": "gray", "centre": "center", "stylis": "styliz", "cosy": "cozy",
    "sombre": "somber", "harbour": "harbor", "closeup": "close up", "mould": "mold", "vapour": "vapor",
}

# fmt: on

_SEPARATORS = re.compile(r"[,;|\n\r()\[\]{}\"“”]+|[.!?:]+(?=\s|$)|\s[-–—]+\s")
_WEIGHTS = re.compile(r":\d+(\.\d+)?(?=\s*[)\]])|(?:^|\s)--\w+(\s+[\d:.]+)?")  # "(fog:1.3)", "--ar 16:9"
_APERTURE = re.compile(r"\bf\s?/?\s?(\d+(?:\.\d+)?)\b")
_MILLIMETRES = re.compile(r"\b(\d+)\s?mm\b")
_STEMS = {"lighting": "light", "woods": "woods"}
_WORD = re.compile(r"f/\d+(?:\.\d+)?|\d+\.\d+|\w+")


def words(text: str) -> list[str]:
    """Lower-case American words without articles: "The grey Close-Up" -> ["gray", "close", "up"]."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("'", "").replace("’", "")
    folded = _APERTURE.sub(r"f/\1", _MILLIMETRES.sub(r"\1mm", folded))
    for british, american in BRITISH.items():
        folded = folded.replace(british, american)
    return [word for word in _WORD.findall(folded.replace("_", " ")) if word not in ARTICLES]


def pieces(prompt: str) -> list[list[str]]:
    """The prompt cut at punctuation, each piece as words; pieces without words are left out."""
    return [found for piece in _SEPARATORS.split(_WEIGHTS.sub(" ", prompt)) if (found := words(piece))]


def singular(word: str) -> str:
    """A crude stem, the same on both sides of every comparison."""
    if word in _STEMS:
        return _STEMS[word]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        if word.endswith("ies") and len(word) > 4:
            return word[:-3] + "y"
        if word.endswith(("shes", "ches", "xes", "sses")):
            return word[:-2]
        return word[:-1]
    return word


def key(phrase: Iterable[str]) -> tuple[str, ...]:
    """What two phrases share when they are the same but for number and leading prepositions."""
    rest = list(phrase)
    while len(rest) > 1 and rest[0] in LEADING and not (len(rest) == 2 and rest[1] in LEADING):
        rest = rest[1:]  # but "from above" stays
    while len(rest) > 1 and rest[-1] in TRAILING:
        rest = rest[:-1]
    return tuple(singular(word) for word in rest)


def negated(piece: Sequence[str]) -> range:
    """The words of a piece that say what is not there: from "no" or "without" to the next turn of phrase."""
    for start, word in enumerate(piece):
        if word in NEGATIONS:
            turns = (i for i in range(start + 1, len(piece)) if piece[i] in {"but", "with", "in", "at", "on"})
            return range(start, next(turns, len(piece)))
    return range(0)


def noun_phrases(piece: Sequence[str]) -> list[range]:
    """Where the noun phrases of a piece stand; the first is empty if the piece starts with a preposition.

    "a watercolor painting of two boats on a lake" -> "two boats", "lake"; "bowl of fruit" stays whole.
    """
    start = 0
    if "of" in piece:
        of = piece.index("of")
        if of and piece[of - 1] in MEDIA:
            start = of + 1
    found: list[range] = []
    for i in range(start, len(piece) + 1):
        if i == len(piece) or _ends_phrase(piece, i) or piece[i] in NEGATIONS:
            if i > start or not found:
                found.append(range(start, i))
            start = i + 1
    return found


def _ends_phrase(piece: Sequence[str], i: int) -> bool:
    return piece[i] in PREPOSITIONS or (
        piece[i] in PARTICIPLES and any(word in PREPOSITIONS for word in piece[i + 1 : i + 2])
    )


def runs(piece: Sequence[str], free: Sequence[bool], longest: int) -> list[list[str]]:
    """The free words of a piece, cut at prepositions and to at most `longest` words."""
    found: list[list[str]] = [[]]
    for i, word in enumerate(piece):
        belongs = free[i] and not _ends_phrase(piece, i)
        if not belongs or len(found[-1]) == longest:
            found.append([])
        if belongs:
            found[-1].append(word)
    return [run for run in found if run]

"""The text gate: is a rewrite still about the base prompt, and is it a prompt at all?

Cheap checks before anything is rendered. What the base prompt itself contains is never held against a
rewrite: only what was added is searched for junk.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from steer.gates.marks import Marks, read_marks
from steer.settings import MAX_PROMPT

MAX_WORDS = 60
SIMILARITY_FLOOR = 0.75  # cosine of sentence embeddings at which lost words are taken for a paraphrase


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STOPWORDS = _words(
    "a an the of in on at to for from by with without and or but as is are be it its this that these those "
    "his her their our my your some any into onto over under up down near very"
)
_NUMERALS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: str(number) for number, word in enumerate(_NUMERALS, 1)}
_PRAISE = _words(
    "beautiful beautifully stunning amazing awesome gorgeous masterpiece best quality high highly award "
    "winning breathtaking perfect incredible fantastic wonderful great excellent magnificent aesthetic "
    "pleasing professional epic superb nice good better ultra super very most top rated trending popular "
    "detailed detail hd uhd hq 4k 8k 16k image picture art work artwork"
)
# Said of a place: what the prompt wants away is not in it.
_EMPTY = _words(
    "empty deserted abandoned uninhabited unpeopled vacant lonely solitary bare desolate unoccupied "
    "unfurnished clear alone lone"
)
# Words that a whole phrase does not end with: the reply was cut off.
_DANGLING = _words("a an the of in on at to for from by with without and or into onto as")

_JUNK: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        ("a web address", r"https?:|www\.|\b\w+\.(?:com|org|net|io|jpg|jpeg|png|gif|webp)\b|\S@\w"),
        (
            "a pixel size",
            r"\b\d{1,6}(?:[.,]\d{1,6})?\s{0,3}(?:px|pixels?|dpi|ppi)?\s{0,3}[x×]\s{0,3}\d|"
            r"\b\d{1,9}\s{0,3}(?:px|pixels?|dpi|ppi)\b",
        ),
        ("a command for another program", r"(?:^|\s)--?[a-z]{1,12}\b|\blora:|\bBREAK\b"),
        (
            "a label instead of a prompt",
            r"\b(?:prompts?|variations?|scores?|rating|caption|output|input)\s*[:#=]",
        ),
        (
            "the instruction itself",
            r"aesthetic(?:ally)? (?:quality|pleasing)|semantic (?:content|concept)|prompt variation|"
            r"(?:new|original|following|numbered) prompt|quality score|one per line|user's taste",
        ),
        (
            "talk to the reader",
            r"\b(?:i'm|i am|i will|i'll|i've|i have|i can|i hope|you can|you could|you should|you are|you're|"
            r"your|let me|let's|feel free|as an ai|sorry|please|thank you|sure,|here (?:is|are))\b",
        ),
        (
            "nudity or gore that nobody asked for",
            r"\b(?:nudes?|nudity|naked|nsfw|sexy|sexual|porn\w*|erotic\w*|breasts?|gore|gory|blood(?:y|ied)?|corpses?)\b",
        ),
        ("markup", r"[<>{}|\\^~`]|\*\*|__|#\w|\[[^\[\]]*\]\(|&\w+;"),
        ("an enumeration", r"(?:^|[\s,;])\d{1,3}[.)]\s"),
    )
)
_OWN = 32  # marks and quotations of the prompt that a rewrite may repeat
_PAIRS = {"(": ")", "[": "]", "{": "}", "“": "”", "«": "»", "「": "」", "『": "』", "（": "）"}
_STRETCH = re.compile(r"[,;.、，。]")
_WORD = re.compile(r"\w+(?:['’]\w+)?", re.UNICODE)


@dataclass(frozen=True)
class TextGate:
    """Judges rewrites of one base prompt by their text alone.

    `similarity(a, b)` (a cosine, -1 to 1) may pardon lost words where it is at least `similarity_floor`.
    `never` are phrases that the person never wants, see `says`.
    """

    prompt: str
    similarity: Callable[[str, str], float] | None = None
    similarity_floor: float = SIMILARITY_FLOOR
    max_words: int = MAX_WORDS
    never: tuple[str, ...] = ()

    @cached_property
    def _asked(self) -> Marks:
        return read_marks(self.prompt)

    def reject(self, candidate: str, tried: Container[str] = frozenset()) -> str | None:
        """A short reason to drop `candidate`, or None to keep it.

        `tried` holds what the run had before, each as `normalize` gives it; the base prompt always counts.
        """
        if (size := len(candidate)) > (most := len(self.prompt) + MAX_PROMPT):
            return f"too long ({size:,} characters, at most {most:,})"
        key = normalize(candidate)
        if not any(c.isalnum() for c in candidate):
            return "empty"
        if any(_unprintable(c) for c in candidate):
            return "contains characters that cannot be printed"
        if key == normalize(self.prompt):
            return "the same as the original prompt"
        if key in tried:
            return "already tried in this run"
        limit = max(self.max_words, count_words(self.prompt) + self.max_words // 2)
        if (words := count_words(candidate)) > limit:
            return f"too long ({words} words, at most {limit})"
        added = self._added(candidate)
        return self.unwanted(candidate) or self._junk(candidate, added) or self._lost(candidate, added)

    def unwanted(self, candidate: str) -> str | None:
        """A short reason where it says what is never wanted; not where the prompt itself asks for that."""
        added = self._added(candidate)
        for phrase in self.never:
            own = added is None and says(self.prompt, phrase)
            if not own and says(candidate if added is None else added, phrase):
                return f'says "{phrase}", which this person never wants'
        return None

    def _added(self, candidate: str) -> str | None:
        """What the rewrite says beyond the base prompt; None where it does not repeat that word for word."""
        position = candidate.casefold().find(self.prompt.casefold())
        if position < 0 or len(candidate) != len(candidate.casefold()):
            return None
        return candidate[:position] + " " + candidate[position + len(self.prompt) :]

    def _junk(self, candidate: str, beyond: str | None) -> str | None:
        added = candidate if beyond is None else beyond
        if beyond is None:  # the prompt's own marks and quotations are no junk
            for own in (*(mark.text for mark in self._asked.found[:_OWN]), *self._asked.quoted[:_OWN]):
                added = added.replace(own, " ")
        for reason, pattern in _JUNK:
            if pattern.search(added):
                return f"contains {reason}"
        if not _balanced(added):
            return "unbalanced brackets or quotes"
        if _foreign(added, self.prompt):
            return "changes to another script"
        words = [word.casefold() for word in _WORD.findall(added)]
        spoken = [word for word in words if word != "and"]  # "dark and dark"
        if any(a == b and a.isalpha() for a, b in pairwise(spoken)):
            return "repeats a word"
        common = Counter(w for w in words if w not in _STOPWORDS and w.isalpha()).most_common(1)
        if common and common[0][1] > 3:
            return f'repeats "{common[0][0]}" {common[0][1]} times'
        items = _items(added)
        known = _items(self.prompt) if beyond is not None else []
        if len({*items, *known}) < len(items) + len(set(known)):
            return "repeats itself"
        if words and words[-1] in _DANGLING:
            return f'breaks off after "{words[-1]}"'
        if words and all(word in _PRAISE or word in _STOPWORDS for word in words):
            return "adds only praise"
        return None

    def _lost(self, candidate: str, beyond: str | None) -> str | None:
        if broken := next(_broken(self._asked, candidate, beyond), None):
            return broken
        lost = lost_words(self.prompt, candidate)
        if not lost:
            return None
        if self.similarity is not None and self.similarity(self.prompt, candidate) >= self.similarity_floor:
            return None
        return f"lost {', '.join(repr(word) for word in lost[:3])}"


def normalize(text: str) -> str:
    """`text` without case, punctuation and spacing, for "have we had this?"."""
    text = unicodedata.normalize("NFKC", text).casefold()
    # Symbols stay: to an emoji they are the whole word.
    kept = "".join(" " if unicodedata.category(c)[0] in "PZC" else c for c in text)
    return " ".join(kept.split())


def says(text: str, phrase: str) -> bool:
    """Whether a stretch of `text` between commas holds all words of `phrase` that carry meaning, in any form.

    "neon" is said by "pink neon glow", "soft fog" by "soft foggy air" and not by "soft light, thick fog".
    """
    wanted, plain = content_stems(phrase), normalize(phrase)
    unspaced = any(map(_is_unspaced, phrase))
    for stretch in _STRETCH.split(text):
        said = normalize(stretch)
        if f" {plain} " in f" {said} " or (unspaced and plain in said):
            return True
        if wanted and wanted <= content_stems(stretch):
            return True
    return False


def count_words(text: str) -> int:
    """Words between spaces; where a script writes none, two characters count as a word."""
    unspaced = sum(map(_is_unspaced, text))
    return (
        len(re.sub(r"[^\W]", lambda m: " " if _is_unspaced(m[0]) else m[0], text).split())
        + (unspaced + 1) // 2
    )


def lost_words(prompt: str, candidate: str) -> list[str]:
    """Content words of `prompt` that `candidate` has in no form: "rocks" is kept by "rock" and "rocky".

    Marks that are no words (see `read_marks`) do not count; of alternatives one is enough. What `candidate`
    says is not there, it does not have.
    """
    asked, given = read_marks(prompt), read_marks(candidate)
    had = " ".join([given.words, *given.quoted, *(option for options in given.either for option in options)])
    stems = sorted({_stem(word) for word in _WORD.findall(had)})
    pairs = {had[i : i + 2] for i in range(len(had))} | set(had)

    def missing(text: str) -> list[str]:
        emoji = [c for c in dict.fromkeys(text) if unicodedata.category(c) == "So" and c not in pairs]
        return emoji + [word for word in _WORD.findall(text) if not kept(word)]

    def kept(word: str) -> bool:
        if word.casefold() in _STOPWORDS:
            return True
        if any(map(_is_unspaced, word)):
            # Without spaces a "word" is a whole clause: most of its pairs of characters must be kept.
            own = [word[i : i + 2] for i in range(max(1, len(word) - 1))]
            return sum(pair in pairs for pair in own) >= 0.6 * len(own)
        stem = _stem(word)
        place = bisect_left(stems, stem)  # what begins with a stem is sorted right behind it
        return place < len(stems) and (
            stems[place].startswith(stem) if len(stem) > 3 else stems[place] == stem
        )

    lost = missing(asked.words)
    return lost + [" or ".join(options) for options in asked.either if options and all(map(missing, options))]


def _broken(asked: Marks, candidate: str, beyond: str | None) -> Iterator[str]:
    """Quotations of the prompt that are gone, and absences that are gone or contradicted.

    `beyond` is what the candidate adds to the prompt if it repeats that.
    """
    given = read_marks(candidate if beyond is None else beyond)
    seen = content_stems(given.words)
    gone = content_stems(" ".join(thing for absence in given.absent for thing in absence.things))
    empty = not _EMPTY.isdisjoint(given.words.casefold().split()) or any(not a.things for a in given.absent)
    for absence in asked.absent:
        things = [stems for thing in absence.things if (stems := content_stems(thing))]
        if any(stems <= seen for stems in things):
            yield f"contradicts {absence.text!r}"
        said = empty or any(s in gone or f"{s}less" in seen for stems in things for s in stems)
        if absence.demanded and beyond is None and not said:
            yield f"lost {absence.text!r}"
    for text in asked.quoted if beyond is None else ():
        if text not in given.quoted and f"'{text}'" not in candidate:
            yield f"lost {text!r} in quotes"


def content_stems(text: str) -> set[str]:
    """The stems of the words of `text` that carry meaning."""
    return {_stem(word) for word in _WORD.findall(text) if word.casefold() not in _STOPWORDS}


def _stem(word: str) -> str:
    """A crude English stem: enough for plurals, -ing, -ed, -y and the spelled-out small numbers."""
    word = word.casefold().replace("’", "'").removesuffix("'s")
    if word in _NUMBERS:
        return _NUMBERS[word]
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in ("ing", "ed", "en", "y"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]  # "running" -> "runn" -> "run"
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _items(text: str) -> list[str]:
    """The comma-separated phrases of `text`, as `normalize` gives them."""
    return [item for part in _STRETCH.split(text) if (item := normalize(part))]


def _unprintable(c: str) -> bool:
    # Cf holds the joiners that emoji and several scripts need; of it only the bidirectional overrides go.
    return (
        unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
        or c in "\u202a\u202b\u202d\u202e\ufffd"
    )


def _is_unspaced(c: str) -> bool:
    """True for Chinese, Japanese, Thai, Lao, Khmer and Myanmar letters."""
    return c.isalnum() and (
        "\u3040" <= c <= "\u30ff" or "\u3400" <= c <= "\u9fff" or "\u0e00" <= c <= "\u0eff"
        or "\u1000" <= c <= "\u109f" or "\u1780" <= c <= "\u17ff" or "\U00020000" <= c <= "\U0003ffff"
    )  # fmt: skip


def _balanced(text: str) -> bool:
    """True if brackets nest and straight double quotes come in pairs."""
    stack: list[str] = []
    for c in text:
        if c in _PAIRS:
            stack.append(_PAIRS[c])
        elif c in _PAIRS.values() and (not stack or stack.pop() != c):
            return False
    return not stack and text.count('"') % 2 == 0


def _foreign(added: str, prompt: str) -> bool:
    """True if a prompt in Latin letters is continued in another script."""
    letters = [c for c in added if c.isalpha()]
    if (
        not letters
        or any(c.isalpha() and not _is_latin(c) for c in prompt)
        or not any(map(str.isalpha, prompt))
    ):
        return False
    return sum(not _is_latin(c) for c in letters) > 0.2 * len(letters)


def _is_latin(c: str) -> bool:
    return c.isascii() or unicodedata.name(c, "").startswith("LATIN")

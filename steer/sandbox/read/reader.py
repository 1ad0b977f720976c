"""Prompt -> distribution over scenes, by sentence-embedding similarity to the phrases of the lexicon.

Each piece of a prompt is divided into the phrases that the lexicon knows, word for word where it can and by
similarity elsewhere, so that words it has never seen still mean something. A setting that no phrase speaks
of stays open and is drawn from the seed, around the house style.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from steer.sandbox.read import lexicon, phrases, synonyms
from steer.sandbox.read.reading import Evidence, Reading, combine

TEMPERATURE = 0.03  # of the softmax over similarities
FLOORS = {1: 0.66, 2: 0.58, 3: 0.55}  # least similarity that means something, by number of words (3: or more)
THING_RESERVE = 0.15  # a guess at material or floating: it may be about another thing in the picture
NOUN_WORD_COST = 0.08  # similarity that every further word of an unknown noun has to add
LONGEST_SPAN = 6  # words
LONGEST_NOUN = 3
LONGEST_PHRASE = 8
CACHE_SIZE = 20_000  # spans
AIRBORNE = ("floating", "levitating", "hovering", "airborne", "flying", "hanging in midair")
COUNTS_OF_A_PLURAL: dict[lexicon.Value, float] = {2: 0.2, 3: 0.4, 4: 0.2, 5: 0.2}


class Encoder(Protocol):
    def encode(self, sentences: Sequence[str]) -> np.ndarray: ...  # float32 [n, dim], rows of length 1


@dataclass(frozen=True)
class Entry:
    """One phrase of the lexicon and what it says."""

    text: str
    moves: tuple[tuple[str, lexicon.Value | float], ...]  # (axis, value); none: empty praise
    blend: bool = False  # moves several settings
    mild: bool = False  # a mood or a lens, weaker than a phrase that names the setting
    adjective: bool = False  # stands before the subject: "mossy"


@dataclass(frozen=True)
class Hit:
    """What a span of words is most like, and what it gains a segmentation to read it so."""

    gain: float
    evidence: tuple[Evidence, ...]


class Reader:
    """Reads prompts; an instance embeds the lexicon once, when it has to, and remembers what it compared."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder  # None: loaded when the first prompt needs it, many need only the lexicon
        self._entries = _entries()
        self._stems = [frozenset(_key(entry.text)) for entry in self._entries]
        thing = [any(axis in {"material", "floating"} for axis, _ in e.moves) for e in self._entries]
        self._reserve = THING_RESERVE * np.array(thing, np.float32)
        self._vectors: np.ndarray | None = None
        self._exact = {_key(entry.text): entry for entry in reversed(self._entries)}  # the first one counts
        self._known = [(noun, subject) for subject, nouns in _nouns().items() for noun in nouns]
        self._nouns = {_key(noun): subject for noun, subject in self._known}
        self._counts = {_key(text): n for n, texts in _counts().items() for text in texts}
        self._noun_vectors: np.ndarray | None = None  # most prompts name their subject in known words
        self._noun_rows: dict[str, np.ndarray] = {}
        self._hits: OrderedDict[str, Hit] = OrderedDict()

    def read(self, prompt: str) -> Reading:
        """The reading of any text; one without words leaves everything open but the subject."""
        return self.read_all([prompt])[0]

    def read_all(self, prompts: Sequence[str]) -> list[Reading]:
        """Readings of several prompts; what is new in them is embedded in one batch."""
        parsed = [self._parse(prompt) for prompt in prompts]
        self._compare({span for _, runs in parsed for run in runs for _, _, span in _spans(run)})
        readings = []
        for prompt, (evidence, runs) in zip(prompts, parsed, strict=True):
            guessed = [e for run in runs for hit in self._segment(run) for e in hit.evidence]
            readings.append(combine(prompt, [*evidence, *guessed]))
        return readings

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        if self._encoder is None:
            from reward.encoders.image_text import sentence_encoder

            self._encoder = sentence_encoder()
        return self._encoder.encode(texts)

    def _parse(self, prompt: str) -> tuple[list[Evidence], list[list[str]]]:
        """What the prompt says word for word, and the runs of words that have to be compared."""
        pieces = phrases.pieces(prompt) or [["picture"]]
        subject_at, head = self._head(pieces)
        evidence: list[Evidence] = []
        runs: list[list[str]] = []
        for i, piece in enumerate(pieces):
            free = [True] * len(piece)
            before_noun = range(0)
            if i == subject_at:
                noun, said = self._subject(piece, head)
                evidence += said
                before_noun = range(head.start, noun.start)
                for j in range(len(piece)):
                    # an orange cat says nothing about the palette
                    free[j] = j not in noun and not (j in before_noun and piece[j] in phrases.COLORS)
            evidence += self._number(piece, before_noun, free)
            evidence += self._quotes(piece, before_noun, free)
            for j in (*phrases.negated(piece), *before_noun):
                free[j] = False  # an old boat is no guess at an old photograph
            runs += phrases.runs(piece, free, LONGEST_SPAN)
        return evidence, runs

    def _head(self, pieces: Sequence[Sequence[str]]) -> tuple[int, range]:
        """(piece, where in it) of the noun phrase that the picture is of.

        It is the first one that says more than a look ("watercolor, a boat", "twilight over a village").
        Pieces that start with a preposition say where the subject is, unless there are no others.
        """
        looks: list[tuple[int, range]] = []
        placed: list[tuple[int, range]] = []
        for i, piece in enumerate(pieces):
            first, *others = phrases.noun_phrases(piece)
            whole_look = self._is_look(piece)
            if first and not whole_look and not self._is_look(piece[first.start : first.stop]):
                return i, first
            if whole_look:
                continue
            (looks if first else placed).extend((i, at) for at in others or [first] if at)
        for i, at in [*looks, *placed]:
            if not self._is_look(pieces[i][at.start : at.stop]):
                return i, at
        return 0, range(len(pieces[0]))

    def _is_look(self, span: Sequence[str]) -> bool:
        names_thing = any(phrases.key(span[i:]) in self._nouns for i in range(len(span)))
        return phrases.key(span) in self._exact and not names_thing

    def _subject(self, piece: Sequence[str], head: range) -> tuple[range, list[Evidence]]:
        """Where the subject's noun stands, and what it says: the archetype and how many of it."""
        head = self._without_of(piece, head)
        noun = self._known_noun(piece, head)
        if noun is not None:
            phrase = " ".join(piece[noun.start : noun.stop])
            subject, similarity = self._nouns[phrases.key(piece[noun.start : noun.stop])], 1.0
        else:
            noun, subject, similarity, phrase = self._nearest(piece, head)
        text = " ".join(piece[noun.start : noun.stop])
        last = piece[noun.stop - 1]
        several = phrases.singular(last) != last or text in phrases.COLLECTIVE or last in phrases.COLLECTIVE
        counts = COUNTS_OF_A_PLURAL if several else {1: 1.0}
        return noun, [
            Evidence("subject", text, phrase, similarity, ((subject, 1.0),)),
            Evidence("count", text, last, 1.0, tuple(counts.items()), mild=True),
        ]

    def _without_of(self, piece: Sequence[str], head: range) -> range:
        """The part of "herd of horses" or "statue of a lion" that names it; "bowl of fruit" is one noun."""
        if "of" not in piece[head.start : head.stop]:
            return head
        of = piece.index("of", head.start)
        if phrases.key(piece[max(head.start, of - 1) : of]) in self._counts:
            return range(of + 1, head.stop) or head
        around = [piece[i:j] for i in range(head.start, of) for j in range(of + 2, head.stop + 1)]
        if any(phrases.key(span) in self._nouns for span in around):
            return head
        return range(head.start, of) or head

    def _known_noun(self, piece: Sequence[str], head: range) -> range | None:
        """The last noun of the head that the lexicon knows: "stone bridge", "orange cat"."""
        found: range | None = None
        for stop in range(head.start + 1, head.stop + 1):
            if found and piece[stop - 1].endswith("ing"):
                break  # "a robot holding a flower"
            starts = range(max(head.start, stop - LONGEST_NOUN), stop)
            start = next((i for i in starts if phrases.key(piece[i:stop]) in self._nouns), None)
            found = found if start is None else range(start, stop)
        return found

    def _nearest(self, piece: Sequence[str], head: range) -> tuple[range, str, float, str]:
        """(where, archetype, similarity, its phrase) for a noun that is not in the lexicon.

        Compared are the words that the head ends with, also before a participle: of "an ancient wyvern
        breathing fire" "wyvern" and "ancient wyvern" count, of "a golden retriever" both words.
        """
        words = piece[head.start : head.stop]
        turn = next((i for i in range(1, len(words)) if words[i].endswith("ing")), len(words))
        ends = sorted({turn, len(words)})
        spans = [range(i, end) for end in ends for i in range(max(0, end - LONGEST_NOUN), end)]
        similarities = self._noun_similarities([" ".join(words[s.start : s.stop]) for s in spans])
        # every further word has to help: adjectives are left to the other settings
        costs = [NOUN_WORD_COST * (len(span) + 2 * (span.stop != turn)) for span in spans]
        chosen = int((similarities.max(1) - np.array(costs)).argmax())
        best = int(similarities[chosen].argmax())
        noun, subject = self._known[best]
        at = range(head.start + spans[chosen].start, head.start + spans[chosen].stop)
        return at, subject, float(similarities[chosen, best]), noun

    def _noun_similarities(self, spans: Sequence[str]) -> np.ndarray:
        """[spans, known nouns]; remembered, for the rewrites of a prompt share its subject."""
        if self._noun_vectors is None:
            self._noun_vectors = self._encode([noun for noun, _ in self._known])
        new = [span for span in spans if span not in self._noun_rows]
        if new:
            if len(self._noun_rows) > CACHE_SIZE:
                self._noun_rows.clear()
            rows = np.round(self._encode(spans) @ self._noun_vectors.T, 4)
            self._noun_rows.update(zip(spans, rows, strict=True))
        return np.stack([self._noun_rows[span] for span in spans])

    def _number(self, piece: Sequence[str], before_noun: range, free: list[bool]) -> list[Evidence]:
        """Number words count only before the subject."""
        for i in before_noun:
            for end in (i + 2, i + 1):
                number = self._counts.get(phrases.key(piece[i:end])) if end <= before_noun.stop else None
                if number is not None and all(free[i:end]):
                    free[i:end] = [False] * (end - i)
                    words = " ".join(piece[i:end])
                    return [Evidence("count", words, words, 1.0, ((number, 1.0),))]
        return []

    def _quotes(self, piece: Sequence[str], before_noun: range, free: list[bool]) -> list[Evidence]:
        """Phrases of the lexicon that stand in the free words, longest first; known nouns are set aside."""
        evidence: list[Evidence] = []
        negated = phrases.negated(piece)[1:]  # "no haze" may be a phrase, the haze in it is not
        n = len(piece)
        spans = [(i, j) for i in range(n) for j in range(i + 1, min(n, i + LONGEST_PHRASE) + 1)]
        for start, end in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
            words = piece[start:end]
            key = phrases.key(words)
            padded = key[0] != phrases.singular(words[0]) or len(key) < len(words)  # "of snow" is just "snow"
            if padded or start in negated or not all(free[start:end]):
                continue
            entry = self._exact.get(key)
            if entry is not None and not entry.moves and len(key) == 1:
                continue  # "light" and "mood" mean something only with the words beside them
            if entry is not None and entry.adjective and start not in before_noun and end - start < n:
                entry = None
            if start in before_noun and key in self._nouns and not (entry and entry.adjective):
                entry = None  # a city skyline has no city behind it
            if entry is None and key not in self._nouns:
                continue
            free[start:end] = [False] * (end - start)
            tints = (
                piece[start] in phrases.TINTS
                and end - start == 1
                and end < n
                and piece[end] in phrases.COLORS
            )
            if entry is not None and not tints:  # the dark of "dark green" says nothing about the light
                evidence += _quoted(" ".join(words), entry)
        return evidence

    def _compare(self, spans: set[str]) -> None:
        """Remember what each new span of words is most like."""
        new = sorted(spans - self._hits.keys())
        if new:
            # rounded: the last bits depend on what else is in the batch
            if self._vectors is None:
                self._vectors = self._encode([entry.text for entry in self._entries])
            similarities = np.round(self._encode(new) @ self._vectors.T, 4)
            similarities -= self._reserve
            for span, row in zip(new, similarities, strict=True):
                self._hits[span] = self._hit(span, row)
        for span in spans:
            self._hits.move_to_end(span)
        while len(self._hits) > max(CACHE_SIZE, len(spans)):
            self._hits.popitem(last=False)

    def _hit(self, span: str, similarities: np.ndarray) -> Hit:
        if " " not in span:  # "scale" is not enough of "sense of scale"
            if phrases.key([span]) in self._exact:
                return Hit(0.0, ())  # a generic word
            stem = phrases.singular(span)
            similarities = np.where([stem in stems for stems in self._stems], -1.0, similarities)
        best = int(similarities.argmax())
        entry, similarity = self._entries[best], float(similarities[best])
        length = len(span.split())
        gain = (similarity - FLOORS[min(length, max(FLOORS))]) * length
        if entry.blend or not entry.moves:
            return Hit(gain, tuple(replace(e, similarity=similarity) for e in _quoted(span, entry)))
        axis = entry.moves[0][0]
        nearest: dict[lexicon.Value | float, float] = {}
        for other, s in zip(self._entries, similarities, strict=True):
            if not other.blend and other.moves and other.moves[0][0] == axis:
                value = other.moves[0][1]
                nearest[value] = max(nearest.get(value, -1.0), float(s))
        weights = {value: float(np.exp((s - similarity) / TEMPERATURE)) for value, s in nearest.items()}
        total = sum(weights.values())
        values = tuple((value, w / total) for value, w in weights.items() if w / total > 0.02)
        return Hit(gain, (Evidence(axis, span, entry.text, similarity, values),))

    def _segment(self, run: Sequence[str]) -> list[Hit]:
        """The division of a run into spans that gains most in similarity above the floors."""
        best: list[tuple[float, list[Hit]]] = [(0.0, [])]
        for end in range(1, len(run) + 1):
            options = [best[end - 1]]
            for start, stop, span in _spans(run):
                if stop == end and self._hits[span].gain > 0:
                    gain, hits = best[start]
                    options.append((gain + self._hits[span].gain, [*hits, self._hits[span]]))
            best.append(max(options, key=lambda option: option[0]))
        return best[-1][1]


def _key(text: str) -> tuple[str, ...]:
    return phrases.key(phrases.words(text))


def _spans(run: Sequence[str]) -> list[tuple[int, int, str]]:
    """(start, end, words) of a whole run and of its parts of up to three words."""
    n = len(run)
    bounds = [(i, j) for i in range(n) for j in range(i + 1, n + 1) if j - i <= 3 or j - i == n]
    return [(i, j, " ".join(run[i:j])) for i, j in bounds]


def _entries() -> list[Entry]:
    """The look phrases of the lexicon; where two have the same key, the first is quoted."""
    found = [Entry(text, (("floating", True),)) for text in AIRBORNE]
    for axis, values in lexicon.VALUES.items():
        found += [Entry(text, ((axis, value),)) for value, texts in values.items() for text in texts]
    for axis, levels in lexicon.LEVELS.items():
        found += [Entry(text, ((axis, value),)) for value, texts in levels for text in texts]
    for axis, short in synonyms.SHORT.items():
        found += [Entry(text, ((axis, value),)) for value, texts in short.items() for text in texts]
    for texts, moves in synonyms.BLENDS:
        found += [Entry(text, tuple(moves.items()), blend=True, mild=len(moves) > 1) for text in texts]
    for texts, moves in synonyms.TONES:
        found += [Entry(text, tuple(moves.items()), blend=True) for text in texts]
    for material, texts in lexicon.MATERIAL_ADJECTIVES.items():
        found += [Entry(text, (("material", material),), adjective=True) for text in texts]
    found += [Entry(text, ()) for text in synonyms.EMPTY_PRAISE]
    return found


def _nouns() -> dict[str, tuple[str, ...]]:
    """Every word for each archetype, in the singular."""
    usual = {subject: tuple(one for one, _ in pairs) for subject, pairs in lexicon.SUBJECT_NOUNS.items()}
    plurals = {subject: tuple(many for _, many in pairs) for subject, pairs in lexicon.SUBJECT_NOUNS.items()}
    return {s: usual[s] + synonyms.SUBJECT_WORDS[s] + plurals[s] for s in usual}


def _counts() -> dict[int, tuple[str, ...]]:
    return {n: lexicon.COUNTS[n] + synonyms.COUNT_WORDS[n] for n in lexicon.COUNTS}


def _quoted(words: str, entry: Entry) -> list[Evidence]:
    """What an entry says, certain but for moods."""
    return [
        Evidence(axis, words, entry.text, 1.0, ((value, 1.0),), entry.mild) for axis, value in entry.moves
    ]

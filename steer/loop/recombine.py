"""New looks out of known phrases: those of the bank and those that the language model has written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from steer.loop.forecast import Embed, unit_vectors

MOST = 6  # phrases of one look; more only blur each other
STEP = 0.6  # share of the looks that are one step away from a good one; the rest is drawn from nothing
NEAR = 0.5  # cosine with a phrase of the bank from which on another phrase is about the same


class Library:
    """Phrases by what they are about; two of one section would contradict each other."""

    def __init__(self, bank: Mapping[str, Sequence[str]], embed: Embed | None) -> None:
        self.sections = {name: list(phrases) for name, phrases in bank.items()}
        self._section = {phrase: name for name, phrases in bank.items() for phrase in phrases}
        self._embed = embed
        self._bank = list(self._section)
        self._vectors = None if embed is None else unit_vectors(embed(self._bank))

    @property
    def phrases(self) -> list[str]:
        """All of them."""
        return list(self._section)

    def add(self, phrases: Sequence[str], own: bool = False) -> None:
        """Take in phrases, each beside the phrase of the bank that it is most like.

        Of one that is like none nobody can say what it must not be combined with: it is left out, or, of
        someone's `own` wishes, about itself.
        """
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self._section]
        if not new:
            return
        alike = np.zeros((len(new), 1))
        if self._embed is not None and self._vectors is not None:
            alike = unit_vectors(self._embed(new)) @ self._vectors.T
        for phrase, row in zip(new, alike, strict=True):
            near = row.max() >= NEAR
            if near or own:
                section = self._section[self._bank[int(row.argmax())]] if near else phrase
                self._section[phrase] = section
                self.sections.setdefault(section, []).append(phrase)

    def about(self, phrase: str) -> str:
        """Its section; a phrase that is not in here is about itself."""
        return self._section.get(phrase, phrase)


def recombine(
    library: Library,
    effects: Mapping[str, float],
    parents: Sequence[Sequence[str]],
    n: int,
    temperature: float,
    rng: np.random.Generator,
) -> list[tuple[str, ...]]:
    """About `n` different looks. `effects` are the phrases' expected gains, `parents` good looks.

    A look is drawn from nothing, or is a parent with a phrase replaced, added or dropped, or taken over from
    another parent. In each section better phrases are likelier, by a softmax at `temperature`.
    """
    names = list(library.sections)
    weights = {name: _softmax([effects[p] for p in library.sections[name]], temperature) for name in names}

    def drawn(name: str) -> str:
        return library.sections[name][int(rng.choice(len(weights[name]), p=weights[name]))]

    found: dict[frozenset[str], tuple[str, ...]] = {}
    for _ in range(n):
        if parents and rng.random() < STEP:
            look = list(parents[int(rng.integers(len(parents)))])
            if len(look) > 1 and rng.random() < 0.35:
                look.pop(int(rng.integers(len(look))))
            new = drawn(names[rng.integers(len(names))])
            other = parents[int(rng.integers(len(parents)))]
            taken = [new, *([other[int(rng.integers(len(other)))]] if other and rng.random() < 0.3 else [])]
            for phrase in taken:
                look = [kept for kept in look if library.about(kept) != library.about(phrase)] + [phrase]
        else:
            sections = rng.permutation(len(names))[: rng.integers(1, MOST)]
            look = [drawn(names[i]) for i in sorted(sections)]
        found.setdefault(frozenset(look), tuple(look[-MOST:]))
    return list(found.values())


def _softmax(values: Sequence[float], temperature: float) -> np.ndarray:
    scaled = np.asarray(values, float) / max(temperature, 1e-9)
    weights = np.exp(scaled - scaled.max())
    return np.asarray(weights / weights.sum())

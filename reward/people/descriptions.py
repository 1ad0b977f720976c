"""Demographics and image metadata as sentences (paper, section 3.2), and metadata guessed from pixels.

Fields that are null, blank or not listed here are left out; when nothing is left, the token is absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# field -> phrase; PAMELA has the first four, LAPIS and PARA the rest
_DEMOGRAPHICS = {
    "age": "{} years old",
    "age_binned": "{} years old",
    "gender": "{}",
    "nationality": "from {}",
    "education": "educated to the level of {}",
    "art_experience": "{} in art",
    "photography_experience": "{} in photography",
    "art_interest": "with {} interest in art",
    "colour_blind": "{}",
}
# Kinds of image: type -> how a sentence begins, what the image-text encoder is asked for.
_KINDS = {
    "art": ("An artwork", "an artwork"),
    "photorealism": ("A photorealistic image", "a photorealistic image"),
    "photograph": ("A photograph", "a photograph"),
}


def demographics_sentence(demographics: Mapping[str, Any] | None) -> str | None:
    """{"age": 34, "gender": "female", "nationality": "Peru"} -> "A person, 34 years old, female, from Peru."

    An age may be a range written "18-25". `age_binned` is used only where `age` is unknown. None if
    nothing is known.
    """
    known = {key: _said(key, value) for key, value in (demographics or {}).items()}
    if known.get("age"):
        known.pop("age_binned", None)
    phrases = [phrase.format(known[field]) for field, phrase in _DEMOGRAPHICS.items() if known.get(field)]
    return f"A person, {', '.join(phrases)}." if phrases else None


def demographics_variants(demographics: Mapping[str, Any] | None) -> list[str]:
    """The full sentence first, then sentences of single fields, as a group that fixes one field would have.

    Training draws among them, so that "A person, 18-25 years old." is nothing new to the model. Empty if
    nothing is known.
    """
    fields = dict(demographics or {})
    single = [demographics_sentence({field: fields.get(field)}) for field in _DEMOGRAPHICS]
    sentences = [demographics_sentence(fields), *single]
    return list(dict.fromkeys(s for s in sentences if s))


def metadata_sentence(metadata: Mapping[str, Any] | None) -> str | None:
    """{"type": "Art", "group": "food", "style": "Pop_Art"} -> "An artwork, food, in the style of Pop Art."

    The prompt is not repeated here: it has a token of its own. None if nothing is known.
    """
    known = {key: _text(value).replace("_", " ") for key, value in (metadata or {}).items()}
    kind, _ = _KINDS.get(known.get("type", "").lower(), (None, None))
    phrases = [kind or (known.get("type") and f"An image of type {known['type']}") or "An image"]
    if known.get("group"):
        phrases.append(known["group"])
    if known.get("style"):
        phrases.append(f"in the style of {known['style']}")
    return f"{', '.join(phrases)}." if kind or len(phrases) > 1 or known.get("type") else None


def _styled(kind: str | None) -> bool:
    return kind not in ("Photorealism", "Photograph")


def _said(field: str, value: Any) -> str:
    """A demographic value as it goes into its phrase; "" leaves it out."""
    if value is None:
        return ""
    if field == "art_interest" and isinstance(value, int | float):  # LAPIS asks 11 questions, mean 0-6
        return "low" if value < 2 else "moderate" if value < 4 else "high"
    if field == "colour_blind":
        return "colour-blind" if value is True else ""
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():  # an age that a table with gaps made a float
        value = int(value)
    return "" if value is None else " ".join(str(value).split())


@dataclass(frozen=True)
class MetadataVocabulary:
    """The values that metadata took in training; zero-shot inference chooses among them."""

    group: tuple[str, ...]
    style: tuple[str, ...]  # of the rows that have one; photographs and photorealistic images have none
    type: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> MetadataVocabulary:
        """The distinct values of PAMELA's `image_metadata` rows, sorted."""
        columns = {f: sorted({_text(row.get(f)) for row in rows} - {""}) for f in ("group", "style", "type")}
        return cls(**{field: tuple(values) for field, values in columns.items()})

    def combinations(self) -> list[dict[str, str | None]]:
        """All metadata that `infer` can return, in a fixed order: only art has a style."""
        result: list[dict[str, str | None]] = []
        for kind in self.type or (None,):
            styles = self.style or (None,) if _styled(kind) else (None,)
            for group in self.group or (None,):
                result += [{"group": group, "style": style, "type": kind} for style in styles]
        return result

    def queries(self) -> list[str]:
        """The texts that stand for each value in the image-text space: groups, then styles, then types."""
        return [
            *(f"a picture of {group}" for group in self.group),
            *(f"a painting in the style of {style.replace('_', ' ')}" for style in self.style),
            *(_KINDS.get(kind.lower(), ("", kind))[1] for kind in self.type),
        ]

    def infer(self, images: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Zero-shot metadata: the nearest value of each field by cosine.

        images [n, d] and queries [len(self.queries()), d], both of unit length -> [n] positions in
        `combinations()`.
        """
        similarity = images @ queries.T
        cut = np.cumsum([len(self.group), len(self.style)])
        group, style, kind = (
            block.argmax(1) if block.shape[1] else np.zeros(len(images), int)
            for block in np.split(similarity, cut, axis=1)
        )
        places = {tuple(c.values()): i for i, c in enumerate(self.combinations())}
        chosen = []
        for g, s, t in zip(group, style, kind, strict=True):
            name = self.type[t] if self.type else None
            styled = self.style[s] if self.style and _styled(name) else None
            chosen.append(places[(self.group[g] if self.group else None, styled, name)])
        return np.array(chosen, int)

"""The language model's templates: plain text with named fields, in the folder `prompts`."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steer import paths
from steer.errors import ProposerError
from steer.gates.text import content_stems
from steer.parts import Guide


def template(name: str) -> str:
    """The text of `prompts/<name>.txt`: the installed package's copy, else the checkout's.

    Raises `ProposerError` naming the templates that exist.
    """
    for folder in paths.prompts():
        file = folder / f"{name}.txt"
        if re.fullmatch(r"[\w-]+", name) and file.is_file():
            return file.read_text(encoding="utf-8")
    known = sorted(
        {
            Path(file.name).stem
            for folder in paths.prompts()
            for file in folder.iterdir()
            if file.name.endswith(".txt")
        }
    )
    raise ProposerError(
        f"no template {name!r} in prompts/; there are: {', '.join(known) or 'none, reinstall steer'}"
    )


def fill(text: str, fields: Mapping[str, str], where: str) -> str:
    """`text` with its `{fields}` replaced; `{{` and `}}` stand for braces.

    Every field must occur, and no other. Raises `ProposerError` with the name of a field that is missing,
    unknown or malformed; `where` names the template in it.
    """
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ProposerError(
            f"{where}: {error}; write a brace that is meant as text as {{{{ or }}}}"
        ) from None
    used = [field for _, field, spec, conversion in parts if field is not None]
    plain = all(not spec and not conversion for _, field, spec, conversion in parts if field is not None)
    known = ", ".join(f"{{{field}}}" for field in fields)
    for field in used:
        if field not in fields or not plain:
            raise ProposerError(f"{where} has the unknown field {{{field}}}; it may use: {known}")
    for field in fields:
        if field not in used:
            raise ProposerError(f"{where} lacks the field {{{field}}}; put it back where its text belongs")
    return "".join(literal + (fields[field] if field is not None else "") for literal, field, _, _ in parts)


@dataclass(frozen=True)
class Aspect:
    """Worked examples about one aspect of the look."""

    name: str  # "light"
    examples: tuple[tuple[str, str], ...]  # (picture, words about it)

    @property
    def phrases(self) -> str:
        """The words of all examples."""
        return ", ".join(phrase for _, phrase in self.examples)


@dataclass(frozen=True)
class FewShot:
    """A few-shot template such as `prompts/fanout.txt`, where its format is described."""

    request: str
    aspects: tuple[Aspect, ...]
    where: str  # names the template in errors

    @classmethod
    def read(cls, text: str, where: str) -> FewShot:
        """Raises `ProposerError` for a section that is missing, unknown or cannot be used."""
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        sections = re.split(r"^\[([^\]\n]*)\][ \t]*$", "\n".join(lines), flags=re.MULTILINE)
        request, aspects = "", []
        for title, body in zip(sections[1::2], sections[2::2], strict=True):
            kind, _, name = (part.strip() for part in title.partition(":"))
            if title == "request":
                request = body.strip()
            elif kind == "aspect" and name:
                examples = tuple(_example(line, where) for line in body.strip().splitlines())
                aspects.append(Aspect(name, examples))
            else:
                raise ProposerError(
                    f"{where} has the unknown section [{title}]; it may use: [request], [aspect: NAME]"
                )
        if not request or not aspects or not all(aspect.examples for aspect in aspects):
            lacking = "[aspect: NAME] with examples" if request else "[request]"
            raise ProposerError(f"{where} lacks the section {lacking}; compare with the original fanout.txt")
        fill(request, {"requested_number": "", "aspect": "", "descriptions": ""}, where)
        if not request.endswith("{descriptions}"):
            raise ProposerError(f"{where}: [request] must end with {{descriptions}}; move what follows it up")
        return cls(request, tuple(aspects), where)

    def guided(self, guide: Guide | None) -> FewShot:
        """The same with the examples that this person would like at the end, where they weigh most.

        An example is judged by the phrases of the guide that it shares a word with.
        """
        if guide is None or not guide.strengths:
            return self
        known = [(content_stems(phrase), strength) for phrase, strength in guide.strengths.items()]

        def strength(example: tuple[str, str]) -> float:
            said = [value for stems, value in known if stems & content_stems(example[1])]
            return sum(said) / len(said) if said else 0.0

        sort = (replace(a, examples=tuple(sorted(a.examples, key=strength))) for a in self.aspects)
        return replace(self, aspects=tuple(sort))

    def shown(self, aspect: Aspect) -> str:
        """The worked examples of one aspect, up to where the picture to describe follows."""
        lines = [f"{picture} -> {phrase}\n" for picture, phrase in aspect.examples]
        fields = {
            "requested_number": str(len(lines) + 1),
            "aspect": aspect.name,
            "descriptions": "".join(lines),
        }
        return fill(self.request, fields, self.where)

    def opened(self, picture: str) -> str:
        """What follows `shown`: the picture to describe; the model goes on after it."""
        return f"{picture} ->"


def _example(line: str, where: str) -> tuple[str, str]:
    picture, _, phrase = (part.strip() for part in line.partition("->"))
    if not picture or not phrase:
        raise ProposerError(f"{where}: the example {line!r} must be a picture, ' -> ' and the words about it")
    return picture, phrase

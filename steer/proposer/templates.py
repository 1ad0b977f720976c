"""The language model's templates: plain text with named fields, in the folder `prompts`."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from steer.errors import ProposerError
from steer.proposer.parse import parse

FIELDS = ("descriptions", "requested_number")
_CHECKOUT = Path(__file__).resolve().parents[2] / "prompts"


def template(name: str) -> str:
    """The text of `prompts/<name>.txt`: the installed package's copy, else the checkout's.

    Raises `ProposerError` naming the templates that exist.
    """
    for folder in _folders():
        file = folder / f"{name}.txt"
        if re.fullmatch(r"[\w-]+", name) and file.is_file():
            return file.read_text(encoding="utf-8")
    known = sorted(
        {
            Path(file.name).stem
            for folder in _folders()
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
class Example:
    """A worked example: a prompt and variations that each begin with it."""

    prompt: str
    variations: tuple[str, ...]


@dataclass(frozen=True)
class Aspect:
    """Worked examples about one aspect of the look."""

    name: str  # "light"
    examples: tuple[Example, ...]

    @property
    def phrases(self) -> str:
        """What the examples add to their prompts."""
        return ", ".join(v.removeprefix(e.prompt).strip(" ,") for e in self.examples for v in e.variations)


@dataclass(frozen=True)
class FewShot:
    """A few-shot template such as `prompts/fanout.txt`."""

    request: str  # with {descriptions} and {requested_number}
    aspects: tuple[Aspect, ...]
    where: str  # names the template in errors

    @classmethod
    def read(cls, text: str, where: str) -> FewShot:
        """Raises `ProposerError` for a section that is missing, unknown or cannot be used."""
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        sections = re.split(r"^\[([^\]\n]*)\][ \t]*$", "\n".join(lines), flags=re.MULTILINE)
        request, aspects = "", []
        for title, body in zip(sections[1::2], sections[2::2], strict=True):
            kind, _, name = title.partition(":")
            if title == "request":
                request = body.strip()
            elif kind == "examples" and name.strip():
                examples = tuple(_example(block, where) for block in re.split(r"\n\s*\n", body.strip()))
                aspects.append(Aspect(name.strip(), examples))
            else:
                raise ProposerError(
                    f"{where} has the unknown section [{title}]; it may use: [request], [examples: ASPECT]"
                )
        if not request or not aspects:
            lacking = "[examples: ASPECT]" if request else "[request]"
            raise ProposerError(
                f"{where} lacks the section {lacking}; compare with the original prompts/fanout.txt"
            )
        fill(request, dict.fromkeys(FIELDS, ""), where)
        return cls(request, tuple(aspects), where)

    def ask(self, prompt: str, number: int) -> str:
        """The user's turn that asks for `number` variations of `prompt`."""
        return fill(self.request, {"descriptions": prompt, "requested_number": str(number)}, self.where)


def _example(block: str, where: str) -> Example:
    first, _, rest = block.strip().partition("\n")
    example = Example(first.strip(), tuple(parse(rest)))
    if not example.variations or not all(v.startswith(example.prompt) for v in example.variations):
        raise ProposerError(
            f"{where}: the example {example.prompt!r} needs numbered variations that begin with its prompt"
        )
    return example


def _folders() -> list[Path]:
    installed = resources.files("steer") / "prompts"
    return [folder for folder in (Path(str(installed)), _CHECKOUT) if folder.is_dir()]

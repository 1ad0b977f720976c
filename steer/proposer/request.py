"""The paper's request to an instruct model (appendix 0.B.2), for models in this process and on servers."""

from __future__ import annotations

from collections.abc import Sequence

from steer.parts import Guide, Scored
from steer.proposer.templates import fill, template


def instruction(
    prompt: str, memory: Sequence[Scored], n: int, name: str = "paper", guide: Guide | None = None
) -> str:
    """The template `prompts/<name>.txt`, filled.

    `{descriptions}` becomes one line per prompt of the memory, best first, as "3.142: floating mossy rocks";
    the original prompt is added without a score where the memory has lost it, since the text speaks of it.
    `{requested_number}` becomes `n`. With a guide, the lines say what helped and what hurt, and `{taste}`
    becomes what the person likes and avoids.
    """
    why = guide.why if guide is not None else {}
    lines = [f"{entry.score:.3f}: {entry.prompt}{_because(why.get(entry.id))}" for entry in memory]
    if all(entry.prompt != prompt for entry in memory):
        lines.append(f"original prompt: {prompt}")
    fields = {"descriptions": "\n" + "\n".join(lines) + "\n", "requested_number": str(n)}
    if guide is not None:
        told = [f"This person {line}." for line in guide.taste]
        fields["taste"] = "\n".join(told) or "Nothing sure is known of this person's taste."
    return fill(template(name).strip(), fields, f"prompts/{name}.txt")


def _because(why: str | None) -> str:
    return f" ({why})" if why else ""

"""The paper's request to an instruct model (appendix 0.B.2), for models in this process and on servers."""

from __future__ import annotations

from collections.abc import Sequence

from steer.parts import Scored
from steer.proposer.templates import fill, template


def instruction(prompt: str, memory: Sequence[Scored], n: int, name: str = "paper") -> str:
    """The template `prompts/<name>.txt`, filled.

    `{descriptions}` becomes one line per prompt of the memory, best first, as "3.142: floating mossy rocks";
    the original prompt is added without a score where the memory has lost it, since the text speaks of it.
    `{requested_number}` becomes `n`.
    """
    lines = [f"{entry.score:.3f}: {entry.prompt}" for entry in memory]
    if all(entry.prompt != prompt for entry in memory):
        lines.append(f"original prompt: {prompt}")
    fields = {"descriptions": "\n" + "\n".join(lines) + "\n", "requested_number": str(n)}
    return fill(template(name).strip(), fields, f"prompts/{name}.txt")

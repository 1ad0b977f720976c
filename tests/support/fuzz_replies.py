"""Replies of language models, good and hostile, from a seed; run as a program it tries 10,000.

Half of them are a real layout, mutated; the other half repeat a few marks up to 100,000 characters, which is
where a careless pattern takes for ever.
"""

from __future__ import annotations

import argparse
import random
import string
import time
from collections.abc import Callable, Iterator

WORST = 100_000  # characters of a reply of the hostile half
LAYOUTS = (
    "1. a fox, at dusk\n2. an owl, ink drawing\n3. a cat",
    "Here are 3 prompts:\n\n**1.** a fox, at dusk\n**2.** an owl\n\nLet me know if you want more!",
    '["a fox, at dusk", "an owl, ink drawing", "a cat",]',
    '```json\n{\n  // in order\n  "prompts": [\n    "a fox, at dusk", # 1\n    "an owl" /* 2 */\n  ]\n}\n```',
    '{"1": "a fox, at dusk", "2": "an owl, ink drawing"}',
    "['a fox\\'s den', 'an owl']",
    '[{"prompt": "a fox", "score": 4.5}, {"prompt": "an owl", "score": null}]',
    "<think>\nMaybe 1. noon?\n</think>\n<answer>\n1. a fox\n2. an owl\n</answer>",
    "Try noon.\n1. a fox maybe at noon\nok\n</think>\n1. a fox at dawn",
    "<|channel|>analysis<|message|>hmm<|end|><|start|>assistant<|channel|>final<|message|>1. a fox<|return|>",
    "[THINK]noon?[/THINK]- a fox\n- an owl",
    "Reasoning: dusk suits.\n\nFinal answer:\na) a fox\nb) an owl",
    "| # | prompt |\n|---|---|\n| 1 | a fox, at dusk |\n| 2 | an owl |",
    "> a fox, at dusk\n> an owl",
    "<prompts><prompt>a fox</prompt><prompt>an owl</prompt></prompts>",
)
PIECES = (
    *string.punctuation, *" \n\t\r\0", *"“”‘’«»「」，、。：①◁▷•—☕🦊\u20e3\ufe0f\u202e\ud800",
    *("1.", "1.1", "**", "```", "~~~", "//", "/*", "*/", "\\u", "\\ud83d"),
    *('",', '"a"', "['", '{"a":', "[[", "]]", "\n1. ", "\n- ", "\n| ", "\n> ", "\n[", "\n{", ":["),
    *("<think>", "</think>", "<answer>", "<|channel|>", "<|message|>", "final", "[THINK]", "assistantfinal"),
    *("a", "Z", "7", "&a", "a@", "no ", "prompt:", "Final answer:"),
)  # fmt: skip


def replies(seed: int, n: int, size: int = WORST) -> Iterator[str]:
    """`n` replies that follow from the seed; the hostile ones have about `size` characters."""
    rng = random.Random(seed)
    for i in range(n):
        yield hostile(rng, size) if i % 2 else mutated(rng)


def mutated(rng: random.Random) -> str:
    """A real layout with up to eight stretches cut, doubled, swapped or filled with something else."""
    text = rng.choice(LAYOUTS)
    for _ in range(rng.randrange(9)):
        start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        middle = rng.choice(
            ("", text[start:end] * 2, text[start:end][::-1], rng.choice(PIECES) * rng.randrange(1, 9))
        )
        text = text[:start] + middle + text[end:]
    return text


def hostile(rng: random.Random, size: int) -> str:
    """One to four marks over and over, alone or at the start, in the middle or at the end of a layout."""
    unit = "".join(rng.choice(PIECES) for _ in range(rng.choice((1, 1, 2, 3, 4))))
    run = (unit * (size // len(unit) + 1))[:size]
    layout = rng.choice(LAYOUTS)
    cut = rng.randrange(len(layout) + 1)
    return rng.choice((run, run + layout, layout + run, layout[:cut] + run + layout[cut:]))


def repeats(size: int) -> Iterator[tuple[str, str]]:
    """Each mark by itself and each pair of them, `size` characters of it."""
    for unit in [*PIECES, *(a + b for a in PIECES for b in PIECES if a != b)]:
        yield unit, (unit * (size // len(unit) + 1))[:size]


def worst(read: Callable[[str], object], texts: Iterator[str]) -> tuple[float, str, int]:
    """CPU seconds of the slowest text (the best of six tries), the text, and how many were read."""
    slowest, which, count = 0.0, "", 0
    for text in texts:
        count += 1
        seconds = _timed(read, text)
        if seconds > slowest:
            seconds = min(seconds, *(_timed(read, text) for _ in range(5)))
        if seconds > slowest:
            slowest, which = seconds, text
    return slowest, which, count


def _timed(read: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    read(text)
    return time.process_time() - start


if __name__ == "__main__":
    from steer.gates.replies import parse
    from steer.gates.text import TextGate

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    gate = TextGate('a street without people, a sign that says "OPEN"')
    for name, read in (("parse", parse), ("text gate", gate.reject)):
        for what, texts in (
            ("seeded", replies(options.seed, options.count)),
            ("repeats", (text for _, text in repeats(WORST))),
        ):
            seconds, text, count = worst(read, texts)
            print(f"{name:9} {what:7} {count:6,} replies, slowest {1000 * seconds:6.1f} ms: {text[:60]!r}")

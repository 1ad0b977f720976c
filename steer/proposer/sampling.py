"""Many short continuations of prompts that share most of their text, in one pass over the model.

The prompts are merged into a trie of tokens: a beginning that several share is computed once. The trie, and
after it every row's new tokens, are packed into a single sequence; an attention mask lets each token see its
own ancestors only. So all rows advance together without padding, rows that are done cost nothing, and any
causal language model of transformers with full attention works unchanged. On two CPU cores, where reading the
weights takes most of a step's time, 20 rows cost little more than one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

TOP_K = 256  # tokens considered in nucleus sampling; sorting the whole vocabulary is slow and changes nothing
REMEMBERED = 4096  # tokens of shared beginnings: more than one search uses; 190 MB with SmolLM2-135M


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn (Holtzman et al. 2020: nucleus sampling)."""

    temperature: float = 0.7
    top_p: float = 0.92
    max_new_tokens: int = 12  # per look phrase


@dataclass(frozen=True)
class Prompt:
    """Token ids of a prompt. `start` is what later requests share; it is computed once and kept."""

    start: tuple[int, ...]
    rest: tuple[int, ...]  # not empty


@dataclass
class TokenTrie:
    """Token sequences with their common beginnings stored once, parents before children."""

    tokens: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)  # positions, counted from the start of the prompt
    parents: list[int] = field(default_factory=list)  # index of the token before; -1: the end of `start`
    starts: list[tuple[int, ...]] = field(default_factory=list)
    _index: dict[tuple[tuple[int, ...], int, int], int] = field(default_factory=dict)

    def add(self, start: tuple[int, ...], sequence: Sequence[int]) -> int:
        """Index of the last token of `sequence`, which follows `start`."""
        node = -1
        for depth, token in enumerate(sequence, len(start)):
            key = (start, node, token)
            if key not in self._index:
                self._index[key] = len(self.tokens)
                self.tokens.append(token)
                self.depths.append(depth)
                self.parents.append(node)
                self.starts.append(start)
            node = self._index[key]
        return node

    def visible(self) -> torch.Tensor:
        """[tokens, tokens] bool: row i is true for i and its ancestors."""
        mask = torch.eye(len(self.tokens), dtype=torch.bool)
        for i, parent in enumerate(self.parents):
            if parent >= 0:
                mask[i] |= mask[parent]
        return mask


class Sampler:
    """Draws continuations from one model and remembers what it computed for shared beginnings.

    Of these it keeps the last `remembered` tokens: every person's taste makes beginnings of its own, and a
    process may search for many.
    """

    def __init__(self, model: Any, remembered: int = REMEMBERED) -> None:
        self._model = model
        self._remembered = remembered
        self._known: OrderedDict[tuple[int, ...], list[tuple[torch.Tensor, torch.Tensor]]] = OrderedDict()

    def sample(
        self,
        prompts: Sequence[Prompt],
        seed: int,
        sampling: Sampling,
        done: Callable[[int, list[int]], bool],
    ) -> list[list[int]]:
        """One continuation per prompt, as token ids.

        `done(row, tokens)` ends a row; its last token is kept. Rows of the same prompt share out the first
        token's probabilities among them, which makes them differ as much as they can. The same arguments give
        the same tokens, whatever was sampled before; no global random state is touched.
        """
        with torch.inference_mode():
            return self._sample(prompts, seed, sampling, done)

    def _sample(
        self,
        prompts: Sequence[Prompt],
        seed: int,
        sampling: Sampling,
        done: Callable[[int, list[int]], bool],
    ) -> list[list[int]]:
        cache = DynamicCache(config=self._model.config)
        starts, packed = {}, 0  # where each shared beginning lies in the packed sequence
        for start in dict.fromkeys(prompt.start for prompt in prompts):
            if start:
                self._recall(start, cache)
                starts[start] = range(packed, packed + len(start))
                packed += len(start)
        trie = TokenTrie()
        leaves = [trie.add(prompt.start, prompt.rest) for prompt in prompts]
        visible = torch.cat([torch.zeros(len(trie.tokens), packed, dtype=torch.bool), trie.visible()], dim=1)
        for i, start in enumerate(trie.starts):
            if start:
                visible[i, starts[start].start : starts[start].stop] = True
        unique = sorted(set(leaves))
        logits = self._forward(cache, trie.tokens, trie.depths, visible, unique)
        logits = logits[[unique.index(leaf) for leaf in leaves]]

        generator = torch.Generator().manual_seed(seed)
        # Drawn ahead, so that a row's luck does not depend on when other rows end.
        luck = torch.rand(sampling.max_new_tokens, len(prompts), generator=generator, dtype=torch.float64)
        for leaf in unique:
            same = [row for row, other in enumerate(leaves) if other == leaf]
            turn = torch.randperm(len(same), generator=generator)
            luck[0, same] = (turn + luck[0, same]) / len(same)
        replies: list[list[int]] = [[] for _ in prompts]
        seen = visible[leaves]  # [rows, packed tokens]: what each row's next token may look at
        rows = list(range(len(prompts)))
        for step in range(sampling.max_new_tokens):
            tokens = _draw(logits, luck[step, rows], sampling)
            for row, token in zip(rows, tokens, strict=True):
                replies[row].append(token)
            going = [i for i, row in enumerate(rows) if not done(row, replies[row])]
            rows, tokens = [rows[i] for i in going], [tokens[i] for i in going]
            if not rows or step + 1 == sampling.max_new_tokens:
                break
            seen = torch.cat([seen[going], torch.eye(len(rows), dtype=torch.bool)], dim=1)
            depths = [len(prompts[row].start) + len(prompts[row].rest) + step for row in rows]
            logits = self._forward(cache, tokens, depths, seen, list(range(len(rows))))
        return replies

    def _recall(self, start: tuple[int, ...], cache: Any) -> None:
        """Append the keys and values of a shared beginning: computed alone, so always the same."""
        if start not in self._known:
            own = DynamicCache(config=self._model.config)
            self._forward(own, list(start), list(range(len(start))), _causal(len(start)), [len(start) - 1])
            self._known[start] = [(layer.keys, layer.values) for layer in own.layers]
        self._known.move_to_end(start)
        for i, (keys, values) in enumerate(self._known[start]):
            cache.update(keys, values, i)
        while sum(map(len, self._known)) > self._remembered and len(self._known) > 1:
            self._known.popitem(last=False)

    def _forward(
        self, cache: Any, tokens: list[int], depths: list[int], visible: torch.Tensor, keep: list[int]
    ) -> torch.Tensor:
        """Logits [len(keep), vocabulary] of the tokens at `keep`; `visible` is [tokens, cached + tokens]."""
        device = self._model.device
        output = self._model(
            input_ids=torch.tensor([tokens], device=device),
            position_ids=torch.tensor([depths], device=device),
            attention_mask=visible[None, None].to(device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=torch.tensor(keep, device=device),
        )
        return output.logits[0].float()


def _causal(n: int) -> torch.Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril()


def _draw(logits: torch.Tensor, luck: torch.Tensor, sampling: Sampling) -> list[int]:
    """One token per row of `logits` by nucleus sampling; `luck` in [0, 1) decides."""
    top, ids = torch.topk(logits, min(TOP_K, logits.shape[-1]))
    probabilities = torch.softmax(top.double().cpu() / sampling.temperature, dim=-1)
    cumulative = probabilities.cumsum(-1)
    nucleus = probabilities * (cumulative - probabilities < sampling.top_p)
    total = nucleus.cumsum(-1)
    choice = (total <= luck[:, None] * total[:, -1:]).sum(-1).clamp(max=top.shape[-1] - 1)
    return ids.cpu().gather(1, choice[:, None])[:, 0].tolist()

"""A language model on any OpenAI-compatible server.

    list       the paper's instruction (prompts/paper.txt) in one request, its reply held to JSON by a schema
    fanout     the same instruction for one prompt, sampled n times: much less to wait for on a GPU
    few-shot   for models that are too small for instructions: see `fewshot`; needs /v1/completions

A server that knows neither schemas nor `n` serves as well: what it refuses is left out from then on, what it
ignores is made up for, and its reply is read by the same tolerant parser.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from typing import Any, Literal, get_args

from steer.errors import ProposerError, SettingsError
from steer.gates.replies import MAX_REPLY, parse
from steer.gates.text import normalize
from steer.parts import Guide, Scored
from steer.proposer.address import on_this_machine
from steer.proposer.client import BadRequest, Client, Model, NotFound
from steer.proposer.fewshot import FanOut
from steer.proposer.request import instruction
from steer.proposer.templates import FewShot, template
from steer.proposer.unload import unload
from steer.settings import MAX_SEED
from steer.wire import one_line

Mode = Literal["auto", "list", "fanout", "few-shot"]
TEMPERATURE = {"list": 0.8, "fanout": 1.0, "few-shot": 0.7}  # samples that do not see each other need more
TOP_P = {"list": 0.95, "fanout": 0.95, "few-shot": 0.92}
TOKENS = 100  # that one prompt may take
PHRASE_TOKENS = 12  # that one look phrase may take
AT_ONCE = 16  # requests under way at the same time
SHOWN = 12  # models that a message names at most
SMALL = 1.0  # billions of parameters below which a model cannot follow the paper's instruction
_OPTIONAL = ("response_format", "max_tokens", "temperature", "top_p", "seed", "stop", "n")
_REFUSAL = re.compile(
    r"\W*(?:i['’]?m (?:really |very )?sorry|i am sorry|sorry|i (?:can(?:['’]t|not| not)|won['’]t|am unable)|"
    r"i['’]m (?:not able|unable)|as an ai|unfortunately)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reply:
    """One choice of an answer, as it came."""

    text: str
    finish: str | None = None  # "stop", "length", "content_filter", ...
    refused: bool = False  # the server says so itself

    @property
    def refusal(self) -> bool:
        """True for "I'm sorry, but I can't help with that" and its like."""
        says_no = bool(_REFUSAL.match(self.text)) and len(parse(self.text)) <= 1
        return self.refused or self.finish == "content_filter" or says_no

    @property
    def prompts(self) -> list[str]:
        """What is in it, before anyone judges whether it is any good."""
        return [] if self.refusal else parse(self.text)


class ServerProposer:
    """Proposes prompts with a model on a server; see `steer.parts.Proposer`.

    `url` is the server's address, with or without `/v1`. `model` may be left out where the server has only
    one. `mode` "auto" is "few-shot" for models whose name says that they are small ("135M"), else "list".
    `template` names the file in prompts/ that holds the instruction. `timeout` is in seconds, per answer.
    `api_key` defaults to $STEER_LLM_API_KEY. The server is first asked when something of it is needed.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        mode: Mode = "auto",
        template: str = "paper",
        temperature: float | None = None,
        timeout: float = 600.0,
        api_key: str | None = None,
        client: Client | None = None,
    ) -> None:
        if mode not in get_args(Mode):
            raise SettingsError(f"--llm-mode is {mode!r}, but must be one of {', '.join(get_args(Mode))}")
        self._client = client or Client(url, key=api_key, timeout=timeout)
        self._wanted, self._mode, self._template, self._temperature = model, mode, template, temperature
        self._found: Model | None = None
        self._left_out: set[str] = set()  # fields that the server refused
        self._slots = Semaphore(AT_ONCE)
        self._one_each = False  # it gives one reply however many are asked for
        self._notes: dict[str, bool] = {}  # what there is to tell, and whether it was told

    # --- what it is

    @property
    def name(self) -> str:
        """For people; the same wherever the server runs, since a run may go on with another address."""
        return f"{PurePath(self.model).name} (server)"

    @property
    def model(self) -> str:
        """The model's id. Asks the server where none was named; raises `ProposerError`."""
        return self._wanted or self._model().id

    @property
    def mode(self) -> str:
        """How it is asked: list, fanout or few-shot."""
        if self._mode != "auto":
            return self._mode
        return "few-shot" if billions(self.model) < SMALL else "list"

    def check(self) -> None:
        """Raises `ProposerError` if the server is down, or lacks the model."""
        self._model()

    def _model(self) -> Model:
        if self._found is None:
            try:
                models = self._client.models()
            except NotFound:  # some servers list no models, and serve the one that is named
                if self._wanted is None:
                    raise
                models = [Model(self._wanted)]
            names = ", ".join(one_line(model.id, 80) for model in models[:SHOWN]) + (
                ", ..." if len(models) > SHOWN else ""
            )
            if not models:
                raise ProposerError(f"the server at {self._client.url} has no model loaded: load one into it")
            if self._wanted is None and len(models) > 1:
                raise ProposerError(
                    f"the server at {self._client.url} has several models: choose one with --llm: {names}"
                )
            wanted = [m for m in models if self._wanted in (None, m.id, m.id.removesuffix(":latest"))]
            if not wanted:
                raise ProposerError(
                    f"the server at {self._client.url} has no model {self._wanted!r}: "
                    f"choose one that it has with --llm: {names}"
                )
            self._found = wanted[0]
        return self._found

    def notes(self) -> list[str]:
        """What had to be done otherwise than asked since the last call, each once, for the record."""
        new = [note for note, told in self._notes.items() if not told]
        self._notes = dict.fromkeys(self._notes, True)
        return new

    def rest(self) -> None:
        """Ask a server on this machine to give the GPU back until it is next asked, where it can do that."""
        if not on_this_machine(self._client.url):
            return
        if (name := unload(self._client, self.model)) is not None:
            self._note(f"{name} unloads {self.model} while pictures are made, and loads it again when asked")
        else:
            self._note("the language model's server keeps what it has of the GPU while pictures are made")

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    # --- proposals

    def propose(self, prompt: str, memory: Sequence[Scored], n: int, seed: int) -> list[str]:
        """The server's replies as they came, or (few-shot) one line for each proposal made of its samples.

        Where a whole answer is of no use it is asked once more with another seed.
        Raises `ProposerError`; `ServerDown` if the server does not answer.
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
        ask = {"list": self._list, "fanout": self._fan_out, "few-shot": self._few_shot}[self.mode]
        replies = ask(prompt, memory, n, seed, guide)
        if not any(reply.prompts for reply in replies):
            again = ask(prompt, memory, n, seed + 1, guide)
            if not any(reply.prompts for reply in again):
                raise ProposerError(self._useless([*replies, *again]))
            replies += again
        self._remark(replies, n)
        return [reply.text for reply in replies]

    def _list(
        self, prompt: str, memory: Sequence[Scored], n: int, seed: int, guide: Guide | None
    ) -> list[Reply]:
        return self._chat(self._instruction(prompt, memory, n, guide), n, 1, seed)

    def _fan_out(
        self, prompt: str, memory: Sequence[Scored], n: int, seed: int, guide: Guide | None
    ) -> list[Reply]:
        return self._chat(self._instruction(prompt, memory, 1, guide), 1, n, seed)

    def _instruction(self, prompt: str, memory: Sequence[Scored], n: int, guide: Guide | None) -> str:
        guided = guide is not None and self._template == "paper"  # a template of one's own says it its way
        return instruction(
            prompt, memory, n, "guided" if guided else self._template, guide if guided else None
        )

    def _few_shot(
        self, prompt: str, memory: Sequence[Scored], n: int, seed: int, guide: Guide | None
    ) -> list[Reply]:
        few_shot = FewShot.read(template("fanout"), "prompts/fanout.txt").guided(guide)
        plan = FanOut(few_shot, prompt, memory, n, seed)
        texts = [plan.shown(aspect) + plan.opened(proposal) for proposal, aspect in plan.jobs]
        # Samples of the same text belong into one request: two with the same seed would be the same.
        requests = list(Counter(texts).items())

        def sample(i: int) -> list[Reply]:
            text, count = requests[i]
            body = {"prompt": text, "max_tokens": PHRASE_TOKENS, "stop": ["\n", ",", ";", "->"]}
            return self._samples("/completions", body, count, seed + 1_000 * i)

        drawn = {requests[i][0]: replies for i, replies in enumerate(_parallel(sample, len(requests)))}
        samples = [drawn[text].pop(0) for text in texts]
        return [Reply(text) for text in plan.replies([(s.text, s.finish != "length") for s in samples])]

    def _chat(self, text: str, prompts: int, n: int, seed: int) -> list[Reply]:
        """`n` replies to one instruction, each a JSON object with `prompts` prompts if schemas are known."""
        tokens = TOKENS * prompts + TOKENS
        if (context := self._model().context) is not None:
            tokens = max(TOKENS, min(tokens, context - len(text) // 3 - TOKENS))
        strings = {"type": "array", "items": {"type": "string"}, "minItems": prompts, "maxItems": prompts}
        schema = {
            "type": "object",
            "properties": {"prompts": strings},
            "required": ["prompts"],
            "additionalProperties": False,
        }
        body = {
            "messages": [{"role": "user", "content": text}],
            "max_tokens": tokens,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "prompts", "strict": True, "schema": schema},
            },
        }
        return self._samples("/chat/completions", body, n, seed)

    def _samples(self, path: str, body: dict[str, Any], n: int, seed: int) -> list[Reply]:
        """`n` replies to the same request, in one request where the server can do that."""
        temperature = TEMPERATURE[self.mode] if self._temperature is None else self._temperature
        body = {"model": self.model, **body, "temperature": temperature, "top_p": TOP_P[self.mode]}

        def post(offset: int, **more: int) -> list[Reply]:
            return self._post(path, {**body, "seed": (seed + offset) & MAX_SEED, **more})

        if n == 1:
            return post(0)[:1]
        replies = [] if self._one_each else post(0, n=n)[:n]
        if len(replies) < n:
            self._one_each = True
            first = len(replies)
            replies += [reply for [reply] in _parallel(lambda i: post(first + i)[:1], n - first)]
        return replies

    def _post(self, path: str, body: dict[str, Any]) -> list[Reply]:
        """The replies in the answer, at least one; fields that the server refuses are left out for good."""
        while True:
            asked = {field: value for field, value in body.items() if field not in self._left_out}
            try:
                with self._slots:
                    choices = self._client.request("POST", path, asked).get("choices")
                break
            except BadRequest as error:
                present = [field for field in _OPTIONAL if field in asked]
                # Of a complaint that names no field, the schema is the likeliest cause.
                field = error.names(present) or next(iter(set(present) & {"response_format"}), None)
                if field is None:
                    raise
                self._left_out.add(field)
                if field != "n":
                    self._note(f"the server does not take {field} ({error.detail}): asked without it")
            except NotFound as error:
                self._found = None
                self._model()  # names the models that there are, if this one is missing
                if path == "/completions":
                    raise ProposerError(
                        f"{error}; few-shot needs that path, the others do not: --llm-mode list"
                    ) from error
                raise
        given = choices if isinstance(choices, list) else []
        replies = [_reply(choice) for choice in given if isinstance(choice, dict)]
        if not replies:
            raise ProposerError(
                f"{self.name} answered without any text: look at the server's log, "
                "or choose another model: --llm"
            )
        return replies

    # --- what went wrong, in one line

    def _useless(self, replies: Sequence[Reply]) -> str:
        first = next((reply for reply in replies if reply.refusal), replies[0])
        shown = _shown(first.text)
        if first.refusal:
            why, fix = f"refuses ({shown})", "reword the prompt, or choose another model: --llm"
        elif first.finish == "length":
            why = f"was cut off before one prompt was whole ({shown})"
            fix = "ask for shorter replies: --llm-mode fanout, or fewer --proposals"
        else:
            why, fix = f"gave no prompt, twice ({shown})", "choose an instruct model: --llm"
        return f"{self.name} {why}; {fix}"

    def _remark(self, replies: Sequence[Reply], n: int) -> None:
        prompts = [prompt for reply in replies for prompt in reply.prompts]
        different = len({normalize(prompt) for prompt in prompts})
        cut = sum(reply.finish == "length" for reply in replies)
        if cut and len(prompts) < n:
            self._note(
                f"{self.name} was cut off, {len(prompts)} of {n} prompts came through and the rest is "
                "asked for again; shorter replies: --llm-mode fanout"
            )
        if len(prompts) >= 3 and different <= len(prompts) // 2:
            other = (
                "another model: --llm" if self.mode == "list" else "--llm-mode list, or another model: --llm"
            )
            self._note(
                f"{self.name} repeats itself, {different} of {len(prompts)} prompts are different; "
                f"for more variety {other}"
            )

    def _note(self, text: str) -> None:
        self._notes.setdefault(text, False)


def billions(model: str) -> float:
    """Billions of parameters by the model's name ("SmolLM2-135M", "llama3.1:8b"), infinite if unknown."""
    sizes = re.findall(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([mb])(?![a-z0-9])", model.lower())
    return min((float(n) * (0.001 if unit == "m" else 1) for n, unit in sizes), default=float("inf"))


def _reply(choice: dict[str, Any]) -> Reply:
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    text = choice.get("text") if "text" in choice else message.get("content")
    if isinstance(text, list):  # parts, as some servers send them
        parts = (part.get("text") for part in text if isinstance(part, dict))
        text = "".join(part for part in parts if isinstance(part, str))
    refusal = message.get("refusal")
    text = next((said for said in (text, refusal) if said and isinstance(said, str)), "")
    return Reply(
        text[: MAX_REPLY + 1], choice.get("finish_reason"), bool(refusal)
    )  # + 1: seen to be too long


def _parallel(ask: Callable[[int], list[Reply]], n: int) -> list[list[Reply]]:
    """`ask(0)` to `ask(n - 1)`, several at a time; the first error is raised at once.

    Not a ThreadPoolExecutor: on an error or a Ctrl-C it would wait for every request that is under way.
    """
    jobs: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, list[Reply] | Exception]] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                i = jobs.get_nowait()
            except Empty:
                return
            try:
                done.put((i, ask(i)))
            except Exception as error:  # noqa: BLE001 - raised below, in the thread that asked
                done.put((i, error))

    for i in range(n):
        jobs.put(i)
    for _ in range(min(n, AT_ONCE)):
        Thread(target=work, name="steer-llm", daemon=True).start()
    replies: dict[int, list[Reply]] = {}
    try:
        while len(replies) < n:
            i, outcome = done.get()
            if isinstance(outcome, Exception):
                raise outcome
            replies[i] = outcome
    finally:
        with suppress(Empty):
            while True:
                jobs.get_nowait()
    return [replies[i] for i in range(n)]


def _shown(text: str, most: int = 120) -> str:
    return repr(line) if (line := one_line(text, most)) else "an empty reply"

"""`/v1/images/generations`: vLLM-Omni, SGLang, LocalAI, Lemonade and their like.

They agree on prompt, size and how many, and on little else. What sets steps and guidance has other names in
each, all of which are sent; a field that a server refuses is left out from then on, and the record notes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from steer.errors import RendererDown, RendererError
from steer.parts import Capabilities
from steer.renderer.servers import pictures
from steer.renderer.servers.http import FIRST, Http, NoRoute, Refused
from steer.renderer.servers.kind import Asked, Kind
from steer.wire import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

ROUTE = "/images/generations"
SIDE_BY_SIDE = 4  # requests under way at once
SIZE = 512  # the servers' own defaults differ, and pictures should not
STEPS = ("num_inference_steps", "steps", "step")  # vLLM-Omni and SGLang, Lemonade, LocalAI
GUIDANCE = ("guidance_scale", "cfg_scale")  # the same two, Lemonade
OPTIONAL = ("generator_device", "response_format", "negative_prompt", "seed", *STEPS, *GUIDANCE)
SHOWN = 12  # models that a message names at most


class ImagesApi(Kind):
    """Pictures of `/v1/images/generations`, by the model that is named, or the only one there is."""

    label = "images API"
    capabilities = Capabilities(negative=True, steps=True, guidance=True, sizes=True, batch=True)

    def __init__(self, servers: Sequence[Http], model: str | None, asked: Asked, batch: int | None) -> None:
        model = model or _only_model(servers[0])
        if asked.size is None:
            asked = Asked(SIZE, SIZE, asked.steps, asked.guidance, asked.negative)
        super().__init__(servers, model, asked, slots=(batch or SIDE_BY_SIDE) * len(servers))
        self.software = "v1/images"
        self._left_out: set[str] = set()  # fields that the server refused

    def make(self, prompt: str, seed: int, take: int = 0) -> Image:
        """See `Kind.make`."""
        if "|" in prompt:
            self._notes.add(
                "'|' in a prompt is sent as a comma: some servers read what follows it as negative"
            )
        asked, (width, height) = self.asked, self.asked.size or (SIZE, SIZE)
        wanted = {
            "model": self.model, "prompt": re.sub(r"\s*\|\s*", ", ", prompt), "n": 1,
            "size": f"{width}x{height}", "response_format": "b64_json", "seed": seed,
            "negative_prompt": asked.negative,
            "generator_device": "cpu",  # the same noise on every card
            **dict.fromkeys(STEPS, asked.steps), **dict.fromkeys(GUIDANCE, asked.guidance),
        }  # fmt: skip
        body = {name: value for name, value in wanted.items() if value is not None}
        return self._on_some_server(lambda server: self._one(server, body))

    def _one(self, server: Http, body: dict[str, Any]) -> Image:
        answer, who = self._answer(server, body), f"the server at {server.url}"
        data = answer.get("data") if isinstance(answer, dict) else None
        first = data[0] if isinstance(data, list) and data else None
        if not isinstance(first, dict):
            raise RendererError(f"{who} answered without a picture: look at its log")
        now = first.get("revised_prompt")
        if isinstance(now, str) and now and now != body["prompt"]:
            self._notes.add(
                f"{who} rewrites prompts: {one_line(body['prompt'], 60)!r} became {one_line(now, 60)!r}"
            )
        if isinstance(first.get("url"), str) and not first.get("b64_json"):
            found = pictures.from_address(first["url"], server)
        else:
            found = pictures.from_base64(first.get("b64_json"), who)
        if not pictures.is_png(found):
            self._notes.add(f"{who} sends pictures in a format that may lose details")
        return pictures.read(found, who, self.asked.size)

    def _answer(self, server: Http, body: dict[str, Any]) -> Any:
        while True:
            asked = {name: value for name, value in body.items() if name not in self._left_out}
            try:
                return server.post(ROUTE, asked)
            except Refused as error:
                named = [
                    name for name in OPTIONAL if name in asked and re.search(rf"\b{name}\b", error.detail)
                ]
                if not named:
                    raise
                self._left_out.add(named[0])
                self._notes.add(
                    f"the server takes no {named[0]} ({one_line(error.detail, 80)}): asked without it"
                )


def answers(server: Http) -> bool:
    """Whether the server at this address is of this kind: it has something against an empty request."""
    try:
        server.post(ROUTE, {}, attempts=1)
    except NoRoute:
        return False
    except RendererDown:
        raise
    except RendererError:
        return True
    return True


def _only_model(server: Http) -> str:
    """The model that the server has. Raises `RendererDown` where that is not one."""
    try:
        answer = server.get("/models", attempts=FIRST)
    except NoRoute:
        answer = {}
    data = answer.get("data") if isinstance(answer, dict) else None
    entries = [one.get("id") for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    names = [one_line(name, 80) for name in entries if isinstance(name, str) and name]
    if len(names) == 1:
        return names[0]
    if not names:
        raise RendererDown(
            f"the server at {server.url} does not say which model it has: name it with --renderer"
        )
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    raise RendererDown(f"the server at {server.url} has several models, choose one with --renderer: {shown}")

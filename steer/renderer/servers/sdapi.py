"""`/sdapi/v1`: A1111, SD.Next, Forge, and the server of stable-diffusion.cpp.

One picture a request, because the second one of a batch has another seed. The server has one lock, so that
requests side by side would only wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from steer.errors import RendererDown, RendererError
from steer.parts import Capabilities
from steer.renderer.servers import pictures
from steer.renderer.servers.http import FIRST, Http, NoRoute, parsed
from steer.renderer.servers.kind import Asked, Kind
from steer.wire import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

ROUTE = "/sdapi/v1/txt2img"


class SdApi(Kind):
    """Pictures of `/sdapi/v1/txt2img`, by the checkpoint that is loaded there."""

    label = "sdapi"
    capabilities = Capabilities(negative=True, steps=True, guidance=True, sizes=True)

    def __init__(self, servers: Sequence[Http], model: str | None, asked: Asked) -> None:
        loaded = [_loaded(server) for server in servers]
        for server, name in zip(servers, loaded, strict=True):
            if name != loaded[0] or model not in (None, name):
                raise RendererDown(
                    f"the server at {server.url} has {name!r} loaded, not {model or loaded[0]!r}: choose "
                    "it in the "
                    "server's own page, since that changes it for everybody; or leave --renderer out"
                )
        super().__init__(servers, loaded[0], asked, slots=len(servers))
        self.software = "sdapi/v1"

    def make(self, prompt: str, seed: int, take: int = 0) -> Image:
        """See `Kind.make`."""
        asked = self.asked
        wanted = {
            "prompt": prompt, "negative_prompt": asked.negative, "seed": seed, "steps": asked.steps,
            "cfg_scale": asked.guidance, "width": asked.width, "height": asked.height,
        }  # fmt: skip
        body = {name: value for name, value in wanted.items() if value is not None}
        body |= {"batch_size": 1, "n_iter": 1, "send_images": True, "save_images": False}
        return self._on_some_server(lambda server: self._one(server, body))

    def _one(self, server: Http, body: dict[str, Any]) -> Image:
        answer, who = server.post(ROUTE, body), f"the server at {server.url}"
        images = answer.get("images") if isinstance(answer, dict) else None
        if not isinstance(images, list) or not images:
            raise RendererError(f"{who} answered without a picture: look at its log")
        told = _info(answer.get("info"))
        if (used := told.get("seed")) not in (None, body["seed"]):
            raise RendererDown(
                f"{who} used the seed {one_line(str(used), 30)} where {body['seed']} was asked for: switch "
                "off what "
                "changes seeds there"
            )
        if isinstance(now := told.get("prompt"), str) and " ".join(now.split()) != " ".join(
            body["prompt"].split()
        ):
            self._notes.add(
                f"{who} rewrites prompts: {one_line(body['prompt'], 60)!r} became {one_line(now, 60)!r}; "
                "switch off its "
                "styles, wildcards and dynamic prompts"
            )
        data = pictures.from_base64(images[0], who)
        if not pictures.is_png(data):
            self._notes.add(
                f"{who} sends pictures in a format that may lose details; choose PNG in its settings"
            )
        return pictures.read(data, who, self.asked.size)


def answers(server: Http) -> bool:
    """Whether the server at this address is of this kind."""
    try:
        return isinstance(server.get("/sdapi/v1/options", attempts=FIRST), dict)
    except NoRoute:
        return False


def _loaded(server: Http) -> str:
    """The checkpoint that is loaded."""
    try:
        options = server.get("/sdapi/v1/options", attempts=FIRST)
        name = options.get("sd_model_checkpoint") if isinstance(options, dict) else None
        if not isinstance(name, str) or not name:
            models = server.get("/sdapi/v1/sd-models")
            name = models[0].get("title") if isinstance(models, list) and models else None
    except NoRoute:
        name = None
    return one_line(name, 200) if isinstance(name, str) and name else "the model that is loaded"


def _info(text: object) -> dict[str, Any]:
    """`info` is JSON in a string."""
    found = parsed(text) if isinstance(text, str) else text
    return found if isinstance(found, dict) else {}

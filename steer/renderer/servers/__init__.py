"""Pictures from a server that already runs, or from a host: ComfyUI, /sdapi/v1, images APIs, HF, BFL.

    renderer = open_server(["comfyui://127.0.0.1:8188"], workflow="mine.json")

See docs/image-servers.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steer import paths
from steer.errors import UsageError
from steer.renderer.lacking import refuse_lacking
from steer.renderer.servers.address import Address, key_variable, read_address

if TYPE_CHECKING:
    from steer.renderer.servers.http import Http
    from steer.renderer.servers.kind import Asked, Kind
    from steer.renderer.servers.renderer import ServerRenderer

__all__ = ["open_server", "verdicts"]


def open_server(
    urls: Sequence[str],
    model: str | None = None,
    *,
    size: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    negative_prompt: str | None = None,
    batch: int | None = None,
    lora: Sequence[str] = (),
    workflow: str | None = None,
    nodes: Sequence[str] = (),
    paid_limit: int = 0,
) -> ServerRenderer:
    """The renderer at these addresses, asked what it has; its seeds are probed, unless that was done before.

    `urls` are what `--renderer-url` takes, `size` is in pixels each way, `batch` how many pictures are asked
    for at once. `workflow` is a file of ComfyUI's in API format, or the name of one that is shipped; `nodes`
    say where things go in it, as in "seed=3.seed". Of a hosted model at most `paid_limit` pictures
    are bought. Raises `UsageError`, `RendererError`.
    """
    from steer.renderer.servers.kind import Asked
    from steer.renderer.servers.probe import honours_seeds
    from steer.renderer.servers.renderer import ServerRenderer

    address = read_address(urls)
    asked = Asked(size, size, steps, guidance, negative_prompt)
    kind = _open(address, model, asked, batch, workflow, nodes, paid_limit)
    try:
        given = {"size": size, "steps": steps, "guidance": guidance, "negative_prompt": negative_prompt}
        refuse_lacking(kind.label, kind.capabilities, kind.advice, **given, batch=batch, lora=lora)
        honoured = kind.trusts_seeds or honours_seeds(kind, verdicts())
    except BaseException:
        kind.close()
        raise
    return ServerRenderer(kind, honoured)


def verdicts() -> Path:
    """Where it is kept how servers treat seeds."""
    return paths.cache() / "servers"


def _open(
    address: Address,
    model: str | None,
    asked: Asked,
    batch: int | None,
    workflow: str | None,
    nodes: Sequence[str],
    paid_limit: int,
) -> Kind:
    from steer.renderer.servers.finding import api_base, kind_of

    name = address.kind
    if name == "hf":
        from steer.renderer.servers.hugging_face import HuggingFace

        return HuggingFace(address.places[0], asked, paid_limit, batch)
    if name == "bfl":
        from steer.renderer.servers.bfl import Bfl

        return Bfl(address.places[0], asked, paid_limit, batch)
    servers, images = ([_http(each(place)) for place in address.places] for each in (str, api_base))
    try:
        name = name or kind_of(servers[0], images[0])
        if workflow is not None and name != "comfyui":
            raise UsageError(
                f"--workflow is for ComfyUI, and {address.places[0]} is something else: leave it out"
            )
        return _served(name, images if name == "images" else servers, model, asked, batch, workflow, nodes)
    except BaseException:
        for server in (*servers, *images):
            server.close()
        raise


def _served(
    name: str,
    servers: list[Http],
    model: str | None,
    asked: Asked,
    batch: int | None,
    workflow: str | None,
    nodes: Sequence[str],
) -> Kind:
    if name == "comfyui":
        from steer.renderer.servers.comfyui import ComfyUI

        return ComfyUI(servers, model, asked, workflow, nodes)
    if name == "sdapi":
        from steer.renderer.servers.sdapi import SdApi

        return SdApi(servers, model, asked)
    from steer.renderer.servers.images_api import ImagesApi

    return ImagesApi(servers, model, asked, batch)


def _http(url: str) -> Http:
    """With the key of the environment: `user:password`, or a token."""
    from steer.renderer.servers.http import Http

    variable = key_variable(None)
    key = os.environ.get(variable, "").strip()
    user, colon, password = key.partition(":")
    if colon:
        return Http(url, auth=(user, password), secret=password, key_variable=variable)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return Http(url, headers=headers, secret=key or None, key_variable=variable)

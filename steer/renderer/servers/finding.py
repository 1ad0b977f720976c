"""Which kind of server answers at an address, and which servers run on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from steer.errors import RendererDown
from steer.renderer.servers import comfyui, images_api, sdapi
from steer.renderer.servers.address import EXAMPLES
from steer.renderer.servers.http import Http, NoRoute

# Where they listen unless told otherwise; some ports are those of language models too, which are asked.
USUAL_PORTS = (8188, 8000, 7860, 7861, 8080, 1234, 30000, 13305)
QUICK = 0.5  # seconds that a server on this machine has to answer


@dataclass(frozen=True)
class Found:
    """A server of this machine."""

    kind: str  # comfyui, sdapi, images
    url: str

    @property
    def option(self) -> str:
        """What to write to use it."""
        return f"--renderer-url {self.kind}://{self.url.removeprefix('http://')}"


def api_base(url: str) -> str:
    """Where an images API begins at a server: at /v1, unless the address says it."""
    return url if urlsplit(url).path.strip("/") else f"{url}/v1"


def kind_of(server: Http, images: Http) -> str:
    """comfyui, sdapi or images, by what answers; `images` is the same server at `api_base`.

    Raises `RendererDown` where nothing does, or something else.
    """
    for name, answers, at in (
        ("comfyui", comfyui.answers, server),
        ("sdapi", sdapi.answers, server),
        ("images", images_api.answers, images),
    ):
        try:
            if answers(at):
                return name
        except NoRoute:
            continue
        except RendererDown as error:
            if "web page" not in str(error):  # some answer every path with their own page
                raise
    raise RendererDown(
        f"what answers at {server.url} is neither ComfyUI, nor /sdapi/v1 (A1111 needs --api), nor an "
        "images API: "
        f"--renderer-url takes {EXAMPLES}"
    )


def on_this_machine(ports: Sequence[int] = USUAL_PORTS) -> list[Found]:
    """The servers that answer on the usual ports of this machine."""
    found = []
    for port in ports:
        url = f"http://127.0.0.1:{port}"
        server, images = (Http(each, timeout=QUICK, attempts=1) for each in (url, api_base(url)))
        try:
            found.append(Found(kind_of(server, images), url))
        except RendererDown:
            continue
        finally:
            server.close()
            images.close()
    return found

"""Black Forest Labs' own API for FLUX.2: what is asked for gets an address, looked at until it is ready."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx

from steer.errors import RendererDown, RendererError
from steer.parts import Capabilities
from steer.renderer.servers.address import BFL_KEY
from steer.renderer.servers.hosted import Hosted, key_of
from steer.renderer.servers.http import Http, NoRoute, Refused, Unsure
from steer.renderer.servers.kind import Asked
from steer.renderer.servers.paid import NotMade, NotTaken, Slip
from steer.wire import one_line

HOST, DOMAIN = "https://api.bfl.ai", ".bfl.ai"
LOOK, LOOKS_FOR = 0.5, 600.0  # seconds between two looks, and in all
WAITING = ("Pending", "Queued", "Processing", "Preparing")
REFUSED = ("Request Moderated", "Content Moderated", "Error")
SMALLEST = 64  # pixels each way


class Bfl(Hosted):
    """Pictures of one FLUX.2 model there. Each says which seed it was made with."""

    label = "BFL"
    trusts_seeds = True

    def __init__(
        self, model: str, asked: Asked, paid_limit: int, batch: int | None, host: str = "", look: float = LOOK
    ) -> None:
        key = key_of("bfl")
        self._headers, self._key, self._look = {"x-key": key}, key, look
        self._regions = threading.Lock()
        server = self._server(host or HOST)
        super().__init__([server], model, asked, paid_limit, batch)
        flexible = model.endswith("flex")
        self.capabilities = Capabilities(steps=flexible, guidance=flexible, sizes=True, batch=True)

    def _server(self, url: str) -> Http:
        return Http(url, headers=self._headers, secret=self._key, key_variable=BFL_KEY)

    def _at(self, address: str) -> Http:
        """Whom to ask at an address: they have servers in several regions."""
        parsed = httpx.URL(address)
        with self._regions:
            for server in self._servers:
                if _same_origin(address, server.url):
                    return server
            self._servers.append(self._server(f"{parsed.scheme}://{parsed.netloc.decode()}"))
            return self._servers[-1]

    def _buy(self, slip: Slip, prompt: str, seed: int) -> bytes:
        if "fetch" not in slip.told:
            slip.write(fetch=self._ask(prompt, seed))
        return self._fetch(str(slip.told["fetch"]), seed)

    def _ask(self, prompt: str, seed: int) -> str:
        """The address at which the picture will be."""
        asked = self.asked
        wanted: dict[str, Any] = {
            "prompt": prompt, "seed": seed, "width": asked.width, "height": asked.height,
            "steps": asked.steps, "guidance": asked.guidance, "output_format": "png",
            "prompt_upsampling": False,
        }  # fmt: skip
        body = {name: value for name, value in wanted.items() if value is not None}
        server = self._servers[0]
        try:
            try:
                answer = server.post(f"/v1/{self.model}", body, once=True)
            except Refused as error:
                if "prompt_upsampling" not in error.detail:
                    raise
                del body["prompt_upsampling"]  # a model that has no such thing
                answer = server.post(f"/v1/{self.model}", body, once=True)
        except Unsure:
            raise
        except NoRoute as error:
            raise NotTaken(
                RendererDown(f"BFL has no model {self.model!r}: name one, as in bfl://flux-2-klein-4b")
            ) from error
        except RendererError as error:
            raise NotTaken(error) from error
        address = answer.get("polling_url") if isinstance(answer, dict) else None
        if not isinstance(address, str) or not self._is_theirs(address):
            raise RendererError(f"BFL answered without an address to look at ({one_line(str(address), 60)})")
        return address

    def _fetch(self, address: str, seed: int) -> bytes:
        if not self._is_theirs(address):  # a slip may be anybody's; the key is not sent there
            raise RendererError(f"{one_line(address, 60)} is not BFL's")
        until, pause = time.monotonic() + LOOKS_FOR, self._look
        server = self._at(address)
        while True:
            found = server.get(httpx.URL(address).raw_path.decode())
            status = found.get("status") if isinstance(found, dict) else None
            if status == "Ready":
                return self._ready(found.get("result"), seed)
            if status in REFUSED:
                raise NotMade(f"BFL makes no picture of it: {status}")
            if status not in WAITING:
                raise NotMade(f"BFL says of it: {one_line(str(status), 60)}; it may have been paid for")
            if time.monotonic() > until:
                raise RendererDown(f"BFL is at one picture for {LOOKS_FOR:.0f} seconds")
            time.sleep(pause)  # to the end: it is paid for
            pause = min(4 * self._look, 1.5 * pause)

    def _ready(self, result: Any, seed: int) -> bytes:
        result = result if isinstance(result, dict) else {}
        sample, used = result.get("sample"), result.get("seed")
        if not isinstance(sample, str) or not sample.startswith(("http://", "https://")):
            raise RendererError("BFL answered without a picture")
        data = self._servers[0].fetch(sample)
        if used not in (None, seed):
            raise RendererDown(f"BFL used the seed {one_line(str(used), 30)} where {seed} was asked for")
        return data

    def _is_theirs(self, address: str) -> bool:
        try:
            parsed = httpx.URL(address)
        except (httpx.InvalidURL, TypeError):
            return False
        theirs = parsed.scheme == "https" and parsed.host.endswith(DOMAIN)
        return theirs or _same_origin(address, self._servers[0].url)


def _same_origin(one: str, other: str) -> bool:
    a, b = httpx.URL(one), httpx.URL(other)
    return (a.scheme, a.host, a.port) == (b.scheme, b.host, b.port)

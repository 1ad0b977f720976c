"""Hosts that huggingface_hub's InferenceClient knows: fal-ai, together, replicate, nscale and others.

They take a seed and say nothing about it, so that it is probed like any server's.
"""

from __future__ import annotations

import io
from typing import Any

from steer.errors import RendererDown, RendererError
from steer.parts import Capabilities
from steer.renderer.servers.address import HF_KEY
from steer.renderer.servers.hosted import Hosted, key_of, without_key
from steer.renderer.servers.http import PERHAPS
from steer.renderer.servers.kind import Asked
from steer.renderer.servers.paid import NotTaken, Slip
from steer.wire import one_line

INSTALL = "pip install 'steer[hosted]'"
TIMEOUT = 600.0  # seconds for one picture
ATTEMPTS = 4  # of what was not taken
PAUSE = 2.0  # seconds before the second


class HuggingFace(Hosted):
    """Pictures of `provider/model`, as in together/black-forest-labs/FLUX.1-schnell."""

    label = "hf"
    capabilities = Capabilities(negative=True, steps=True, guidance=True, sizes=True, batch=True)

    def __init__(
        self, place: str, asked: Asked, paid_limit: int, batch: int | None, pause: float = PAUSE
    ) -> None:
        try:
            from huggingface_hub import InferenceClient
        except ImportError as error:
            raise RendererDown(f"hf:// needs huggingface_hub: {INSTALL}") from error
        provider, _, model = place.partition("/")
        self._key, self._pause = key_of("hf"), pause
        self._client: Any = InferenceClient(provider=provider, api_key=self._key, timeout=TIMEOUT)  # type: ignore[arg-type]
        super().__init__([], model, asked, paid_limit, batch)
        self.software = f"hf://{provider}"
        self._is_served(provider)

    @property
    def address(self) -> str:
        """The provider, as `--renderer-url` names it."""
        return self.software

    def _is_served(self, provider: str) -> None:
        """Raises `RendererDown` where the provider does not have the model, before anything is paid."""
        from huggingface_hub import HfApi

        try:
            info = HfApi(token=self._key).model_info(self.model, expand=["inferenceProviderMapping"])
        except Exception as error:
            raise RendererDown(f"cannot ask the hub about {self.model}: {self._line(error)}") from error
        served = [
            one.provider for one in info.inference_provider_mapping or () if one.task == "text-to-image"
        ]
        if provider not in served:
            there = ", ".join(served) or "nobody"
            raise RendererDown(f"{provider} does not make pictures with {self.model}; that do: {there}")

    def _buy(self, slip: Slip, prompt: str, seed: int) -> bytes:
        import time

        asked = self.asked
        for attempt in range(ATTEMPTS):
            try:
                image = self._client.text_to_image(
                    prompt, negative_prompt=asked.negative, width=asked.width, height=asked.height,
                    num_inference_steps=asked.steps, guidance_scale=asked.guidance, model=self.model,
                    seed=seed,
                )  # fmt: skip
                break
            except Exception as error:
                code = _not_taken(error)
                said = f"{self.software} failed: {self._line(error)}"
                if code is None:
                    raise RendererError(f"{said}; it may have been paid for") from error
                if code in (401, 402, 403):
                    raise NotTaken(
                        RendererDown(f"{said}: is {HF_KEY} the right key, with credit?")
                    ) from error
                if code in (400, 413, 422) or attempt == ATTEMPTS - 1:
                    kind = RendererError if code in (400, 413, 422) else RendererDown
                    raise NotTaken(kind(said)) from error
                time.sleep(self._pause * 2**attempt)
        data = io.BytesIO()
        image.save(data, "PNG")
        return data.getvalue()

    def _line(self, error: Exception) -> str:
        return one_line(without_key(error, self._key))


def _not_taken(error: Exception) -> int | None:
    """The status of a request that the host refused, 0 where it never arrived; None where nobody knows."""
    try:
        request: Any = getattr(error, "request", None)  # raises where the error has none
    except RuntimeError:
        return None
    answer = getattr(error, "response", None)
    if answer is not None:
        refused = answer.request.method == "POST" and answer.status_code not in PERHAPS
        return int(answer.status_code) if refused else None
    never = type(error).__name__ in ("ConnectError", "ConnectTimeout") and request is not None
    return 0 if never and request.method == "POST" else None

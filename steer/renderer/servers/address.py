"""What `--renderer-url` may be, read before anything is asked or written down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from steer.errors import UsageError
from steer.wire import without_secret

KEY_VARIABLE = "STEER_RENDERER_API_KEY"
HF_KEY, BFL_KEY = "HF_TOKEN", "BFL_API_KEY"
HOSTED = ("hf", "bfl")
KINDS = ("comfyui", "sdapi", "images", *HOSTED)
EXAMPLES = "comfyui://127.0.0.1:8188, sdapi://127.0.0.1:7860, images://127.0.0.1:8000/v1"
_ADDRESS = re.compile(
    r"(?:(?P<kind>comfyui|sdapi|images)(?:\+(?P<plus>https?))?|(?P<web>https?))://(?P<rest>\S+)"
)
_HOSTED = re.compile(r"(?P<kind>hf|bfl)://(?P<rest>[\w./:-]+)")


@dataclass(frozen=True)
class Address:
    """Where pictures are made. `kind` None: by asking. `places` are URLs, or models of a hosted kind."""

    kind: str | None
    places: tuple[str, ...]

    @property
    def hosted(self) -> bool:
        """Whether each picture costs money."""
        return self.kind in HOSTED


def read_address(given: Sequence[str]) -> Address:
    """What one or several `--renderer-url` say, each perhaps several with commas between.

    Raises `UsageError`, which shows no secret.
    """
    texts = [text.strip() for one in given for text in one.split(",") if text.strip()]
    found = [_one(text) for text in texts]
    if not found:
        raise UsageError(f"--renderer-url is empty; an address looks like {EXAMPLES}")
    kinds = {kind for kind, _ in found}
    if len(kinds) > 1:
        raise UsageError(
            "--renderer-url names servers of several kinds; those that share a run are all of one kind"
        )
    kind = kinds.pop()
    if kind in HOSTED and len(found) > 1:
        raise UsageError(f"--renderer-url names several hosted models; name one, as in {texts[0]}")
    return Address(kind, tuple(dict.fromkeys(place for _, place in found)))


def key_variable(kind: str | None) -> str:
    """The environment's variable with the key for a kind."""
    return {"hf": HF_KEY, "bfl": BFL_KEY}.get(kind or "", KEY_VARIABLE)


def _one(text: str) -> tuple[str | None, str]:
    shown = without_secret(text)
    if shown != text:
        raise UsageError(
            f"--renderer-url {shown!r} holds a user name, a query or a fragment: put the key, or "
            "user:password, into "
            f"{KEY_VARIABLE} instead"
        )
    if hosted := _HOSTED.fullmatch(text):
        kind, rest = hosted["kind"], hosted["rest"].strip("/")
        if kind == "hf" and rest.count("/") < 1:
            raise UsageError(
                f"--renderer-url {text!r} lacks the provider or the model, as in "
                "hf://together/black-forest-labs/FLUX.1-schnell"
            )
        if kind == "bfl" and not re.fullmatch(r"flux-[\w.-]+", rest):
            raise UsageError(f"--renderer-url {text!r} is no model of BFL's, as in bfl://flux-2-klein-4b")
        return kind, rest
    match = _ADDRESS.fullmatch(text if "://" in text else f"http://{text}")
    try:
        parts = urlsplit(f"http://{match['rest']}") if match else None
        well = parts is not None and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        well = False
    if match is None or not well:
        raise UsageError(f"--renderer-url {text[:80]!r} is no address of a server; one looks like {EXAMPLES}")
    scheme = match["web"] or match["plus"] or "http"
    return match["kind"], f"{scheme}://{match['rest'].rstrip('/')}"

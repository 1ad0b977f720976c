"""Seeds are looked at, not believed: three small pictures before the first run against a server and model.

For prompt and seed, for the next seed, and for the first seed again. First and last the same, the other not:
base and rewrite are compared in pairs. First and last differ: seeds do nothing, and nothing can be paired.
All three the same: the candidates would be the same picture, which is refused.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from reward.files import write_whole
from steer.errors import RendererDown
from steer.renderer.servers.kind import Kind

if TYPE_CHECKING:
    from PIL.Image import Image

PROMPT, SEED = "a red boat on a calm lake", 20_261
TOLERANCE = 2.0  # of 255, mean over the pixels: cards compute the same picture with small differences
PICTURES = 3  # that a probe takes


def honours_seeds(kind: Kind, folder: Path) -> bool:
    """What was found before, in `folder`, or what three pictures say. Raises `RendererDown` if all are one.

    The other seed comes in between: a server that keeps its last picture has to make the first one anew.
    """
    path = _file(kind, folder)
    if (known := verdict(kind, folder)) is not None:
        return known
    probe = kind.asking(kind.look())
    kind.open()
    first, other, again = (
        probe.make(PROMPT, seed, take) for seed, take in ((SEED, 0), (SEED + 1, 0), (SEED, 1))
    )
    exact = first.tobytes() == again.tobytes()  # then any difference to the other seed is the seed's
    if first.tobytes() == other.tobytes() if exact else alike(first, again) and alike(first, other):
        raise RendererDown(
            f"{kind.label} at {kind.address} makes the same picture for two seeds: pictures from it can't "
            "be told from "
            "chance; is the seed fixed in its workflow or settings, or does it keep old answers?"
        )
    honoured = alike(first, again)
    told = {"server": kind.address, "kind": kind.software, "model": kind.model, "seeds_honoured": honoured}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(told, indent=1).encode())
    return honoured


def verdict(kind: Kind, folder: Path) -> bool | None:
    """What was found before; None where nothing was."""
    try:
        found = json.loads(_file(kind, folder).read_text(encoding="utf-8"))["seeds_honoured"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, bool) else None


def alike(one: Image, other: Image) -> bool:
    """Whether two pictures differ by less than what rounding does."""
    from PIL import ImageChops, ImageStat

    if one.size != other.size:
        return False
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean) <= TOLERANCE


def _file(kind: Kind, folder: Path) -> Path:
    """By the server and the model; what it is asked for besides does not change how it treats seeds."""
    name = json.dumps([kind.address, kind.label, kind.software, kind.model, kind.settings], sort_keys=True)
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:40]}.json"

"""What a server costs beside its pictures: `python benchmarks/image_servers.py`.

Against fakes on sockets of this machine (tests/support/fake_image_servers.py) that answer at once, or take a
fixed time for a picture. Prints one JSON object.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from fake_image_servers import FakeComfy, FakeImages, FakeSdApi, FakeServer, picture

from steer.renderer.servers.comfyui import ComfyUI
from steer.renderer.servers.http import Http
from steer.renderer.servers.images_api import ImagesApi
from steer.renderer.servers.kind import Asked, Kind
from steer.renderer.servers.renderer import ServerRenderer
from steer.renderer.servers.sdapi import SdApi

PICTURES, ROUNDS = 100, 5
SIZE = Asked(64, 64)


def kind_of(fakes: list[FakeServer]) -> Kind:
    """A client for these fakes, which are of one kind."""
    if isinstance(fakes[0], FakeComfy):
        return ComfyUI([Http(fake.url) for fake in fakes], None, SIZE, "sd")
    if isinstance(fakes[0], FakeSdApi):
        return SdApi([Http(fake.url) for fake in fakes], None, SIZE)
    return ImagesApi([Http(f"{fake.url}/v1") for fake in fakes], None, SIZE, None)


def seconds(make: type[FakeServer], servers: int, delay: float, pictures: int) -> float:
    """Wall time of so many pictures on so many servers."""
    one = picture("a boat", 1, (64, 64))
    with ExitStack() as stack:
        fakes = [stack.enter_context(make()) for _ in range(servers)]
        for fake in fakes:
            fake.delay, fake.make = delay, lambda prompt, seed, size: one
        renderer = ServerRenderer(kind_of(fakes))
        list(renderer.render(["warm"], [0]))
        start = time.perf_counter()
        for _ in renderer.render([f"boat {i}" for i in range(pictures)], [1] * pictures):
            pass
        took = time.perf_counter() - start
        renderer.close()
    return took


def main() -> None:
    """Milliseconds a picture beside the server's own, and how two servers compare with one."""
    found = {}
    for make in (FakeComfy, FakeSdApi, FakeImages):
        each = [1e3 * seconds(make, 1, 0.0, PICTURES) / PICTURES for _ in range(ROUNDS)]
        one, two = (min(seconds(make, count, 0.2, 24) for _ in range(2)) for count in (1, 2))
        found[make.__name__] = {
            "ms_a_picture_median": round(statistics.median(each), 2),
            "ms_a_picture_worst": round(max(each), 2),
            "seconds_one_server": round(one, 2),
            "seconds_two_servers": round(two, 2),
            "share": round(two / one, 3),
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

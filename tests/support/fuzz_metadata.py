"""Pictures whose metadata is broken in many ways: it is read or not, and soon, and nothing is raised.

python tests/support/fuzz_metadata.py [--pictures 5000] [--seed 0]
"""

import argparse
import json
import random
import resource
import time
import warnings
import zlib

from fuzz_pictures import mutated
from metadata_pictures import A1111, COMFY, XMP, exif, jpeg, png

from steer.profiles.metadata import read_embedded

SLOW = 0.3  # processor seconds of one picture
BOMBS = (
    *("rocks " * 30_000, "(" * 60_000, "<a:" * 40_000, "(a:" * 40_000, "\n" * 60_000, "\n Steps" * 20_000),
    *("[" * 60_000, '{"1":' * 60_000, "xmp:Rating=" * 30_000, "xmp:Rating>" + " " * 60_000, '"' * 60_000),
    json.dumps(
        {str(i): {"class_type": "sampler", "inputs": {"positive": [str(i + 1), 0]}} for i in range(4000)}
    ),
)
KEYS = ("parameters", "prompt", "invokeai_metadata", "sd-metadata", "Dream", "steer", "_xmp")


def wholes() -> list[bytes]:
    """What the programs write, in the places where they write it."""
    found = [png(parameters=A1111), png(prompt=json.dumps(COMFY)), png(_xmp=XMP.format('xmp:Rating="4"', ""))]
    found += [png(invokeai_metadata='{"positive_prompt": "red rocks"}'), png(Dream='"red rocks" -s 50')]
    comment = b"UNICODE\0" + A1111.encode("utf-16-be")
    return [*found, jpeg(exif=exif(3, comment)), jpeg(xmp=XMP.format('xmp:Rating="5"', "").encode())]


def repaired(data: bytes) -> bytes:
    """A PNG with its checksums made right, so that what was changed is looked at."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4)
        at += 12 + length
    return bytes(out)


def fuzz(pictures: int, seed: int) -> dict[str, object]:
    """How many were read, how long the slowest took; raises what a reader must not raise."""
    draw = random.Random(seed)
    whole = wholes()
    slowest, told = (0.0, ""), 0
    for number in range(pictures):
        if draw.random() < 0.1:
            bomb = draw.choice(BOMBS)
            data = png(**{draw.choice(KEYS): bomb[: draw.randrange(1, len(bomb))]})
        else:
            data = mutated(draw.choice(whole), draw)
            if data.startswith(b"\x89PNG") and draw.random() < 0.8:
                data = repaired(data)
        started = time.process_time()
        found = read_embedded(data)
        seconds = time.process_time() - started
        if seconds > SLOW:  # where something was imported, or the machine is busy, it is not so again
            started = time.process_time()
            read_embedded(data)
            seconds = min(seconds, time.process_time() - started)
        slowest = max(slowest, (seconds, f"picture {number}"))
        assert len(found.prompt) <= 2000 and (found.stars is None or 1 <= found.stars <= 5), number
        told += bool(found.prompt or found.stars)
    assert slowest[0] < SLOW, slowest
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"pictures": pictures, "told": told, "slowest": slowest, "memory_mb": round(memory)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(json.dumps(fuzz(options.pictures, options.seed)))

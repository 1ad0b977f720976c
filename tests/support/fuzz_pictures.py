"""Pictures broken in many ways: the one reader takes each or refuses it by its one error, and soon.

python tests/support/fuzz_pictures.py [--pictures 5000] [--seed 0]
"""

import argparse
import io
import random
import time
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin

from reward.errors import ImageError
from reward.pictures import FORMATS, MOST_PIXELS, read_image

SLOW = 1.0  # seconds of one picture
WORDS = (b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"IEND", b"eXIf", b"\xff\xd9")


def whole_pictures() -> list[tuple[str, bytes]]:
    """Every format in every mode that it knows, some with EXIF, transparency, frames and text."""
    colours = np.random.default_rng(0).integers(0, 256, (24, 32, 4), dtype=np.uint8)
    rgba = Image.fromarray(colours)
    modes = {mode: rgba.convert(mode) for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK")}
    modes["I;16"] = Image.fromarray(colours[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_text("steer", '{"prompt": "red rocks"}', zip=True)
    found = []
    for name in (*FORMATS, "MPO"):
        for mode, image in modes.items():
            for extra in ({}, {"exif": exif}, {"save_all": True, "append_images": [image] * 2}):
                more = {"pnginfo": text} if name == "PNG" else {"progressive": mode == "L"}
                file = io.BytesIO()
                try:
                    image.save(file, name, **extra, **more)
                except (OSError, ValueError, KeyError):  # a mode that the format does not know
                    continue
                found.append((f"{name} {mode}", file.getvalue()))
    return found


def mutated(data: bytes, draw: random.Random) -> bytes:
    """One to three changes: bytes, numbers, pieces cut out, doubled or added, an end cut off."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(changed) + 1)
        if draw.random() < 0.5:  # headers are where sizes, modes and offsets are
            at = min(at, draw.randrange(200))
        length = draw.choice((1, 2, 4, 16, 200))
        match draw.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                word = draw.choice(WORDS)
                changed[at : at + len(word)] = word
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = changed[at : at + length]
            case 4:
                changed[at:at] = draw.randbytes(length)
            case 5 if draw.random() < 0.2:
                del changed[at:]
    return bytes(mended(changed) if data.startswith(b"\x89PNG") and draw.random() < 0.7 else changed)


def mended(png: bytearray) -> bytearray:
    """With checksums that are right again, without which Pillow looks no further."""
    at = 8
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        if end + 4 <= len(png):
            png[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return png


def fuzz(pictures: int, seed: int) -> Iterator[tuple[str, bytes, str, float]]:
    """Name, content, what came of it ("read", "refused" or the fault) and seconds."""
    draw = random.Random(seed)
    wholes = whole_pictures()
    for i in range(pictures):
        name, whole = wholes[i % len(wholes)]
        data = mutated(whole, draw)
        started = time.process_time()
        try:
            image = read_image(data)
            sane = image.mode == "RGB" and 0 < image.width * image.height <= MOST_PIXELS
            came = "read" if sane else f"{image.mode} {image.size}"
        except ImageError as error:
            came = "refused" if "\n" not in str(error) else f"not one line: {error}"
        except Exception as error:  # noqa: BLE001 - which must never come out
            came = f"{type(error).__name__}: {error}"
        yield name, data, came, time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: dict[str, int] = {}
    slowest, faults = 0.0, 0
    for name, data, came, seconds in fuzz(options.pictures, options.seed):
        counts[came] = counts.get(came, 0) + 1
        slowest = max(slowest, seconds)
        if came not in ("read", "refused") or seconds > SLOW:
            faults += 1
            print(f"{name}: {came} in {seconds:.2f} s; {len(data)} bytes: {data[:40].hex()}…")
    print(counts, f"slowest {slowest:.3f} s, {faults} faults")
    raise SystemExit(faults > 0)


if __name__ == "__main__":
    main()

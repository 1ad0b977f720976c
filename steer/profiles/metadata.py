"""What a picture's file says of itself: the prompt that it was made from, and the stars that somebody gave.

    prompt   steer's own chunk; "parameters" of A1111 and its like, in PNG text or EXIF; ComfyUI's graph;
             InvokeAI's metadata
    stars    XMP beside the file (photo.jpg.xmp, photo.xmp), XMP in it, EXIF

Files come from anywhere, so nothing here trusts them: every block is cut at a fixed size, every walk visits a
node once, and a block that cannot be read says nothing. No XML is parsed; a number is looked for.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward import pictures
from reward.checked import load_json, open_plain
from reward.errors import ImageError

MOST_TEXT = 1 << 20  # bytes of one block of metadata; what is longer is not read
MOST_PROMPT = 2000  # characters
MOST_NODES = 2000  # of a graph that are looked at
MOST_ENTRIES = 512  # of one EXIF directory
_RATING = re.compile(
    rb"\b(?:xmp|xap):Rating\s{0,9}(?:=\s{0,9}[\"']|>)\s{0,9}(-?\d{1,2}(?:\.\d{1,4})?)\s{0,9}[\"'<]"
)
_END = re.compile(r"^[ \t\r]{0,9}(?:Negative prompt:|Steps:\s{0,9}\d)", re.MULTILINE)
_TAG = re.compile(r"<[A-Za-z]{2,12}:[^<>]{0,200}>")  # <lora:ink:0.8>
_WEIGHT = re.compile(r"\(([^()]{1,400}):\d(?:\.\d{1,3})?\)")  # (golden hour:1.2)
_EXIF_RATING, _EXIF_MORE, _EXIF_COMMENT = 0x4746, 0x8769, 0x9286
_TEXTS = ("text", "text_g", "clip_l", "t5xxl", "prompt", "string", "value", "wildcard_text", "populated_text")
_LINKS = (
    *(
        "positive",
        "conditioning",
        "guider",
        "basic_pipe",
        "conditioning_1",
        "conditioning_to",
        "base_positive",
    ),
    *_TEXTS,
)


@dataclass(frozen=True)
class Embedded:
    """What was found; nothing where there was nothing that can be read."""

    prompt: str = ""
    stars: float | None = None  # 1 to 5; a picture that was marked as rejected has 1
    maker: str = ""  # whose prompt it is: "steer", "A1111", "ComfyUI", "InvokeAI"


def read_embedded(data: bytes, path: Path | None = None) -> Embedded:
    """What a picture says of itself, and what lies beside it at `path`. Raises nothing for bad metadata."""
    texts, xmp, exif = _blocks(data)
    entries = _exif(exif)
    stars = _sidecar(path) if path is not None else None
    if stars is None:
        stars = _xmp_stars(xmp)
    if stars is None:
        stars = _stars(entries.get(_EXIF_RATING))
    if comment := _comment(entries.get(_EXIF_COMMENT)):
        texts.setdefault("parameters", comment)
    for maker, read in (("steer", _steer), ("InvokeAI", _invoke), ("A1111", _a1111), ("ComfyUI", _comfy)):
        if prompt := _tidy(read(texts)):
            return Embedded(prompt, stars, maker)
    return Embedded("", stars)


def xmp_of(rating: float, prompt: str) -> str:
    """A sidecar: whole stars, the exact rating beside them, and the prompt as the description."""
    from html import escape

    described = f'<rdf:li xml:lang="x-default">{escape(_printable(prompt))}</rdf:li>'
    about = f"<dc:description><rdf:Alt>{described}</rdf:Alt></dc:description>" if prompt else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:steer="https://steer.invalid/ns/1.0/" '
        f'xmp:Rating="{round(rating)}" steer:Rating="{rating:g}">{about}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>\n"
        '<?xpacket end="w"?>\n'
    )


# --- blocks


def _blocks(data: bytes) -> tuple[dict[str, str], bytes, bytes]:
    """Texts by keyword, XMP and EXIF, none of them longer than is read."""
    try:
        with pictures.opened(data) as image:
            # A PNG may hold texts behind its pixels; `text` reads to the end of the file.
            found = {**image.info, **getattr(image, "text", {})}
    except ImageError:
        return {}, b"", b""
    texts = {
        str(key): text for key, text in found.items() if isinstance(text, str) and len(text) <= MOST_TEXT
    }
    xmp = found.get("xmp") or texts.get("XML:com.adobe.xmp", "")
    return texts, _bytes(xmp), _bytes(found.get("exif"))


def _bytes(block: Any) -> bytes:
    data = block.encode(errors="replace") if isinstance(block, str) else block
    return data if isinstance(data, bytes) and len(data) <= MOST_TEXT else b""


def _exif(block: bytes) -> dict[int, bytes]:
    """The raw values of the few entries that are of use. A reader of its own, because each is found once."""
    data = block.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    found: dict[int, bytes] = {}
    try:
        if order is not None:
            _, _, at = struct.unpack_from(f"{order}2sHI", data)
            _directory(data, order, at, found)
            if _EXIF_MORE in found:
                _directory(data, order, struct.unpack(f"{order}I", found[_EXIF_MORE][:4])[0], found)
            if _EXIF_RATING in found:
                found[_EXIF_RATING] = str(struct.unpack(f"{order}H", found[_EXIF_RATING][:2])[0]).encode()
    except struct.error:  # it ends in the middle
        found.pop(_EXIF_RATING, None)
    return found


def _directory(data: bytes, order: str, at: int, found: dict[int, bytes]) -> None:
    (count,) = struct.unpack_from(f"{order}H", data, at)
    for number in range(min(count, MOST_ENTRIES)):
        tag, kind, size = struct.unpack_from(f"{order}HHI", data, at + 2 + 12 * number)
        if tag not in (_EXIF_RATING, _EXIF_MORE, _EXIF_COMMENT) or tag in found:
            continue
        length = size * {3: 2, 4: 4}.get(kind, 1)
        place = at + 10 + 12 * number
        if length > 4:
            (place,) = struct.unpack_from(f"{order}I", data, place)
        found[tag] = data[place : place + max(length, 4 if length <= 4 else 0)]


def _comment(value: bytes | None) -> str:
    """EXIF's UserComment: eight bytes name its code."""
    if not value:
        return ""
    code, text = value[:8], value[8:]
    if code.startswith(b"UNICODE"):
        # By the standard in the file's order of bytes, by habit in the other: Latin letters have zeros first.
        big = text[0::2].count(0) >= text[1::2].count(0)
        return text.decode("utf-16-be" if big else "utf-16-le", "replace")
    return (text if code.startswith(b"ASCII") or not code.strip(b"\0") else value).decode("utf-8", "replace")


# --- stars


def _sidecar(path: Path) -> float | None:
    for beside in (path.with_name(f"{path.name}.xmp"), path.with_suffix(".xmp"), path.with_suffix(".XMP")):
        try:
            file = open_plain(beside, os.O_RDONLY)
        except OSError:
            continue
        with open(file, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
            stars = _xmp_stars(stream.read(MOST_TEXT))
        if stars is not None:
            return stars
    return None


def _xmp_stars(data: bytes) -> float | None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode()
    found = _RATING.search(data)
    return _stars(found[1]) if found else None


def _stars(text: bytes | None) -> float | None:
    """1 to 5; none for 0, which is "not rated"."""
    try:
        stars = float(text or b"0")
    except ValueError:
        return None
    if stars == -1:  # rejected
        return 1.0
    return stars if 1 <= stars <= 5 else None


# --- prompts


def _steer(texts: Mapping[str, str]) -> str:
    """The base prompt: what a score of such a picture is asked with."""
    found = _object(texts.get("steer"))
    return str(found.get("base_prompt") or "")


def _a1111(texts: Mapping[str, str]) -> str:
    text = texts.get("parameters", "")[: 4 * MOST_PROMPT]
    if text.lstrip().startswith("{"):  # of a program that writes JSON there
        found = _object(texts["parameters"])
        inner = found.get("sui_image_params")
        return str((inner if isinstance(inner, dict) else found).get("prompt") or "")
    end = _END.search(text)
    return text[: end.start()] if end else text


def _invoke(texts: Mapping[str, str]) -> str:
    found = _object(texts.get("invokeai_metadata"))
    if isinstance(prompt := found.get("positive_prompt"), str):
        return prompt
    image = _object(texts.get("sd-metadata")).get("image")
    prompt = image.get("prompt") if isinstance(image, dict) else None
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
        prompt = prompt[0].get("prompt")
    if isinstance(prompt, str):
        return prompt
    # `"a red fox" -s 50 -S 123`
    dream = texts.get("Dream", "")[: 4 * MOST_PROMPT]
    quoted = re.match(r'\s*"([^"]*)"', dream)
    return quoted[1] if quoted else dream.partition(" -")[0]


def _comfy(texts: Mapping[str, str]) -> str:
    """Follow what a sampler takes as positive, back to words."""
    graph = _object(texts.get("prompt"))
    nodes = {key: node for key, node in graph.items() if isinstance(node, dict)}
    samplers = [key for key, node in nodes.items() if "sampler" in str(node.get("class_type")).lower()]
    for start in samplers[:MOST_NODES]:
        if words := _words(nodes, start):
            return words
    return ""


def _words(nodes: Mapping[str, Mapping[str, Any]], start: str) -> str:
    open_, seen = [start], set[str]()
    while open_ and len(seen) < MOST_NODES:
        key = open_.pop(0)
        if key in seen or key not in nodes:
            continue
        seen.add(key)
        inputs = nodes[key].get("inputs")
        if not isinstance(inputs, dict):
            continue
        said = [inputs[name] for name in _TEXTS if isinstance(inputs.get(name), str)]
        if key != start and any(map(str.strip, said)):
            return str(max(said, key=len))
        for name in _LINKS:
            link = inputs.get(name)
            if isinstance(link, list) and link and isinstance(link[0], str | int):
                open_.append(str(link[0]))
    return ""


def _object(text: str | None) -> dict[str, Any]:
    if not text or len(text) > MOST_TEXT:
        return {}
    try:
        # ComfyUI writes NaN where a node has no value.
        found = load_json(text.encode(errors="replace").replace(b"NaN", b"null"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _tidy(prompt: str) -> str:
    """On one line, without what was written for the program that made the picture."""
    text = _printable(" ".join(prompt[: 4 * MOST_PROMPT].split()))[:MOST_PROMPT]
    for mark, instead in ((_TAG, ""), (_WEIGHT, r"\1")):
        text = mark.sub(instead, text)
    return " ".join(text.split()).strip(" ,")


def _printable(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable())

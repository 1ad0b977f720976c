"""Small pictures with the metadata that programs write."""

from __future__ import annotations

import io

from PIL import Image, PngImagePlugin

PICTURE = Image.new("RGB", (8, 8), "teal")
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {} xmp:Label="x">{}</rdf:Description></x:xmpmeta>'


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_itxt(key.replace("_xmp", "XML:com.adobe.xmp"), text, zip=len(text) > 10_000)
    file = io.BytesIO()
    PICTURE.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def jpeg(**options: bytes) -> bytes:
    file = io.BytesIO()
    PICTURE.save(file, "JPEG", **options)
    return file.getvalue()


def exif(stars: int | None = None, comment: bytes | None = None) -> bytes:
    made = Image.Exif()
    if stars is not None:
        made[0x4746] = stars
    if comment is not None:
        made.get_ifd(0x8769)[0x9286] = comment
    return made.tobytes()


A1111 = (
    "red rocks, <lora:ink:0.8> (golden hour:1.2)\nNegative prompt: neon\nSteps: 20, Sampler: Euler, Seed: 3"
)
COMFY = {
    "3": {"class_type": "KSampler", "inputs": {"positive": ["8", 0], "negative": ["7", 0], "seed": 1}},
    "7": {
        "class_type": "CLIPTextEncode",
        "inputs": {"text": "blurry, a much longer text than the other one"},
    },
    "8": {"class_type": "FluxGuidance", "inputs": {"conditioning": ["6", 0], "guidance": 3.5}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["9", 0]}},
    "9": {"class_type": "PrimitiveString", "inputs": {"value": "red rocks"}},
}

"""Pictures tell the prompt they were made from and their stars; whatever else is in them costs nothing."""

from __future__ import annotations

import json
import struct

import pytest
from fuzz_metadata import fuzz
from metadata_pictures import A1111, COMFY, XMP, exif, jpeg, png

from steer.profiles.metadata import MOST_TEXT, Embedded, read_embedded, xmp_of


@pytest.mark.parametrize(
    ("data", "prompt", "maker"),
    [
        (png(parameters=A1111), "red rocks, golden hour", "A1111"),
        (png(parameters="red rocks"), "red rocks", "A1111"),
        (png(prompt=json.dumps(COMFY)), "red rocks", "ComfyUI"),
        (png(prompt=json.dumps(COMFY).replace("3.5", "NaN")), "red rocks", "ComfyUI"),
        (png(invokeai_metadata='{"positive_prompt": "red rocks"}'), "red rocks", "InvokeAI"),
        (png(**{"sd-metadata": '{"image": {"prompt": [{"prompt": "red rocks"}]}}'}), "red rocks", "InvokeAI"),
        (png(Dream='"red rocks" -s 50 -S 7'), "red rocks", "InvokeAI"),
        (
            png(steer='{"base_prompt": "rocks", "prompt": "rocks, fog"}', parameters="rocks, fog"),
            "rocks",
            "steer",
        ),
        (
            jpeg(exif=exif(comment=b"UNICODE\0" + A1111.encode("utf-16-be"))),
            "red rocks, golden hour",
            "A1111",
        ),
        (
            jpeg(exif=exif(comment=b"UNICODE\0" + A1111.encode("utf-16-le"))),
            "red rocks, golden hour",
            "A1111",
        ),
        (jpeg(exif=exif(comment=b"ASCII\0\0\0red rocks\nSteps: 4")), "red rocks", "A1111"),
    ],
)
def test_the_prompt_is_read_as_its_program_wrote_it(data, prompt, maker):
    found = read_embedded(data)
    assert (found.prompt, found.maker) == (prompt, maker)


@pytest.mark.parametrize(
    ("data", "stars"),
    [
        (png(_xmp=XMP.format('xmp:Rating="4"', "")), 4.0),
        (png(_xmp=XMP.format("", "<xmp:Rating>2</xmp:Rating>")), 2.0),
        (png(_xmp=XMP.format('xmp:Rating="-1"', "")), 1.0),
        (png(_xmp=XMP.format('xmp:Rating="0"', "")), None),
        (jpeg(xmp=XMP.format('xmp:Rating="5"', "").encode()), 5.0),
        (jpeg(exif=exif(3)), 3.0),
        (jpeg(exif=exif(0)), None),
        (jpeg(exif=exif(900)), None),
        (jpeg(), None),
    ],
)
def test_stars_are_those_of_xmp_or_exif(data, stars):
    assert read_embedded(data).stars == stars


def test_what_lies_beside_a_picture_goes_before_what_is_in_it(tmp_path):
    path = tmp_path / "a.jpg"
    for name in ("a.xmp", "a.jpg.xmp"):
        (tmp_path / name).write_text(XMP.format('xmp:Rating="2"', ""))
        assert read_embedded(jpeg(exif=exif(5)), path).stars == 2.0
        (tmp_path / name).unlink()
    assert read_embedded(jpeg(exif=exif(5)), path).stars == 5.0
    (tmp_path / "a.xmp").write_bytes(XMP.format('xmp:Rating="3"', "").encode("utf-16"))
    assert read_embedded(jpeg(), path).stars == 3.0


def test_stars_that_go_out_come_in_again(tmp_path):
    (tmp_path / "a.xmp").write_text(xmp_of(3.6, "rocks & <fog>"), encoding="utf-8")
    assert read_embedded(jpeg(), tmp_path / "a.png").stars == 4.0


def test_a_graph_in_a_circle_or_too_deep_says_nothing():
    circle = {"1": {"class_type": "KSampler", "inputs": {"positive": ["2", 0]}}}
    circle |= {"2": {"class_type": "X", "inputs": {"conditioning": ["1", 0], "positive": ["2", 0]}}}
    for text in (json.dumps(circle), "[" * 100_000, '{"a":' * 50_000, "{}", "null", "\x00"):
        assert read_embedded(png(prompt=text)) == Embedded()


def test_a_block_beyond_bounds_is_not_read():
    long = "x" * (MOST_TEXT + 1)
    assert read_embedded(png(parameters=long)).prompt == ""
    assert len(read_embedded(png(parameters="rocks " * 50_000)).prompt) <= 2000


def test_directories_that_point_anywhere_end():
    head = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 60_000)
    hostile = head + struct.pack("<HHII", 0x8769, 4, 1, 8) * 60_000
    for block in (hostile[:60_000], head, b"Exif\0\0MM", b"Exif\0\0II*\0\xff\xff\xff\xff"):
        assert read_embedded(jpeg(exif=block)).stars is None


def test_whatever_is_broken_is_read_or_not_and_soon():
    assert fuzz(150, 3)["told"] > 20

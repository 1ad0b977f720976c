"""One reader of pictures: the same pixels for everyone, one error, no program started."""

from __future__ import annotations

import io
import os

import fuzz_pictures
import numpy as np
import pytest
from PIL import Image, features

from reward import pictures
from reward.errors import ImageError
from reward.pictures import FORMATS, pixels_key, read_image

GREY = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16) + 7


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def turned(format: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    image = Image.new("RGB", (16, 32), "red")
    image.paste("blue", (0, 0, 16, 16))
    return saved(image, format, exif=exif)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read_from_a_file_from_bytes_and_opened_alike(format, tmp_path):
    assert format != "AVIF" or features.check("avif")
    data = saved(Image.radial_gradient("L").resize((40, 30)).convert("RGB"), format)
    (tmp_path / "a.png").write_bytes(data)  # whatever it is called
    shown = [read_image(data), read_image(tmp_path / "a.png"), read_image(Image.open(io.BytesIO(data)))]
    for image in shown:
        assert image.mode == "RGB" and image.size == (40, 30) and image.tobytes() == shown[0].tobytes()


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "GIF"])
def test_a_turned_picture_is_upright_and_stays_so_when_it_is_read_again(format):
    image = read_image(turned(format))
    left, right = image.getpixel((4, 8)), image.getpixel((28, 8))
    assert image.size == (32, 16) and left[0] > 200 > left[2] and right[2] > 200 > right[0]
    assert read_image(image).tobytes() == image.tobytes() and not image.info


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode):
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    shown = read_image(saved(image.quantize(2) if mode == "P" else image.convert(mode)))
    assert shown.getpixel((0, 0)) == (255, 255, 255) and shown.getpixel((1, 0)) == (0, 0, 0)


def test_a_transparent_picture_in_memory_is_on_white_too():
    assert read_image(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_of_grey_are_scaled_to_eight():
    shown = np.asarray(read_image(saved(Image.fromarray(GREY))))
    assert (shown == (GREY >> 8)[..., None]).all()
    shown = np.asarray(read_image(saved(Image.fromarray(GREY), transparency=int(GREY[2, 3]))))
    assert shown[2, 3].tolist() == [255] * 3 and shown[2, 4].tolist() == [36] * 3


def test_a_picture_of_four_inks_and_one_of_two_frames_are_read():
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    assert read_image(saved(red.convert("CMYK"), "JPEG")).getpixel((4, 4))[0] > 200
    for format in ("GIF", "WEBP", "PNG", "AVIF", "MPO"):
        data = saved(red, format, save_all=True, append_images=[blue])
        assert read_image(data).getpixel((4, 4))[0] > 200


@pytest.mark.parametrize("format", FORMATS)
def test_a_torn_file_is_refused_wherever_it_was_torn(format):
    data = saved(Image.effect_noise((32, 32), 90).convert("RGB"), format)
    for kept in (0, 10, 40, len(data) // 2, len(data) - 8):
        with pytest.raises(ImageError, match="no whole PNG, JPEG, WebP, GIF or AVIF picture: name another"):
            read_image(data[:kept])


def test_a_format_for_which_pillow_starts_a_program_is_refused_whatever_it_is_called(tmp_path, monkeypatch):
    started = tmp_path / "started"
    gs = tmp_path / "gs"
    gs.write_text(f"#!/bin/sh\ntouch {started}\n")
    gs.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    (tmp_path / "r00c00.png").write_bytes(saved(Image.new("RGB", (8, 8)), "EPS"))
    with pytest.raises(ImageError, match=r"r00c00\.png is no whole PNG"):
        read_image(tmp_path / "r00c00.png")
    assert not started.exists()


def test_what_is_no_file_or_too_large_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    for name, complaint in (("pipe.png", "not a file"), ("none.png", "No such file"), (".", "not a file")):
        with pytest.raises(ImageError, match=f"cannot read .*{complaint}.*; name another"):
            read_image(tmp_path / name)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 63)
    with pytest.raises(ImageError, match="this is 8x8 pixels, too many"):
        read_image(saved(Image.new("L", (8, 8))))
    bomb = saved(Image.new("1", (20_000, 10_000)))
    with pytest.raises(ImageError, match="too many"):
        read_image(bomb)
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)
    with pytest.raises(ImageError, match="larger than"):
        read_image(bomb)


def test_a_broken_block_of_metadata_costs_no_picture():
    data = saved(Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\0\0" + b"nonsense" * 4)
    assert read_image(data).getpixel((4, 4))[0] > 200


def test_stored_features_stay_valid_where_the_pixels_did_not_change(tmp_path):
    opaque = Image.new("RGBA", (4, 4), (9, 9, 9, 255))
    clear = Image.new("RGBA", (4, 4), (9, 9, 9, 0))
    plain = [saved(Image.new(mode, (4, 4))) for mode in ("RGB", "L", "P", "1")] + [saved(opaque)]
    plain.append(saved(Image.new("CMYK", (4, 4)), "JPEG"))
    other = [saved(clear), saved(Image.fromarray(GREY)), *(turned(f) for f in ("PNG", "JPEG", "WEBP"))]
    for data, marked in [*((data, False) for data in plain), *((data, True) for data in other)]:
        (tmp_path / "a").write_bytes(data)
        assert pixels_key(tmp_path / "a").endswith("-seen") == marked


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_broken_pictures_are_read_or_refused_by_one_error_and_soon():
    wholes = fuzz_pictures.whole_pictures()
    assert {name.split()[0] for name, _ in wholes} == {*FORMATS, "MPO"}
    assert all(read_image(data).size in ((32, 24), (24, 32)) for _, data in wholes)
    for name, data, came, seconds in fuzz_pictures.fuzz(220, seed=9):
        assert came in ("read", "refused") and seconds < fuzz_pictures.SLOW, f"{name} {came}: {data.hex()}"

"""A sheet of pictures for someone who has not read the painter, and the marking of their answers.

    python benchmarks/looks.py sheets --out benchmarks/looks
    python benchmarks/looks.py mark --answers ANSWERS.json

21 uncaptioned paintings; name lighting, angle, palette and style of each from lists of 5. The key is written
beside the sheet.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import write_json
from PIL import Image, ImageDraw, ImageFont

from steer.sandbox.painter import paint
from steer.sandbox.scene import LIGHTING_LOOK, PALETTE_LOOK, SUBJECTS, draw

CHOICES = {
    "lighting": ("midday", "golden", "moonlight", "dramatic", "neon"),
    "angle": ("low", "eye", "high", "overhead", "tilted"),
    "palette": ("warm", "cool", "pastel", "vivid", "mono"),
    "style": ("photo", "oil", "watercolor", "ink", "cubism"),
}
PAINTINGS = 21
SEED = 20263
TILE = 320


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    sheets = commands.add_parser("sheets")
    sheets.add_argument("--out", type=Path, default=Path(__file__).parent / "looks")
    mark = commands.add_parser("mark")
    mark.add_argument("--answers", type=Path, required=True)
    mark.add_argument("--key", type=Path, default=Path(__file__).parent / "looks" / "key.json")
    args = parser.parse_args()
    if args.command == "sheets":
        make(args.out)
    else:
        print(
            json.dumps(
                marked(json.loads(args.answers.read_text()), json.loads(args.key.read_text())), indent=1
            )
        )


def make(out: Path) -> None:
    """Write sheet-1.jpg and key.json."""
    rng = np.random.default_rng(SEED)
    key, pictures = [], []
    decks = {axis: list(rng.permutation(values * 5)[:PAINTINGS]) for axis, values in CHOICES.items()}
    for i in range(PAINTINGS):
        truth = {axis: str(decks[axis][i]) for axis in CHOICES}
        brightness, warmth, contrast, saturation = LIGHTING_LOOK[truth["lighting"]]
        d_warmth, d_saturation, d_brightness = PALETTE_LOOK[truth["palette"]]
        scene = draw(
            rng,
            subject=list(SUBJECTS)[int(rng.integers(len(SUBJECTS)))],
            material="plain",
            ground=str(rng.choice(["grass", "sand", "rock", "street"])),
            weather="clear",
            distance=0.35,
            place=0.0,
            haze=0.2,
            dof=0.1,
            detail=0.5,
            strength=0.7,
            brightness=float(np.clip(brightness + d_brightness, 0, 1)),
            warmth=float(np.clip(warmth + d_warmth, -1, 1)),
            contrast=contrast,
            saturation=float(np.clip(saturation + d_saturation, 0, 1)),
            **truth,
        )
        pictures.append(Image.fromarray(paint(replace(scene, count=1))))
        key.append(truth)
    out.mkdir(parents=True, exist_ok=True)
    sheet(pictures, [str(i + 1) for i in range(PAINTINGS)], 7).save(out / "sheet-1.jpg", quality=88)
    write_json(out / "key.json", key)


def sheet(pictures: list[Image.Image], labels: list[str], columns: int) -> Image.Image:
    """A grid of numbered pictures."""
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * TILE, rows * (TILE + 26)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(18)
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        x, y = i % columns * TILE, i // columns * (TILE + 26)
        page.paste(picture.resize((TILE - 6, TILE - 6), Image.Resampling.LANCZOS), (x + 3, y + 26))
        pen.text((x + 6, y + 3), label, "black", font)
    return page


def marked(answers: list[dict[str, str]], key: list[dict[str, str]]) -> dict[str, float]:
    """Share of right answers for each axis."""
    return {
        axis: round(float(np.mean([a[axis] == k[axis] for a, k in zip(answers, key, strict=True)])), 3)
        for axis in CHOICES
    }


if __name__ == "__main__":
    main()

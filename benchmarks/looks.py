"""Sheets of pictures for someone who has not read the painter, and the marking of their answers.

    python benchmarks/looks.py paintings
    python benchmarks/looks.py winners --runs runs/steering
    python benchmarks/looks.py mark --sheet 1 --answers ANSWERS.json

Sheet 1: 21 uncaptioned paintings; name lighting, angle, palette and style of each from lists of 5.
Sheet 2: the winners of the two of the steering benchmark's people whose tastes are most opposed, by the
predictor's ratings of that benchmark's pictures. Two winners of each are marked A and B, 20 more, from 10
other prompts, are numbered; say of each whose it is. The keys are written beside the sheets.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import write_json
from PIL import Image, ImageDraw, ImageFont
from steering import SIZE, USERS

from steer.experiments.lab import Lab, open_lab
from steer.sandbox.paint.painter import paint
from steer.sandbox.scene import LIGHTING_LOOK, PALETTE_LOOK, SUBJECTS, draw
from steer.settings import Settings

OUT = Path(__file__).parent / "looks"

CHOICES = {
    "lighting": ("midday", "golden", "moonlight", "dramatic", "neon"),
    "angle": ("low", "eye", "high", "overhead", "tilted"),
    "palette": ("warm", "cool", "pastel", "vivid", "mono"),
    "style": ("photo", "oil", "watercolor", "ink", "cubism"),
}
PAINTINGS = 21
MARKED, ASKED = 2, 10  # winners of each person whose owner is given, and asked for
SEED = 20263
TILE = 320


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("paintings")
    owners = commands.add_parser("winners")
    owners.add_argument("--runs", type=Path, default=Path("runs/steering"))
    mark = commands.add_parser("mark")
    mark.add_argument("--sheet", type=int, choices=(1, 2), required=True)
    mark.add_argument("--answers", type=Path, required=True)
    args = parser.parse_args()
    if args.command == "paintings":
        paintings(OUT)
    elif args.command == "winners":
        winners(args.runs, OUT)
    else:
        key = json.loads((OUT / f"key-{args.sheet}.json").read_text())
        print(json.dumps(marked(json.loads(args.answers.read_text()), key), indent=1))


def paintings(out: Path) -> None:
    """Write sheet-1.jpg and key-1.json."""
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
    write_json(out / "key-1.json", key)


def winners(runs: Path, out: Path) -> None:
    """Write sheet-2.jpg and key-2.json; runs that are not in the folder yet are made."""
    bench = open_lab(runs, size=SIZE)
    prompts = bench.plan.prompts[: MARKED + ASKED]
    first, second = opposed(bench, prompts[0])
    rng = np.random.default_rng(SEED)
    pictures: dict[str, list[Image.Image]] = {"A": [], "B": []}
    for owner, user in zip("AB", (first, second), strict=True):
        for prompt in prompts:
            record = bench.run(bench.personal(user), prompt, Settings())
            won = str(record.result["best"]["prompt"])
            pictures[owner] += bench.renderer.render([won], [Settings().seed])
    asked = [(owner, i) for owner in "AB" for i in range(MARKED, MARKED + ASKED)]
    asked = [asked[i] for i in rng.permutation(len(asked))]
    shown = [(owner, i) for owner in "AB" for i in range(MARKED)] + asked
    labels = ["A"] * MARKED + ["B"] * MARKED + [str(i + 1) for i in range(len(asked))]
    sheet([pictures[owner][i] for owner, i in shown], labels, 6).save(out / "sheet-2.jpg", quality=88)
    write_json(out / "key-2.json", [{"owner": owner} for owner, _ in asked])
    print(f"A is user {first}, B is user {second}")


def opposed(bench: Lab, prompt: str) -> tuple[str, str]:
    """The two people whose ratings of the population's candidates, less everyone's mean, agree least."""
    crowd = bench.run(bench.population(), prompt, Settings())
    shown = [c.prompt for c in crowd.candidates if c.score is not None]
    images = list(bench.renderer.render(shown, [Settings().seed] * len(shown)))
    people = [bench.predictor.person(user) for user in bench.users[:USERS]]
    ratings = bench.predictor.score_people(images, prompt, people)
    agreement = np.corrcoef(ratings - ratings.mean(0))
    first, second = np.unravel_index(agreement.argmin(), agreement.shape)
    return bench.users[int(first)], bench.users[int(second)]


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
    """Share of right answers for each question that the key has."""
    return {
        question: round(
            float(np.mean([a[question] == k[question] for a, k in zip(answers, key, strict=True)])), 3
        )
        for question in key[0]
    }


if __name__ == "__main__":
    main()

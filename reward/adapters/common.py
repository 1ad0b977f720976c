"""What the adapters share: read a list of images, score those that are missing, write the CSV file.

Standard library only, because every adapter runs under other versions of everything else. Reads
`image,path,prompt`, writes `image,scorer,score`. Every batch is on disk before the next one starts, so a
killed run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

COLUMNS = ["image", "scorer", "score"]
IMAGE_COLUMNS = ["image", "path", "prompt"]
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")  # for others Pillow may start programs

Score = Callable[[Sequence[str], Sequence[str]], Sequence[float]]  # paths, prompts -> one score for each


def arguments(description: str, remote_code: bool = False) -> argparse.ArgumentParser:
    """The options that every adapter has; `remote_code` adds those of a model that brings its own code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("images", type=Path, help="CSV file with the columns image,path,prompt")
    parser.add_argument("scores", type=Path, help="CSV file to write or go on with: image,scorer,score")
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--batch", type=int, default=8, help="images at a time, where the scorer can")
    if remote_code:
        parser.add_argument(
            "--trust-remote-code", action="store_true", help="run the Python code that comes with the model"
        )
        parser.add_argument("--revision", default="", help="commit of the model, 40 hexadecimal digits")
    return parser


def pinned(options: argparse.Namespace) -> str:
    """The commit whose code may run. Exits where the permission or the commit is missing."""
    if not options.trust_remote_code:
        raise SystemExit("this model brings its own code: read it, then add --trust-remote-code")
    if not re.fullmatch(r"[0-9a-f]{40}", options.revision):
        raise SystemExit("name the commit whose code you have read: --revision, 40 hexadecimal digits")
    return str(options.revision)


def run(scorer: str, options: argparse.Namespace, load: Callable[[], Score]) -> None:
    """Score what is missing. The model is loaded only if something is."""
    done = finished(options.scores, scorer)
    rows = [row for row in read_images(options.images) if row["image"] not in done]
    print(f"{scorer}: {len(rows)} images to score, {len(done)} done before", file=sys.stderr)
    if not rows:
        return
    score = load()
    fresh = not options.scores.exists() or not options.scores.stat().st_size
    with options.scores.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(COLUMNS)
        for start in range(0, len(rows), options.batch):
            batch = rows[start : start + options.batch]
            scores = score([row["path"] for row in batch], [row["prompt"] for row in batch])
            for row, value in zip(batch, scores, strict=True):
                if not math.isfinite(value):
                    raise SystemExit(f"{scorer} gave {row['image']} the score {value}: is the image whole?")
                writer.writerow([row["image"], scorer, repr(float(value))])
            file.flush()
            print(f"{scorer}: {start + len(batch)}/{len(rows)}", file=sys.stderr)


def read_images(file: Path) -> list[dict[str, str]]:
    """Rows of the list, whose files must exist."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        if reader.fieldnames != IMAGE_COLUMNS:
            raise SystemExit(f"{file} must have the columns {','.join(IMAGE_COLUMNS)}")
        rows = list({row["image"]: row for row in reader}.values())
    missing = [row["path"] for row in rows if not Path(row["path"]).is_file()]
    if missing:
        raise SystemExit(f"{len(missing)} images are missing, first {missing[0]}")
    return rows


def finished(file: Path, scorer: str) -> set[str]:
    """Images that have a score; a line torn by a kill is cut off."""
    if not file.exists():
        return set()
    text = file.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        file.write_text(text[: text.rfind("\n") + 1], encoding="utf-8", newline="")
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if reader.fieldnames not in (None, COLUMNS):
            raise SystemExit(f"{file} must have the columns {','.join(COLUMNS)}")
        return {row["image"] for row in reader if row["scorer"] == scorer}

# /// script
# requires-python = ">=3.10"
# dependencies = ["unified-iaa==0.1.1"]
# ///
"""PIAA-MIR and PIAA-ICI for the people of PARA: personal scores, as released in Unified_IAA. Not run here.

    python piaa.py pairs.csv PARA-UserInfo.csv scores.csv --weights FOLDER --task mir

`pairs.csv`: user,image,path, one row for each rating to predict; `scores.csv`: user,image,scorer,score.
FOLDER is a copy of the released one, with `models/` and `inference/`. Its weights are pickles: read what they
run before you load them.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from pathlib import Path

PAIRS = ["user", "image", "path"]
COLUMNS = ["user", "image", "scorer", "score"]
DEMOGRAPHICS = ["age", "gender", "EducationalLevel", "artExperience", "photographyExperience"]
BIG5 = [f"personality-{letter}" for letter in "EANOC"]
TASKS = ("mir", "ici")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("pairs", type=Path, help="CSV file with the columns user,image,path")
parser.add_argument("people", type=Path, help="PARA-UserInfo.csv")
parser.add_argument("scores", type=Path, help="CSV file to write or go on with: user,image,scorer,score")
parser.add_argument("--weights", type=Path, required=True, help="a copy of the released folder")
parser.add_argument("--task", choices=TASKS, default="mir")
parser.add_argument("--backbone", default="vit_small_patch16_224", help="as in the names of the weights")


def rows_of(file: Path, columns: list[str], some_more: bool = False) -> list[dict[str, str]]:
    """Rows of a file that has these columns, and no others unless `some_more`."""
    if not file.is_file():
        raise SystemExit(f"{file} is not there")
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        names = reader.fieldnames or []
        if not set(columns) <= set(names) if some_more else list(names) != columns:
            raise SystemExit(f"{file} must have the columns {','.join(columns)}")
        return list(reader)


def checked_weights(folder: Path, task: str, backbone: str) -> None:
    """Exits where the released layout is not there."""
    found = list((folder / "models").glob(f"best_model_{backbone}_piaa{task}_*.pth"))
    if len(found) != 1:
        raise SystemExit(
            f"{folder} holds {len(found)} weights models/best_model_{backbone}_piaa{task}_*.pth, one is "
            "needed: fetch stupidog04/Unified_IAA from the hub, or name another --backbone"
        )


def main() -> None:
    options = parser.parse_args()
    scorer = f"piaa-{options.task}"
    people = {row["userId"]: row for row in rows_of(options.people, ["userId", *DEMOGRAPHICS, *BIG5], True)}
    pairs = rows_of(options.pairs, PAIRS)
    if strangers := {row["user"] for row in pairs} - people.keys():
        raise SystemExit(f"{len(strangers)} people are not in {options.people}, first {min(strangers)}")
    fresh = not options.scores.is_file() or not options.scores.stat().st_size
    done = set() if fresh else {
        (row["user"], row["image"]) for row in rows_of(options.scores, COLUMNS) if row["scorer"] == scorer
    }  # fmt: skip
    left = [row for row in pairs if (row["user"], row["image"]) not in done]
    print(f"{scorer}: {len(left)} ratings to predict, {len(done)} done before", file=sys.stderr)
    if not left:
        return
    checked_weights(options.weights, options.task, options.backbone)
    try:
        from unified_iaa import UnifiedIAA
    except ImportError:
        raise SystemExit(
            "unified_iaa is not here: pip install unified-iaa==0.1.1, in an own environment"
        ) from None
    model = UnifiedIAA.from_pretrained(str(options.weights))
    with options.scores.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(COLUMNS)
        for row in left:
            person = people[row["user"]]
            score = float(
                model.predict_piaa(
                    image=row["path"],
                    demographics={name: person[name] for name in DEMOGRAPHICS},
                    big5={name: int(float(person[name])) for name in BIG5},
                    task=options.task,
                    backbone=options.backbone,
                )
            )
            if not math.isfinite(score):
                raise SystemExit(f"{scorer} gave {row['image']} the score {score}: is the image whole?")
            writer.writerow([row["user"], row["image"], scorer, repr(score)])
            file.flush()


if __name__ == "__main__":
    main()

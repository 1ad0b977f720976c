"""An own data set: a CSV file of ratings from 0 to 10 beside a folder of pictures, as one table to train on.

python examples/own_dataset.py FOLDER OUT      # FOLDER/ratings.csv: person, age, image, rating
steer reward train OUT --out weights
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from reward.data.dataset import Dataset, ImageRecord, Ratings, UserRecord
from reward.data.prepare import check_images
from reward.data.splits import shuffled
from reward.data.table import write_table


def load_ratings(folder: Path) -> Dataset:
    """Read the folder. Raises DatasetError, naming the row, for a rating that is none."""
    with (folder / "ratings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    images = shuffled({row["image"] for row in rows})  # in an order that chance, not the file, decided
    held_out = set(images[: len(images) // 5])
    validation = set(images[len(images) // 5 : 2 * len(images) // 5])

    ratings = Ratings(bounds=(0, 10))  # least and greatest rating as released; they become 1 and 5
    for number, row in enumerate(rows, start=2):
        image = row["image"]
        split = "test_seen" if image in held_out else "val_seen" if image in validation else "train"
        ratings.add(row["person"], image, split, row["rating"], f"ratings.csv:{number}")

    # Demographics in the one vocabulary of docs/datasets.md; what is not known is left out.
    people = {row["person"]: UserRecord({"age": int(row["age"])}, dict(row)) for row in rows}
    pictures = {image: ImageRecord(image, folder / "images" / image, {}) for image in ratings.images}
    return ratings.dataset(folder, "mine", people, pictures, prefix=True)


if __name__ == "__main__":
    dataset = load_ratings(Path(sys.argv[1]))
    check_images(dataset.image_paths)
    write_table(dataset, Path(sys.argv[2]) / "ratings.parquet")
    counts = len(dataset.scores), len(dataset.image_ids), len(dataset.user_ids)
    print("{} ratings of {} pictures by {} people".format(*counts))

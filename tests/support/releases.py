"""The three data sets as their releases are described, small, with the exact headers and every nasty row."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

SPLITS = ("train", "val_seen", "val_unseen", "test_seen", "test_unseen")

LAPIS_HEADER = (
    *("image_id", "image_filename", "rating", "response time", "participant_id", "age", "nationality"),
    *("demo_gender", "demo_edu", "demo_colorblind", "Art Interest VAIAK", "imgs_known", "artist", "title"),
    *("genre", "style", "4_styles", "2_styles"),
)
GIAA_HEADER = (
    *("image_id", "min_response", "max_response", "mean_response", "std_response", "number of raters"),
    *("image_filename", "artist", "title", "genre", "style", "4_styles", "2_styles", "mean_response_bin"),
)
ATTRIBUTES_HEADER = ("image_filename", "Image size (pixels)", "Aspect ratio", "RMS contrast", "Variability")
PARA_HEADER = (
    *("sessionId", "imageName", "userId", "aestheticScore", "qualityScore", "compositionScore", "colorScore"),
    *("dofScore", "contentScore", "lightScore", "isObjectEmphasis", "imgEmotion", "difficultyOfJudgment"),
    *("contentPreference", "willingnessToShare", "semantic"),
)
PARA_PERSON = (
    *("userId", "age", "gender", "EducationalLevel", "artExperience", "photographyExperience"),
    *("personality-E", "personality-A", "personality-N", "personality-O", "personality-C"),
)
PARA_GIAA = ("imageName", "sessionId", "semantic", "aestheticScore_1.0", "aestheticScore_mean")

Row = dict[str, Any]


def picture(path: Path, shade: int = 128) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (shade % 256, 90, 60)).save(path)


def table(header: Sequence[str], rows: Sequence[Mapping[str, Any]], encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


# ---- PAMELA ----


def pamela_rows() -> dict[str, list[Row]]:
    """Six people and six images; a null style, null and blank demographics, and fields nobody knows."""
    art = {"prompt": "mossy rocks", "group": "still life", "style": "Pop_Art", "type": "Art", "seed": 7}
    photo = {"prompt": "a red car", "group": "automotive", "style": None, "type": "Photorealism"}
    people: list[Any] = [
        {"age": 34, "age_binned": "26-35", "gender": "female", "nationality": "Peru"},
        {"age": "41", "gender": " ", "nationality": None},
        None,
        {"age": 19, "gender": "prefer not to say", "nationality": "Ghana"},
        {"age": 60, "gender": "male", "nationality": "Japan"},
        {"age": 25, "gender": "male", "nationality": "Japan"},
    ]

    def row(user: int, image: int, score: float, **more: Any) -> Row:
        return {
            "participant_id": f"p{user + 1}",
            "original_score": score,
            "image_id": image,
            "image_path": f"images/art/{image:03d}.png",
            "image_metadata": photo if image % 2 else art,
            "user_demographics": people[user],
            **more,
        }

    return {
        "train": [row(u, i, 1.5 + u / 2 + i / 3, emotion="awe") for u in range(4) for i in range(2)],
        "val_seen": [row(u, 2, 4.37, normalised=0.5) for u in range(4)],
        "val_unseen": [row(4, i, 1.0 + i) for i in (2, 3)],
        "test_seen": [row(u, 4, 5.0) for u in range(4)],
        "test_unseen": [row(5, i, i - 0.5) for i in (4, 5)],
    }


def write_pamela(root: Path) -> Path:
    for split, rows in pamela_rows().items():
        write(root / "annotations" / f"pamela_{split}.json", json.dumps(rows).encode())
    for i in range(6):
        picture(root / "images" / "art" / f"{i:03d}.png", i * 40)
    return root


def zip_pamela(path: Path, extra: Mapping[str, bytes] | None = None) -> Path:
    """PAMELA.zip as released, everything under PAMELA/, and what macOS adds."""
    folder = write_pamela(path.parent / "made" / "PAMELA")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
        archive.writestr("__MACOSX/._PAMELA", b"junk")
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return path


# ---- LAPIS ----

LAPIS_IMAGES = ("van_gogh_stars.jpg", "café_münter.jpg", "mondrian_1.jpg", "kahlo, self.jpg", "turner.jpg")
LAPIS_PARTS = ("train", "train", "val", "test", "test")


def lapis_rows(people: int = 16) -> list[Row]:
    """Everyone rates every image; person 3 told nothing, imgs_known went through a spreadsheet."""
    rows = []
    for user in range(1, people + 1):
        known = {
            "age": f"{20 + user}.0",
            "nationality": "south africa",
            "demo_gender": "non-binary",
            "demo_edu": "Bachelor's or equivalent",
            "demo_colorblind": "Yes, but I still perceive colors" if user == 2 else "No",
            "Art Interest VAIAK": "2.909",
        }
        for i, name in enumerate(LAPIS_IMAGES):
            rows.append(
                {
                    "image_id": 100 + i,
                    "image_filename": name,
                    "rating": (user * 13 + i * 25) % 101,
                    "response time": 1234.5,
                    "participant_id": user,
                    "imgs_known": "01-Oct",
                    "artist": "André Ünver",
                    "title": "Ciel étoilé" if i else "",
                    "genre": "landscape",
                    "style": "Post_Impressionism",
                    "4_styles": "early",
                    "2_styles": "FIGURATIVE",
                    **({} if user == 3 else known),
                }
            )
    return rows


def write_lapis(root: Path, rows: list[Row] | None = None, encoding: str = "latin-1") -> Path:
    """The distributed layout, with a repeated row, an exported index column and a blank row of attributes."""
    rows = lapis_rows() if rows is None else rows
    rows = [*rows, rows[0] | {"rating": 99}]
    annotation = root / "annotation"
    write(annotation / "LAPIS_PIAA.csv", table(LAPIS_HEADER, rows, encoding))
    for part in ("train", "val", "test"):
        listed = [
            {"": i, "image_id": 100 + i, "image_filename": name, "mean_response": 50}
            for i, (name, where) in enumerate(zip(LAPIS_IMAGES, LAPIS_PARTS, strict=True))
            if where == part
        ]
        write(annotation / f"LAPIS_GIAA_{part.title()}split.csv", table(("", *GIAA_HEADER), listed, encoding))
    measured = [dict.fromkeys(ATTRIBUTES_HEADER, 0.5) | {"image_filename": image} for image in LAPIS_IMAGES]
    measured.insert(2, {})
    write(annotation / "ImgAttributes_LAPIS.csv", table(ATTRIBUTES_HEADER, measured, encoding))
    for i, name in enumerate(LAPIS_IMAGES):
        picture(root / "images" / name, i * 50)
    return root


def write_lapis_internal(root: Path) -> Path:
    """The older layout: the style before the name, eleven items of art interest, lists of names."""
    items = [*(f"VAIAK{i}" for i in range(1, 8)), *(f"2VAIAK{i}" for i in range(1, 5))]
    header = ("file", "image_id", "response", "participant_id", "age", "nationality", "demo_gender")
    rows = [
        {
            "file": f"{row['style']}/{row['image_filename']}",
            "response": row["rating"],
            **{
                name: row.get(name, "") for name in (*header[1:2], *header[3:], "demo_edu", "demo_colorblind")
            },
            **{name: "" if row["participant_id"] == 3 else n % 7 for n, name in enumerate(items)},
        }
        for row in lapis_rows()
    ]
    data = table((*header, "demo_edu", "demo_colorblind", *items), rows)
    write(root / "annotation" / "LAPIS_individualratings_metaANDdemodata.csv", data)
    measured = [{"img_file": name, "Aspect ratio": 1.5} for name in LAPIS_IMAGES]
    write(root / "annotation" / "QIP_LAPIS.csv", table(("img_file", "Aspect ratio"), measured))
    for part in ("train", "val", "test"):
        listed = [name for name, where in zip(LAPIS_IMAGES, LAPIS_PARTS, strict=True) if where == part]
        write(root / "imageset" / f"{part.title()}ImageSet.txt", "\n".join(listed).encode())
    write(root / "userset" / "TestUserIDs_Fold1.txt", b"1\n2\n3\n\n")
    for i, name in enumerate(LAPIS_IMAGES):
        picture(root / "datasetImages_originalSize" / name, i * 50)
    return root


# ---- PARA ----

PARA_IMAGES = tuple((f"session{1 + i // 6}", f"iaa_pub{i}_.jpg") for i in range(24))  # the last four test


def para_rows(people: int = 16) -> list[Row]:
    return [
        {
            **dict.fromkeys(PARA_HEADER, 3),
            "sessionId": session,
            "imageName": name,
            "userId": f"A{user:02d}e",
            "aestheticScore": 1.0 + (user + i) % 9 / 2,
            "qualityScore": 3.4,
            "imgEmotion": "peaceful",
            "difficultyOfJudgment": -1,
            "semantic": "scene" if i % 2 else "portrait",
        }
        for user in range(people)
        for i, (session, name) in enumerate(PARA_IMAGES)
    ]


def write_para(root: Path, rows: list[Row] | None = None, people: int = 16) -> Path:
    annotation = root / "annotation"
    write(annotation / "PARA-Images.csv", table(PARA_HEADER, para_rows(people) if rows is None else rows))
    users = [
        {
            "userId": f"A{user:02d}e",
            "age": "18-21",
            "gender": "female",
            "EducationalLevel": "junior_high_school",
            "artExperience": "beginner",
            "photographyExperience": "proficient",
            **{f"personality-{trait}": 1 + user % 10 for trait in "EANOC"},
        }
        for user in range(people)
    ]
    write(annotation / "PARA-UserInfo.csv", table(PARA_PERSON, users))
    cut = len(PARA_IMAGES) - 4
    for part, images in {"Train": PARA_IMAGES[:cut], "Test": PARA_IMAGES[cut:]}.items():
        listed = [
            {"imageName": name, "sessionId": session, "semantic": "scene", "aestheticScore_mean": 3.2}
            for session, name in images
        ]
        write(annotation / f"PARA-Giaa{part}.csv", table(PARA_GIAA, listed))
    for i, (session, name) in enumerate(PARA_IMAGES):
        picture(root / "imgs" / session / name, i * 10)
    return root

"""Files as spreadsheets and data frames leave them: gaps, ids as decimals, encodings, rounded scores."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases import (
    LAPIS_HEADER,
    lapis_rows,
    para_rows,
    table,
    write_lapis,
    write_lapis_internal,
    write_pamela,
    write_para,
)

from reward.data import load
from reward.data.csvfile import CsvFile, encoding_of, lines, number
from reward.data.dataset import Ratings
from reward.errors import DatasetError
from reward.ids import identifier, null
from reward.people.person import KnownPerson, age_range, find_group, find_known

# what a data set is the same by, wherever its files were written
Facts = tuple[tuple[str, ...], list[float], list[str]]


def facts(root: Path) -> Facts:
    data = load(root, quiet=True)
    return data.user_ids, data.scores.tolist(), data.splits.tolist()


def edit_split(root: Path, split: str, change) -> None:
    file = root / "annotations" / f"pamela_{split}.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))


# ---- ids and nulls ----


@given(st.integers(-(10**12), 10**12))
def test_an_id_is_one_however_it_is_written(n):
    written = (n, float(n), str(n), f"{n}.0", f" {n}.", f"{n}.000 ")
    assert {identifier(each) for each in written} == {str(n)}


@given(st.text(max_size=12))
def test_an_id_of_text_is_that_text_without_outer_spaces_and_stays_what_it_became(text):
    found = identifier(text)
    assert found is None if null(text) else found is not None
    if found is not None and not re.fullmatch(r"-?[0-9]+\.0*", text.strip()):
        assert found == text.strip()
    if found is not None:
        assert identifier(found) == found


@pytest.mark.parametrize("nothing", [None, float("nan"), "", " ", "nan", "NaN", "NA", "null", "None", "#N/A"])
def test_what_says_nothing_is_no_id(nothing):
    assert identifier(nothing) is None and null(nothing)


@pytest.mark.parametrize("wrong", [1.5, True, ["1"], {"id": 1}])
def test_what_can_be_no_id_is_refused(wrong):
    with pytest.raises(ValueError, match="neither text nor a whole number"):
        identifier(wrong)


def test_a_known_person_is_found_by_an_id_as_a_data_frame_writes_it():
    people = [KnownPerson(id, {}, 1) for id in ("9", "17", "p3")]
    assert find_known(people, "17.0") == find_known(people, "17") == 1


# ---- rows that are no ratings ----


@given(
    st.lists(
        st.none() | st.just(float("nan")) | st.floats(1, 5) | st.sampled_from(["", "null", "3.5", "2,5", 4]),
        max_size=30,
    )
)
def test_every_row_is_kept_or_counted(raws):
    ratings = Ratings()
    for i, raw in enumerate(raws):
        ratings.add(f"u{i % 3}", f"i{i % 5}", "train", raw, f"row {i}")
    empty = sum(null(raw) for raw in raws)
    kept = {(i % 3, i % 5) for i, raw in enumerate(raws) if not null(raw)}
    assert ratings.rows == len(raws) and sum(ratings.dropped.values()) == empty
    assert ratings.faults == ([f"{empty} null ratings left out"] if empty else [])
    assert len(ratings.users) <= len(kept) + 1


@given(st.floats(-0.0099, 0.0099))
def test_a_score_a_rounding_outside_counts_as_the_end_and_never_lies_beyond(slip):
    for end, outside in ((5.0, max(slip, 0)), (1.0, min(slip, 0))):
        ratings = Ratings()
        ratings.add("u", "i", "train", end + outside, "row 0")
        assert ratings._columns[3] == [end]
        assert bool(ratings.faults) == (end + outside != end)


@pytest.mark.parametrize("score", [5.02, 0.98, float("inf"), "-inf", "good", True])
def test_a_score_further_outside_is_an_error_that_names_the_row(score):
    with pytest.raises(DatasetError, match="row 7 has the score"):
        Ratings().add("u", "i", "train", score, "row 7")


def test_null_ratings_people_and_pictures_of_pamela_are_left_out_and_counted(tmp_path):
    root = write_pamela(tmp_path / "PAMELA")
    before = load(root, quiet=True)
    broken = [{"original_score": None}, {"participant_id": None}, {"image_path": None}]
    edit_split(root, "train", lambda rows: [*rows, *(rows[0] | {"image_id": 9} | each for each in broken)])
    data = load(root, quiet=True)
    assert np.array_equal(data.scores, before.scores) and data.user_ids == before.user_ids
    (line,) = data.notices
    for words in ("1 null ratings", "1 rows without a person", "1 rows without a picture"):
        assert line.count(words + " left out") == 1
    assert data.counts()["released"] == before.counts()["released"] + 3
    assert f"ratings {data.counts()['released']} (published" in line


@pytest.mark.parametrize("name", ["lapis", "para"])
def test_null_ratings_people_and_pictures_of_a_table_are_left_out_and_counted(tmp_path, name):
    rows, make = (lapis_rows(), write_lapis) if name == "lapis" else (para_rows(), write_para)
    score, person, picture = (
        ("rating", "participant_id", "image_filename") if name == "lapis" else
        ("aestheticScore", "userId", "imageName")
    )  # fmt: skip
    before = load(make(tmp_path / "whole", rows), quiet=True)
    broken = [rows[0] | {score: "NaN"}, rows[0] | {person: ""}, rows[0] | {picture: ""}]
    data = load(make(tmp_path / "broken", rows + broken), quiet=True)
    assert data.user_ids == before.user_ids and np.array_equal(data.scores, before.scores)
    (line,) = data.notices
    for words in ("1 null ratings", "1 rows without a person", "1 rows without a picture"):
        assert line.count(words + " left out") == 1
    assert data.counts()["released"] == before.counts()["released"] + 3


def test_rows_of_seen_people_who_are_not_in_training_are_counted(tmp_path):
    root = write_pamela(tmp_path / "PAMELA")
    edit_split(root, "test_seen", lambda rows: [*rows, rows[0] | {"participant_id": "new"}])
    (line,) = load(root, quiet=True).notices
    assert "1 ratings in test_seen are of 1 people who are not in the training set" in line


def test_a_demographic_value_that_is_no_number_becomes_unknown(tmp_path):
    root = write_pamela(tmp_path / "PAMELA")

    def gappy(rows):
        return [
            r | {"user_demographics": {"age": float("nan"), "gender": "female", "languages": ["de"]}}
            if r["participant_id"] == "p1" else
            r | {"user_demographics": json.dumps({"age": "34.0"}), "image_metadata": float("nan")}
            for r in rows
        ]  # fmt: skip

    edit_split(root, "train", gappy)
    data = load(root, quiet=True)
    assert data.demographics[0] == {"age": None, "gender": "female"}
    assert data.demographics[1] == {"age": 34}
    json.dumps(data.demographics, allow_nan=False)  # a checkpoint's card holds them


# ---- ids as decimals ----


def test_people_of_lapis_are_the_same_with_ids_as_decimals(tmp_path):
    gappy = [row | {"participant_id": f"{row['participant_id']}.0"} for row in lapis_rows()]
    assert facts(write_lapis(tmp_path / "a", gappy)) == facts(write_lapis(tmp_path / "b"))


def test_the_unseen_people_of_the_internal_lapis_stay_unseen_whatever_their_ids_look_like(tmp_path):
    root = write_lapis_internal(tmp_path / "LAPIS")
    before = facts(root)
    (root / "userset" / "TestUserIDs_Fold1.txt").write_bytes(b"1.0\r\n 2.0\n3\n")
    assert facts(root) == before
    (root / "userset" / "TestUserIDs_Fold1.txt").write_text("1\n2\n3\n99\n")
    assert facts(root) == before
    assert "1 of the 4 people of TestUserIDs_Fold1.txt rated nothing" in load(root, quiet=True).notices[0]


def test_people_of_para_are_joined_with_what_they_told_whatever_their_ids_look_like(tmp_path):
    root = write_para(tmp_path / "PARA", [r | {"userId": int(r["userId"][1:3])} for r in para_rows()])
    info = root / "annotation" / "PARA-UserInfo.csv"
    info.write_text(
        re.sub(r"(?m)^A([0-9]+)e", lambda m: f"{int(m[1])}.0", info.read_text()) + ",18-21" + 9 * ",x"
    )
    data = load(root, quiet=True)
    assert data.user_ids[3] == "para:3" and all(data.demographics)
    assert "not in PARA-UserInfo" not in data.notices[0]


def test_people_of_pamela_are_the_same_with_ids_as_text_numbers_and_decimals(tmp_path):
    root = write_pamela(tmp_path / "PAMELA")
    for split, cast in {"train": float, "val_seen": str, "test_seen": "{}.0".format}.items():
        edit_split(
            root,
            split,
            lambda rows, cast=cast: [
                r | {"participant_id": cast(int(r["participant_id"][1:])), "image_id": cast(r["image_id"])}
                for r in rows
            ],
        )
    data = load(root, quiet=True)
    assert set(data.user_ids) == {"1", "2", "3", "4", "p5", "p6"}
    assert data.image_ids[0] == "0" and "not in the training set" not in data.notices[0]


# ---- encodings and layouts of text ----


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_pamela_is_the_same_in_every_encoding_and_as_json_lines(tmp_path, encoding):
    root, plain = write_pamela(tmp_path / "PAMELA"), write_pamela(tmp_path / "plain" / "PAMELA")
    for n, file in enumerate(sorted((root / "annotations").iterdir())):
        rows = json.loads(file.read_text())
        text = "\n".join(map(json.dumps, rows)) + "\n" if n % 2 else json.dumps(rows, indent=1)
        file.write_bytes(text.encode(encoding))
        if n == 3:
            file.rename(file.with_suffix(".jsonl"))
    assert facts(root) == facts(plain)


def test_a_torn_line_of_json_lines_is_one_clear_error(tmp_path):
    root = write_pamela(tmp_path / "PAMELA")
    file = root / "annotations" / "pamela_train.json"
    file.write_text("\n".join(map(json.dumps, json.loads(file.read_text())))[:-20])
    with pytest.raises(DatasetError, match=r"pamela_train\.json cannot be read"):
        load(root)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_lapis_is_the_same_as_spreadsheets_write_it(tmp_path, encoding, delimiter):
    root, plain = write_lapis(tmp_path / "a"), write_lapis(tmp_path / "b")
    file = root / "annotation" / "LAPIS_PIAA.csv"
    comma = {"Art Interest VAIAK": "2,909"} if delimiter == ";" else {}
    rows = [row | comma if "age" in row else row for row in lapis_rows()]
    text = table(LAPIS_HEADER, rows).decode().replace('"2,909"', "2#909")
    text = text.replace('"kahlo, self.jpg"', "kahlo# self.jpg").replace(",", delimiter).replace("#", ",")
    text = text if delimiter != "," else table(LAPIS_HEADER, rows).decode()
    file.write_bytes((text + delimiter * len(LAPIS_HEADER) + "\n").encode(encoding))
    got, wanted = load(root, quiet=True), load(plain, quiet=True)
    assert got.user_ids == wanted.user_ids and np.array_equal(got.scores, wanted.scores)
    assert got.demographics == wanted.demographics and got.image_ids == wanted.image_ids


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), min_size=1, max_size=40))
def test_the_lines_of_a_text_file_are_read_in_every_encoding(tmp_path_factory, text):
    file = tmp_path_factory.mktemp("text") / "names.txt"
    wanted = [text.strip()] if text.strip() else []
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        file.write_bytes(f"{text}\r\n\r\n".encode(encoding))
        assert lines(file) == wanted or "\x85" in text
    assert encoding_of(file) == "utf-16"


def test_a_decimal_comma_is_a_point_and_empty_columns_at_the_end_are_none(tmp_path):
    assert number("2,5", "") == 2.5
    file = tmp_path / "a.csv"
    file.write_text("x;y\n1;2,5;;\n")
    assert list(CsvFile(file, ("x", "y"))) == [("a.csv, line 2", {"x": "1", "y": "2,5"})]


# ---- groups by ranges of ages ----


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (34, (34, 34)),
        ("34", (34, 34)),
        ("18-21", (18, 21)),
        ("18 – 21 years", (18, 21)),
        ("60+", (60, 99)),
        ("over 60", (60, 99)),
        ("under 18", (0, 17)),
        ("<18", (0, 17)),
        ("prefer not to say", None),
        (None, None),
        (float("nan"), None),
        (True, None),
    ],
)
def test_what_people_tell_of_their_age_is_a_range(told, meant):
    assert age_range(told) == meant


@given(st.integers(0, 99), st.integers(0, 40), st.integers(0, 99), st.integers(0, 40))
def test_of_whom_a_range_is_known_is_of_a_group_that_holds_all_of_it(low, width, at, size):
    person = KnownPerson("1", {"age_binned": f"{low}-{low + width}", "age": None}, 1)
    everyone = KnownPerson("2", {"age": at}, 1)
    found = find_group([person, everyone], age=(at, at + size))
    assert (0 in found) == (at <= low and low + width <= at + size) and 1 in found


def test_an_exact_age_goes_before_a_range():
    person = KnownPerson("1", {"age": 30, "age_binned": "18-25"}, 1)
    assert find_group([person], age=(30, 30)) == [0]


def test_the_young_of_para_are_a_group(tmp_path):
    data = load(write_para(tmp_path / "PARA"), quiet=True)
    people = [KnownPerson(id, known, 1) for id, known in zip(data.user_ids, data.demographics, strict=True)]
    assert len(find_group(people, age=(18, 25))) == len(people)

"""LAPIS, PARA and PAMELA from their layouts with every trap; counts against the published ones; joining."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import releases
from hypothesis import given
from hypothesis import strategies as st
from releases import lapis_rows, para_rows, write_lapis, write_lapis_internal, write_pamela, write_para

from reward.data import SPLITS, UNUSED, join, load
from reward.data.csvfile import CsvFile, number
from reward.data.pamela import normalised
from reward.data.published import PAMELA, PAMELA_CONTENT, notice
from reward.data.splits import split_of, unseen_people
from reward.errors import DatasetError

ALL = {"pamela": write_pamela, "lapis": write_lapis, "para": write_para}


def edit(path: Path, change):
    path.write_bytes(change(path.read_bytes()))


# ---- every data set ----


@pytest.mark.parametrize("name", ALL)
def test_a_data_set_is_recognised_by_its_layout_also_from_the_folder_above(tmp_path, name):
    root = ALL[name](tmp_path / "above" / name)
    assert load(root).name == load(root.parent).name == name
    assert load(str(root)).image_paths == load(root.parent).image_paths


@pytest.mark.parametrize("name", ALL)
def test_scores_are_1_to_5_and_every_rating_has_a_person_an_image_and_a_split(tmp_path, name):
    data = load(ALL[name](tmp_path / name))
    n = len(data.scores)
    assert data.scores.dtype == np.float32 and data.scores.min() >= 1 and data.scores.max() <= 5
    assert {len(data.users), len(data.images), len(data.splits)} == {n}
    assert set(data.users) == set(range(len(data.user_ids))) and set(data.images) == set(
        range(len(data.image_ids))
    )
    assert len(data.demographics) == len(data.user_records) == len(data.user_ids)
    assert len(data.metadata) == len(data.image_paths) == len(data.image_ids)
    assert set(SPLITS) <= set(data.splits) <= {*SPLITS, UNUSED}
    assert all(path.is_file() for path in data.image_paths)
    assert all(len(column) == n for column in data.extra.values())


@pytest.mark.parametrize("name", ALL)
def test_nobody_unseen_is_trained_on_and_no_later_image_either(tmp_path, name):
    data = load(ALL[name](tmp_path / name))
    trained = data.rows("train")
    for split in ("val_unseen", "test_unseen"):
        assert not set(data.users[trained]) & set(data.users[data.rows(split)])
    assert not set(data.images[trained]) & set(data.images[data.rows(*SPLITS[1:])])
    assert not set(data.users[data.rows("val_unseen")]) & set(data.users[data.rows("test_unseen")])


@pytest.mark.parametrize("name", ALL)
def test_counts_unlike_the_published_are_one_warning_with_both_numbers_or_an_error(tmp_path, name, caplog):
    root = ALL[name](tmp_path / name)
    with caplog.at_level(logging.WARNING):
        data = load(root)
        load(root, quiet=True)  # whoever calls it shows the notices
    assert [record.getMessage() for record in caplog.records] == list(data.notices)
    (line,) = data.notices
    published = {"pamela": "69,904", "lapis": "283,860", "para": "807,586"}[name]
    rows = len(data.scores) + data.duplicates
    assert f"ratings {rows} (published {published})" in line and "\n" not in line
    with pytest.raises(DatasetError, match=f"published {published}"):
        load(root, strict=True)


def test_equal_counts_say_nothing():
    assert notice("PAMELA", {**PAMELA, **PAMELA_CONTENT}, {**PAMELA, **PAMELA_CONTENT}) == ()
    assert "users 198 (published 199)" in notice("PAMELA", {**PAMELA, "users": 198}, PAMELA)[0]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("pamela", "annotations/pamela_val_seen.json"),
        ("lapis", "annotation/LAPIS_GIAA_Valsplit.csv"),
        ("para", "annotation/PARA-UserInfo.csv"),
        ("para", "annotation/PARA-GiaaTest.csv"),
    ],
)
def test_a_missing_file_is_named(tmp_path, name, file):
    root = ALL[name](tmp_path / name)
    (root / file).unlink()
    with pytest.raises(DatasetError, match=rf"{Path(file).name}.*unpack"):
        load(root)


def test_what_is_no_data_set_is_said_with_what_would_be_one(tmp_path):
    with pytest.raises(DatasetError, match=r"does not exist.*docs/datasets\.md"):
        load(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"holds no data set.*LAPIS_PIAA\.csv.*PARA-Images\.csv"):
        load(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DatasetError, match="neither a folder"):
        load(tmp_path / "notes.txt")
    write_lapis(tmp_path / "LAPIS")
    write_para(tmp_path / "PARA")
    with pytest.raises(DatasetError, match=r"several data sets \(LAPIS, PARA\)"):
        load(tmp_path)


# ---- PAMELA ----


def test_pamela_keeps_plain_ids_continuous_scores_and_fields_that_nobody_knows(tmp_path):
    data = load(write_pamela(tmp_path / "PAMELA"))
    assert data.user_ids == ("p1", "p2", "p3", "p4", "p5", "p6")
    assert data.scores[data.rows("val_seen")] == pytest.approx([4.37] * 4)
    assert data.metadata[0]["seed"] == 7 and data.metadata[1]["style"] is None
    assert list(data.extra["emotion"][data.rows("train")]) == ["awe"] * 8
    assert data.extra["emotion"][data.rows("test_seen")[0]] is None
    assert data.extra["normalised"][data.rows("val_seen")].tolist() == [0.5] * 4
    assert np.isnan(data.extra["normalised"][data.rows("train")]).all()
    assert data.demographics[1]["age"] == 41 and data.user_records[1]["age"] == "41"
    assert data.demographics[2] == {}


def test_the_sandbox_is_told_apart_by_its_scenes_and_said_to_be_simulated(tmp_path):
    root = write_pamela(tmp_path / "PAMELA")
    (tmp_path / "scenes.json").write_text("{}")
    data = load(root)
    assert (data.name, data.simulated) == ("sandbox", True)
    assert "Art images" not in data.notices[0]  # a simulation cannot share the release's sums


def test_annotation_files_are_found_by_their_split_whatever_stands_before_it(tmp_path):
    root = write_pamela(tmp_path / "PAMELA")
    before = load(root)
    (root / "annotations" / "pamela_test_seen.json").rename(root / "annotations" / "PAMELA-v2-test-seen.json")
    (root / "annotations" / "readme.json").write_text("{}")
    after = load(root)
    assert after.user_ids == before.user_ids and np.array_equal(after.scores, before.scores)
    assert "readme.json belongs to no split" in after.notices[0]
    shutil.copy(root / "annotations" / "pamela_train.json", root / "annotations" / "train.json")
    with pytest.raises(DatasetError, match="are both train"):
        load(root)


def test_a_training_image_in_a_test_set_is_part_of_the_warning(tmp_path):
    root = write_pamela(tmp_path / "PAMELA")
    file = root / "annotations" / "pamela_test_unseen.json"
    rows = json.loads(file.read_text())
    moved = {"image_path": "images/art/000.png", "participant_id": "p1"}
    file.write_text(json.dumps([*rows, rows[0] | moved]))
    (line,) = load(root).notices
    assert "1 training images are also in" in line and "1 people of the unseen sets are also" in line


def test_a_missing_image_of_pamela_is_an_error(tmp_path):
    root = write_pamela(tmp_path / "PAMELA")
    (root / "images" / "art" / "003.png").unlink()
    with pytest.raises(DatasetError, match=r"1 images are missing, first .*003\.png: unpack"):
        load(root)


@given(
    st.text(max_size=30)
    | st.sampled_from(["C:\\a\\..\\b.png", "PAMELA/../x", "//a", "./PAMELA/images/a.png"])
)
def test_no_path_leads_out_of_the_data_set(path):
    try:
        inside = Path("/data").joinpath(normalised(path, "row 1"))
    except DatasetError:
        return
    assert inside.is_relative_to("/data") and ".." not in inside.parts and inside != Path("/data")


# ---- LAPIS ----


@pytest.fixture
def lapis(tmp_path):
    return write_lapis(tmp_path / "LAPIS")


def test_lapis_ratings_of_0_to_100_become_1_to_5(lapis):
    data = load(lapis)
    written = {(f"lapis:{r['participant_id']}", r["image_filename"]): r["rating"] for r in lapis_rows()}
    for user, image, score, raw in zip(data.users, data.images, data.scores, data.raw_scores, strict=True):
        rating = written[data.user_ids[user], data.image_paths[image].name]
        assert raw == rating and score == pytest.approx(rating / 25 + 1)
        assert data.raw_range(user) == (0, 100)


def test_a_repeated_lapis_rating_counts_once_and_the_first_one(lapis):
    data = load(lapis)
    first = (data.users == data.user_ids.index("lapis:1")) & (data.images == 0)
    assert data.duplicates == 1
    assert data.raw_scores[first].tolist() == [lapis_rows()[0]["rating"]]


def test_lapis_people_are_told_in_the_common_words_beside_the_released_ones(lapis):
    data = load(lapis)
    blind, silent = data.user_ids.index("lapis:2"), data.user_ids.index("lapis:3")
    assert data.demographics[blind] == {
        "age": 22,
        "gender": "non-binary",
        "nationality": "South Africa",
        "education": "Bachelor's or equivalent",
        "art_interest": 2.909,
        "colour_blind": True,
    }
    assert data.user_records[blind]["demo_edu"] == "Bachelor's or equivalent"
    assert data.user_records[blind]["nationality"] == "south africa"
    assert data.demographics[silent] == {} and data.user_records[silent]["age"] is None
    assert "users without demographics 1 (published 36)" in data.notices[0]


def test_the_title_of_a_lapis_image_is_its_text_and_its_genre_the_group(lapis):
    data = load(lapis)
    known = data.metadata[data.image_ids.index("lapis:101")]
    assert known["prompt"] == known["title"] == "Ciel étoilé" and known["artist"] == "André Ünver"
    assert (known["type"], known["group"], known["style"]) == ("Art", "landscape", "Post_Impressionism")
    assert known["attributes"]["Aspect ratio"] == 0.5
    assert data.prompt(data.image_ids.index("lapis:100")) == ""  # no title
    assert "imgs_known" not in data.extra and (data.extra["response time"] == 1234.5).all()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_lapis_files_are_read_in_utf_8_and_in_latin_1(tmp_path, encoding):
    data = load(write_lapis(tmp_path / "LAPIS", encoding=encoding))
    assert "café_münter.jpg" in {path.name for path in data.image_paths}
    assert data.metadata[1]["artist"] == "André Ünver"


def test_ratings_of_a_lapis_image_that_is_missing_are_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("reward.data.lapis.MAX_MISSING", 0.3)
    root = write_lapis(tmp_path / "LAPIS")
    (root / "images" / "turner.jpg").unlink()
    data = load(root)
    assert len(data.image_ids) == 4 and len(data.scores) == 16 * 4
    assert "16 ratings whose 1 images are missing on disk (first turner.jpg) left out" in data.notices[0]
    assert "images 5" in data.notices[0]  # the table still has them


def test_too_many_missing_images_mean_that_they_were_not_unpacked(lapis):
    (lapis / "images" / "turner.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 of 5 images are missing.*unpack the images"):
        load(lapis)


def test_a_name_that_latin_1_mangled_on_disk_is_found(lapis):
    name = "café_münter.jpg"
    (lapis / "images" / name).rename(lapis / "images" / name.encode().decode("latin-1"))
    assert len(load(lapis).image_ids) == 5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rating": 101}, "between 0 and 100"),
        ({"rating": "inf"}, "between 0 and 100"),
        ({"rating": "much"}, "not a number"),
        ({"participant_id": 99, "age": "old"}, "'old' where a number belongs"),
        ({"image_filename": "../secret.jpg"}, "outside the data set"),
        ({"image_filename": "a/b.jpg"}, "outside images/"),
    ],
)
def test_a_faulty_lapis_row_is_named_by_its_line(tmp_path, change, says):
    rows = lapis_rows()
    rows[3] |= change
    with pytest.raises(DatasetError, match=rf"LAPIS_PIAA\.csv, line 5 .*{says}"):
        load(write_lapis(tmp_path / "LAPIS", rows))


def test_an_image_in_two_lapis_splits_is_an_error_and_in_none_is_unused(lapis):
    held = lapis / "annotation" / "LAPIS_GIAA_Valsplit.csv"
    edit(held, lambda data: data.replace(b"mondrian_1", b"mondrian_2"))
    data = load(lapis)
    assert set(data.splits[data.images == 2]) == {UNUSED}
    assert "1 images are in no split" in data.notices[0]
    edit(held, lambda data: data.replace(b"mondrian_2", b"turner"))
    with pytest.raises(DatasetError, match="in the val and the test split"):
        load(lapis)


def test_missing_attributes_are_no_error_but_said(lapis):
    (lapis / "annotation" / "ImgAttributes_LAPIS.csv").unlink()
    data = load(lapis)
    assert data.metadata[0]["attributes"] == {} and "images have no attributes" in data.notices[0]


def test_the_internal_lapis_layout_gives_the_same_ratings_under_its_own_folds(tmp_path, lapis):
    old, new = load(write_lapis_internal(tmp_path / "old")), load(lapis)
    assert np.array_equal(old.raw_scores, new.raw_scores)
    assert old.user_ids == new.user_ids and [p.name for p in old.image_paths] == [
        p.name for p in new.image_paths
    ]
    unseen = {old.user_ids[u] for u in old.users[old.rows("val_unseen", "test_unseen")]}
    assert unseen == {"lapis:1", "lapis:2", "lapis:3"}
    assert old.demographics[0]["art_interest"] == pytest.approx(np.mean([n % 7 for n in range(11)]), abs=1e-3)
    assert old.demographics[2] == {} and old.prompt(0) == ""


# ---- PARA ----


@pytest.fixture
def para(tmp_path):
    return write_para(tmp_path / "PARA")


def test_para_scores_stay_as_they_are_and_the_other_ratings_are_kept(para):
    data = load(para)
    assert data.scores.tolist() == [row["aestheticScore"] for row in para_rows()]
    assert data.raw_scores is None and data.raw_range(0) == (1, 5)
    assert (data.extra["qualityScore"] == np.float32(3.4)).all()
    assert set(data.extra["imgEmotion"]) == {"peaceful"}
    assert (data.extra["difficultyOfJudgment"] == -1).all() and "aestheticScore" not in data.extra


def test_para_people_are_told_in_the_common_words_and_their_age_is_a_range(para):
    data = load(para)
    assert data.user_ids[3] == "para:A03e"
    assert data.demographics[3] == {
        "age_binned": "18-21",
        "gender": "female",
        "education": "junior high school",
        "art_experience": "beginner",
        "photography_experience": "proficient",
        **dict.fromkeys(("extraversion", "agreeableness", "neuroticism", "openness", "conscientiousness"), 4),
    }
    assert data.user_records[3]["EducationalLevel"] == "junior_high_school"


def test_para_images_lie_in_their_sessions_under_names_that_end_in_an_underscore(para):
    data = load(para)
    assert data.image_ids[0] == "para:session1/iaa_pub0_.jpg"
    assert data.image_paths[0] == para / "imgs" / "session1" / "iaa_pub0_.jpg"
    assert data.prompt(0) == "" and data.metadata[1]["group"] == "scene"
    (para / "imgs" / "session2" / "iaa_pub7_.jpg").unlink()
    with pytest.raises(DatasetError, match=r"iaa_pub7_\.jpg: unpack all of imgs/"):
        load(para)


def test_para_tests_on_the_official_images_and_validates_on_a_tenth_of_the_training_ones(para):
    data = load(para)
    test = {data.image_ids[i] for i in data.images[data.rows("test_seen", "test_unseen")]}
    assert test == {f"para:{session}/{name}" for session, name in releases.PARA_IMAGES[-4:]}
    validation = set(data.images[data.rows("val_seen")])
    assert len(validation) == 2 and len(set(data.images[data.rows("train")])) == 18


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"aestheticScore": 0.5}, "between 1 and 5"),
        ({"aestheticScore": "much"}, "not a number"),
        ({"imageName": "../x.jpg"}, "outside the data set"),
        ({"sessionId": "a/b"}, "has the sessionId 'a/b'"),
    ],
)
def test_a_faulty_para_row_is_named_by_its_line(tmp_path, change, says):
    rows = para_rows()
    rows[5] |= change
    with pytest.raises(DatasetError, match=rf"PARA-Images\.csv, line 7 .*{says}"):
        load(write_para(tmp_path / "PARA", rows))


def test_someone_who_rates_but_is_not_described_is_kept_and_said(tmp_path):
    stranger = [row | {"userId": "Zff"} for row in para_rows(1)]
    data = load(write_para(tmp_path / "PARA", para_rows() + stranger))
    assert data.demographics[data.user_ids.index("para:Zff")] == {}
    assert "1 people who rate are not in PARA-UserInfo.csv" in data.notices[0]


# ---- CSV ----


def test_blank_rows_and_an_exported_index_are_left_out(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('Unnamed: 0,,x, y \n0,0,1, two words \n\n,,,\n3,3,,\n4,4,"a,b\nc",5\n')
    assert CsvFile(file, ("x", "y")).columns == ("x", "y")
    assert list(CsvFile(file, ("x",))) == [
        ("a.csv, line 2", {"x": "1", "y": "two words"}),
        ("a.csv, line 7", {"x": "a,b\nc", "y": "5"}),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks the columns x"),
        ("X\n1\n", "lacks the columns x"),
        ("x,x\n1,2\n", "columns x twice"),
        ("x,y\n1\n", "line 2 has 1 cells where the header has 2"),
        ('x\n"torn', "not a whole CSV file"),
    ],
)
def test_a_damaged_table_is_one_clear_error(tmp_path, text, says):
    file = tmp_path / "a.csv"
    file.write_text(text)
    with pytest.raises(DatasetError, match=says):
        list(CsvFile(file, ("x",)))


def test_numbers_are_read_as_they_are_written():
    assert (number("34.0", ""), number("2.909", ""), number("NaN", "")) == (34, 2.909, None)
    assert isinstance(number("34.0", ""), int)
    with pytest.raises(DatasetError, match="where a number belongs"):
        number("inf", "row 1")


# ---- splits ----


@given(st.sets(st.text(min_size=1, max_size=4), max_size=60))
def test_a_quarter_of_the_people_is_unseen_a_third_of_it_for_validation(ids):
    validation, test = unseen_people(ids)
    assert unseen_people(sorted(ids)) == (validation, test)
    assert not validation & test and validation | test <= ids
    fold = len(ids) // 4
    assert (len(validation), len(test)) == (fold // 3, fold - fold // 3)


def test_every_place_of_a_person_and_an_image_has_its_split():
    unseen = ({"v"}, {"t"})
    parts = ("train", "val", "test", None)
    assert [split_of(part, "s", unseen) for part in parts] == ["train", "val_seen", "test_seen", UNUSED]
    assert [split_of(part, "v", unseen) for part in parts] == [UNUSED, "val_unseen", UNUSED, UNUSED]
    assert [split_of(part, "t", unseen) for part in parts] == [UNUSED, UNUSED, "test_unseen", UNUSED]


# ---- joining ----


def test_joined_data_sets_keep_all_ratings_under_ids_with_their_names(tmp_path):
    parts = [make(tmp_path / name) and load(tmp_path / name) for name, make in ALL.items()]
    data = join(parts)
    assert data.name == "pamela+lapis+para" and len(data.notices) == 3
    assert len(data.scores) == sum(len(part.scores) for part in parts)
    assert {id.partition(":")[0] for id in data.user_ids} == set(ALL)
    assert "pamela:p1" in data.user_ids and "lapis:1" in data.user_ids
    assert len(set(data.image_ids)) == len(data.image_ids)
    start = 0
    for part in parts:
        rows = slice(start, start + len(part.scores))
        start = rows.stop
        assert [data.image_paths[i] for i in data.images[rows]] == [
            part.image_paths[i].absolute() for i in part.images
        ]
        assert [data.demographics[u] for u in data.users[rows]] == [part.demographics[u] for u in part.users]
        assert np.array_equal(data.scores[rows], part.scores)
        assert {data.source(u) for u in data.users[rows]} == {part.name}
        assert data.raw_range(data.users[rows][0]) == part.raw_range(0)
    assert data.extra["imgEmotion"][0] is None and np.isnan(data.extra["qualityScore"][0])


def test_a_lone_data_set_is_joined_to_itself(tmp_path):
    data = load(write_pamela(tmp_path / "PAMELA"))
    assert join([data]) is data
    with pytest.raises(DatasetError, match="given twice"):
        join([data, data])
    with pytest.raises(DatasetError, match="no data set"):
        join([])


def test_the_digest_follows_the_content_and_not_the_place(tmp_path):
    first = load(write_pamela(tmp_path / "a" / "PAMELA"))
    second = load(write_pamela(tmp_path / "b" / "PAMELA"))
    assert first.digest() == second.digest()
    file = tmp_path / "b" / "PAMELA" / "annotations" / "pamela_train.json"
    edit(file, lambda data: data.replace(b'"original_score": 1.5', b'"original_score": 1.6', 1))
    assert load(tmp_path / "b").digest() != first.digest()

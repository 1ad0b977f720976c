"""The Parquet table holds all that was loaded; preparing it twice changes nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import fields

import numpy as np
import pytest
from releases import write_lapis, write_pamela, write_para

from reward.data import join, load
from reward.data.dataset import Dataset
from reward.data.prepare import prepare
from reward.data.table import from_arrow, read_table, schema, to_arrow, write_table
from reward.errors import DatasetError, ImageError


@pytest.fixture
def sources(tmp_path):
    return [
        write_pamela(tmp_path / "data" / "PAMELA"),
        write_lapis(tmp_path / "data" / "LAPIS"),
        write_para(tmp_path / "data" / "PARA"),
    ]


def assert_equal(one: Dataset, other: Dataset) -> None:
    for name in (field.name for field in fields(Dataset)):
        a, b = getattr(one, name), getattr(other, name)
        if name == "extra":
            assert a.keys() == b.keys()
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])
                assert a[key].dtype == b[key].dtype
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b, name


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_data_set_comes_back_from_its_table_as_it_was(sources, tmp_path, number):
    data = load(sources[number])
    write_table(data, tmp_path / "ratings.parquet")
    assert_equal(read_table(tmp_path / "ratings.parquet"), data)


def test_a_joint_data_set_comes_back_also_from_many_row_groups(sources, tmp_path):
    from pyarrow import parquet

    data = join([load(source) for source in sources])
    parquet.write_table(to_arrow(data), tmp_path / "small.parquet", row_group_size=50)
    assert_equal(read_table(tmp_path / "small.parquet"), data)


def test_one_row_is_one_rating_in_typed_columns(sources):
    data = load(sources[1])
    table = to_arrow(data)
    assert table.num_rows == len(data.scores)
    assert table.schema.names == [*schema().names, "extra.response time"]
    assert all(table.schema.field(name).type == schema().field(name).type for name in schema().names)
    row = table.slice(7, 1).to_pylist()[0]
    assert (row["dataset"], row["image_path"]) == ("lapis", "images/mondrian_1.jpg")
    assert row["score"] == pytest.approx(row["raw_score"] / 25 + 1)
    assert (row["raw_low"], row["raw_high"]) == (0, 100)
    assert json.loads(row["demographics"])["nationality"] == "South Africa"
    assert json.loads(row["user_record"])["nationality"] == "south africa"


def test_a_table_finds_its_images_where_they_are_now(sources, tmp_path):
    data = load(sources[0])
    write_table(data, tmp_path / "ratings.parquet")
    moved = sources[0].rename(tmp_path / "moved")
    with pytest.raises(DatasetError, match=r"6 images of .* are missing.*steer reward prepare"):
        read_table(tmp_path / "ratings.parquet")
    assert read_table(tmp_path / "ratings.parquet", moved).image_paths[0].is_file()


def test_a_torn_table_and_one_of_another_kind_are_clear_errors(sources, tmp_path):
    import pyarrow as pa

    file = tmp_path / "ratings.parquet"
    write_table(load(sources[0]), file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"cannot be read .*steer reward prepare"):
        load(file)
    with pytest.raises(DatasetError, match="not one of this version"):
        from_arrow(pa.table({"score": [1.0]}))


def test_a_table_that_names_files_elsewhere_is_refused(sources):
    table = to_arrow(load(sources[0]))
    column = table.schema.get_field_index("image_path")
    paths = ["../../etc/passwd" for _ in range(table.num_rows)]
    import pyarrow as pa

    changed = table.set_column(column, table.schema.field(column), pa.array(paths).dictionary_encode())
    with pytest.raises(DatasetError, match="outside the data set"):
        from_arrow(changed)


def test_without_pyarrow_the_error_says_what_to_install(sources, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    data = load(sources[0])
    with pytest.raises(DatasetError, match=r"pip install 'steer\[research\]'"):
        to_arrow(data)


def test_preparing_writes_a_table_and_its_counts_and_loads_like_a_data_set(sources, tmp_path):
    done = prepare(sources, tmp_path / "out")
    assert done.written and done.table.is_file() and len(done.notices) == 3
    counts = json.loads((tmp_path / "out" / "counts.json").read_text())
    assert counts == done.counts
    assert counts["datasets"]["lapis"]["ratings"] == 80 and counts["datasets"]["lapis"]["duplicates"] == 1
    assert counts["datasets"]["pamela"]["splits"]["train"] == {"ratings": 8, "users": 4, "images": 2}
    assert_equal(load(tmp_path / "out"), done.dataset)


def test_preparing_again_changes_nothing_until_the_data_do(sources, tmp_path):
    out = tmp_path / "out"
    first = prepare(sources[:1], out)
    before = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in out.iterdir()}
    again = prepare(sources[:1], out)
    assert (first.written, again.written) == (True, False)
    assert {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in out.iterdir()} == before
    file = sources[0] / "annotations" / "pamela_train.json"
    file.write_text(file.read_text().replace('"original_score": 1.5', '"original_score": 1.6', 1))
    assert prepare(sources[:1], out).written
    (out / "ratings.parquet").unlink()
    assert prepare(sources[:1], out).written


def test_an_image_that_does_not_decode_is_named_and_nothing_is_written(sources, tmp_path):
    picture = sources[0] / "images" / "art" / "002.png"
    picture.write_bytes(picture.read_bytes()[:-15])
    (sources[0] / "images" / "art" / "004.png").write_bytes(b"not a picture")
    seen = []
    with pytest.raises(ImageError, match=r"2 images cannot be decoded, first: .*002\.png"):
        prepare(sources[:1], tmp_path / "out", progress=lambda *step: seen.append(step))
    assert not (tmp_path / "out").exists()
    assert seen == [("images", 0, 6), ("images", 6, 6)]


def test_strict_preparation_refuses_other_counts_than_the_published(sources, tmp_path):
    with pytest.raises(DatasetError, match=r"published 69,904"):
        prepare(sources, tmp_path / "out", strict=True)
    assert not (tmp_path / "out").exists()


def test_a_table_that_cannot_be_written_is_a_clear_error(sources, tmp_path):
    (tmp_path / "out").write_text("a file, where a folder should be")
    with pytest.raises(DatasetError, match="cannot write"):
        prepare(sources[:1], tmp_path / "out")

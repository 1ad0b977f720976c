"""All ratings as one typed Arrow table, one row a rating, and its Parquet file.

Text is dictionary-encoded; what has no fixed fields (demographics, image metadata) is JSON. A field of a
rating that nothing here reads becomes a column `extra.<name>`: numbers as float, anything else as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from reward.data.dataset import Dataset
from reward.errors import DatasetError
from reward.files import whole
from reward.people.person import natural_order

VERSION = 1
_EXTRA = "extra."
_TEXTS = (
    *("dataset", "split", "user_id", "image_id", "image_path"),
    *("prompt", "demographics", "user_record", "image_metadata"),
)
_NUMBERS = ("score", "raw_score", "raw_low", "raw_high")


def schema() -> Any:
    """The pyarrow.Schema of every table, before its `extra.` columns.

    `image_path` is relative to the data set's root, with forward slashes; `score` is 1-5, `raw_score` as
    released, between `raw_low` and `raw_high`.
    """
    pa = _pyarrow()
    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [pa.field(name, text, nullable=name == "prompt") for name in _TEXTS]
        + [pa.field(name, pa.float32(), nullable=False) for name in _NUMBERS]
    )


def to_arrow(dataset: Dataset) -> Any:
    """The pyarrow.Table of a data set; its schema's metadata holds what is not about single ratings."""
    pa = _pyarrow()
    users, images, everyone = dataset.users, dataset.images, range(len(dataset.user_ids))
    records = dataset.user_records or dataset.demographics
    bounds = np.array([dataset.raw_range(user) for user in everyone], np.float32).reshape(-1, 2)[users]
    raw = dataset.scores if dataset.raw_scores is None else dataset.raw_scores
    columns = {
        "dataset": _encoded(pa, [dataset.source(user) for user in everyone], users),
        "split": _encoded(pa, *_distinct(dataset.splits)),
        "user_id": _encoded(pa, dataset.user_ids, users),
        "image_id": _encoded(pa, dataset.image_ids, images),
        "image_path": _encoded(pa, [_relative(path, dataset.root) for path in dataset.image_paths], images),
        "prompt": _encoded(pa, [known.get("prompt") or None for known in dataset.metadata], images),
        "demographics": _encoded(pa, [_json(known) for known in dataset.demographics], users),
        "user_record": _encoded(pa, [_json(record) for record in records], users),
        "image_metadata": _encoded(pa, [_json(known) for known in dataset.metadata], images),
        "score": pa.array(dataset.scores, pa.float32()),
        "raw_score": pa.array(raw, pa.float32()),
        "raw_low": pa.array(bounds[:, 0], pa.float32()),
        "raw_high": pa.array(bounds[:, 1], pa.float32()),
    }
    fields = list(schema())
    for name, values in dataset.extra.items():
        column = (
            pa.array([None if v is None else _json(v) for v in values], pa.string()).dictionary_encode()
            if values.dtype == object
            else pa.array(values, pa.float32(), from_pandas=True)  # NaN is a missing value
        )
        columns[_EXTRA + name] = column
        fields.append(pa.field(_EXTRA + name, column.type))
    about = {
        "version": VERSION,
        "name": dataset.name,
        "root": str(dataset.root.absolute()),
        "simulated": dataset.simulated,
        "joined": bool(dataset.sources),
        "duplicates": dataset.duplicates,
        "dropped": dataset.dropped,
        "notices": dataset.notices,
    }
    return pa.table(columns, pa.schema(fields, {"steer": json.dumps(about)}))


def from_arrow(table: Any, root: Path | None = None) -> Dataset:
    """The data set of a table. Raises DatasetError.

    `root`: where the images are now; without it, where they were when the table was made.
    """
    about = json.loads((table.schema.metadata or {}).get(b"steer", b"{}"))
    if about.get("version") != VERSION:
        raise DatasetError("the table is not one of this version: make it again with `steer reward prepare`")
    base = Path(root or about["root"])
    read = {name: _decoded(table.column(name)) for name in _TEXTS}
    users = _rows(read["user_id"])
    images = _rows(read["image_path"])
    first_of_user, first_of_image = _firsts(users), _firsts(images)

    def per(firsts: np.ndarray, name: str) -> list[Any]:
        values, codes = read[name]
        return [values[code] for code in codes[firsts]]

    ids, sources = per(first_of_user, "user_id"), per(first_of_user, "dataset")
    order = _user_order(ids, sources)
    place = np.argsort(order)
    first_of_user = first_of_user[order]
    numbers = {name: table.column(name).to_numpy().astype(np.float32) for name in _NUMBERS}
    lows, highs = (numbers[name][first_of_user].tolist() for name in ("raw_low", "raw_high"))
    sources = [sources[i] for i in order]
    ranges = {name: (low, high) for name, low, high in zip(sources, lows, highs, strict=True)}
    splits, codes = read["split"]
    return Dataset(
        root=base,
        user_ids=tuple(ids[i] for i in order),
        demographics=tuple(json.loads(text) for text in per(first_of_user, "demographics")),
        image_ids=tuple(per(first_of_image, "image_id")),
        image_paths=tuple(base / _inside(path) for path in per(first_of_image, "image_path")),
        metadata=tuple(json.loads(text) for text in per(first_of_image, "image_metadata")),
        users=place[users],
        images=images,
        scores=numbers["score"],
        splits=np.array(splits)[codes],
        duplicates=about["duplicates"],
        dropped=about.get("dropped", 0),  # tables from before have none
        name=about["name"],
        simulated=about["simulated"],
        sources=tuple(sources) if about["joined"] else (),
        user_records=tuple(json.loads(text) for text in per(first_of_user, "user_record")),
        raw_scores=None if set(ranges.values()) == {(1.0, 5.0)} else numbers["raw_score"],
        raw_ranges=ranges,
        extra={
            name.removeprefix(_EXTRA): _extra(table.column(name))
            for name in table.column_names
            if name.startswith(_EXTRA)
        },
        notices=tuple(about["notices"]),
    )


def write_table(dataset: Dataset, path: Path) -> None:
    """Write the Parquet file, whole or not at all. Raises DatasetError where pyarrow or room is missing."""
    table = to_arrow(dataset)
    from pyarrow import parquet

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary:
            parquet.write_table(table, temporary, compression="zstd")
    except OSError as error:
        raise DatasetError(f"cannot write {path} ({error.strerror or error}): make room there") from error


def read_table(path: Path, root: Path | None = None) -> Dataset:
    """Read what `write_table` wrote. Raises DatasetError where it or its images are missing or damaged."""
    _pyarrow()
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        dataset = from_arrow(table, root)
    except DatasetError:
        raise
    except Exception as error:
        raise DatasetError(
            f"{path} cannot be read ({error}): make it again with `steer reward prepare`"
        ) from error
    absent = [image for image in dataset.image_paths if not image.is_file()]
    if absent:
        raise DatasetError(
            f"{len(absent)} images of {path} are missing, first {absent[0]}: put the data set back, or make "
            "the table again with `steer reward prepare`"
        )
    return dataset


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise DatasetError(
            "tables of ratings need pyarrow: pip install 'steer[research]' (in a checkout: "
            "pip install -e '.[research]')"
        ) from error
    return pyarrow


def _encoded(pa: Any, values: Sequence[str | None], rows: np.ndarray) -> Any:
    """values[rows] as a dictionary column; equal values share an entry."""
    distinct = list(dict.fromkeys(value for value in values if value is not None))
    place = {value: i for i, value in enumerate(distinct)}
    codes = np.array([-1 if value is None else place[value] for value in values], np.int32)[rows]
    indices = pa.array(codes, pa.int32(), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(distinct, pa.string()))


def _distinct(values: np.ndarray) -> tuple[list[str], np.ndarray]:
    names, rows = np.unique(values, return_inverse=True)
    return names.tolist(), rows


def _decoded(column: Any) -> tuple[list[Any], np.ndarray]:
    """Distinct values and the row of each, None last for what is null."""
    encoded = column.unify_dictionaries().combine_chunks()  # each part of a large file has a dictionary
    values = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return [*values, None], codes.astype(np.int64)


def _rows(column: tuple[list[Any], np.ndarray]) -> np.ndarray:
    """Codes renumbered in the order of their first appearance."""
    _, codes = column
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _firsts(rows: np.ndarray) -> np.ndarray:
    """Position of the first rating of each row."""
    return np.unique(rows, return_index=True)[1]


def _user_order(ids: Sequence[str], sources: Sequence[str]) -> np.ndarray:
    """Natural order within each data set, data sets in the order of their first rating."""
    order: list[int] = []
    row = {id: i for i, id in enumerate(ids)}
    for name in dict.fromkeys(sources):
        order += [
            row[id] for id in natural_order([i for i, s in zip(ids, sources, strict=True) if s == name])
        ]
    return np.array(order, np.int64)


def _extra(column: Any) -> np.ndarray:
    if "dictionary" in str(column.type):
        values = np.empty(len(column), object)
        values[:] = [None if text is None else json.loads(text) for text in column.to_pylist()]
        return values
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float32)


def _relative(path: Path, root: Path) -> str:
    return path.absolute().relative_to(root.absolute()).as_posix()


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise DatasetError(f"the table names an image outside the data set: {path}")
    return path


def _json(value: Mapping[str, Any] | Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=False)

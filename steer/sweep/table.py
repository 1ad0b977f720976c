"""What a sweep found, as a table with a row for each candidate: CSV, and Parquet for large ones."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

from reward.files import whole
from steer.errors import SteerError, UsageError
from steer.record.files import writing
from steer.sweep.plan import Plan

CSV, PARQUET = "sweep.csv", "sweep.parquet"
_CHUNK = 50_000  # rows in memory
INSTALL = "pip install 'steer[research]' (from a checkout: pip install -e '.[research]')"


@dataclass(frozen=True)
class Row:
    """One candidate of one run."""

    run: str  # folder in runs/
    person: str  # label
    kind: str  # known, new, group or population
    base_prompt: str
    seed: int  # of the image
    id: str  # r00c00 is the base prompt
    iteration: int
    prompt: str  # as it was rendered
    fate: str  # best, kept, beaten, rejected or pending
    rank: int | None  # 1 is the best of its run; none where it cannot win
    score: float | None  # predicted rating
    gain: float | None  # over the base prompt of its run
    adherence: float | None  # image-text similarity to the base prompt
    reason: str | None  # why it was rejected
    image: str | None  # path relative to the sweep
    run_status: str
    verdict: str | None  # of the whole run on fresh seeds: better, no_evidence or worse
    confirmed_gain: float | None  # of the whole run


def rows(plan: Plan) -> Iterator[Row]:
    """Every candidate of every run that was begun, in the plan's order; what cannot be read is left out."""
    for cell in plan.cells:
        record = plan.record(cell)
        if record.damage is not None:
            continue
        result, candidates = record.result, record.candidates
        base, confirm = (result["baseline"] or {}).get("score"), result["confirm"] or {}
        for one in candidates:
            gain = None if base is None or one.score is None else one.score - base
            image = None if one.image is None else f"runs/{cell.name}/{one.image}"
            yield Row(
                cell.name, result["person"]["label"], result["person"]["kind"], result["prompt"], one.seed,
                one.id, one.iteration, one.prompt, one.fate, one.rank, one.score, gain, one.adherence,
                one.reason, image, result["status"], confirm.get("verdict"), confirm.get("gain_mean"),
            )  # fmt: skip


def write_csv(plan: Plan) -> Path:
    """`sweep.csv` (UTF-8, a header line). Raises RecordError."""
    path = plan.folder / CSV
    with (
        writing(plan.folder),
        whole(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(field.name for field in fields(Row))
        table.writerows(map(astuple, rows(plan)))
    return path


def write_parquet(plan: Plan) -> Path:
    """`sweep.parquet`, a row group for each 50,000 rows. Raises RecordError, UsageError without pyarrow."""
    path = plan.folder / PARQUET
    with writing(plan.folder), parquet_writer(path, _types()) as write:
        left = rows(plan)
        while chunk := list(islice(left, _CHUNK)):
            columns = zip(*map(astuple, chunk), strict=True)
            write(dict(zip((field.name for field in fields(Row)), columns, strict=True)))
    return path


def has_parquet() -> bool:
    """Whether pyarrow is installed."""
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


@contextmanager
def parquet_writer(path: Path, types: dict[str, str]) -> Iterator[Any]:
    """A function that appends columns (name -> values) to a file that is whole or not there.

    `types` names pyarrow's types. Raises UsageError without pyarrow, OSError.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise UsageError(f"Parquet needs the package pyarrow; run: {INSTALL}") from None
    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in types.items()])
    with whole(path) as temporary, parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:

        def write(columns: dict[str, Any]) -> None:
            try:
                writer.write_table(pa.table({k: list(v) for k, v in columns.items()}, schema=schema))
            except pa.ArrowException as error:
                raise SteerError(f"cannot write {path}: {error}; write CSV: steer sweep export") from error

        yield write


def _types() -> dict[str, str]:
    kinds = {"str": "string", "int": "int64", "float": "float64"}
    return {field.name: kinds[str(field.type).partition(" ")[0]] for field in fields(Row)}

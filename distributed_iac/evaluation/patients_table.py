"""The table of scored patients: one schema, written whole, merged in any order.

::

    table = patients_table(model, rows)
    write_patients(folder / "patients.parquet", table)
    whole = merge_patients([read_patients(path) for path in parts])    # any order, same table

Laws of merging: the order of the parts and their number do not matter; a part merged twice counts
once; two different results for the same model, case and target are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from distributed_iac.errors import DataError, raised_as
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.files import write_atomically
from distributed_iac.transient import patiently


@dataclass(frozen=True)
class ScoredModel:
    """Which model a row is about.

    Args:
        model: Key of the job that made it, unique in a sweep.
        dataset: Name of the data set.
        backbone: Key of the backbone.
        name: What it is called in comparisons: ``lth``, ``plain``, ``random``...
        arm: The way of searching it comes from, or None.
        seed: None where all seeds share the model.
    """

    model: str
    dataset: str
    backbone: str
    name: str
    arm: str | None
    seed: int | None


_TEXT, _NUMBER = pa.string(), pa.float64()
SCHEMA = pa.schema(
    [
        pa.field("model", _TEXT, nullable=False),
        pa.field("dataset", _TEXT, nullable=False),
        pa.field("backbone", _TEXT, nullable=False),
        pa.field("name", _TEXT, nullable=False),
        pa.field("arm", _TEXT),
        pa.field("seed", pa.int64()),
        pa.field("patient_id", _TEXT, nullable=False),
        pa.field("case_id", _TEXT, nullable=False),
        pa.field("target", _TEXT, nullable=False),
        pa.field("dice", _NUMBER, nullable=False),
        pa.field("hd95", _NUMBER),
        pa.field("surface_dice", _NUMBER),
        pa.field("tolerance", _NUMBER),
        pa.field("label_ml", _NUMBER, nullable=False),
        pa.field("predicted_ml", _NUMBER, nullable=False),
        pa.field("phase", _TEXT),
        pa.field("empty_policy", _TEXT, nullable=False),
    ],
    metadata={
        "values": "NaN: undefined under the row's empty_policy; null: not computed",
        "units": "hd95 and tolerance mm; label_ml and predicted_ml ml; dice and surface_dice 0..1",
    },
)
KEY = ("model", "case_id", "target")
"""What a row is identified by."""


def patients_table(model: ScoredModel, rows: Sequence[CaseScore]) -> pa.Table:
    """Put a model's rows into the table's form."""
    who = asdict(model)
    return merge_patients([pa.Table.from_pylist([who | vars(row) for row in rows], SCHEMA)])


def merge_patients(parts: Iterable[pa.Table]) -> pa.Table:
    """Join parts of a table.

    Args:
        parts: Tables of :data:`SCHEMA`, in any order; may overlap in identical rows.

    Returns:
        Ordered by :data:`KEY`; each key once.

    Raises:
        DataError: A part has another schema, or two rows of one key differ.
    """
    tables = [_checked(part, "a part") for part in parts]
    joined = pa.concat_tables([SCHEMA.empty_table(), *tables])
    distinct = joined.group_by(SCHEMA.names, use_threads=False).aggregate([])
    counts = distinct.group_by(list(KEY), use_threads=False).aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts["count_all"], 1))
    if len(twice):
        raise DataError(
            "a model has one result for each case and target",
            came=f"{len(twice)} with different ones, the first: {twice.slice(0, 1).to_pylist()[0]}",
            remedy="merge tables of one sweep only, or delete the older of the two",
        )
    ordered = distinct.sort_by([(name, "ascending") for name in KEY]).combine_chunks()
    return pa.table(ordered.columns, schema=SCHEMA)


def write_patients(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, whole or not at all.

    Raises:
        DataError: It has another schema.
        OSError: It cannot be written.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(_checked(table, path), sink, compression="zstd")
    write_atomically(path, sink.getvalue().to_pybytes())


def read_patients(path: Path) -> pa.Table:
    """Read a table written by :func:`write_patients`.

    Raises:
        DataError: It is no complete Parquet file, or has another schema.
        OSError: It is not there.
    """
    message, remedy = (
        "a table of patients is a complete Parquet file",
        "delete it and evaluate again",
    )
    with raised_as(DataError, message, remedy=remedy, where=path, caught=pa.ArrowInvalid):
        table = patiently(lambda: pq.read_table(path))
    return _checked(table, path)


def _checked(table: pa.Table, where: object) -> pa.Table:
    if table.schema.names != SCHEMA.names or table.schema.types != SCHEMA.types:
        raise DataError(
            f"a table of patients has the columns {', '.join(SCHEMA.names)}",
            came=", ".join(f"{field.name}: {field.type}" for field in table.schema),
            where=where,
            remedy="evaluate again with this version",
        )
    return table.cast(SCHEMA)

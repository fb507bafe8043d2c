"""The small tables of a store: one row a slice, one row a case.

::

    index = index_table(cases)                   # FACTS columns, shard and row in the shard
    write_table(folder / "index.parquet", index)
    index, cases = read_index(folder / "index.parquet"), read_cases(folder / "cases.parquet")
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from distributed_iac.data.contract import Modality, Phase
from distributed_iac.data.splits.split import Part
from distributed_iac.data.store.shard import FACTS
from distributed_iac.data.volumes.plane import CaseGeometry
from distributed_iac.files import FileDigest, hashed_file
from distributed_iac.transient import patiently

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StoredCase:
    """One case of a store.

    Args:
        case_id: Unique in the store.
        patient_id: Owner; decides the part.
        part: Of the split.
        modality: Of the images.
        rows: Ids of all its slices, in slice order, empty ones included.
        geometry: The way back to the grid of the files.
        affine: Of the image file, (4, 4).
        phase: Cardiac phase, for ACDC.
        unannotated: Label values that its annotation never contains; metrics for them are
            undefined.
        attributes: Further facts (ACDC: diagnosis group).
    """

    case_id: str
    patient_id: str
    part: Part
    modality: Modality
    rows: IntArray
    geometry: CaseGeometry
    affine: NDArray[np.float64]
    phase: Phase | None
    unannotated: frozenset[int]
    attributes: Mapping[str, str]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(dz, dy, dx) in mm of the native slices."""
        return self.geometry.slices.spacing

    @property
    def zooms(self) -> tuple[float, float, float]:
        """Voxel size in mm along X, Y, Z of the array on disk."""
        zooms = [0.0, 0.0, 0.0]
        for axis, size in zip(self.geometry.slices.axes, self.spacing, strict=True):
            zooms[axis] = size
        return zooms[0], zooms[1], zooms[2]


@dataclass(frozen=True, eq=False)
class Index:
    """Where each slice lies and what it contains, as arrays over the row ids.

    Args:
        shard: (n,) number of the shard.
        place: (n,) row in the shard.
        foreground: (n,) bit masks.
    """

    shard: IntArray
    place: IntArray
    foreground: IntArray


CASE_SCHEMA = pa.schema(
    [
        ("case_id", pa.string()),
        ("patient_id", pa.string()),
        ("part", pa.string()),
        ("modality", pa.string()),
        ("phase", pa.string()),
        ("first_row", pa.int64()),
        ("n_slices", pa.int64()),
        ("geometry", pa.string()),
        ("affine", pa.list_(pa.float64())),
        ("unannotated", pa.list_(pa.int64())),
        ("attributes", pa.string()),
    ]
)


def case_facts(dataset: str, case: StoredCase, foreground: Sequence[int]) -> pa.Table:
    """Rows of the :data:`FACTS` columns for the slices of a case."""
    n = len(foreground)
    columns: dict[str, Sequence[Any]] = {
        "dataset": [dataset] * n,
        "patient_id": [case.patient_id] * n,
        "case_id": [case.case_id] * n,
        "phase": [case.phase] * n,
        "modality": [case.modality] * n,
        "part": [case.part] * n,
        "slice_index": range(n),
        "n_slices": [n] * n,
        "foreground": list(foreground),
    }
    return pa.table(columns, schema=FACTS)


def index_table(shards: Sequence[Sequence[pa.Table]]) -> pa.Table:
    """Join the facts of every shard's cases and add where each row lies."""
    joined = [pa.concat_tables(tables) for tables in shards]
    numbers = np.repeat(np.arange(len(joined)), [len(table) for table in joined])
    places = np.concatenate([np.arange(len(table)) for table in joined])
    index = pa.concat_tables(joined).combine_chunks()
    index = index.append_column("shard", pa.array(numbers, pa.int64()))
    return index.append_column("place", pa.array(places, pa.int64()))


def cases_table(cases: Sequence[StoredCase]) -> pa.Table:
    """One row a case."""
    rows = [
        {
            "case_id": case.case_id,
            "patient_id": case.patient_id,
            "part": case.part,
            "modality": case.modality,
            "phase": case.phase,
            "first_row": int(case.rows[0]),
            "n_slices": len(case.rows),
            "geometry": json.dumps(case.geometry.to_json()),
            "affine": case.affine.ravel().tolist(),
            "unannotated": sorted(case.unannotated),
            "attributes": json.dumps(dict(case.attributes), sort_keys=True),
        }
        for case in cases
    ]
    return pa.Table.from_pylist(rows, schema=CASE_SCHEMA)


def write_table(path: Path, table: pa.Table) -> FileDigest:
    """Write a small table as Parquet.

    Raises:
        OSError: It cannot be written.
    """
    with hashed_file(path) as file:
        pq.write_table(table, file, compression="zstd")
    return file.digest


def read_index(path: Path) -> Index:
    """Read the index."""
    names = ("shard", "place", "foreground")
    table = patiently(lambda: pq.read_table(path, columns=list(names)))
    return Index(*(table[name].to_numpy() for name in names))


def read_cases(path: Path) -> tuple[StoredCase, ...]:
    """Read the cases, in the order of their rows."""
    return tuple(_case(row) for row in patiently(lambda: pq.read_table(path)).to_pylist())


def _case(row: Mapping[str, Any]) -> StoredCase:
    first, count = row["first_row"], row["n_slices"]
    rows = np.arange(first, first + count, dtype=np.int64)
    rows.flags.writeable = False
    return StoredCase(
        case_id=row["case_id"],
        patient_id=row["patient_id"],
        part=row["part"],
        modality=row["modality"],
        rows=rows,
        geometry=CaseGeometry.from_json(json.loads(row["geometry"])),
        affine=np.array(row["affine"]).reshape(4, 4),
        phase=row["phase"],
        unannotated=frozenset(row["unannotated"]),
        attributes=json.loads(row["attributes"]),
    )

"""Shards: Arrow files of slices, memory-mapped, read without copying.

::

    digest = write_shard(path, layout, cases)
    shard = Shard(path)
    shard.image(7)                               # (C, H, W) float16, a read-only view of the file
    shard.label(7)                               # (H, W) uint8

Columns: ``image`` and ``label`` as Arrow's canonical fixed-shape tensors, so that any Arrow
reader (Ray Data, Polars, DuckDB) understands them, and a row's plain facts beside them.
Uncompressed, 64 rows a record batch: measured 1.9 us for a random slice of 256 x 256, against
24 us with one row a batch and 4.6 ms with zstd.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from distributed_iac.errors import StoreError, raised_as
from distributed_iac.files import FileDigest, hashed_file
from distributed_iac.transient import patiently

BATCH_ROWS = 64
AGAIN = "delete the store and run `distributed-iac prepare` again"
"""What to do about a damaged file."""


SHARD_BYTES = 128 * 2**20
"""A shard is closed when its slices reach this many bytes: large enough for sequential reading,
small enough to be copied and cached one by one. Cases are never divided."""

FACTS = pa.schema(
    [
        ("dataset", pa.string()),
        ("patient_id", pa.string()),
        ("case_id", pa.string()),
        ("phase", pa.string()),
        ("modality", pa.string()),
        ("part", pa.string()),
        ("slice_index", pa.int32()),
        ("n_slices", pa.int32()),
        ("foreground", pa.int64()),
    ]
)
"""Plain columns of shards and of the index; ``foreground`` has bit v for label value v."""


@dataclass(frozen=True, eq=False)
class CaseRows:
    """The rows of one case, as they come into a shard.

    Args:
        images: (Z, C, H, W) float16.
        labels: (Z, H, W) uint8.
        facts: Z rows of the :data:`FACTS` columns.
    """

    images: NDArray[np.float16]
    labels: NDArray[np.uint8]
    facts: pa.Table


def write_shard(path: Path, cases: Sequence[CaseRows], metadata: Mapping[str, str]) -> FileDigest:
    """Write the rows of some cases, in order.

    Args:
        path: Appears only when whole.
        cases: At least one.
        metadata: Kept in the schema.

    Raises:
        OSError: It cannot be written.
    """
    tensors = pa.schema(
        [
            ("image", pa.fixed_shape_tensor(pa.float16(), cases[0].images.shape[1:])),
            ("label", pa.fixed_shape_tensor(pa.uint8(), cases[0].labels.shape[1:])),
        ]
    )
    schema = pa.schema([*tensors, *FACTS], metadata=dict(metadata))
    facts = pa.concat_tables([case.facts for case in cases]).combine_chunks()
    with hashed_file(path) as file, pa.ipc.new_file(file, schema) as writer:
        start = 0
        for images, labels in _regrouped(cases):
            rows = facts.slice(start, len(images))
            start += len(images)
            columns = [
                pa.FixedShapeTensorArray.from_numpy_ndarray(images),
                pa.FixedShapeTensorArray.from_numpy_ndarray(labels),
                *(rows[name].combine_chunks() for name in FACTS.names),
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return file.digest


def _regrouped(
    cases: Sequence[CaseRows],
) -> Iterator[tuple[NDArray[np.float16], NDArray[np.uint8]]]:
    """Cut the joined rows of all cases into batches."""
    images: list[NDArray[np.float16]] = []
    labels: list[NDArray[np.uint8]] = []
    room = BATCH_ROWS
    for case in cases:
        start = 0
        while start < len(case.images):
            stop = min(start + room, len(case.images))
            images.append(case.images[start:stop])
            labels.append(case.labels[start:stop])
            room -= stop - start
            start = stop
            if not room:
                yield np.concatenate(images), np.concatenate(labels)
                images, labels, room = [], [], BATCH_ROWS
    if images:
        yield np.concatenate(images), np.concatenate(labels)


class Shard:
    """An open, memory-mapped shard; safe to read from several threads.

    Args:
        path: Of the shard.

    Raises:
        StoreError: The file cannot be opened as an Arrow file of slices.
    """

    def __init__(self, path: Path) -> None:
        message = "a shard must be a complete Arrow file of slices"
        wrong = (OSError, KeyError, pa.ArrowException)
        with raised_as(StoreError, message, remedy=AGAIN, where=path, caught=wrong):
            self._map = patiently(lambda: pa.memory_map(str(path)))
            reader = pa.ipc.open_file(self._map)
            batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
            self._images = [_tensor(batch, "image") for batch in batches]
            self._labels = [_tensor(batch, "label") for batch in batches]

    def image(self, row: int) -> NDArray[np.float16]:
        """View one image, (C, H, W), read-only."""
        image: NDArray[np.float16] = self._images[row // BATCH_ROWS][row % BATCH_ROWS]
        return image

    def label(self, row: int) -> NDArray[np.uint8]:
        """View one label, (H, W), read-only."""
        label: NDArray[np.uint8] = self._labels[row // BATCH_ROWS][row % BATCH_ROWS]
        return label


def _tensor(batch: Any, name: str) -> NDArray[Any]:
    array: NDArray[Any] = batch.column(name).to_numpy_ndarray()
    return array

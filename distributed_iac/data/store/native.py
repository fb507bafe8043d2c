"""Labels on the grid of the files, kept so that evaluation does not need the source.

::

    digest = write_native_labels(path, cases)    # one record batch a case, Zstandard
    NativeLabels(path).read(3)                   # (X, Y, Z) uint8, as on disk
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from distributed_iac.data.store.shard import AGAIN
from distributed_iac.errors import StoreError, raised_as
from distributed_iac.files import FileDigest, hashed_file
from distributed_iac.transient import patiently

CODEC = "zstd"
SCHEMA = pa.schema(
    [
        ("case_id", pa.string()),
        ("shape", pa.list_(pa.int64())),
        ("label", pa.large_binary()),
    ],
    metadata={"label": "uint8, Fortran order (X, Y, Z) as in NIfTI, Zstandard"},
)


def compress(label: NDArray[np.uint8]) -> bytes:
    """Compress a label map; masks shrink a hundredfold."""
    packed: bytes = pa.compress(label.ravel(order="F"), codec=CODEC, asbytes=True)
    return packed


def write_native_labels(
    path: Path, cases: Iterable[tuple[str, tuple[int, int, int], bytes]]
) -> FileDigest:
    """Write (case id, shape, compressed label) of every case, in order.

    Raises:
        OSError: It cannot be written.
    """
    with hashed_file(path) as file, pa.ipc.new_file(file, SCHEMA) as writer:
        for case_id, shape, packed in cases:
            columns = ([case_id], [list(shape)], [packed])
            arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
    return file.digest


class NativeLabels:
    """The open, memory-mapped file.

    Args:
        path: Of the file.

    Raises:
        StoreError: It is no complete Arrow file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._complete():
            self._map = patiently(lambda: pa.memory_map(str(path)))
            self._reader = pa.ipc.open_file(self._map)

    def read(self, position: int) -> NDArray[np.uint8]:
        """Read the label of one case, (X, Y, Z), in an array of its own."""
        with self._complete():
            batch = self._reader.get_batch(position)
            shape = tuple(batch.column("shape")[0].as_py())
            packed = batch.column("label")[0].as_buffer()
            size = int(np.prod(shape, dtype=np.int64))
            plain = pa.decompress(packed, decompressed_size=size, codec=CODEC)
            return np.frombuffer(plain, dtype=np.uint8).reshape(shape, order="F").copy(order="F")

    def _complete(self) -> AbstractContextManager[None]:
        message = "native labels must be a complete Arrow file"
        wrong = (OSError, ValueError, pa.ArrowException)
        return raised_as(StoreError, message, remedy=AGAIN, where=self._path, caught=wrong)

"""What a finished stage leaves behind, as files.

::

    write_rows(folder / "epochs.parquet", outcome.rows)
    write_cell(folder / "genotype.json", stage.discretise(), {"arm": "lth", "seed": 0})
    write_weights(folder / "backbone.safetensors", stage.best.state)
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from distributed_iac.errors import CheckpointError
from distributed_iac.files import write_atomically, write_json
from distributed_iac.pruning.discretise import Discretisation
from distributed_iac.training.stage import Scalar
from distributed_iac.transient import patiently


def write_rows(path: Path, rows: Sequence[Mapping[str, Scalar]]) -> None:
    """Write one row an epoch; columns that appear later are empty before.

    Args:
        path: Parquet file.
        rows: Scalars by name; at least one row.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_atomically(path, buffer.getvalue())


def write_cell(path: Path, cell: Discretisation, provenance: Mapping[str, Any]) -> None:
    """Write a genotype with its id, the confidence of every edge, and where it came from."""
    content = {"id": cell.genotype.id, **cell.to_dict(), "provenance": dict(provenance)}
    write_json(path, content)


def write_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a state_dict as safetensors: numbers only, nothing that could run."""
    write_atomically(path, weights_bytes(state))


def weights_bytes(state: Mapping[str, Tensor], header: Mapping[str, str] | None = None) -> bytes:
    """The file of a state_dict, the same for equal tensors; ``header`` is text beside them."""
    tensors = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }
    return save(tensors, None if header is None else dict(header))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state_dict.

    Raises:
        CheckpointError: Missing or damaged.
    """
    try:
        tensors: dict[str, Tensor] = load(patiently(path.read_bytes))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            "cannot read the weights", came=str(error), remedy="delete the file", where=path
        ) from error
    return tensors

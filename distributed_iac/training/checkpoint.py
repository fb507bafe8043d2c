"""Checkpoints that are whole, verified, and load nothing but data.

::

    path.write_bytes(checkpoint_bytes({"kind": "search", "stage": stage.state_dict()}))
    state = read_checkpoint(path)

A checkpoint is a ``torch.save`` archive followed by the SHA-256 of its bytes, so that a torn or
flipped file is known before it is trusted; it is read with ``weights_only``, so that a poisoned
file can run nothing.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from distributed_iac.errors import CheckpointError, first_line
from distributed_iac.transient import patiently
from distributed_iac.versions import CHECKPOINT, require_version, versioned

_DIGEST_BYTES = hashlib.sha256().digest_size


def checkpoint_bytes(state: Mapping[str, Any]) -> bytes:
    """The content of a checkpoint; ``state`` has tensors and plain Python values only."""
    buffer = io.BytesIO()
    torch.save(versioned(CHECKPOINT, state), buffer)
    data = buffer.getvalue()
    return data + hashlib.sha256(data).digest()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read and verify a checkpoint, onto the CPU.

    Raises:
        CheckpointError: As :func:`parse_checkpoint`, or it is missing.
        RunError: The same.
    """
    try:
        content = patiently(path.read_bytes)
    except OSError as error:
        raise CheckpointError("cannot read the checkpoint", came=str(error), where=path) from error
    return parse_checkpoint(content, path)


def parse_checkpoint(content: bytes, path: object) -> dict[str, Any]:
    """Verify the content of a checkpoint.

    Args:
        content: Of the file.
        path: For errors.

    Raises:
        CheckpointError: Truncated, altered, or holding anything but data.
        RunError: Whole, but of a release that this one cannot read: nothing to pass over.
    """
    data, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if len(digest) < _DIGEST_BYTES or hashlib.sha256(data).digest() != digest:
        raise CheckpointError(
            "the checkpoint's content does not match its checksum",
            came=f"{len(content)} bytes",
            remedy="delete it; the run continues from the one before",
            where=path,
        )
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            "a checkpoint holds tensors and plain values only",
            came=first_line(error),
            remedy="do not use files from sources you do not trust",
            where=path,
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError("a checkpoint is a mapping", came=type(state).__name__, where=path)
    require_version(CHECKPOINT, state, path)
    return state

"""Files that are either whole or not there.

::

    write_atomically(path, data)          # temporary file, fsync, rename, fsync of the folder
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from threading import get_ident
from typing import Any

from distributed_iac.transient import patiently

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading content of the wrong kind or shape raises; errors of JSON and Arrow are among the
ValueErrors."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a kill at any instant leaves the old file or the new one; patiently.

    The temporary file lies beside the target, because a rename is only atomic within one file
    system. Each thread of each process has its own: of several that write the same file, the last
    one wins, whole.

    Raises:
        OSError: The folder is not writable or the disk is full; the old file is untouched and
            the temporary file removed.
    """
    patiently(lambda: _write_once(path, data))


def _write_once(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically; NaN is refused because JSON has none.

    Raises:
        OSError: As :func:`write_atomically`.
        ValueError: The value holds NaN or infinity.
    """
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    write_atomically(path, text.encode() + b"\n")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the platform lets a folder be opened."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Large files that are either whole or not there, hashed while they are written.

::

    with storage_errors(folder), WholeFile(folder / "shard-00000.arrow") as file:
        file.write(b"...")                       # any number of times
    file.digest                                  # FileDigest(size, sha256)
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from distributed_iac.errors import StoreError

HASH_CHUNK = 2**22
"""Bytes hashed at a time."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class FileDigest:
    """Size in bytes and SHA-256 of a file's content."""

    size: int
    sha256: str


class WholeFile(io.RawIOBase):
    """A file under a temporary name, renamed when everything is written and synchronised.

    Args:
        path: Final name; the temporary file lies beside it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._temporary.open("wb")
        self._hash = hashlib.sha256()
        self._size = 0

    @property
    def digest(self) -> FileDigest:
        """Of what has been written so far."""
        return FileDigest(self._size, self._hash.hexdigest())

    def writable(self) -> bool:
        """Yes; asked by writers that take any file."""
        return True

    def write(self, data: Any) -> int:
        """Write and hash bytes.

        Raises:
            OSError: The disk is full or gone.
        """
        view = memoryview(data).cast("B")
        self._file.write(view)
        self._hash.update(view)
        self._size += view.nbytes
        return view.nbytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._temporary.replace(self._path)
                _synchronise(self._path.parent)
        finally:
            if not self._file.closed:
                # After a full disk, closing tries to write the rest once more.
                with contextlib.suppress(OSError):
                    self._file.close()
                self._temporary.unlink(missing_ok=True)
            super().close()

    def close(self) -> None:
        """Leave the decision between keeping and discarding to ``__exit__``."""


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn what a disk can do to a writer into one readable error.

    Raises:
        StoreError: In place of any OSError.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        raise StoreError(
            "the store's disk must have room" if full else "the store's folder must be writable",
            came=error.strerror or str(error),
            where=folder,
            remedy="free some space and run the same command again, it continues"
            if full
            else "correct permissions or choose another folder, then run the command again",
        ) from error


def _synchronise(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path: Path) -> FileDigest:
    """Hash an existing file.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(HASH_CHUNK):
            digest.update(chunk)
    return FileDigest(path.stat().st_size, digest.hexdigest())

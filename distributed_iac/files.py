"""Files that are either whole or not there, and the checksums of their content.

::

    write_atomically(path, data)          # temporary file, fsync, rename, fsync of the folder
    with hashed_file(path) as file:       # the same, for what is too large for the memory
        file.write(b"...")                # any number of times
    file.digest                           # FileDigest(size, sha256)
    sha256_of(path)                       # read once a process, for as long as it is not changed
    parse_json(path.read_bytes())         # what somebody else has written
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Any, BinaryIO

from distributed_iac.errors import ConfigError
from distributed_iac.transient import patiently

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading content of the wrong kind or shape raises; errors of JSON and Arrow are among the
ValueErrors."""

HASH_CHUNK = 2**22
"""Bytes hashed at a time."""


@contextlib.contextmanager
def whole_file(path: Path, ending: str = ".tmp") -> Iterator[Path]:
    """Give a temporary path, whose content becomes the file when the block ends without an error.

    A kill at any instant leaves the old file or the new one. The temporary file lies beside the
    target, because a rename is only atomic within one file system. Each thread of each process has
    its own: of several that write the same file, the last one wins, whole.

    Args:
        path: Of the file; its folder is created if need be.
        ending: Of the temporary file, for libraries that go by it.

    Raises:
        OSError: The folder is not writable or the disk is full; the old file is untouched and
            the temporary file removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the name itself: one as long as file systems take leaves no room for more.
    own = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]
    temporary = path.with_name(f".{own}.{os.getpid()}-{get_ident()}{ending}")
    try:
        yield temporary
        _synchronise(temporary)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _synchronise(path.parent)  # makes the rename itself durable


def _synchronise(path: Path) -> None:
    """Bring a file's content, or a folder's names, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; patiently.

    Raises:
        OSError: As :func:`whole_file`.
    """
    patiently(lambda: _write_once(path, data))


def _write_once(path: Path, data: bytes) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def new_folder(out: Path, what: str) -> Iterator[Path]:
    """Give a folder beside ``out`` that becomes it when the block ends without an error.

    Args:
        out: New or empty.
        what: What is written there, for messages.

    Raises:
        ConfigError: ``out`` is in use.
        OSError: It cannot be written. Nothing is left behind then.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            f"{what} is written to a new or empty folder",
            came="a folder with files in it" if out.is_dir() else "a file",
            remedy="name another folder, or delete this one",
            where=out,
        )
    unfinished = out.absolute().with_name(f".{out.absolute().name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        yield unfinished
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def parse_json(content: str | bytes) -> Any:
    """Parse JSON that a person or another program has written: nothing in it is passed over.

    Every such file is read by this function: data sets' lists, splits, tables of patients, plans of
    nnU-Net, model cards, genotypes. Of a key that is given twice Python's own parser takes the
    last, so that a part of a split, or the meaning of a label, is gone without a word.

    Args:
        content: Text, or bytes in UTF-8 (or 16, 32), with or without a byte order mark.

    Raises:
        ValueError: It is no JSON, or an object in it has a key twice.
        RecursionError: It is nested too deeply.
    """
    return json.loads(content, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} is given twice in one object; keep one of them")
    return found


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically; NaN is refused because JSON has none.

    Raises:
        OSError: As :func:`whole_file`.
        ValueError: The value holds NaN or infinity.
    """
    write_atomically(path, json_text(value).encode())


def without_nan(value: Any) -> Any:
    """The same with null for numbers that JSON does not have, and lists for tuples."""
    if isinstance(value, Mapping):
        return {name: without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(value: Any) -> str:
    """Readable JSON, the same for equal values; a line break at its end.

    Raises:
        ValueError: The value holds NaN or infinity.
    """
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"


@dataclass(frozen=True)
class FileDigest:
    """Size in bytes and SHA-256 of a file's content."""

    size: int
    sha256: str


class HashedFile(io.RawIOBase):
    """Passes on what is written and hashes it.

    Args:
        file: Where to; its owner closes it.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
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

    def close(self) -> None:
        """Do nothing: Arrow closes what it has written; the owner closes the file."""


@contextlib.contextmanager
def hashed_file(path: Path) -> Iterator[HashedFile]:
    """Write a large file piece by piece, whole or not at all, and hash it on the way.

    Raises:
        OSError: As :func:`whole_file`.
    """
    with whole_file(path) as temporary, temporary.open("wb") as file:
        yield HashedFile(file)


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


_SETTLED = 2 * 10**9
"""Nanoseconds after which a change shows in the time of a file, on every file system that has
times: FAT, the coarsest, counts two seconds."""

_KNOWN: dict[Path, tuple[tuple[int, ...], str]] = {}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file; read again only once its size, times or inode are others.

    Remembered in this process alone: what a disk does to a file later need not show in its time.

    Raises:
        OSError: It cannot be read.
    """
    stat, place = path.stat(), path.absolute()
    stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    known = _KNOWN.get(place)
    if known is not None and known[0] == stamp:
        return known[1]
    sha256 = digest_of(path).sha256
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED:
        _KNOWN[place] = (stamp, sha256)
    return sha256

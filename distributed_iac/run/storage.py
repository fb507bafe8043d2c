"""Folders that may lie on this machine or in an object store.

::

    system, path = resolve("s3://bucket/runs/acdc")
    content = read_file(system, f"{path}/result.json")      # patiently
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyarrow import fs

from distributed_iac.files import write_atomically
from distributed_iac.transient import patiently


def is_uri(folder: str) -> bool:
    """Whether a folder lies elsewhere; one that begins with ``file://`` is treated as if it did."""
    return "://" in folder


def absolute(folder: str) -> str:
    """A local folder's absolute path; a URI as it is."""
    return folder if is_uri(folder) else str(Path(folder).absolute())


def resolve(folder: str) -> tuple[Any, str]:
    """File system and path of a local folder or URI.

    Args:
        folder: Local, or a URI of a file system that pyarrow knows.
    """
    if not is_uri(folder):
        return fs.LocalFileSystem(), absolute(folder)
    system, path = fs.FileSystem.from_uri(folder)
    return system, path


def is_file(system: Any, path: str) -> bool:
    """Whether a file is there, patiently.

    Raises:
        OSError: Storage keeps failing.
    """
    return bool(patiently(lambda: system.get_file_info(path)).type == fs.FileType.File)


def read_file(system: Any, path: str) -> bytes:
    """Read a whole file, patiently.

    Raises:
        OSError: It is not there, or storage keeps failing.
    """
    return patiently(lambda: _read(system, path))


def write_object(system: Any, path: str, content: bytes) -> None:
    """Write an object, patiently; it appears whole or not at all.

    In an object store it does when its stream is closed.

    Raises:
        OSError: Storage is full or keeps failing.
    """
    if isinstance(system, fs.LocalFileSystem):
        write_atomically(Path(path), content)
    else:
        patiently(lambda: _write(system, path, content))


def _read(system: Any, path: str) -> bytes:
    with system.open_input_stream(path) as stream:
        content: bytes = stream.read()
    return content


def _write(system: Any, path: str, content: bytes) -> None:
    with system.open_output_stream(path) as stream:
        stream.write(content)

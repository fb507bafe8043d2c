"""Folders that may lie on this machine or in an object store.

::

    system, path = resolve("s3://bucket/runs/acdc")
    system.get_file_info(path)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyarrow import fs


def absolute(folder: str) -> str:
    """A local folder's absolute path; a URI as it is."""
    return folder if "://" in folder else str(Path(folder).absolute())


def resolve(folder: str) -> tuple[Any, str]:
    """File system and path of a local folder or URI.

    Args:
        folder: Local, or a URI of a file system that pyarrow knows.
    """
    if "://" not in folder:
        return fs.LocalFileSystem(), absolute(folder)
    system, path = fs.FileSystem.from_uri(folder)
    return system, path

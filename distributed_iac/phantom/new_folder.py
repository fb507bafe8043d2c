"""A folder that appears whole or not at all.

::

    with new_folder(Path("phantoms/acdc")) as unfinished:
        write(unfinished)                # beside it, under another name until all is written
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed_iac.errors import ConfigError


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Write into a folder beside ``out`` that becomes it where nothing went wrong.

    Raises:
        ConfigError: ``out`` is in use.
        OSError: It cannot be written. Nothing is left behind then.
    """
    _require_unused(out)
    place = out.absolute()
    unfinished = place.with_name(f".{place.name}.unfinished")
    _remove(unfinished)
    try:
        yield unfinished
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    finally:
        _remove(unfinished)


def _require_unused(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            "a phantom is written to a new or empty folder",
            where=out,
            came="a folder with files in it" if out.is_dir() else "a file",
            remedy="give another folder, or delete this one",
        )


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)

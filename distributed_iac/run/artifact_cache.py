"""Copies of remote results on this machine: as many as there is room for, and all that are in use.

::

    cache = Cache(Path.home() / ".cache/distributed_iac/artifacts")
    folder = cache.hold("5f/5f0c")          # stays while this process lives
    ...                                     # copy files there
    cache.trim()                            # what was used longest ago goes

Layout: ``<root>/<first two digits>/<digest>/<files>``; in ``<root>/.used`` a file for every process
that holds results, with their names. The process keeps it locked, and its death unlocks it.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

ROOM = 10 * 2**30
"""Bytes that copies may take. Our choice: the weights of hundreds of searches and retrainings,
5 to 130 MB each, and a tenth of what home folders are often limited to."""

_HELD: dict[tuple[int, Path], tuple[Path, FileLock]] = {}
"""This process's list of what it holds, and its lock, by root; a child after a fork has its own."""


@dataclass(frozen=True)
class Cache:
    """Folders of results.

    Args:
        root: Where they lie.
        room: Bytes that they may take; more only while all of them are in use.
    """

    root: Path
    room: int = ROOM

    def hold(self, place: str) -> Path:
        """Keep a result's folder while this process lives; made if need be.

        Args:
            place: Below the root.
        """
        folder = self.root / place
        with self._changing():
            with self._list().open("a", encoding="utf-8") as held:
                held.write(f"{place}\n")
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)
        return folder

    def trim(self) -> None:
        """Remove what nobody holds, used longest ago first, until the rest has room."""
        with self._changing():
            held = self._held()
            folders = {one: _size(one) for one in self.root.glob("[!.]*/*") if one.is_dir()}
            taken = sum(folders.values())
            for folder in sorted(folders, key=lambda one: one.stat().st_mtime):
                if taken <= self.room:
                    return
                if str(folder.relative_to(self.root)) not in held:
                    shutil.rmtree(folder)
                    taken -= folders[folder]

    def _changing(self) -> FileLock:
        """One process at a time says what it holds, or removes what nobody does."""
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / ".lock")

    def _list(self) -> Path:
        key = (os.getpid(), self.root)
        if key not in _HELD:
            used = self.root / ".used" / uuid.uuid4().hex
            used.parent.mkdir(exist_ok=True)
            lock = FileLock(used.with_suffix(".lock"))
            lock.acquire()
            _HELD[key] = used, lock
        return _HELD[key][0]

    def _held(self) -> set[str]:
        """What living processes hold; the lists of dead ones are removed."""
        places: set[str] = set()
        for used in self.root.glob(".used/*"):
            if used.suffix:
                continue
            lock = FileLock(used.with_suffix(".lock"), timeout=0)
            try:
                lock.acquire()
            except Timeout:
                places.update(used.read_text(encoding="utf-8").split())
            else:
                used.unlink()
                lock.release()
        return places


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())

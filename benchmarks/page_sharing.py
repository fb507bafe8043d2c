"""How much memory do many readers of one store take together?

::

    sharing = measure_sharing(Path("stores/acdc"), processes=8)
    sharing.shards_megabytes              # the slices on disk
    sharing.proportional_megabytes        # what all readers hold of them together

The kernel's proportional set size (PSS, ``/proc/<pid>/smaps``) divides every page by the number
of processes that map it, so that the sum over processes counts a shared page once. Eight readers
that share have a sum of one copy; eight readers that copy have eight, and their anonymous memory
grows while they read.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distributed_iac.data.store import Store

_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(?P<path>.*)$")
_FIELD = re.compile(r"^(?P<name>\w+):\s+(?P<kilobytes>\d+) kB$")
_MEGABYTES = 1024e-6


@dataclass(frozen=True)
class Sharing:
    """Memory of several processes that have all read everything; 1e6 bytes throughout.

    Args:
        processes: Number of readers.
        shards_megabytes: Size of the files that hold the slices.
        resident_megabytes: Resident pages of those files, added up over the readers: what naive
            tools show.
        proportional_megabytes: The same with every shared page counted once.
        growth_megabytes: Anonymous memory (heap) that the readers took while reading, added up.
    """

    processes: int
    shards_megabytes: float
    resident_megabytes: float
    proportional_megabytes: float
    growth_megabytes: float


@dataclass(frozen=True)
class _Held:
    """Kilobytes of one process."""

    resident: int
    proportional: int
    anonymous: int


def measure_sharing(store: Path, processes: int) -> Sharing:
    """Start readers, let each read every byte, and add up what they hold at the end.

    No other process may have the store's pages mapped meanwhile: it would take its share.

    Args:
        store: Folder of a store; pages of other files (libraries) are not counted.
        processes: Number of readers.
    """
    command = [sys.executable, "-m", "benchmarks.page_sharing", str(store)]
    readers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for reader in readers:
        _await(reader)
    before = [_held(reader.pid, store) for reader in readers]
    for reader in readers:
        _tell(reader)
    for reader in readers:
        _await(reader)
    after = [_held(reader.pid, store) for reader in readers]
    for reader in readers:
        _tell(reader)
        reader.wait()
    growth = sum(
        last.anonymous - first.anonymous for first, last in zip(before, after, strict=True)
    )
    return Sharing(
        processes=processes,
        shards_megabytes=sum(file.stat().st_size for file in (store / "shards").iterdir()) / 1e6,
        resident_megabytes=sum(held.resident for held in after) * _MEGABYTES,
        proportional_megabytes=sum(held.proportional for held in after) * _MEGABYTES,
        growth_megabytes=growth * _MEGABYTES,
    )


def _await(reader: subprocess.Popen[str]) -> None:
    assert reader.stdout is not None, "opened with a pipe"
    if not reader.stdout.readline():
        raise ChildProcessError(f"reader {reader.pid} ended early with status {reader.wait()}")


def _tell(reader: subprocess.Popen[str]) -> None:
    assert reader.stdin is not None, "opened with a pipe"
    reader.stdin.write("go on\n")
    reader.stdin.flush()


def _held(process: int, store: Path) -> _Held:
    """Add up a process's pages of the store's files, and its anonymous memory."""
    resident = proportional = anonymous = 0
    path = ""
    for line in Path(f"/proc/{process}/smaps").read_text(encoding="utf-8").splitlines():
        if mapping := _MAPPING.match(line):
            path = mapping["path"]
        elif field := _FIELD.match(line):
            name, kilobytes = field["name"], int(field["kilobytes"])
            of_store = path.startswith(f"{store.resolve()}/")
            resident += kilobytes * (of_store and name == "Rss")
            proportional += kilobytes * (of_store and name == "Pss")
            anonymous += kilobytes * (name == "Anonymous")
    return _Held(resident, proportional, anonymous)


def _read_everything(folder: Path) -> None:
    """Be one reader: open, wait, read every byte, wait."""
    store = Store.open(folder)
    print("open", flush=True)
    sys.stdin.readline()
    for row in range(len(store)):
        store.image(row).view(np.uint8).max()
        store.label(row).max()
    print("read", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    _read_everything(Path(sys.argv[1]))

"""One process at a time where files are written, and which one it is.

::

    with locked(run / "report.lock"):               # waits, and says for whom
        ...
    with locked(run / "driver.lock", refuse):       # refuse(holder) may raise
        ...

The lock is the operating system's (flock): it ends with its process, however that ends, and
processes that it has started hold nothing. Its file stays; while the lock is held there is a note
in it about who does. A thread that holds a lock may take it once more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from distributed_iac.errors import RunError
from distributed_iac.files import MALFORMED
from distributed_iac.transient import patiently

LOGGER = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds before anybody is told: who only looks whether a lock is held takes less. Our choice."""

_LACKING = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}
"""What flock answers where a file system has no locks, or lost the service that keeps them."""

_command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def introduce(command: str) -> None:
    """Name this process after the command that it works for, where its own says nothing.

    Args:
        command: As :func:`own_command` of the process that was started by hand.
    """
    global _command
    _command = command


def own_command() -> str:
    """What others are told that this process does."""
    return _command


def wait_aloud(holder: str) -> None:
    """Say for whom this process waits."""
    LOGGER.warning("waiting for %s", holder)


@contextlib.contextmanager
def locked(path: Path, busy: Callable[[str], None] = wait_aloud) -> Iterator[None]:
    """Hold a lock.

    Args:
        path: Its file; made with its folder.
        busy: Told who else holds it, once for each; what it raises ends the waiting.

    Raises:
        RunError: The file system has no locks.
        OSError: The file cannot be made or written.
    """
    # Said of the file system rather than worked around: a file whose mere presence is the lock
    # would outlive a process that was killed.
    lock = FileLock(path, is_singleton=True, fallback_to_soft=False, on_acquired=_sign)
    _acquire(lock, path, busy)
    try:
        yield
    finally:
        if lock.lock_counter == 1:
            with contextlib.suppress(OSError):  # of a lock that nobody holds the note is not read
                os.truncate(path, 0)
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process holds a lock now; True as well where nobody can tell."""
    try:
        # Shared, so that two who look do not see each other; kept by nobody.
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _acquire(lock: FileLock, path: Path, busy: Callable[[str], None]) -> None:
    told = None
    while True:
        try:
            if patiently(lambda: _acquired(lock)):
                return
        except OSError as error:
            if error.errno not in _LACKING:
                raise
            raise RunError(
                "files that one process at a time may write need a file system with locks (flock)",
                came=os.strerror(error.errno),
                remedy="mount it with locks (Lustre: -o flock; NFS: with its lock service), or "
                "use a folder on another file system",
                where=path.parent,
            ) from error
        holder = _holder(path)
        if holder != told:
            busy(holder)
        told = holder


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 4)
    except Timeout:  # a TimeoutError, which from storage would be one to be tried again
        return False
    return True


def _sign(descriptor: int) -> None:
    """Leave a note in the lock's file."""
    note = {"command": _command, "host": socket.gethostname(), "pid": os.getpid()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({**note, "since": time.time()}).encode(), 0)


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_bytes())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(note["since"]))
        return f"`{note['command']}` (process {note['pid']} on {note['host']}, since {since})"
    except (OSError, *MALFORMED):  # not yet signed, or held by another program
        return f"a process that left no note in {path}"

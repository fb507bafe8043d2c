"""What the operating system has to do with a command: its output, Ctrl-C, and what it refuses.

::

    show_what_they_can()                # at the start: "→" is "?" on a terminal of Latin letters
    with interrupts() as pressed:
        ...
        if pressed():
            print("stopping")
    except (DistributedIacError, OSError) as error:
        echo(readable(error))
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from distributed_iac.errors import DistributedIacError, RunError

_AGAIN = "then run the same command again: what was finished is kept"

_FULL = f"free some space, {_AGAIN}"
_FORBIDDEN = f"let this user read and write there, or name another folder, {_AGAIN}"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _FORBIDDEN,
    errno.EMFILE: f"raise the limit of open files (ulimit -n), {_AGAIN}",
    errno.ENOMEM: f"free some memory, or use smaller batches, {_AGAIN}",
}

RAISING = ("strict", "surrogateescape")
"""Ways to treat what an encoding lacks that end a command in the middle of its output; whoever
chose another one (``PYTHONIOENCODING``) keeps it."""


def show_what_they_can() -> None:
    """Put a question mark where a terminal, or a pipe, has no such character.

    Also for names of files that are no text: they print in no encoding.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in RAISING:
            stream.reconfigure(errors="replace")


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Watch for SIGINT, whoever handles it.

    Ray Tune takes the signal for itself and ends in its own time, up to half a minute on a busy
    machine; a user wants to see at once that it was heard. Python tells every signal to a file
    descriptor as well, which disturbs nobody's handler.

    Yields:
        Says, in any thread, whether it has come since it was last asked. Never, where this is not
        the main thread, which alone is told of signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield lambda: signal.SIGINT in _received(reader)
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


def _received(reader: int) -> bytes:
    """Numbers of the signals since the last call."""
    try:
        return os.read(reader, 4096)
    except BlockingIOError:
        return b""


def readable(error: DistributedIacError | OSError) -> DistributedIacError:
    """The error to show: ours as it is, one in place of the operating system's own.

    Most places know better what they were about to do and say so; this is for the rest.

    Args:
        error: As it was raised.
    """
    if isinstance(error, DistributedIacError):
        return error
    reason = error.strerror or str(error)
    place = error.filename2 or error.filename
    remedy = _REMEDIES.get(error.errno or 0, f"see to the path, {_AGAIN}; --debug says who asked")
    return RunError(
        "files can be read and written",
        came=reason if place is None else f"{place}: {reason}",
        remedy=remedy,
    )

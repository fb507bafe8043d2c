"""Whether Ctrl-C was pressed, whoever handles it.

::

    with interrupts() as pressed:
        ...
        if pressed():
            print("stopping")

Ray Tune takes the signal for itself and ends in its own time, up to half a minute on a busy
machine; a user wants to see at once that it was heard. Python tells every signal to a file
descriptor as well, which disturbs nobody's handler.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Watch for SIGINT.

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

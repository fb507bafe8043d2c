"""Which failures of storage may pass by themselves, and trying again.

::

    text = patiently(lambda: path.read_text(encoding="utf-8"))
    may_pass(OSError(errno.ESTALE, "Stale file handle"))        # True: a server was restarted
    may_pass(OSError(errno.ENOSPC, "No space left on device"))  # False: somebody has to make room

What passes is tried again twice over: here for seconds, where one read or one whole write is
repeated; and by starting the job again, which :attr:`DistributedIacError.retriable` asks for.
"""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

_PASSING = (
    # A server or its disk failed once, or was restarted (NFS, Lustre, a FUSE mount).
    *("EIO", "ESTALE", "EREMOTEIO", "ENOTCONN", "ENOLINK", "EPROTO"),
    # The way there was cut, or is slow.
    *("ETIMEDOUT", "ECONNRESET", "ECONNREFUSED", "ECONNABORTED", "EPIPE", "EHOSTUNREACH"),
    *("EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "ENETRESET"),
    # Others are at it, or a signal came.
    *("EAGAIN", "EBUSY", "EINTR"),
    # All processes of the machine together hold too much.
    *("ENFILE", "ENOLCK", "ENOBUFS", "ENOMEM"),
)
PASSING = frozenset(getattr(errno, name) for name in _PASSING if hasattr(errno, name))
"""Everything else stays as it is until somebody acts, who has to be told: what is not there or of
another kind (ENOENT, ENOTDIR, EISDIR, EEXIST, ELOOP, ENAMETOOLONG), forbidden (EACCES, EPERM,
EROFS), full (ENOSPC, EDQUOT, EFBIG), this process's own leak (EMFILE), damaged (EBADMSG, EUCLEAN),
or beyond the file system (ENOSYS, EINVAL, ENOTSUP, EXDEV)."""

_OBJECT_STORE = re.compile(
    r"AWS Error (INTERNAL_FAILURE|SERVICE_UNAVAILABLE|THROTTLING|SLOW_DOWN|REQUEST_TIMEOUT|"
    r"NETWORK_CONNECTION|UNKNOWN \(HTTP status 5\d\d\))"
)
"""How Arrow names what S3 answers for now; its errors have no number. What is forbidden or not
there has other names, and Google's store is asked again by Arrow itself."""

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds between tries. Our choice: what fails now and then is got over at once, and a server that
is gone for minutes holds no GPU: the job is started again later, or elsewhere. Eight tries get
through a file of 30 reads of which each fails with 2 %, all but once in 2,000 times."""


def may_pass(error: BaseException) -> bool:
    """Whether the same may succeed if it is tried again, and nobody does anything."""
    if isinstance(error, OSError) and error.errno is None:
        passing = (TimeoutError, ConnectionError, InterruptedError)
        return isinstance(error, passing) or _OBJECT_STORE.search(str(error)) is not None
    if isinstance(error, OSError):
        return error.errno in PASSING
    return bool(getattr(error, "retriable", False))


TRIED = "tried again for some seconds"
"""Note on an error whose operation was repeated in vain: whoever called that need not wait, too."""


def patiently(operation: Callable[[], Result]) -> Result:
    """Do what can be repeated, a few times if it fails of something that may pass.

    Args:
        operation: Reads, or writes something whole; repeated, it has the same effect.

    Raises:
        Exception: The last failure, or the first one that does not pass.
    """
    for pause in PAUSES:
        try:
            return operation()
        except Exception as error:
            if not may_pass(error) or _was_tried(error):
                raise
        time.sleep(pause)
    try:
        return operation()
    except Exception as error:
        error.add_note(TRIED)
        raise


def _was_tried(error: BaseException | None) -> bool:
    while error is not None and TRIED not in getattr(error, "__notes__", ()):
        error = error.__cause__
    return error is not None

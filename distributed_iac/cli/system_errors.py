"""What the operating system refused, said so that a user can do something about it.

::

    except OSError as error:
        echo(refusal(error))

Most places know better what they were about to do and say so; this is for the rest.
"""

from __future__ import annotations

import errno

from distributed_iac.errors import RunError

AGAIN = "then run the same command again: what was finished is kept"

_FULL = f"free some space, {AGAIN}"
_FORBIDDEN = f"let this user write there, or name another folder, {AGAIN}"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _FORBIDDEN,
    errno.EMFILE: f"raise the limit of open files (ulimit -n), {AGAIN}",
    errno.ENOMEM: f"free some memory, or use smaller batches, {AGAIN}",
}


def refusal(error: OSError) -> RunError:
    """The error to show in place of the system's own.

    Args:
        error: As it was raised.
    """
    reason = error.strerror or str(error)
    place = error.filename2 or error.filename
    remedy = _REMEDIES.get(error.errno or 0, f"see to the path, {AGAIN}; --debug says who asked")
    return RunError(
        "files can be read and written",
        came=reason if place is None else f"{place}: {reason}",
        remedy=remedy,
    )

"""Reading the files of finished jobs, which anybody may have damaged since.

::

    with reading(folder / GENOTYPE) as path:
        cell = parse(json.loads(path.read_text()))      # CheckpointError, whatever is wrong with it
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.files import MALFORMED

Place = TypeVar("Place", Path, str)


@contextlib.contextmanager
def reading(path: Place) -> Iterator[Place]:
    """Name the file, and what to do, in place of what its content raises.

    Args:
        path: File of a finished job, on this machine or another.

    Yields:
        The same; read it :func:`~distributed_iac.transient.patiently`.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        yield path
    except (OSError, *MALFORMED, ConfigError) as error:
        raise CheckpointError(
            "cannot read a finished job's result",
            came=f"{type(error).__name__}: {error}",
            remedy="delete its folder; the next run makes it again",
            where=path,
        ) from error

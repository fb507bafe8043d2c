"""Reading the files of finished jobs, which anybody may have damaged since.

::

    with reading(folder / GENOTYPE) as path:
        cell = parse(json.loads(path.read_text()))      # CheckpointError, whatever is wrong with it
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.files import MALFORMED


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Path]:
    """Name the file, and what to do, in place of what its content raises.

    Args:
        path: File of a finished job.

    Yields:
        The same; read it :func:`~distributed_iac.hiccups.patiently`.

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

"""Every error that a user may meet, in one tree.

::

    DistributedIacError            exit code
    ├── ConfigError                    2      the run as asked for cannot be
    ├── DataError                      3      what lies on disk cannot be used
    │   ├── SourceError                       a raw data set
    │   ├── GeometryError                     orientation, spacing, shape
    │   └── StoreError                        a prepared store
    └── RunError                       4      the work itself failed
        ├── OccupiedError                     another process is at it
        ├── NumericalError                    NaN or infinity where numbers must be finite
        └── CheckpointError                   a checkpoint that cannot be continued from

Raise the narrowest one with three sentences in mind: what is allowed, what came, what to do::

    raise ConfigError(
        "search.cell.partial_channels must divide the cell width 16",
        came="3",
        remedy="use 1, 2, 4, 8 or 16",
    )

``assert`` is kept for this project's own invariants and never meets a user.

Where storage failed, raise ``from`` its error: what may pass makes the new one ``retriable``. So
does the usual way to do it::

    with raised_as(ConfigError, "split.file must be readable", remedy="correct it", where=path):
        content = path.read_bytes()
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from distributed_iac.transient import may_pass

AGAIN = "this may pass: run the same command again, what was finished is kept"


def did_you_mean(came: object, allowed: Iterable[str]) -> str | None:
    """A remedy: the most similar of the allowed words; None if none is similar."""
    near = difflib.get_close_matches(str(came), list(allowed), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else None


def first_line(error: BaseException) -> str:
    """The first line of what an error says, which may be a page; its type where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def first_names(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


class DistributedIacError(Exception):
    """Base of all errors that are reported to the user without a traceback.

    Args:
        message: What is allowed or expected, as one sentence without a final full stop.
        came: What was found instead; shown as it is.
        remedy: What the user can do about it.
        where: File, or file and key path, that the error is about.
        retriable: Whether the same may succeed later; also follows from what the error was raised
            ``from``.
    """

    exit_code: ClassVar[int] = 4

    def __init__(
        self,
        message: str,
        *,
        came: object | None = None,
        remedy: str | None = None,
        where: object | None = None,
        retriable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.came = came
        self.remedy = remedy
        self.where = where
        self._retriable = retriable

    @property
    def retriable(self) -> bool:
        """Whether the same may succeed if it is tried again, and nobody does anything."""
        return self._retriable or (self.__cause__ is not None and may_pass(self.__cause__))

    def __str__(self) -> str:
        lines = [self.message if self.where is None else f"{self.where}: {self.message}"]
        if self.came is not None:
            lines.append(f"  came:   {self.came}")
        again = (AGAIN,) if self.retriable else ()
        remedy = "; if it stays so, ".join((*again, *filter(None, (self.remedy,))))
        if remedy:
            lines.append(f"  remedy: {remedy}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by fields, so that an error survives the way back from a worker process."""
        fields = (self.message, self.came, self.remedy, self.where, self.retriable)
        return _rebuild, (type(self), *fields)


@contextlib.contextmanager
def raised_as(
    kind: type[DistributedIacError],
    message: str,
    *,
    remedy: str | None = None,
    where: object | None = None,
    caught: type[Exception] | tuple[type[Exception], ...] = OSError,
) -> Iterator[None]:
    """Raise an error of this tree in place of what storage, or a library, raises in the block.

    Args:
        kind: Of the error.
        message: What is expected.
        remedy: What the user can do.
        where: File that it is about.
        caught: What is raised anew.
    """
    try:
        yield
    except caught as error:
        said = error.strerror if isinstance(error, OSError) else None
        raise kind(message, came=said or error, remedy=remedy, where=where) from error


def _rebuild(
    kind: type[DistributedIacError],
    message: str,
    came: object | None,
    remedy: str | None,
    where: object | None,
    retriable: bool,
) -> DistributedIacError:
    return kind(message, came=came, remedy=remedy, where=where, retriable=retriable)


class ConfigError(DistributedIacError):
    """The configuration or the command line asks for something that cannot be."""

    exit_code: ClassVar[int] = 2


class DataError(DistributedIacError):
    """Something on disk cannot be used."""

    exit_code: ClassVar[int] = 3


class SourceError(DataError):
    """A raw data set is missing, unreadable or not what it says it is."""


class GeometryError(DataError):
    """Orientation, spacing or shape make an operation impossible."""


class StoreError(DataError):
    """A prepared store is missing, incomplete, corrupted or of another preprocessing."""


class RunError(DistributedIacError):
    """The work itself failed."""

    exit_code: ClassVar[int] = 4


class OccupiedError(RunError):
    """Another process works where this one was about to."""


class NumericalError(RunError):
    """NaN or infinity where only finite numbers make sense."""


class CheckpointError(RunError):
    """A checkpoint is damaged or belongs to another job."""

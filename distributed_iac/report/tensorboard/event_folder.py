"""A folder of event files, one a run, that says what the records say: no more, no less, once.

::

    folder = EventFolder(run / "tensorboard")
    with folder.claimed():
        folder.sync("acdc/basic_unet/lth/seed0", records, stamp="...")

The records of a run are given whole every time. What is written already is compared with them:

* they begin with it: the rest is appended;
* they do not (an epoch was trained again after a crash, or a finished job's own table filled a
  gap): a new file with all of them takes the place of the old one, as a whole or not at all; the
  old one is emptied.

Hence nothing has to know what a restart is, and writing everything again changes nothing. Files
are open only while they are written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from distributed_iac.files import write_atomically, write_json
from distributed_iac.locks import locked
from distributed_iac.report.tensorboard.protocol import framed, opening
from distributed_iac.report.tensorboard.record import FORM, Record

POSITION, STAGED, LOCK = "position.json", "staged.bin", ".lock"
_FILE = "events.out.tfevents.{:010d}.distributed_iac"
"""TensorBoard reads the files of a run by name; a later number is a later file."""
_FILES = "events.out.tfevents.*"
EMPTIED = 8
"""Files that were replaced and are kept, empty, for those who still read them. Our choice: two
minutes of updates, four times as long as TensorBoard takes to look again."""


@dataclass(frozen=True)
class Position:
    """What has been written of a run.

    Args:
        file: Name of its event file.
        size: Bytes of it; a file of another size is not trusted.
        records: How many records.
        digest: SHA-256 of their identities.
        stamp: Of what they were made from.
    """

    file: str
    size: int
    records: int
    digest: str
    stamp: str


@dataclass(frozen=True)
class EventFolder:
    """Event files of all runs.

    Args:
        path: What ``tensorboard --logdir`` is given.
    """

    path: Path

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Wait for, and be, the only writer."""
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path / LOCK):
            yield

    def is_current(self, run: str, stamp: str) -> bool:
        """Whether the run was written from what bears this stamp, and nothing came between."""
        position = self._position(run)
        return position is not None and position.stamp == f"{FORM} {stamp}"

    def sync(self, run: str, records: Sequence[Record], stamp: str) -> None:
        """Make a run say what the records say.

        Args:
            run: Its name; slashes make folders.
            records: All of them, in the order in which they came to be.
            stamp: Of what they were made from, for :meth:`is_current`.

        Raises:
            OSError: Disk full or folder unwritable; the next call makes good for it.
        """
        position = self._position(run)
        if position is not None and _begins_with(records, position):
            self._append(run, position, records, stamp)
        elif records:
            self._replace(run, records, stamp)

    def _append(self, run: str, position: Position, records: Sequence[Record], stamp: str) -> None:
        new = b"".join(framed(one.event()) for one in records[position.records :])
        if new:
            # In one write after another of a file that only grows, as TensorBoard expects it.
            with (self.path / run / position.file).open("ab") as file:
                file.write(new)
        self._remember(run, position.file, records, stamp)

    def _replace(self, run: str, records: Sequence[Record], stamp: str) -> None:
        folder = self.path / run
        old = sorted(folder.glob(_FILES))
        number = 1 + max((_number(path) for path in old), default=-1)
        file = _FILE.format(number)
        content = opening(records[0].at) + b"".join(framed(one.event()) for one in records)
        # Under the name of an event file TensorBoard would read it while it is written.
        write_atomically(folder / STAGED, content)
        (folder / STAGED).replace(folder / file)
        self._remember(run, file, records, stamp)
        for path in old:
            # Not deleted: a TensorBoard that reads it would not go on to the next one.
            os.truncate(path, 0)
        for path in old[:-EMPTIED]:
            path.unlink()

    def _remember(self, run: str, file: str, records: Sequence[Record], stamp: str) -> None:
        path = self.path / run / file
        position = Position(
            file, path.stat().st_size, len(records), _digest(records), f"{FORM} {stamp}"
        )
        write_json(path.with_name(POSITION), asdict(position))

    def _position(self, run: str) -> Position | None:
        """What has been written; None if that cannot be told, as after a kill in between."""
        folder = self.path / run
        try:
            position = Position(**json.loads((folder / POSITION).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None  # none yet, or another version's: everything is written anew
        sizes = {path.name: path.stat().st_size for path in folder.glob(_FILES)}
        written = {name: size for name, size in sizes.items() if size}
        return position if written == {position.file: position.size} else None


def _begins_with(records: Sequence[Record], position: Position) -> bool:
    written = records[: position.records]
    return len(written) == position.records and _digest(written) == position.digest


def _digest(records: Sequence[Record]) -> str:
    told = hashlib.sha256()
    for record in records:
        told.update(hashlib.sha256(record.identity).digest())
    return told.hexdigest()


def _number(path: Path) -> int:
    """Number of an event file; that of another program's comes before all of ours."""
    part = path.name.split(".")[3]
    return int(part) if part.isdigit() and path.name == _FILE.format(int(part)) else -1

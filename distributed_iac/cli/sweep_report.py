"""A sweep's report: kept fresh beside it while it runs, and left behind when it ends.

::

    fresh = FreshReport(folder)
    fresh.begin_if_due()                # now and then; does not wait
    fresh.end()
    leave_report(folder)                # the last one: prints what it says, or why there is none

Neither ever costs the sweep anything but a part of a core: what goes wrong is told.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import typer

from distributed_iac.cli.system import readable
from distributed_iac.errors import DistributedIacError

PACE, SHARE = 120.0, 20
"""Seconds between the end of a report and the next one, and how many times as long as it took.
Our choice: whoever has the page open waits two minutes; a twentieth of one core, at the lowest
priority, is not felt by jobs. Reports of large sweeps take longer and so come less often."""
LAST_PRIORITY = 19


class FreshReport:
    """Makes the report of a running sweep again and again.

    In a process of its own: in a thread it would take Python's lock from the driver, which answers
    all workers.

    Args:
        folder: The run folder.
        pace: Least number of seconds between two.
    """

    def __init__(self, folder: Path, pace: float = PACE) -> None:
        self._command = [sys.executable, "-P", "-m", "distributed_iac.cli.main", "report"]
        self._command.append(str(folder))
        self._pace = pace
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = time.monotonic()
        self._next = self._begun + pace

    def begin_if_due(self) -> None:
        """Begin another one, unless one is being made or the last was not long ago."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._process = None
            self._next = now + max(self._pace, SHARE * (now - self._begun))
        if now < self._next:
            return
        self._begun, self._next = now, now + self._pace
        with suppress(OSError):  # no memory for a process now; the last report says what is wrong
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Ctrl-C is for the sweep. Not a session of its own, which Linux may give as much of
                # the processor as the sweep's, whatever the priorities in them.
                process_group=0,
            )
            os.setpriority(os.PRIO_PROCESS, self._process.pid, LAST_PRIORITY)

    def end(self) -> None:
        """Let go of one that is being made: its files are whole or not there."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def leave_report(folder: Path) -> None:
    """Make the report and print its headlines; where that fails, say why, and raise nothing."""
    from distributed_iac.cli.report import tell_page
    from distributed_iac.report.rebuild import rebuild

    try:
        page = rebuild(folder)
    except Exception as error:  # whatever it is, the sweep is done and its results are kept
        _tell_failure(folder, error)
        return
    tell_page(folder, page)


def _tell_failure(folder: Path, error: Exception) -> None:
    shown = f"{type(error).__name__}: {error}"
    if isinstance(error, DistributedIacError | OSError):
        shown = str(readable(error))
    typer.echo(
        f"warning: no report was made; all results are kept, and `distributed-iac report {folder}` "
        f"tries again: {shown}",
        err=True,
    )

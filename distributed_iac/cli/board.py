"""A sweep on one screen: what is done, what runs, what failed and why, how long it takes.

::

    board = Board(Path("runs/acdc"))
    board.refresh()                     # reads what the journal has since
    console.print(board.table())
    board.line()                        # "31/48 jobs done, 6 running, 1 failed; 1:10 h left"

Made from the run folder's files alone, so it works from another terminal and after a crash.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from distributed_iac.cli.progress import duration
from distributed_iac.jobs.progress import JobStatus
from distributed_iac.training.sweep.folder import SweepFolder
from distributed_iac.training.sweep.forecast import epochs_planned, forecast
from distributed_iac.training.sweep.standing import Replay, Standing

MOST_ROWS = 40
"""Jobs that a table shows one by one; of larger sweeps, those that run or failed."""

STYLES = {"done": "green", "running": "cyan", "failed": "red", "skipped": "yellow", "waiting": ""}


class Board:
    """Follows a sweep.

    Args:
        folder: Its run folder.

    Raises:
        RunError: It is not the folder of a sweep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = SweepFolder(folder)
        self._graph = self._folder.plan().graph
        self._replay = Replay(self._graph)
        self._offset = 0

    def refresh(self) -> None:
        """Read what has happened since the last time."""
        events, self._offset = self._folder.journal.read_from(self._offset)
        self._replay.feed(events)

    @property
    def is_over(self) -> bool:
        """Whether no job waits or runs."""
        return not {"waiting", "running"} & {one.status for one in self._standings}

    def line(self) -> str:
        """One line for pipes and titles."""
        counts = Counter(one.status for one in self._standings)
        others: tuple[JobStatus, ...] = ("running", "failed", "skipped")
        parts = [f"{counts['done']}/{len(self._standings)} jobs done"]
        parts += [f"{counts[status]} {status}" for status in others if counts[status]]
        left = None if self.is_over else forecast(self._graph, self._replay.standings)
        time = "" if left is None else f"; about {duration(left)} left"
        return ", ".join(parts) + time

    def table(self) -> Table:
        """All jobs of a small sweep; of a large one those that run or failed."""
        table = Table(title=self._title(), box=None, title_justify="left", pad_edge=False)
        table.add_column("job", overflow="fold")
        table.add_column("status")
        for name in ("epoch", "Dice", "stable", "time"):
            table.add_column(name, justify="right")
        table.add_column("remark", overflow="fold")
        for one in self._shown():
            table.add_row(one.job.key, Text(one.status, STYLES[one.status]), *_cells(one))
        return table

    def failures(self) -> list[str]:
        """A block for every job that failed: which, and why."""
        return [f"{one.job.key}: {one.error}" for one in self._standings if one.status == "failed"]

    def _title(self) -> str:
        driven = "" if self.is_over or self._folder.is_driven() else "; nobody drives it now"
        return f"{self._folder.path.name}: {self.line()}{driven}"

    @property
    def _standings(self) -> list[Standing]:
        return list(self._replay.standings.values())

    def _shown(self) -> list[Standing]:
        if len(self._standings) <= MOST_ROWS:
            return self._standings
        return [one for one in self._standings if one.status in ("running", "failed")]


def _cells(one: Standing) -> tuple[str, str, str, str, str]:
    last = one.last
    planned, dice, live = epochs_planned(one), last.get("val_dice"), last.get("live_edges")
    epoch = str(max(one.rows)) if one.rows else ""
    return (
        f"{epoch}/{planned}" if planned and one.status != "done" else epoch,
        f"{float(dice):.3f}" if dice is not None else "",
        f"{last['stable_edges']}/{live}" if live is not None else "",
        duration(one.seconds) if one.rows else "",
        _remark(one),
    )


def _remark(one: Standing) -> str:
    parts = []
    if one.status in ("failed", "skipped"):
        parts.append(str(one.error).splitlines()[0])
    elif one.stop_reason:
        parts.append(f"{one.stop_code}: {one.stop_reason}")
    if one.losses:
        parts.append(f"worker lost {one.losses}x")
    if one.note:
        parts.append(one.note)
    return escape("; ".join(parts))

"""A sweep on one screen: what is done, what runs, what failed and why, how long it takes.

::

    board = Board(Path("runs/acdc"))
    board.refresh()                     # reads what the journal has since
    console.print(board.view(console.width))
    board.line()                        # "31/48 jobs done, 6 running, 1 failed; 1:10 h left"

Made from the run folder's files alone, so it works from another terminal and after a crash. What
does not fit the screen is left out from the least urgent on: first the remarks move below the
table, then jobs that are done or wait are only counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from distributed_iac.cli.live_progress import duration
from distributed_iac.jobs.progress import JobStatus
from distributed_iac.run.forecast import epochs_planned, forecast
from distributed_iac.run.lost import LostResults, find_lost
from distributed_iac.run.replay import JobHistory, Replay
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.transient import patiently

MOST_ROWS = 60
"""Lines of a table that shows all jobs one by one; of larger sweeps, those that run or failed."""

AROUND = 4
"""Lines that a terminal needs beside the jobs: title, headings, what is not shown, the cursor."""

WIDE = 110
"""Columns from which on remarks stand beside the jobs."""

NUMBERS = ("epoch", "Dice", "stable", "time")

STYLES = {
    "done": "green",
    "running": "cyan",
    "failed": "red",
    "lost": "red",
    "skipped": "yellow",
    "waiting": "",
}


class Board:
    """Follows a sweep.

    Args:
        folder: Its run folder.

    Raises:
        RunError: It is not the folder of a sweep.

    Attributes:
        lost: Finished jobs without their results, once they have been looked for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = SweepFolder(folder)
        self._plan = patiently(self._folder.plan)
        self._graph = self._plan.graph
        self.lost = LostResults((), self._plan.artifacts)
        self._replay = Replay(self._graph)

    def refresh(self) -> None:
        """Read what has happened since the last time."""
        self._replay.follow(self._folder.journal)
        if self.lost:  # some of them may have been made again, or brought back
            self.look_for_results()

    def look_for_results(self) -> None:
        """Ask, once for every finished job, whether its result is still there.

        Raises:
            OSError: The storage of results cannot be reached.
        """
        self.lost = find_lost(self._plan, self._replay.jobs)

    @property
    def is_over(self) -> bool:
        """Whether no job waits or runs."""
        return not {"waiting", "running"} & {one.status for one in self._jobs}

    def line(self) -> str:
        """One line for pipes and titles."""
        left = None if self.is_over else forecast(self._graph, self._replay.jobs)
        time = "" if left is None else f"; about {duration(left)} left"
        return f"{self._counts('running', 'failed', 'skipped')}{time}"

    def tally(self) -> str:
        """The same for a sweep that nobody drives any more."""
        return self._counts("failed", "skipped")

    def view(self, width: int, height: int | None = None) -> RenderableType:
        """All jobs if they fit, else those that run or failed.

        Args:
            width: Columns there are.
            height: Lines there are; None where the output may be as long as it likes.
        """
        shown = self._shown(MOST_ROWS if height is None else min(MOST_ROWS, height - AROUND))
        if width >= WIDE:
            return self._table(shown, (*NUMBERS, "remark"))
        remarks = ((one.job.key, _cells(one)["remark"]) for one in shown)
        beneath = (f"{key}: {remark}" for key, remark in remarks if remark)
        return Group(self._table(shown, NUMBERS), *beneath)

    def notes(self) -> list[str]:
        """A line for every job that has something to be known of: data used with a warning."""
        lost = [self.lost.sentence] if self.lost else []
        return lost + [f"{one.job.key}: {one.note}" for one in self._jobs if one.note]

    def failures(self) -> list[str]:
        """A block for every job that failed: which, and why."""
        return [f"{one.job.key}: {one.error}" for one in self._jobs if one.status == "failed"]

    def _counts(self, *others: JobStatus) -> str:
        counts = Counter(one.status for one in self._jobs)
        lost = len(self.lost.keys)
        parts = [f"{counts['done'] - lost}/{len(self._jobs)} jobs done"]
        parts += [f"{lost} lost"] if lost else []
        return ", ".join(parts + [f"{counts[one]} {one}" for one in others if counts[one]])

    def _title(self) -> str:
        driven = "" if self.is_over or self._folder.is_driven() else "; nobody drives it now"
        return f"{self._folder.path.name}: {self.line()}{driven}"

    def _table(self, shown: Sequence[JobHistory], columns: Sequence[str]) -> Table:
        table = Table(title=self._title(), box=None, title_justify="left", pad_edge=False)
        if hidden := len(self._jobs) - len(shown):
            table.caption = f"{hidden} more neither run nor failed"
            table.caption_justify = "left"
        table.add_column("job", overflow="fold")
        table.add_column("status")
        for name in columns:
            justify: Literal["left", "right"] = "right" if name in NUMBERS else "left"
            table.add_column(name, justify=justify, overflow="fold")
        for group, members in groupby(shown, key=lambda one: one.job.group):
            under = "/" in group
            if under:
                table.add_row(Text(group, "bold"))
            for one in members:
                name = f"  {one.job.key.removeprefix(f'{group}/')}" if under else one.job.key
                cells = _cells(one)
                standing = "lost" if self._is_lost(one) else one.status
                status = Text(standing, STYLES[standing])
                table.add_row(name, status, *(cells[column] for column in columns))
        return table

    @property
    def _jobs(self) -> list[JobHistory]:
        return list(self._replay.jobs.values())

    def _shown(self, lines: int) -> list[JobHistory]:
        groups = len({one.job.group for one in self._jobs})
        if len(self._jobs) + groups <= lines:
            return self._jobs
        urgent = ("running", "failed")
        return [one for one in self._jobs if one.status in urgent or self._is_lost(one)]

    def _is_lost(self, one: JobHistory) -> bool:
        return one.job.key in self.lost.keys


def _cells(one: JobHistory) -> dict[str, str]:
    """What the columns say of a job."""
    last = one.last
    planned, dice, live = epochs_planned(one), last.get("val_dice"), last.get("live_edges")
    epoch = str(max(one.epochs)) if one.epochs else ""
    return {
        "epoch": f"{epoch}/{planned}" if planned and one.status != "done" else epoch,
        "Dice": f"{float(dice):.3f}" if dice is not None else "",
        "stable": f"{last['stable_edges']}/{live}" if live is not None else "",
        "time": duration(one.seconds) if one.epochs else "",
        "remark": _remark(one),
    }


def _remark(one: JobHistory) -> str:
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

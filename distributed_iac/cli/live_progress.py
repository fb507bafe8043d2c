"""How far a command is: on a terminal redrawn in place, in a pipe plain lines now and then.

::

    for outcome in follow("predicting", outcomes, total=40):     # steps of known number
        ...
    with preparing("acdc") as progress:                          # stages of them, and notes
        prepare_store(..., progress)
    with StageProgress() as progress:                            # epochs of a training stage
        LocalSweep(config, graph, progress.observe)

All of it goes to standard error, so that results can be piped, and says how much time is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import TaskID

    from distributed_iac.data.prepare.stage_runner import PreparationObserver

Step = TypeVar("Step")

PLAIN_SECONDS = 10.0
"""Between lines where no terminal can show a bar."""


def follow(title: str, steps: Iterable[Step], total: int) -> Iterator[Step]:
    """Pass the steps on, showing how many are done and the time left."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(console=console, transient=True) as progress:
            yield from progress.track(steps, total=total, description=title)
        return
    countdown = _Countdown(title, total)
    for step in steps:
        yield step
        countdown.advance()


@contextmanager
def preparing(name: str) -> Iterator[PreparationObserver]:
    """Show the stages of a data set's preparation."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(name)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(name, bars)


class _Bars:
    """The stages of a preparation on a terminal."""

    def __init__(self, name: str, bars: Progress) -> None:
        self._name = name
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, stage: str, total: int, done: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(f"{self._name}: {stage}", total=total, completed=done)

    def advance(self) -> None:
        if self._task is not None:
            self._bars.advance(self._task)

    def note(self, text: str) -> None:
        self._bars.console.print(f"{self._name}: {text}", markup=False, highlight=False)

    def waits(self, holder: str) -> None:
        self.note(f"waiting for {holder}")


class _Lines:
    """The same in a pipe."""

    def __init__(self, name: str) -> None:
        self._name = name

    def begin(self, stage: str, total: int, done: int) -> None:
        earlier = f", {done} of them by an earlier run" if done else ""
        self.note(f"{stage}: {total} in all{earlier}")
        self._countdown = _Countdown(f"{self._name}: {stage}", total, done)

    def advance(self) -> None:
        self._countdown.advance()

    def note(self, text: str) -> None:
        typer.echo(f"{self._name}: {text}", err=True)

    def waits(self, holder: str) -> None:
        self.note(f"waiting for {holder}")


class _Countdown:
    """Plain lines with the time left, one every ``PLAIN_SECONDS`` at the most."""

    def __init__(self, title: str, total: int, done: int = 0) -> None:
        self._title, self._total, self._first, self._done = title, total, done, done
        self._start = self._shown = time.monotonic()

    def advance(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._shown >= PLAIN_SECONDS:
            pace = (now - self._start) / (self._done - self._first)
            left = duration(pace * (self._total - self._done))
            typer.echo(f"{self._title}: {self._done} of {self._total}, {left} left", err=True)
            self._shown = now


class StageProgress:
    """Shows what a stage reports, epoch by epoch.

    Args:
        console: Where to; default: standard error, so that results can be piped.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live = Live(Text(""), console=self._console, auto_refresh=False, transient=False)
        self._plain = not self._console.is_terminal
        self._last_plain = -PLAIN_SECONDS
        self._job = ""
        self._note: object = None
        self._seconds: list[float] = []

    def __enter__(self) -> Self:
        if not self._plain:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._plain:
            self._live.stop()

    def observe(self, job: str, values: dict[str, object], epochs: int) -> None:
        """Show one finished epoch.

        Args:
            job: What is running.
            values: The epoch's report with its ``seconds``, or that of no epoch yet; its ``note``
                is shown as it is, once.
            epochs: Epochs at the most.
        """
        if job != self._job:
            self._job, self._seconds, self._note = job, [], None
        note = values.get("note")
        if note and note != self._note:  # every report of a job repeats it
            self._note = note
            line = f"{job}  {note}"
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        if not values.get("epoch"):
            return
        self._seconds.append(_number(values.get("seconds")) or 0.0)
        over = bool(values.get("done") or values.get("stopped"))
        line = describe(job, values, epochs, self._seconds)
        if not self._plain:
            self._live.update(Text(line), refresh=True)
            if over:
                self._console.print(line, highlight=False)
                self._live.update(Text(""), refresh=True)
        elif over or time.monotonic() - self._last_plain >= PLAIN_SECONDS:
            self._last_plain = time.monotonic()
            self._console.print(line, highlight=False, soft_wrap=True)


def describe(job: str, values: dict[str, object], epochs: int, seconds: list[float]) -> str:
    """Return one line for an epoch."""
    epoch = int(_number(values.get("epoch")) or 0)
    parts = [f"{job}  epoch {epoch}/{epochs}"]
    for key, label, form in _SHOWN:
        number = _number(values.get(key))
        if number is not None:
            parts.append(f"{label} {number:{form}}")
    if values.get("done") or values.get("stopped"):
        parts.append(_ending(values))
    else:
        recent = seconds[-5:]
        left = sum(recent) / len(recent) * (epochs - epoch)
        parts.append(f"at most {duration(left)} left")
    return "  ".join(parts)


def _ending(values: Mapping[str, object]) -> str:
    """Why no epoch follows: the verdict that stopped the job, else what it says itself."""
    if values.get("stopped") and values.get("stop_code"):
        return f"{values['stop_code']}: {values['stop_reason']}"
    return str(values.get("reason") or "done")


_SHOWN = (
    ("loss", "loss", ".3f"),
    ("weight_loss", "loss", ".3f"),
    ("val_dice", "Dice", ".3f"),
    ("js_mean", "JS", ".1e"),
    ("live_operations", "live ops", ".0f"),
    ("stable_edges", "stable", ".0f"),
    ("undecided_edges", "undecided", ".0f"),
)


def duration(seconds: float) -> str:
    """Return seconds as ``42 s``, ``3:05 min`` or ``2:40 h``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None

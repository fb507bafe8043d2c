"""A live line for a running stage: epoch, score, stability, time left.

::

    with StageProgress() as progress:
        run_locally(stage, folder, observer=progress.observe, ...)

On a terminal the line is redrawn in place; piped output gets plain lines, at most one every
``PLAIN_SECONDS``, and always the last.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

PLAIN_SECONDS = 10.0


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
            values: The epoch's report with its ``seconds``; or a ``note`` alone, which is shown as
                it is.
            epochs: Epochs at the most.
        """
        if values.get("note"):
            line = f"{job}  {values['note']}"
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
            return
        if job != self._job:
            self._job, self._seconds = job, []
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
        parts.append(str(values.get("reason") or "done"))
    else:
        recent = seconds[-5:]
        left = sum(recent) / len(recent) * (epochs - epoch)
        parts.append(f"at most {duration(left)} left")
    return "  ".join(parts)


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

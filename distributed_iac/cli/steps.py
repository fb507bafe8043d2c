"""Steps of known number, followed with a bar or, in a pipe, with plain lines.

::

    for outcome in follow("predicting", outcomes, total=40):
        ...

Both say how much time is left, on standard error, so that results can be piped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import typer

Step = TypeVar("Step")

PLAIN_INTERVAL = 10.0
"""Seconds between progress lines where no terminal can show a bar."""


def follow(title: str, steps: Iterable[Step], total: int) -> Iterator[Step]:
    """Pass the steps on, showing how many are done and the time left."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield from _lines(title, steps, total)
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        yield from progress.track(steps, total=total, description=title)


def _lines(title: str, steps: Iterable[Step], total: int) -> Iterator[Step]:
    from distributed_iac.cli.progress import duration

    start = shown = time.monotonic()
    for done, step in enumerate(steps, start=1):
        yield step
        now = time.monotonic()
        if now - shown >= PLAIN_INTERVAL:
            left = (now - start) / done * (total - done)
            typer.echo(f"{title}: {done} of {total}, {duration(left)} left", err=True)
            shown = now

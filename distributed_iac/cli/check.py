"""``distributed-iac check``: what a raw data set is, and everything that is wrong with it.

::

    distributed-iac check database/                       tables and problems; exit 0 or 3
    distributed-iac check amos22/ --json > amos.json      data.check.document describes the keys
    distributed-iac check kits23/ --figures overlays/     also a picture a case, and index.html

Progress goes to standard error, the result to standard output.
"""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from distributed_iac.errors import ConfigError, DataError, RunError

if TYPE_CHECKING:
    from distributed_iac.data.check.gallery import Picture
    from distributed_iac.data.check.report import CheckReport

Step = TypeVar("Step")

PLAIN_INTERVAL = 10.0
"""Seconds between progress lines where no terminal can show a bar."""


def check(
    source: Annotated[Path, typer.Argument(help="Folder of a raw data set.")],
    format_name: Annotated[
        str, typer.Option("--format", help="Reader to use; auto goes by names and structure.")
    ] = "auto",
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", help="Folder for pictures of every case with its label."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; default: one a processor.")
    ] = None,
) -> None:
    """Say what a data set is and list every problem with file, reason and remedy.

    Every file is read to its end. Exits with 0 if nothing is wrong and with 3 otherwise.
    """
    from rich.console import Console

    from distributed_iac.data.check.document import to_document
    from distributed_iac.data.check.report import check_source
    from distributed_iac.data.check.summary import summarise
    from distributed_iac.data.check.terminal import print_check
    from distributed_iac.data.formats.registry import read_source
    from distributed_iac.data.workers import worker_count

    if figures is not None:
        _prepare_folder(figures)
    processes = worker_count(workers or "auto")
    found = read_source(source, format_name)
    report = check_source(found, processes, _follow("checking", len(found.cases)))
    pictures = [] if figures is None else _draw(report, figures, processes)
    summary = summarise(report)
    if json:
        document = to_document(report, summary)
        typer.echo(json_format.dumps(document, indent=2, allow_nan=False))
    else:
        print_check(Console(), report, summary)
    for picture in pictures:
        if picture.path is None:
            typer.echo(f"no picture of {picture.case_id}: {picture.reason}", err=True)
    if not report.is_clean:
        raise typer.Exit(DataError.exit_code)


def _prepare_folder(folder: Path) -> None:
    """Fail before the long work rather than after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "--figures names a folder that can be created and written",
            came=f"{folder}: {error.strerror}",
            remedy="name another folder",
        ) from error


def _draw(report: CheckReport, folder: Path, workers: int) -> list[Picture]:
    from distributed_iac.data.check.gallery import draw_cases, write_index

    follow: Callable[[Iterable[Picture]], Iterable[Picture]]
    follow = _follow("drawing", len(report.facts))
    try:
        pictures = list(follow(draw_cases(report, folder, workers)))
        write_index(report, pictures, folder)
    except OSError as error:
        raise RunError(
            "the pictures must be written completely",
            came=error.strerror or error,
            where=folder,
            remedy="free some space or name another folder",
        ) from error
    return pictures


def _follow(title: str, total: int) -> Callable[[Iterable[Step]], Iterable[Step]]:
    """Return a watcher that shows progress and the time left on standard error."""
    from rich.console import Console

    from distributed_iac.cli.progress import duration

    console = Console(stderr=True)

    def bar(steps: Iterable[Step]) -> Iterator[Step]:
        from rich.progress import Progress

        with Progress(console=console, transient=True) as progress:
            yield from progress.track(steps, total=total, description=title)

    def plain(steps: Iterable[Step]) -> Iterator[Step]:
        start = shown = time.monotonic()
        for done, step in enumerate(steps, start=1):
            yield step
            now = time.monotonic()
            if now - shown >= PLAIN_INTERVAL:
                left = (now - start) / done * (total - done)
                typer.echo(f"{title}: {done} of {total} cases, {duration(left)} left", err=True)
                shown = now

    return bar if console.is_terminal else plain

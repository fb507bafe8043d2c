"""``distributed-iac check``: what a raw data set is, and everything that is wrong with it.

::

    distributed-iac check database/                       tables and problems; exit 0 or 3
    distributed-iac check amos22/ --json > amos.json      data.check.document describes the keys
    distributed-iac check kits23/ --figures overlays/     also a picture a case, and index.html

Progress goes to standard error, the result to standard output.
"""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distributed_iac.errors import ConfigError, DataError, RunError

if TYPE_CHECKING:
    from distributed_iac.data.check.gallery import Picture
    from distributed_iac.data.check.report import CheckReport


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

    from distributed_iac.cli.live_progress import follow
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
    report = check_source(
        found, processes, lambda findings: follow("checking cases", findings, len(found.cases))
    )
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
    from distributed_iac.cli.live_progress import follow
    from distributed_iac.data.check.gallery import draw_cases, write_index

    drawn = draw_cases(report, folder, workers)
    try:
        pictures = list(follow("drawing cases", drawn, len(report.facts)))
        write_index(report, pictures, folder)
    except OSError as error:
        raise RunError(
            "the pictures must be written completely",
            came=error.strerror or error,
            where=folder,
            remedy="see that the folder can be written to and has space, or name another one",
        ) from error
    return pictures

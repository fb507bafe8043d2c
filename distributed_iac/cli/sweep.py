"""``distributed-iac sweep``: everything that a configuration asks for, with Ray."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distributed_iac.cli.configuration import tell_doubts
from distributed_iac.cli.system import interrupts

if TYPE_CHECKING:
    from distributed_iac.cli.sweep_report import FreshReport
    from distributed_iac.config.run import RunConfig
    from distributed_iac.run.outcome import SweepOutcome
    from distributed_iac.run.sweep_folder import SweepFolder

PLAIN_SECONDS = 10.0
"""Between lines where no terminal can show a table."""

STOPPING = "stopping: running jobs save what they have; once more to leave at once"


def sweep(
    config: Annotated[Path, typer.Argument(help="Run configuration (YAML).")],
    out: Annotated[Path | None, typer.Option(help="Folder of run folders.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join: auto or HOST:PORT.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
    ] = None,
) -> None:
    """Run all jobs: prepare, pretrain, search, retrain, evaluate, on this machine or a cluster.

    The same command continues a sweep that was interrupted or killed, and tries again what
    failed. Exits with 4 if a job failed; what does not need it is done all the same. Tables,
    figures and report.html are kept fresh while it runs, and made a last time at its end.
    """
    from distributed_iac.cli.configuration import load_settled
    from distributed_iac.cli.sweep_report import leave_report

    settings = load_settled(config, all_overrides(out, address, overrides))
    outcome = drive(settings)
    leave_report(settings.folder)
    if outcome.failed:
        raise typer.Exit(4)


def all_overrides(
    out: Path | None, address: str | None, overrides: Sequence[str] | None
) -> list[str]:
    """What the options of a sweep override."""
    given = list(overrides or ())
    if out is not None:
        given.append(f"out={json.dumps(str(out))}")
    if address is not None:
        given.append(f"sweep.address={json.dumps(address)}")
    return given


def drive(settings: RunConfig) -> SweepOutcome:
    """Run all jobs and show how far they are.

    Raises:
        KeyboardInterrupt: It was stopped before all of them were over.
    """
    from distributed_iac.cli.configuration import compare_stores
    from distributed_iac.cli.measuring import fitted_to_gpus
    from distributed_iac.jobs.plan import plan_jobs
    from distributed_iac.tune.launch import run_sweep

    told = tell_doubts(settings)
    compare_stores(settings)
    settings = fitted_to_gpus(settings, plan_jobs(settings))
    with _watching(settings.folder):
        outcome = run_sweep(settings)
    _conclude(settings.folder)
    tell_doubts(settings, told)  # more is known once the stores are there
    if outcome.unfinished:
        raise KeyboardInterrupt
    return outcome


def _conclude(folder: Path) -> None:
    """The last word: how many jobs are done, and why others are not."""
    from distributed_iac.cli.board import Board

    board = Board(folder)
    board.refresh()
    board.look_for_results()
    typer.echo(f"{board.tally()} in {folder}")
    for note in board.notes():
        typer.echo(f"warning: {note}", err=True)
    for failure in board.failures():
        typer.echo(f"error: {failure}", err=True)


@contextmanager
def _watching(folder: Path) -> Iterator[None]:
    """Show the sweep while it runs, from its files, in a thread of its own."""
    over = threading.Event()
    from distributed_iac.run.sweep_folder import SweepFolder

    run = SweepFolder(folder)
    with interrupts() as pressed:
        follow = (run, run.description(), over, pressed)
        watcher = threading.Thread(target=_watch, args=follow, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _watch(
    run: SweepFolder,
    before: tuple[int, int] | None,
    over: threading.Event,
    pressed: Callable[[], bool],
) -> None:
    from distributed_iac.cli.sweep_report import FreshReport

    # Not by the time of the file, which is its server's: this sweep has begun once it is another.
    while run.description() == before:
        if over.wait(0.2):
            return
    report = FreshReport(run.path)
    try:
        _show(run.path, over, pressed, report)
    finally:
        report.end()


def _show(
    folder: Path, over: threading.Event, pressed: Callable[[], bool], report: FreshReport
) -> None:
    from rich.console import Console
    from rich.live import Live

    from distributed_iac.cli.board import Board

    board, console = Board(folder), Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while not over.wait(1.0):
                board.refresh()
                live.update(board.view(*console.size), refresh=True)
                if pressed():
                    live.console.print(STOPPING)
                report.begin_if_due()
        return
    shown, due = "", time.monotonic() + PLAIN_SECONDS
    while not over.wait(1.0):
        if pressed():
            console.print(STOPPING)
        report.begin_if_due()
        if time.monotonic() < due:
            continue
        due = time.monotonic() + PLAIN_SECONDS
        board.refresh()
        if board.line() != shown:
            shown = board.line()
            console.print(shown, highlight=False, soft_wrap=True)

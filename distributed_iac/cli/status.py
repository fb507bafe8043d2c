"""``distributed-iac status``: where a sweep stands, from its files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer


def status(
    run: Annotated[Path, typer.Argument(help="Run folder, such as runs/NAME.")],
    once: Annotated[bool, typer.Option("--once", help="Show it once instead of live.")] = False,
) -> None:
    """Show the jobs of a sweep: progress, stability, reasons, time left.

    Works from another terminal while the sweep runs, and after a crash.
    """
    from rich.console import Console
    from rich.live import Live

    from distributed_iac.cli.board import Board

    board, console = Board(run), Console()
    board.refresh()
    board.look_for_results()
    if once or board.is_over or not console.is_terminal:
        console.print(board.view(console.width))
        if board.lost:
            typer.echo(f"warning: {board.lost.sentence}", err=True)
        return
    with Live(board.view(*console.size), console=console, auto_refresh=False) as live:
        while not board.is_over:
            time.sleep(1.0)
            board.refresh()
            live.update(board.view(*console.size), refresh=True)

"""TensorBoard files that grow while a run goes on.

::

    with live_tensorboard(Path("runs/acdc")):
        sweep.run()                     # tensorboard --logdir runs/acdc/tensorboard

A thread beside the sweep reads its journal now and then. Drawing never holds up a report, and a
disk that is full ends no search: what could not be written is logged, and written later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed_iac.report.tensorboard.run_board import RunBoard

LOGGER = logging.getLogger(__name__)
SECONDS = 15.0
"""Between updates; TensorBoard itself looks every 30 s. Our choice."""
SHARE = 0.2
"""Most of a core's time that updating may take."""


@contextmanager
def live_tensorboard(folder: Path) -> Iterator[None]:
    """Keep a run's TensorBoard folder up to date, and bring it there at the end.

    Args:
        folder: The run folder; it is described already (``jobs.json``).
    """
    board, over = RunBoard(folder), threading.Event()
    thread = threading.Thread(target=_follow, args=(board, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _try(board)


def _follow(board: RunBoard, over: threading.Event) -> None:
    pause = SECONDS
    while not over.wait(pause):
        begun = time.monotonic()
        _try(board)
        pause = max(SECONDS, (time.monotonic() - begun) / SHARE)


def _try(board: RunBoard) -> None:
    try:
        board.update()
    except Exception:  # a dashboard must not end a run, whatever is wrong with it
        LOGGER.warning(
            "the TensorBoard files could not be written; the next update, or "
            "`distributed-iac report`, makes good for it",
            exc_info=True,
        )

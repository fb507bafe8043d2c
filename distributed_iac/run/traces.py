"""The traces of a sweep's finished jobs, for simulating another sweep with them.

::

    read_traces(Path("runs/acdc"))           # also while it runs: what has finished so far
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from distributed_iac.config.load import load_resolved
from distributed_iac.run.collect import collect_run
from distributed_iac.run.journal import Event
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.simulation.course import planned_epochs
from distributed_iac.simulation.trace import Trace, traces_from_rows


def read_traces(run: Path) -> tuple[Trace, ...]:
    """Read the finished jobs of a run folder.

    Args:
        run: Folder of a sweep, finished or not.

    Raises:
        RunError: It is not one of a sweep, or its journal is damaged.
        ConfigError: Its config.yaml cannot be read.
    """
    folder = SweepFolder(run)
    tables = collect_run(run)
    return traces_from_rows(
        tables.jobs.to_pylist(),
        tables.epochs.to_pylist(),
        planned_epochs(load_resolved(run / "config.yaml")),
        closing_seconds(folder.journal.read()),
    )


def closing_seconds(events: Iterable[Event]) -> dict[str, float]:
    """Seconds between the start and the end of each job's last process that were no epoch's.

    Args:
        events: Of a journal, in order.

    Returns:
        Seconds by job, at least 0; jobs that were started and ended only.
    """
    begun: dict[str, float] = {}
    worked: dict[str, float] = {}
    closing: dict[str, float] = {}
    for event in events:
        match event.kind:
            case "start":
                begun[event.job], worked[event.job] = event.at, 0.0
            case "report" if event.job in worked:
                worked[event.job] += float(event.values.get("seconds") or 0.0)
            case "end" if event.job in begun:
                whole = event.at - begun.pop(event.job)
                closing[event.job] = max(0.0, whole - worked[event.job])
    return closing

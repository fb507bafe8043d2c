"""The traces of a sweep's finished jobs, for simulating another sweep with them.

::

    read_traces(Path("runs/acdc"))           # also while it runs: what has finished so far
"""

from __future__ import annotations

from pathlib import Path

from distributed_iac.config.load import load_resolved
from distributed_iac.jobs.settings import epochs_by_job
from distributed_iac.run.collect import collect_run
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.simulation.trace import Trace, traces_from_rows
from distributed_iac.transient import patiently


def read_traces(run: Path) -> tuple[Trace, ...]:
    """Read the finished jobs of a run folder.

    Args:
        run: Folder of a sweep, finished or not.

    Raises:
        RunError: It is not one of a sweep, or its journal is damaged.
        ConfigError: Its config.yaml cannot be read.
    """
    tables = collect_run(run)
    closing = {key: one.closing_seconds for key, one in tables.replay.jobs.items()}
    return traces_from_rows(
        tables.jobs.to_pylist(),
        tables.epochs.to_pylist(),
        epochs_by_job(load_resolved(run / "config.yaml"), patiently(SweepFolder(run).plan).graph),
        {key: one for key, one in closing.items() if one is not None},
    )

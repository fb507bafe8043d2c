"""What Ray Tune's snapshot of an experiment says about its trials.

::

    resuming_trials(Path("runs/acdc/ray/sweep-1"))      # {"4f3a_00007": "acdc/.../pretrain"}
    snapshot_problem("s3://bucket/acdc/ray/sweep-1")    # None: Tune can continue from it

The format is Tune 2.60's own (``TuneController.save_to_dir``), which this project pins.

A snapshot that is missing or damaged has to be noticed before Tune sees it. Tune would log the
error, begin the experiment anew with a single trial, and end: the sweep would stand still, at every
start again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import filter as matching
from pathlib import Path
from typing import Any

from pyarrow import fs
from ray import cloudpickle

from distributed_iac.run.storage import read_file, resolve
from distributed_iac.transient import patiently

PATTERN = "experiment_state-*.json"
SETTLED = "TERMINATED"
"""Status of trials that are not resumed; those in error are (``resume_errored``)."""


def resuming_trials(folder: Path) -> dict[str, str]:
    """Jobs by the trials that Tune is going to resume.

    Args:
        folder: Tune's experiment folder, or its local copy.

    Returns:
        Job keys by trial id; empty if there is no snapshot.
    """
    trials = _newest(folder)
    return {
        str(trial["trial_id"]): str(trial["config"]["job"])
        for trial in trials
        if trial["status"] != SETTLED
    }


def snapshot_problem(folder: str) -> str | None:
    """Why Tune cannot continue from the newest snapshot; None if it can.

    Args:
        folder: Tune's experiment folder, local or a URI; trusted, because Tune's state is pickled.

    Raises:
        OSError: The storage cannot be read, which says nothing about the snapshot.
    """
    system, path = resolve(folder)
    found = patiently(lambda: system.get_file_info(fs.FileSelector(path, allow_not_found=True)))
    names = [one.base_name for one in found if one.type == fs.FileType.File]
    for pattern, read in _READERS.items():
        newest = max(matching(names, pattern), default=None)
        if newest is None:
            return f"there is no {pattern}"
        content = read_file(system, f"{path}/{newest}")
        try:
            read(content)
        except Exception as error:  # whatever a damaged pickle makes of itself
            return f"{newest} cannot be read: {type(error).__name__}"
    return None


def _read_trials(content: bytes) -> None:
    for trial, _ in json.loads(content)["trial_data"]:
        json.loads(trial)


_READERS: Mapping[str, Callable[[bytes], object]] = {
    PATTERN: _read_trials,
    "search_gen_state-*.json": cloudpickle.loads,  # a pickle all the same
    "searcher-state-*.pkl": json.loads,  # written by our own searcher, under Tune's name for it
}


def _newest(folder: Path) -> list[dict[str, Any]]:
    """Trials of the newest snapshot; file names carry the time of their session."""
    snapshots = sorted(folder.glob(PATTERN))
    if not snapshots:
        return []
    content = json.loads(patiently(snapshots[-1].read_bytes))
    return [json.loads(trial) for trial, _ in content["trial_data"]]

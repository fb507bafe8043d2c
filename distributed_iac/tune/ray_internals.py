"""All of Ray 2.60 that its public interface does not promise: the only module that knows it.

::

    resuming_trials(Path("runs/acdc/ray/sweep-1"))      # {"4f3a_00007": "acdc/.../pretrain"}
    snapshot_problem("s3://bucket/acdc/ray/sweep-1")    # None: Tune can continue from it
    note_in_last_result(trial, {"stop_code": "budget"})
    written_error(trial)                                # what a worker died of

``pyproject.toml`` holds Ray to this version; ``tests/tune/test_ray_internals.py`` says what another
one has changed.

A snapshot (``TuneController.save_to_dir``) that is missing or damaged has to be noticed before Tune
sees it. Tune would log the error, begin the experiment anew with a single trial, and end: the sweep
would stand still, at every start again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import filter as matching
from pathlib import Path
from typing import Any

from pyarrow import fs
from ray import cloudpickle
from ray.tune import RunConfig, TuneConfig, Tuner
from ray.tune.experiment import Trial
from ray.tune.result import AUTO_RESULT_KEYS

from distributed_iac.run.storage import read_file, resolve
from distributed_iac.transient import patiently

TUNES_OWN = (frozenset(AUTO_RESULT_KEYS) - {"hostname"}) | {"experiment_tag"}
"""What Tune adds to a result, besides the name of the machine."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Relative paths of a configuration start where the sweep was started.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}
"""Environment of every driver."""

SNAPSHOT_SECONDS = "TUNE_GLOBAL_CHECKPOINT_S"
TRIALS_AHEAD = "TUNE_MAX_PENDING_TRIALS_PG"
START_SECONDS = "RAY_gcs_server_port_wait_time_s"

SESSION = "ray/session_2026-11-29_01-44-51_000000_{pid}/sockets/{socket}"
"""Where sockets lie below the temporary folder (``ray._private.node``)."""
SOCKETS = {"off": "plasma_store", "local": "dash_TaskEventsHead"}
"""The longest names of sockets, without and with the dashboard."""

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


def ask_others(restored: Tuner, tune_config: TuneConfig, run_config: RunConfig) -> None:
    """Let a restored experiment ask those of today: Tune pickled those that it began with.

    A sweep that goes on with more slots or other rules would otherwise not know of them.

    Args:
        restored: By ``Tuner.restore``, not fitted yet.
        tune_config: With a searcher that restores itself from the snapshot.
        run_config: Of the same name and storage.
    """
    inner = restored._local_tuner
    inner._tune_config, inner._run_config = tune_config, run_config


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


def note_in_last_result(trial: Trial, values: Mapping[str, Any]) -> None:
    """Add to the result that searchers, ``ResultGrid`` and later restores read.

    Args:
        trial: Complete.
        values: Scalars.
    """
    trial.last_result.update(values)
    # What the next snapshot writes is cached, and a change inside goes unseen.
    trial.run_metadata.invalidate_cache()


def written_error(trial: Trial) -> object:
    """The error that Tune wrote down a moment ago on this machine: an exception, or text.

    Not ``trial.get_pickled_error()``: that reads the copy in the sweep's storage, which Tune
    uploads in the background, so that it may be cut or out of reach, and an error here would end
    the sweep instead of one attempt of one job.
    """
    try:
        if trial.pickled_error_file is not None:
            return cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
        return "unknown" if trial.error_file is None else Path(trial.error_file).read_text()
    except Exception as error:  # unpickling runs the constructors of foreign exceptions
        return f"unknown: what Tune wrote down cannot be read ({error!r})"

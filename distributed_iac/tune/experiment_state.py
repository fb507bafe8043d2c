"""What Ray Tune's snapshot of an experiment says about its trials.

::

    resuming_trials(Path("runs/acdc/ray/sweep-1"))      # {"4f3a_00007": "acdc/.../pretrain"}

The format is Tune 2.60's own (``TuneController.save_to_dir``), which this project pins.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


def _newest(folder: Path) -> list[dict[str, Any]]:
    """Trials of the newest snapshot; file names carry the time of their session."""
    snapshots = sorted(folder.glob(PATTERN))
    if not snapshots:
        return []
    content = json.loads(snapshots[-1].read_text(encoding="utf-8"))
    return [json.loads(trial) for trial, _ in content["trial_data"]]

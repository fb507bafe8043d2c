"""Run a stage in this process: checkpoints, resume, progress; no Ray.

::

    outcome = run_locally(stage, folder, observer=show, clock=time.monotonic)
    outcome.rows                  # one mapping of scalars an epoch
    outcome.seconds               # time spent in step(), over all restarts

For notebooks, one GPU box, tests, and every part of a sweep that runs without a scheduler. The
two last checkpoints are kept; a damaged last one falls back to the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed_iac.errors import CheckpointError
from distributed_iac.training.checkpoint import read_checkpoint, write_checkpoint
from distributed_iac.training.stage import Scalar, Stage, StepReport

LAST = "last.pt"
BEFORE = "before.pt"

Observer = Callable[[StepReport, Stage], None]
Row = dict[str, Scalar]


@dataclass
class LocalOutcome:
    """What a finished, or interrupted, local run knows.

    Args:
        rows: Scalars of every epoch, in order, each with its ``seconds``.
        seconds: Time spent stepping, over all restarts.
        notes: What was unusual, such as a damaged checkpoint that was passed over.
    """

    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def run_locally(
    stage: Stage,
    folder: Path,
    *,
    identity: str,
    clock: Callable[[], float],
    observer: Observer | None = None,
    checkpoint_every: int = 1,
    stop_when: Callable[[StepReport], bool] | None = None,
) -> LocalOutcome:
    """Run a stage to its end, continuing from ``folder`` if it was begun there.

    Args:
        stage: A fresh stage.
        folder: Where checkpoints live.
        identity: What this job is; a checkpoint of another identity is refused.
        clock: Monotonic seconds; an argument, so that stages stay free of clocks.
        observer: Called after every epoch.
        checkpoint_every: Epochs between checkpoints.
        stop_when: Ends the run early, as a scheduler would; its report has ``total_seconds``,
            the time spent so far, besides the stage's values.

    Returns:
        The epochs' rows and the time they took.

    Raises:
        CheckpointError: Both checkpoints are damaged, or they belong to another job.
        RunError: The stage failed.
    """
    outcome = _resume(stage, folder, identity)
    stopped = bool(outcome.rows) and bool(outcome.rows[-1].get("stopped"))
    while not stage.done and not stopped:
        begun = clock()
        report = stage.step()
        seconds = clock() - begun
        outcome.seconds += seconds
        stopped = stop_when is not None and stop_when(_with_total(report, outcome.seconds))
        outcome.rows.append({**report.values, "seconds": seconds, "stopped": stopped})
        if observer is not None:
            observer(StepReport(outcome.rows[-1], report.payload), stage)
        if stage.done or stopped or stage.epoch % checkpoint_every == 0:
            _save(stage, outcome, folder, identity)
    return outcome


def forget_checkpoints(folder: Path) -> None:
    """Remove a finished job's checkpoints."""
    for name in (LAST, BEFORE):
        (folder / name).unlink(missing_ok=True)


def _with_total(report: StepReport, seconds: float) -> StepReport:
    return StepReport({**report.values, "total_seconds": seconds}, report.payload)


def _save(stage: Stage, outcome: LocalOutcome, folder: Path, identity: str) -> None:
    last = folder / LAST
    if last.exists():
        last.replace(folder / BEFORE)
    state = {
        "identity": identity,
        "stage": stage.state_dict(),
        "rows": outcome.rows,
        "seconds": outcome.seconds,
        "notes": outcome.notes,
    }
    write_checkpoint(last, state)


def _resume(stage: Stage, folder: Path, identity: str) -> LocalOutcome:
    """Load the newest sound checkpoint into the stage; an empty outcome if there is none."""
    outcome = LocalOutcome()
    failures: list[CheckpointError] = []
    for name in (LAST, BEFORE):
        path = folder / name
        if not path.exists():
            continue
        try:
            state = read_checkpoint(path)
        except CheckpointError as error:
            if error.retriable:
                raise  # it may be whole: nothing is known of it yet
            failures.append(error)
            continue
        _require(identity, state, path)
        stage.load_state_dict(state["stage"])
        outcome = LocalOutcome(list(state["rows"]), float(state["seconds"]), list(state["notes"]))
        outcome.notes += [f"passed over a damaged checkpoint: {error}" for error in failures]
        return outcome
    if failures:
        raise CheckpointError(
            "no checkpoint of this job can be read",
            came="; ".join(str(error) for error in failures),
            remedy=f"delete {folder} to start this job again",
            where=folder,
        )
    return outcome


def _require(identity: str, state: Mapping[str, Any], path: Path) -> None:
    if state.get("identity") != identity:
        raise CheckpointError(
            f"this folder belongs to the job {state.get('identity')!r}",
            came=f"the job {identity!r}",
            remedy="choose another output folder, or delete this one",
            where=path,
        )

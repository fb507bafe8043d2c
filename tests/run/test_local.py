"""The local runner resumes exactly, times only its steps, and survives a damaged checkpoint."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from distributed_iac.errors import CheckpointError, RunError
from distributed_iac.run.local import BEFORE, LAST, LocalOutcome, run_locally
from distributed_iac.training.scripted import ScriptedStage
from distributed_iac.training.stage import Stage, StepReport

SCRIPT = [{"val_dice": value / 10} for value in range(6)]


class KilledError(Exception):
    pass


def run(folder: Path, *, kill_after: int | None = None, identity: str = "job") -> LocalOutcome:
    ticks = itertools.count()

    def observer(_report: StepReport, stage: Stage) -> None:
        # A kill after the epoch was stepped and before its checkpoint was written.
        if kill_after is not None and stage.epoch == kill_after:
            raise KilledError

    return run_locally(
        ScriptedStage(SCRIPT),
        folder,
        identity=identity,
        clock=lambda: float(next(ticks)),
        observer=observer,
    )


@pytest.mark.parametrize("kill_after", range(1, 7))
def test_a_killed_run_ends_with_the_rows_of_an_undisturbed_one(
    tmp_path: Path, kill_after: int
) -> None:
    undisturbed = run(tmp_path / "a")
    with pytest.raises(KilledError):
        run(tmp_path / "b", kill_after=kill_after)
    resumed = run(tmp_path / "b")
    assert resumed.rows == undisturbed.rows
    assert resumed.seconds == undisturbed.seconds == 6.0


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    again = run(tmp_path, kill_after=1)
    assert again.rows == first.rows


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    undisturbed = run(tmp_path / "a")
    with pytest.raises(KilledError):
        run(tmp_path / "b", kill_after=4)
    (tmp_path / "b" / LAST).write_bytes(b"torn")
    resumed = run(tmp_path / "b")
    assert resumed.rows == undisturbed.rows
    assert "damaged" in resumed.notes[0]


def test_two_damaged_checkpoints_are_an_error_that_names_the_way_out(tmp_path: Path) -> None:
    run(tmp_path)
    for name in (LAST, BEFORE):
        (tmp_path / name).write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="start this job again"):
        run(tmp_path)


def test_a_folder_of_another_job_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(CheckpointError, match="belongs to the job 'job'"):
        run(tmp_path, identity="other")


def test_a_stopped_run_stays_stopped(tmp_path: Path) -> None:
    def go() -> LocalOutcome:
        return run_locally(
            ScriptedStage(SCRIPT),
            tmp_path,
            identity="job",
            clock=lambda: 0.0,
            stop_when=lambda report: report.number("val_dice") >= 0.2,
        )

    assert [row["epoch"] for row in go().rows] == [1, 2, 3]
    assert [row["epoch"] for row in go().rows] == [1, 2, 3]


def test_a_finished_script_cannot_be_stepped() -> None:
    with pytest.raises(RunError, match="at its end"):
        ScriptedStage([]).step()

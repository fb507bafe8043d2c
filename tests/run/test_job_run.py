from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scripted import ScriptedWorkload
from distributed_iac.errors import CheckpointError, DistributedIacError, RunError
from distributed_iac.jobs.job import Job
from distributed_iac.run.checkpoints import CheckpointInterval, JobCheckpoints
from distributed_iac.run.job_run import JobRun
from distributed_iac.tune.trainable import JobTrainable
from distributed_iac.tune.trial_config import TrialConfig

JOB = Job("search", "a", "net", "lth", 0)
EVERY_EPOCH = CheckpointInterval(seconds=1e9, epochs=1)


class Bench:
    """One job's world: a workload and a checkpoints, and any number of runs one after another."""

    def __init__(self, folder: Path, interval: CheckpointInterval = EVERY_EPOCH) -> None:
        self.folder, self.interval = folder, interval
        self.converges: dict[str, int] = {}
        self.fails: dict[str, int] = {}

    @property
    def workload(self) -> ScriptedWorkload:
        return ScriptedWorkload(
            (JOB,),
            {"search": 6},
            str(self.folder / "artifacts"),
            converges=self.converges,
            fails=self.fails,
        )

    def begin(self, until: int | None = None) -> JobRun:
        checkpoints = JobCheckpoints(str(self.folder / "checkpoints"))
        return JobRun(JOB, self.workload, checkpoints, self.interval, lambda: 0.0, until=until)

    def checksum(self) -> object:
        result = self.workload.finished(JOB)
        return None if result is None else (result["checksum"], result["epochs"])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> object:
    bench = Bench(tmp_path_factory.mktemp("undisturbed"))
    to_the_end(bench.begin())
    return bench.checksum()


def to_the_end(run: JobRun) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    while not rows or not rows[-1]["done"]:
        rows.append(dict(run.advance()))
    return rows


def test_a_job_reports_every_epoch_and_its_result_is_kept_with_the_last(bench: Bench) -> None:
    rows = to_the_end(bench.begin())
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["outcome"] for row in rows] == ["running"] * 5 + ["done"]
    assert bench.checksum() == (rows[-1]["checksum"], 6)


def test_a_finished_job_reports_its_result_and_does_nothing(bench: Bench) -> None:
    before = to_the_end(bench.begin())
    (row,) = to_the_end(bench.begin())
    assert row["outcome"] == "reused"
    assert row["checksum"] == before[-1]["checksum"]
    assert row["epoch"] == 6


@pytest.mark.parametrize("killed_after", [1, 2, 5])
@pytest.mark.parametrize("interval", [EVERY_EPOCH, CheckpointInterval(seconds=1e9, epochs=3)])
def test_a_killed_job_ends_as_if_it_had_not_been(
    tmp_path: Path, undisturbed: object, killed_after: int, interval: CheckpointInterval
) -> None:
    bench = Bench(tmp_path, interval)
    run = bench.begin()
    for _ in range(killed_after):
        run.advance()
    rows = to_the_end(bench.begin())
    assert bench.checksum() == undisturbed
    first = rows[0]["epoch"]
    assert isinstance(first, int)
    assert killed_after - 3 < first <= killed_after + 1


def test_a_stop_that_was_announced_is_recorded_only_as_far_as_it_went(bench: Bench) -> None:
    run = bench.begin()
    for _ in range(2):
        run.advance()
    run.save()
    rows = to_the_end(bench.begin(until=4))
    assert [row["epoch"] for row in rows] == [3, 4]
    result = bench.workload.finished(JOB)
    assert result is not None
    assert result["epochs"] == 4


def test_a_job_stopped_where_its_checkpoint_is_only_concludes(bench: Bench) -> None:
    run = bench.begin()
    for _ in range(4):
        run.advance()
    (row,) = to_the_end(bench.begin(until=4))
    assert row["outcome"] == "done"
    assert row["epochs"] == 4


def test_a_converged_job_keeps_its_result_before_anybody_decides(bench: Bench) -> None:
    bench.converges = {JOB.key: 3}
    run = bench.begin()
    rows = [run.advance() for _ in range(3)]
    assert rows[-1]["outcome"] == "done"
    assert rows[-1]["done"] is False, "the decision is the scheduler's"
    result = bench.workload.finished(JOB)
    assert result is not None
    assert result["epochs"] == 3
    assert run.advance()["done"] is True, "a scheduler that lets it run gets the same result"


def test_a_failed_epoch_is_never_saved(bench: Bench) -> None:
    bench.fails = {JOB.key: 3}
    run = bench.begin()
    run.advance()
    run.advance()
    with pytest.raises(RunError, match="script says"):
        run.advance()
    run.save()
    state = JobCheckpoints(str(bench.folder / "checkpoints")).newest().state
    assert state is not None
    assert state["stage"]["epoch"] == 2


def test_checkpoints_of_another_job_are_refused(bench: Bench) -> None:
    JobCheckpoints(str(bench.folder / "checkpoints")).store(
        {"identity": "another", "stage": {}, "rows": []}
    )
    with pytest.raises(RunError, match="another"):
        bench.begin()


def test_a_finished_job_leaves_no_checkpoints(bench: Bench) -> None:
    to_the_end(bench.begin())
    assert JobCheckpoints(str(bench.folder / "checkpoints")).newest().state is None


def test_a_checkpoint_is_due_after_seconds_or_epochs() -> None:
    assert not CheckpointInterval(60.0).due(epochs=100, seconds=59.0)
    assert CheckpointInterval(60.0).due(epochs=1, seconds=60.0)
    assert CheckpointInterval(60.0, epochs=5).due(epochs=5, seconds=0.0)


class Unreachable:
    """A workload whose storage fails so many times when a job is opened.

    Args:
        inner: The real one.
        failures: What comes first.
    """

    def __init__(self, inner: ScriptedWorkload, failures: list[Exception]) -> None:
        self._inner, self._failures = inner, failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def open(self, job: Job) -> Any:
        if self._failures:
            raise self._failures.pop(0)
        return self._inner.open(job)


def damaged(number: int) -> CheckpointError:
    """What reading another job's result becomes when storage answers with an error."""
    error = CheckpointError("cannot read a finished job's result", remedy="delete its folder")
    error.__cause__ = OSError(number, os.strerror(number))
    return error


@pytest.mark.parametrize(
    ("failure", "ends"),
    [
        (damaged(errno.ESTALE), "raised"),
        (damaged(errno.EIO), "raised"),
        (damaged(errno.EACCES), "failed"),
        (RunError("it diverged"), "failed"),
    ],
)
def test_what_may_pass_is_raised_so_that_ray_starts_the_job_again(
    bench: Bench, failure: DistributedIacError, ends: str
) -> None:
    workload: Any = Unreachable(bench.workload, [failure])
    checkpoints = str(bench.folder / "checkpoints")

    def start() -> JobTrainable:
        trainable = JobTrainable.__new__(JobTrainable)
        config = TrialConfig.of(JOB).to_dict()
        trainable.setup(config, workload=workload, checkpoints=checkpoints, interval=EVERY_EPOCH)
        return trainable

    if ends == "failed":
        row = start().step()
        assert (row["outcome"], row["done"]) == ("failed", True)
        assert failure.message in row["error"]
        return
    with pytest.raises(CheckpointError):
        start().step()
    assert start().step()["outcome"] == "running", "the second time it goes well"

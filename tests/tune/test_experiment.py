"""An experiment is begun anew where its snapshot cannot be used, and for no other reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scripted import ScriptedWorkload
from distributed_iac.jobs.job import Job
from distributed_iac.run.replay import Replay
from distributed_iac.run.sweep_folder import SweepFolder

pytestmark = [pytest.mark.usefixtures("local_ray"), pytest.mark.slow]

EPOCHS = 50
"""Of a tenth of a second: Tune has written snapshots, one a second, long before the last."""


def breaking(while_there: Path) -> Any:
    """A callback that fails near the end of a job while a file exists; pickled by value."""
    from ray.tune import Callback

    class Breaking(Callback):  # type: ignore[misc]
        def on_trial_result(self, result: Mapping[str, Any], **_: Any) -> None:
            if result["epoch"] > EPOCHS - 10 and while_there.exists():
                raise RuntimeError("a dashboard is out of reach")

    return Breaking()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Starts, or continues, an experiment of one job."""
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # as every sweep does
    from ray import tune
    from ray.tune.schedulers import FIFOScheduler

    from distributed_iac.run.checkpoints import CheckpointInterval
    from distributed_iac.tune.experiment import Experiment, TuneParts
    from distributed_iac.tune.searcher import JobSearcher
    from distributed_iac.tune.trainable import JobTrainable

    artifacts = str(tmp_path / "artifacts")
    workload = ScriptedWorkload((Job("prepare", "a"),), {"prepare": EPOCHS}, artifacts, 0.1)
    trainable = tune.with_parameters(
        JobTrainable,
        workload=workload,
        checkpoints=str(tmp_path / "checkpoints"),
        interval=CheckpointInterval(60.0),
    )
    flag = tmp_path / "broken"
    experiment = Experiment(
        storage=str(tmp_path / "ray"),
        results=artifacts,
        trainable=trainable,
        begin=lambda: TuneParts(JobSearcher(workload), FIFOScheduler(), (breaking(flag),)),
        max_failures=0,
    )

    def run() -> None:
        journal, replay = SweepFolder(tmp_path).journal, Replay(workload.graph)
        replay.follow(journal)
        experiment.run(journal, replay.opened)

    return run


def opened(folder: Path) -> list[tuple[str, str]]:
    """Names of experiments and how each was opened."""
    how = {"restored", "unreadable"}
    return [
        (event.values["experiment"], next(iter(how & set(event.values)), "new"))
        for event in SweepFolder(folder).journal.read()
        if event.kind == "open"
    ]


def test_what_fails_in_a_restored_run_says_nothing_about_its_snapshot(
    run: Callable[[], None], tmp_path: Path
) -> None:
    from ray.tune import TuneError

    (tmp_path / "broken").touch()
    for _ in range(2):
        with pytest.raises(TuneError, match="out of reach"):
            run()
    assert opened(tmp_path) == [("sweep-001", "new"), ("sweep-001", "restored")]

    (tmp_path / "broken").unlink()
    (tmp_path / "ray" / "sweep-001" / "tuner.pkl").write_bytes(b"damaged")
    run()
    expected = [("sweep-001", "unreadable"), ("sweep-002", "new")]
    assert opened(tmp_path)[2:] == expected

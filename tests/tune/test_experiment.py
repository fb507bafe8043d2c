"""An experiment is begun anew where its snapshot cannot be used, and for no other reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """A callback that fails halfway through a job while a file exists; pickled by value."""
    from ray.tune import Callback

    class Breaking(Callback):  # type: ignore[misc]
        def on_trial_result(self, result: Mapping[str, Any], **_: Any) -> None:
            if result["epoch"] > EPOCHS // 2 and while_there.exists():
                raise RuntimeError("a dashboard is out of reach")

    return Breaking()


Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Starts, or continues, an experiment of one job, or of as many, with further callbacks."""
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # as every sweep does
    from ray import tune
    from ray.tune.schedulers import FIFOScheduler

    from distributed_iac.run.checkpoints import CheckpointInterval
    from distributed_iac.tune.experiment import Experiment, TuneParts
    from distributed_iac.tune.resources import Capacity, Reserved, Room
    from distributed_iac.tune.searcher import JobSearcher
    from distributed_iac.tune.trainable import JobTrainable

    def run(*callbacks: Any, jobs: str = "a", slots: int = 1) -> None:
        artifacts = str(tmp_path / "artifacts")
        prepare = tuple(Job("prepare", name) for name in jobs)
        workload = ScriptedWorkload(prepare, {"prepare": EPOCHS}, artifacts, 0.1)
        room = Room({"prepare": Reserved(1.0, 0.0, 0.0)}, Capacity(slots, 0.0, 0.0))
        trainable = tune.with_parameters(
            JobTrainable,
            workload=workload,
            checkpoints=str(tmp_path / "checkpoints"),
            interval=CheckpointInterval(60.0),
        )
        asked = (breaking(tmp_path / "broken"), *callbacks)
        experiment = Experiment(
            storage=str(tmp_path / "ray"),
            results=artifacts,
            trainable=tune.with_resources(trainable, {"CPU": 0.5}),
            parts=lambda: TuneParts(
                JobSearcher(workload, room=room), FIFOScheduler(), asked, lambda: None
            ),
            max_failures=0,
        )
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
    run: Run, tmp_path: Path
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


def test_a_restored_experiment_asks_those_of_today(run: Run, tmp_path: Path) -> None:
    from ray.tune import Callback, TuneError

    class Noting(Callback):  # type: ignore[misc]
        def on_step_end(self, trials: Sequence[Any], **_: Any) -> None:
            if sum(not trial.is_finished() for trial in trials) == 2:
                (tmp_path / "both").touch()

    (tmp_path / "broken").touch()
    with pytest.raises(TuneError, match="out of reach"):
        run(Noting(), jobs="ab", slots=1)
    assert not (tmp_path / "both").exists()

    (tmp_path / "broken").unlink()
    run(Noting(), jobs="ab", slots=2)
    assert opened(tmp_path) == [("sweep-001", "new"), ("sweep-001", "restored")]
    assert (tmp_path / "both").exists(), "the second job is handed out beside the first one"

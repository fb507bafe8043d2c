"""What a worker died of reaches the journal, whatever became of Tune's own notes."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.exceptions import RayTaskError
from ray.tune.experiment import Trial

from distributed_iac.errors import DistributedIacError
from distributed_iac.jobs.job import Job
from distributed_iac.run.journal import Journal
from distributed_iac.tune.journal_keeper import JournalKeeper
from distributed_iac.tune.trial_config import TrialConfig

JOB = Job("prepare", "acdc")


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """A trial that failed a moment ago; its notes lie on this machine and nowhere else yet."""

    class Failed(Trial):  # type: ignore[misc]  # Ray's classes are untyped
        local_path = str(tmp_path)

    trial = Failed("__fake", stub=True, config=TrialConfig.of(JOB).to_dict())
    trial.handle_error(RayTaskError("train", "Traceback ...", DistributedIacError("no room left")))
    return trial


def said(trial: Trial, folder: Path) -> object:
    journal = Journal(folder / "journal.jsonl")
    JournalKeeper(journal).on_trial_recover(1, [trial], trial)
    (event,) = journal.read()
    return event.values["error"]


def test_an_error_is_told_before_its_notes_reach_the_storage(trial: Trial, tmp_path: Path) -> None:
    """Tune uploads them in the background: a sweep must not end over half a file."""
    assert trial.storage is None
    assert said(trial, tmp_path) == "no room left"


def test_notes_that_cannot_be_read_end_nothing(trial: Trial, tmp_path: Path) -> None:
    Path(trial.pickled_error_file).write_bytes(b"")
    assert "cannot be read" in str(said(trial, tmp_path))

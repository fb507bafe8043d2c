"""Finished jobs without their results are told, and cost no table that knew them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from distributed_iac.errors import RunError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.collect import collect_run, refresh_tables
from distributed_iac.run.lost import require_no_less
from distributed_iac.run.result import write_result
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan
from distributed_iac.training.outputs import write_rows

RESERVED = Reserved(1.0)
SEARCHES = [Job("search", "a", "net", "lth", seed) for seed in (0, 1)]


@pytest.fixture
def run(tmp_path: Path) -> SweepFolder:
    """Two finished searches of three epochs, of which the journal heard the last alone."""
    run = SweepFolder(tmp_path / "runs" / "run")
    root = tmp_path / "runs" / "artifacts"
    run.describe(SweepPlan(JobGraph(SEARCHES), str(root), {"search": RESERVED}))
    for job in SEARCHES:
        digest = f"ab{job.seed}"
        rows = [{"epoch": epoch, "seconds": 1.0} for epoch in (1, 2, 3)]
        left = tmp_path / digest
        left.mkdir()
        write_rows(left / "epochs.parquet", rows)
        write_result(left, job, digest, rows, {"val_dice": 0.5})
        Artifacts(root).put(digest, left)
        run.journal.write("report", job.key, {"epoch": 3, "seconds": 1.0, "digest": digest})
        run.journal.write("end", job.key, {"digest": digest})
    return run


def lose(run: SweepFolder, *digests: str) -> None:
    for digest in digests:
        shutil.rmtree(Path(run.plan().artifacts) / "ab" / digest)


def statuses(run: SweepFolder) -> list[str]:
    return [str(status) for status in collect_run(run.path).jobs["status"].to_pylist()]


def test_nothing_is_lost_where_every_result_is_there(run: SweepFolder) -> None:
    assert statuses(run) == ["done", "done"]
    assert not collect_run(run.path).lost
    assert not refresh_tables(run.path)
    assert pq.read_table(run.path / "epochs.parquet").num_rows == 6


def test_a_lost_result_has_its_own_status_and_what_was_reported(run: SweepFolder) -> None:
    lose(run, "ab1")
    tables = collect_run(run.path)
    assert tables.lost.keys == (SEARCHES[1].key,)
    assert statuses(run) == ["done", "lost"]
    assert tables.epochs.num_rows == 3 + 1
    assert SEARCHES[1].key in tables.lost.sentence
    assert tables.lost.artifacts in tables.lost.remedy


def test_a_run_copied_without_its_results_has_lost_them_all(
    run: SweepFolder, tmp_path: Path
) -> None:
    shutil.copytree(run.path, tmp_path / "copy" / "run")
    lost = collect_run(tmp_path / "copy" / "run").lost
    assert lost.keys == tuple(job.key for job in SEARCHES)
    assert lost.artifacts == str(tmp_path / "copy" / "artifacts")


def test_tables_that_knew_a_lost_result_are_not_written_over(run: SweepFolder) -> None:
    refresh_tables(run.path)
    before = {path.name: path.read_bytes() for path in run.path.glob("*.parquet")}
    lose(run, "ab0")
    assert refresh_tables(run.path).keys == (SEARCHES[0].key,)
    assert {path.name: path.read_bytes() for path in run.path.glob("*.parquet")} == before
    with pytest.raises(RunError, match=r"seed0[\s\S]*copy them to[\s\S]*delete .*jobs\.parquet"):
        require_no_less(run.path, collect_run(run.path).lost, 0.0)


@pytest.mark.parametrize("content", [b"", b"PAR1 and no table"])
def test_tables_that_cannot_be_read_may_have_known_it(run: SweepFolder, content: bytes) -> None:
    lose(run, "ab0")
    (run.path / "jobs.parquet").write_bytes(content)
    assert refresh_tables(run.path)
    assert (run.path / "jobs.parquet").read_bytes() == content


def test_tables_of_what_is_left_are_written_anew_and_again(run: SweepFolder) -> None:
    lose(run, "ab0", "ab1")
    for _ in range(2):
        assert not refresh_tables(run.path)
    assert pq.read_table(run.path / "jobs.parquet")["status"].to_pylist() == ["lost", "lost"]


def test_a_result_that_is_made_again_is_lost_no_more(run: SweepFolder, tmp_path: Path) -> None:
    root = Path(run.plan().artifacts)
    shutil.copytree(root, tmp_path / "aside")
    lose(run, "ab0")
    assert statuses(run) == ["lost", "done"]
    run.journal.write("start", SEARCHES[0].key)
    assert statuses(run) == ["running", "done"]
    shutil.copytree(tmp_path / "aside" / "ab" / "ab0", root / "ab" / "ab0")
    run.journal.write("end", SEARCHES[0].key, {"digest": "ab0"})
    assert statuses(run) == ["done", "done"]

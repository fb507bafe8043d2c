from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distributed_iac.errors import RunError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.collect import JOBS_SCHEMA, collect_run, write_tables
from distributed_iac.run.result import write_result
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan
from distributed_iac.training.outputs import write_rows

SEARCH = Job("search", "a", "net", "lth", 0)
RETRAIN = Job("retrain", "a", "net", "lth", 0, (SEARCH.key,))


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    run = SweepFolder(tmp_path / "run")
    reserved = {"search": Reserved(2.0, 0.5), "retrain": Reserved(4.0)}
    run.describe(
        SweepPlan(JobGraph([SEARCH, RETRAIN]), str(tmp_path / "artifacts"), reserved)  # type: ignore[arg-type]
    )
    return run


def finish(run: SweepFolder, tmp_path: Path, rows: list[dict[str, Any]], **final: Any) -> None:
    left = tmp_path / "left"
    left.mkdir()
    write_rows(left / "epochs.parquet", rows)
    write_result(left, SEARCH, "ab12", rows, final)
    Artifacts(run.plan().artifacts).put("ab12", left)
    run.journal.write("end", SEARCH.key, {"digest": "ab12"})


def rows_of(run: SweepFolder) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in collect_run(run.path).jobs.to_pylist()}


def test_a_plan_comes_back_as_it_was_written(folder: SweepFolder) -> None:
    plan = folder.plan()
    assert list(plan.graph.jobs()) == [SEARCH, RETRAIN]
    assert plan.reserved["search"] == Reserved(2.0, 0.5)


def test_running_jobs_are_told_from_the_journal(folder: SweepFolder) -> None:
    for epoch in (1, 2, 2):
        values = {"epoch": epoch, "seconds": 3.0, "val_dice": 0.5, "digest": "ab12"}
        folder.journal.write("report", SEARCH.key, values)
    tables = collect_run(folder.path)
    row = rows_of(folder)[SEARCH.key]
    assert (row["status"], row["epochs"], row["seconds"]) == ("running", 2, 6.0)
    assert row["device_seconds"] == 3.0, "half a GPU"
    assert tables.epochs.column_names == ["key", "epoch", "seconds", "val_dice"]
    assert tables.epochs.num_rows == 2
    assert rows_of(folder)[RETRAIN.key]["status"] == "waiting"


def test_finished_jobs_are_told_from_what_they_left(folder: SweepFolder, tmp_path: Path) -> None:
    folder.journal.write("report", SEARCH.key, {"epoch": 1, "seconds": 99.0})
    rows = [{"epoch": epoch, "seconds": 2.0, "full_epochs": 0.5 * epoch} for epoch in (1, 2, 3)]
    finish(folder, tmp_path, rows, val_dice=0.8, genotype_id="g1", op_evaluations=40)
    row = rows_of(folder)[SEARCH.key]
    assert (row["status"], row["epochs"], row["seconds"]) == ("done", 3, 6.0)
    assert (row["val_dice"], row["genotype_id"], row["op_evaluations"]) == (0.8, "g1", 40.0)
    assert row["full_epochs"] == 1.5
    assert set(collect_run(folder.path).folders) == {SEARCH.key}


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ("converged: 4 edges have one operation", ("converged", "4 edges have one operation")),
        ("all 200 epochs", (None, "all 3 epochs")),
        (None, (None, "all 3 epochs")),
    ],
)
def test_a_result_that_was_found_says_itself_why_its_search_was_stopped(
    folder: SweepFolder, tmp_path: Path, kept: str | None, told: tuple[str | None, str]
) -> None:
    rows = [{"epoch": 3, "seconds": 2.0, "reason": "all 3 epochs"}]
    finish(folder, tmp_path, rows, stop_reason=kept)
    row = rows_of(folder)[SEARCH.key]
    assert (row["stop_code"], row["stop_reason"]) == told


def test_values_that_json_cannot_hold_are_numbers_again(folder: SweepFolder) -> None:
    folder.journal.write(
        "report", SEARCH.key, {"epoch": 1, "seconds": 1.0, "val_dice": float("nan")}
    )
    assert rows_of(folder)[SEARCH.key]["val_dice"] != rows_of(folder)[SEARCH.key]["val_dice"]


def test_an_epoch_without_a_number_leaves_its_column_one_of_numbers(folder: SweepFolder) -> None:
    for epoch, dice in enumerate((float("nan"), 0.5, float("inf")), 1):
        values = {"epoch": epoch, "seconds": 1.0, "val_dice": dice}
        folder.journal.write("report", SEARCH.key, values)
    column = collect_run(folder.path).epochs.column("val_dice")
    assert column.type == pa.float64()
    assert [str(value) for value in column.to_pylist()] == ["nan", "0.5", "inf"]


def test_a_failure_is_shown_with_its_reason(folder: SweepFolder) -> None:
    folder.journal.write("failed", SEARCH.key, {"error": "it diverged"})
    rows = rows_of(folder)
    assert (rows[SEARCH.key]["status"], rows[SEARCH.key]["error"]) == ("failed", "it diverged")
    assert rows[RETRAIN.key]["status"] == "skipped"


def test_tables_of_a_sweep_that_has_not_begun_have_their_columns(folder: SweepFolder) -> None:
    write_tables(folder.path, collect_run(folder.path))
    jobs = pq.read_table(folder.path / "jobs.parquet")
    assert jobs.schema.equals(JOBS_SCHEMA)
    assert jobs.num_rows == 2
    assert pq.read_table(folder.path / "epochs.parquet").num_rows == 0


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"jobs\.json"):
        collect_run(tmp_path)


def test_only_one_driver_at_a_time(folder: SweepFolder) -> None:
    assert not folder.is_driven()
    with folder.claimed(), folder.claimed(), ThreadPoolExecutor(1) as other:
        assert folder.is_driven()
        with pytest.raises(RunError, match=rf"another one is at it: .*process {os.getpid()} on"):
            other.submit(folder.claimed().__enter__).result()
    assert not folder.is_driven()


def test_a_run_that_is_moved_or_copied_with_its_results_knows_where_they_are(
    tmp_path: Path,
) -> None:
    given = {
        "beside": (tmp_path / "a" / "runs" / "artifacts", "runs/artifacts"),
        "elsewhere": (tmp_path / "shared", "../shared"),
        "bucket": ("s3://bucket/artifacts", None),
    }
    for name, (artifacts, _) in given.items():
        run = SweepFolder(tmp_path / "a" / "runs" / name)
        run.describe(SweepPlan(JobGraph([SEARCH]), str(artifacts), {}))
        assert run.plan().artifacts == str(artifacts)
    (tmp_path / "a").rename(tmp_path / "b")
    for name, (artifacts, seen) in given.items():
        plan = SweepFolder(tmp_path / "b" / "runs" / name).plan()
        expected = str(artifacts) if seen is None else str((tmp_path / "b" / seen).resolve())
        assert plan.artifacts == expected


def test_a_place_that_was_given_relative_goes_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "a")
    SweepFolder(Path("runs/x")).describe(SweepPlan(JobGraph([SEARCH]), "kept", {}))
    (tmp_path / "a" / "runs").rename(tmp_path / "b" / "runs")
    monkeypatch.chdir(tmp_path)
    assert SweepFolder(Path("b/runs/x")).plan().artifacts == str(tmp_path / "b" / "kept")


def test_a_file_that_is_written_again_is_told_from_the_one_before_by_no_clock(
    folder: SweepFolder,
) -> None:
    seen = [folder.description()]
    for server_time in (0, 2**33):
        folder.describe(folder.plan())
        os.utime(folder.path / "jobs.json", (server_time, server_time))
        seen.append(folder.description())
    assert len(set(seen)) == 3
    assert SweepFolder(folder.path / "none").description() is None


def test_a_job_that_waits_has_no_epoch_yet_but_says_for_whom(folder: SweepFolder) -> None:
    folder.journal.write("report", SEARCH.key, {"epoch": 0, "note": "its store is prepared by X"})
    row = rows_of(folder)[SEARCH.key]
    assert (row["status"], row["epochs"]) == ("running", 0)
    assert row["note"] == "its store is prepared by X"

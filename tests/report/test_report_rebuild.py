"""A report is a function of the run: made again it is the same, at whatever stage it is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from distributed_iac.errors import ConfigError, RunError
from distributed_iac.evaluation.patients_table import read_patients
from distributed_iac.genotype import Genotype
from distributed_iac.report.rebuild import OWNED, PAGE, rebuild
from distributed_iac.report.run_record import RunRecord

SOURCES = (
    *("config.json", "config.yaml", "environment.json", "jobs.json", "journal.jsonl"),
    "driver.lock",
)


def made(folder: Path) -> dict[str, bytes]:
    """Every file that a report has written."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in SOURCES
    }


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in it."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_deleted_report_comes_back_byte_by_byte(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    assert rebuild(folder).state == "done"
    first = made(folder)
    for name in first:
        (folder / name).unlink()
    for name in OWNED:
        (folder / name).rmdir()
    rebuild(folder)
    assert made(folder) == first
    assert {
        "report.html",
        "comparison.json",
        "selection.json",
        "jobs.parquet",
        "epochs.parquet",
    } < (first.keys())


def test_a_report_elsewhere_is_the_same_and_leaves_the_run_alone(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = make_run(), tmp_path / "elsewhere"
    before = contents(folder)
    page = rebuild(folder, out)
    assert contents(folder) == before
    elsewhere = made(out)
    assert rebuild(folder, out) == page == rebuild(folder)
    assert made(out) == elsewhere == made(folder)


def test_a_report_takes_no_folder_of_other_files(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    folder, other = make_run(), tmp_path / "other"
    (other / "figures").mkdir(parents=True)
    (other / "figures/mine.png").touch()
    another_run = tmp_path / "run"
    shutil.copytree(folder, another_run)
    rebuild(folder)
    for taken in (other, other / "figures/mine.png", another_run):
        before = contents(taken)
        with pytest.raises(ConfigError, match="new or empty"):
            rebuild(folder, taken)
        assert contents(taken) == before


def test_what_is_left_of_an_earlier_report_goes_and_other_files_stay(
    make_run: Callable[..., Path],
) -> None:
    folder = make_run(stop_after=0)
    for name in ("figures/cell-gone.svg", "tables/old.csv", "figures/notes.txt", "mine.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("earlier")
    rebuild(folder)
    assert not (folder / "figures/cell-gone.svg").exists()
    assert not (folder / "tables/old.csv").exists()
    assert (folder / "figures/notes.txt").exists()
    assert (folder / "mine.csv").exists()


@pytest.mark.parametrize("stop_after", [0, 2, 6])
def test_an_unfinished_run_is_reported_as_one(
    make_run: Callable[..., Path], stop_after: int
) -> None:
    folder = make_run(stop_after=stop_after)
    rebuilt = rebuild(folder)
    assert rebuilt.state == "incomplete"
    assert rebuilt.progress.startswith(f"{stop_after} of 10 jobs done, 1 running")
    assert any("waiting" in warning for warning in rebuilt.warnings)
    assert rebuilt.progress in (folder / PAGE).read_text()


def test_a_failed_job_costs_its_own_rows_and_is_named(make_run: Callable[..., Path]) -> None:
    key = "acdc/basic_unet-tiny/search/lth/seed0"
    folder = make_run(failed=[key])
    rebuilt = rebuild(folder)
    assert rebuilt.state == "failed"
    assert any(key in warning for warning in rebuilt.warnings)
    labels = set(read_patients(folder / "patients.parquet")["name"].to_pylist())
    assert labels == {"full", "plain", "plain_extra", "random", "attention_unet-4-4"}
    text = (folder / "tables/unfinished.csv").read_text()
    assert key in text
    assert f"needs {key}" in text


def test_files_hold_what_was_read(finished: RunRecord, finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished_run, folder)
    rebuild(folder)
    patients = read_patients(folder / "patients.parquet")
    assert repr(patients.to_pylist()) == repr(finished.patients.to_pylist())  # NaN equals itself
    assert pq.read_table(folder / "jobs.parquet").equals(finished.tables.jobs)
    assert json.loads((folder / "comparison.json").read_text()) == finished.comparison.to_dict()
    chosen = json.loads((folder / "selection.json").read_text())
    assert [(one["group"], one["arm"], one["seed"]) for one in chosen] == [
        (one.group, one.arm, one.seed) for one in finished.selections
    ]
    cells = {path.stem: json.loads(path.read_text()) for path in (folder / "cells").iterdir()}
    found = {entry["search"] for cell in cells.values() for entry in cell["found_by"]}
    assert found == {one.job.key for one in finished.searches}
    assert all(Genotype.from_dict(cell["genotype"]).id == name for name, cell in cells.items())
    randoms = [cell for cell in cells.values() if not cell["found_by"]]
    assert [len(cell["trained_by"]) for cell in randoms] == [4]


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the folder of a sweep"):
        rebuild(tmp_path)


def test_a_run_without_its_results_is_not_complete_and_costs_no_table(
    make_run: Callable[..., Path],
) -> None:
    folder = make_run()
    rebuild(folder)
    before = made(folder)
    (lost,) = [
        path.parent for path in artifacts(folder).rglob("result.json") if RANDOM in said(path)
    ]
    shutil.rmtree(lost)
    with pytest.raises(RunError, match=rf"{RANDOM}[\s\S]*copy them to"):
        rebuild(folder)
    assert made(folder) == before
    (folder / "jobs.parquet").unlink()
    rebuilt = rebuild(folder)
    assert (rebuilt.state, rebuilt.progress) == ("incomplete", "9 of 10 jobs done, 1 lost")
    assert RANDOM in rebuilt.warnings[0]
    assert "random" not in read_patients(folder / "patients.parquet")["name"].to_pylist()
    assert "lost" in (folder / "tables/jobs.csv").read_text().splitlines()[0]


def test_an_emptied_journal_costs_no_table(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    rebuild(folder)
    before = made(folder)
    (folder / "journal.jsonl").write_bytes(b"")
    with pytest.raises(RunError, match="copy journal"):
        rebuild(folder)
    assert made(folder) == before
    (folder / "jobs.parquet").unlink()
    assert rebuild(folder).state == "incomplete"


RANDOM = "acdc/basic_unet-tiny/retrain/random/seed0"


def artifacts(folder: Path) -> Path:
    return folder.parents[1] / "artifacts"


def said(path: Path) -> str:
    return str(json.loads(path.read_text())["key"])

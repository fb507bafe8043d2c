"""``distributed-iac status``: told from the files of sweeps that run, crashed or are over."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from distributed_iac.cli.board import Board
from distributed_iac.cli.main import app
from distributed_iac.errors import RunError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.run.journal import Journal
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan

PREPARE = Job("prepare", "acdc")
PRETRAIN = Job("pretrain", "acdc", "unet", needs=(PREPARE.key,))
LTH = Job("search", "acdc", "unet", "lth", 0, (PRETRAIN.key,))
FULL = Job("search", "acdc", "unet", "full", 0, (PRETRAIN.key,))
RETRAIN = Job("retrain", "acdc", "unet", "lth", 0, (LTH.key,))
JOBS = (PREPARE, PRETRAIN, LTH, FULL, RETRAIN)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are not folded."""
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    """A sweep that has not begun."""
    one = SweepFolder(tmp_path / "demo")
    one.path.mkdir()
    reserved = {job.kind: Reserved(1.0) for job in JOBS}
    one.describe(SweepPlan(JobGraph(JOBS), str(tmp_path / "artifacts"), reserved))
    return one


def run_job(journal: Journal, job: Job, epochs: int, planned: int) -> None:
    journal.write("start", job.key)
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, "seconds": 60.0, "val_dice": 0.5, "epochs_planned": planned}
        journal.write("report", job.key, row)


@pytest.fixture
def half_finished(folder: SweepFolder) -> SweepFolder:
    """Prepared and pre-trained; one search was stopped, another lost its worker and runs."""
    journal = folder.journal
    journal.write("open", values={"experiment": "sweep-001"})
    for job, epochs in ((PREPARE, 1), (PRETRAIN, 4)):
        run_job(journal, job, epochs, epochs)
        journal.write("end", job.key)
    run_job(journal, LTH, 6, 20)
    journal.write("stop", LTH.key, {"code": "converged", "reason": "stable for 3 reports"})
    journal.write("end", LTH.key)
    run_job(journal, FULL, 3, 20)
    journal.write("again", FULL.key, {"error": "the worker died"})
    run_job(journal, FULL, 5, 20)
    return folder


def status(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["status", str(folder), *options])


def line_of(output: str, job: Job) -> str:
    """The line of a job; those of a backbone stand indented below its name."""
    name = f"  {job.key.removeprefix(f'{job.group}/')} " if job.backbone else f"{job.key} "
    (line,) = [line for line in output.splitlines() if line.startswith(name)]
    return line


def test_before_anything_happened_everything_waits(folder: SweepFolder) -> None:
    done = status(folder.path, "--once")
    assert done.exit_code == 0, done.output
    assert "demo: 0/5 jobs done; nobody drives it now" in done.stdout
    assert all("waiting" in line_of(done.stdout, job) for job in JOBS)


def test_a_crashed_sweep_says_what_stood_and_that_nobody_drives_it(
    half_finished: SweepFolder,
) -> None:
    done = status(half_finished.path, "--once")
    assert done.exit_code == 0, done.output
    assert "demo: 3/5 jobs done, 1 running" in done.stdout
    assert "nobody drives it now" in done.stdout
    assert "converged: stable for 3 reports" in line_of(done.stdout, LTH)
    running = line_of(done.stdout, FULL)
    assert "5/20" in running
    assert "0.500" in running
    assert "worker lost 1x" in running


def test_a_running_sweep_is_told_by_its_lock(half_finished: SweepFolder) -> None:
    with half_finished.claimed():
        done = status(half_finished.path, "--once")
    assert "3/5 jobs done, 1 running" in done.stdout
    assert "nobody" not in done.stdout


def test_time_left_follows_from_the_pace(half_finished: SweepFolder) -> None:
    """Fifteen epochs of a minute; how long retrainings take is not known until one has run."""
    assert "left" not in status(half_finished.path, "--once").stdout
    half_finished.journal.write("end", RETRAIN.key)
    assert "about 15:00 min left" in status(half_finished.path, "--once").stdout


def test_a_driver_that_takes_over_runs_nothing_yet(half_finished: SweepFolder) -> None:
    half_finished.journal.write("open", values={"experiment": "sweep-001", "restored": True})
    assert "waiting" in line_of(status(half_finished.path, "--once").stdout, FULL)


def test_failures_are_told_with_what_they_cost(half_finished: SweepFolder) -> None:
    half_finished.journal.write("failed", FULL.key, {"error": "the search ended early: diverged"})
    done = status(half_finished.path, "--once")
    assert "3/5 jobs done, 1 failed" in done.stdout
    assert "the search ended early: diverged" in line_of(done.stdout, FULL)


def test_what_needs_a_failed_job_is_skipped_and_the_sweep_over(folder: SweepFolder) -> None:
    folder.journal.write("failed", PREPARE.key, {"error": "no such folder\n  remedy: make it"})
    done = status(folder.path)  # over, hence shown once, also without being asked to
    assert done.exit_code == 0, done.output
    assert "0/5 jobs done, 1 failed, 4 skipped" in done.stdout
    assert "nobody" not in done.stdout
    assert "needs acdc/prepare, which failed" in line_of(done.stdout, RETRAIN)


def test_a_line_that_a_crash_cut_short_is_passed_over(half_finished: SweepFolder) -> None:
    with (half_finished.path / "journal.jsonl").open("a") as file:
        file.write('{"at": 17, "event": "rep')
    assert "3/5 jobs done, 1 running" in status(half_finished.path, "--once").stdout


@pytest.mark.parametrize("width", [80, 109])
def test_a_narrow_terminal_has_a_line_a_job_and_the_remarks_beneath(
    half_finished: SweepFolder, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = status(half_finished.path, "--once").stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert "5/20" in line_of("\n".join(lines), FULL)
    assert f"{LTH.key}: converged: stable for 3 reports" in lines
    assert f"{FULL.key}: worker lost 1x" in lines


def test_a_screen_that_is_too_low_shows_what_runs_and_counts_the_rest(
    half_finished: SweepFolder,
) -> None:
    board = Board(half_finished.path)
    board.refresh()
    console = Console(width=120, height=8, record=True, file=io.StringIO())
    console.print(board.view(*console.size))
    shown = console.export_text()
    assert "5/20" in line_of(shown, FULL)
    assert "retrain/lth" not in shown
    assert "4 more neither run nor failed" in shown
    assert len(shown.splitlines()) <= 8


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path) -> None:
    error = status(tmp_path, "--once").exception
    assert isinstance(error, RunError)
    assert error.exit_code == 4


def test_a_narrow_terminal_of_latin_letters_shows_it_all_the_same(
    half_finished: SweepFolder,
) -> None:
    half_finished.journal.write("failed", FULL.key, {"error": "loss \u2192 \u221e"})
    command = [sys.executable, "-m", "distributed_iac.cli.main", "status", str(half_finished.path)]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "COLUMNS": "40"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"loss ? ?" in done.stdout


def test_a_lost_result_is_told_until_it_is_there_again(folder: SweepFolder, tmp_path: Path) -> None:
    for job in (PREPARE, PRETRAIN):
        folder.journal.write("end", job.key, {"digest": f"ab-{job.kind}"})
    board = Board(folder.path)
    board.refresh()
    assert board.line().startswith("2/5 jobs done"), "nobody has looked"
    board.look_for_results()
    assert board.line().startswith("0/5 jobs done, 2 lost")
    for job, lost in ((PREPARE, "1/5 jobs done, 1 lost"), (PRETRAIN, "2/5 jobs done")):
        result = tmp_path / "artifacts" / "ab" / f"ab-{job.kind}" / "result.json"
        result.parent.mkdir(parents=True)
        result.write_text("{}")
        board.refresh()
        assert board.line().startswith(lost)
    assert not board.lost

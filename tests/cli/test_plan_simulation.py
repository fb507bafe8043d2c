"""``plan --simulate``: what it prints, what it takes for granted, and when it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from click.testing import Result
from typer.testing import CliRunner

from distributed_iac.cli.main import app
from distributed_iac.config.load import load_config
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError, RunError
from distributed_iac.jobs.job import JobKind
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.jobs.settings import planned_epochs
from distributed_iac.run.journal import Journal
from distributed_iac.run.run_folder import claim_run_folder
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan
from distributed_iac.run.traces import read_traces

EPOCH, CLOSING = 2.0, 5.0
SETTLED = 6
TEXT = """
name: small
out: {out}
data: [{{name: a, source: a, format: acdc}}]
pretrain: {{epochs: 10}}
search: {{epochs: 20, warmup_epochs: 2}}
retrain: {{epochs: 5, rates: [1.0]}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT.format(out=tmp_path / "runs"), encoding="utf-8")
    return path


@pytest.fixture
def finished(config: Path) -> Path:
    """The run folder of a sweep whose lth search settled after six epochs of twenty."""
    settings = load_config(config, [])
    claim_run_folder(settings)
    write_journal(settings)
    return settings.folder


def write_journal(settings: RunConfig) -> None:
    """Every job alone on the machine, one after another."""
    kinds: tuple[JobKind, ...] = get_args(JobKind)
    graph, now = plan_jobs(settings), [0.0]
    folder = SweepFolder(settings.folder)
    reserved = {kind: Reserved(1.0) for kind in kinds}
    folder.describe(SweepPlan(graph, str(settings.out / "artifacts"), reserved))
    journal = Journal(settings.folder / "journal.jsonl", clock=lambda: now[0])
    for job in graph.jobs():
        settles = job.kind == "search" and job.name == "lth"
        journal.write("start", job.key)
        for epoch in range(1, (SETTLED if settles else planned_epochs(settings)[job.kind]) + 1):
            now[0] += EPOCH
            row = {"epoch": epoch, "seconds": EPOCH, "converged": settles and epoch == SETTLED}
            journal.write("report", job.key, row)
        now[0] += CLOSING
        journal.write("end", job.key)


def plan(config: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["plan", str(config), "--no-measure", *options])


def test_traces_are_what_the_journal_says(finished: Path) -> None:
    traces = {(trace.kind, trace.name): trace for trace in read_traces(finished)}
    fast = traces["search", "lth"]
    assert (fast.epoch_seconds, fast.planned, fast.closing) == ((EPOCH,) * SETTLED, 20, CLOSING)
    assert [report.converged for report in fast.reports] == [False] * 5 + [True]
    assert traces["retrain", "full"].reports == ()


def test_a_replayed_sweep_takes_what_was_recorded(config: Path, finished: Path) -> None:
    done = plan(config, "--simulate", "--traces", str(finished), "--startup", "0")
    assert done.exit_code == 0, done.output
    jobs = plan_jobs(load_config(config, []))
    epochs = {"prepare": 1, "pretrain": 10, "search": 20, "retrain": 5, "evaluate": 1}
    saved = (20 - SETTLED) * EPOCH
    seconds = sum(epochs[job.kind] * EPOCH + CLOSING for job in jobs.jobs()) - saved
    preparing = EPOCH + CLOSING  # holds no GPU: only the time until it is done counts
    (first,) = [line for line in done.output.splitlines() if line.split()[:1] == ["1"]]
    minutes, rest = divmod(round(seconds), 60)
    assert f" {minutes}:{rest:02d} " in first
    assert preparing < seconds
    assert f"jobs replayed: {len(jobs)} as recorded" in done.output
    searches = (20 * EPOCH + CLOSING) / (SETTLED * EPOCH + CLOSING)
    assert f"full takes {searches:.2f} times the GPU hours of lth in the searches" in done.output


def test_every_size_has_a_row_that_fits_eighty_columns(config: Path, finished: Path) -> None:
    lines = plan(config, "--traces", str(finished)).output.splitlines()
    rows = [line for line in lines if line.strip()[:1].isdigit() and line.rstrip().endswith("%")]
    assert [row.split()[0] for row in rows] == [f"{2**power:,}" for power in range(11)]
    assert all(len(row.rstrip()) <= 80 for row in rows)


def test_what_is_assumed_is_printed(config: Path, finished: Path) -> None:
    told = plan(config, "--traces", str(finished), "--gpu-speed", "20", "--startup", "7").output
    assert "recorded seconds are divided by 20 (--gpu-speed)" in told
    assert "every process takes 7 s to start" in told


def test_other_data_sets_and_seeds_borrow_and_say_so(config: Path, finished: Path) -> None:
    told = plan(config, "--set", "seeds=[0, 1]", "--traces", str(finished)).output
    assert "as recorded, " in told
    assert "of another seed" in told


def test_without_anything_to_replay_it_says_what_to_do(config: Path) -> None:
    error = plan(config, "--simulate").exception
    assert isinstance(error, ConfigError)
    assert error.remedy is not None
    assert "--traces RUN" in error.remedy


def test_a_speed_of_nothing_is_refused(config: Path, finished: Path) -> None:
    error = plan(config, "--traces", str(finished), "--gpu-speed", "0").exception
    assert isinstance(error, ConfigError)


def test_a_folder_without_a_sweep_is_refused(config: Path, tmp_path: Path) -> None:
    assert isinstance(plan(config, "--traces", str(tmp_path)).exception, RunError)

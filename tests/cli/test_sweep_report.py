"""The report of a sweep that runs, and of one that ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from distributed_iac.cli.sweep_report import FreshReport, leave_report

PATIENCE = 120.0
"""Seconds; many times what it takes, for crowded machines."""


def test_a_report_is_made_beside_the_sweep_when_it_is_due(planned: Path) -> None:
    fresh = FreshReport(planned, pace=0.0)
    begun = time.monotonic()
    fresh.begin_if_due()
    assert time.monotonic() - begun < 5, "the sweep does not wait for it"
    while not (planned / "tables").exists() or not (planned / "report.html").exists():
        assert time.monotonic() - begun < PATIENCE
        time.sleep(0.1)
    fresh.end()
    assert (planned / "report.html").read_text().endswith("</html>\n")


def test_none_is_made_before_it_is_due_and_none_outlives_the_sweep(planned: Path) -> None:
    patient = FreshReport(planned, pace=3600.0)
    patient.begin_if_due()
    patient.end()
    hasty = FreshReport(planned, pace=0.0)
    hasty.begin_if_due()
    hasty.end()
    assert not (planned / "report.html").exists()


@pytest.mark.parametrize("spoilt", ["report.html", "jobs.parquet"])
def test_what_keeps_a_report_from_being_written_is_told_and_raises_nothing(
    planned: Path, spoilt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (planned / spoilt).mkdir()
    leave_report(planned)
    told = capsys.readouterr()
    assert "no report was made; all results are kept" in told.err
    assert spoilt in told.err
    assert "Traceback" not in told.err
    assert not told.out


def test_a_folder_that_is_no_run_is_told_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_report(tmp_path)
    assert "the folder of a sweep holds jobs.json" in capsys.readouterr().err

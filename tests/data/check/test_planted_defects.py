"""Acceptance: of planted defects the check finds each one once, and nothing in sound phantoms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from distributed_iac.cli.check import check
from distributed_iac.data.check.report import CheckReport, check_source
from distributed_iac.data.formats.registry import read_source
from distributed_iac.phantom import (
    DEFECTS,
    FORMATS,
    FormatName,
    Phantom,
    defects_of,
    make_phantom,
)

RELEASES = [(name, release) for name, entry in FORMATS.items() for release in entry.releases]
TWELVE = (
    "missing_label",
    "truncated",
    "unreadable",
    "zero_size",
    "channel_count",
    "shape_mismatch",
    "spacing_mismatch",
    "affine_mismatch",
    "nonfinite",
    "noninteger_labels",
    "empty_mask",
    "duplicate_patient",
)


def expected(phantom: Phantom) -> list[tuple[str, str, str]]:
    return sorted(
        (defect.code, DEFECTS[defect.code].severity, defect.case_id or defect.path.name)
        for defect in phantom.planted
        if DEFECTS[defect.code].severity != "harmless"
    )


def found(report: CheckReport) -> list[tuple[str, str, str]]:
    """Code, severity and whom it is blamed on: a case, or a patient by the folder."""
    return sorted(
        (problem.code, problem.severity, problem.case_id or problem.path.name)
        for problem in report.problems
    )


@pytest.mark.parametrize(("format_name", "release"), RELEASES)
def test_a_sound_phantom_has_no_problem(
    tmp_path: Path, format_name: FormatName, release: str
) -> None:
    out = tmp_path / "phantom"
    phantom = make_phantom(format_name, out, patients=2, seed=3, size="tiny", release=release)
    report = check_source(read_source(out))
    assert report.problems == ()
    assert len(report.facts) >= len(phantom.cases)
    assert all(facts.images and facts.grid for facts in report.facts)


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_defect_is_found_once_and_nothing_else(
    tmp_path: Path, format_name: FormatName
) -> None:
    codes = defects_of(format_name)
    out = tmp_path / "phantom"
    patients = len(codes) + 1  # a duplicate takes two
    phantom = make_phantom(format_name, out, patients=patients, seed=0, size="tiny", defects=codes)
    report = check_source(read_source(out))
    assert found(report) == expected(phantom)
    assert len(report.problems) >= 12
    damaged = {defect.code: defect.path for defect in phantom.planted}
    for problem in report.problems:
        assert problem.reason
        assert problem.remedy
        if damaged[problem.code].is_file():
            assert problem.path == damaged[problem.code]


@pytest.mark.parametrize("format_name", ["acdc", "amos"])
def test_the_command_reports_twelve_planted_defects_and_exits_with_three(
    tmp_path: Path, format_name: FormatName
) -> None:
    out = tmp_path / "phantom"
    known = defects_of(format_name)
    codes = [code if code in known else "affine_ignored" for code in TWELVE]
    phantom = make_phantom(format_name, out, patients=13, seed=1, size="tiny", defects=codes)
    app = typer.Typer()
    app.command()(check)
    result = CliRunner().invoke(app, [str(out), "--json", "--workers", "1"])
    assert result.exit_code == 3
    problems = json.loads(result.stdout)["problems"]
    assert sorted((each["code"], each["case_id"]) for each in problems) == [
        (code, case_id) for code, _, case_id in expected(phantom)
    ]

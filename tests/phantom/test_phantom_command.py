from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from distributed_iac.cli.phantom import phantom
from distributed_iac.errors import ConfigError
from distributed_iac.phantom import FORMATS, SIZES, defects_of

app = typer.Typer()
app.command()(phantom)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_can_be_written(format: str, tmp_path: Path) -> None:
    out = tmp_path / format
    text = run(format, str(out), "--patients", "2", "--size", "tiny", "--seed", "5")
    assert "labelled cases of 2 patients" in text
    assert f"distributed-iac check {out}" in text
    assert any(out.rglob("*.nii.gz"))


def test_defects_are_planted_and_named(tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = run(
        "kits", str(out), "--patients", "3", "--size", "tiny", "--release", "19",
        "--defect", "truncated", "--defect", "empty_mask",
    )  # fmt: skip
    assert "kits 2019" in text
    assert "error    truncated" in text
    assert "warning  empty_mask" in text


def test_all_defects_of_a_format_can_be_asked_for(tmp_path: Path) -> None:
    text = run(
        "acdc", str(tmp_path / "out"), "--patients", "20", "--size", "tiny", "--defects", "all"
    )
    assert all(f" {code} " in text for code in defects_of("acdc"))


def test_errors_reach_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="releases of brats"):
        run("brats", str(tmp_path / "out"), "--release", "1999")


def test_an_unknown_size_is_a_usage_error_that_names_the_sizes(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["acdc", str(tmp_path / "out"), "--size", "huge"])
    assert result.exit_code == 2
    assert all(size in result.output for size in SIZES)


def test_the_command_is_light_until_it_runs() -> None:
    code = (
        "import sys, distributed_iac.cli.phantom\n"
        "assert not {'numpy', 'nibabel', 'scipy', 'torch', 'ray'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

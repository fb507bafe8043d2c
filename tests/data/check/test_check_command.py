"""The command says what was found, on the right stream and with the right exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from distributed_iac.cli import check as command
from distributed_iac.cli import live_progress
from distributed_iac.errors import ConfigError, SourceError

Write = Callable[..., Path]
AFFINE = np.diag([-1.5, -1.5, 8.0, 1.0])


def invoke(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(command.check)
    return CliRunner().invoke(app, ["--workers", "1", *map(str, arguments)])


@pytest.fixture
def nnunet(tmp_path: Path, write_nifti: Write) -> Path:
    """A sound nnU-Net raw data set of three cases with two channels."""
    root = tmp_path / "Dataset042_Toy"
    rng = np.random.default_rng(0)
    label = np.zeros((8, 7, 5), np.uint8)
    label[2:6, 2:5, 1:4] = 1
    for case in ("toy_001", "toy_002", "toy_003"):
        for channel in range(2):
            array = rng.normal(size=label.shape).astype(np.float32)
            write_nifti(f"{root.name}/imagesTr/{case}_{channel:04d}.nii.gz", array, AFFINE)
        write_nifti(f"{root.name}/labelsTr/{case}.nii.gz", label, AFFINE)
    metadata = {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "organ": 1},
        "numTraining": 3,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(metadata))
    return root


@pytest.fixture
def acdc(tmp_path: Path, write_nifti: Write) -> Path:
    """A sound ACDC tree of two patients; of the second neither frame is the first."""
    rng = np.random.default_rng(1)
    for patient, frames in (("patient001", (1, 12)), ("patient090", (11, 4))):
        folder = f"database/training/{patient}"
        size = (16, 14, 6)
        write_nifti(f"{folder}/{patient}_4d.nii.gz", rng.random((*size, 2), np.float32), AFFINE)
        for frame in frames:
            stem = f"{folder}/{patient}_frame{frame:02d}"
            write_nifti(f"{stem}.nii.gz", rng.random(size, np.float32), AFFINE)
            label = np.zeros(size, np.uint8)
            label[4:8, 4:8, 1:5] = 1
            label[8:12, 4:10, 1:5] = 2
            label[9:11, 6:8, 1:5] = 3
            write_nifti(f"{stem}_gt.nii.gz", label, AFFINE)
        info = f"ED: {frames[0]}\r\nES: {frames[1]}\r\nGroup: NOR\r\nHeight: 180\r\nNbFrame: 12\r\n"
        (tmp_path / folder / "Info.cfg").write_text(f"{info}Weight: 70.0\r\n")
    return tmp_path / "database"


def spoil(root: Path) -> Path:
    path = root / "labelsTr" / "toy_002.nii.gz"
    label = np.zeros((8, 7, 5), np.uint8)
    label[3, 3, 3] = 5
    nibabel.save(nibabel.Nifti1Image(label, AFFINE), path)
    return path


def test_a_sound_source_exits_with_zero(nnunet: Path, acdc: Path) -> None:
    for root, words in ((nnunet, "nnunet_raw"), (acdc, "acdc")):
        result = invoke(root)
        assert result.exit_code == 0, result.output
        assert words in result.stdout
        assert "no problems found" in result.stdout
        assert result.stderr == ""


def test_a_problem_exits_with_three_and_is_shown(nnunet: Path) -> None:
    path = spoil(nnunet)
    result = invoke(nnunet)
    assert result.exit_code == 3
    assert "error unexpected_labels toy_002" in result.stdout
    assert str(path) in result.stdout
    assert "5 (voxels: 1)" in result.stdout


def test_json_is_all_that_standard_output_gets(nnunet: Path) -> None:
    spoil(nnunet)
    result = invoke(nnunet, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 3
    assert document["source"]["format"] == "nnunet_raw"
    assert document["summary"]["cases"] == 3
    assert [problem["code"] for problem in document["problems"]] == ["unexpected_labels"]


def test_figures_are_drawn_for_every_case_and_listed(nnunet: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "overlays"
    (nnunet / "imagesTr" / "toy_003_0001.nii.gz").write_bytes(b"")
    result = invoke(nnunet, "--figures", folder)
    assert result.exit_code == 3
    assert sorted(path.name for path in folder.iterdir()) == [
        "index.html",
        "toy_001.png",
        "toy_002.png",
    ]
    assert "no picture of toy_003" in result.stderr


def test_a_named_format_is_obeyed(nnunet: Path) -> None:
    assert invoke(nnunet, "--format", "nnunet_raw").exit_code == 0
    with pytest.raises(SourceError):
        raise invoke(nnunet, "--format", "acdc").exception or AssertionError
    with pytest.raises(ConfigError, match="format must be one of"):
        raise invoke(nnunet, "--format", "nnunet-raw").exception or AssertionError


def test_a_folder_for_figures_that_cannot_be_made_is_refused_at_once(
    nnunet: Path, tmp_path: Path
) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")
    result = invoke(nnunet, "--figures", occupied)
    assert isinstance(result.exception, ConfigError)
    assert result.stdout == ""


def test_no_workers_are_a_usage_error(nnunet: Path) -> None:
    assert invoke(nnunet, "--workers", "0").exit_code == 2


def test_progress_in_a_pipe_is_whole_lines_on_standard_error(
    nnunet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_progress, "PLAIN_SECONDS", 0.0)
    result = invoke(nnunet, "--json")
    lines: Iterable[str] = result.stderr.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        f"checking cases: {done} of 3" for done in (1, 2, 3)
    ]
    json.loads(result.stdout)

"""Every file that looks like an image is a case's, or is told with the reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from distributed_iac.data.contract import Problem, Source
from distributed_iac.data.formats.registry import read_source


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An nnU-Net raw data set of two cases."""
    folder = tmp_path / "Dataset001_x"
    for name in ("imagesTr/a_0000", "imagesTr/b_0000", "labelsTr/a", "labelsTr/b"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.nii.gz").write_bytes(b"")
    about = {
        "channel_names": {"0": "T2"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def rename(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


def told(source: Source) -> dict[str, Problem]:
    return {problem.path.name: problem for problem in source.problems}


def test_large_letters_in_an_ending_are_an_ending(root: Path) -> None:
    rename(root / "imagesTr/a_0000.nii.gz", "a_0000.NII.GZ")
    rename(root / "labelsTr/a.nii.gz", "a.nii.GZ")
    source = read_source(root)
    assert source.problems == ()
    assert [path.name for path in source.cases[0].files] == ["a_0000.NII.GZ", "a.nii.GZ"]


def test_files_in_other_formats_and_strays_are_told(root: Path) -> None:
    names = ("c_0000.mha", "c_0000.nrrd", "c.DCM", "c.png", "c_0000.Nii.Gz", "c_0000.nii.xz")
    for name in names:
        (root / "imagesTr" / name).write_bytes(b"")
    (root / "stray.nii.gz").write_bytes(b"")
    (root / "logo.png").write_bytes(b"")
    (root / "imagesTr/notes.txt").write_bytes(b"")
    found = told(read_source(root))
    assert set(found) == {*names, "stray.nii.gz"}
    assert {problem.severity for problem in found.values()} == {"warning"}
    assert "Rename it to .nii.gz" in found["c_0000.Nii.Gz"].remedy


def test_many_files_of_one_kind_are_told_once(root: Path) -> None:
    for number in range(40):
        (root / f"imagesTr/{number}.dcm").write_bytes(b"")
    (problem,) = read_source(root).problems
    assert "39 more files" in problem.reason


def test_links_that_lead_nowhere_are_told_with_their_aim(root: Path) -> None:
    image = root / "imagesTr/a_0000.nii.gz"
    image.unlink()
    image.symlink_to(root / "gone" / "a.nii.gz")
    found = [problem for problem in read_source(root).problems if problem.code == "dangling_link"]
    assert [problem.path for problem in found] == [image]
    assert "gone/a.nii.gz" in found[0].reason


def test_names_that_differ_in_letter_case_only_exclude_their_cases(root: Path) -> None:
    for place in ("imagesTr/A_0000.nii.gz", "labelsTr/A.nii.gz"):
        (root / place).write_bytes(b"")
    errors = [p for p in read_source(root).problems if p.severity == "error"]
    assert {(p.code, p.case_id) for p in errors} == {
        ("ambiguous_file", "a"),
        ("ambiguous_file", "A"),
    }
    for place in ("imagesTr/A_0000.nii.gz", "labelsTr/A.nii.gz"):
        (root / place).unlink()
    (root / "imagesTr/b_0000.NII.GZ").write_bytes(b"")
    errors = [p for p in read_source(root).problems if p.severity == "error"]
    assert {(p.code, p.case_id) for p in errors} == {("ambiguous_file", "b")}


def test_images_that_a_map_of_cases_leaves_out_are_told(root: Path) -> None:
    about = json.loads((root / "dataset.json").read_text())
    about["dataset"] = {"a": {"images": ["imagesTr/a_0000.nii.gz"], "label": "labelsTr/a.nii.gz"}}
    about["numTraining"] = 1
    (root / "dataset.json").write_text(json.dumps(about))
    assert set(told(read_source(root))) == {"b_0000.nii.gz", "b.nii.gz"}


def test_links_inside_a_data_set_are_in_use(root: Path) -> None:
    shutil.move(root / "imagesTr/a_0000.nii.gz", root / "kept.nii.gz")
    (root / "imagesTr/a_0000.nii.gz").symlink_to(root / "kept.nii.gz")
    assert read_source(root).problems == ()

from __future__ import annotations

import shutil

import pytest

from distributed_iac.data.contract import SliceLayout
from distributed_iac.data.formats.registry import detect, read_source


@pytest.fixture
def root(trees, tmp_path):
    return trees.acdc(tmp_path / "database")


def codes(source, severity="error"):
    return [(p.code, p.case_id) for p in source.problems if p.severity == severity]


def test_both_labelled_frames_of_every_patient_are_cases(root):
    source = read_source(root)
    assert [(c.case_id, c.patient_id, c.phase, c.part) for c in source.cases] == [
        ("patient001_frame01", "patient001", "ED", "train"),
        ("patient001_frame12", "patient001", "ES", "train"),
        ("patient090_frame04", "patient090", "ED", "train"),
        ("patient090_frame11", "patient090", "ES", "train"),
        ("patient101_frame01", "patient101", "ED", "test"),
        ("patient101_frame14", "patient101", "ES", "test"),
    ]
    assert source.problems == ()
    assert source.patients == ("patient001", "patient090", "patient101")
    assert {c.attributes["group"] for c in source.cases} == {"DCM", "MINF", "NOR"}
    assert all("4d" not in path.name for c in source.cases for path in c.files)


def test_labels_and_layout_are_those_of_the_challenge(root):
    source = read_source(root)
    assert source.labels.classes == {1: "RV", 2: "MYO", 3: "LV"}
    assert {c.layout for c in source.cases} == {SliceLayout("as_stored", 2)}
    assert source.channel_names == ("cine",)
    assert {c.modality for c in source.cases} == {"MR"}


def test_the_training_folder_alone_is_a_source(root):
    source = read_source(root / "training")
    assert source.detection.root == root / "training"
    assert {c.part for c in source.cases} == {"train"}
    assert source.patients == ("patient001", "patient090")


def test_a_part_asked_for_by_a_relative_path_keeps_its_name(root, monkeypatch):
    (root / "training/patient001").rename(root / "training/patient149")
    for file in (root / "training/patient149").glob("patient001*"):
        file.rename(file.with_name(file.name.replace("patient001", "patient149")))
    monkeypatch.chdir(root / "training")
    source = read_source(type(root)("."))
    assert {(c.patient_id, c.part) for c in source.cases} == {
        ("patient090", "train"),
        ("patient149", "train"),
    }


def test_patients_without_part_folders_are_parted_by_their_number(trees, tmp_path):
    for number in (100, 101):
        trees.acdc_patient(tmp_path / f"patient{number}", (1, 9))
    assert [c.part for c in read_source(tmp_path).cases] == ["train", "train", "test", "test"]


def test_testing_unpacked_into_testing_is_read(root):
    (root / "testing").rename(root / "inner")
    (root / "testing").mkdir()
    (root / "inner").rename(root / "testing/testing")
    source = read_source(root)
    assert ("patient101", "test") in {(c.patient_id, c.part) for c in source.cases}
    assert source.problems == ()


def test_the_older_archive_name_is_no_obstacle(root):
    old = root.rename(root.with_name("acdc_challenge_20170617"))
    assert detect(old.parent).root == old


def test_a_patient_in_two_places_is_used_once_and_reported(root):
    shutil.copytree(root / "testing/patient101", root / "testing/testing/patient101")
    source = read_source(root)
    assert [c.case_id for c in source.cases].count("patient101_frame01") == 1
    (problem,) = source.problems
    assert problem.code == "duplicate_case"
    assert problem.path == root / "testing/testing/patient101"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "ED: 1",
        "ED: one\nES: 12",
        "ED: 0\nES: 12",
        "ED: 12\nES: 12",
        "ED = 1\nES = 12",
        "ED: -1\nES: 3",
    ],
)
def test_a_garbled_info_file_excludes_the_patient_with_a_remedy(content, root):
    path = root / "training/patient001/Info.cfg"
    path.write_text(content)
    source = read_source(root)
    assert "patient001" not in source.patients
    (problem,) = source.problems
    assert (problem.code, problem.severity, problem.path) == ("bad_metadata", "error", path)
    assert "ED" in problem.reason
    assert "archive" in problem.remedy


def test_a_missing_info_file_excludes_the_patient(root):
    (root / "training/patient001/Info.cfg").unlink()
    source = read_source(root)
    assert "patient001" not in source.patients
    assert [p.code for p in source.problems] == ["bad_metadata"]


def test_the_first_frame_is_never_assumed(root):
    """patient090 without the frame that Info.cfg names: frame01 must not step in."""
    folder = root / "training/patient090"
    for ending in (".nii.gz", "_gt.nii.gz"):
        (folder / f"patient090_frame04{ending}").rename(folder / f"patient090_frame01{ending}")
    source = read_source(root)
    assert codes(source) == [
        ("missing_image", "patient090_frame04"),
        ("missing_label", "patient090_frame04"),
    ]
    assert [p.path.name for p in source.problems if p.code == "unlisted_file"] == [
        "patient090_frame01_gt.nii.gz"
    ]
    assert [c.case_id for c in source.cases if c.patient_id == "patient090"] == [
        "patient090_frame11"
    ]


def test_a_missing_label_excludes_its_phase_only(root):
    (root / "training/patient001/patient001_frame12_gt.nii.gz").unlink()
    source = read_source(root)
    assert codes(source) == [("missing_label", "patient001_frame12")]
    assert "patient001_frame01" in [c.case_id for c in source.cases]


def test_unpacked_images_are_read(trees, root):
    folder = root / "training/patient001"
    (folder / "patient001_frame01.nii.gz").unlink()
    unpacked = trees.nifti(folder / "patient001_frame01.nii")
    source = read_source(root)
    assert source.cases[0].channels[0].path == unpacked
    assert source.problems == ()

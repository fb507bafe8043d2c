from __future__ import annotations

import shutil

import pytest

from distributed_iac.data.contract import SliceLayout
from distributed_iac.data.formats.brats_releases import release_of
from distributed_iac.data.formats.registry import detect, read_source
from distributed_iac.errors import SourceError

RELEASES = ["2018", "2019", "2020", "2021", "2023-GLI", "2024-GLI"]


def codes(source, severity="error"):
    return [(p.code, p.case_id) for p in source.problems if p.severity == severity]


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_has_four_channels_in_canonical_order(release, trees, tmp_path):
    source = read_source(trees.brats(tmp_path / "x", release))
    assert source.release == release
    assert source.channel_names == ("t1", "t1ce", "t2", "flair")
    assert {c.layout for c in source.cases} == {SliceLayout("LPS", 2)}
    first = source.cases[0]
    expected = ("t1n", "t1c", "t2w", "t2f") if "GLI" in release else source.channel_names
    assert all(
        channel.path.name.removeprefix(first.case_id)[1:].split(".")[0] == name
        for channel, name in zip(first.channels, expected, strict=True)
    )
    assert first.label is not None


@pytest.mark.parametrize(
    ("release", "values", "tumour_core"),
    [
        ("2018", {1, 2, 4}, (1, 4)),
        ("2019", {1, 2, 4}, (1, 4)),
        ("2020", {1, 2, 4}, (1, 4)),
        ("2021", {1, 2, 4}, (1, 4)),
        ("2023-GLI", {1, 2, 3}, (1, 3)),
        ("2024-GLI", {1, 2, 3, 4}, (1, 3)),
    ],
)
def test_label_values_follow_the_release(release, values, tumour_core, trees, tmp_path):
    labels = read_source(trees.brats(tmp_path / "x", release)).labels
    assert set(labels.classes) == values
    regions = {region.name: region.values for region in labels.regions}
    assert regions["TC"] == tumour_core
    assert set(regions) == (
        {"WT", "TC", "ET", "RC"} if release == "2024-GLI" else {"WT", "TC", "ET"}
    )
    assert 4 not in regions["WT"] or release <= "2021"


def test_the_convention_comes_from_names_and_not_from_voxels(trees, tmp_path):
    """A 2021 case whose mask happens to hold 1, 2, 3 stays BraTS 2021."""
    trees.brats_case(tmp_path / "BraTS2021_00000", values=(1, 2, 3))
    assert read_source(tmp_path).labels.classes == {1: "NCR/NET", 2: "ED", 4: "ET"}


def test_grades_are_kept_where_folders_name_them(trees, tmp_path):
    source = read_source(trees.brats(tmp_path / "x", "2018"))
    assert {c.case_id: c.attributes["grade"] for c in source.cases} == {
        "Brats18_2013_2_1": "HGG",
        "Brats18_TCIA09_141_1": "LGG",
    }


def test_visits_of_one_patient_belong_together(trees, tmp_path):
    source = read_source(trees.brats(tmp_path / "x", "2024-GLI"))
    assert [c.case_id for c in source.cases] == ["BraTS-GLI-00005-100", "BraTS-GLI-00005-101"]
    assert source.patients == ("BraTS-GLI-00005",)


def test_the_misnamed_mask_of_2020_is_taken_with_a_warning(trees, tmp_path):
    source = read_source(trees.brats(tmp_path / "x", "2020"))
    assert codes(source, "warning") == [("alias_used", "BraTS20_Training_355")]
    assert source.cases[1].label.name == "W39_1998.09.19_Segm.nii"
    assert codes(source) == []


def test_the_alias_holds_for_its_own_case_only(trees, tmp_path):
    folder = trees.brats_case(tmp_path / "BraTS20_Training_001", values=None)
    trees.nifti(folder / "W39_1998.09.19_Segm.nii")
    source = read_source(tmp_path)
    assert source.cases == ()
    assert codes(source) == [("missing_label", "BraTS20_Training_001")]


def test_compressed_wins_over_unpacked_with_a_warning(trees, tmp_path):
    folder = trees.brats_case(tmp_path / "BraTS2021_00000")
    trees.nifti(folder / "BraTS2021_00000_t2.nii")
    source = read_source(tmp_path)
    assert source.cases[0].channels[2].path.name == "BraTS2021_00000_t2.nii.gz"
    assert codes(source, "warning") == [("ambiguous_file", "BraTS2021_00000")]


def test_folders_that_unpackers_make_of_files_are_looked_into(trees, tmp_path):
    folder = trees.brats_case(tmp_path / "BraTS2021_00000")
    (folder / "BraTS2021_00000_flair.nii.gz").unlink()
    inner = trees.nifti(folder / "BraTS2021_00000_flair.nii/00000057_brain_flair.nii")
    source = read_source(tmp_path)
    assert source.cases[0].channels[3].path == inner
    trees.nifti(inner.with_name("another.nii"))
    assert codes(read_source(tmp_path)) == [("missing_channel", "BraTS2021_00000")]


def test_a_missing_channel_excludes_the_case_and_is_named(trees, tmp_path):
    root = trees.brats(tmp_path / "x", "2023-GLI")
    (root / "BraTS-GLI-00000-000/BraTS-GLI-00000-000-t2f.nii.gz").unlink()
    source = read_source(root)
    assert [c.case_id for c in source.cases] == ["BraTS-GLI-00017-001"]
    assert codes(source) == [("missing_channel", "BraTS-GLI-00000-000")]
    assert "BraTS-GLI-00000-000-t2f" in source.problems[0].reason


@pytest.mark.parametrize("inner", ["TrainingData", "BraTS2021_TrainingData"])
def test_a_folder_nested_in_itself_is_read(inner, trees, tmp_path):
    trees.brats(tmp_path / "BraTS2021_TrainingData" / inner, "2021")
    source = read_source(tmp_path / "BraTS2021_TrainingData")
    assert len(source.cases) == 2
    assert source.problems == ()


def test_a_case_folder_nested_in_itself_is_read(trees, tmp_path):
    trees.brats_case(tmp_path / "BraTS2021_00000/BraTS2021_00000")
    trees.brats_case(tmp_path / "BraTS2021_00002")
    source = read_source(tmp_path)
    assert [c.case_id for c in source.cases] == ["BraTS2021_00000", "BraTS2021_00002"]
    assert source.problems == ()


def test_the_second_copy_of_a_case_is_reported(trees, tmp_path):
    root = trees.brats(tmp_path / "x", "2021")
    shutil.copytree(root / "BraTS2021_00002", root / "copy/BraTS2021_00002")
    source = read_source(root)
    assert len(source.cases) == 2
    assert codes(source) == [("duplicate_case", "BraTS2021_00002")]
    assert source.cases[1].label.parent == root / "BraTS2021_00002"


def test_validation_cases_need_no_label(trees, tmp_path):
    trees.brats_case(tmp_path / "BraTS2020_TrainingData/a/BraTS20_Training_001")
    trees.brats_case(tmp_path / "BraTS2020_ValidationData/b/BraTS20_Validation_001", values=None)
    source = read_source(tmp_path)
    assert [(c.case_id, c.part, c.label is None) for c in source.cases] == [
        ("BraTS20_Training_001", "train", False),
        ("BraTS20_Validation_001", "val", True),
    ]
    assert source.problems == ()


def test_validation_cases_of_later_releases_are_told_by_their_folder(trees, tmp_path):
    trees.brats_case(tmp_path / "TrainingData/BraTS-GLI-00000-000", values=(1, 2, 3))
    trees.brats_case(tmp_path / "ValidationData/BraTS-GLI-00001-000", values=None)
    assert [c.part for c in read_source(tmp_path).cases] == ["train", "val"]
    assert codes(read_source(tmp_path / "ValidationData")) == []


def test_a_training_case_without_label_is_excluded(trees, tmp_path):
    trees.brats_case(tmp_path / "BraTS2021_00000", values=None)
    source = read_source(tmp_path)
    assert source.cases == ()
    assert codes(source) == [("missing_label", "BraTS2021_00000")]
    assert "Validation" in source.problems[0].remedy


@pytest.mark.parametrize("other", ["2021", "2024-GLI"])
def test_releases_are_never_mixed(other, trees, tmp_path):
    trees.brats(tmp_path / "x", "2023-GLI")
    trees.brats(tmp_path / "x", other)
    with pytest.raises(SourceError, match="one BraTS release at a time") as caught:
        detect(tmp_path / "x")
    assert "2023-GLI" in str(caught.value)
    assert other in str(caught.value)


def test_one_folder_of_a_release_is_found_among_its_tables(trees, tmp_path):
    trees.brats(tmp_path / "archive/BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData", "2020")
    found = detect(tmp_path / "archive")
    assert found.root.name == "MICCAI_BraTS2020_TrainingData"
    assert found.release == "2020"


@pytest.mark.parametrize(
    "name",
    [
        "BraTS-MEN-00000-000",
        "BraTS-GLI-0000-000",
        "BraTS2021_0000",
        "BraTS20_Training_1",
        "BRATS_001",
    ],
)
def test_names_of_other_challenges_are_no_cases(name):
    assert release_of(name) is None

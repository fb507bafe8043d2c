from __future__ import annotations

import json

import pytest

from distributed_iac.data.contract import Channel, Region, SliceLayout
from distributed_iac.data.formats.registry import READERS, read_source


@pytest.fixture
def root(trees, tmp_path):
    return trees.msd(tmp_path / "Task09_Spleen")


def codes(source, severity="error"):
    return [(p.code, p.path.name) for p in source.problems if p.severity == severity]


def edit(root, **changes):
    path = root / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_task_is_read_from_its_list(root):
    source = read_source(root)
    assert source.release == "Task09_Spleen"
    assert [(c.case_id, c.part, c.modality, c.label is None) for c in source.cases] == [
        ("other_1", "test", "CT", True),
        ("spleen_2", "train", "CT", False),
        ("spleen_3", "train", "CT", False),
    ]
    assert source.cases[0].channels == (Channel("ct", root / "imagesTs/other_1.nii.gz"),)
    assert source.labels.classes == {1: "spleen"}
    assert source.labels.regions == ()
    assert {c.layout for c in source.cases} == {SliceLayout("LPS", None)}
    assert source.licence == "CC-BY-SA 4.0"
    assert source.problems == ()


def test_channels_of_a_4d_image_are_positions_on_its_last_axis(trees, tmp_path):
    source = read_source(trees.msd_brain(tmp_path / "Task01_BrainTumour"))
    path = tmp_path / "Task01_BrainTumour/imagesTr/BRATS_001.nii.gz"
    assert source.channel_names == ("flair", "t1", "t1ce", "t2")
    assert source.cases[0].channels == tuple(
        Channel(name, path, index) for index, name in enumerate(source.channel_names)
    )
    assert source.cases[0].files == (path, path.parents[1] / "labelsTr/BRATS_001.nii.gz")


def test_the_brain_task_has_regions_in_its_own_numbering(trees, tmp_path):
    source = read_source(trees.msd_brain(tmp_path / "renamed"))
    assert source.labels.regions == (
        Region("WT", (1, 2, 3)),
        Region("TC", (2, 3)),
        Region("ET", (3,)),
    )
    assert source.labels.region_order == (1, 2, 3)
    assert {c.layout for c in source.cases} == {SliceLayout("LPS", 2)}


def test_three_labels_of_something_else_are_no_brain_task(trees, tmp_path):
    names = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
    labels = {"0": "background", "1": "necrosis", "2": "edema", "3": "enhancing"}
    source = read_source(trees.msd(tmp_path / "Task01_BrainTumour", ("a", "b"), names, labels))
    assert source.labels.regions == ()


def test_the_number_of_channels_comes_from_the_list(trees, tmp_path):
    root = trees.msd(tmp_path / "Task05_Prostate", ("p_00", "p_01"), {"0": "T2", "1": "ADC"})
    assert read_source(root).channel_names == ("t2", "adc")
    assert {len(c.channels) for c in read_source(root).cases} == {2}


def test_channels_of_one_name_in_two_spellings_are_told(trees, tmp_path):
    root = trees.msd(tmp_path / "Task05_Prostate", ("p_00", "p_01"), {"0": "T2", "1": "t2"})
    (problem,) = read_source(root).problems
    assert (problem.code, problem.severity) == ("bad_metadata", "warning")
    assert "T2 and t2 are one name" in problem.reason


def test_announced_numbers_are_checked(root):
    edit(root, numTraining=41, numTest=20)
    reasons = [p.reason for p in read_source(root).problems]
    assert [p.code for p in read_source(root).problems] == ["count_mismatch"] * 2
    assert any("41" in reason for reason in reasons)
    assert any("20" in reason for reason in reasons)


def test_list_and_disk_are_compared_both_ways(trees, root):
    (root / "labelsTr/spleen_2.nii.gz").unlink()
    trees.nifti(root / "imagesTr/spleen_99.nii.gz")
    source = read_source(root)
    assert codes(source) == [("missing_label", "spleen_2.nii.gz")]
    assert codes(source, "warning") == [("unlisted_file", "spleen_99.nii.gz")]
    assert "spleen_2" not in source.patients


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("../secret.nii.gz", "outside_root"),
        ("./imagesTr/../../secret.nii.gz", "outside_root"),
        ("/etc/passwd", "outside_root"),
        ("./imagesTr/link.nii.gz", "outside_root"),
        ("$HOME/secret.nii.gz", "unexpanded_path"),
    ],
)
def test_listed_paths_must_stay_inside(image, code, trees, root):
    secret = trees.nifti(root.parent / "secret.nii.gz")
    (root / "imagesTr/link.nii.gz").symlink_to(secret)
    edit(root, training=[{"image": image, "label": "./labelsTr/spleen_2.nii.gz"}])
    source = read_source(root)
    assert (code, "dataset.json") in codes(source)
    assert [c.case_id for c in source.cases] == ["other_1"]


def test_a_listed_label_must_stay_inside_too(trees, root):
    trees.nifti(root.parent / "secret.nii.gz")
    edit(
        root,
        training=[{"image": "./imagesTr/spleen_2.nii.gz", "label": "../secret.nii.gz"}],
    )
    source = read_source(root)
    assert ("outside_root", "dataset.json") in codes(source)
    assert "spleen_2" not in source.patients


@pytest.mark.parametrize(
    "changes",
    [{"modality": {"1": "CT"}}, {"modality": "CT"}, {"labels": {"a": "b"}}, {"labels": {}}],
)
def test_lists_that_do_not_say_what_the_files_are_give_no_cases(changes, root):
    edit(root, **changes)
    source = read_source(root)
    assert source.cases == ()
    assert ("bad_metadata", "dataset.json") in codes(source)


def test_entries_that_name_no_image_are_reported_by_position(root):
    good = {"image": "./imagesTr/spleen_2.nii.gz", "label": "./labelsTr/spleen_2.nii.gz"}
    edit(root, training=[good, {"label": "x"}, 7], test=[])
    reasons = [p.reason for p in read_source(root).problems if p.code == "bad_metadata"]
    assert len(reasons) == 2
    assert "training[1]" in reasons[0]
    assert "training[2]" in reasons[1]


def test_a_training_case_listed_without_label_is_excluded(root):
    edit(root, training=["./imagesTr/spleen_2.nii.gz"])
    assert ("missing_label", "dataset.json") in codes(read_source(root))


def test_a_named_test_label_that_is_absent_leaves_an_unlabelled_case(root):
    entry = {"image": "./imagesTs/other_1.nii.gz", "label": "./labelsTs/other_1.nii.gz"}
    edit(root, test=[entry])
    source = read_source(root)
    assert source.cases[0].label is None
    assert codes(source) == []


@pytest.mark.parametrize("name", READERS)
def test_a_task_with_a_garbled_list_is_claimed_by_its_reader_only(name, root):
    (root / "dataset.json").write_text("[")
    assert (READERS[name].detect(root) is not None) == (name == "msd")

from __future__ import annotations

import json

import pytest

from distributed_iac.data.contract import Region, SliceLayout
from distributed_iac.data.formats.registry import READERS, detect, read_source


def codes(source, severity="error"):
    return [(p.code, p.case_id) for p in source.problems if p.severity == severity]


def test_cases_channels_and_labels_are_read(trees, tmp_path):
    source = read_source(trees.nnunet(tmp_path / "Dataset003_Liver", channels=2))
    assert source.release == "Dataset003_Liver"
    assert source.channel_names == ("mod_0", "mod_1")
    assert [(c.case_id, c.patient_id, c.part, c.label is None) for c in source.cases] == [
        ("case_a", "case_a", "train", False),
        ("case_b", "case_b", "train", False),
        ("case_t", "case_t", "test", True),
    ]
    assert [channel.path.name for channel in source.cases[0].channels] == [
        "case_a_0000.nii.gz",
        "case_a_0001.nii.gz",
    ]
    assert source.labels.classes == {1: "liver", 2: "tumour"}
    assert source.labels.regions == ()
    assert {c.layout for c in source.cases} == {SliceLayout("LPS", None)}
    assert source.problems == ()


def test_regions_and_the_ignore_label_are_read_in_their_order(trees, tmp_path):
    source = read_source(trees.nnunet_regions(tmp_path / "Dataset137_BraTS"))
    assert source.labels.regions == (
        Region("whole", (1, 2, 3)),
        Region("core", (2, 3)),
        Region("enhancing", (3,)),
    )
    assert source.labels.region_order == (1, 2, 3)
    assert source.labels.ignore == 4
    assert source.labels.values == {0, 1, 2, 3, 4}
    assert source.labels.classes[3] == "enhancing"
    assert source.channel_names == ("t1", "t1ce", "t2", "flair")
    assert source.problems == ()


def test_version_1_files_are_read_with_a_warning(trees, tmp_path):
    source = read_source(trees.nnunet_v1(tmp_path / "Task002_Heart"))
    assert source.labels.classes == {1: "a", 2: "b"}
    assert {c.modality for c in source.cases} == {"CT"}
    assert codes(source, "warning") == [("v1_layout", None)]
    assert codes(source) == []


@pytest.mark.parametrize(
    ("names", "modality", "warned"),
    [
        ({"0": "CT"}, "CT", False),
        ({"0": "ct"}, "CT", False),
        ({"0": "cineMRI"}, "MR", False),
        ({"0": "noNorm"}, "MR", True),
        ({"0": "CT", "1": "PET"}, "MR", True),
        ({"0": "CT", "1": "CT"}, "CT", False),
    ],
)
def test_the_channel_name_decides_the_normalisation(names, modality, warned, trees, tmp_path):
    meta = {"channel_names": names}
    source = read_source(trees.nnunet(tmp_path / "Dataset001_X", meta, channels=len(names)))
    assert {c.modality for c in source.cases} == {modality}
    assert [c for c, _ in codes(source, "warning")] == ["normalisation_ignored"] * warned


@pytest.mark.parametrize(
    ("first", "second", "warned"),
    [("T1", "t1", True), ("t1 w", "T1_W", True), ("MRI", "MRI", False), ("T1", "T2", False)],
)
def test_channels_of_one_name_in_two_spellings_are_told(first, second, warned, trees, tmp_path):
    meta = {"channel_names": {"0": first, "1": second}}
    source = read_source(trees.nnunet(tmp_path / "Dataset001_X", meta, channels=2))
    told = [p.reason for p in source.problems if p.severity == "warning"]
    assert len(told) == warned
    assert all(f"{first} and {second} are one name" in reason for reason in told)
    assert len({channel.name for channel in source.cases[0].channels}) == 2


def test_a_missing_channel_excludes_the_case(trees, tmp_path):
    root = trees.nnunet(tmp_path / "Dataset001_X", channels=2)
    (root / "imagesTr/case_a_0001.nii.gz").unlink()
    source = read_source(root)
    assert codes(source) == [("missing_channel", "case_a")]
    assert "_0001" in source.problems[0].reason
    assert "case_a" not in source.patients


def test_a_label_without_image_and_an_image_without_label_are_reported(trees, tmp_path):
    root = trees.nnunet(tmp_path / "Dataset001_X")
    (root / "imagesTr/case_a_0000.nii.gz").unlink()
    (root / "labelsTr/case_b.nii.gz").unlink()
    source = read_source(root)
    assert sorted(codes(source)) == [("missing_image", "case_a"), ("missing_label", "case_b")]


def test_test_labels_are_used_where_they_are(trees, tmp_path):
    root = trees.nnunet(tmp_path / "Dataset001_X")
    label = trees.nifti(root / "labelsTs/case_t.nii.gz")
    assert read_source(root).cases[-1].label == label


def test_one_id_on_both_sides_is_used_once(trees, tmp_path):
    root = trees.nnunet(tmp_path / "Dataset001_X", test_cases=("case_a",))
    source = read_source(root)
    assert codes(source) == [("duplicate_case", "case_a")]
    assert source.cases[0].part == "train"


def test_stray_files_are_reported(trees, tmp_path):
    root = trees.nnunet(tmp_path / "Dataset001_X")
    strays = [
        trees.nifti(root / "imagesTr/case_a.nii.gz"),
        trees.nifti(root / "imagesTr/case_a_0000.nii"),
        trees.nifti(root / "imagesTr/case_b_0007.nii.gz"),
        trees.nifti(root / "labelsTr/case_a.nii"),
    ]
    source = read_source(root)
    assert [p.path for p in source.problems] == sorted(strays)
    assert {p.code for p in source.problems} == {"unlisted_file"}
    assert len(source.cases) == 3


def test_an_announced_number_of_cases_is_checked(trees, tmp_path):
    source = read_source(trees.nnunet(tmp_path / "Dataset001_X", {"numTraining": 40}))
    assert codes(source, "warning") == [("count_mismatch", None)]
    assert "40" in source.problems[0].reason
    assert "2 training" in source.problems[0].reason


def test_uncompressed_nifti_is_read(trees, tmp_path):
    root = tmp_path / "Dataset001_X"
    trees.nifti(root / "imagesTr/a_0000.nii")
    trees.nifti(root / "labelsTr/a.nii")
    meta = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "x": 1}, "numTraining": 1}
    trees.json(root / "dataset.json", {**meta, "file_ending": ".nii"})
    source = read_source(root)
    assert source.patients == ("a",)
    assert source.problems == ()


def test_other_image_formats_are_named_with_what_is_supported(trees, tmp_path):
    root = tmp_path / "Dataset120_RoadSegmentation"
    trees.text(root / "imagesTr/img-1_0000.png", "")
    meta = {"channel_names": {"0": "R"}, "labels": {"background": 0, "road": 1}, "numTraining": 1}
    trees.json(root / "dataset.json", {**meta, "file_ending": ".png"})
    source = read_source(root)
    assert source.cases == ()
    assert codes(source) == [("unsupported_ending", None)]
    assert ".png" in source.problems[0].reason
    assert ".nii.gz" in source.problems[0].reason


@pytest.mark.parametrize(
    "meta",
    [
        {"labels": {"liver": 1}},
        {"labels": {"background": 1, "liver": 2}},
        {"labels": {"background": 0, "a": [1, 2], "b": 2}},
        {"labels": {"background": 0, "a": [1, 2], "b": 2}, "regions_class_order": [1]},
        {"labels": {"background": 0, "a": [1, 2], "b": 2}, "regions_class_order": [1, 9]},
        {"labels": {"background": 0, "a": 1, "b": 1}},
        {"labels": {"background": 0, "a": 1, "ignore": 1}},
        {"labels": {"background": 0, "a": "one"}},
        {"channel_names": {"1": "CT"}},
        {"channel_names": {}},
        {"channel_names": ["CT"]},
    ],
)
def test_a_dataset_json_that_cannot_be_meant_gives_no_cases(meta, trees, tmp_path):
    source = read_source(trees.nnunet(tmp_path / "Dataset001_X", meta))
    assert source.cases == ()
    assert codes(source) == [("bad_metadata", None)]
    assert source.problems[0].path.name == "dataset.json"


@pytest.mark.parametrize("content", ["{", "[]", "", "[" * 100_000])
def test_a_garbled_dataset_json_is_still_recognised(content, trees, tmp_path):
    root = trees.nnunet(tmp_path / "Dataset001_X")
    (root / "dataset.json").write_text(content)
    assert detect(root).format == "nnunet_raw"
    assert codes(read_source(root)) == [("bad_metadata", None)]


def test_a_dataset_map_is_followed(trees, tmp_path):
    root = trees.nnunet_mapped(tmp_path / "Dataset987_Mapped")
    source = read_source(root)
    assert [c.case_id for c in source.cases] == ["case_t", "first", "second"]
    assert source.cases[2].label == root / "labelsTr/case_b.nii.gz"
    assert source.problems == ()


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("../outside_0000.nii.gz", "outside_root"),
        ("imagesTr/../../outside_0000.nii.gz", "outside_root"),
        ("OUTSIDE/outside_0000.nii.gz", "outside_root"),
        ("imagesTr/link_0000.nii.gz", "outside_root"),
        ("${nnUNet_raw}/outside_0000.nii.gz", "unexpanded_path"),
        ("imagesTr/\x00.nii.gz", "bad_metadata"),
        ("imagesTr/" + "x" * 300, "bad_metadata"),
        ("imagesTr/absent_0000.nii.gz", "missing_image"),
        (7, "bad_metadata"),
        ("", "bad_metadata"),
    ],
)
def test_a_mapped_path_must_stay_inside(image, code, trees, tmp_path, monkeypatch):
    outside = trees.nifti(tmp_path / "outside_0000.nii.gz")
    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    root = trees.nnunet_mapped(tmp_path / "Dataset987_Mapped")
    (root / "imagesTr/link_0000.nii.gz").symlink_to(outside)
    path = root / "dataset.json"
    meta = json.loads(path.read_text())
    text = image.replace("OUTSIDE", str(tmp_path)) if isinstance(image, str) else image
    meta["dataset"]["first"]["images"] = [text]
    path.write_text(json.dumps(meta))
    source = read_source(root)
    assert codes(source) == [(code, "first")]
    assert "first" not in source.patients
    assert outside not in [file for case in source.cases for file in case.files]


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "", "nul\x00", "x" * 300, " a "])
def test_a_case_id_that_cannot_be_a_file_name_is_refused(name, trees, tmp_path):
    root = trees.nnunet_mapped(tmp_path / "Dataset987_Mapped")
    path = root / "dataset.json"
    meta = json.loads(path.read_text())
    meta["dataset"][name] = meta["dataset"].pop("first")
    path.write_text(json.dumps(meta))
    source = read_source(root)
    assert [c for c, _ in codes(source)] == ["unsafe_name"]
    assert source.patients == ("case_t", "second")


def test_links_put_in_the_place_of_images_are_followed(trees, tmp_path):
    """A user's own arrangement, unlike a path that a file of the data set dictates."""
    root = trees.nnunet(tmp_path / "Dataset001_X")
    image = root / "imagesTr/case_a_0000.nii.gz"
    image.rename(tmp_path / "elsewhere.nii.gz")
    image.symlink_to(tmp_path / "elsewhere.nii.gz")
    assert "case_a" in read_source(root).patients


def test_the_two_frames_of_one_heart_stay_one_patient(trees, tmp_path):
    names = ("patient001_frame01", "patient001_frame12", "patient002_frame01")
    source = read_source(trees.nnunet(tmp_path / "Dataset027_ACDC", cases=names, test_cases=()))
    assert source.patients == ("patient001", "patient002")


def test_supplied_splits_are_read_as_patients(trees, tmp_path):
    names = ("patient001_frame01", "patient001_frame12", "patient002_frame01")
    root = trees.nnunet(tmp_path / "Dataset027_ACDC", cases=names)
    trees.json(root / "splits_final.json", [{"train": names[:2], "val": names[2:]}])
    source = read_source(root)
    assert source.splits == ({"train": ("patient001",), "val": ("patient002",)},)
    assert source.problems == ()


@pytest.mark.parametrize(
    ("splits", "code"),
    [
        ([{"train": ["patient001_frame01"], "val": ["patient001_frame12"]}], "split_leak"),
        ([{"train": ["patient001_frame01"], "val": ["nobody"]}], "bad_split"),
        ([{"train": ["patient001_frame01"]}], "bad_split"),
        ([{"train": "patient001_frame01", "val": []}], "bad_split"),
        ([{"train": [1], "val": []}], "bad_split"),
        ([], "bad_split"),
        ({"train": [], "val": []}, "bad_split"),
        ("not a list", "bad_split"),
    ],
)
def test_splits_that_leak_or_do_not_fit_are_not_used(splits, code, trees, tmp_path):
    names = ("patient001_frame01", "patient001_frame12")
    root = trees.nnunet(tmp_path / "Dataset027_ACDC", cases=names)
    trees.json(root / "splits_final.json", splits)
    source = read_source(root)
    assert source.splits == ()
    assert codes(source, "warning") == [(code, None)]


def test_a_garbled_split_file_is_not_used(trees, tmp_path):
    root = trees.nnunet(tmp_path / "Dataset001_X")
    trees.text(root / "splits_final.json", "[{")
    source = read_source(root)
    assert source.splits == ()
    assert codes(source, "warning") == [("bad_split", None)]
    assert len(source.cases) == 3


def test_a_split_may_name_cases_that_were_excluded(trees, tmp_path):
    root = trees.nnunet(tmp_path / "Dataset001_X")
    (root / "labelsTr/case_b.nii.gz").unlink()
    trees.json(root / "splits_final.json", [{"train": ["case_a"], "val": ["case_b"]}])
    assert read_source(root).splits == ({"train": ("case_a",), "val": ("case_b",)},)


def test_amos_converted_to_it_is_not_amos_any_more(trees, tmp_path):
    root = trees.nnunet(tmp_path / "Dataset702_AbdomenMR", cases=("amos_0507", "amos_0508"))
    assert [name for name, reader in READERS.items() if reader.detect(root)] == ["nnunet_raw"]
    assert read_source(root).patients == ("amos_0507", "amos_0508", "case_t")


def test_preprocessed_folders_are_not_raw(trees, tmp_path):
    meta = {"channel_names": {"0": "CT"}, "labels": {"background": 0}, "file_ending": ".nii.gz"}
    trees.json(tmp_path / "Dataset001_X/dataset.json", meta)
    trees.nifti(tmp_path / "Dataset001_X/gt_segmentations/a.nii.gz")
    assert READERS["nnunet_raw"].detect(tmp_path) is None

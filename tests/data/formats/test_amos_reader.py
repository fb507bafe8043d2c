from __future__ import annotations

import json

import pytest

from distributed_iac.data.contract import SliceLayout
from distributed_iac.data.formats.amos import modality_of
from distributed_iac.data.formats.registry import READERS, read_source
from distributed_iac.errors import SourceError


@pytest.fixture
def root(trees, tmp_path):
    return trees.amos(tmp_path / "amos22")


def codes(source, severity="error"):
    return [(p.code, p.path.name) for p in source.problems if p.severity == severity]


def edit(root, **changes):
    path = root / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_official_parts_and_modalities_are_read(root):
    source = read_source(root)
    assert [(c.case_id, c.part, c.modality, c.label is None) for c in source.cases] == [
        ("amos_0001", "train", "CT", False),
        ("amos_0002", "test", "CT", True),
        ("amos_0008", "val", "CT", False),
        ("amos_0507", "train", "MR", False),
    ]
    assert source.problems == ()
    assert {c.layout for c in source.cases} == {SliceLayout("LPS", 2)}


def test_both_flavours_of_lists_give_the_same_cases(root, trees, tmp_path):
    first_release = read_source(trees.amos(tmp_path / "first", "tasks"))
    assert first_release.release == "2022 first release"
    assert [c.case_id for c in first_release.cases] == [c.case_id for c in read_source(root).cases]
    assert first_release.problems == ()


def test_organs_are_named_in_correct_spelling(root):
    classes = read_source(root).labels.classes
    assert classes[8] == "aorta"
    assert list(classes) == list(range(1, 16))


def test_mr_cases_are_not_scored_on_organs_they_never_have(root):
    unannotated = {c.case_id: c.unannotated for c in read_source(root).cases}
    assert unannotated["amos_0507"] == {14, 15}
    assert unannotated["amos_0001"] == frozenset()


@pytest.mark.parametrize(("number", "modality"), [(1, "CT"), (410, "CT"), (500, "CT"), (501, "MR")])
def test_the_case_number_tells_the_modality(number, modality):
    assert modality_of(f"amos_{number:04d}") == modality


@pytest.mark.parametrize(("modality", "left"), [("ct", 3), ("mr", 1), ("all", 4)])
def test_one_modality_can_be_asked_for(modality, left, root):
    cases = read_source(root, modality=modality).cases
    assert len(cases) == left
    assert modality == "all" or {c.modality for c in cases} == {modality.upper()}


def test_a_modality_that_is_not_there_is_refused(trees, tmp_path):
    with pytest.raises(SourceError, match="modality asked for, CT"):
        read_source(trees.acdc(tmp_path / "database"), modality="ct")


def test_no_other_reader_takes_its_four_digits_for_a_channel(root):
    assert READERS["nnunet_raw"].detect(root) is None
    assert READERS["msd"].detect(root) is None


@pytest.mark.parametrize("name", ["dataset.json", "labelsTr", "labelsVa"])
def test_it_stays_amos_whatever_is_missing(name, root):
    (root / name).rename(root.parent / f"gone_{name}")
    assert [n for n, r in READERS.items() if r.detect(root)] == ["amos"]


def test_without_lists_the_folders_are_read(root):
    before = read_source(root)
    (root / "dataset.json").unlink()
    source = read_source(root)
    assert source.cases == before.cases
    assert codes(source, "warning") == [("bad_metadata", "dataset.json")]


def test_a_garbled_list_falls_back_to_the_folders_and_is_an_error(root):
    before = read_source(root)
    (root / "dataset.json").write_text('{"training": [')
    source = read_source(root)
    assert source.cases == before.cases
    assert codes(source) == [("bad_metadata", "dataset.json")]


def test_a_training_image_without_label_is_excluded_without_lists_too(root):
    (root / "dataset.json").unlink()
    (root / "labelsTr/amos_0001.nii.gz").unlink()
    source = read_source(root)
    assert codes(source) == [("missing_label", "amos_0001.nii.gz")]
    assert "amos_0001" not in source.patients


def test_listed_files_that_are_not_there_are_reported(root):
    (root / "imagesTr/amos_0001.nii.gz").unlink()
    (root / "labelsVa/amos_0008.nii.gz").unlink()
    source = read_source(root)
    assert codes(source) == [
        ("missing_image", "amos_0001.nii.gz"),
        ("missing_label", "amos_0008.nii.gz"),
    ]
    assert [c.case_id for c in source.cases] == ["amos_0002", "amos_0507"]


def test_a_folder_that_was_never_unpacked_is_one_problem(root):
    listed = [{"image": f"./imagesTs/amos_{n:04d}.nii.gz"} for n in (2, 3, 6)]
    edit(root, test=listed)
    for path in (root / "imagesTs").iterdir():
        path.unlink()
    (root / "imagesTs").rmdir()
    (problem,) = read_source(root).problems
    assert (problem.code, problem.path) == ("missing_image", root / "imagesTs")
    assert "3 listed cases" in problem.reason


def test_files_that_no_list_names_are_reported_and_not_used(trees, root):
    trees.nifti(root / "imagesTr/amos_0099.nii.gz")
    trees.nifti(root / "labelsVa/amos_0099.nii.gz")
    source = read_source(root)
    assert "amos_0099" not in source.patients
    assert codes(source, "warning") == [
        ("unlisted_file", "amos_0099.nii.gz"),
        ("unlisted_file", "amos_0099.nii.gz"),
    ]


def test_an_entry_listed_twice_is_reported(root):
    entry = {"image": "./imagesTr/amos_0001.nii.gz", "label": "./labelsTr/amos_0001.nii.gz"}
    edit(root, training=[entry], validation=[{**entry, "label": "./labelsVa/amos_0008.nii.gz"}])
    assert ("duplicate_case", "dataset.json") in codes(read_source(root))


def test_organs_numbered_otherwise_are_believed_with_a_warning(root):
    labels = {"0": "background", "1": "liver", "2": "arota", "3": "bladder"}
    edit(root, labels=labels)
    source = read_source(root)
    assert source.labels.classes == {1: "liver", 2: "aorta", 3: "bladder"}
    assert codes(source, "warning") == [("bad_metadata", "dataset.json")]
    assert {c.unannotated for c in source.cases if c.modality == "MR"} == {frozenset({3})}


def test_a_listed_image_of_another_name_is_refused(root):
    edit(root, validation=[{"image": "./imagesVa/scan.nii.gz", "label": "./labelsVa/scan.nii.gz"}])
    assert ("bad_metadata", "dataset.json") in codes(read_source(root))


def test_the_three_claims_about_its_licence_are_shown(root):
    licence = read_source(root).licence
    assert all(claim in licence for claim in ("CC-BY-SA 4.0", "CC BY 4.0", "CC BY-NC"))
